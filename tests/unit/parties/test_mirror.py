"""What a mirror cosigns and what it never does, and what it says of a sale."""

from __future__ import annotations

import pytest

from anonnet.errors import Refused, Why
from anonnet.limits import CHECKPOINTS_MAX, ENTRIES_MAX, RETRY_SECONDS_MAX
from anonnet.parties.turn import Answer, Asked
from anonnet.protocol.breach import Alert, breach
from anonnet.protocol.logbook import (
    CheckpointIs,
    CheckpointOf,
    Entries,
    Entry,
    EntryKind,
    Follow,
    NewestOf,
    OutcomeOf,
    Undecided,
)
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Certificate, CertificateOf, Receipt, certified, cosignatures
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.rules import decided_by
from anonnet.store.errands import Errand
from anonnet.store.mirror import Copy
from anonnet.times import (
    BEHIND_SECONDS,
    CLAIM_SECONDS,
    CLOCK_TOLERANCE_SECONDS,
    RELEASE_SECONDS,
    RETENTION_SECONDS,
    SHARD_SECONDS,
)
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.excerpt import Excerpt
from anonnet.tlog.fork import Fork
from anonnet.tlog.note import Kind, Note, Signature
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, unsigned
from tests.actor import Said
from tests.dump import dump
from tests.mirrors import (
    EXPIRATION,
    KNOWN,
    MIRRORS,
    SHARD,
    Pen,
    Wall,
    entry,
    p4,
    pledge,
    released,
    sale,
    signed_by,
    tick,
)
from tests.stage import NETWORK, NOON, key_of

SALE = sale()
LATE = EXPIRATION + RELEASE_SECONDS + 1
ONE = MIRRORS[0]


def checkpoints(wall: Wall, name: str) -> list[SignedCheckpoint]:
    """What a mirror hands out to who has nothing, the newest last."""
    said = wall.ask(name, CheckpointOf(log=KNOWN.identity, shard=SHARD, size=0, cosigned=0))
    assert isinstance(said, CheckpointIs)
    return [SignedCheckpoint.parse(note) for note in said.checkpoints]


def copy_of(wall: Wall) -> Copy:
    copy = wall.mirrors[ONE].store.copy(KNOWN.identity, SHARD)
    assert isinstance(copy, Copy)
    return copy


def signers(wall: Wall, name: str) -> set[str]:
    """Whose cosignatures this mirror knows of the newest checkpoint."""
    newest = checkpoints(wall, name)[-1]
    return {each for each in MIRRORS if key_of(each).public in cosignatures(KNOWN, newest.note)}


def certificate(wall: Wall, name: str, kind: EntryKind) -> object:
    said = wall.ask(name, CertificateOf(transaction=SALE, kind=int(kind)))
    return decode(said.body) if isinstance(said, Signed) else said


def asked_now(wall: Wall) -> list[Errand]:
    """What the first mirror would ask others of their checkpoints."""
    errands = wall.mirrors[ONE].store.errands.due(wall.now, most=100)
    return [each for each in errands if isinstance(each.message, CheckpointOf)]


def followed(wall: Wall) -> Errand:
    """How the first mirror follows the shard."""
    asked = wall.mirrors[ONE].store.errands.of(KNOWN.identity)
    (errand,) = [each for each in asked if isinstance(each.message, Follow) and each.message.shard == SHARD]
    return errand


def standing_questions(wall: Wall) -> list[Errand]:
    """What the first mirror asks others about the shard."""
    asked = wall.mirrors[ONE].store.errands.of(KNOWN.origin(SHARD).encode())
    return [each for each in asked if isinstance(each.message, CheckpointOf)]


def tell(wall: Wall, *notes: bytes) -> None:
    """Answer what the first mirror asks another one."""
    said = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=notes)
    wall.mirrors[ONE].takes(frame(said, 1), answers=asked_now(wall)[0])


def outcome(wall: Wall, name: str) -> Said | None:
    return wall.ask(name, OutcomeOf(transaction=SALE))


def read(pen: Pen, *names: str) -> Wall:
    wall = Wall(pen, names or MIRRORS)
    wall.settle()
    return wall


def test_mirrors_cosign_what_they_have_read_and_collect_what_others_cosigned() -> None:
    pen = Pen()
    wall = read(pen)
    pen.write(pledge(SALE))

    wall.pass_time(BEHIND_SECONDS)
    wall.pass_time(BEHIND_SECONDS)  # who asked before the other had read it asks again

    for name in MIRRORS:
        assert wall.size(name) == 2
        assert signers(wall, name) == set(MIRRORS)
        found = certificate(wall, name, EntryKind.PLEDGE)
        assert isinstance(found, Certificate)
        assert certified(KNOWN, found, EntryKind.PLEDGE).outcome_key == SALE.outcome_key


def test_a_log_is_followed_on_without_the_errand_being_written_anew_until_a_bundle_is_full() -> None:
    pen = Pen()
    wall = read(pen)
    starts = []
    for count in range(1, ENTRIES_MAX):
        pen.write(tick(NOON))
        if count % 50 == 0 or count == ENTRIES_MAX - 1:
            asked = followed(wall)
            wall.mirrors[ONE].takes(frame(pen.answer(asked.message), 1), answers=asked)
            starts.append((wall.size(ONE), followed(wall).message.start))

    assert starts == [*((size, 1) for size in range(51, 252, 50)), (ENTRIES_MAX, ENTRIES_MAX)]


def test_a_refusal_by_a_log_that_has_a_policy_is_taken_in() -> None:
    wall = read(Pen())
    mirror, asked = wall.mirrors[ONE], followed(wall)
    refusal = Refusal.of(asked.request, Refused(Why.FORGOTTEN))

    mirror.takes(frame(signed_by("merchant", refusal), 1), answers=asked)
    assert mirror.closed == ["a refusal by another party than was asked"]
    mirror.takes(frame(signed_by("log", refusal), 1), answers=asked)

    assert len(mirror.closed) == 1
    assert mirror.store.errands.next_due_for(asked.receiver, wall.now) == wall.now + RETRY_SECONDS_MAX


def test_a_log_says_a_shard_is_forgotten_and_is_asked_on_until_it_can_be_so() -> None:
    """Else one word of a log would keep all mirrors from reading what it does."""
    wall = read(Pen())
    mirror, asked = wall.mirrors[ONE], followed(wall)
    gone = frame(signed_by("log", Refusal.of(asked.request, Refused(Why.FORGOTTEN))), 1)
    over = decided_by(SHARD) + CLAIM_SECONDS

    for second in (wall.now, over):
        wall.now = second
        mirror.takes(gone, answers=asked)
        assert mirror.store.errands.stands(asked.hash)
    wall.now += 1
    mirror.takes(gone, answers=asked)

    assert not mirror.store.errands.stands(asked.hash)


def test_what_is_asked_on_begins_where_the_copy_ends() -> None:
    pen = Pen()
    wall = read(pen)
    pen.write(tick(NOON), tick(NOON))
    mirror, asked = wall.mirrors[ONE], followed(wall)
    said = unsigned(pen.answer(asked.message))

    (outcome,) = mirror.turns.run_turns([Asked(said.body, NOON, bytes(32), said, asked)], NOON)

    assert isinstance(outcome, Answer)
    assert outcome.then == Follow(log=KNOWN.identity, shard=SHARD, start=3, onward=1)


def test_a_shard_that_has_ended_is_asked_about_until_a_quorum_has_cosigned_its_end() -> None:
    pen = Pen()
    wall = read(pen)
    wall.cut |= {frozenset({one, other}) for one in MIRRORS for other in MIRRORS if one != other}
    wall.now = decided_by(SHARD)
    pen.write(entry(EntryKind.CLOSE, wall.now + 1))
    wall.pass_time(BEHIND_SECONDS)
    assert wall.size(ONE) == 2
    assert len(standing_questions(wall)) == len(MIRRORS) - 1

    wall.cut.clear()
    wall.pass_time(BEHIND_SECONDS)
    wall.pass_time(BEHIND_SECONDS)

    assert len(signers(wall, ONE)) >= 3
    assert standing_questions(wall) == []


def test_what_a_quorum_holds_is_certified_also_when_the_log_convicts_itself_at_that_moment() -> None:
    pen = Pen()
    wall = read(pen)
    wall.cut |= {frozenset({one, other}) for one in MIRRORS for other in MIRRORS if one != other}
    pen.write(pledge(SALE))
    pen.write(released(SALE))
    wall.pass_time(BEHIND_SECONDS)
    alert = forked(pen)
    for name in MIRRORS:
        wall.ask(name, alert)
    under_way = CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=(pen.notes[2],))
    for errand in asked_now(wall):
        wall.mirrors[ONE].takes(frame(under_way, 1), answers=errand)
    assert not isinstance(certificate(wall, ONE, EntryKind.KEY), Certificate)

    wall.cut.clear()
    wall.pass_time(BEHIND_SECONDS)

    found = certificate(wall, ONE, EntryKind.KEY)
    assert isinstance(found, Certificate)
    assert committed(NETWORK, KNOWN, unsigned(found).signed, SALE)
    assert [wall.size(name) for name in MIRRORS] == [3] * 4, "and nothing is taken in any more"
    wall.pass_time(BEHIND_SECONDS)
    assert standing_questions(wall) == []


def test_a_key_s_certificate_is_a_commit() -> None:
    pen = Pen()
    pen.write(pledge(SALE), released(SALE))

    wall = read(pen)

    found = certificate(wall, ONE, EntryKind.KEY)
    assert isinstance(found, Certificate)
    assert committed(NETWORK, KNOWN, unsigned(found).signed, SALE)
    assert outcome(wall, ONE) == found


@pytest.mark.parametrize("lines", ["xxyy", "wxyz", "  yy"])
def test_one_tree_under_several_texts_spoils_no_certificate(lines: str) -> None:
    """A log adds lines of its own to one checkpoint, others for each mirror: size and root are the same, what was
    cosigned is not. Nobody cosigns that, and what comes later is certified by signatures that hold."""
    pens = [Pen() for _ in MIRRORS]
    wall = Wall(pens)
    for pen, line in zip(pens, lines, strict=True):
        pen.write(pledge(SALE))
        pen.extensions = (line,) if line.strip() else ()
        pen.write(released(SALE))
    wall.settle()
    for pen in pens:
        pen.extensions = ()

    for second in range(CHECKPOINTS_MAX):
        for pen in pens:
            pen.write(tick(NOON + second))
        wall.pass_time(BEHIND_SECONDS)

    for name in MIRRORS:
        found = certificate(wall, name, EntryKind.KEY)
        assert isinstance(found, Certificate)
        assert certified(KNOWN, found, EntryKind.KEY).outcome_key == SALE.outcome_key


def test_the_newest_checkpoint_is_told_to_whoever_asks_for_it() -> None:
    """Also to who has as much, or more: he learns what this mirror was shown."""
    pen, newest = Pen(), NewestOf(log=KNOWN.identity, shard=SHARD)
    wall = Wall(pen)
    wall.cut = {frozenset({ONE, other}) for other in ("log", *MIRRORS)}
    wall.settle()
    nothing = wall.ask(ONE, newest)
    wall.cut.clear()
    pen.write(pledge(SALE))
    wall.settle()

    said = wall.ask(ONE, newest)

    assert nothing == CheckpointIs(log=KNOWN.identity, shard=SHARD, checkpoints=())
    assert isinstance(said, CheckpointIs)
    assert [SignedCheckpoint.parse(note) for note in said.checkpoints] == checkpoints(wall, ONE)[-1:]
    assert signers(wall, ONE) == set(MIRRORS)


def test_without_a_quorum_nothing_is_certified() -> None:
    pen = Pen()
    pen.write(pledge(SALE), released(SALE))

    wall = read(pen, *MIRRORS[:2], "stranger-1", "stranger-2")

    assert isinstance(certificate(wall, ONE, EntryKind.KEY), Undecided)


def test_a_mirror_that_the_log_does_not_answer_reads_from_the_others() -> None:
    pen = Pen()
    wall = Wall(pen)
    wall.cut.add(frozenset({"log", ONE}))
    pen.write(pledge(SALE))
    wall.settle()
    assert wall.size(ONE) == 0
    assert isinstance(certificate(wall, ONE, EntryKind.PLEDGE), Undecided)  # somebody waits, so it looks around

    for _ in range(4):
        wall.pass_time(BEHIND_SECONDS)

    assert signers(wall, ONE) == set(MIRRORS)


def test_a_mirror_never_cosigns_below_what_it_cosigned() -> None:
    pen = Pen()
    pen.write(tick(NOON), tick(NOON + 1))
    wall = read(pen, ONE)
    assert [each.body.size for each in checkpoints(wall, ONE)] == [1, 3]

    tell(wall, pen.note(2, pen.tree.root(2)))

    by_size = {each.body.size: set(cosignatures(KNOWN, each.note)) for each in checkpoints(wall, ONE)}
    assert by_size == {1: {key_of(ONE).public}, 2: set(), 3: {key_of(ONE).public}}


def test_nothing_is_cosigned_that_the_entries_do_not_lead_to() -> None:
    pen = Pen()
    wall = read(pen, ONE)
    pen.write(pledge(SALE))
    pen.notes[2] = pen.note(2, bytes(32))

    wall.pass_time(BEHIND_SECONDS)

    assert wall.size(ONE) == 1
    assert checkpoints(wall, ONE)[-1].body.size == 1


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        (pledge(SALE, EXPIRATION + 1), "in-time"),
        (pledge(SALE), "once"),
        (tick(NOON - 1), "forward"),
        (released(SALE, LATE), "released"),
        (entry(EntryKind.GENESIS), "signed"),
    ],
)
def test_a_broken_rule_freezes_the_shard_is_kept_and_told(lie: Entry, kind: str) -> None:
    pen = Pen()
    pen.write(pledge(SALE))
    wall = read(pen, *MIRRORS[:2])
    wall.cut.add(frozenset({"log", MIRRORS[1]}))
    wall.now = LATE + 10
    pen.write(lie)
    news = wall.mirrors[MIRRORS[0]].store.news
    news.clear()

    wall.settle()
    told = set(news)
    pen.write(tick(wall.now))
    wall.settle()

    for name in MIRRORS[:2]:
        alerts = wall.mirrors[name].store.alerts.all()
        assert [(log, shard) for log, shard, _ in alerts] == [(KNOWN.identity, SHARD)], "one alert against the log"
        assert breach(NETWORK, KNOWN, SHARD, alerts[0][2]).kind == kind
        assert wall.size(name) == 2  # and everything before it is served as it was
        assert checkpoints(wall, name)[-1].body.size == 2
        assert wall.mirrors[name].store.copy(KNOWN.identity, SHARD).frozen
    assert not told, "what is taken back is no news"


def test_what_only_the_whole_copy_shows_freezes_this_mirror_and_convicts_nobody() -> None:
    pen = Pen()
    pen.write(released(SALE))
    wall = read(pen, *MIRRORS[:2])

    for name in MIRRORS[:2]:
        store = wall.mirrors[name].store
        ((log, _, evidence),) = store.alerts.all()
        assert Excerpt.parse(evidence).leaves[0].entry == encode(released(SALE))
        assert copy_of(wall).frozen
        assert not store.alerts.against(log)
    assert not any(isinstance(said, Alert) for _, _, said in wall.heard)


def forked(pen: Pen) -> Alert:
    """An alert against this shard, with a branch that nobody was shown."""
    branch = pen.copy()
    branch.write(tick(pen.last_time + 1))
    pen.write(tick(pen.last_time))
    one, other = (SignedCheckpoint.parse(each.notes[pen.size]) for each in (pen, branch))
    return Alert(log=KNOWN.identity, shard=SHARD, evidence=Fork(one, other).encoded())


def test_what_convicts_before_everybody_takes_the_place_of_what_one_mirror_has_seen() -> None:
    pen = Pen()
    pen.write(released(SALE))
    wall = read(pen, *MIRRORS[:2])
    alert = forked(pen)

    wall.ask(ONE, alert)
    wall.settle()

    for name in MIRRORS[:2]:
        store = wall.mirrors[name].store
        assert store.alerts.all() == [(alert.log, alert.shard, alert.evidence)]
        assert store.alerts.against(alert.log)


def test_a_shard_against_which_there_is_an_alert_is_not_begun() -> None:
    pen = Pen()
    wall = Wall(pen, [ONE])

    wall.ask(ONE, forked(pen))
    wall.settle()

    assert copy_of(wall).frozen
    assert wall.size(ONE) == 0


def test_entries_from_the_future_wait() -> None:
    pen = Pen()
    wall = read(pen, ONE)
    pen.write(tick(NOON + 100))

    wall.settle()
    assert wall.size(ONE) == 1
    wall.pass_time(100 - CLOCK_TOLERANCE_SECONDS - 1)
    assert wall.size(ONE) == 1
    wall.pass_time(1)
    assert wall.size(ONE) == 2
    assert not wall.mirrors[ONE].store.alerts.all()


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_fork_is_proved_told_and_cosigned_no_further(more: int) -> None:
    pen = Pen()
    pen.write(tick(NOON))
    branch = pen.copy()
    wall = Wall([pen, pen, branch, branch])
    wall.settle()
    pen.write(pledge(SALE))
    branch.write(tick(NOON + 1), *[tick(NOON + 1)] * more)

    wall.pass_time(BEHIND_SECONDS)
    for each in (pen, branch):
        each.write(tick(NOON + 1))
    wall.pass_time(BEHIND_SECONDS)

    for name in MIRRORS:
        store = wall.mirrors[name].store
        assert store.alerts.all(), name
        for log, shard, evidence in store.alerts.all():
            assert (log, breach(NETWORK, KNOWN, shard, evidence).kind) == (KNOWN.identity, "fork")
        assert store.copy(KNOWN.identity, SHARD).frozen
        assert len(cosignatures(KNOWN, checkpoints(wall, name)[-1].note)) < 3


def test_an_alert_that_proves_nothing_closes_the_connection() -> None:
    pen = Pen()
    wall = read(pen, ONE)
    one = SignedCheckpoint.parse(pen.notes[1])
    pen.write(tick(NOON))
    lie = Fork(one, SignedCheckpoint.parse(pen.notes[2]), (one.body.root,))

    said = wall.ask(ONE, Alert(log=KNOWN.identity, shard=SHARD, evidence=lie.encoded()))

    assert said is None
    assert wall.mirrors[ONE].closed
    assert not wall.mirrors[ONE].store.alerts.all()


def test_a_cosignature_that_does_not_hold_is_not_taken() -> None:
    pen = Pen()
    wall = read(pen, ONE, MIRRORS[1])
    before = checkpoints(wall, ONE)
    note = before[-1].note
    (other,) = [each for each in note.signatures if each.name == MIRRORS[1]]
    later = NoteSigner(MIRRORS[1], key_of(MIRRORS[1])).cosign(note.text, NOON + 1)
    value = later.value[:8] + other.value[8:]  # another time under the same signature
    key = NoteSigner(MIRRORS[1], key_of(MIRRORS[1])).verifier(Kind.COSIGNATURE)

    tell(wall, Note(note.text, (note.signatures[0], Signature.of(key, value))).encoded())

    assert wall.mirrors[ONE].closed
    assert checkpoints(wall, ONE) == before


def test_a_checkpoint_of_no_entries_is_not_taken() -> None:
    pen = Pen()
    wall = read(pen, ONE, MIRRORS[1])
    before = checkpoints(wall, ONE)

    tell(wall, pen.note(0, bytes(32)))

    assert wall.mirrors[ONE].closed
    assert checkpoints(wall, ONE) == before


def test_who_tells_nothing_new_is_not_asked_again_at_once() -> None:
    """A mirror that always repeats itself would else have the others ask and compare without end."""
    wall = read(Pen(), ONE, MIRRORS[1])
    before = asked_now(wall)

    tell(wall, checkpoints(wall, ONE)[-1].note.encoded())

    assert len(asked_now(wall)) == len(before) - 1
    wall.now += BEHIND_SECONDS
    assert len(asked_now(wall)) == len(before)


def test_an_abort_counts_when_enough_mirrors_sign_it() -> None:
    pen = Pen()
    wall = read(pen)
    wall.now = EXPIRATION + 1
    assert all(isinstance(decode(outcome(wall, name).body), Undecided) for name in MIRRORS)  # type: ignore[union-attr]
    pen.write(tick(EXPIRATION + 1))

    wall.pass_time(BEHIND_SECONDS)

    said = [outcome(wall, name) for name in MIRRORS[:3]]
    assert all(isinstance(each, Signed) and isinstance(decode(each.body), Abort) for each in said)
    signatures = sorted((s for each in said for s in each.signatures), key=lambda s: s.signer)  # type: ignore[union-attr]
    whole = Signed(body=said[0].body, signatures=tuple(signatures))  # type: ignore[union-attr]
    assert aborted(NETWORK, KNOWN, whole) == SALE


def test_an_expired_sale_makes_a_mirror_ask_the_log_so_that_time_passes() -> None:
    wall = read(Pen(), ONE)
    wall.now = EXPIRATION + 1

    outcome(wall, ONE)
    wall.settle()

    assert (ONE, "log", OutcomeOf(transaction=SALE)) in wall.heard


def test_no_abort_is_signed_for_a_pledged_sale_until_its_key_can_come_no_more() -> None:
    pen = Pen()
    pen.write(pledge(SALE))
    wall = read(pen, ONE)
    wall.now = LATE
    pen.write(tick(LATE - 1))
    wall.settle()
    assert isinstance(decode(outcome(wall, ONE).body), Undecided)  # type: ignore[union-attr]

    pen.write(tick(LATE))
    wall.settle()

    assert isinstance(decode(outcome(wall, ONE).body), Abort)  # type: ignore[union-attr]


def test_a_key_is_kept_acknowledged_and_taken_to_the_log() -> None:
    pen = Pen()
    pen.write(pledge(SALE))
    wall = read(pen, ONE)

    first = wall.ask(ONE, p4(SALE))
    wall.now += 5
    again = wall.ask(ONE, p4(SALE))
    wall.settle()

    assert first == again
    receipt = decode(first.body)  # type: ignore[union-attr]
    assert isinstance(receipt, Receipt)
    assert (receipt.authorization_m, receipt.time) == (p4(SALE).hash, NOON)
    assert (ONE, "log", p4(SALE)) in wall.heard
    pen.write(released(SALE, wall.now))
    wall.pass_time(BEHIND_SECONDS)
    assert EntryKind.KEY in [each.kind for each in copy_of(wall).standing(SALE.outcome_key)]


def test_a_key_without_its_pledge_is_not_taken() -> None:
    wall = read(Pen(), ONE)

    refusal = decode(wall.ask(ONE, p4(SALE)).body)  # type: ignore[union-attr]

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.NOT_PLEDGED


def test_what_a_mirror_hands_out_is_what_the_log_wrote() -> None:
    pen = Pen()
    pen.write(pledge(SALE))
    pen.write(released(SALE))
    wall = read(pen)

    said = wall.ask(ONE, Follow(log=KNOWN.identity, shard=SHARD, start=1))

    assert isinstance(said, Entries)
    assert [each.entry for each in said.entries] == [encode(each) for each in pen.entries[1:]]
    assert SignedCheckpoint.parse(said.checkpoints[-1]).body.root == pen.tree.root()
    assert decode_record(type(pen.entries[0]), said.entries[0].entry) == pen.entries[1]


def test_a_shard_is_forgotten_whole_after_the_retention_delay() -> None:
    pen = Pen()
    pen.write(pledge(SALE), released(SALE))
    wall = read(pen)
    actor = wall.mirrors[ONE]
    assert wall.ask(ONE, p4(SALE)) is not None
    last = SHARD * SHARD_SECONDS - 1 + RETENTION_SECONDS

    wall.now = last
    actor.forget()
    assert wall.size(ONE) == 3
    wall.now += 1
    actor.forget()

    assert actor.store.copy(KNOWN.identity, SHARD) is None
    assert isinstance(decode(outcome(wall, ONE).body), Refusal)  # type: ignore[union-attr]
    rows = dump(actor.store)
    assert not any(rows[name] for name in ("entry", "outcome", "node", "checkpoint", "cosignature", "released"))
