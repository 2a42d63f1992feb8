"""A log whose mirrors decide with it: pledges, keys, the passing of time, certificates. Log and mirrors are real."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from anonnet.errors import BadStart, Fatal, Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.protocol.known_log import expirations_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entry, EntryKind, Follow, OutcomeOf, Undecided
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, Pledge, Pledged, certified
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.transaction import Transaction
from anonnet.times import (
    BEHIND_SECONDS,
    CLAIM_SECONDS,
    LEAD_SECONDS_MAX,
    RELEASE_SECONDS,
    RETENTION_SECONDS,
    SETTLE_SECONDS,
    SHARD_SECONDS,
    TICK_SECONDS,
)
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.note import Kind, Note, Signature, Verifier
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.circle import Circle
from tests.mirrors import EXPIRATION, KEY, KNOWN, MIRRORS, SHARD, Pen, p4, sale, signed_by, tick, timed
from tests.stage import NETWORK, NOON, key_of

LIAR = MIRRORS[3]
STRANGER = Verifier.of("stranger", Kind.COSIGNATURE, key_of(LIAR).public)


@pytest.fixture
def circle() -> Circle:
    return Circle()


def pledge(transaction: Transaction, name: str = "merchant") -> Signed:
    return signed_by(name, Pledge(transaction=transaction))


def why(reply: object) -> str:
    assert isinstance(reply, Refusal), reply
    return reply.why


def certificate_of(kind: EntryKind) -> CertificateOf:
    return CertificateOf(transaction=sale(), kind=int(kind))


def test_a_pledge_and_its_key_are_recorded_once_and_certified(circle: Circle) -> None:
    pledged = [circle.ask(pledge(sale())) for _ in range(2)]
    circle.settle()
    first = circle.ask(certificate_of(EntryKind.PLEDGE))
    commits = [circle.actors["log"].takes(frame(p4(sale()), 1)) for _ in range(2)]
    circle.settle()
    certificate = circle.ask(certificate_of(EntryKind.KEY))

    assert pledged == [Pledged(transaction=sale(), index=1)] * 2
    assert certified(KNOWN, first, EntryKind.PLEDGE).body == encode(pledge(sale()))
    assert commits[0] == commits[1]
    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.KEY]
    assert committed(NETWORK, KNOWN, Signed(body=encode(certificate), signatures=()), sale())
    assert circle.ask(OutcomeOf(transaction=sale())) == certificate
    assert circle.log.store.errands.count() == 0  # every mirror has cosigned the newest checkpoint


@pytest.mark.parametrize("down", [1, 2])
def test_a_certificate_needs_a_quorum_and_comes_with_it(circle: Circle, down: int) -> None:
    circle.down = set(MIRRORS[:down])
    circle.ask(pledge(sale()))
    circle.settle()

    said = circle.ask(certificate_of(EntryKind.PLEDGE))
    assert isinstance(said, Certificate if down == 1 else Undecided)
    circle.down = set()
    circle.settle()
    assert isinstance(circle.ask(certificate_of(EntryKind.PLEDGE)), Certificate)


OTHER = Checkpoint(KNOWN.origin(SHARD), 2, bytes(32)).text


@pytest.mark.parametrize(
    "said",
    [
        lambda text: (timed(LIAR, text, 0),),
        lambda text: (timed(LIAR, text, 0), timed(LIAR, text, NOON)),
        lambda text: (timed(LIAR, text, 2**63 - 1),),
        lambda text: (timed(LIAR, text, 2**63),),
        lambda text: (timed(LIAR, OTHER, NOON),),
        lambda text: (Signature.of(STRANGER, timed(LIAR, text, NOON).value),),
        lambda text: (Signature.of(Verifier.of(LIAR, Kind.ED25519, key_of(LIAR).public), key_of(LIAR).sign(b"")),),
    ],
    ids=["time 0", "time 0 and another", "last second", "beyond", "other text", "other name", "other kind"],
)
def test_what_counts_as_a_quorum_is_certified_for_everybody(
    circle: Circle, said: Callable[[str], tuple[Signature, ...]]
) -> None:
    """Else the certificate of an entry fails everywhere, however many honest mirrors cosign: a merchant is not paid."""
    circle.down = {LIAR, MIRRORS[2]}
    circle.ask(pledge(sale()))
    circle.settle()
    newest = Note.parse(circle.log.store.heads.mark(SHARD, 2).note)
    lie = Note(newest.text, (*newest.signatures, *said(newest.text))).encoded()
    answer = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(lie,))
    for name in ("log", *MIRRORS[:2]):
        errands = circle.actors[name].store.errands.due(circle.now + BEHIND_SECONDS, most=99)
        asked = [(each, each.message) for each in errands if each.receiver == key_of(LIAR).public]
        (errand,) = [each for each, what in asked if isinstance(what, CheckpointOf) and what.shard == SHARD]
        circle.actors[name].takes(frame(answer, 1), answers=errand)
        found = circle.ask(certificate_of(EntryKind.PLEDGE), name)
        assert isinstance(found, Undecided) or certified(KNOWN, found, EntryKind.PLEDGE)
    circle.down = {LIAR}
    for circle.now in range(NOON, NOON + 2 * BEHIND_SECONDS + 1):
        circle.settle()
        found = [circle.ask(certificate_of(EntryKind.PLEDGE), name) for name in ("log", *MIRRORS[:3])]  # all want it

    assert all(certified(KNOWN, each, EntryKind.PLEDGE) for each in found)


def test_a_key_before_its_pledge_is_not_taken(circle: Circle) -> None:
    assert why(circle.ask(p4(sale()))) == Why.NOT_PLEDGED
    assert circle.kinds() == []


def test_a_key_that_does_not_fit_its_pledge_is_taken_by_nobody(circle: Circle) -> None:
    """It would break a rule of the log; and mirrors' receipts for it would convict a log that keeps them."""
    circle.ask(pledge(sale()))
    circle.settle()
    other = signed_by("merchant", AuthorizationM(transaction=sale(), key=KEY, receiver_key=key_of("q").public))

    assert [why(circle.ask(other, name)) for name in ("log", *MIRRORS)] == [Why.NOT_PLEDGED] * 5
    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.PLEDGE]
    assert isinstance(circle.ask(p4(sale())), Commit)


@pytest.mark.parametrize("late", [0, 1])
def test_a_pledge_is_taken_until_the_second_of_the_expiration(circle: Circle, late: int) -> None:
    circle.now = EXPIRATION + late
    said = circle.ask(pledge(sale()))

    assert why(said) == Why.EXPIRED if late else isinstance(said, Pledged)
    assert len(circle.entries()) == (0 if late else 2)


@pytest.mark.parametrize("late", [0, 1])
def test_a_key_is_taken_until_the_second_of_its_deadline(circle: Circle, late: int) -> None:
    circle.ask(pledge(sale()))
    circle.now = EXPIRATION + RELEASE_SECONDS + late
    said = circle.ask(p4(sale()))

    assert why(said) == Why.EXPIRED if late else isinstance(said, Commit)
    assert len(circle.entries()) == (2 if late else 3)


def test_pledges_that_are_not_taken(circle: Circle) -> None:
    far = sale(NOON + LEAD_SECONDS_MAX + 1)
    assert why(circle.ask(pledge(far))) == Why.TOO_LATE
    assert circle.ask(pledge(sale(), "other")) is None
    assert circle.log.closed == ["a pledge is signed by another than M"]
    assert circle.kinds() == []


def test_without_a_pledge_time_passes_and_the_mirrors_abort(circle: Circle) -> None:
    circle.now = EXPIRATION + SETTLE_SECONDS
    assert isinstance(circle.ask(OutcomeOf(transaction=sale())), Undecided)
    assert circle.kinds() == []
    circle.now += 1

    for _ in range(3):
        assert isinstance(circle.ask(OutcomeOf(transaction=sale())), Undecided)
    circle.settle()

    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.TICK]
    for name in MIRRORS:
        assert circle.ask(OutcomeOf(transaction=sale()), name) == Abort(transaction=sale())
    assert why(circle.ask(pledge(sale()))) == Why.EXPIRED


def test_a_pledge_without_its_key_is_aborted_after_the_delay(circle: Circle) -> None:
    circle.ask(pledge(sale()))
    circle.now = EXPIRATION + SETTLE_SECONDS + 1
    circle.ask(OutcomeOf(transaction=sale()))
    circle.settle()
    assert isinstance(circle.ask(OutcomeOf(transaction=sale()), MIRRORS[0]), Undecided)
    circle.now = EXPIRATION + RELEASE_SECONDS + SETTLE_SECONDS + 1

    circle.ask(OutcomeOf(transaction=sale()))
    circle.settle()

    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.TICK]
    signers = [key_of(name) for name in MIRRORS[:3]]
    abort = Signer(NETWORK, *signers).sign(Abort(transaction=sale()))
    for name in MIRRORS[:3]:
        said = circle.actors[name].takes(frame(OutcomeOf(transaction=sale()), 1))
        assert isinstance(said, Signed)
        assert set(said.signatures) <= set(abort.signatures)
    assert aborted(NETWORK, KNOWN, abort) == sale()


def test_the_log_itself_never_aborts(circle: Circle) -> None:
    for circle.now in (NOON, EXPIRATION + SETTLE_SECONDS + 1, EXPIRATION + RETENTION_SECONDS):
        assert isinstance(circle.ask(OutcomeOf(transaction=sale())), Undecided)
    circle.now += 1
    assert why(circle.ask(OutcomeOf(transaction=sale()))) == Why.FORGOTTEN


def test_one_entry_shows_all_deadlines(circle: Circle) -> None:
    circle.ask(pledge(sale()))
    circle.now = EXPIRATION + 100
    for early in range(50):
        circle.ask(OutcomeOf(transaction=sale(EXPIRATION + early)))

    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.TICK]


def test_what_strangers_ask_grows_the_log_by_one_entry_in_half_a_minute(circle: Circle) -> None:
    """Each question about a sale that has just expired, and of which nobody knows whether it ever was."""
    spans = 3
    for circle.now in range(EXPIRATION, EXPIRATION + spans * TICK_SECONDS, 3):
        circle.ask(OutcomeOf(transaction=sale(circle.now - SETTLE_SECONDS - 1)))
        circle.settle()
    assert circle.kinds() == [EntryKind.GENESIS, *[EntryKind.TICK] * spans]
    last = sale(circle.now - SETTLE_SECONDS - 1)
    assert isinstance(circle.ask(OutcomeOf(transaction=last), MIRRORS[0]), Undecided)

    circle.now = EXPIRATION + spans * TICK_SECONDS
    circle.settle()  # the mirror that was asked asks on

    assert circle.ask(OutcomeOf(transaction=last), MIRRORS[0]) == Abort(transaction=last)


def test_after_what_a_merchant_has_recorded_time_passes_at_once(circle: Circle) -> None:
    circle.now = EXPIRATION + SETTLE_SECONDS + 1
    circle.ask(OutcomeOf(transaction=sale()))
    circle.ask(pledge(sale(EXPIRATION + 100)))
    circle.now += SETTLE_SECONDS + 1

    circle.ask(OutcomeOf(transaction=sale(EXPIRATION + SETTLE_SECONDS + 1)))

    assert circle.kinds() == [EntryKind.GENESIS, EntryKind.TICK, EntryKind.PLEDGE, EntryKind.TICK]


@pytest.mark.parametrize("late", [0, 1])
def test_no_shard_is_begun_for_a_sale_that_no_token_waits_for(circle: Circle, late: int) -> None:
    """Mirrors would not follow it either, and each would be asked for its cosignature until the shard is dropped."""
    old = sale(NOON - CLAIM_SECONDS)
    circle.settle()
    begun = circle.log.store.sizes()
    circle.now += late

    circle.ask(OutcomeOf(transaction=old))
    circle.settle()

    if late:
        assert circle.log.store.sizes() == begun
    else:
        assert circle.ask(OutcomeOf(transaction=old), MIRRORS[0]) == Abort(transaction=old)
    assert circle.log.store.errands.count() == 0


def test_a_checkpoint_that_our_key_signed_elsewhere_ends_the_log(circle: Circle) -> None:
    """Somebody goes on with a copy of its key: whatever this log says from now on might contradict the other."""
    circle.ask(pledge(sale()))
    circle.settle()
    other = Pen()
    other.write(tick(NOON))
    question = CheckpointOf(log=KNOWN.identity, shard=SHARD, size=2, cosigned=0)
    circle.log.store.begin()
    hash = circle.log.store.errands.add(key_of(MIRRORS[0]).public, question, subject=b"", due=circle.now)
    circle.log.store.commit()
    errand = circle.log.store.errands.get(hash)
    assert errand is not None

    with pytest.raises(Fatal, match="signed with our key"):
        circle.log.takes(
            frame(CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(other.notes[2],)), 1), answers=errand
        )


def test_our_checkpoint_of_another_shard_under_this_one_s_name_does_not_end_the_log(circle: Circle) -> None:
    """A signature covers the text, not the name before it, and one key signs all shards: any mirror can rename it."""
    circle.down = {MIRRORS[0]}
    circle.ask(pledge(sale()))
    circle.ask(pledge(sale(NOON + SHARD_SECONDS)))
    circle.settle()
    page = circle.ask(Follow(log=KNOWN.identity, shard=SHARD + 1, start=0))
    note = SignedCheckpoint.parse(page.checkpoints[-1]).note
    renamed = Note(note.text, (Signature.of(KNOWN.verifier(SHARD), note.signatures[0].value),))
    due = circle.log.store.errands.due(circle.now, most=9)
    (errand,) = [each for each in due if each.message.shard == SHARD]  # type: ignore[attr-defined]

    said = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(renamed.encoded(),))
    circle.log.takes(frame(said, 1), answers=errand)

    assert circle.log.closed == ["a checkpoint of another shard"]
    assert circle.log.store.errands.stands(errand.hash)


def test_a_log_put_back_with_its_lock_ends_when_a_mirror_shows_what_it_had_signed(tmp_path: Path) -> None:
    """A snapshot of its disk: log.db and lock.db are old, and fit each other, so nothing tells before."""
    then, later = tmp_path / "then", tmp_path / "later"
    then.mkdir()
    circle = Circle()
    circle.enter("log", str(then / "log.db"))
    circle.ask(pledge(sale()))
    circle.settle()
    circle.log.store.close()
    shutil.copytree(then, later)
    circle.enter("log", str(later / "log.db"))
    for more in (1, 2):
        circle.ask(pledge(sale(EXPIRATION + more)))
    circle.settle()
    circle.log.store.close()

    circle.enter("log", str(then / "log.db"))

    assert circle.ask(pledge(sale(EXPIRATION + 3))) == Pledged(transaction=sale(EXPIRATION + 3), index=2)
    with pytest.raises(Fatal, match="signed with our key"):
        circle.settle()
    circle.log.store.close()
    with pytest.raises(BadStart, match="never starts again"):
        circle.enter("log", str(then / "log.db"))


def test_a_checkpoint_that_comes_when_its_shard_is_dropped_changes_nothing(circle: Circle) -> None:
    circle.down = {MIRRORS[0]}
    circle.ask(pledge(sale()))
    circle.settle()
    (errand,) = circle.log.store.errands.due(circle.now, most=9)
    page = circle.ask(Follow(log=KNOWN.identity, shard=SHARD, start=0))
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    circle.log.forget()

    said = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=page.checkpoints)
    circle.log.takes(frame(said, 1), answers=errand)

    assert circle.log.closed == []
    assert not circle.log.store.errands.stands(errand.hash)


def test_a_mirror_that_is_gone_is_asked_nothing_about_a_shard_that_is_dropped(circle: Circle) -> None:
    circle.down = {MIRRORS[0]}
    circle.ask(pledge(sale()))
    circle.settle()
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    circle.log.forget()

    assert circle.log.store.errands.of(KNOWN.origin(SHARD).encode()) == []


def test_a_mirror_that_does_not_follow_the_shard_is_asked_again_after_a_while(circle: Circle) -> None:
    """Not at once, whenever it has said so, for as long as the log keeps the shard."""
    errands = circle.log.store.errands
    circle.ask(pledge(sale()))
    (errand, *_) = errands.waiting_for(key_of(MIRRORS[0]).public, circle.now, most=9)
    asked = errands.get(errand[1])
    assert asked is not None

    for circle.now in (NOON, NOON + RETRY_SECONDS_MAX):
        assert errands.next_due_for(asked.receiver, circle.now - 1) == circle.now
        gone = Refusal(request=asked.request.hash, why=Why.FORGOTTEN.value, detail="", evidence=())
        circle.log.takes(frame(signed_by(MIRRORS[0], gone), 1), answers=asked)
        assert errands.next_due_for(asked.receiver, circle.now - 1) == circle.now + RETRY_SECONDS_MAX


def test_checkpoints_are_handed_on_with_their_cosignatures(circle: Circle) -> None:
    circle.ask(pledge(sale()))
    circle.settle()

    page = circle.ask(Follow(log=KNOWN.identity, shard=SHARD, start=0))
    news = circle.ask(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=2, cosigned=0b0011))
    nothing = circle.ask(CheckpointOf(log=KNOWN.identity, shard=SHARD, size=2, cosigned=0b1111))

    signed = SignedCheckpoint.parse(page.checkpoints[-1])
    assert {name for name, _ in KNOWN.quorum.evaluate(signed, [KNOWN.verifier(SHARD)]).witnesses} == {
        name.encode() for name in MIRRORS
    }
    assert news.checkpoints == page.checkpoints
    assert nothing.checkpoints == ()


def test_every_recorded_key_comes_with_p5a(circle: Circle) -> None:
    circle.ask(pledge(sale()))
    circle.ask(p4(sale()))

    page = circle.ask(Follow(log=KNOWN.identity, shard=SHARD, start=0))

    signatures = {decode_record(Entry, each.entry).kind: bool(each.signature) for each in page.entries}
    assert signatures == {EntryKind.GENESIS: False, EntryKind.PLEDGE: False, EntryKind.KEY: True}
