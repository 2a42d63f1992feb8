"""Sealed log entries (paper, section "Encrypted Log Entries"): a log that learns neither the merchant nor the key.

    M -> L   [kind, W, expiration, L, E_n(authorization_m)]_w   sealed_m
    B -> M   [L, i, expiration]_b                               ticket, beside P3

"If n is required to be randomly selected and is sufficiently large, then n could be used as this secret key. The logged
message would be encrypted using the secret key so that only the parties of the transaction could read commit." The log
"could be left unaware of the secret key and simply time-stamp, sign, and record any received messages (and their
indices)": ours is. So that nobody else can fill a transaction's place, P1 names a fresh one-time key W, which is part
of the transaction; the place is H(W, expiration, L), and what is recorded there is signed by W. A place that holds
nothing which n opens to this transaction's P4 counts as failed, for everybody who knows n: nothing else can come there.
"""

from __future__ import annotations

from typing import Annotated, Any

from anonnet.crypto.keys import SIGNATURE_BYTES
from anonnet.crypto.padded import SEALED_BYTES, seal, unseal
from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import KIB
from anonnet.protocol.fields import Hash, Key, Seconds
from anonnet.protocol.logbook import SEALED_AS, EntryKind
from anonnet.protocol.purchase import AuthorizationM, check_authorization_m
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import Between, Message, decode, decode_record, encode, message
from anonnet.wire.signed import Checked, Signature, Signed, checked

SEALED_KINDS = frozenset(SEALED_AS.values())


@message(Step.SEALED_M, signed=True, frame_max=2 * KIB)
class SealedM(Message):
    """M -> L, signed by W: authorization_m, or the pledge, for those who know n."""

    kind: Annotated[int, Between(int(min(SEALED_KINDS)), int(max(SEALED_KINDS)))]
    entry_key: Key
    expiration: Seconds
    log: Hash
    sealed: Annotated[bytes, Between(SEALED_BYTES, SEALED_BYTES)]

    def check(self) -> None:
        if self.kind not in SEALED_KINDS:
            raise Malformed("no kind of a sealed entry")

    @classmethod
    def of(cls, kind: EntryKind, transaction: Transaction, paper: Signed) -> SealedM:
        """This paper of the transaction, sealed as the entry that it would be."""
        sealed_as, context = SEALED_AS[kind], _context(transaction)
        return cls(
            kind=int(sealed_as),
            entry_key=transaction.entry_key,
            expiration=transaction.expiration,
            log=transaction.log,
            sealed=seal(transaction.number, sealed_as, encode(paper), context),
        )

    @property
    def transaction(self) -> Transaction:
        """Whose place it fills, as the log knows it."""
        return Transaction(expiration=self.expiration, log=self.log, entry_key=self.entry_key)

    def opened(self, network: str, transaction: Transaction) -> AuthorizationM | None:
        """P4 of this transaction, wholly checked; None where that is not what stands here."""
        try:
            data = unseal(transaction.number, self.kind, self.sealed, _context(self.transaction))
            said = checked(network, decode_record(Signed, data), AuthorizationM)
            check_authorization_m(said)
        except Malformed:
            return None
        return said.body if said.body.transaction == transaction else None


def _context(transaction: Transaction) -> bytes:
    """What the seal is bound to: the place, the expiration, and the log."""
    return transaction.outcome_key + transaction.expiration.to_bytes(8, "big") + transaction.log


@message(Step.TICKET, signed=True, frame_max=KIB)
class Ticket(Message):
    """B -> L by way of M, signed by the bank: a sale with locked tokens may fill this place. It is worth nothing else.

    Without it anybody could fill a log with entries that nobody can read. Its signature stands in P3.
    """

    log: Hash
    outcome_key: Hash
    expiration: Seconds

    @classmethod
    def admitting(cls, transaction: Transaction) -> Ticket:
        """The ticket for this transaction's place."""
        return cls(log=transaction.log, outcome_key=transaction.outcome_key, expiration=transaction.expiration)


def ticket_of(bank: bytes, transaction: Transaction, signature: bytes) -> Signed:
    """The ticket whose signature stands in P3, as the log gets it; nothing is checked. Raises Malformed."""
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed("P3 of a sealed transaction brings a ticket")
    signatures = (Signature(signer=bank, signature=signature),)
    return Signed(body=encode(Ticket.admitting(transaction)), signatures=signatures)


@message(Step.SUBMISSION, signed=False, frame_max=4 * KIB)
class Submission(Message):
    """M -> L or a mirror: sealed_m, and the ticket that admits it; beside a key nobody looks at that."""

    sealed_m: Signed
    ticket: Signed

    def check(self) -> None:
        if decode(self.ticket.body) != Ticket.admitting(self.said.transaction):
            raise Malformed("a ticket for another entry")

    @property
    def said(self) -> SealedM:
        """The body of sealed_m. Raises Malformed."""
        body = decode(self.sealed_m.body)
        if not isinstance(body, SealedM):
            raise Malformed("a submission is sealed")
        return body

    @property
    def transaction(self) -> Transaction:
        return self.said.transaction


def check_sealed_m(network: str, signed: Signed) -> SealedM:
    """The body, after its signature. Raises Malformed unless W has signed."""
    said = checked(network, signed, SealedM)
    if said.signer != said.body.entry_key:
        raise Malformed("sealed_m is signed by another than W")
    return said.body


def check_recordable(network: str, said: Checked[Any]) -> None:
    """What a log asks of P4, open or sealed, and each of its mirrors too, before they look for the pledge. Raises
    Malformed; Refused where a sealed sale's P4 comes in the open.

    A mirror's receipt convicts a log that does not record the key: by what the log asked beyond this, a merchant could
    have an honest one convicted. So nobody looks at a key's ticket, as mirrors do not know whose a log takes: that of
    its pledge has admitted it, signed by the same W.
    """
    if isinstance(said.body, Submission):
        check_sealed_m(network, said.body.sealed_m)
        return
    check_authorization_m(said)
    if said.body.transaction != said.body.transaction.public:
        raise Refused(Why.UNKNOWN, "a sealed transaction is told to nobody in the open")
