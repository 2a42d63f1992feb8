"""Who answers: the other end of a connection. Reads requests, has them answered concurrently, writes the replies.

A connection has three tasks: one reads, one says what has been decided, one writes. Only a request whose answer has to
wait for more than its turn has one of its own.

What bounds a peer: TURNS_PER_CONNECTION_MAX requests that have no reply yet; UNSENT_PER_CONNECTION_MAX bytes of replies
that it does not read; a frame that has begun ends within FRAME_SECONDS; IDLE_SECONDS with nothing to answer or write.
Where a bound is reached, nothing more is read from that peer, and TCP holds it back.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import trio

from anonnet.errors import Malformed
from anonnet.limits import (
    FRAME_SECONDS,
    IDLE_SECONDS,
    TURNS_PER_CONNECTION_MAX,
    UNSENT_BYTES_MAX,
    UNSENT_PER_CONNECTION_MAX,
)
from anonnet.net.channel import world
from anonnet.wire.codec import Message
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed


class Requests(Protocol):
    """Who knows the answers."""

    async def admit(self) -> None:
        """Wait until another request may come in."""

    def begin(self, request: Frame, asker: Asker) -> None:
        """Begin to answer a request that was admitted. Raises Malformed if it is none."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who has asked one request. Work for him that raises Malformed ends his connection."""

    answering: Answering
    request_id: int

    def put(self, said: Message | Signed) -> int:
        """Say something, return how many bytes its frame has."""
        return self.answering.put(bytes(frame(said, self.request_id)))

    async def say(self, said: Message | Signed) -> None:
        """Say one thing of many: wait while too much is unread by him."""
        self.put(said)
        await self.paced()

    def done(self) -> None:
        """He has his answer."""
        self.answering.done()

    def soon(self, work: Callable[[], None]) -> None:
        """Have this done by a task of the connection: called from anywhere, also when he has gone."""
        self.answering.soon(work)

    async def paced(self) -> None:
        """Wait while too much is unread by him."""
        await self.answering.paced()

    def later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have this done by a task of its own; he has his answer when it ends."""
        self.answering.later(work)

    def endlessly(self, work: Callable[[], Awaitable[None]]) -> None:
        """The same, until he says nothing more."""
        self.answering.later(partial(self.answering.while_read, work))


class Unsent:
    """How many bytes of replies all connections of a daemon hold back for peers that do not read them."""

    def __init__(self) -> None:
        self.bytes = 0


class Answering:
    """One accepted connection, from its first frame to its end."""

    def __init__(self, stream: trio.abc.Stream, requests: Requests, unsent: Unsent) -> None:
        self._stream = stream
        self._requests = requests
        self._unsent_by_all = unsent
        self._unsent = 0
        self._frames = Frames()
        self._begun = 0.0
        self._listening = False
        self._in_flight = 0
        self._room = trio.Event()
        self._outbox: list[bytes] = []
        self._bell = trio.Event()
        self._written = trio.Event()
        self._to_do: list[Callable[[], None]] = []
        self._something = trio.Event()
        self._endless: set[trio.CancelScope] = set()
        self._nursery: trio.Nursery
        self._whole = trio.CancelScope()
        self._reading = trio.CancelScope()

    def stop(self) -> None:
        """Read nothing more; `run` ends when what is in flight has been answered."""
        self._reading.cancel()

    async def run(self) -> None:
        """Answer requests until the peer ends, breaks a rule, or `stop` is called. Closes the stream."""
        try:
            with self._whole:
                async with trio.open_nursery() as self._nursery:
                    self._nursery.start_soon(self._write)
                    self._nursery.start_soon(self._do_soon)
                    with self._reading:
                        await self._read()
                    for scope in self._endless:
                        scope.cancel()
                    await self._all_written()
                    self._nursery.cancel_scope.cancel()
        finally:
            self._unsent_by_all.bytes -= self._unsent
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            while data := await self._more():
                requests = self._frames.feed(bytes(data))
                for request in requests:
                    await self._admit()
                    self._in_flight += 1
                    in_flight = self._in_flight
                    self._requests.begin(request, Asker(self, request.request_id))
                    if self._in_flight < in_flight:  # refused at the door: nothing else bounds how many come at once
                        await trio.lowlevel.checkpoint()
                if requests:
                    self._begun = trio.current_time()
        except (OSError, Malformed):
            self._whole.cancel()

    async def _more(self) -> bytes | bytearray:
        self._listening = True
        self._pace()
        with world():
            data = await self._stream.receive_some()
        self._listening = False
        self._reading.deadline = math.inf
        if not self._frames.partial:
            self._begun = trio.current_time()
        return data

    async def _admit(self) -> None:
        """Wait until there is room for a request: here, where it stops the reading, and not in a queue."""
        while self._in_flight >= TURNS_PER_CONNECTION_MAX or self._unsent > UNSENT_PER_CONNECTION_MAX:
            self._room = trio.Event()
            await self._room.wait()
        await self._requests.admit()

    def _pace(self) -> None:
        """Set how long the reader waits for bytes. Called whenever that may have changed."""
        if not self._listening:
            return
        if self._frames.partial:
            self._reading.deadline = self._begun + FRAME_SECONDS
        else:
            busy = self._in_flight or self._unsent
            self._reading.deadline = math.inf if busy else trio.current_time() + IDLE_SECONDS

    # What is done for those who have asked.

    def put(self, reply: bytes) -> int:
        """Have a frame written, return how many bytes it has."""
        self._unsent += len(reply)
        self._unsent_by_all.bytes += len(reply)
        if self._unsent_by_all.bytes > UNSENT_BYTES_MAX and self._unsent > UNSENT_PER_CONNECTION_MAX:
            self._whole.cancel()
        self._outbox.append(reply)
        self._bell.set()
        return len(reply)

    async def paced(self) -> None:
        """Wait while too much is unread."""
        if self._unsent > UNSENT_PER_CONNECTION_MAX:
            await self._written.wait()

    def done(self) -> None:
        """One of the requests needs nothing more."""
        self._in_flight -= 1
        self._room.set()
        self._pace()

    def soon(self, work: Callable[[], None]) -> None:
        """Have this done by the task that says what has been decided: a bug in it is this connection's alone."""
        self._to_do.append(work)
        self._something.set()

    def later(self, work: Callable[[], Awaitable[None]]) -> None:
        """Answer one of the requests by this work, in a task of its own."""
        self._nursery.start_soon(self._answer, work)

    async def while_read(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this until the peer has ended, or nothing more is read from it."""
        with trio.CancelScope() as scope:
            self._endless.add(scope)
            try:
                await work()
            finally:
                self._endless.remove(scope)

    async def _answer(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Malformed:
            self._whole.cancel()
        self.done()

    async def _do_soon(self) -> None:
        try:
            while True:
                await self._something.wait()
                to_do, self._to_do, self._something = self._to_do, [], trio.Event()
                for work in to_do:
                    work()
        except Malformed:
            self._whole.cancel()

    async def _all_written(self) -> None:
        while self._in_flight or self._unsent:
            self._room = trio.Event()
            await self._room.wait()

    async def _write(self) -> None:
        """Everything that is ready goes out in one send."""
        try:
            while True:
                await self._bell.wait()
                ready, self._outbox = b"".join(self._outbox), []
                written, self._written, self._bell = self._written, trio.Event(), trio.Event()
                with world():
                    await self._stream.send_all(ready)
                self._unsent -= len(ready)
                self._unsent_by_all.bytes -= len(ready)
                written.set()
                self._room.set()
                self._pace()
        except OSError:
            self._whole.cancel()
