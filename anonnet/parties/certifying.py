"""The log under a quorum of mirrors (anonnet.protocol.quorum): it takes pledges and keys, and lets time pass.

Nothing that it says alone moves money. It gives no abort: mirrors do, each by its own prefix. It collects cosignatures
from its mirrors, so that whoever asks gets the certificate of an entry as soon as a quorum has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.errors import Fatal, Malformed, Refused, Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.admission import Admission, whose
from anonnet.parties.appending import LogTurn, append, entry, next_index, recorded_commit
from anonnet.parties.errands import done, later, request
from anonnet.parties.turn import Answer, Asked, From, on
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entry, EntryKind, OutcomeOf, Undecided, form
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, Pledge, Pledged, cosignatures, places
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.rules import fits
from anonnet.protocol.sealed import Submission
from anonnet.protocol.transaction import Transaction, expired
from anonnet.store.log import checkpoints_of
from anonnet.store.shards import Mark
from anonnet.times import (
    BEHIND_SECONDS,
    CLAIM_SECONDS,
    LEAD_SECONDS_MAX,
    RELEASE_SECONDS,
    RETENTION_SECONDS,
    SETTLE_SECONDS,
    TICK_SECONDS,
)
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Checked, Signed, Signer


def check_pledge(said: Checked[Pledge]) -> None:
    """Raise Malformed unless M itself signed."""
    if said.signer != said.body.transaction.merchant:
        raise Malformed("a pledge is signed by another than M")


class Certifying:
    """The desk of a log whose mirrors decide with it."""

    def __init__(self, signer: Signer, known: KnownLog, admission: Admission) -> None:
        self._admission = admission
        self._signer = signer
        self._known = known

    # Pledges and keys.

    @on(Pledge, keys=lambda asked: whose(asked.body.transaction))
    def pledge(self, turn: LogTurn, asked: Asked[Pledge]) -> Answer:
        return self._pledge(turn, asked, asked.signed)

    def submission(self, turn: LogTurn, asked: Asked[Submission]) -> Answer:
        """A pledge or a key, sealed."""
        is_pledge = asked.body.said.kind == EntryKind.SEALED_PLEDGE
        return (self._pledge if is_pledge else self.authorization_m)(turn, asked, asked.body.sealed_m)

    def _pledge(self, turn: LogTurn, asked: Asked[Pledge] | Asked[Submission], said: Signed) -> Answer:
        """Record a pledge in time, once."""
        transaction = asked.body.transaction
        kind = form(EntryKind.PLEDGE, transaction)
        key, shard = transaction.outcome_key, shard_of(transaction.expiration)
        clock, time = turn.store.advance(asked.arrival), max(asked.arrival, turn.store.last_time(shard))
        index = next_index(turn, shard)
        if turn.store.record(shard, key, kind, index):
            if expired(transaction.expiration, time) or expired(transaction.expiration + SETTLE_SECONDS, clock):
                raise Refused(Why.EXPIRED)
            if transaction.expiration > time + LEAD_SECONDS_MAX:
                raise Refused(Why.TOO_LATE, "the expiration is too far ahead")
            self._admission.check(turn, transaction, asked.arrival)
            self._append(turn, shard, entry(kind, time, encode(said), key))
        else:
            found = turn.store.recorded(shard, key, kind)
            assert found is not None
            index, _ = found
        return Answer(self._signer.sign(Pledged(transaction=transaction, index=index)))

    def authorization_m(self, turn: LogTurn, asked: Asked[AuthorizationM] | Asked[Submission], said: Signed) -> Answer:
        """Record the key of a pledge that stands. P5a is only a hint: the certificate counts."""
        transaction = asked.body.transaction
        kind = form(EntryKind.KEY, transaction)
        key, shard = transaction.outcome_key, shard_of(transaction.expiration)
        turn.store.advance(asked.arrival)
        time = max(asked.arrival, turn.store.last_time(shard))
        pledged = turn.store.recorded(shard, key, form(EntryKind.PLEDGE, transaction))
        if pledged is None or not fits(decode_record(Entry, pledged[1].entry), said):
            raise Refused(Why.NOT_PLEDGED, "no pledge of this key stands here")
        index = next_index(turn, shard)
        if turn.store.record(shard, key, kind, index):
            if expired(transaction.expiration + RELEASE_SECONDS, time):
                raise Refused(Why.EXPIRED)
            commit = self._signer.sign(Commit(authorization_m=said, index=index))
            self._append(turn, shard, entry(kind, time, encode(said), key), commit.signatures[0].signature)
        return Answer(recorded_commit(turn, self._known, transaction, EntryKind.KEY))

    # Outcomes.

    def outcome(self, turn: LogTurn, asked: Asked[OutcomeOf]) -> Answer:
        """What is known here; and where the deadline has passed unseen, an entry that shows it to the mirrors."""
        transaction = asked.body.transaction
        key, shard = transaction.outcome_key, shard_of(transaction.expiration)
        time = turn.store.advance(asked.arrival)
        if found := self._certificate(turn, transaction, EntryKind.KEY):
            return Answer(found)
        if commit := recorded_commit(turn, self._known, transaction, EntryKind.KEY):
            return Answer(commit)
        if expired(transaction.expiration + RETENTION_SECONDS, time):
            raise Refused(Why.FORGOTTEN, "the record may be gone")
        pledged = turn.store.recorded(shard, key, form(EntryKind.PLEDGE, transaction))
        deadline = transaction.expiration + (RELEASE_SECONDS if pledged else 0)
        unseen = expired(deadline + SETTLE_SECONDS, time) and not expired(deadline, turn.store.last_time(shard))
        if unseen and not expired(transaction.expiration + CLAIM_SECONDS, time):  # later no token waits for it
            self._pass_time(turn, shard, time)
        return self._undecided(transaction, time)

    def _pass_time(self, turn: LogTurn, shard: int, time: int) -> None:
        """Show this time to the mirrors, by an entry that shows every deadline before it.

        Who asks may be a stranger, and the sale one that never was: so none soon after another. Of what is recorded
        between, a merchant has his share.
        """
        newest = turn.store.newest(shard)
        if newest is None or newest.kind != EntryKind.TICK or time >= newest.time + TICK_SECONDS:
            self._append(turn, shard, entry(EntryKind.TICK, time))

    @on(CertificateOf, keys=lambda asked: [asked.body.transaction.outcome_key])
    def certificate(self, turn: LogTurn, asked: Asked[CertificateOf]) -> Answer:
        transaction = asked.body.transaction
        found = self._certificate(turn, transaction, EntryKind(asked.body.kind))
        if found:
            return Answer(found)
        answer = self._undecided(transaction, turn.store.advance(asked.arrival))
        return Answer(answer.said, hold=checkpoints_of(shard_of(transaction.expiration)))

    def _undecided(self, transaction: Transaction, time: int) -> Answer:
        return Answer(self._signer.sign(Undecided(transaction=transaction, time=time)))

    def _certificate(self, turn: LogTurn, transaction: Transaction, kind: EntryKind) -> Certificate | None:
        """That of the transaction's entry of this kind, if a quorum has cosigned a checkpoint over it."""
        shard = shard_of(transaction.expiration)
        found = turn.store.recorded(shard, transaction.outcome_key, form(kind, transaction))
        mark = turn.store.heads.certifying(shard, found[0]) if found else None
        if found is None or mark is None:
            return None
        index, recorded = found
        path = tuple(turn.store.heads.trees.inclusion(shard, index, mark.size))
        proof = LogProof(index, path, SignedCheckpoint.parse(mark.cosigned))
        return Certificate(entry=recorded.entry, proof=proof.encoded())

    # Cosignatures.

    def _append(self, turn: LogTurn, shard: int, new: Entry, signature: bytes = b"") -> None:
        append(turn, self._known, shard, new, signature)
        self.collect(turn, shard)

    def collect(self, turn: LogTurn, shard: int) -> None:
        """Have one question at each mirror whose cosignature of what is newest is not here."""
        newest = self._newest(turn, shard)
        lacking = newest.cosignatures if newest and newest.size == turn.store.size(shard) else {}
        subject = self._known.origin(shard).encode()
        for mirror in self._known.mirrors:
            if mirror not in lacking and not turn.store.errands.waits_for(mirror, subject):
                question = self._question(turn, shard)
                turn.store.errands.add_for_each([mirror], question, subject=subject, due=turn.now)

    def _newest(self, turn: LogTurn, shard: int) -> Mark | None:
        return turn.store.heads.mark(shard, turn.store.heads.size(shard))

    def _question(self, turn: LogTurn, shard: int) -> CheckpointOf:
        newest = self._newest(turn, shard)
        size, known = (newest.size, newest.cosignatures) if newest else (0, {})
        cosigned = places(self._known, known)
        return CheckpointOf(log=self._known.identity, shard=shard, size=size, cosigned=cosigned)

    @on(CheckpointIs, by=From.ERRAND)
    def cosigned(self, turn: LogTurn, asked: Asked[CheckpointIs]) -> Answer:
        """A mirror's cosignatures, and those of others that it knows."""
        question, said = request(asked), asked.body
        assert isinstance(question, CheckpointOf)
        if (said.log, said.shard) != (question.log, question.shard):
            raise Malformed("checkpoints of another shard than was asked for")
        if turn.store.is_dropped(said.shard):  # there is nothing any more to compare it with
            return done(turn, asked)
        shown = [self._known.opened(said.shard, note) for note in said.checkpoints]
        self._answer_for(turn, said.shard, shown)
        for signed in shown:
            self._keep(turn, said.shard, signed)
        if self._question(turn, said.shard) != question:
            done(turn, asked)
            self.collect(turn, said.shard)
        elif said.checkpoints:  # nothing new: whoever repeats himself is not asked again at once
            return later(turn, asked, BEHIND_SECONDS)
        return Answer()

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: LogTurn, asked: Asked[Refusal]) -> Answer:
        """A mirror that does not follow this shard yet, or not any more: it holds no answer until there is news."""
        question = request(asked)
        assert isinstance(question, CheckpointOf)
        is_over = turn.store.is_dropped(question.shard)
        return done(turn, asked) if is_over else later(turn, asked, RETRY_SECONDS_MAX)

    def _answer_for(self, turn: LogTurn, shard: int, shown: Sequence[SignedCheckpoint]) -> None:
        """Raise Fatal where one of these is ours and not ours. All are looked at: the next start says what to do."""
        foreign = [each for each in shown if not turn.store.answers_for(shard, self._known.by_log(shard, each))]
        if foreign:
            seen = foreign[-1].body
            raise Fatal(f"a mirror shows {seen.origin} of {seen.size} entries, signed with our key, and not by us")

    def _keep(self, turn: LogTurn, shard: int, signed: SignedCheckpoint) -> None:
        """Keep the cosignatures that hold. Raises Malformed."""
        heads, size = turn.store.heads, signed.body.size
        mark = heads.mark(shard, size)
        if mark is None:
            return
        found = cosignatures(self._known, signed.note)
        turn.store.news.add(checkpoints_of(shard))
        for mirror, signature in found.items():
            heads.keep_cosignature(shard, size, mirror, signature.line)
        if self._known.agreed(mark.cosignatures.keys() | found.keys()):
            heads.call_met(shard, size)
