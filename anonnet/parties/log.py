"""The transaction log: P4 in, P5a or P5b out (paper, section "Purchase").

"The log records the merchant's commitment if and only if it was received before expiration." "The transaction log will
eventually produce exactly one of commit or abort for any transaction." One unique key in its store holds that, whatever
arrives in which order; its time never falls, so a commit cannot come after an abort.
"""

from __future__ import annotations

from typing import Any

from anonnet.errors import Refused, Why
from anonnet.limits import LEAD_SECONDS_MAX, RETENTION_SECONDS, SETTLE_SECONDS
from anonnet.parties.following import commit_of
from anonnet.parties.turn import Answer, Asked, Forget, From, Party, Turn, on
from anonnet.protocol.logbook import (
    ENTRY_VERSION,
    Entries,
    Entry,
    EntryKind,
    Follow,
    OutcomeOf,
    Recorded,
    Time,
    TimeOf,
    Undecided,
)
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit, check_authorization_m
from anonnet.protocol.transaction import Transaction, expired, log_id
from anonnet.store.log import LogStore
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Checked, Signed, Signer

LogTurn = Turn[LogStore]


class Log(Party):
    """L. Decides each transaction once and says what it decided to whoever asks."""

    def __init__(self, signer: Signer, key: bytes) -> None:
        super().__init__(signer)
        self.key = key
        self.identity = log_id(key)

    def check(self, said: Checked[Any]) -> None:
        body = said.body
        if getattr(body, "log", self.identity) != self.identity:
            raise Refused(Why.WRONG_RECEIVER, "this is another log")
        if isinstance(body, AuthorizationM | OutcomeOf):
            self._check_transaction(body.transaction)
        if isinstance(body, AuthorizationM):
            check_authorization_m(said)
            if body.receiver_key:
                raise Refused(Why.UNKNOWN, "this log does not serve two-sided delivery")

    def _check_transaction(self, transaction: Transaction) -> None:
        if transaction.log != self.identity:
            raise Refused(Why.WRONG_RECEIVER, "this is another log")
        if transaction.entry_key:
            raise Refused(Why.UNKNOWN, "this log does not serve sealed entries")

    @on(AuthorizationM, keys=lambda asked: [asked.body.transaction.outcome_key])  # P4 -> P5a
    def authorization_m(self, turn: LogTurn, asked: Asked[AuthorizationM]) -> Answer:
        transaction = asked.body.transaction
        key = transaction.outcome_key
        clock, time = turn.store.advance(asked.arrival), self._entry_time(turn, asked.arrival)
        index = turn.store.size()
        if not turn.store.record(key, index):
            return Answer(self._commit(turn, key))
        # "If and only if it was received before expiration": what was asked meanwhile does not make P4 late, unless
        # the log may have given an abort.
        if expired(transaction.expiration, time) or expired(transaction.expiration + SETTLE_SECONDS, clock):
            return self._late(turn, asked)
        if turn.store.called_late(key):
            return self._late(turn, asked)
        if transaction.expiration > time + LEAD_SECONDS_MAX:
            raise Refused(Why.TOO_LATE, "the expiration is too far ahead")
        commit = self.sign(Commit(authorization_m=asked.signed, index=index))
        entry = Entry(
            version=ENTRY_VERSION, kind=int(EntryKind.COMMIT), time=time, outcome_key=key, body=encode(asked.signed)
        )
        turn.store.append(index, encode(entry), commit.signatures[0].signature, transaction.expiration)
        return Answer(commit)

    def _late(self, turn: LogTurn, asked: Asked[AuthorizationM]) -> Answer:
        """What has been called late stays late, also when the machine's clock is set back by some seconds."""
        transaction = asked.body.transaction
        turn.store.call_late(transaction.outcome_key, transaction.expiration + SETTLE_SECONDS)
        return Answer(self.refusal(asked.signed, Refused(Why.EXPIRED)))

    @on(OutcomeOf, keys=lambda asked: [asked.body.transaction.outcome_key])  # -> P5a, P5b or undecided
    def outcome(self, turn: LogTurn, asked: Asked[OutcomeOf]) -> Answer:
        transaction = asked.body.transaction
        time = turn.store.advance(asked.arrival)
        if turn.store.recorded(transaction.outcome_key):
            return Answer(self._commit(turn, transaction.outcome_key))
        if expired(transaction.expiration + RETENTION_SECONDS, time):
            raise Refused(Why.FORGOTTEN, "the record may be gone, so no abort is made any more")
        if expired(transaction.expiration + SETTLE_SECONDS, time):
            return Answer(self.sign(Abort(transaction=transaction)))
        return Answer(self.sign(Undecided(transaction=transaction, time=time)))

    def _entry_time(self, turn: LogTurn, arrival: int) -> int:
        """The time of an entry whose frame arrived then: entries' times never fall."""
        last = turn.store.last()
        return arrival if last is None else max(arrival, decode_record(Entry, last.entry).time)

    def _commit(self, turn: LogTurn, outcome_key: bytes) -> Signed:
        found = turn.store.recorded(outcome_key)
        assert found is not None
        index, recorded = found
        return commit_of(decode_record(Entry, recorded.entry), index, self.key, recorded.signature)

    @on(Follow)
    def follow(self, turn: LogTurn, asked: Asked[Follow]) -> Answer:
        if asked.body.start < turn.store.first():
            raise Refused(Why.FORGOTTEN, "entries from there on are not kept any more: go on from the size in time")
        entries: tuple[Recorded, ...] = turn.store.entries(asked.body.start)
        return Answer(Entries(start=asked.body.start, entries=entries), hold=not entries)

    @on(TimeOf)
    def time(self, turn: LogTurn, asked: Asked[TimeOf]) -> Answer:
        time = turn.store.advance(asked.arrival)
        return Answer(self.sign(Time(log=self.identity, time=time, size=turn.store.size())))

    @on(Forget, by=From.OWNER)
    def forget(self, turn: LogTurn, asked: Asked[Forget]) -> Answer:
        """ "This information may be discarded after some delay following the transaction expiration" (paper)."""
        turn.store.advance(turn.now)  # durable with what is dropped by it: no abort is ever made of what is gone
        return Answer(more=turn.store.forget() > 0)
