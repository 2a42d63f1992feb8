"""One party of the world as its daemon would run it: an inbox, batches, group commit, finishing, errands, crashes.

The shell's rules are those of the daemon: nothing is said before the commit that it rests on; errands are found in the
store and sent again with pauses that double; what stands only in memory is lost in a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anonnet.errors import Malformed, Refused
from anonnet.limits import FOLLOW_SECONDS, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from anonnet.parties.merging import Merged
from anonnet.parties.turn import Again, Answer, Asked, Due, Forget, Outcome, Party, Turns
from anonnet.protocol.steps import Step
from anonnet.store.errands import Errand
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed, received, unsigned
from tests.world.disk import Disk, Opens

if TYPE_CHECKING:
    from tests.world.world import World

Said = Message | Signed
BATCH_MAX = 16
ERRANDS_MAX = 200
SKEWS = (-3, -2, -1, 0, 1, 2, 3)
"""Seconds by which a clock may be wrong."""


@dataclass(eq=False)
class Waiting:
    """A request in the inbox, and who waits for what becomes of it."""

    asked: Asked[Any]
    done: Callable[[Outcome], None]
    held_since: float | None = None
    holds: bytes = b""
    """What it is held for, as the store's news call it."""


@dataclass(frozen=True)
class Agenda:
    """What a store says is to be done at one time."""

    waiting: list[tuple[bytes, bytes]]
    jobs: Sequence[object]
    due: int | None
    """When the next errand is due."""
    deadline: int | None


class Node:
    """A party, its store and its shell."""

    def __init__(self, world: World, name: str, make: Callable[[], Party], opens: Opens) -> None:
        self.world, self.name, self._make, self._opens = world, name, make, opens
        self._disk = Disk()
        self.store = opens(self._disk)
        self.events, self.chance, self.faults = world.events, world.chance, world.faults
        self.skew = self.set_back = 0
        """Seconds by which its clock goes wrong, and the most by which it was ever set back in all."""
        self._most_ahead = 0
        self.life = 0
        self.up = True
        self.rerun = False
        self.withholds: Callable[[Errand], float] = lambda errand: 0.0
        """Until when the party's owner keeps an errand from being sent."""
        self.deaf_to: Callable[[Frame], bool] = lambda frame: False
        """Requests that the party's owner drops unread."""
        self._begin()

    def _begin(self) -> None:
        self.party = self._make()
        self.turns: Turns[Any] | Merged = Turns(self.party, self.store, self._report, self.rerun)
        self._inbox: list[Waiting] = []
        self._followers: list[Waiting] = []
        self._under_way: set[bytes] = set()
        self._pauses: dict[bytes, tuple[float, float]] = {}
        self._batch_comes = False
        self._looks_at = float("inf")
        self._read_at = (-1, 0)

    def _report(self, bug: Exception, asked: Asked[Any]) -> str:
        raise AssertionError(f"{self.name} met a bug at {type(asked.body).__name__}: {bug}") from bug

    def clock(self) -> int:
        """The party's own clock."""
        return int(self.events.now) + self.skew

    def set_clock(self, skew: int) -> None:
        """From now on it goes wrong by so many seconds."""
        self._most_ahead = max(self._most_ahead, self.skew)
        self.skew = skew
        self.set_back = max(self.set_back, self._most_ahead - skew)

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        """Have something happen later, unless this life of the party has ended by then."""
        life = self.life

        def lived() -> None:
            if self.life == life and self.up:
                happens()

        self.events.after(seconds, lived)

    # Crash and restart.

    def crash(self, kind: str) -> None:
        """Everything in memory is lost; some time later the party starts again with what is durable."""
        self.faults[f"crash {kind}"] += 1
        self.world.note(f"{self.name} crashes {kind}")
        self.life += 1
        self.up = False
        self.world.network.broken(self.name)
        self.events.after(self.chance.choice([0.1, 1.0, 4.0, 12.0]), self.start)

    def start(self) -> None:
        """Start anew from what the disk holds."""
        self.up = True
        self.reopen()
        self._begin()
        if self.chance.random() < 0.3 and self.world.stormy:
            self.faults["clock set"] += 1
            self.set_clock(self.chance.choice(SKEWS))
        self.look()
        self.resume()

    def reopen(self) -> None:
        """Open the store again: what it had in memory alone is gone."""
        held = self._held()
        self.store.close()
        self._disk = Disk(held)
        self.store = self._opens(self._disk)

    def _held(self) -> list[bytes]:
        """What a crash has left of the store's databases."""
        return self._disk.content()

    def resume(self) -> None:
        """What a party does outside turns is taken up again."""

    # Requests in.

    def arrives(self, sender: str, data: bytes, reply: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        """A frame from somebody: from whom, only a liar looks at."""
        if not self.up:
            hang_up()
            return
        (request,) = Frames().feed(data)
        if self.deaf_to(request):
            return

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, Malformed):
                hang_up()
            else:
                assert outcome.said is not None, f"{self.name} leaves a request unanswered"
                reply(bytes(frame(outcome.said, request.request_id)))

        try:
            asked = self._checked(request, None)
        except Malformed:
            hang_up()
            return
        if isinstance(asked, Signed):
            reply(bytes(frame(asked, request.request_id)))
        else:
            self.enqueue(Waiting(asked, done))

    def _checked(self, request: Frame, errand: Errand | None) -> Asked[Any] | Signed:
        kind = STEPS[request.step]
        checked = received(self.party.network, kind, request.payload)
        self.party.door(kind, owner=False, errand=errand is not None)
        try:
            self.party.check(checked)
        except Refused as refused:
            return self.party.refusal(checked.signed, refused)
        return self._asked(checked.body, checked=checked, answers=errand)

    def _asked(self, body: Any, **more: Any) -> Asked[Any]:
        return Asked(body=body, arrival=self.clock(), entropy=self.chance.randbytes(32), channel=bytes(32), **more)

    def command(self, body: Message, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """A command of the owner. It is taken in durably or, after a crash, given again."""
        if not self.up:
            self.events.after(1.0, lambda: self.command(body, done))
            return
        checked = received(self.party.network, type(body), frame(body, 0).payload)
        self.enqueue(Waiting(self._asked(body, checked=checked, owner=True), done))

    def inform(self, body: object) -> None:
        """What the daemon itself brings to its party."""
        self.enqueue(Waiting(self._asked(body, owner=True), lambda outcome: None))

    def forget(self) -> None:
        """Drop what need not be kept any more, piece by piece."""

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, Answer) and outcome.more:
                self.forget()

        if Forget in self.party.handlers:
            self.faults["forgets"] += 1
            self.enqueue(Waiting(self._asked(Forget(), owner=True), done))

    def enqueue(self, waiting: Waiting) -> None:
        self._inbox.append(waiting)
        if not self._batch_comes:
            self._batch_comes = True
            self.after(self.chance.choice([0.0, 0.002, 0.01, 0.1]), self._batch)

    # Turns.

    def _batch(self) -> None:
        self._batch_comes = False
        batch, self._inbox = self._inbox[:BATCH_MAX], self._inbox[BATCH_MAX:]
        deadline = self.agenda().deadline
        if deadline is not None and deadline <= self.clock() and Due in self.party.handlers:
            batch.insert(0, Waiting(self._asked(Due(), owner=True), lambda outcome: None))
        if len(batch) > 1:
            self.faults["batch"] += 1
        if batch and not self._run(batch):
            return
        if self._inbox:
            self._batch_comes = True
            self.after(0.0, self._batch)
        self.look()

    def _run(self, batch: list[Waiting]) -> bool:
        """Turns, commit, and then the answers; false if the party has crashed meanwhile."""
        crash = self._crash_in(batch)
        before = self.store.changes
        outcomes = self.turns.run_turns([waiting.asked for waiting in batch], self.clock())
        if crash == "before commit":
            self.turns.store.rollback()
            self.crash(crash)
            return False
        self.turns.store.commit()
        if crash == "after commit":
            self.crash(crash)
            return False
        if crash == "before finish" and not any(isinstance(o, Answer) and o.finish for o in outcomes):
            crash = None
        for waiting, outcome in zip(batch, outcomes, strict=True):
            self._said(waiting, outcome)
        if crash:
            self.crash(crash)
            return False
        self._wake_followers(changed=self.store.changes != before)
        return True

    def _crash_in(self, batch: list[Waiting]) -> str | None:
        """Whether the batch that begins ends in a crash, and where."""
        return self.world.crash_of(self)

    def _said(self, waiting: Waiting, outcome: Outcome) -> None:
        if isinstance(outcome, Answer) and outcome.held and self._may_hold(waiting):
            waiting.holds = outcome.hold
            self._followers.append(waiting)
        elif isinstance(outcome, Answer) and outcome.finish is not None:
            self.after(self.chance.uniform(0.001, 0.02), lambda: self._finish(waiting, outcome.finish))
        else:
            waiting.done(outcome)

    def _may_hold(self, waiting: Waiting) -> bool:
        if waiting.held_since is None:
            waiting.held_since = self.events.now
            self.after(FOLLOW_SECONDS, lambda: self._let_go(waiting))
        return self.events.now - waiting.held_since < FOLLOW_SECONDS - 0.001

    def _let_go(self, waiting: Waiting) -> None:
        if waiting in self._followers:
            self._followers.remove(waiting)
            self.enqueue(waiting)

    def _wake_followers(self, *, changed: bool) -> None:
        """As the daemon wakes them. Where a log decides alone, all of them: the numbers of seeds that have found a bug
        stand for that."""
        news = set(self.turns.store.news)
        self.turns.store.news.clear()
        woken = [each for each in self._followers if changed and (not self.world.council or each.holds in news)]
        for waiting in woken:
            self._followers.remove(waiting)
            self.enqueue(waiting)

    def _finish(self, waiting: Waiting, job: object) -> None:
        try:
            made = self.party.finish(job)
        except Refused as refused:
            waiting.done(Answer(self.party.refusal(waiting.asked.signed, refused)))
            return
        if isinstance(made, Again):
            self.enqueue(Waiting(self._asked(made.body, checked=waiting.asked.checked, owner=True), waiting.done))
        else:
            waiting.done(Answer(made))

    # Errands.

    def agenda(self) -> Agenda:
        """What is to be done; read again where the store or the second is another."""
        now = self.clock()
        if self._read_at != (self.store.changes, now):
            errands = self.store.errands
            waiting, due = errands.waiting(now, most=ERRANDS_MAX), errands.next_due_after(now)
            waiting = [each for each in waiting if each[1] not in self.turns.within]
            self._agenda = Agenda(waiting, self.store.jobs(), due, self.turns.store.next_deadline())
            self._read_at = self.store.changes, now
        return self._agenda

    def look(self) -> None:
        """Start errands that are due, and look again when there may be more."""
        agenda, again = self.agenda(), float("inf")
        for hash, _ in agenda.waiting:
            if hash in self._under_way:
                continue
            until = self._pauses.get(hash, (0.0, 0.0))[1]
            if until <= self.events.now:
                errand = self.store.errands.get(hash)
                until = self.withholds(errand)
                if until <= self.events.now:
                    self._send(errand)
                    continue
            again = min(again, until - self.events.now)
        times = [at for at in (agenda.due, agenda.deadline) if at is not None]
        self._look_in(min([again] + [max(0.02, at - self.skew - self.events.now) for at in times]))

    def _look_in(self, seconds: float) -> None:
        at = self.events.now + seconds
        if seconds == float("inf") or self.events.now < self._looks_at <= at:
            return
        self._looks_at = at
        self.after(seconds, self._look_again)

    def _look_again(self) -> None:
        self._looks_at = float("inf")
        if not self._batch_comes:
            self._batch_comes = True
            self._batch()

    def _send(self, errand: Errand) -> None:
        self._under_way.add(errand.hash)
        life = self.life

        def taken(data: bytes) -> None:
            if self.life == life and self.up:
                self._answered(errand, data)

        def failed() -> None:
            if self.life == life and self.up:
                self._tried(errand, settled=False)

        receiver = self.world.name_of(errand.receiver)
        self.world.network.ask(self.name, receiver, bytes(frame(errand.said, 1)), taken, failed)

    def _answered(self, errand: Errand, data: bytes) -> None:
        (reply,) = Frames().feed(data)
        try:
            asked = self._checked(reply, errand)
        except Malformed as why:
            self.world.note(f"{self.name} takes no {STEPS[reply.step].__name__}: {why}")
            asked = None
        if not isinstance(asked, Asked):
            self._tried(errand, settled=False)
            return

        def done(outcome: Outcome) -> None:
            refused = isinstance(outcome, Answer) and isinstance(outcome.said, Signed)
            settled = isinstance(outcome, Answer) and not (refused and outcome.said.step == Step.REFUSED)
            if settled and outcome.then is not None:
                self._send(replace(errand, request=unsigned(outcome.then).signed))
                return
            if not settled:
                self.world.unsettled[f"{self.name} took no {STEPS[reply.step].__name__}"] += 1
            self._tried(errand, settled=settled)

        self.enqueue(Waiting(asked, done))

    def _tried(self, errand: Errand, *, settled: bool) -> None:
        self._under_way.discard(errand.hash)
        last = self._pauses.get(errand.hash, (RETRY_SECONDS_MIN / 2, 0.0))[0]
        pause = RETRY_SECONDS_MIN if settled else min(2 * last, RETRY_SECONDS_MAX)
        self._pauses[errand.hash] = (RETRY_SECONDS_MIN / 2 if settled else pause, self.events.now + pause)
        self.look()
