"""How many turns a second, by where turns and COMMIT run, quiet and under a flood: `python tests/bench/turns.py`.

Clients ask one note after the other, over loopback with a channel, from a process of their own. The flood is
connections that send bytes which are no handshake, as fast as they are closed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from anonnet.net.daemon import Running, run_party
from anonnet.net.dialing import Direct
from anonnet.net.turns import Placement
from anonnet.protocol.network import Peer, Role
from anonnet.store.folder import Folder
from tests.net.parties import STATIC_SECRETS, Note, NoteStore, Tally, network_of, new_peer, signer

FLOODERS = 32


@dataclass(frozen=True)
class Rate:
    """What was measured."""

    placement: Placement
    clients: int
    flood: bool
    turns_per_second: float
    turns_per_commit: float
    p50_ms: float
    p99_ms: float


def turns_benchmark(placement: Placement, clients: int, flood: bool, seconds: float = 3.0) -> Rate:
    """Measure one placement. The daemon runs here; clients, and the flood, in processes of their own."""
    return trio.run(_measured, placement, clients, flood, seconds)


async def _measured(placement: Placement, clients: int, flood: bool, seconds: float) -> Rate:
    peer, stop = new_peer(Role.BANK, "tally"), trio.Event()
    with tempfile.TemporaryDirectory() as path, Folder(Path(path) / "t") as folder:
        store = NoteStore(folder / "db")
        async with trio.open_nursery() as nursery:

            async def run(task_status: trio.TaskStatus[Running]) -> None:
                await run_party(
                    *(Tally(signer()), store),
                    name="tally",
                    network=network_of(peer),
                    dialer=Direct(network_of(peer)),
                    folder=folder,
                    peer=peer,
                    static_secret=STATIC_SECRETS[peer.identity],
                    placement=placement,
                    until=stop.wait,
                    task_status=task_status,
                )

            running = await nursery.start(run)
            assert running.port is not None
            reached = replace(peer, port=running.port)
            queue, before = running.queue, (running.queue.turns, running.queue.batches)
            times = await trio.to_thread.run_sync(_load, reached, clients, flood, seconds)
            turns, commits = queue.turns - before[0], queue.batches - before[1]
            stop.set()
    times.sort()
    return Rate(
        *(placement, clients, flood),
        turns_per_second=turns / seconds,
        turns_per_commit=turns / max(1, commits),
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[len(times) * 99 // 100] * 1000,
    )


def _load(peer: Peer, clients: int, flood: bool, seconds: float) -> list[float]:
    """Run the clients, and the flood beside them; return how long each request took."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    workers = [context.Process(target=_clients, args=(peer, clients, seconds, results))]
    if flood:
        workers.append(context.Process(target=_flood, args=(peer, seconds)))
    for worker in workers:
        worker.start()
    times: list[float] = results.get()
    for worker in workers:
        worker.join()
    return times


def _clients(peer: Peer, clients: int, seconds: float, results: multiprocessing.SimpleQueue[list[float]]) -> None:
    times: list[float] = []

    async def client(number: int) -> None:
        dialer = Direct(network_of(peer))
        count = 0
        while True:
            began = time.perf_counter()
            await dialer.ask(peer, Note(text=f"{number} {count}"))
            times.append(time.perf_counter() - began)
            count += 1

    async def main() -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for number in range(clients):
                    nursery.start_soon(client, number)

    trio.run(main)
    results.put(times)


def _flood(peer: Peer, seconds: float) -> None:
    async def flooder() -> None:
        while True:
            try:
                async with await trio.open_tcp_stream(peer.host, peer.port, local_address="127.0.0.66") as stream:
                    await stream.send_all(os.urandom(2000))
            except (OSError, trio.BrokenResourceError):
                await trio.lowlevel.checkpoint()

    async def main() -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for _ in range(FLOODERS):
                    nursery.start_soon(flooder)

    trio.run(main)


if __name__ == "__main__":
    for flooded in (False, True):
        for where in Placement:
            rate = turns_benchmark(where, 64, flooded)
            print(
                f"{where.value:18} {'flood' if flooded else 'quiet'}: {rate.turns_per_second:7.0f} turns/s,"
                f" {rate.turns_per_commit:5.1f} a commit, p50 {rate.p50_ms:.1f} ms, p99 {rate.p99_ms:.1f} ms"
            )
