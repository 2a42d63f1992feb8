"""The purchase (paper, section "Purchase"): P2 to P5. P1 is in `goods`.

    P2.   C -> B   [B, n, expiration, M, L, payments]_q          authorization_q
    P3.   B -> M   [n, expiration, M, L, value]_b                authorization_b
    P4.   M -> L   [n, expiration, L, k]_m                       authorization_m
    P5a.  L        [P4, index]_l                                 commit            or
    P5b.  L        [n, expiration, M, L, failed]_l               abort

Each class says how it is made from the step before it and how it is checked, by whoever reads it.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.crypto.hashing import same
from anonnet.crypto.keys import SIGNATURE_BYTES
from anonnet.errors import Malformed
from anonnet.limits import KIB, PAYMENTS_MAX, SMALL_FRAME_MAX
from anonnet.protocol.fields import Currency, Index, Key, KeyOrNone, Secret, SomeUnits
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.steps import Step
from anonnet.protocol.token import Payment, check_payments, signers_of, value_of
from anonnet.protocol.transaction import Transaction, check_key_or_none, number_of
from anonnet.wire.codec import Between, Message, message
from anonnet.wire.signed import Checked, Signed


@message(Step.P2, signed=True, frame_max=64 * KIB)
class AuthorizationQ(Message):
    """P2, C -> B, signed by every token's q: lock these tokens to this transaction.

    `receiver_key` is Q of the variation "Two-Sided Certified Delivery"; empty otherwise.
    """

    bank: Key
    transaction: Transaction
    receiver_key: KeyOrNone = b""
    payments: Annotated[tuple[Payment, ...], Between(1, PAYMENTS_MAX)]

    def check(self) -> None:
        self.transaction.check_whole()
        check_key_or_none(self.receiver_key, "receiver_key")
        check_payments(self.payments)
        if self.receiver_key and self.receiver_key not in self.signers:
            raise Malformed("receiver_key is none of the tokens' keys")

    @property
    def signers(self) -> tuple[bytes, ...]:
        """Who must sign: every distinct q, in ascending order."""
        return signers_of(self.payments)

    @property
    def value(self) -> int:
        """What is paid in all."""
        return value_of(self.payments)


@message(Step.P3, signed=True, frame_max=SMALL_FRAME_MAX)
class AuthorizationB(Message):
    """P3, B -> M, signed by the bank: if this transaction commits, the merchant is credited with this value.

    `ticket`: where the entry is to be sealed, the bank's signature under its ticket (see `sealed`).
    """

    transaction: Transaction
    receiver_key: KeyOrNone = b""
    currency: Currency
    value: SomeUnits
    ticket: Annotated[bytes, Between(0, SIGNATURE_BYTES)] = b""

    def check(self) -> None:
        self.transaction.check_whole()
        check_key_or_none(self.receiver_key, "receiver_key")
        if len(self.ticket) != (SIGNATURE_BYTES if self.transaction.entry_key else 0):
            raise Malformed("a ticket stands beside the promise exactly if the entry is sealed")

    @property
    def credit(self) -> tuple[Transaction, str, int]:
        """What the bank owes if the transaction commits: for which sale, the currency, how much of it."""
        return self.transaction, self.currency, self.value

    @classmethod
    def answering(cls, q: AuthorizationQ, currency: str, ticket: bytes = b"") -> AuthorizationB:
        """The promise that answers P2, in the currency of its tokens."""
        transaction, receiver_key = q.transaction, q.receiver_key
        return cls(transaction=transaction, receiver_key=receiver_key, currency=currency, value=q.value, ticket=ticket)


@message(Step.P4, signed=True, frame_max=SMALL_FRAME_MAX)
class AuthorizationM(Message):
    """P4, M -> L, signed by the merchant: the merchandise key k; with its record the sale commits."""

    transaction: Transaction
    receiver_key: KeyOrNone = b""
    key: Secret

    def check(self) -> None:
        self.transaction.check_whole()
        check_key_or_none(self.receiver_key, "receiver_key")

    @classmethod
    def answering(cls, promise: AuthorizationB, key: bytes) -> AuthorizationM:
        """The merchant's commitment that answers P3."""
        return cls(transaction=promise.transaction, receiver_key=promise.receiver_key, key=key)


@message(Step.P5A, signed=True, frame_max=SMALL_FRAME_MAX)
class Commit(Message):
    """P5a, signed by the log: authorization_m as it came, open or sealed, recorded at this index."""

    authorization_m: Signed
    index: Index


@message(Step.P5B, signed=True, frame_max=SMALL_FRAME_MAX)
class Abort(Message):
    """P5b, signed by the log, or under a quorum by its mirrors: no P4 of this transaction was received by its
    expiration, and none will be recorded.

    Of a sealed one it says "that no message with the given index was available at a specified time".
    """

    transaction: Transaction

    def check(self) -> None:
        self.transaction.check_public()


def check_authorization_q(asked: Checked[AuthorizationQ]) -> None:
    """Raise Malformed unless exactly the tokens' keys have signed (paper: "signed with all keys associated")."""
    if asked.signers != asked.body.signers:
        raise Malformed("authorization_q is signed by exactly the tokens' keys")


def check_authorization_m(said: Checked[AuthorizationM]) -> None:
    """Raise Malformed unless M itself signed, and k is the key that n commits to."""
    transaction = said.body.transaction
    if said.signer != transaction.merchant:
        raise Malformed("authorization_m is signed by another than M")
    if not same(number_of(transaction.merchant, said.body.key), transaction.number):
        raise Malformed("the key is not the one that the transaction number promised")


def sells(offer: GoodsM, merchant: bytes, transaction: Transaction) -> bool:
    """True if this merchant's P1 and this transaction go together: they "must agree only on n and M to be compatible",
    and on W."""
    named = (transaction.number, transaction.merchant, transaction.entry_key)
    return named == (offer.number, merchant, offer.entry_key)
