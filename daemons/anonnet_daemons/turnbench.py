"""A benchmark of the turn loop: how many durable turns a second a bank's daemon does, by where turns and COMMIT run.

Each turn opens an account under a fresh key: a request that is decoded, whose signature is checked, and that writes.
Clients and flood are processes of their own. The flood is connections that send bytes which are no handshake.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import asdict, dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any

import trio

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.net.connection import Connection
from anonnet.net.dialing import Direct
from anonnet.net.turns import Placement
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.network import Network, Peer
from anonnet.wire.signed import Signed, Signer
from anonnet_daemons.bench import Times, bank_alone, cpu_seconds
from anonnet_daemons.config import Kind

SECONDS = 3.0
FLOODERS = 32
FLOOD_BYTES = 2000
FLOOD_HOST = "127.0.0.1"
CLIENTS_PER_CONNECTION = 8
"""So that the clients, which share the machine, cost less than the daemon that is measured."""
PREPARED_PER_CLIENT = 400
"""Requests signed before the clock starts, for each client; a client who has used them begins again."""

Answers = tuple[list[float], float]
"""How long each request took, and over how many seconds they were asked."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Figures of one run."""

    placement: str
    flood: bool
    clients: int
    per_second: float
    times: Times
    turns_per_commit: float
    cpu_share: float
    """Of one processor, used by the daemon."""
    load: float

    @property
    def values(self) -> dict[str, Any]:
        return asdict(self)


async def turns(clients: int, seconds: float = SECONDS) -> list[Rate]:
    """Measure every placement, quiet and under a flood."""
    rates = []
    for flood in (False, True):
        for placement in Placement:
            rates.append(await _measured(placement, flood, clients, seconds))
    return rates


async def _measured(placement: Placement, flood: bool, clients: int, seconds: float) -> Rate:
    async with bank_alone(placement.value) as local:
        peer = local.peer(Kind.BANK)
        async with local.owner(Kind.BANK) as owner:
            load, before = os.getloadavg()[0], await owner.health()
            used = cpu_seconds(local)
            times, took = await trio.to_thread.run_sync(_loaded, local.network, peer, clients, flood, seconds)
            after, used_after = await owner.health(), cpu_seconds(local)
    commits = max(1, after.commits - before.commits)
    share = sum(used_after[name] - used[name] for name in used) / took
    return Rate(
        placement=placement.value,
        flood=flood,
        clients=clients,
        per_second=round(len(times) / took),
        times=Times.of(times),
        turns_per_commit=round((after.turns - before.turns) / commits, 1),
        cpu_share=round(share, 2),
        load=round(load, 1),
    )


def _loaded(network: Network, peer: Peer, clients: int, flood: bool, seconds: float) -> Answers:
    """Run the clients, and the flood beside them."""
    context = multiprocessing.get_context("spawn")
    answers: SimpleQueue[Answers] = context.SimpleQueue()
    stop = context.Event()
    workers = [context.Process(target=_ask, args=(network, peer, clients, seconds, answers), daemon=True)]
    if flood:
        workers.append(context.Process(target=_flood, args=(peer, stop), daemon=True))
    for worker in reversed(workers):
        worker.start()
    found = answers.get()
    stop.set()
    for worker in workers:
        worker.join()
    return found


def _ask(network: Network, peer: Peer, clients: int, seconds: float, answers: SimpleQueue[Answers]) -> None:
    """Clients that each ask one thing after the other; CLIENTS_PER_CONNECTION of them share a connection."""
    times: list[float] = []

    async def client(connection: Connection, requests: list[Signed]) -> None:
        while True:
            for request in requests:
                began = time.perf_counter()
                await connection.ask(request)
                times.append(time.perf_counter() - began)

    async def run() -> float:
        prepared = [_requests(network, peer) for _ in range(clients)]
        dialer = Direct(network)
        connections = [await dialer.connect(peer) for _ in range(0, clients, CLIENTS_PER_CONNECTION)]
        began = time.perf_counter()
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for number, each in enumerate(prepared):
                    nursery.start_soon(client, connections[number // CLIENTS_PER_CONNECTION], each)
        took = time.perf_counter() - began
        for connection in connections:
            await connection.aclose()
        return took

    took = trio.run(run)
    answers.put((times, took))


def _requests(network: Network, peer: Peer) -> list[Signed]:
    signers = (Signer(network.name, SigningKey(os.urandom(SEED_BYTES))) for _ in range(PREPARED_PER_CLIENT))
    return [signer.sign(OpenAccount(bank=peer.key)) for signer in signers]


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
