"""A benchmark of the log: how many outcomes a second its daemon decides, durably, and how long one takes.

Each request is P4 of a sale of its own, each answer P5a. They are signed before the clock starts, sent on connections
with many requests in flight by a process of its own, and what it costs in CPU time is part of the figures.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import trio

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.limits import MERCHANT_ENTRIES_MAX, TURNS_PER_CONNECTION_MAX
from anonnet.net.channel import Channel, dial_channel
from anonnet.net.dialing import dial_tcp
from anonnet.protocol.local import Admit, Started
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed, Signer
from anonnet_daemons.benches.asking import apart, split
from anonnet_daemons.benches.measuring import Times, alone, cpu_seconds, load
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

CONNECTIONS = 8
LEAD_SECONDS = 3600
STEADY = 100
"""Requests a second of the second run."""
STEADY_SECONDS = 10
WARM_UP = 500


@dataclass(frozen=True, slots=True)
class Rate:
    """Figures of one run."""

    offered: int
    """Requests a second that were sent; 0: as many as were answered, with so many on their way all the time."""
    in_flight: int
    count: int
    per_second: float
    """Unique outcomes."""
    times: Times
    refused: int
    per_commit: float
    server_cpu_ms_per_op: float
    client_cpu_ms_per_op: float
    load: float

    @property
    def values(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values.pop("times"), **values}


async def commits(count: int) -> list[Rate]:
    """Measure a log with as many requests in flight as it takes, and with STEADY requests a second."""
    async with alone(Kind.LOG) as local:
        await _measured(local, WARM_UP, 0)
        return [await _measured(local, count, 0), await _measured(local, min(count, STEADY * STEADY_SECONDS), STEADY)]


async def _measured(local: LocalNetwork, count: int, offered: int) -> Rate:
    requests = await trio.to_thread.run_sync(requests_for, local.network, count)
    pipelines = Pipelines(local.network, local.peer(Kind.LOG), split(requests, CONNECTIONS), offered / CONNECTIONS)
    async with local.owner(Kind.LOG) as owner:
        for merchant in {each.signatures[0].signer for each in requests}:
            await owner.ask(Admit(merchant=merchant), Started)
        loaded, before, used = load(), await owner.health(), cpu_seconds(local)
        piped = await apart(pipelines)
        after, used_after = await owner.health(), cpu_seconds(local)
    said = [decode(decode_record(Signed, reply.payload).body) for reply in piped.replies if reply.step == Commit.step]
    outcomes = {reply.index for reply in said if isinstance(reply, Commit)}
    return Rate(
        offered=offered,
        in_flight=0 if offered else CONNECTIONS * TURNS_PER_CONNECTION_MAX,
        count=count,
        per_second=round(len(outcomes) / piped.seconds),
        times=Times.of(piped.times),
        refused=count - len(outcomes),
        per_commit=round((after.turns - before.turns) / max(1, after.commits - before.commits), 1),
        server_cpu_ms_per_op=round((used_after[Kind.LOG] - used[Kind.LOG]) * 1000 / count, 3),
        client_cpu_ms_per_op=round(piped.cpu_seconds * 1000 / count, 3),
        load=loaded,
    )


def requests_for(network: Network, count: int) -> list[Signed]:
    """P4 of so many sales, which expire late enough for all of them; of one merchant as many as a log takes of one."""
    log = network.all(Role.LOG)[0].identity
    expiration, made = int(time.time()) + LEAD_SECONDS, []
    for place in range(count):
        if place % MERCHANT_ENTRIES_MAX == 0:
            signer = SigningKey(os.urandom(SEED_BYTES))
            merchant = Signer(network.name, signer)
        key = os.urandom(32)
        number = number_of(signer.public, key)
        transaction = Transaction(number=number, expiration=expiration, merchant=signer.public, log=log)
        made.append(merchant.sign(AuthorizationM(transaction=transaction, key=key)))
    return made


@dataclass(frozen=True, slots=True)
class Piped:
    """What came of all requests."""

    times: list[float]
    """How long each took, in seconds, from when it was to be sent."""
    replies: list[Frame]
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Sends requests to one party, those of each connection in its own order."""

    network: Network
    peer: Peer
    requests: Sequence[Sequence[Signed]]
    per_second: float
    """On each connection, which take turns; 0: whenever there is room for one."""

    async def run(self) -> Piped:
        """Ask, in this process."""
        pace = Pace(self.per_second, len(self.requests)) if self.per_second else None
        pipes = [Pipe(await self._channel(), each, place, pace) for place, each in enumerate(self.requests)]
        began, used = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for pipe in pipes:
                nursery.start_soon(pipe.run)
        took, used = time.perf_counter() - began, time.process_time() - used
        replies = [reply for pipe in pipes for reply in pipe.replies]
        return Piped([each for pipe in pipes for each in pipe.times], replies, took, used)

    async def _channel(self) -> Channel:
        stream = await dial_tcp(self.peer.host, self.peer.port, None)
        return await dial_channel(stream, network=self.network.name, peer=self.peer)


@dataclass(frozen=True, slots=True)
class Pace:
    """When each request is sent: evenly, so that the connections take turns, and none of them sends with another."""

    per_second: float
    """On each connection."""
    connections: int

    def due(self, place: int, number: int) -> float:
        """So many seconds after the start, for one of the requests of a connection, counted from 0."""
        return (number + place / self.connections) / self.per_second


class Pipe:
    """One connection with up to TURNS_PER_CONNECTION_MAX requests in flight."""

    def __init__(self, channel: Channel, requests: Sequence[Signed], place: int, pace: Pace | None) -> None:
        self.times: list[float] = []
        self.replies: list[Frame] = []
        self._channel = channel
        self._frames = [bytes(frame(said, number)) for number, said in enumerate(requests, 1)]
        self._place = place
        self._pace = pace
        self._began: list[float] = []

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            if self._pace:
                nursery.start_soon(self._send_steadily, self._pace)
            await self._receive()
        await self._channel.aclose()

    async def _receive(self) -> None:
        """Take replies in; send on as they make room, where nothing else says when."""
        frames = Frames()
        while len(self.replies) < len(self._frames):
            if not self._pace:
                await self._fill()
            found = frames.feed(await self._channel.receive_some())
            now = time.perf_counter()
            self.times += [now - self._began[each.request_id - 1] for each in found]
            self.replies += found

    async def _fill(self) -> None:
        sent = len(self._began)
        more = self._frames[sent : len(self.replies) + TURNS_PER_CONNECTION_MAX]
        self._began += [time.perf_counter()] * len(more)
        if more:
            await self._channel.send_all(b"".join(more))

    async def _send_steadily(self, pace: Pace) -> None:
        start = time.perf_counter()
        for number, each in enumerate(self._frames):
            due = start + pace.due(self._place, number)
            await trio.sleep(max(0.0, due - time.perf_counter()))
            self._began.append(due)
            await self._channel.send_all(each)
