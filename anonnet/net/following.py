"""Connections on which logs are followed: one for each log, held from one answer to the next.

Whoever waits for an outcome hears of it as soon as it is recorded, without a new circuit for each entry. Nothing else
is asked on such a connection, and it ends when nothing is followed any more: kept longer, it would join one purchase
with the next. A new one begins where a bundle of entries begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from anonnet.limits import FOLLOW_REPLY_SECONDS
from anonnet.net.channel import world
from anonnet.net.connection import Connection, Replies, Reply
from anonnet.net.dialing import Dialer, Reached, unnoticed
from anonnet.parties.following import afresh, told_next
from anonnet.protocol.logbook import Entries, Follow
from anonnet.protocol.network import Peer
from anonnet.store.errands import Errand
from anonnet.wire.codec import Message


class Reading:
    """The answers to one errand, of which a log tells some without being asked for each."""

    def __init__(self, following: Following, log: Peer) -> None:
        self._following = following
        self._log = log
        self._connection: Connection | None = None
        self._replies: Replies | None = None
        self._coming: Follow | None = None

    async def next(self, errand: Errand, reached: Reached = unnoticed) -> tuple[Errand, Reply]:
        """Follow on; the errand as it was asked, and the answer. Raises OSError, and then the connection is closed."""
        if self._replies is None or errand.message != self._coming:
            self.leave()
            self._connection, new = await self._following.connection(self._log, reached)
            errand = afresh(errand) if new else errand
        assert self._connection is not None
        try:
            with world(), trio.fail_after(FOLLOW_REPLY_SECONDS):
                self._replies = self._replies or self._connection.begin(errand.said)
                return errand, await self._replies.next()
        except OSError:
            await self._following.broken(self._log, self._connection)
            raise

    def heard(self, asked: Errand, said: Message) -> None:
        """This was its answer: what comes next unasked follows from it."""
        follow = asked.message
        self._coming = told_next(follow, said) if isinstance(follow, Follow) and isinstance(said, Entries) else None

    def leave(self) -> None:
        """Wait for no more of them."""
        if self._replies is not None:
            self._replies.leave()
            self._replies = None


class Following:
    """The held connections of one daemon."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._held: dict[bytes, Connection] = {}
        self._dialing: dict[bytes, trio.Lock] = {}

    @property
    def logs(self) -> list[bytes]:
        """The logs to which a connection is held."""
        return list(self._held)

    @contextmanager
    def reading(self, log: Peer) -> Iterator[Reading]:
        """Read what one errand is answered; whatever else comes to it after this is dropped."""
        reading = Reading(self, log)
        try:
            yield reading
        finally:
            reading.leave()

    async def connection(self, log: Peer, reached: Reached) -> tuple[Connection, bool]:
        """The connection that is held, and whether it is new. Raises OSError."""
        async with self._dialing.setdefault(log.identity, trio.Lock()):
            if held := self._held.get(log.identity):
                return held, False
            made = self._held[log.identity] = await self._dialer.connect(log)
            reached()
            return made, True

    async def broken(self, log: Peer, connection: Connection) -> None:
        """It is of no more use: close it."""
        if self._held.get(log.identity) is connection:
            await self.release(log.identity).aclose()

    def release(self, log: bytes) -> Connection:
        """Hold the connection to this log no longer; the caller closes it."""
        return self._held.pop(log)

    async def aclose(self) -> None:
        """Close all."""
        for log in self.logs:
            await self.release(log).aclose()
