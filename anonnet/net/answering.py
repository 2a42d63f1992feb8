"""Who answers: the other end of a connection. Reads requests, has them answered concurrently, writes the replies.

What bounds a peer: TURNS_PER_CONNECTION_MAX requests that have no reply yet; UNSENT_PER_CONNECTION_MAX bytes of replies
that it does not read; a frame that has begun ends within FRAME_SECONDS; IDLE_SECONDS with nothing to answer or write.
Where a bound is reached, nothing more is read from that peer, and TCP holds it back.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
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

Say = Callable[[Message | Signed], Awaitable[int]]
"""Say something to who asked, wait while too much is unread by him, return how many bytes its frame has."""


class Requests(Protocol):
    """Who knows the answers."""

    async def admit(self) -> None:
        """Wait until another request may come in."""

    async def answer(self, request: Frame, say: Say) -> None:
        """Answer a request that was admitted. Raises Malformed if it is none."""


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
        self._whole = trio.CancelScope()
        self._reading = trio.CancelScope()

    def stop(self) -> None:
        """Read nothing more; `run` ends when what is in flight has been answered."""
        self._reading.cancel()

    async def run(self) -> None:
        """Answer requests until the peer ends, breaks a rule, or `stop` is called. Closes the stream."""
        try:
            with self._whole:
                async with trio.open_nursery() as writing:
                    writing.start_soon(self._write)
                    async with trio.open_nursery() as answering:
                        with self._reading:
                            await self._read(answering)
                    await self._all_written()
                    writing.cancel_scope.cancel()
        finally:
            self._unsent_by_all.bytes -= self._unsent
            await trio.aclose_forcefully(self._stream)

    async def _read(self, answering: trio.Nursery) -> None:
        try:
            while data := await self._more():
                requests = self._frames.feed(bytes(data))
                for request in requests:
                    await self._admit()
                    self._in_flight += 1
                    answering.start_soon(self._answer, request)
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

    async def _answer(self, request: Frame) -> None:
        async def say(said: Message | Signed) -> int:
            return await self._put(bytes(frame(said, request.request_id)))

        try:
            await self._requests.answer(request, say)
        except Malformed:
            self._whole.cancel()
        self._in_flight -= 1
        self._room.set()
        self._pace()

    async def _put(self, reply: bytes) -> int:
        self._unsent += len(reply)
        self._unsent_by_all.bytes += len(reply)
        if self._unsent_by_all.bytes > UNSENT_BYTES_MAX and self._unsent > UNSENT_PER_CONNECTION_MAX:
            self._whole.cancel()
        self._outbox.append(reply)
        self._bell.set()
        if self._unsent > UNSENT_PER_CONNECTION_MAX:
            await self._written.wait()
        return len(reply)

    async def _all_written(self) -> None:
        while self._unsent:
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
