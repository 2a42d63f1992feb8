"""What is made after a commit, in threads beside the turns: blind signatures, sealed chunks (`Party.finish`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import trio

from anonnet.errors import Refused, Why
from anonnet.limits import COSTLY_MAX, FINISHERS
from anonnet.net.threads import Threads
from anonnet.parties.turn import Again, Costly, Party
from anonnet.wire.codec import Message
from anonnet.wire.signed import Signed


@dataclass(eq=False, slots=True)
class _Making:
    """Something that is being made after a commit, and how many wait for it."""

    made: Message | Signed | Again | None = None
    waiting: int = 0
    lock: trio.Lock = field(default_factory=trio.Lock)


class Finishing:
    """What one daemon makes. Raises Refused where too much that takes long is asked for."""

    def __init__(self) -> None:
        self._finishers = Threads(FINISHERS)
        self._costly = trio.Lock()
        self._making: dict[object, _Making] = {}

    async def made(self, party: Party, job: object) -> Message | Signed | Again:
        """Made once for all who wait for the same: a request that is repeated meanwhile costs nothing more."""
        if isinstance(job, Costly) and job not in self._making and self._costly_making >= COSTLY_MAX:
            raise Refused(Why.FULL, "too many ask for what takes long")
        making = self._making.setdefault(job, _Making())
        making.waiting += 1
        try:
            async with making.lock:
                if making.made is None:
                    making.made = await self._finish(party, job)
                return making.made
        finally:
            making.waiting -= 1
            if not making.waiting:
                del self._making[job]

    @property
    def _costly_making(self) -> int:
        """How many costly things are being made, or wait for it."""
        return sum(isinstance(job, Costly) for job in self._making)

    async def _finish(self, party: Party, job: object) -> Message | Signed | Again:
        if not isinstance(job, Costly):
            return await self._finishers.run(partial(party.finish, job))
        async with self._costly:  # a finisher is left for the others
            return await self._finishers.run(partial(party.finish, job))
