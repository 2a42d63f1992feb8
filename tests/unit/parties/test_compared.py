"""Mirrors hold what logs have signed for others against their copies, and an honest log is framed by none of it."""

from __future__ import annotations

from itertools import combinations

import pytest

from anonnet.errors import Why
from anonnet.limits import AHEAD_MAX
from anonnet.protocol.breach import Alert, breach
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import CheckpointsSeen, EntryKind
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.rules import decided_by
from anonnet.times import BEHIND_SECONDS, COMPARE_SECONDS, RETENTION_SECONDS, SHARD_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.dump import dump
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, Wall, cosigned, entry, tick
from tests.stage import NETWORK, NOON, key_of

ONE, TWO = MIRRORS[:2]
ALONE = KnownLog(key_of("log").public)


def show(wall: Wall, *notes: bytes, name: str = ONE) -> object:
    """What this mirror says to a stranger who was shown these."""
    said = wall.ask(name, CheckpointsSeen(log=wall.known.identity, shard=SHARD, checkpoints=notes))
    return decode(said.body) if isinstance(said, Signed) else said


def read(pen: Pen, known: KnownLog = KNOWN) -> Wall:
    wall = Wall(pen, known=known)
    wall.settle()
    return wall


def honest(wall: Wall) -> bool:
    """Nobody has anything against the log, nor waits for something that could be."""
    return not any(
        actor.store.alerts.all()
        or actor.store.copy(wall.known.identity, SHARD).frozen
        or dump(actor.store)["ahead"]
        or actor.closed
        for actor in wall.mirrors.values()
    )


def convicted(wall: Wall) -> list[str]:
    """Who has the proof of a fork, and takes nothing more in."""
    found = []
    for name, actor in wall.mirrors.items():
        proofs = [breach(NETWORK, wall.known, shard, proof).kind for _, shard, proof in actor.store.alerts.all()]
        copy = actor.store.copy(wall.known.identity, SHARD)
        if proofs == ["fork"] and (copy is None or copy.frozen):
            found.append(name)
    return found


@pytest.fixture(params=["quorum", "alone"])
def pens(request: pytest.FixtureRequest) -> tuple[Pen, Pen]:
    """Two branches of one log, the same in their first two entries."""
    pen = Pen(KNOWN if request.param == "quorum" else ALONE)
    pen.write(tick(NOON))
    return pen, pen.copy()


def test_branches_of_different_sizes_convict_the_log_though_neither_grows(pens: tuple[Pen, Pen]) -> None:
    """Who was shown more is told by no answer to his questions what who was shown less holds."""
    pen, branch = pens
    pen.write(tick(NOON), tick(NOON), tick(NOON))
    branch.write(tick(NOON + 1))
    wall = Wall([pen, branch, branch, pen], known=pen.known)
    wall.settle()

    for _ in range(2):
        wall.pass_time(COMPARE_SECONDS + len(MIRRORS))

    assert convicted(wall) == list(MIRRORS)


def test_mirrors_show_what_they_have_read_also_to_who_has_no_question_left() -> None:
    """As of a shard that has ended, and whose end a quorum has cosigned."""
    pen = Pen()
    branch = pen.copy()
    pen.write(tick(NOON), tick(NOON), tick(NOON))
    branch.write(tick(NOON + 1))
    wall = Wall([pen, branch, branch, pen])
    wall.cut = {frozenset(pair) for pair in combinations(MIRRORS, 2)}
    wall.settle()
    for actor in wall.mirrors.values():
        actor.store.errands.end_all(KNOWN.origin(SHARD).encode())
    wall.cut = set()

    wall.pass_time(COMPARE_SECONDS)

    assert convicted(wall) == list(MIRRORS)


def test_mirrors_show_each_other_once_what_a_log_under_a_quorum_has_shown_them() -> None:
    pen = Pen()
    wall = read(pen)
    for _ in range(2):
        pen.write(tick(NOON), tick(NOON))
        wall.settle()
    counts = []
    for _ in range(4):
        wall.pass_time(COMPARE_SECONDS)
        counts.append(sum(isinstance(said, CheckpointsSeen) for _, _, said in wall.heard))

    pairs = len(MIRRORS) * (len(MIRRORS) - 1)
    assert counts == [pairs, 2 * pairs, 2 * pairs, 2 * pairs]  # what came first, and what came meanwhile
    assert honest(wall)


@pytest.mark.parametrize("ours", [1, 2, 3])
@pytest.mark.parametrize("theirs", [1, 2, 3])
def test_another_branch_than_the_mirror_holds_convicts_the_log_before_everybody(
    pens: tuple[Pen, Pen], ours: int, theirs: int
) -> None:
    pen, branch = pens
    pen.write(*[tick(NOON)] * ours)
    branch.write(*[tick(NOON + 1)] * theirs)
    wall = read(pen, pen.known)

    said = show(wall, branch.notes[branch.size])
    wall.settle()
    if theirs > ours:  # the proof needs the mirror's tree up to there
        assert (type(said), convicted(wall)) == (Noted, [])
        pen.write(*[tick(NOON + 2)] * (theirs - ours))
        wall.pass_time(BEHIND_SECONDS)
        assert convicted(wall) == list(MIRRORS)
        said = show(wall, branch.notes[branch.size])
    wall.settle()

    assert isinstance(said, Alert)
    assert breach(NETWORK, pen.known, said.shard, said.evidence).kind == "fork"
    assert convicted(wall) == list(MIRRORS)


def test_what_the_copy_leads_to_says_nothing_against_the_log(pens: tuple[Pen, Pen]) -> None:
    pen, _ = pens
    pen.write(tick(NOON))
    wall = read(pen, pen.known)

    said = show(wall, *(pen.notes[size] for size in sorted(pen.notes)))
    pen.write(tick(NOON), tick(NOON))
    ahead = show(wall, pen.notes[pen.size])
    kept = dump(wall.mirrors[ONE].store)["ahead"]
    wall.pass_time(COMPARE_SECONDS)

    assert [type(said), type(ahead)] == [Noted, Noted]
    assert len(kept) == 1
    assert wall.size(ONE) == pen.size
    assert honest(wall)


def test_what_the_same_answer_holds_behind_a_fork_is_not_cosigned() -> None:
    pen = Pen()
    branch, wall = pen.copy(), read(pen)
    branch.write(tick(NOON + 1))
    show(wall, branch.notes[2])
    pen.write(tick(NOON))
    pen.write(tick(NOON))

    wall.pass_time(BEHIND_SECONDS)

    assert ONE in convicted(wall)
    assert wall.size(ONE) == 2


def test_two_that_nobody_has_the_tree_of_convict_the_log_by_themselves(pens: tuple[Pen, Pen]) -> None:
    pen, branch = pens
    wall = Wall(pen, known=pen.known)
    wall.cut = {frozenset({name, "log"}) for name in MIRRORS}
    wall.settle()
    pen.write(tick(NOON))
    branch.write(tick(NOON + 1))

    first, second = show(wall, pen.notes[3]), show(wall, branch.notes[3])
    wall.settle()

    assert [type(first), type(second)] == [Noted, Alert]
    assert convicted(wall) == list(MIRRORS)


def test_a_mirror_that_lacks_what_others_were_shown_asks_the_other_mirrors_for_it(pens: tuple[Pen, Pen]) -> None:
    pen, _ = pens
    wall = Wall(pen, known=pen.known)
    wall.cut = {frozenset({ONE, "log"})}
    wall.settle()
    assert wall.size(ONE) == 0

    show(wall, pen.notes[2])
    for _ in range(3):
        wall.pass_time(COMPARE_SECONDS)

    assert wall.size(ONE) == 2
    assert honest(wall)


def test_what_the_log_has_not_signed_closes_the_connection(pens: tuple[Pen, Pen]) -> None:
    pen, _ = pens
    wall = read(pen, pen.known)
    stranger, elsewhere, lined = Pen(pen.known, "stranger"), Pen(pen.known, shard=SHARD + 1), Pen(pen.known)
    lined.extensions = ("a line",)
    lined.write(tick(NOON))
    lies = [
        stranger.notes[1],
        elsewhere.notes[1],
        lined.notes[2],
        pen.note(0, bytes(32)),
        pen.notes[2][:-5] + b"AAA=\n",
    ]

    for lie in lies:
        before = dump(wall.mirrors[ONE].store)
        assert show(wall, pen.notes[1], lie) is None
        assert wall.mirrors[ONE].closed.pop()
        assert dump(wall.mirrors[ONE].store) == before
    assert honest(wall)


def test_a_shard_that_has_ended_is_compared_until_it_is_forgotten(pens: tuple[Pen, Pen]) -> None:
    pen, branch = pens
    wall = read(pen, pen.known)
    wall.now = decided_by(SHARD) + 1
    for each, time in ((pen, wall.now), (branch, wall.now + 1)):
        each.write(entry(EntryKind.CLOSE, time))
    wall.settle()
    assert wall.mirrors[ONE].store.copy(pen.known.identity, SHARD).closed

    assert isinstance(show(wall, *(pen.notes[size] for size in sorted(pen.notes))), Noted)
    assert honest(wall)
    assert isinstance(show(wall, branch.notes[3], name=TWO), Alert)

    show(wall, pen.note(99, bytes(32)))
    assert dump(wall.mirrors[ONE].store)["ahead"]
    wall.now += RETENTION_SECONDS + SHARD_SECONDS
    wall.mirrors[ONE].forget()
    assert not dump(wall.mirrors[ONE].store)["ahead"]
    said = show(wall, branch.notes[3])
    assert isinstance(said, Refusal)
    assert said.why == Why.FORGOTTEN


def test_a_log_that_lies_fills_a_mirror_with_nothing_that_it_is_not_held_to(pens: tuple[Pen, Pen]) -> None:
    pen, branch = pens
    wall = read(pen, pen.known)
    for _ in range(AHEAD_MAX + 1):
        branch.write(tick(NOON + 1))
    notes = [branch.notes[size] for size in range(branch.size, 2, -1)]

    said = [show(wall, note) for note in notes]
    sizes = sorted(size for _, size, _ in dump(wall.mirrors[ONE].store)["ahead"])

    assert all(isinstance(each, Noted) for each in said[:AHEAD_MAX])
    assert sizes == list(range(branch.size - AHEAD_MAX + 1, branch.size + 1)), "what was noted stays"
    refused = said[AHEAD_MAX:]
    assert [each.why for each in refused if isinstance(each, Refusal)] == [Why.FULL] * len(refused) != []
    pen.write(tick(NOON))
    wall.pass_time(BEHIND_SECONDS)
    assert isinstance(show(wall, notes[-1]), Alert), "shown again it is compared"


def test_of_what_was_shown_the_log_s_own_signature_is_kept() -> None:
    pen = Pen()
    wall = read(pen)
    pen.write(tick(NOON))

    show(wall, cosigned(pen).note.encoded())

    (kept,) = dump(wall.mirrors[ONE].store)["ahead"]
    assert pen.notes[2] in kept
