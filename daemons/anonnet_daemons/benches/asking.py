"""Clients in a process of their own: each asks one prepared request after the other, over real connections.

Requests are made and signed before the clock starts, so that the clients, who share the machine, take little of it.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection as Pipe
from typing import Any

import trio

from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Direct
from anonnet.protocol.answers import ANSWERS
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.steps import Step
from anonnet.wire.signed import Signed

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
    """The answers in the order of the clients and their requests, where each was asked once; else none are kept."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Who asks whom, and for how long."""

    network: Network
    peer: Peer
    requests: Sequence[Sequence[Signed]]
    """Those of each client."""
    per_connection: int = 1
    seconds: float | None = None
    """Begin again and again until then; None: each asks its requests once."""

    async def ask(self, flood: Flood | None = None) -> Asked:
        """Run the clients, and the flood beside them."""
        return await trio.to_thread.run_sync(self._run_beside, flood)

    def _run_beside(self, flood: Flood | None) -> Asked:
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        mine, theirs = context.Pipe()
        workers = [context.Process(target=_run, args=(theirs,), daemon=True)]
        if flood is not None:
            workers.append(context.Process(target=flood, args=(stop,), daemon=True))
        for worker in reversed(workers):
            worker.start()
        theirs.close()  # else nobody would notice the end of a process that has failed
        mine.send(self)  # not as an argument: what a process is started with must not be large
        found: Asked = mine.recv()
        stop.set()
        for worker in workers:
            worker.join()
        return found

    async def run(self) -> Asked:
        """Ask, in this process."""
        dialer = Direct(self.network)
        count = -(-len(self.requests) // self.per_connection)
        connections = [await dialer.connect(self.peer) for _ in range(count)]
        times: list[float] = []
        answers: list[list[Reply]] = [[] for _ in self.requests]
        began = time.perf_counter()
        with trio.move_on_after(math.inf if self.seconds is None else self.seconds):
            async with trio.open_nursery() as nursery:
                for number, mine in enumerate(self.requests):
                    connection = connections[number // self.per_connection]
                    nursery.start_soon(partial(self._client, connection, mine, times, answers[number]))
        took = time.perf_counter() - began
        for each in connections:
            await each.aclose()
        said = [reply for replies in answers for reply in replies]
        refused = sum(reply.step == Step.REFUSED for reply in said)
        return Asked(times, refused, took, said if self.seconds is None else [])

    async def _client(
        self, connection: Connection, requests: Sequence[Signed], times: list[float], answers: list[Reply]
    ) -> None:
        while True:
            for request in requests:
                began = time.perf_counter()
                reply = await connection.ask(request)
                times.append(time.perf_counter() - began)
                answers.append(reply)
            if self.seconds is None:
                return


assert Step.E1 in (kind.step for kind in ANSWERS), "a process of clients knows every step that has an answer"


def _run(pipe: Pipe) -> None:
    clients: Clients = pipe.recv()
    pipe.send(trio.run(clients.run))
