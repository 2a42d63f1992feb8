"""The transaction log: P4 in, P5a or P5b out (paper, section "Purchase").

"The log records the merchant's commitment if and only if it was received before expiration." "The transaction log will
eventually produce exactly one of commit or abort for any transaction." One unique key in its store holds that, whatever
arrives in which order; its time never falls, so a commit cannot come after an abort.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.parties.admission import HOUR, Admission, whose
from anonnet.parties.alerting import Alerting
from anonnet.parties.appending import LogTurn, append, begin, entry, next_index, recorded_commit
from anonnet.parties.certifying import Certifying, check_pledge
from anonnet.parties.chaining import Chaining
from anonnet.parties.following import followed
from anonnet.parties.turn import Answer, Asked, Forget, From, Party, on
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import CHAIN, KnownLog, shard_of
from anonnet.protocol.logbook import (
    CheckpointIs,
    CheckpointOf,
    Entries,
    EntryKind,
    Follow,
    OutcomeOf,
    ShardSize,
    Time,
    TimeOf,
    Undecided,
    form,
)
from anonnet.protocol.outcome import Logs
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.quorum import CertificateOf, Pledge, places
from anonnet.protocol.rules import decided_by
from anonnet.protocol.sealed import Submission, Ticket, check_recordable
from anonnet.protocol.transaction import Transaction, expired
from anonnet.store.log import checkpoints_of, entries_of
from anonnet.times import LEAD_SECONDS_MAX, RETENTION_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import encode
from anonnet.wire.signed import Checked, Signed, Signer, checked


class Log(Party):
    """L. Decides each transaction once and says what it decided to whoever asks."""

    growth = frozenset({AuthorizationM, Pledge, Submission})
    alike = frozenset({Follow})

    def __init__(
        self,
        signer: Signer,
        known: KnownLog,
        banks: Collection[bytes] = (),
        merchants: Collection[bytes] | None = None,
        told: Collection[bytes] = (),
        others: Logs | None = None,
    ) -> None:
        """`banks`: whose brands it publishes, and whose tickets admit sealed entries; `merchants`: see `Admission`;
        `told`: who hears of alerts, against it or `others`."""
        self._banks = frozenset(banks)
        self.known = known
        self.identity = known.identity
        self.admission = Admission(merchants)
        self.certifying = None if known.decides_alone else Certifying(signer, known, self.admission)
        self.chaining = Chaining(known, banks, self._grown)
        self.known_logs = {**(others or {}), known.identity: known}
        alerting = Alerting(signer.network, self.known_logs, told)
        certifying = [self.certifying] if self.certifying else []
        super().__init__(signer, self.chaining, self.admission, alerting, *certifying)

    def _grown(self, turn: LogTurn, shard: int) -> None:
        if self.certifying:
            self.certifying.collect(turn, shard)

    def check(self, said: Checked[Any]) -> None:
        body = said.body
        if getattr(body, "log", self.identity) != self.identity and not isinstance(body, Alert):
            raise Refused(Why.WRONG_RECEIVER, "this is another log")
        if isinstance(body, AuthorizationM | Pledge | OutcomeOf | CertificateOf | Submission):
            self._check_transaction(body.transaction)
        if isinstance(body, AuthorizationM | Submission):
            check_recordable(self.network, said)
        if isinstance(body, Pledge):
            check_pledge(said)
        elif isinstance(body, Submission):
            self._check_admitted(body)

    def _check_transaction(self, transaction: Transaction) -> None:
        if transaction.log != self.identity:
            raise Refused(Why.WRONG_RECEIVER, "this is another log")
        if transaction != transaction.public:
            raise Refused(Why.UNKNOWN, "a sealed transaction is told to nobody in the open")

    def _check_admitted(self, submission: Submission) -> None:
        """A bank has admitted it, or its pledge: else anybody could fill the log with what nobody can read."""
        kind = submission.said.kind
        if (kind == EntryKind.SEALED) != self.known.decides_alone:
            raise Refused(Why.UNKNOWN, "a kind of entry that this log's policy does not know")
        if kind != EntryKind.SEALED_KEY and self._ticket(submission).signer not in self._banks:
            raise Refused(Why.WRONG_SIGNER, "not a bank whose tickets this log takes")

    def _ticket(self, submission: Submission) -> Checked[Ticket]:
        return checked(self.network, submission.ticket, Ticket)

    @on(AuthorizationM, keys=lambda asked: whose(asked.body.transaction))  # P4 -> P5a
    def authorization_m(self, turn: LogTurn, asked: Asked[AuthorizationM]) -> Answer:
        if self.certifying:
            return self.certifying.authorization_m(turn, asked, asked.signed)
        return self._record(turn, asked, asked.signed)

    @on(Submission, keys=lambda asked: [asked.body.transaction.outcome_key])  # P4, sealed -> P5a
    def submission(self, turn: LogTurn, asked: Asked[Submission]) -> Answer:
        """What stands in it the log does not learn: it "simply time-stamps, signs, and records" (paper)."""
        if self.certifying:
            return self.certifying.submission(turn, asked)
        return self._record(turn, asked, asked.body.sealed_m)

    def _record(self, turn: LogTurn, asked: Asked[AuthorizationM] | Asked[Submission], said: Signed) -> Answer:
        transaction = asked.body.transaction
        kind = form(EntryKind.COMMIT, transaction)
        key, shard = transaction.outcome_key, shard_of(transaction.expiration)
        clock, time = turn.store.advance(asked.arrival), max(asked.arrival, turn.store.last_time(shard))
        index = next_index(turn, shard)
        if not turn.store.record(shard, key, kind, index):
            return Answer(self._commit(turn, transaction))
        # "If and only if it was received before expiration": what was asked meanwhile does not make P4 late, unless
        # the log may have given an abort.
        if expired(transaction.expiration, time) or expired(transaction.expiration + SETTLE_SECONDS, clock):
            return self._late(turn, asked)
        if turn.store.called_late(key):
            return self._late(turn, asked)
        if transaction.expiration > time + LEAD_SECONDS_MAX:
            raise Refused(Why.TOO_LATE, "the expiration is too far ahead")
        self.admission.check(turn, transaction, asked.arrival)
        commit = self.sign(Commit(authorization_m=said, index=index))
        new = entry(kind, time, encode(said), key)
        append(turn, self.known, shard, new, commit.signatures[0].signature)
        return Answer(commit)

    def _late(self, turn: LogTurn, asked: Asked[AuthorizationM] | Asked[Submission]) -> Answer:
        """What has been called late stays late, also when the machine's clock is set back by some seconds."""
        transaction = asked.body.transaction
        shard, until = shard_of(transaction.expiration), transaction.expiration + SETTLE_SECONDS
        turn.store.call_late(shard, transaction.outcome_key, form(EntryKind.COMMIT, transaction), until)
        return Answer(self.refusal(asked.signed, Refused(Why.EXPIRED)))

    @on(OutcomeOf, keys=lambda asked: [asked.body.transaction.outcome_key])  # -> P5a, P5b or undecided
    def outcome(self, turn: LogTurn, asked: Asked[OutcomeOf]) -> Answer:
        if self.certifying:
            return self.certifying.outcome(turn, asked)
        transaction = asked.body.transaction
        time = turn.store.advance(asked.arrival)
        if commit := self._commit(turn, transaction):
            return Answer(commit)
        if expired(transaction.expiration + RETENTION_SECONDS, time):
            raise Refused(Why.FORGOTTEN, "the record may be gone, so no abort is made any more")
        if expired(transaction.expiration + SETTLE_SECONDS, time):
            return Answer(self.sign(Abort(transaction=transaction)))
        return Answer(self.sign(Undecided(transaction=transaction, time=time)))

    def _commit(self, turn: LogTurn, transaction: Transaction) -> Signed | None:
        return recorded_commit(turn, self.known, transaction, EntryKind.COMMIT)

    @on(Follow)
    def follow(self, turn: LogTurn, asked: Asked[Follow]) -> Answer:
        shard, start = asked.body.shard, asked.body.start
        if turn.store.is_dropped(shard):
            raise Refused(Why.FORGOTTEN, "this shard is not kept any more")
        entries = turn.store.entries(shard, start)
        marks = turn.store.heads.marks(shard, start + 1, start + len(entries))
        checkpoints = tuple(mark.cosigned for mark in marks)
        said = Entries(shard=shard, start=start, entries=entries, checkpoints=checkpoints)
        return followed(asked.body, said, turn.store.heads.size(shard), entries_of(shard))

    @on(CheckpointOf)
    def checkpoint(self, turn: LogTurn, asked: Asked[CheckpointOf]) -> Answer:
        """What is here beyond what the asker has."""
        question, heads = asked.body, turn.store.heads
        if turn.store.is_dropped(question.shard):
            raise Refused(Why.FORGOTTEN, "this shard is not kept any more")
        marks = heads.marks(question.shard, question.size, heads.size(question.shard))
        news = tuple(
            mark.cosigned
            for mark in marks
            if mark.size > question.size or places(self.known, mark.cosignatures) & ~question.cosigned
        )
        said = CheckpointIs(log=self.identity, shard=question.shard, checkpoints=news)
        return Answer(said, hold=b"" if news else checkpoints_of(question.shard))

    @on(TimeOf)
    def time(self, turn: LogTurn, asked: Asked[TimeOf]) -> Answer:
        time = turn.store.advance(asked.arrival)
        sizes = tuple(ShardSize(shard=shard, size=size) for shard, size in turn.store.sizes())
        return Answer(self.sign(Time(log=self.identity, time=time, shards=sizes)))

    @on(Forget, by=From.OWNER)
    def forget(self, turn: LogTurn, asked: Asked[Forget]) -> Answer:
        """ "This information may be discarded after some delay following the transaction expiration" (paper)."""
        time = turn.store.advance(turn.now)  # durable with what is dropped by it: no abort is ever made of what is gone
        turn.store.admissions.forget(time // HOUR)
        if turn.store.size(CHAIN) == 0:  # so that whoever reads it is answered, and not held
            begin(turn, self.known, CHAIN, time)
            self._grown(turn, CHAIN)
        decided = [shard for shard, _ in turn.store.sizes() if shard != CHAIN and expired(decided_by(shard), time)]
        closing = [shard for shard in decided if not turn.store.is_closed(shard)]
        for shard in closing:
            append(turn, self.known, shard, entry(EntryKind.CLOSE, time))
            self._grown(turn, shard)
        self.chaining.anchor(turn)
        return Answer(more=bool(closing) or turn.store.forget() > 0)
