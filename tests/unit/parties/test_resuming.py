"""What a log under a quorum asks its mirrors before it signs anything, and what comes of their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import BadStart, Malformed, Refused, Why
from anonnet.parties.resuming import Resuming
from anonnet.protocol.known_log import expirations_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointsSeen
from anonnet.protocol.refusal import Refusal
from anonnet.store import lock
from anonnet.store.log import LogStore
from anonnet.times import BEHIND_SECONDS, RETENTION_SECONDS
from anonnet.wire.codec import STEPS
from anonnet.wire.frames import frame
from anonnet.wire.signed import Checked, Signer, received, unsigned
from tests.actor import Said
from tests.dump import dump
from tests.mirrors import KNOWN, MIRRORS, SHARD, p4, sale
from tests.stage import NETWORK, NOON, key_of
from tests.unit.parties.test_certifying import pledge
from tests.unit.parties.test_repair import Filed

ONE = MIRRORS[0]


class Resumed(Filed):
    """A log that asks its mirrors."""

    @property
    def store(self) -> LogStore:
        store = self.log.store
        assert isinstance(store, LogStore)
        return store

    def asking(self, *names: str) -> Resuming:
        """What the log has asked by now, and these mirrors have answered."""
        asking = Resuming(KNOWN, self.store, self.now)
        for name in names:
            self.answer(asking, name)
        return asking

    def answer(self, asking: Resuming, name: str) -> None:
        """What this mirror has not answered yet, it answers now."""
        mirror = key_of(name).public
        for question in asking.open[mirror]:
            asking.take(mirror, question, read(self.say(question, name)))


def read(said: Said | None) -> Checked[Any]:
    """A reply as it comes from a connection."""
    assert said is not None
    framed = frame(said, 1)
    return received(NETWORK, STEPS[framed.step], framed.payload)


@pytest.fixture
def resumed(tmp_path: Path) -> Resumed:
    (tmp_path / "log").mkdir()
    return Resumed(tmp_path / "log")


@pytest.fixture
def then(tmp_path: Path) -> Path:
    """Where a snapshot is kept."""
    return tmp_path / "then"


@pytest.mark.parametrize("before", [(50,), ()], ids=["some entries", "none at all"])
def test_a_log_that_was_put_back_goes_on_only_once_it_is_repaired(
    resumed: Resumed, then: Path, before: tuple[int, ...]
) -> None:
    """Both log.db and lock.db are old: nothing but its mirrors can tell it."""
    resumed.sells(*before)
    resumed.copy(then)
    said = resumed.sells(60, 70)
    resumed.go_back(then)
    kept = dump(resumed.store)

    with pytest.raises(BadStart, match="anonnet log repair"):
        assert resumed.asking(*MIRRORS[1:]).may_go_on()

    assert dump(resumed.store) == kept
    resumed.store.close()
    with pytest.raises(BadStart, match="anonnet log repair"):
        resumed.begin()  # what it has heard once it knows, also where no mirror can be reached
    assert resumed.repaired()
    resumed.begin()
    assert resumed.asking(*MIRRORS).may_go_on()
    assert [resumed.ask(p4(sale(NOON + lead))) for lead in (60, 70)] == said
    resumed.sells(80)
    assert resumed.log.store.errands.count() == 0  # all have cosigned what is newest


def test_what_one_mirror_has_is_enough_to_stop_the_log(resumed: Resumed, then: Path) -> None:
    """No quorum had cosigned it; but who read it could show it beside another checkpoint of that size."""
    resumed.sells(50)
    resumed.copy(then)
    resumed.down = set(MIRRORS[1:])
    resumed.ask(pledge(sale(NOON + 60)))
    resumed.settle()
    resumed.go_back(then)

    asking = resumed.asking(*MIRRORS[1:])
    assert asking.may_go_on()
    resumed.answer(asking, ONE)

    with pytest.raises(BadStart, match="anonnet log repair"):
        assert asking.may_go_on()


def test_a_mirror_shows_also_what_it_has_not_read_itself(resumed: Resumed, then: Path) -> None:
    """A bank has relied on it, and shown it to this one."""
    resumed.sells(50)
    resumed.copy(then)
    resumed.down = set(MIRRORS)
    resumed.ask(pledge(sale(NOON + 60)))
    note = resumed.store.heads.marks(SHARD, 4, 4)[0].note
    resumed.go_back(then)
    resumed.ask(CheckpointsSeen(log=KNOWN.identity, shard=SHARD, checkpoints=(note,)), ONE)

    with pytest.raises(BadStart, match="of 4 entries, signed by this log, and here are 3"):
        assert resumed.asking(*MIRRORS).may_go_on()


@pytest.mark.parametrize("many", [0, 1, 2, 3, 4])
def test_a_log_goes_on_when_a_quorum_has_answered(resumed: Resumed, many: int) -> None:
    """Also a new one, of which they have nothing: it looks like one that was put back from before its first entry."""
    for _ in range(2):
        asking = resumed.asking(*MIRRORS[:many])

        assert asking.may_go_on() == (many >= 3)
        assert set(asking.missing) == set(MIRRORS[many:])
        resumed.sells(50)


def test_a_mirror_that_lies_and_one_that_has_read_less_are_no_quorum(resumed: Resumed, then: Path) -> None:
    """m - t + 1 of them: one has cosigned what is missing, and does not say so."""
    liar, reader, _, behind = MIRRORS
    resumed.sells(50)
    resumed.copy(then)
    resumed.down = {behind}
    resumed.sells(60)
    resumed.go_back(then)

    asking = resumed.asking(behind)
    for each in asking.open[key_of(liar).public]:
        nothing = CheckpointIs(log=each.log, shard=each.shard, checkpoints=())
        asking.take(key_of(liar).public, each, read(nothing))

    assert not asking.may_go_on()
    resumed.answer(asking, reader)
    with pytest.raises(BadStart, match="anonnet log repair"):
        asking.may_go_on()


def test_who_does_not_answer_what_was_asked_does_not_count(resumed: Resumed) -> None:
    asking = resumed.asking(*MIRRORS[:2])
    mirror, signer = key_of(MIRRORS[2]), Signer(NETWORK, key_of(MIRRORS[2]))
    question, *others = asking.open[mirror.public]
    request = unsigned(question).signed
    for each in others:
        asking.take(mirror.public, each, read(resumed.say(each, MIRRORS[2])))

    def refusal(why: Why, by: Signer = signer) -> Checked[Any]:
        return read(by.sign(Refusal.of(request, Refused(why))))

    other = Signer(NETWORK, key_of(ONE))
    elsewhere = CheckpointIs(log=KNOWN.identity, shard=question.shard + 1, checkpoints=())
    for answer in (refusal(Why.WRONG_LOG), refusal(Why.FORGOTTEN, other), read(question), read(elsewhere)):
        with pytest.raises(Malformed):
            asking.take(mirror.public, question, answer)
        assert not asking.may_go_on()

    asking.take(mirror.public, question, refusal(Why.FORGOTTEN))
    assert asking.may_go_on()


@pytest.mark.parametrize("more", [0, 2], ids=["mirrors have less", "mirrors have more"])
def test_a_log_that_has_signed_two_histories_never_starts_again(resumed: Resumed, then: Path, more: int) -> None:
    """One that was put back and went on without asking."""
    resumed.sells(50)
    resumed.copy(then)
    resumed.sells(60, *range(70, 70 + more))
    resumed.go_back(then)
    resumed.down = set(MIRRORS)
    for lead in (80, 81, 82):
        resumed.ask(pledge(sale(NOON + lead)))
    resumed.down.clear()

    with pytest.raises(BadStart, match="anonnet log repair" if more else "never starts again"):
        assert resumed.asking(*MIRRORS).may_go_on()

    resumed.store.close()
    if more:  # only the entries show whether they begin as its own do
        with pytest.raises(BadStart, match="never starts again"):
            resumed.repaired()
    with pytest.raises(BadStart, match="never starts again"):
        resumed.begin()


def test_a_log_that_has_lost_its_lock_is_not_started_by_a_second_try_nor_by_a_repair(resumed: Resumed) -> None:
    """Mirrors have not all that it has signed: some went to readers alone."""
    resumed.sells(50)
    resumed.down = set(MIRRORS)
    resumed.ask(pledge(sale(NOON + 60)))
    resumed.store.close()
    (resumed.folder / lock.FILE).unlink()

    for _ in range(3):
        with pytest.raises(BadStart, match="could sign a second history"):
            resumed.begin()
        with pytest.raises(BadStart, match=r"lock\.db is new"):
            resumed.repaired()


def test_shards_that_are_dropped_are_not_asked_about(resumed: Resumed) -> None:
    """Some mirror may still have them, and the log has nothing to hold that against."""
    resumed.sells(50)
    resumed.now = expirations_of(SHARD).stop + RETENTION_SECONDS + BEHIND_SECONDS
    resumed.log.forget()

    asking = Resuming(KNOWN, resumed.store, resumed.now)

    assert all(SHARD not in {each.shard for each in questions} for questions in asking.open.values())
    assert resumed.asking(*MIRRORS).may_go_on()
