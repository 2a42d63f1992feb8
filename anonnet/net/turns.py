"""The shell around a party's turns (design: a turn): what has arrived is run, committed once, and only then answered.

Rules. The store is used by one at a time: by the turns, then by COMMIT, then, between batches, by who reads what is
due. No answer leaves before the commit that it rests on. A turn whose asker has gone is run all the same.
COMMIT is never cancelled; an error in it, or in this shell, ends the daemon, and nobody is answered.

Measured: under a flood of sockets, turns on the loop with COMMIT alone in a thread do twice to three times what a
writer thread does, because sqlite3 lets go of the GIL at every statement. The way to that thread and back takes as long
as a quick sync, so that COMMIT is there only while the disk is slow. Where turns run is one line: `Placement`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import trio

from anonnet.errors import Refused
from anonnet.limits import (
    FOLLOW_SECONDS,
    GATHER_SECONDS,
    RETRY_SECONDS_MIN,
    TURNS_BATCH_MAX,
    TURNS_WAITING_MAX,
    WAITING_FOLLOWERS_MAX,
)
from anonnet.net.finishing import Finishing
from anonnet.net.inbox import Inbox, Waiting
from anonnet.net.incidents import Incidents
from anonnet.net.threads import Threads
from anonnet.parties.merging import Merged
from anonnet.parties.turn import (
    ANYTHING,
    ENTROPY_BYTES,
    Again,
    Answer,
    Asked,
    Due,
    Forget,
    Outcome,
    Party,
    Turns,
)
from anonnet.store.base import Store
from anonnet.store.log import LogStore
from anonnet.times import FORGET_SECONDS

T = TypeVar("T")

LAST_SECOND_POLL = 0.1
"""Clocks tell whole seconds: within the second before a deadline the clock is read this often."""


class Placement(enum.Enum):
    """Where turns and COMMIT run."""

    INLINE = "inline"  # both on the loop
    COMMIT_BY_DISK = "commit-by-disk"  # COMMIT on the loop while the disk is quick, else in a thread
    COMMIT_IN_THREAD = "commit-in-thread"
    ALL_IN_THREAD = "all-in-thread"


SLOW_COMMIT_SECONDS = 0.005
"""A COMMIT that takes longer on the loop holds up every socket, and checks nothing of what comes next meanwhile."""

APART_SECONDS = 1.0
"""So long COMMIT is left to the thread after a slow one."""


Look = Callable[[int], float]
"""Called between batches with the time, when the store may be read; returns in how many seconds to call it again."""


def seconds_until(second: float, now: int) -> float:
    """How long to sleep before the clock is looked at again for this second; 0 where it has come."""
    remaining = second - now
    return remaining - 1 if remaining > 1 else max(0.0, LAST_SECOND_POLL * remaining)


class TurnQueue:
    """One party's turns, from the frame that was checked to the answer that may be said."""

    def __init__(
        self,
        party: Party,
        store: Store,
        *,
        clock: Callable[[], int],
        entropy: Callable[[int], bytes],
        incidents: Incidents,
        placement: Placement = Placement.COMMIT_BY_DISK,
        rerun: bool = False,
        merged: tuple[Party, LogStore] | None = None,
    ) -> None:
        """`merged`: a log whose turns these are too, in the same transactions; its store is in this one's database."""
        self.party = party
        self.clock = clock
        self.entropy = entropy
        self.incidents = incidents
        self.batches = self.turns = 0
        self.looks: list[Look] = []
        """Those who read in the store what is due."""
        turns = Turns(party, store, incidents.report, rerun)
        self._turns = Merged(turns, Turns(*merged, incidents.report, rerun)) if merged else turns
        self._store = self._turns.store
        self.within = self._turns.within
        """Who is asked nothing over the network."""
        self._placement = placement
        self._inbox = Inbox()
        self._slots = trio.Semaphore(TURNS_WAITING_MAX - 1)  # the last one is for what is due
        self._bell = trio.Event()
        self._rung = True  # the first thing is to look at what is due
        self._stopping = False
        self._letting_go = False
        self._awaited = WeakValueDictionary[bytes, trio.Event]()  # for as long as somebody waits
        self._followers = 0
        self._finishing = Finishing()
        self._committer = Threads(1)
        self._apart_until = -math.inf
        self._deadline: int | None = None
        self._due_again = -math.inf
        self._forget_again = -math.inf if self._takers(Forget) else math.inf
        self._look_again = math.inf
        self._looked_at = -1  # the store's changes, when it was last looked at
        self._nursery: trio.Nursery | None = None

    # What askers call.

    async def admit(self) -> None:
        """Wait for a slot. Who has one calls `begin` or `leave`."""
        if self._slots.value:  # without a round of all tasks for each request
            self._slots.acquire_nowait()
        else:
            await self._slots.acquire()

    def leave(self) -> None:
        """Give a slot back without asking."""
        self._slots.release()

    async def ask(self, asked: Asked[Any]) -> Outcome:
        """Have a request decided; return what is to be said now that it is durable, or Malformed."""
        await self.admit()
        return await self.said_of(await self._turn(asked))

    async def go_on(self, said: Waiting, asked: Asked[Any]) -> Waiting:
        """Have decided what an answer that was said leads on to: where that waits for news, when there are some, or
        after FOLLOW_SECONDS."""
        if said.news is not None and self._followers < WAITING_FOLLOWERS_MAX and not self._letting_go:
            self._followers += 1
            try:
                with trio.move_on_after(FOLLOW_SECONDS):
                    await said.news.wait()
            finally:
                self._followers -= 1
        await self.admit()
        return await self._turn(asked)

    def begin(self, asked: Asked[Any], told: Callable[[], None]) -> Waiting:
        """Have a request decided for who has a slot, which is given back when the turn has been run, whoever still
        waits for it. `told` is called when that is durable, between two batches."""
        waiting = Waiting(asked, told)
        self._inbox.put(waiting, grows=type(asked.body) in (asked.to or self.party).growth)
        self._bell.set()
        return waiting

    async def said_of(self, waiting: Waiting) -> Outcome:
        """What is to be said of a request that has had its turn, or Malformed."""
        outcome = waiting.outcome
        if isinstance(outcome, Answer) and outcome.held:
            outcome = await self._held(waiting, outcome)
        while isinstance(outcome, Answer) and outcome.finish is not None:
            outcome = await self._finished(waiting.asked, outcome.finish)
        assert outcome is not None
        return outcome

    def request(self, body: object, **more: Any) -> Asked[Any]:
        """A request with the time and entropy of now."""
        return Asked(body=body, arrival=self.clock(), entropy=self.entropy(ENTROPY_BYTES), **more)

    def ring(self) -> None:
        """Have the store looked at again, now or after the batch under way."""
        self._rung = True
        self._bell.set()

    def let_go(self) -> None:
        """From now on, whoever waits for news is told that there are none."""
        self._letting_go = True
        for news in self._awaited.values():
            news.set()

    def stop(self) -> None:
        """Run what is waiting, then end."""
        self.let_go()
        self._stopping = True
        self.ring()

    # What becomes of one request.

    async def _turn(self, asked: Asked[Any]) -> Waiting:
        done = trio.Event()
        waiting = self.begin(asked, done.set)
        await done.wait()
        return waiting

    async def _held(self, waiting: Waiting, answer: Answer) -> Outcome:
        """Nothing new to tell: ask again after each commit that changed what this is about, for a while."""
        if self._followers >= WAITING_FOLLOWERS_MAX:
            return answer
        self._followers += 1
        outcome: Outcome = answer
        try:
            with trio.move_on_after(FOLLOW_SECONDS):
                while isinstance(outcome, Answer) and outcome.held and not self._letting_go:
                    assert waiting.news is not None
                    if not waiting.news.is_set():
                        await waiting.news.wait()
                        continue
                    await self.admit()
                    again = await self._turn(waiting.asked)
                    assert again.outcome is not None
                    outcome, waiting.news = again.outcome, again.news
        finally:
            self._followers -= 1
        return outcome

    async def _finished(self, asked: Asked[Any], job: object) -> Outcome:
        """Make what is said, in a thread; where that needs another decision, have it made."""
        party = asked.to or self.party
        try:
            made = await self._finishing.made(party, job)
        except Refused as refused:
            assert asked.checked is not None, "a refusal needs a request"
            return Answer(party.refusal(asked.checked.signed, refused))
        if not isinstance(made, Again):
            return Answer(made)
        party.door(type(made.body), owner=True, errand=False)
        await self.admit()
        again = self.request(made.body, checked=asked.checked, owner=True, channel=asked.channel, to=asked.to)
        outcome = (await self._turn(again)).outcome
        assert outcome is not None
        return outcome

    # The loop.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run turns until `stop`. Raises Fatal, in a group, where storage fails: then nothing more may be said."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._deadline = self._store.next_deadline()
            task_status.started()
            while self._inbox.waiting or not self._stopping:
                await self._something_to_do()
                await self._gather()
                self._look()  # only here, where who was answered by the last batch has gone on
                if batch := self._batch():
                    await self._run(batch)
            nursery.cancel_scope.cancel()

    async def _something_to_do(self) -> None:
        if not self._inbox and not self._to_look:
            self._bell = trio.Event()
            with trio.move_on_after(self._idle_seconds()):
                await self._bell.wait()

    @property
    def _to_look(self) -> bool:
        """True if something may have become due since the store was last looked at."""
        return self._rung or self._store.changes != self._looked_at

    def _idle_seconds(self) -> float:
        """How long there is nothing to do if nobody asks."""
        now = trio.current_time()
        wait = min(self._look_again - now, self._forget_again - now, self._inbox.seconds_left(now))
        if self._deadline is not None:
            wait = min(wait, max(seconds_until(self._deadline, self.clock()), self._due_again - now))
        return max(0.0, wait)

    async def _gather(self) -> None:
        """Let in what is on its way, for as long as more keeps coming, and not for long."""
        self._inbox.let_in(trio.current_time())
        until = trio.current_time() + GATHER_SECONDS
        before = -1
        while before < len(self._inbox) < TURNS_BATCH_MAX and trio.current_time() < until:
            before = len(self._inbox)
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()

    def _batch(self) -> list[Waiting]:
        """What is due first, then what came first."""
        batch = []
        due = self._deadline is not None and self._deadline <= self.clock()
        if due and trio.current_time() >= self._due_again and (takers := self._takers(Due)):
            self._due_again = trio.current_time() + RETRY_SECONDS_MIN
            batch += [Waiting(self.request(Due(), to=party), slot=False) for party in takers]
        if trio.current_time() >= self._forget_again:
            self._forget_again = trio.current_time() + FORGET_SECONDS
            forgets = [self.request(Forget(), owner=True, to=party) for party in self._takers(Forget)]
            batch += [Waiting(asked, slot=False) for asked in forgets]
        while self._inbox and len(batch) < TURNS_BATCH_MAX:
            batch.append(self._inbox.take())
        return batch

    def _takers(self, kind: type) -> list[Party]:
        """The parties that take this from the shell."""
        return [party for party in self._turns.parties if kind in party.handlers]

    async def _run(self, batch: Sequence[Waiting]) -> None:
        """Run a batch, commit it, and only then let its answers out."""
        before = self._store.changes
        outcomes = await self._committed([waiting.asked for waiting in batch], self.clock())
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome
            if isinstance(outcome, Answer) and outcome.hold:
                waiting.news = self._awaited.setdefault(outcome.hold, trio.Event())
            waiting.told()
            if waiting.slot:
                self._slots.release()
            elif isinstance(outcome, Answer) and outcome.finish is not None:
                self._finish_alone(waiting.asked, outcome.finish)
            elif isinstance(outcome, Answer) and outcome.more:
                self._forget_again = -math.inf
        self._tell(self._store.news | ({ANYTHING} if self._store.changes != before else set()))
        self.batches += 1
        self.turns += len(batch)

    def _tell(self, changed: set[bytes]) -> None:
        """Wake who waits for what the batch has changed, those of the batch itself among them."""
        for key in changed:
            if (news := self._awaited.pop(key, None)) is not None:
                news.set()
        self._store.news.clear()

    async def _committed(self, batch: list[Asked[Any]], now: int) -> list[Outcome]:
        """The one place that says where turns and COMMIT run."""
        if self._placement is Placement.ALL_IN_THREAD:
            return await self._in_thread(lambda: self._turned_and_committed(batch, now))
        before = self._store.changes
        outcomes = self._turned(batch, now)
        if self._store.changes == before or self._on_loop():  # what wrote nothing syncs nothing
            self._commit_on_loop()
        else:
            await self._in_thread(self._store.commit)
        return outcomes

    def _on_loop(self) -> bool:
        """True if COMMIT is made on the loop."""
        if self._placement is Placement.COMMIT_BY_DISK:
            return trio.current_time() >= self._apart_until
        return self._placement is Placement.INLINE

    def _commit_on_loop(self) -> None:
        began = trio.current_time()
        self._store.commit()
        if (now := trio.current_time()) > began + SLOW_COMMIT_SECONDS:
            self._apart_until = now + APART_SECONDS

    def _turned_and_committed(self, batch: list[Asked[Any]], now: int) -> list[Outcome]:
        outcomes = self._turned(batch, now)
        self._store.commit()
        return outcomes

    def _turned(self, batch: list[Asked[Any]], now: int) -> list[Outcome]:
        """Run turns, and read in their open transaction, where it costs least, when there is next something to do."""
        outcomes = self._turns.run_turns(batch, now)
        self._deadline = self._store.next_deadline()
        return outcomes

    async def _in_thread(self, work: Callable[[], T]) -> T:
        with trio.CancelScope(shield=True):
            done = await self._committer.run(work)
        return done

    def _finish_alone(self, asked: Asked[Any], job: object) -> None:
        """What was due has left something to be made, and nobody waits for it."""

        async def finish() -> None:
            await self._finished(asked, job)

        assert self._nursery is not None
        self._nursery.start_soon(self.incidents.confine, finish)

    def _look(self) -> None:
        """Between batches: read when there is next something to do, unless nothing can have changed."""
        if not self._to_look and trio.current_time() < self._look_again:
            return
        self._rung, self._looked_at = False, self._store.changes
        again = min((look(self.clock()) for look in self.looks), default=math.inf)
        self._look_again = trio.current_time() + again
