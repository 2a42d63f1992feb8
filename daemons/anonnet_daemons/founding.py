"""Making a network on one machine: five parties or more with their keys, addresses, and the banks' brands.

Each party has a 127.x.y.z address of its own and dials from it, so that who connects with whom can be seen from
outside. Where the system has 127.0.0.1 only (macOS), all share it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.crypto.noise import generate_static, public_of
from anonnet.errors import BadStart
from anonnet.protocol.brand import BrandOffer
from anonnet.protocol.known_log import mirror_policy
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store import lock
from anonnet.store.bank import BankStore
from anonnet.store.database import Database
from anonnet.store.folder import Folder, write_durably
from anonnet.store.wallet import WalletStore
from anonnet.wire.signed import Signer
from anonnet_daemons.branding import BANK_STORE, BRAND_BITS, BRAND_DAYS, DENOMINATIONS, BrandWish, Window, minted
from anonnet_daemons.config import (
    CHANNEL_FILE,
    IDENTITY_FILE,
    NETWORK_FILE,
    PARTY_FILE,
    WALLET_FILE,
    WALLET_STORE,
    Kind,
    network_json,
    party_json,
)

PORT = 7301
"""The first party's; each has its own, so that they can share an address. Below what systems give to outgoing ones."""
REACHABLE = (Kind.MERCHANT, Kind.LOG, Kind.RELAY)
"""There is one of each of these, called after its kind, and one bank or more."""


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
    banks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The name of each bank, and the currencies of its tokens; empty: one called bank, with `currency`."""
    mirrors: int = 0
    """How many decide with the log; without any it decides alone."""
    quorum: int = 0
    """How many of them are enough."""
    merged: Kind | None = None
    """Whose daemon the log's is too: the first bank's, or the merchant's. None: the log is a party of its own."""

    @property
    def all_banks(self) -> Mapping[str, Sequence[str]]:
        """The banks with their currencies."""
        return self.banks or {Kind.BANK.value: (self.currency,)}

    @property
    def names(self) -> list[str]:
        """What the parties are called. An address and a port follow from the place here."""
        first, *others = self.all_banks
        return [first, *REACHABLE, Kind.CONSUMER, *others, *self.all_mirrors]

    def mergers(self, party: str) -> dict[str, str]:
        """With whom a party is merged: its kind, and its folder as seen from the party's."""
        if self.merged is None:
            return {}
        host = next(iter(self.all_banks)) if self.merged is Kind.BANK else self.merged.value
        return {Kind.LOG: {self.merged.value: f"../{host}"}, host: {Kind.LOG.value: f"../{Kind.LOG}"}}.get(party, {})

    @property
    def all_mirrors(self) -> list[str]:
        """The mirrors' names."""
        return [f"{Kind.MIRROR}-{number}" for number in range(1, self.mirrors + 1)]


async def found(plan: Plan) -> Network:
    """Make the network's folders and files. Raises BadStart where there is something already."""
    home = plan.home
    hosts = await _hosts(plan)
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise BadStart(f"{home} is not empty: choose a new folder, or remove it if nothing in it is needed")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise BadStart(f"{home} cannot be made ({why.strerror}): choose another folder") from why
    name = f"local-{os.urandom(4).hex()}"
    peers: list[Peer] = []
    offers: list[BrandOffer] = []
    for party, host in hosts.items():
        if party == Kind.CONSUMER:
            _consumer(home, host)
            continue
        kind = Kind.BANK if party in plan.all_banks else Kind.MIRROR if party in plan.all_mirrors else Kind(party)
        key, peer = _reachable(plan, kind, party, host, plan.port + len(peers))
        peers.append(peer)
        if kind is Kind.BANK:
            offers += await trio.to_thread.run_sync(_mint, plan, party, Signer(name, key), key.public)
    network = Network(name, tuple(_decided(plan, peers)), tuple(offers))
    write_durably(home / NETWORK_FILE, network_json(network))  # last: a network with this file is whole
    return network


def _decided(plan: Plan, peers: list[Peer]) -> list[Peer]:
    """The parties, the log with its policy: it names the mirrors' keys."""
    if not plan.mirrors:
        return peers
    policy = mirror_policy({peer.name: peer.key for peer in peers if peer.role is Role.MIRROR}, plan.quorum)
    return [replace(peer, policy=policy) if peer.role is Role.LOG else peer for peer in peers]


def _reachable(plan: Plan, kind: Kind, name: str, host: str, port: int) -> tuple[SigningKey, Peer]:
    """A data folder for a party that others reach."""
    seed, channel = os.urandom(SEED_BYTES), generate_static()
    key = SigningKey(seed)
    with Folder(plan.home / name) as folder:
        folder.write(IDENTITY_FILE, seed)
        folder.write(CHANNEL_FILE, channel)
        if kind is Kind.BANK:  # it never makes one itself: where it is gone later, it is lost
            BankStore(str(folder / BANK_STORE)).close()
        if kind is Kind.LOG:  # likewise
            Database(folder / lock.FILE, schema=lock.SCHEMA, version=lock.VERSION).close()
        folder.write(PARTY_FILE, party_json(kind, name, host, **plan.mergers(name)))
    return key, Peer(Role(kind.value), name, key.public, public_of(channel), host, port)


def _consumer(home: Path, host: str) -> None:
    with Folder(home / Kind.CONSUMER.value) as folder:
        folder.write(WALLET_FILE, os.urandom(SEED_BYTES))
        WalletStore(str(folder / WALLET_STORE)).close()
        folder.write(PARTY_FILE, party_json(Kind.CONSUMER, Kind.CONSUMER.value, host, Kind.RELAY.value))


def _mint(plan: Plan, bank: str, signer: Signer, key: bytes) -> list[BrandOffer]:
    """Make a bank's first brands, open from now on."""
    window = Window.of_days(int(time.time()), BRAND_DAYS)
    currencies = plan.all_banks[bank]
    wishes = [BrandWish(currency, each, window, plan.bits) for currency in currencies for each in plan.denominations]
    return minted(plan.home / bank, signer, key, wishes)


async def _hosts(plan: Plan) -> dict[str, str]:
    """An address for each party."""
    first, second = os.urandom(2)
    subnet = plan.subnet or f"127.{1 + first % 254}.{second}"
    hosts = {name: f"{subnet}.{index}" for index, name in enumerate(plan.names, start=1)}
    if await _can_listen(hosts[Kind.CONSUMER]):
        return hosts
    if plan.subnet:
        raise BadStart(
            f"this machine has no addresses {subnet}.1 to .{len(hosts)}: choose another --subnet, such as 127.20.30"
        )
    return dict.fromkeys(hosts, "127.0.0.1")


async def _can_listen(host: str) -> bool:
    try:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
    except OSError:
        return False
    await listener.aclose()
    return True
