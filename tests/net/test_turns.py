"""The queue of turns: commits for many turns, nothing said before its commit, and what becomes of bugs and failures."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from anonnet.errors import Fatal, Malformed, Why
from anonnet.limits import FOLLOW_SECONDS, GROWTH_SECONDS, TURNS_WAITING_MAX
from anonnet.net.turns import APART_SECONDS, SLOW_COMMIT_SECONDS, Placement, TurnQueue
from anonnet.parties.turn import Answer, Asked, Forget, From, Party, Turn, on
from anonnet.protocol.refusal import Refusal
from anonnet.times import FORGET_SECONDS
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Signed, unsigned

from .parties import More, Note, Noted, NoteStore, Tally, queue_of, signer

SECONDS = 20
ROUNDS = 150


class Watched(NoteStore):
    """A store that remembers in which threads it was committed."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def commit(self) -> None:
        self.threads.append(threading.get_ident())
        super().commit()


APART = Placement.COMMIT_IN_THREAD
"""For tests that let something come between the turns and their COMMIT: on the loop nothing can."""


class Gated(NoteStore):
    """A store whose commits wait for the gate, in a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.committing = threading.Event()

    def commit(self) -> None:
        self.committing.set()
        assert self.gate.wait(SECONDS)
        super().commit()


class Slow(NoteStore):
    """A store whose commits take one time or another."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def commit(self) -> None:
        time.sleep(self._chance.choice([0.0, 0.0001, 0.001]))
        super().commit()


class Growing(Tally):
    """A tally whose notes make a log grow."""

    growth = frozenset({Note})


@asynccontextmanager
async def turning(store: NoteStore, folder: Path, **more: Any) -> AsyncIterator[TurnQueue]:
    """A tally's queue, running; stopped behind the block."""
    queue = queue_of(Tally(signer()), store, folder, **more)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(queue.run)
            yield queue
            queue.stop()


def asking(queue: TurnQueue, body: Message) -> Asked[Any]:
    return queue.request(body, checked=unsigned(body))


async def ask(queue: TurnQueue, text: str) -> object:
    """What is said to a note: the message, Malformed, or the reason of the refusal."""
    return said(await queue.ask(asking(queue, Note(text=text))))


def said(outcome: object) -> object:
    if not isinstance(outcome, Answer):
        return outcome
    if isinstance(outcome.said, Signed):
        refusal = decode(outcome.said.body)
        assert isinstance(refusal, Refusal)
        return Why(refusal.why)
    return outcome.said


async def until(event: threading.Event) -> None:
    assert await trio.to_thread.run_sync(event.wait, SECONDS)


async def begun(queue: TurnQueue, nursery: trio.Nursery, store: Gated, text: str) -> None:
    """Close the gate, and have a turn wait at it."""
    store.gate.clear()
    store.committing.clear()
    nursery.start_soon(ask, queue, text)
    await until(store.committing)


@pytest.mark.parametrize("placement", list(Placement))
async def test_many_turns_share_a_commit(tmp_path: Path, placement: Placement) -> None:
    store = NoteStore()
    async with turning(store, tmp_path, placement=placement) as queue, trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(ask, queue, f"note {number}")
    assert store.count() == 200
    assert store.commits <= 20
    assert queue.turns == 200


async def test_a_log_grows_in_steps_and_nothing_else_waits_for_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store = NoteStore()
    queue = queue_of(Growing(signer()), store, tmp_path, placement=Placement.INLINE)
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        began = trio.current_time()
        await ask(queue, "alone")
        alone = trio.current_time()
        async with trio.open_nursery() as askers:
            for number in range(20):
                askers.start_soon(ask, queue, f"note {number}")
                await trio.testing.wait_all_tasks_blocked()
            await queue.ask(asking(queue, More(than=0)))
            other = trio.current_time()
            assert store.count() == 1
        grown, commits = trio.current_time(), store.commits
        nursery.start_soon(ask, queue, "the last")
        await trio.testing.wait_all_tasks_blocked()
        queue.stop()
    assert alone - began < GROWTH_SECONDS / 2 > other - alone
    assert grown - began >= GROWTH_SECONDS
    assert (commits, store.count()) == (3, 22)  # one of them for who only asked


async def test_no_answer_is_out_before_its_commit(tmp_path: Path) -> None:
    store, answers = Gated(), []
    async with turning(store, tmp_path, placement=APART) as queue, trio.open_nursery() as nursery:
        store.gate.clear()

        async def asker() -> None:
            answers.append(await ask(queue, "one"))

        nursery.start_soon(asker)
        await until(store.committing)
        assert store.count() == 1
        await trio.testing.wait_all_tasks_blocked()
        assert not answers
        store.gate.set()
    assert answers == [Noted(count=1, padding=b"")]


async def test_what_arrives_during_a_commit_is_the_next_batch(tmp_path: Path) -> None:
    store = Gated()
    async with turning(store, tmp_path, placement=APART) as queue, trio.open_nursery() as nursery:
        await begun(queue, nursery, store, "first")
        for number in range(50):
            nursery.start_soon(ask, queue, f"note {number}")
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert store.commits == 2


async def test_a_bug_is_refused_and_the_others_of_its_batch_are_kept(tmp_path: Path) -> None:
    store, answers = Gated(), {}
    async with turning(store, tmp_path, placement=APART) as queue, trio.open_nursery() as nursery:
        await begun(queue, nursery, store, "first")

        async def asker(text: str) -> None:
            answers[text] = await ask(queue, text)

        for text in ("before", "bug", "refuse", "malformed", "behind"):
            nursery.start_soon(asker, text)
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert store.commits == 2
    assert store.count() == 3
    assert (answers["bug"], answers["refuse"]) == (Why.INCIDENT, Why.UNKNOWN)
    assert isinstance(answers["malformed"], Malformed)
    assert isinstance(answers["before"], Noted)
    assert isinstance(answers["behind"], Noted)


async def test_an_incident_file_says_where_and_not_what(tmp_path: Path) -> None:
    async with turning(NoteStore(), tmp_path) as queue:
        await ask(queue, "bug with words")
        (file,) = (tmp_path / "incidents").iterdir()
        text = file.read_text()
        assert "ZeroDivisionError" in text
        assert "parties.py" in text
        assert unsigned(Note(text="bug with words")).signed.hash.hex() in text
        assert "words" not in text
        assert file.stat().st_mode & 0o777 == 0o600
        assert queue.incidents.count == 1


@pytest.mark.parametrize("placement", list(Placement))
async def test_a_failed_commit_ends_the_queue_and_nobody_is_answered(tmp_path: Path, placement: Placement) -> None:
    store, answers = NoteStore(), []
    queue = queue_of(Tally(signer()), store, tmp_path, placement=placement)
    store.broken = True

    async def asker(text: str) -> None:
        answers.append(await ask(queue, text))

    async def fail() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker, "one")
            nursery.start_soon(asker, "two")
            await queue.run()

    with pytest.raises(BaseExceptionGroup) as ended, trio.fail_after(SECONDS):
        await fail()
    assert ended.value.subgroup(Fatal) is not None
    assert not answers


async def test_the_turn_of_an_asker_who_left_is_run(tmp_path: Path) -> None:
    store = Gated()
    async with turning(store, tmp_path, placement=APART) as queue, trio.open_nursery() as nursery:
        await begun(queue, nursery, store, "first")
        async with trio.open_nursery() as leaving:
            leaving.start_soon(ask, queue, "who left")
            await trio.testing.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
        store.gate.set()
    assert store.count() == 2


async def test_a_cancelled_queue_ends_its_commit_first(tmp_path: Path) -> None:
    store = Gated()
    queue = queue_of(Tally(signer()), store, tmp_path, placement=APART)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(queue.run)
            await begun(queue, nursery, store, "one")
            nursery.cancel_scope.cancel()
            threading.Timer(0.01, store.gate.set).start()
    assert store.commits == 1


async def test_slots_are_bounded_and_one_is_kept_for_what_is_due(tmp_path: Path) -> None:
    store, now = Gated(), [1000]
    async with turning(store, tmp_path, clock=lambda: now[0], placement=APART) as queue, trio.open_nursery() as nursery:
        await ask(queue, "deadline 2000")
        await begun(queue, nursery, store, "first")
        admitted = 0
        with trio.move_on_after(0.05):
            while True:
                await queue.admit()
                admitted += 1
        assert admitted == TURNS_WAITING_MAX - 2  # one is in its commit
        now[0] = 2000
        store.gate.set()
        while store.next_deadline() is not None:
            await trio.testing.wait_all_tasks_blocked(0.01)
        for _ in range(admitted):
            queue.leave()


async def test_a_deadline_is_met_when_nobody_asks(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    store = NoteStore()
    queue = queue_of(
        Tally(signer()), store, tmp_path, clock=lambda: int(trio.current_time()), placement=Placement.INLINE
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        await ask(queue, "deadline 500")
        await trio.sleep(499)
        assert store.next_deadline() == 500
        await trio.sleep(2)
        assert store.next_deadline() is None
        queue.stop()


async def test_what_is_made_after_the_commit_is_the_answer(tmp_path: Path) -> None:
    store = NoteStore()
    async with turning(store, tmp_path) as queue:
        assert await ask(queue, "finish this") == Noted(count=0, padding=b"finish this")
        assert await ask(queue, "again") == Noted(count=3, padding=b"")


async def test_who_waits_for_news_is_answered_by_the_commit_that_brings_them(tmp_path: Path) -> None:
    store, answers = NoteStore(), []
    async with turning(store, tmp_path) as queue, trio.open_nursery() as nursery:

        async def follow() -> None:
            answers.append(said(await queue.ask(asking(queue, More(than=1)))))

        nursery.start_soon(follow)
        await ask(queue, "one")
        await ask(queue, "one")
        await trio.testing.wait_all_tasks_blocked()
        assert not answers
        await ask(queue, "two")
    assert answers == [Noted(count=2, padding=b"")]


async def test_a_commit_has_only_those_ask_again_who_wait_for_what_it_brings(tmp_path: Path) -> None:
    store = NoteStore()
    async with turning(store, tmp_path) as queue, trio.open_nursery() as nursery:
        nursery.start_soon(queue.ask, asking(queue, More(than=1)))
        nursery.start_soon(queue.ask, asking(queue, More(than=2)))
        await trio.testing.wait_all_tasks_blocked()
        before = queue.turns
        await ask(queue, "one")
        await trio.testing.wait_all_tasks_blocked()
        assert queue.turns == before + 1
        await ask(queue, "two")
        await trio.testing.wait_all_tasks_blocked()
        assert queue.turns == before + 3
        await ask(queue, "three")
    assert queue.turns == before + 5


async def test_what_writes_nothing_is_not_synced(tmp_path: Path) -> None:
    """Its COMMIT costs nothing, so it stays on the loop, also where others go to a thread."""
    store = Watched()
    async with turning(store, tmp_path, placement=APART) as queue:
        await ask(queue, "one")
        await queue.ask(asking(queue, More(than=0)))
    assert [each == threading.get_ident() for each in store.threads] == [False, True]


async def test_a_slow_disk_has_commits_in_the_thread_for_a_while(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    class Lasting(Watched):
        seconds = 0.0

        def commit(self) -> None:
            mock_clock.jump(self.seconds)
            super().commit()

    store = Lasting()
    async with turning(store, tmp_path) as queue:
        for text, seconds, later in (
            ("quick", 0.0, 0.0),
            ("slow", 2 * SLOW_COMMIT_SECONDS, 0.0),
            ("soon", 0.0, APART_SECONDS),
            ("later", 0.0, 0.0),
        ):
            store.seconds = seconds
            await ask(queue, text)
            mock_clock.jump(later)
    assert [each == threading.get_ident() for each in store.threads] == [True, True, False, True]


async def test_news_of_the_same_batch_are_not_missed(tmp_path: Path) -> None:
    store, answers = Gated(), []
    async with turning(store, tmp_path, placement=APART) as queue, trio.open_nursery() as nursery:
        await begun(queue, nursery, store, "first")

        async def follow() -> None:
            answers.append(said(await queue.ask(asking(queue, More(than=1)))))

        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, queue, "second")  # behind it in the same batch
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert answers == [Noted(count=2, padding=b"")]


async def test_who_is_told_on_has_no_turn_before_there_are_news(tmp_path: Path) -> None:
    async with turning(NoteStore(), tmp_path) as queue, trio.open_nursery() as nursery:
        await ask(queue, "first")
        await queue.admit()
        durable, told = trio.Event(), []
        waiting = queue.begin(asking(queue, More(than=1)), durable.set)
        await durable.wait()

        async def go_on() -> None:
            told.append(said((await queue.go_on(waiting, asking(queue, More(than=1)))).outcome))

        nursery.start_soon(go_on)
        turns = queue.turns
        await trio.testing.wait_all_tasks_blocked()
        assert (queue.turns, told) == (turns, [])
        await ask(queue, "second")
    assert told == [Noted(count=2, padding=b"")]


async def test_news_are_not_waited_for_without_end(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    queue = queue_of(Tally(signer()), NoteStore(), tmp_path, placement=Placement.INLINE)
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        began = trio.current_time()
        assert said(await queue.ask(asking(queue, More(than=0)))) == Noted(count=0, padding=b"")
        assert trio.current_time() - began == FOLLOW_SECONDS
        queue.stop()


class Forgetful(Party):
    """Has three pieces to forget each time."""

    def __init__(self) -> None:
        super().__init__(signer())
        self.forgot: list[float] = []

    @on(Forget, by=From.OWNER)
    def forget(self, turn: Turn[NoteStore], asked: Asked[Forget]) -> Answer:
        self.forgot.append(trio.current_time())
        return Answer(more=len(self.forgot) % 3 != 0)


@pytest.mark.parametrize("placement", list(Placement), ids=lambda placement: placement.value)
async def test_whoever_waits_hears_of_a_commit_however_the_two_interleave(tmp_path: Path, placement: Placement) -> None:
    """One note and several who wait for it begin at any distance: before, within and behind each other's commits."""
    seed = int(os.environ.get("ANONNET_TURNS_SEED", random.randrange(2**32)))
    print(f"ANONNET_TURNS_SEED={seed}")
    chance, heard = random.Random(seed), list[int]()

    async def wait(queue: TurnQueue, count: int, checkpoints: int) -> None:
        for _ in range(checkpoints):
            await trio.lowlevel.checkpoint()
        answer = said(await queue.ask(asking(queue, More(than=count))))
        assert isinstance(answer, Noted)
        heard.append(answer.count)

    async with turning(Slow(chance), tmp_path, placement=placement) as queue:
        for count in range(ROUNDS):
            heard.clear()
            with trio.fail_after(FOLLOW_SECONDS / 2):  # who has missed it is told that there is nothing new, but later
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(wait, queue, count, chance.randrange(30))
                    for _ in range(chance.randrange(30)):
                        await trio.lowlevel.checkpoint()
                    await ask(queue, f"note {count}")
            assert heard == [count + 1] * 3


async def test_it_forgets_at_its_start_and_once_a_day(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    party = Forgetful()
    queue = queue_of(party, NoteStore(), tmp_path, placement=Placement.INLINE)
    async with trio.open_nursery() as nursery:
        start = trio.current_time()
        await nursery.start(queue.run)
        await trio.sleep(2 * FORGET_SECONDS + 1)
        queue.stop()

    times = [round(at - start) for at in party.forgot]
    assert times == [0] * 3 + [FORGET_SECONDS] * 3 + [2 * FORGET_SECONDS] * 3


async def test_others_have_their_turn_between_two_pieces(tmp_path: Path) -> None:
    party = Forgetful()
    queue = queue_of(party, NoteStore(), tmp_path, placement=Placement.INLINE)
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        await queue.ask(queue.request(Note(text="meanwhile"), checked=unsigned(Note(text="meanwhile"))))
        assert len(party.forgot) < 3
        queue.stop()


def test_nobody_else_has_a_party_forget() -> None:
    with pytest.raises(Malformed):
        Forgetful().door(Forget, owner=False, errand=False)


async def test_what_many_wait_for_is_made_once(tmp_path: Path) -> None:
    """One small request costs a pass over goods, or 32 blind signatures: not as much again each time it is sent."""
    answers: list[object] = []
    async with turning(NoteStore(), tmp_path) as queue, trio.open_nursery() as nursery:
        assert isinstance(queue.party, Tally)
        queue.party.gate.clear()

        async def asked() -> None:
            answers.append(await ask(queue, "finish this"))

        for _ in range(20):
            nursery.start_soon(asked)
        while len(queue.party.handled) < 20:
            await trio.sleep(0.01)
        queue.party.gate.set()
    assert answers == 20 * [Noted(count=0, padding=b"finish this")]
    assert queue.party.finished == ["finish this"]


async def test_who_waits_for_what_another_has_made_does_not_need_him(tmp_path: Path) -> None:
    answers: list[object] = []
    async with turning(NoteStore(), tmp_path) as queue, trio.open_nursery() as nursery:
        assert isinstance(queue.party, Tally)
        queue.party.gate.clear()

        async def asked(text: str, scope: trio.CancelScope) -> None:
            with scope:
                answers.append(await ask(queue, text))

        leaving = trio.CancelScope()
        for text in ("finish one", "finish two"):  # both finishers are occupied
            nursery.start_soon(asked, text, trio.CancelScope())
        while len(queue.party.finished) < 2:
            await trio.sleep(0.01)
        nursery.start_soon(asked, "finish three", leaving)
        while len(queue.party.handled) < 3:
            await trio.sleep(0.01)
        nursery.start_soon(asked, "finish three", trio.CancelScope())
        while len(queue.party.handled) < 4:
            await trio.sleep(0.01)
        leaving.cancel()
        queue.party.gate.set()
    assert sorted(each.padding for each in answers if isinstance(each, Noted)) == [
        b"finish one",
        b"finish three",
        b"finish two",
    ]
