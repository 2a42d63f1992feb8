"""Clients in a process of their own: each asks one prepared request after the other, over real connections.

Requests are made and signed before the clock starts, so that the clients, who share the machine, take little of it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection as Pipe
from typing import Any, Protocol, TypeVar

import trio

from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Direct
from anonnet.protocol.answers import ANSWERS
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.steps import Step
from anonnet.wire.signed import Signed

T = TypeVar("T")
F = TypeVar("F", covariant=True)

Flood = Callable[[Any], None]
"""What else a peer has to bear, in a process of its own, until the event that it is given."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of the clients' requests."""

    times: list[float]
    """How long each took, in seconds."""
    refused: int
    seconds: float
    """From the first request to the last answer."""
    answers: list[Reply]
    """The answers in the order of the clients and their requests."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Who asks whom, and what."""

    network: Network
    peer: Peer
    requests: Sequence[Sequence[Signed]]
    """Those of each client."""
    per_connection: int = 1

    async def ask(self, flood: Flood | None = None) -> Asked:
        """Run the clients, and the flood beside them."""
        return await apart(self, flood)

    async def run(self) -> Asked:
        """Ask, in this process."""
        dialer = Direct(self.network)
        count = -(-len(self.requests) // self.per_connection)
        connections = [await dialer.connect(self.peer) for _ in range(count)]
        times: list[float] = []
        answers: list[list[Reply]] = [[] for _ in self.requests]
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number, mine in enumerate(self.requests):
                connection = connections[number // self.per_connection]
                nursery.start_soon(partial(self._client, connection, mine, times, answers[number]))
        took = time.perf_counter() - began
        for each in connections:
            await each.aclose()
        said = [reply for replies in answers for reply in replies]
        refused = sum(reply.step == Step.REFUSED for reply in said)
        return Asked(times, refused, took, said)

    async def _client(
        self, connection: Connection, requests: Sequence[Signed], times: list[float], answers: list[Reply]
    ) -> None:
        for request in requests:
            began = time.perf_counter()
            answers.append(await connection.ask(request))
            times.append(time.perf_counter() - began)


assert Step.E1 in (kind.step for kind in ANSWERS), "a process of clients knows every step that has an answer"


class Work(Protocol[F]):
    """What is done in a process of its own. It is pickled on its way there."""

    async def run(self) -> F: ...


async def apart(work: Work[F], flood: Flood | None = None) -> F:
    """Run this in a process of its own, and the flood in another; return what has come of it."""
    return await trio.to_thread.run_sync(_beside, work, flood)


def _beside(work: Work[F], flood: Flood | None) -> F:
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    mine, theirs = context.Pipe()
    workers = [context.Process(target=_run, args=(theirs,), daemon=True)]
    if flood is not None:
        workers.append(context.Process(target=flood, args=(stop,), daemon=True))
    for worker in reversed(workers):
        worker.start()
    theirs.close()  # else nobody would notice the end of a process that has failed
    mine.send(work)  # not as an argument: what a process is started with must not be large
    found: F = mine.recv()
    stop.set()
    for worker in workers:
        worker.join()
    return found


def _run(pipe: Pipe) -> None:
    work: Work[Any] = pipe.recv()
    pipe.send(trio.run(work.run))


def split(items: Sequence[T], parts: int) -> list[Sequence[T]]:
    """Several parts of nearly the same length, none of them empty."""
    ends = [len(items) * number // parts for number in range(parts + 1)]
    return [items[start:end] for start, end in pairwise(ends) if start < end]
