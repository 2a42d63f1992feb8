"""A benchmark of the turn loop: how many durable turns a second a bank's daemon does, by where turns and COMMIT run.

Each turn opens an account under a fresh key: a request that is decoded, whose signature is checked, and that writes.
Clients and flood are processes of their own. The flood is connections that send bytes which are no handshake.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import trio

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.net.turns import Placement
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.network import Peer
from anonnet.wire.signed import Signed, Signer
from anonnet_daemons.benches.asking import Clients, split
from anonnet_daemons.benches.measuring import Times, alone, cpu_seconds, load
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

FLOODERS = 32
FLOOD_BYTES = 2000
FLOOD_HOST = "127.0.0.1"
CLIENTS_PER_CONNECTION = 8
"""So that the clients, which share the machine, cost less than the daemon that is measured."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Figures of one run."""

    placement: str
    flood: bool
    clients: int
    per_second: float
    times: Times
    refused: int
    turns_per_commit: float
    server_cpu_ms_per_op: float
    load: float

    @property
    def values(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values.pop("times"), **values}


async def turns(clients: int, count: int) -> list[Rate]:
    """Measure `count` turns in every placement, quiet and under a flood."""
    rates = []
    for flood in (False, True):
        for placement in Placement:
            rates.append(await _measured(placement, flood, clients, count))
    return rates


async def _measured(placement: Placement, flood: bool, clients: int, count: int) -> Rate:
    async with alone(Kind.BANK, "--placement", placement.value) as local:
        peer = local.peer(Kind.BANK)
        asking = Clients(local.network, peer, _requests(local, clients, count), CLIENTS_PER_CONNECTION)
        async with local.owner(Kind.BANK) as owner:
            loaded, before = load(), await owner.health()
            used = cpu_seconds(local)
            asked = await asking.ask(partial(_flood, peer) if flood else None)
            after, used_after = await owner.health(), cpu_seconds(local)
    commits = max(1, after.commits - before.commits)
    cpu = sum(used_after[name] - used[name] for name in used)
    return Rate(
        placement=placement.value,
        flood=flood,
        clients=clients,
        per_second=round(len(asked.times) / asked.seconds),
        times=Times.of(asked.times),
        refused=asked.refused,
        turns_per_commit=round((after.turns - before.turns) / commits, 1),
        server_cpu_ms_per_op=round(cpu * 1000 / len(asked.times), 3),
        load=loaded,
    )


def _requests(local: LocalNetwork, clients: int, count: int) -> list[Sequence[Signed]]:
    """For each client, requests that all write, signed before the clock starts."""
    bank = OpenAccount(bank=local.peer(Kind.BANK).key)
    keys = (SigningKey(os.urandom(SEED_BYTES)) for _ in range(count))
    return split([Signer(local.network.name, key).sign(bank) for key in keys], clients)


def _flood(peer: Peer, stop: Any) -> None:
    async def flooder() -> None:
        while not stop.is_set():
            try:
                async with await trio.open_tcp_stream(peer.host, peer.port, local_address=FLOOD_HOST) as stream:
                    await stream.send_all(os.urandom(FLOOD_BYTES))
            except (OSError, trio.BrokenResourceError):
                await trio.lowlevel.checkpoint()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(FLOODERS):
                nursery.start_soon(flooder)

    trio.run(run)
