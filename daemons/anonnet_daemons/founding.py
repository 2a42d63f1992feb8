"""Making a network on one machine: five parties with their keys, addresses, and the bank's brands.

Each party has a 127.x.y.z address of its own and dials from it, so that who connects with whom can be seen from
outside. Where the system has 127.0.0.1 only (macOS), all share it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.crypto.noise import generate_static, public_of
from anonnet.errors import BadStart
from anonnet.protocol.brand import BrandOffer
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store.folder import Folder, write_durably
from anonnet.wire.signed import Signer
from anonnet_daemons.branding import BRAND_BITS, BRAND_DAYS, DENOMINATIONS, BrandWish, Window, minted
from anonnet_daemons.config import (
    CHANNEL_FILE,
    IDENTITY_FILE,
    NETWORK_FILE,
    PARTY_FILE,
    WALLET_FILE,
    Kind,
    network_json,
    party_json,
)

PORT = 7301
"""The first party's; each has its own, so that they can share an address. Below what systems give to outgoing ones."""
REACHABLE = (Kind.BANK, Kind.MERCHANT, Kind.LOG, Kind.RELAY)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new network shall be."""

    home: Path
    currency: str = "EUR"
    denominations: Sequence[int] = DENOMINATIONS
    bits: int = BRAND_BITS
    subnet: str = ""
    """Three numbers of a /24 such as 127.20.30; empty: chosen at random."""
    port: int = PORT


async def found(plan: Plan) -> Network:
    """Make the network's folders and files. Raises BadStart where there is something already."""
    home = plan.home
    hosts = await _hosts(plan.subnet)
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BadStart(f"{home} is not empty: choose a new folder, or remove it if nothing in it is needed")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise BadStart(f"{home} cannot be made ({why.strerror}): choose another folder") from why
    signers: dict[Kind, SigningKey] = {}
    peers = []
    for index, kind in enumerate(REACHABLE):
        key, peer = _reachable(home, kind, hosts[kind], plan.port + index)
        signers[kind] = key
        peers.append(peer)
    name = f"local-{os.urandom(4).hex()}"
    bank = signers[Kind.BANK]
    offers = await trio.to_thread.run_sync(_mint, plan, Signer(name, bank), bank.public)
    _consumer(home, hosts[Kind.CONSUMER])
    network = Network(name, tuple(peers), tuple(offers))
    write_durably(home / NETWORK_FILE, network_json(network))  # last: a network with this file is whole
    return network


def _reachable(home: Path, kind: Kind, host: str, port: int) -> tuple[SigningKey, Peer]:
    """A data folder for a party that others reach."""
    seed, channel = os.urandom(SEED_BYTES), generate_static()
    key = SigningKey(seed)
    with Folder(home / kind.value) as folder:
        folder.write(IDENTITY_FILE, seed)
        folder.write(CHANNEL_FILE, channel)
        folder.write(PARTY_FILE, party_json(kind, kind.value, host))
    return key, Peer(Role(kind.value), kind.value, key.public, public_of(channel), host, port)


def _consumer(home: Path, host: str) -> None:
    with Folder(home / Kind.CONSUMER.value) as folder:
        folder.write(WALLET_FILE, os.urandom(SEED_BYTES))
        folder.write(PARTY_FILE, party_json(Kind.CONSUMER, Kind.CONSUMER.value, host, Kind.RELAY.value))


def _mint(plan: Plan, signer: Signer, bank: bytes) -> list[BrandOffer]:
    """Make the bank's first brands, open from now on."""
    window = Window.of_days(int(time.time()), BRAND_DAYS)
    wishes = [BrandWish(plan.currency, each, window, plan.bits) for each in plan.denominations]
    return minted(plan.home / Kind.BANK.value, signer, bank, wishes)


async def _hosts(chosen: str) -> dict[Kind, str]:
    """An address for each party."""
    first, second = os.urandom(2)
    subnet = chosen or f"127.{1 + first % 254}.{second}"
    hosts = {kind: f"{subnet}.{index}" for index, kind in enumerate(Kind, start=1)}
    if await _can_listen(hosts[Kind.CONSUMER]):
        return hosts
    if chosen:
        raise BadStart(f"this machine has no addresses {chosen}.1 to .5: choose another --subnet, such as 127.20.30")
    return dict.fromkeys(Kind, "127.0.0.1")


async def _can_listen(host: str) -> bool:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
    except OSError:
        return False
    await listener.aclose()
    return True
