"""Telling what happens between daemons: their watch streams merged into lines, in the order in which things happened.

Each exchange is told by the side that began it, since that side alone knows both names. A daemon's clock starts
anywhere; how far it is from ours is the smallest difference between what it says and when we hear it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import trio

from anonnet.protocol.steps import Step
from anonnet.protocol.watching import Happened
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

PAPER_NAMES = {
    Step.W1: ("W1", "withdraw_c"),
    Step.W2: ("W2", "withdraw_b"),
    Step.P1: ("P1", "goods_m"),
    Step.CD2: ("CD2", "goods_q"),
    Step.P2: ("P2", "authorization_q"),
    Step.P3: ("P3", "authorization_b"),
    Step.P4: ("P4", "authorization_m"),
    Step.P5A: ("P5a", "commit"),
    Step.P5B: ("P5b", "abort"),
}
"""The paper's steps: its numbers and names."""
OTHER_NAMES = {
    Step.OPEN_ACCOUNT: "open_account",
    Step.CATALOGUE: "catalogue",
    Step.ORDER: "order",
    Step.CHUNK: "goods, in sealed chunks",
    Step.ENTRIES: "commit, in log entries",
    Step.PLEDGE: "pledge",
    Step.SUBMISSION: "P4 or pledge, sealed",
    Step.CERTIFICATE: "certificate",
    Step.PROOFS: "proofs of log entries",
    Step.RECEIPT: "receipt for the key",
    Step.CLAIM: "claim",
    Step.CREDIT: "credit",
}
"""What the paper leaves unnamed and is worth telling."""
EMPTY_BYTES = 64
"""A smaller answer to a question that was held, for entries or for what proves them, has nothing in it."""
SETTLING_SECONDS = 0.25
"""What happened this long ago has been heard of from everybody, and can be told in its order."""
REQUESTS = {
    Step.W1,
    Step.CD2,
    Step.P2,
    Step.SUBMISSION,
    Step.PLEDGE,
    Step.P4,
    Step.ORDER,
    Step.CLAIM,
    Step.OPEN_ACCOUNT,
}
"""Steps that begin an exchange: they were said when it began. (P3 and P5b may do either.)"""
MIRRORS = "mirrors"
"""What they are called together: each is asked the same."""
TAKING_IN_SECONDS = 0.005
"""A daemon tells of a reply when it has taken it in durably, which takes about this long."""
KIB = 1024


@dataclass(slots=True)
class Line:
    """One step, or several alike; its exchange began and ended at these times of our clock."""

    step: Step
    sender: str
    receiver: str
    size: int
    began: float
    ended: float
    count: int = 1

    @property
    def at(self) -> float:
        """When it was said: a request at the beginning, a reply before the turn that has taken it in."""
        first = self.step in REQUESTS or (self.step is Step.P3 and self.receiver == Kind.MERCHANT)
        return self.began if first else max(self.began, self.ended - TAKING_IN_SECONDS)

    @property
    def key(self) -> tuple[Step, str, str]:
        return self.step, self.sender, self.receiver

    def join(self, later: Line) -> None:
        """Become one line with a later one that is alike."""
        self.began, self.ended = min(self.began, later.began), max(self.ended, later.ended)
        self.count += 1
        self.size += later.size

    @property
    def text(self) -> str:
        """At most 80 characters."""
        number, name = PAPER_NAMES.get(self.step, ("", OTHER_NAMES.get(self.step, "")))
        if self.step is Step.ENTRIES:
            number = "P5a"
        if self.count > 1 and self.step is not Step.CHUNK:
            name = f"{name} x{self.count}"
        way = f"{self.sender} -> {self._relay()}{self.receiver}"
        return f"  {number:<4}{way:<30} {name:<28}{_bytes(self.size):>7}{(self.ended - self.began) * 1000:>5.0f} ms"

    def _relay(self) -> str:
        return "relay -> " if Kind.CONSUMER in (self.sender, self.receiver) else ""


def _called(name: str) -> str:
    return MIRRORS if name.startswith(Kind.MIRROR) else name


def _bytes(size: int) -> str:
    if size < KIB:
        return f"{size} B"
    return f"{size / KIB:.1f} K" if size < KIB * KIB else f"{size / KIB / KIB:.1f} M"


@dataclass
class Teller:
    """Hears every daemon, tells the steps by `tell`."""

    tell: Callable[[Line], None]
    told: list[Line] = field(default_factory=list)
    """Every line so far, for who wants to check them."""
    heard: list[Line] = field(default_factory=list)
    """The same with every step by itself, as they were heard of."""
    _waiting: list[Line] = field(default_factory=list)

    async def hear(self, local: LocalNetwork, kind: Kind, *, task_status: trio.TaskStatus[None]) -> None:
        """Listen to one daemon until it ends."""
        offset = math.inf
        async with local.owner(kind) as owner:
            steps = owner.watch()
            await owner.health()
            task_status.started()
            async for happened in steps:
                now = trio.current_time()
                offset = min(offset, now - happened.time_ms / 1000)
                self._hear(happened, offset)

    def _hear(self, happened: Happened, offset: float) -> None:
        step = Step.__members__.get(happened.step_name)
        known = step in PAPER_NAMES or step in OTHER_NAMES
        if step is None or not known or not happened.sender or not happened.receiver:
            return
        if step in (Step.ENTRIES, Step.PROOFS) and happened.size < EMPTY_BYTES:
            return
        ended = happened.time_ms / 1000 + offset
        began = ended - happened.milliseconds / 1000
        sender, receiver = _called(happened.sender), _called(happened.receiver)
        self._waiting.append(Line(step, sender, receiver, happened.size, began, ended))
        self.heard.append(replace(self._waiting[-1]))

    def begin_anew(self) -> None:
        """Forget what has been told and heard of."""
        self.told.clear()
        self.heard.clear()

    async def run(self) -> None:
        """Tell what has settled, until cancelled."""
        while True:
            await trio.sleep(SETTLING_SECONDS / 4)
            self._tell_before(trio.current_time() - SETTLING_SECONDS)

    async def settle(self) -> None:
        """Wait for what is still on its way, and tell everything."""
        await trio.sleep(SETTLING_SECONDS)
        self._tell_before(math.inf)

    def _tell_before(self, time: float) -> None:
        """Tell, oldest first; lines that are alike and follow one another become one."""
        chunks = [line.at for line in self._waiting if line.step is Step.CHUNK]
        settled = {True: max(chunks, default=0.0) < time, False: True}  # a download is told when it is over
        ready = [line for line in self._waiting if line.at < time and settled[line.step is Step.CHUNK]]
        self._waiting = [line for line in self._waiting if line not in ready]
        ready.sort(key=lambda line: line.at)
        committing = Step.P4 in {line.step for line in self.told + ready}  # else the entries are of earlier sales
        released = Step.P4 in {line.step for line in self.told}
        joined: dict[tuple[Step, str, str, bool], Line] = {}
        for line in ready if committing else [each for each in ready if each.step is not Step.ENTRIES]:
            released |= line.step is Step.P4
            key = (*line.key, released and line.step is Step.CERTIFICATE)  # of the pledge first, then of its key
            if alike := joined.get(key):
                alike.join(line)
            else:
                joined[key] = line
        for line in joined.values():
            self.told.append(line)
            self.tell(line)


def milestones(heard: Iterable[Line]) -> str:
    """When a sale under a quorum has come to what, counted from the merchant's pledge. At most 80 characters.

    The key's certificate is told when he acts on it, by claiming.
    """
    heard, firsts = list(heard), dict[Step, Line]()
    for line in sorted(heard, key=lambda line: line.began):
        firsts.setdefault(line.step, line)
    pledged = firsts[Step.PLEDGE].began
    moments = {
        "certificate": min(line.ended for line in heard if line.step is Step.CERTIFICATE),
        "key": firsts[Step.P4].began,
        "P5a": firsts[Step.P5A].ended,
        "its certificate": firsts[Step.CLAIM].began,
    }
    told = (f"{what} {(moment - pledged) * 1000:.0f}" for what, moment in moments.items())
    return " -> ".join(["pledge", *told]) + " ms"
