"""Errands: sent when due, sent again until they are answered, also across a restart. Trio's clock jumps; no sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from anonnet.limits import (
    ERRANDS_AT_ONCE_MAX,
    ERRANDS_PER_RECEIVER_MAX,
    HELD_PER_RECEIVER_MAX,
    OUTCOMES_PER_RECEIVER_MAX,
    RETRY_SECONDS_MAX,
    RETRY_SECONDS_MIN,
)
from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Reached, unnoticed
from anonnet.net.errands import Runner
from anonnet.net.trace import Tracer
from anonnet.net.turns import Placement, TurnQueue
from anonnet.parties.waiting import WAIT_SECONDS_MAX
from anonnet.protocol.logbook import CheckpointOf, Follow, OutcomeOf
from anonnet.protocol.network import Peer, Role
from anonnet.protocol.transaction import Transaction
from anonnet.store.errands import Errands
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Signed, payload, unsigned

from .parties import Note, Noted, NoteStore, Send, Visitor, network_of, new_peer, queue_of, signer

TALLY = new_peer(Role.BANK, "tally")
OTHER = new_peer(Role.BANK, "other")


class World:
    """A dialer whose peers answer, fail or hang as the test says."""

    def __init__(self) -> None:
        self.tries: list[tuple[float, str]] = []
        self.failures = 0
        self.together = trio.Event()
        """Failures wait for it."""
        self.together.set()
        self.standing = 0
        """Questions that are held."""
        self.lost = ""
        """What is not answered once."""
        self.hanging = False
        self.babbling = False
        self.asked = 0
        self.asked_max = 0

    async def connect(self, peer: Peer) -> Connection:
        """What is connected to is a log that has nothing to tell."""
        ours, self.log_side = trio.testing.memory_stream_pair()
        return Connection(ours, reply_seconds=1e9)

    def session(self, peer: Peer) -> AbstractAsyncContextManager[Connection]:
        raise AssertionError("errands ask, each on its own connection")

    async def ask(self, peer: Peer, said: Message | Signed, reached: Reached = unnoticed) -> Reply:
        if isinstance(said, CheckpointOf | OutcomeOf):
            self.standing += 1
            await trio.sleep_forever()
        assert isinstance(said, Note)
        self.tries.append((trio.current_time(), said.text))
        self.asked += 1
        self.asked_max = max(self.asked, self.asked_max)
        try:
            if self.hanging and peer == TALLY:
                await trio.sleep_forever()
            await trio.lowlevel.checkpoint()
            if said.text == self.lost:
                self.lost = ""
                raise ConnectionResetError("gone")
            if self.failures:
                self.failures -= 1
                await self.together.wait()
                raise ConnectionRefusedError("nobody there")
            reached()
            if said.text.startswith("held"):
                await trio.sleep_forever()
        finally:
            self.asked -= 1
        if self.babbling:
            return Reply(Noted.step, b"\x00")
        return Reply(Noted.step, payload(Noted(count=1, padding=b"")))

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def visiting(store: NoteStore, world: World, folder: Path) -> AsyncIterator[TurnQueue]:
    """A visitor with its errands running, for the time of the block."""
    queue = queue_of(
        Visitor(signer()), store, folder, clock=lambda: int(trio.current_time()), placement=Placement.INLINE
    )
    runner = Runner(
        queue,
        store.errands,
        network=network_of(TALLY, OTHER),
        dialer=world,
        incidents=queue.incidents,
        tracer=Tracer("visitor"),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        await nursery.start(runner.run)
        yield queue
        nursery.cancel_scope.cancel()


async def send(queue: TurnQueue, text: str, receiver: Peer = TALLY) -> None:
    command = Send(text=text, receiver=receiver.identity)
    await queue.ask(queue.request(command, checked=unsigned(command), owner=True))


async def test_an_errand_is_sent_again_with_growing_pauses_until_it_is_answered(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    world.failures = 12
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "hello")
        await trio.sleep(2000)
    pauses = [round(after - before, 3) for (before, _), (after, _) in zip(world.tries, world.tries[1:], strict=False)]
    assert len(world.tries) == 13
    assert RETRY_SECONDS_MIN <= pauses[0] < 2 * RETRY_SECONDS_MIN
    assert pauses == sorted(pauses)
    assert RETRY_SECONDS_MAX <= pauses[-1] < RETRY_SECONDS_MAX + 1
    assert not store.errands.count()
    assert store.count() == 1


async def test_a_peer_that_babbles_is_asked_again_later(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    store, world = NoteStore(), World()
    world.babbling = True
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "hello")
        await trio.sleep(10)
        assert 3 < len(world.tries) < 10
        world.babbling = False
        await trio.sleep(100)
    assert not store.errands.count()
    assert queue.incidents.count == 0


async def test_an_errand_survives_a_restart(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    store, world = NoteStore(tmp_path / "db"), World()
    world.failures = 3
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "hello")
    store.close()

    store = NoteStore(tmp_path / "db")
    async with visiting(store, world, tmp_path):
        await trio.sleep(10)
    assert not store.errands.count()
    assert store.count() == 1


async def test_an_errand_that_was_put_off_by_a_clock_a_month_ahead_is_sent_after_a_restart(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world, ahead = NoteStore(), World(), 30 * 24 * 3600
    now = int(trio.current_time())
    put_off = store.errands.add(TALLY.identity, Note(text="hello"), subject=b"hello", due=now + ahead)
    spread = store.errands.add(TALLY.identity, Note(text="spread"), subject=b"spread", due=now + WAIT_SECONDS_MAX)

    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "something")
        await trio.sleep(1)
        assert not store.errands.stands(put_off)
        assert store.errands.stands(spread)


async def test_an_answer_that_leaves_the_errand_standing_is_followed_by_a_pause(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "standing")
        await trio.sleep(10)
    assert 10 < len(world.tries) <= 10 / RETRY_SECONDS_MIN + 1


async def test_an_errand_is_asked_on_at_once_where_its_answer_leads_on(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "onononhello")
        await trio.sleep(10)
    assert [text for _, text in world.tries] == ["onononhello", "ononhello", "onhello", "hello"]
    assert world.tries[-1][0] - world.tries[0][0] < RETRY_SECONDS_MIN
    assert store.errands.count() == 0


async def test_an_errand_that_was_asked_on_in_vain_is_asked_again_as_it_stands(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    world.lost = "hello"
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "onhello")
        await trio.sleep(10)
    assert [text for _, text in world.tries] == ["onhello", "hello", "onhello", "hello"]


async def test_an_errand_that_has_ended_is_made_anew_without_a_pause(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    async with visiting(store, world, tmp_path) as queue:
        for _ in range(3):
            await send(queue, "hello")
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)
    assert len(world.tries) == 3
    assert world.tries[-1][0] - world.tries[0][0] < RETRY_SECONDS_MIN


class Slow:
    """The clock moves while the store is read, as on a machine with much to do."""

    def __init__(self, errands: Errands, clock: trio.testing.MockClock, seconds: float) -> None:
        self._errands, self._clock, self._seconds = errands, clock, seconds

    def waiting_for(self, receiver: bytes, now: int, *, most: int) -> list[tuple[int, bytes]]:
        found = self._errands.waiting_for(receiver, now, most=most)
        self._clock.jump(self._seconds)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._errands, name)


@pytest.mark.parametrize("part", [step / 8 for step in range(9)])
async def test_a_pause_that_ends_while_the_store_is_read_is_not_forgotten(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, part: float
) -> None:
    """Whoever looks just before its end, and sees it as over just behind it, would wait for the next thing to happen:
    where a log holds a follow, for FOLLOW_SECONDS."""
    store, world, reading = NoteStore(), World(), RETRY_SECONDS_MIN / 4
    world.failures = 1
    store.errands = Slow(store.errands, autojump_clock, reading)  # type: ignore[assignment]
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "hello")
        while world.failures:
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep_until(world.tries[0][0] + RETRY_SECONDS_MIN - 2 * reading * part)
        queue.ring()
        await trio.sleep(2)
    assert len(world.tries) == 2
    assert store.count() == 1


async def test_failures_at_the_same_time_lengthen_the_pause_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    world.failures, world.together = ERRANDS_PER_RECEIVER_MAX, trio.Event()
    async with visiting(store, world, tmp_path) as queue:
        for number in range(ERRANDS_PER_RECEIVER_MAX):
            await send(queue, f"hello {number}")
        while world.failures:
            await trio.testing.wait_all_tasks_blocked()
        world.together.set()
        await trio.sleep(2)
    assert store.count() == ERRANDS_PER_RECEIVER_MAX


async def test_a_follow_that_is_held_stands_in_nobody_s_way(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """After a failure a receiver is tried by one errand at a time: not by the one that waits there for news."""
    store, world = NoteStore(), World()
    store.begin()
    follow = Follow(log=TALLY.identity, shard=1, start=0)
    store.errands.add(TALLY.identity, follow, subject=TALLY.identity, due=0)
    store.commit()
    async with visiting(store, world, tmp_path) as queue:
        await trio.testing.wait_all_tasks_blocked()
        world.failures = 1
        await send(queue, "hello")
        await trio.sleep(2)
    assert len(world.tries) == 2
    assert store.count() == 1


async def test_questions_that_are_held_without_end_leave_room_to_the_others(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    store.begin()
    for shard in range(2 * ERRANDS_AT_ONCE_MAX):
        question = CheckpointOf(log=TALLY.identity, shard=shard, size=1, cosigned=0)
        store.errands.add(TALLY.identity, question, subject=b"%d" % shard, due=0)
    store.commit()
    async with visiting(store, world, tmp_path) as queue:
        await trio.testing.wait_all_tasks_blocked()
        await send(queue, "hello")
        await trio.sleep(2)
    assert world.standing == HELD_PER_RECEIVER_MAX
    assert store.count() == 1


async def test_outcomes_that_are_asked_for_in_vain_leave_room_to_all_others(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever keeps the keys of pledged sales back has as many asked as he likes, of each mirror of their log."""
    store, world = NoteStore(), World()
    store.begin()
    for number in range(10 * ERRANDS_AT_ONCE_MAX):
        sale = Transaction(number=b"%032d" % number, expiration=1, merchant=OTHER.identity, log=TALLY.identity)
        mirrors = TALLY.identity, OTHER.identity
        store.errands.add_for_each(mirrors, OutcomeOf(transaction=sale), subject=sale.number, due=0)
    store.commit()
    async with visiting(store, world, tmp_path) as queue:
        await trio.sleep(1)
        assert world.standing == 2 * OUTCOMES_PER_RECEIVER_MAX
        await send(queue, "hello")
        store.begin()
        question = CheckpointOf(log=TALLY.identity, shard=1, size=1, cosigned=0)
        store.errands.add(TALLY.identity, question, subject=b"compared", due=1)
        store.commit()
        queue.ring()
        await trio.sleep(2)
    assert world.standing == 2 * OUTCOMES_PER_RECEIVER_MAX + 1
    assert store.count() == 1


async def test_an_errand_that_was_asked_on_has_left_its_old_failures_behind(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    world.failures, world.lost = 8, "hello"
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "onhello")
        await trio.sleep(300)
    *failed, (_, first), (lost, second), (again, third), _ = world.tries
    assert (len(failed), first, second, third) == (8, "onhello", "hello", "onhello")
    assert failed[-1][0] - failed[-2][0] > 10
    assert again - lost < 1


async def test_a_receiver_that_is_reached_again_and_holds_a_question_gets_the_others(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """An answer that is held for long says nothing about the receiver; that it could be connected to does."""
    store, world = NoteStore(), World()
    world.failures = 1
    async with visiting(store, world, tmp_path) as queue:
        await send(queue, "held")
        await trio.testing.wait_all_tasks_blocked()
        await send(queue, "hello")
        await trio.sleep(2)
    assert store.count() == 1


async def test_a_receiver_that_hangs_leaves_room_for_the_others(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    store, world = NoteStore(), World()
    world.hanging = True
    async with visiting(store, world, tmp_path) as queue:
        for number in range(2 * ERRANDS_AT_ONCE_MAX):
            await send(queue, f"hanging {number}")
        await send(queue, "hello", OTHER)
        await trio.sleep(5)
    assert world.asked_max <= ERRANDS_PER_RECEIVER_MAX + 1
    assert "hello" in [text for _, text in world.tries]
    assert store.count() == 1


async def test_errands_that_nobody_takes_do_not_stand_before_the_others(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever pays to a merchant that cannot be reached leaves such errands with the bank, as many as she likes."""
    store, world = NoteStore(), World()
    world.hanging = True
    stranger = new_peer(Role.MERCHANT, "stranger")
    async with visiting(store, world, tmp_path) as queue:
        for number in range(10 * ERRANDS_AT_ONCE_MAX):
            await send(queue, f"to nobody {number}", stranger)
            await send(queue, f"hanging {number}", TALLY)
        await trio.sleep(1000)
        await send(queue, "hello", OTHER)
        await trio.sleep(2)
    assert store.count() == 1
    assert not any(text.startswith("to nobody") for _, text in world.tries)


async def test_a_decoded_errand_is_what_was_added() -> None:
    store = NoteStore()
    store.begin()
    store.errands.add(TALLY.identity, Note(text="x"), subject=TALLY.identity, due=5)
    (errand,) = store.errands.due(5, most=1)
    assert decode(errand.request.body) == Note(text="x")
    assert (store.errands.next_due_after(4), store.errands.next_due_after(5)) == (5, None)
