"""What a mirror tells of a whole bundle of entries: enough for the certificate of each, whichever is looked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.errors import Malformed, Why
from anonnet.limits import ENTRIES_MAX
from anonnet.parties.mirror import Mirror
from anonnet.parties.turn import Answer, Asked
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.outcome import committed
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.quorum import Certificate, CertificateOf
from anonnet.protocol.refusal import Refusal
from anonnet.store.mirror import MirrorStore
from anonnet.times import BEHIND_SECONDS, RETENTION_SECONDS, SHARD_SECONDS
from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signer, unsigned
from tests.actor import Actor
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, Wall, pledge, released, sale, tick
from tests.stage import NETWORK, NOON, key_of

SALE = sale()
ONE = MIRRORS[0]


def read(pen: Pen, *names: str) -> Wall:
    wall = Wall(pen, names or MIRRORS)
    wall.settle()
    return wall


def grow(wall: Wall, pen: Pen, size: int) -> None:
    """Have the log write up to so many entries, and the mirrors certify them."""
    while pen.size < size:
        pen.write(*[tick(NOON)] * min(200, size - pen.size))
        wall.pass_time(BEHIND_SECONDS)


def asked(start: int = 0, beyond: int = 0) -> ProofsOf:
    return ProofsOf(log=KNOWN.identity, shard=SHARD, start=start, beyond=beyond)


def told(wall: Wall, start: int = 0, beyond: int = 0, name: str = ONE) -> Proofs:
    said = wall.ask(name, asked(start, beyond))
    assert isinstance(said, Proofs)
    said.check_answers(asked(start, beyond))
    return said


def held(wall: Wall, question: ProofsOf) -> bool:
    """True if there is nothing to tell yet, and a daemon would wait for news of the copy."""
    said = unsigned(question)
    mirror = wall.mirrors[ONE]
    (outcome,) = mirror.turns.run_turns([Asked(said.body, wall.now, bytes(32), said, to=mirror.party)], wall.now)
    mirror.store.commit()
    assert isinstance(outcome, Answer)
    copy = mirror.store.copy(KNOWN.identity, SHARD)
    return outcome == Answer(Proofs(shard=SHARD, start=question.start), hold=copy.news)


def test_each_entry_of_a_bundle_gets_its_certificate() -> None:
    """Of whole bundles, and of the last, which has but one entry more, or fewer, than some power of two."""
    pen = Pen()
    wall = read(pen)
    for size in (ENTRIES_MAX - 1, ENTRIES_MAX, ENTRIES_MAX + 1, 2 * ENTRIES_MAX + 17):
        grow(wall, pen, size)
        for start in range(0, size, ENTRIES_MAX):
            proofs = told(wall, start)
            end = min(start + ENTRIES_MAX, size)
            assert list(proofs.leaves) == [leaf_hash(encode(each)) for each in pen.entries[start:end]]
            for index in {start, (start + end) // 2, end - 1}:
                entry = encode(pen.entries[index])
                assert proofs.shows(index, entry)
                certificate = proofs.certificate(index, entry)
                proof = LogProof.parse(certificate.proof)
                evaluation = proof.verified(leaf_hash(entry), KNOWN.quorum, also=[KNOWN.verifier(SHARD)])
                assert evaluation.checkpoint.size == size


def test_a_certificate_made_of_proofs_is_that_which_a_mirror_makes() -> None:
    pen = Pen()
    pen.write(pledge(SALE), released(SALE))
    wall = read(pen)
    theirs = wall.ask(ONE, CertificateOf(transaction=SALE, kind=int(EntryKind.KEY)))
    assert isinstance(theirs, Certificate)

    ours = told(wall).certificate(2, encode(released(SALE)))

    assert ours == theirs
    assert committed(NETWORK, KNOWN, unsigned(ours).signed, SALE)


def test_everybody_is_told_the_newest_checkpoint_with_a_quorum() -> None:
    """The smallest that covers an entry would be that entry's own."""
    pen = Pen()
    wall = read(pen)
    for _ in range(3):
        pen.write(tick(NOON))
        wall.pass_time(BEHIND_SECONDS)

    assert {told(wall, 0, beyond).size for beyond in range(4)} == {4}


def test_what_is_not_certified_is_waited_for() -> None:
    pen = Pen()
    wall = read(pen)
    for name in MIRRORS[2:]:
        wall.cut |= {frozenset({name, other}) for other in ("log", *MIRRORS)}
    pen.write(tick(NOON))
    wall.pass_time(BEHIND_SECONDS)
    assert wall.size(ONE) == 2

    assert told(wall).size == 1
    assert held(wall, asked(beyond=1))
    wall.cut.clear()
    wall.pass_time(BEHIND_SECONDS)

    assert told(wall, beyond=1).size == 2


@pytest.mark.parametrize("question", [asked(beyond=3), asked(beyond=2**53), asked(ENTRIES_MAX), asked(2**52)])
def test_what_the_log_has_not_got_yet_is_waited_for(question: ProofsOf) -> None:
    pen = Pen()
    pen.write(tick(NOON), tick(NOON))

    assert held(read(pen), question)


def test_no_bundle_begins_within_another() -> None:
    with pytest.raises(Malformed):
        asked(1)


def test_a_frozen_shard_is_told_as_far_as_a_quorum_has_cosigned_it() -> None:
    pen = Pen()
    pen.write(tick(NOON))
    wall = read(pen)
    pen.write(tick(NOON - 1))  # breaks a rule

    wall.pass_time(BEHIND_SECONDS)

    assert wall.mirrors[ONE].store.copy(KNOWN.identity, SHARD).frozen
    assert told(wall).size == 2
    assert held(wall, asked(beyond=2))


def test_nothing_is_told_of_a_forgotten_shard() -> None:
    wall = read(Pen())
    wall.now = SHARD * SHARD_SECONDS + RETENTION_SECONDS
    wall.mirrors[ONE].forget()

    refusal = decode(wall.ask(ONE, asked()).body)  # type: ignore[union-attr]

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.FORGOTTEN


def test_nothing_is_told_of_a_log_that_decides_alone() -> None:
    lone = KnownLog(key_of("log").public)
    mirror = Mirror(Signer(NETWORK, key_of(ONE)), key_of(ONE), {lone.identity: lone})
    actor = Actor(ONE, mirror, MirrorStore(), lambda: NOON, lambda: bytes(32))
    actor.remind()
    wall = read(Pen())
    wall.mirrors[ONE] = actor

    refusal = decode(wall.ask(ONE, replace(asked(), log=lone.identity)).body)  # type: ignore[union-attr]

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.WRONG_LOG
