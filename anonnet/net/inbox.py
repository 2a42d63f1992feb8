"""What waits for its turn: in the order of its coming, but that a log grows in steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio

from anonnet.limits import GROWTH_SECONDS
from anonnet.parties.turn import Answer, Asked, Outcome


def _nobody() -> None:
    """Nobody waits for what the shell itself has brought."""


@dataclass(eq=False, slots=True)
class Waiting:
    """One request in the queue, and what has become of it."""

    asked: Asked[Any]
    told: Callable[[], None] = _nobody
    outcome: Outcome | None = None
    news: trio.Event | None = None
    """Comes when what its answer is held for has changed since."""
    slot: bool = True

    @property
    def settled(self) -> bool:
        """True if nothing is to be awaited before its answer is said."""
        return not (isinstance(self.outcome, Answer) and (self.outcome.held or self.outcome.finish is not None))


class Inbox:
    """Requests that have not had their turn. What makes a log grow comes in GROWTH_SECONDS after the last that did, all
    that has gathered meanwhile at once; a single one is not delayed, and nothing else waits for it."""

    def __init__(self) -> None:
        self._ready: deque[Waiting] = deque()
        self._growth: deque[Waiting] = deque()
        self._again = -math.inf

    def __len__(self) -> int:
        """How many may have their turn now."""
        return len(self._ready)

    @property
    def waiting(self) -> bool:
        """True if any have not had their turn."""
        return bool(self._ready or self._growth)

    def put(self, waiting: Waiting, *, grows: bool) -> None:
        """The last to come."""
        (self._growth if grows else self._ready).append(waiting)

    def take(self) -> Waiting:
        """The first of those that may have their turn."""
        return self._ready.popleft()

    def let_in(self, now: float) -> None:
        """Let what has gathered come in, if it is time, by trio's clock."""
        if self._growth and now >= self._again:
            self._ready += self._growth
            self._growth.clear()
            self._again = now + GROWTH_SECONDS

    def seconds_left(self, now: float) -> float:
        """How long until what has gathered may come in."""
        return max(0.0, self._again - now) if self._growth else math.inf
