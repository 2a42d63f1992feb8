"""Waiting for an outcome: the desk that bank, merchant and consumer share, whoever decides the sale.

A log that decides alone is asked for P5a or P5b. Under a quorum the mirrors are asked: one certificate of the key is a
commit, and an abort is put together from the shares that they sign one by one. Nothing else moves money: what a log
says alone there is a hint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anonnet.errors import Malformed
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.logbook import EntryKind, OutcomeOf, Undecided
from anonnet.protocol.outcome import Logs, aborted, recorded
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Certificate, CertificateOf, pledge_certified
from anonnet.protocol.transaction import Transaction
from anonnet.times import BEHIND_SECONDS, CLAIM_SECONDS, SETTLE_SECONDS
from anonnet.wire.signed import Signed

Settled = Callable[[Turn[Any], bytes, Signed], None]
"""Called in the turn with what the errands were about, and the outcome, which has been checked; but what a commit holds
that is sealed, only the party can read."""


class Settling:
    """Asks for outcomes and certificates, and hands what it learns to its party."""

    def __init__(
        self, network: str, logs: Logs, *, commit: Settled, abort: Settled, pledge: Settled | None = None
    ) -> None:
        """`pledge`: the same as `commit`, with the certificate of a pledge."""
        self._network = network
        self._logs = logs
        self._commit = commit
        self._abort = abort
        self._pledge = pledge

    def await_outcome(self, turn: Turn[Any], transaction: Transaction, *, subject: bytes) -> None:
        """Ask for the outcome as soon as there must be one."""
        known, question = self._logs[transaction.log], OutcomeOf(transaction=transaction.public)
        due = max(transaction.expiration + SETTLE_SECONDS + 1, turn.now)
        if known.decides_alone:
            turn.store.errands.add(transaction.log, question, subject=subject, due=due)
        else:
            turn.store.errands.add_for_each(known.mirrors, question, subject=subject, due=due)

    def await_certificate(self, turn: Turn[Any], transaction: Transaction, kind: EntryKind, *, subject: bytes) -> None:
        """Ask every mirror for this certificate: the first that comes is enough."""
        question = CertificateOf(transaction=transaction.public, kind=int(kind))
        mirrors = self._logs[transaction.log].mirrors
        turn.store.errands.add_for_each(mirrors, question, subject=subject, due=turn.now)

    @on(Certificate, by=From.ERRAND, to=(OutcomeOf,))
    def outcome(self, turn: Turn[Any], asked: Asked[Certificate]) -> Answer:
        return self._committed(turn, asked)

    @on(Certificate, by=From.ERRAND, to=(CertificateOf,))
    def certificate(self, turn: Turn[Any], asked: Asked[Certificate]) -> Answer:
        about = request(asked)
        assert isinstance(about, CertificateOf)
        if about.kind == EntryKind.KEY:
            return self._committed(turn, asked)
        assert asked.checked is not None
        pledge_certified(self._logs[about.transaction.log], asked.checked, about.transaction)
        assert self._pledge is not None, "only a merchant asks for the certificate of a pledge"
        self._pledge(turn, answered(asked).subject, asked.signed)
        return done(turn, asked)

    def _committed(self, turn: Turn[Any], asked: Asked[Certificate]) -> Answer:
        about = request(asked)
        assert isinstance(about, OutcomeOf | CertificateOf)
        self.settle(turn, about.transaction, asked.signed, subject=answered(asked).subject)
        return done(turn, asked)

    def settle(self, turn: Turn[Any], transaction: Transaction, certificate: Signed, *, subject: bytes) -> None:
        """Take in a certificate of this transaction's key, wherever it comes from. Raises Malformed."""
        if recorded(self._network, self._logs[transaction.log], certificate) != transaction.public:
            raise Malformed("the commit is of another transaction")
        turn.store.parts.drop(transaction.outcome_key)
        self._commit(turn, subject, certificate)

    @on(Abort, by=From.ERRAND, to=(OutcomeOf,))  # P5b
    def abort(self, turn: Turn[Any], asked: Asked[Abort]) -> Answer:
        """The log's own, or one mirror's share, which counts when there are enough."""
        about, whole = request(asked), asked.signed
        assert isinstance(about, OutcomeOf)
        transaction = about.transaction
        known = self._logs[transaction.log]
        if asked.body.transaction != transaction:
            raise Malformed("the abort is of another transaction")
        if not known.decides_alone:
            if asked.signer != answered(asked).receiver:
                raise Malformed("a share of an abort by another mirror than was asked")
            until = transaction.expiration + CLAIM_SECONDS
            shares = turn.store.parts.add(transaction.outcome_key, whole.signatures[0], until)
            if not known.agreed([share.signer for share in shares]):
                return done(turn, asked)
            whole = Signed(body=whole.body, signatures=shares)
            turn.store.parts.drop(transaction.outcome_key)
        aborted(self._network, known, whole)
        self._abort(turn, answered(asked).subject, whole)
        return done(turn, asked)

    @on(Undecided, by=From.ERRAND)
    def undecided(self, turn: Turn[Any], asked: Asked[Undecided]) -> Answer:
        """Ask again when the log's time should have passed the expiration. Mirrors hold the question until there is
        something new."""
        about = request(asked)
        assert isinstance(about, OutcomeOf | CertificateOf)
        if not self._logs[about.transaction.log].decides_alone:
            return later(turn, asked, BEHIND_SECONDS)
        behind = asked.body.transaction.expiration + SETTLE_SECONDS - asked.body.time
        return later(turn, asked, max(1, min(behind, RETRY_SECONDS_MAX)))
