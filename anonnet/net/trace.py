"""What happens in a daemon, for its owner to watch. Bounded: who reads slowly misses steps; nobody waits for him."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from anonnet.limits import WATCH_BACKLOG_MAX, WATCHERS_MAX
from anonnet.protocol.steps import Step
from anonnet.protocol.watching import Happened

NOBODY = ""
"""The name of whoever opened a connection: the party that answers does not know who asks."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message between two parties. No addresses, no keys, no amounts."""

    time: float  # seconds of trio's clock, when it had been answered or taken in
    step: str  # the paper's name, or ours
    sender: str
    receiver: str
    bytes: int
    milliseconds: float  # since its exchange began

    @property
    def happened(self) -> Happened:
        """The same as a message."""
        return Happened(
            time_ms=round(self.time * 1000),
            step_name=self.step,
            sender=self.sender,
            receiver=self.receiver,
            size=self.bytes,
            milliseconds=round(self.milliseconds),
        )


class Tracer:
    """Tells every watcher what happens."""

    def __init__(self, name: str) -> None:
        self.name = name
        """This party's own name."""
        self._watchers: set[trio.MemorySendChannel[Said]] = set()

    @property
    def watched(self) -> bool:
        """False while there is nobody to tell."""
        return bool(self._watchers)

    def exchanged(
        self, asker: str, answerer: str, *, asked: tuple[int, int], replied: tuple[int, int], began: float
    ) -> None:
        """A request and its reply, each as (step, bytes), that began at this time of trio's clock."""
        if not self.watched:
            return
        now = trio.current_time()
        milliseconds = (now - began) * 1000
        self._tell(Said(now, step_name(asked[0]), asker, answerer, asked[1], milliseconds))
        self._tell(Said(now, step_name(replied[0]), answerer, asker, replied[1], milliseconds))

    def close(self) -> None:
        """The daemon stops: every watcher gets its end."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()

    def _tell(self, said: Said) -> None:
        for watcher in self._watchers:
            try:
                watcher.send_nowait(said)
            except trio.WouldBlock:
                continue

    @contextmanager
    def watching(self) -> Iterator[trio.MemoryReceiveChannel[Said]]:
        """Receive what happens from now on. At most WATCHERS_MAX watch; one more gets an end at once."""
        sending, receiving = trio.open_memory_channel[Said](WATCH_BACKLOG_MAX)
        if len(self._watchers) < WATCHERS_MAX:
            self._watchers.add(sending)
        else:
            sending.close()
        try:
            yield receiving
        finally:
            self._watchers.discard(sending)
            sending.close()
            receiving.close()


def step_name(step: int) -> str:
    """The name of a step: "P2"; its number where it has none."""
    try:
        return Step(step).name
    except ValueError:
        return str(step)
