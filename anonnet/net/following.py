"""Connections on which logs are followed: one for each log, held from one answer to the next.

Whoever waits for an outcome hears of it as soon as it is recorded, without a new circuit for each entry. Nothing else
is asked on such a connection, and it ends when nothing is followed any more: kept longer, it would join one purchase
with the next. A new one begins where a bundle of entries begins.
"""

from __future__ import annotations

import trio

from anonnet.limits import FOLLOW_REPLY_SECONDS
from anonnet.net.channel import world
from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Dialer, Reached, unnoticed
from anonnet.parties.following import afresh
from anonnet.protocol.network import Peer
from anonnet.store.errands import Errand


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

    async def ask(self, log: Peer, errand: Errand, reached: Reached = unnoticed) -> tuple[Errand, Reply]:
        """Follow on; the errand as it was asked, and the answer. Raises OSError, and then the connection is closed."""
        async with self._dialing.setdefault(log.identity, trio.Lock()):
            connection = self._held.get(log.identity)
            if connection is None:
                errand = afresh(errand)
                connection = self._held[log.identity] = await self._dialer.connect(log)
                reached()
        try:
            with world(), trio.fail_after(FOLLOW_REPLY_SECONDS):
                return errand, await connection.ask(errand.said)
        except OSError:
            if self._held.get(log.identity) is connection:
                await self.release(log.identity).aclose()
            raise

    def release(self, log: bytes) -> Connection:
        """Hold the connection to this log no longer; the caller closes it."""
        return self._held.pop(log)

    async def aclose(self) -> None:
        """Close all."""
        for log in self.logs:
            await self.release(log).aclose()
