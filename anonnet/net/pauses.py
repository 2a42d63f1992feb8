"""Pauses before something is tried again: after each failure twice as long, within RETRY_SECONDS_MIN and _MAX.

In memory only: after a restart everything is tried at once.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import trio

from anonnet.limits import RETRY_SECONDS_MAX, RETRY_SECONDS_MIN

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Pause:
    """Since then nothing is tried before `until` (trio's clock); the next pause after a failure is longer."""

    since: float
    seconds: float
    until: float


class Pauses(Generic[K]):
    """Pauses by what is tried: errands by hash, receivers by identity, jobs."""

    def __init__(self) -> None:
        self._pauses: dict[K, _Pause] = {}

    def over(self, key: K, now: float) -> bool:
        """True if this may be tried now."""
        return key not in self._pauses or self._pauses[key].until <= now

    def lengthen(self, key: K, began: float) -> None:
        """A try that began then has failed. Of several that failed together only the first makes the pause longer."""
        last, now = self._pauses.get(key), trio.current_time()
        if last is None:
            self._pauses[key] = _Pause(now, RETRY_SECONDS_MIN, now + RETRY_SECONDS_MIN)
        elif began > last.since:
            seconds = min(2 * last.seconds, RETRY_SECONDS_MAX)
            self._pauses[key] = _Pause(now, seconds, now + seconds)

    def shortest(self, key: K, began: float) -> None:
        """A try that began then has worked, and will be made again all the same: at once, if it took long."""
        self._pauses[key] = _Pause(trio.current_time(), RETRY_SECONDS_MIN / 2, began + RETRY_SECONDS_MIN)

    def end(self, key: K) -> None:
        """It need not pause, or will not be tried any more."""
        self._pauses.pop(key, None)

    def since(self, key: K) -> float:
        """When it was tried last, as far as that is still known."""
        return self._pauses[key].since if key in self._pauses else -math.inf

    def failing(self, key: K) -> bool:
        """True if it has failed and not worked since."""
        return key in self._pauses

    def next_over(self, now: float) -> float:
        """When the next pause ends. Those that ended long ago, unused, are forgotten here."""
        for key in [key for key, pause in self._pauses.items() if pause.until + RETRY_SECONDS_MAX < now]:
            del self._pauses[key]
        return min((pause.until for pause in self._pauses.values() if pause.until > now), default=math.inf)

    def __len__(self) -> int:
        return len(self._pauses)
