"""A network of bytes that loses, repeats, delays and overtakes; one heap of events; all chance from one seed.

A request is carried by an exchange, as over a connection: its asker takes one answer at most and learns at some time
that none will come. Whatever is put into a frame stands on the tape, also what never arrives.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from anonnet.protocol.steps import Step
from anonnet.wire.frames import HEADER, Frames


@dataclass
class Events:
    """What happens when. Events of one moment come in an order that the seed decides."""

    chance: random.Random
    now: float
    heap: list[tuple[float, float, int, Callable[[], None]]] = field(default_factory=list)
    count: int = 0

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        """Have something happen later."""
        self.count += 1
        heapq.heappush(self.heap, (self.now + seconds, self.chance.random(), self.count, happens))

    def run(self, until: float) -> None:
        """Let happen what happens until then."""
        while self.heap and self.heap[0][0] <= until:
            time, _, _, happens = heapq.heappop(self.heap)
            self.now = max(self.now, time)
            happens()
        self.now = max(self.now, until)

    def jump(self, seconds: float) -> None:
        """Let time pass in which nothing happens, as if all machines slept."""
        self.now += seconds


SINGLED_OUT = (
    Step.P2,
    Step.P3,
    Step.P4,
    Step.P5A,
    Step.P5B,
    Step.CLAIM,
    Step.ENTRIES,
    Step.TIME,
    Step.W2,
    Step.E1,
    Step.E2,
    Step.NOTED,
)


@dataclass(frozen=True)
class Weather:
    """How often what goes wrong in one run. All zero: nothing does."""

    loss: float = 0.0
    duplicate: float = 0.0
    slow: float = 0.0
    very_slow: float = 0.0
    crash: float = 0.0
    cut: float = 0.0
    singled_out: int = 0
    """A step whose frames fare worse than all others; 0: none."""

    @classmethod
    def drawn(cls, chance: random.Random) -> Weather:
        """The weather of a seed: each kind of fault is absent, rare or frequent."""
        return cls(
            loss=chance.choice([0.0, 0.02, 0.08, 0.25]),
            duplicate=chance.choice([0.0, 0.05, 0.2]),
            slow=chance.choice([0.0, 0.05, 0.25]),
            very_slow=chance.choice([0.0, 0.01, 0.04]),
            crash=chance.choice([0.0, 0.01, 0.03, 0.08]),
            cut=chance.choice([0.0, 0.0, 1.0]),
            singled_out=chance.choice([0, *SINGLED_OUT]),
        )


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame on the tape: who put it on the wire when, to whom, in which exchange, as request or as reply."""

    time: float
    sender: str
    receiver: str
    exchange: int
    is_reply: bool
    step: int
    payload: bytes


class Receiver(Protocol):
    """Who takes requests."""

    name: str

    def arrives(
        self, sender: str, data: bytes, reply: Callable[[bytes], None], hang_up: Callable[[], None]
    ) -> None: ...


PATIENCE_SECONDS = 60.0
"""After this an asker gives a connection up."""


@dataclass
class Exchange:
    """One request of one asker, and what it is waiting for."""

    number: int
    sender: str
    receiver: str
    taken: Callable[[bytes], None]
    failed: Callable[[], None]
    open: bool = True

    def answer(self, data: bytes) -> None:
        """The first answer is taken; later ones belong to no request any more."""
        if self.open:
            self.open = False
            self.taken(data)

    def fail(self) -> None:
        if self.open:
            self.open = False
            self.failed()


class Network:
    """Carries frames between parties by name, in the weather of the moment, and keeps the tape."""

    def __init__(self, events: Events, chance: random.Random, faults: Counter[str]) -> None:
        self.events, self.chance, self.faults = events, chance, faults
        self.weather = Weather()
        self.receivers: dict[str, Receiver] = {}
        self.tape: list[Heard] = []
        self.listeners: list[Callable[[Heard], None]] = []
        self.cut_off: set[frozenset[str]] = set()
        """Pairs between which nothing goes; one name alone: nothing goes there at all."""
        self.exchanges = 0
        self._open: list[Exchange] = []
        self._latest: dict[tuple[str, str], float] = {}

    def ask(
        self, sender: str, receiver: str, data: bytes, taken: Callable[[bytes], None], failed: Callable[[], None]
    ) -> None:
        """Send a request; exactly one of `taken` and `failed` is called, some time."""
        self.exchanges += 1
        exchange = Exchange(self.exchanges, sender, receiver, taken, failed)
        self._open = [each for each in self._open if each.open] + [exchange]
        self._hear(exchange, data, is_reply=False)
        self.events.after(PATIENCE_SECONDS, exchange.fail)
        self._carry(exchange, sender, receiver, data, lambda: self._deliver(exchange, data))

    def _deliver(self, exchange: Exchange, data: bytes) -> None:
        self.receivers[exchange.receiver].arrives(
            exchange.sender,
            data,
            lambda reply: self._reply(exchange, reply),
            lambda: self._soon_failed(exchange),
        )

    def _reply(self, exchange: Exchange, data: bytes) -> None:
        self._hear(exchange, data, is_reply=True)
        self._carry(exchange, exchange.receiver, exchange.sender, data, lambda: exchange.answer(data))

    def broken(self, name: str) -> None:
        """A party has crashed: who waited for its answer sees the connection end."""
        for exchange in self._open:
            if exchange.receiver == name:
                self._soon_failed(exchange)

    def _soon_failed(self, exchange: Exchange) -> None:
        self.events.after(self.chance.uniform(0.01, 0.1), exchange.fail)

    def _carry(self, exchange: Exchange, start: str, end: str, data: bytes, arrives: Callable[[], None]) -> None:
        chance, weather = self.chance, self.weather
        singled_out = HEADER.unpack_from(data)[1] == weather.singled_out
        if self.cut_off and not self.cut_off.isdisjoint(
            {frozenset((start, end)), frozenset((start,)), frozenset((end,))}
        ):
            self._lose(exchange, "cut off")
        elif chance.random() < (0.4 if singled_out else weather.loss):
            self._lose(exchange, "request lost" if start == exchange.sender else "answer lost")
        else:
            self._travel(start, end, arrives, singled_out)
            if chance.random() < (0.3 if singled_out else weather.duplicate):
                self.faults["duplicated"] += 1
                self._travel(start, end, arrives, singled_out)

    def _lose(self, exchange: Exchange, fault: str) -> None:
        self.faults[fault] += 1
        self.events.after(self.chance.uniform(0.1, 8), exchange.fail)

    def _travel(self, start: str, end: str, arrives: Callable[[], None], singled_out: bool) -> None:
        seconds = self._seconds(0.3 if singled_out else self.weather.very_slow)
        arrival, latest = self.events.now + seconds, self._latest.get((start, end), 0.0)
        if arrival < latest:
            self.faults["overtaken"] += 1
        self._latest[start, end] = max(arrival, latest)
        self.events.after(seconds, arrives)

    def _seconds(self, very_slow: float) -> float:
        chance, weather = self.chance, self.weather
        drawn = chance.random()
        if drawn < very_slow:
            self.faults["very slow"] += 1
            return chance.uniform(5, 70)
        if drawn < very_slow + weather.slow:
            self.faults["slow"] += 1
            return chance.uniform(0.3, 5)
        return chance.uniform(0.005, 0.08)

    def _hear(self, exchange: Exchange, data: bytes, *, is_reply: bool) -> None:
        (frame,) = Frames().feed(data)
        ends = (exchange.receiver, exchange.sender) if is_reply else (exchange.sender, exchange.receiver)
        heard = Heard(self.events.now, *ends, exchange.number, is_reply, frame.step, frame.payload)
        self.tape.append(heard)
        for listener in self.listeners:
            listener(heard)
