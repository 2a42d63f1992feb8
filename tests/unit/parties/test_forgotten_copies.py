"""A mirror that has forgotten a shard says nothing more of it, and never begins it again."""

from __future__ import annotations

from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, CheckpointsSeen, EntryKind, Follow
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.store.errands import Errand
from anonnet.times import RETENTION_SECONDS, SHARD_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.actor import Said
from tests.dump import dump
from tests.mirrors import EXPIRATION, KNOWN, MIRRORS, SHARD, Pen, Wall, p4, pledge, released, sale, tick
from tests.unit.parties.test_mirror import LATE, certificate, checkpoints, outcome

HONEST, LIAR = MIRRORS[:3], MIRRORS[3]
OVER = SHARD * SHARD_SECONDS + RETENTION_SECONDS
"""The first second at which the shard is forgotten."""


def body(said: Said | None) -> object:
    return decode(said.body) if isinstance(said, Signed) else said


def standing(wall: Wall, name: str) -> list[Errand]:
    """What a mirror still asks about the shard."""
    found = []
    for errand in wall.mirrors[name].store.errands.due(wall.now + 10 * RETENTION_SECONDS, most=1000):
        said = errand.message
        about = said.shard if isinstance(said, Follow | CheckpointOf) else shard_of(EXPIRATION)
        found += [errand] if about == SHARD else []
    return found


def forgotten(wall: Wall, names: tuple[str, ...]) -> dict[str, list[Errand]]:
    """The delay is over, the log hands the shard out no more, and these forget it: what they had asked by then."""
    wall.now = OVER
    asked = {name: standing(wall, name) for name in names}
    for name in names:
        wall.pens[name] = Pen(shard=SHARD + 100)
        wall.mirrors[name].forget()
    return asked


def test_answers_that_come_after_it_was_forgotten_begin_no_shard_again() -> None:
    """Three have freed a sale and forgotten it; then the fourth answers what they had asked with another branch, which
    pays. Had they begun anew they would have lost their marks, and both outcomes would be certified."""
    pen = Pen()
    pays = pen.copy()
    pen.write(tick(EXPIRATION + 1))
    pays.write(pledge(sale()), released(sale()))
    wall = Wall(pen)
    wall.cut = {frozenset({name, LIAR}) for name in HONEST}
    wall.now = EXPIRATION + 5
    wall.settle()
    assert all(isinstance(body(outcome(wall, name)), Abort) for name in HONEST)

    asked = forgotten(wall, HONEST)
    for name in HONEST:
        assert {type(errand.message) for errand in asked[name]} == {Follow, CheckpointOf, CheckpointsSeen}
        for errand in asked[name]:
            if isinstance(errand.message, Follow):
                wall.mirrors[name].takes(frame(pays.answer(errand.message), 1), answers=errand)
            elif isinstance(errand.message, CheckpointsSeen):
                wall.mirrors[name].takes(frame(Noted(request=errand.request.hash), 1), answers=errand)
            else:
                said = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(pays.notes[3],))
                wall.mirrors[name].takes(frame(said, 1), answers=errand)
        wall.pens[name] = pays
    wall.pass_time(5)

    for name in HONEST:
        assert wall.size(name) == 0
        assert isinstance(body(certificate(wall, name, EntryKind.KEY)), Refusal)
        assert isinstance(body(outcome(wall, name)), Refusal)


def test_a_clock_that_leaps_and_is_set_back_begins_no_shard_again() -> None:
    pen = Pen()
    pays = pen.copy()
    pen.write(tick(EXPIRATION + 1))
    pays.write(pledge(sale()), released(sale()))
    wall = Wall(pen)
    wall.now = EXPIRATION + 5
    wall.settle()
    forgotten(wall, MIRRORS)
    wall.settle()

    wall.now = EXPIRATION + 10
    wall.pens = dict.fromkeys(MIRRORS, pays)
    for name in MIRRORS:
        wall.mirrors[name].forget()
    wall.settle()

    assert [wall.size(name) for name in MIRRORS] == [0] * 4
    assert not any(standing(wall, name) for name in MIRRORS)
    following = Pen(shard=SHARD + 1, begun=EXPIRATION + 10)
    wall.pens = dict.fromkeys(MIRRORS, following)
    wall.now += SHARD_SECONDS
    wall.settle()
    assert [wall.size(name, SHARD + 1) for name in MIRRORS] == [1] * 4  # what it had not read it follows as ever


def test_nothing_is_asked_about_a_shard_that_is_forgotten() -> None:
    pen = Pen()
    pen.write(pledge(sale()))
    wall = Wall(pen)
    wall.cut = {frozenset({one, other}) for one in MIRRORS for other in (*MIRRORS, "log") if one != other}
    wall.cut.remove(frozenset({"log", MIRRORS[0]}))
    wall.settle()
    wall.ask(MIRRORS[0], p4(sale()))
    assert (
        len(standing(wall, MIRRORS[0])) == 8
    )  # the log and its key, three mirrors, each of whom is also shown what is here

    forgotten(wall, MIRRORS[:1])

    assert standing(wall, MIRRORS[0]) == []
    rows = dump(wall.mirrors[MIRRORS[0]].store)
    assert not any(rows[name] for name in ("entry", "outcome", "node", "checkpoint", "cosignature", "released"))


def test_a_shard_that_goes_in_pieces_passes_for_no_prefix() -> None:
    """Without its entries and with its time, what is left of a copy would free every sale that has paid."""
    pen = Pen()
    pen.write(pledge(sale()), released(sale()), tick(LATE))
    wall = Wall(pen)
    wall.now = LATE
    wall.settle()
    assert isinstance(body(outcome(wall, MIRRORS[0])), Certificate)
    assert checkpoints(wall, MIRRORS[0])
    wall.now = OVER

    wall.mirrors[MIRRORS[0]].forget(pieces=1)

    assert isinstance(body(outcome(wall, MIRRORS[0])), Refusal)
