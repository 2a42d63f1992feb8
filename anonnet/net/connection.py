"""Who asks: many requests in flight on one connection, each reply joined with its request by the request id.

A connection has no task of its own: of those who wait for a reply, one reads for all, and hands the reading on when it
has what it waits for. So whoever holds a connection needs no nursery, and no error arrives in a group. Nobody reads
while replies of UNREAD_BYTES_MAX await those who asked: TCP then holds the peer back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import trio

from anonnet.errors import Malformed
from anonnet.limits import KIB, REPLY_SECONDS, UNREAD_BYTES_MAX
from anonnet.net.channel import Channel, world
from anonnet.wire.codec import Message
from anonnet.wire.frames import REQUEST_ID_MAX, Frames, frame
from anonnet.wire.signed import Signed


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply as it came: nothing in it has been checked yet."""

    step: int
    payload: bytes

    @property
    def cost(self) -> int:
        """Bytes of memory, rounded up: one with an empty payload is no gift."""
        return KIB + len(self.payload)


@dataclass(eq=False, slots=True)
class _Waiting:
    """Someone who waits for a reply, or for the reading to be handed on."""

    replies: deque[Reply] = field(default_factory=deque)
    woken: trio.Event = field(default_factory=trio.Event)
    asleep: bool = False
    """True while it waits for that event, and not for bytes itself."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The replies to one request, as they come. Who has enough of them leaves."""

    _connection: Connection
    _request_id: int
    _waiting: _Waiting

    async def next(self) -> Reply:
        """Wait for the next one. Raises ConnectionError."""
        await self._connection._send()
        return await self._connection._next(self._waiting)

    def leave(self) -> None:
        """Wait for no further one: whatever still comes is dropped."""
        self._connection._leave(self._request_id)


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
        self._unread = 0
        """What the replies cost that have come, and that nobody has taken yet."""
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
        replies = self.begin(said)
        try:
            with world(), trio.fail_after(self._reply_seconds):
                return await replies.next()
        finally:
            replies.leave()

    async def listen(self, said: Message | Signed) -> AsyncIterator[Reply]:
        """Send a request that has many replies, and give each as it comes, without end."""
        replies = self.begin(said)
        try:
            while True:
                yield await replies.next()
        finally:
            replies.leave()

    def begin(self, said: Message | Signed) -> Replies:
        """Begin a request, which is sent when its first reply is awaited. Raises ConnectionError."""
        if self._fault is not None:
            raise ConnectionResetError("the connection is closed") from self._fault
        self._last_id += 1
        assert self._last_id <= REQUEST_ID_MAX
        self._outbox.append(bytes(frame(said, self._last_id)))
        return Replies(self, self._last_id, self._waiting.setdefault(self._last_id, _Waiting()))

    async def _send(self) -> None:
        """Send all that is ready; who comes second finds that its request has gone with the first."""
        if not self._outbox and not self._turn_to_send.locked():
            return
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
            if self._reading or self._unread > UNREAD_BYTES_MAX:
                waiting.woken, waiting.asleep = trio.Event(), True
                try:
                    await waiting.woken.wait()
                finally:
                    waiting.asleep = False
                continue
            self._reading = True
            try:
                await self._read()
            finally:
                self._reading = False
        reply = waiting.replies.popleft()
        self._unread -= reply.cost
        self._hand_on()
        return reply

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
                    asker.replies.append(reply := Reply(each.step, each.payload))
                    self._unread += reply.cost
                    asker.woken.set()
        except (OSError, Malformed) as fault:
            self._fail(fault)

    def _leave(self, request_id: int) -> None:
        gone = self._waiting.pop(request_id)
        self._unread -= sum(reply.cost for reply in gone.replies)
        self._hand_on()

    def _hand_on(self) -> None:
        """If nobody reads, have somebody read who waits."""
        if not self._reading and (other := next((each for each in self._waiting.values() if each.asleep), None)):
            other.woken.set()

    def _fail(self, fault: Exception) -> None:
        self._fault = self._fault or fault
        for waiting in self._waiting.values():
            waiting.woken.set()

    async def aclose(self) -> None:
        """Close; whoever still waits gets a ConnectionError."""
        self._fail(ConnectionResetError("closed on this side"))
        await trio.aclose_forcefully(self._stream)
