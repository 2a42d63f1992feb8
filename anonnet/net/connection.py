"""Who asks: many requests in flight on one connection, each reply joined with its request by the request id.

A connection has no task of its own: of those who wait for a reply, one reads for all, and hands the reading on when it
has what it waits for. So whoever holds a connection needs no nursery, and no error arrives in a group.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import trio

from anonnet.errors import Malformed
from anonnet.limits import REPLY_SECONDS
from anonnet.net.channel import Channel, world
from anonnet.wire.codec import Message
from anonnet.wire.frames import REQUEST_ID_MAX, Frames, frame
from anonnet.wire.signed import Signed


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply as it came: nothing in it has been checked yet."""

    step: int
    payload: bytes


@dataclass(eq=False, slots=True)
class _Waiting:
    """Someone who waits for a reply, or for the reading to be handed on."""

    replies: deque[Reply] = field(default_factory=deque)
    woken: trio.Event = field(default_factory=trio.Event)


class Connection:
    """Requests and replies over a channel (or a Unix socket). After any error nothing more can be asked on it."""

    def __init__(self, stream: trio.abc.Stream, *, reply_seconds: float = REPLY_SECONDS) -> None:
        self.channel = stream.hash if isinstance(stream, Channel) else b""
        """Hash of the handshake, which private queries sign."""
        self.heard = -math.inf
        """When something came last, by trio's clock."""
        self._stream = stream
        self._reply_seconds = reply_seconds
        self._frames = Frames()
        self._last_id = 0
        self._outbox: list[bytes] = []
        self._turn_to_send = trio.Lock()
        self._waiting: dict[int, _Waiting] = {}
        self._reading = False
        self._fault: Exception | None = None

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def usable(self) -> bool:
        """False once it is known to be closed or broken."""
        return self._fault is None

    async def ask(self, said: Message | Signed) -> Reply:
        """Send a request, return its reply. Raises TimeoutError or ConnectionError."""
        waiting = self._new(said)
        request_id = self._last_id
        try:
            with world(), trio.fail_after(self._reply_seconds):
                await self._send()
                return await self._next(waiting)
        finally:
            self._leave(request_id)

    async def listen(self, said: Message | Signed) -> AsyncIterator[Reply]:
        """Send a request that has many replies, and give each as it comes, without end."""
        waiting = self._new(said)
        request_id = self._last_id
        try:
            await self._send()
            while True:
                yield await self._next(waiting)
        finally:
            self._leave(request_id)

    def _new(self, said: Message | Signed) -> _Waiting:
        if self._fault is not None:
            raise ConnectionResetError("the connection is closed") from self._fault
        self._last_id += 1
        assert self._last_id <= REQUEST_ID_MAX
        self._outbox.append(bytes(frame(said, self._last_id)))
        return self._waiting.setdefault(self._last_id, _Waiting())

    async def _send(self) -> None:
        """Send all that is ready; who comes second finds that its request has gone with the first."""
        async with self._turn_to_send:
            ready, self._outbox = b"".join(self._outbox), []
            if not ready:
                return
            sent = False
            try:
                with world():
                    await self._stream.send_all(ready)
                sent = True
            finally:
                if not sent:
                    self._fail(ConnectionResetError("a request could not be sent"))

    async def _next(self, waiting: _Waiting) -> Reply:
        while not waiting.replies:
            if self._fault is not None:
                raise ConnectionResetError("the peer closed the connection, or broke its rules") from self._fault
            if self._reading:
                waiting.woken = trio.Event()
                await waiting.woken.wait()
                continue
            self._reading = True
            try:
                await self._read()
            finally:
                self._reading = False
        return waiting.replies.popleft()

    async def _read(self) -> None:
        """Wait for bytes, and give every reply among them to who waits for it."""
        try:
            with world():
                data = await self._stream.receive_some()
            if not data:
                raise ConnectionResetError("the peer closed the connection")
            self.heard = trio.current_time()
            for each in self._frames.feed(bytes(data)):
                if not 0 < each.request_id <= self._last_id:
                    raise Malformed("a reply to nothing")
                if asker := self._waiting.get(each.request_id):  # else who asked has gone
                    asker.replies.append(Reply(each.step, each.payload))
                    asker.woken.set()
        except (OSError, Malformed) as fault:
            self._fail(fault)

    def _leave(self, request_id: int) -> None:
        """Stop waiting. If this was the reader, somebody else reads on."""
        del self._waiting[request_id]
        if not self._reading and (other := next(iter(self._waiting.values()), None)):
            other.woken.set()

    def _fail(self, fault: Exception) -> None:
        self._fault = self._fault or fault
        for waiting in self._waiting.values():
            waiting.woken.set()

    async def aclose(self) -> None:
        """Close; whoever still waits gets a ConnectionError."""
        self._fail(ConnectionResetError("closed on this side"))
        await trio.aclose_forcefully(self._stream)
