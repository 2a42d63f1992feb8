"""Accounts at the bank, and its performance: statements and credits.

The paper assumes "that the consumer has an account with the bank" and that the bank "issues a credit to the merchant";
here are the messages for it. A query whose answer is private signs the channel it is asked on, so that it cannot be
asked again by who saw it.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import KIB, SMALL_FRAME_MAX, STATEMENT_MAX, UNITS_MAX
from anonnet.protocol.fields import Currency, Hash, Index, Key, Name, Seconds, SomeUnits, Units
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import Between, Message, Record, message, record
from anonnet.wire.signed import Signed


@message(Step.OPEN_ACCOUNT, signed=True, frame_max=KIB)
class OpenAccount(Message):
    """A -> B, signed by the account key: open an account under it. Asked again, it is answered again."""

    bank: Key


@message(Step.STATEMENT_OF, signed=True, frame_max=KIB)
class StatementOf(Message):
    """A -> B, signed by the account key: my ledger entries from this index on. `channel` is the handshake's hash."""

    bank: Key
    start: Index
    channel: Hash


@record
class LedgerEntry(Record):
    """One line of an account: what moved it, by how much (negative: a debit), and when."""

    kind: Name
    reference: Hash
    currency: Currency
    amount: Annotated[int, Between(-UNITS_MAX, UNITS_MAX)]
    time: Seconds


@record
class Balance(Record):
    """What an account holds of one currency."""

    currency: Currency
    amount: Units


@message(Step.STATEMENT, signed=True, frame_max=32 * KIB)
class Statement(Message):
    """B -> A, signed by the bank: entries `start`, `start` + 1, ... of the account, and its balances at `time`."""

    account: Key
    start: Index
    entries: Annotated[tuple[LedgerEntry, ...], Between(0, STATEMENT_MAX)]
    balances: Annotated[tuple[Balance, ...], Between(0, 64)]
    time: Seconds


@message(Step.CLAIM, signed=False, frame_max=2 * SMALL_FRAME_MAX)
class Claim(Message):
    """Anyone who holds them -> B: authorization_b and commit, "to prove that the bank should credit"."""

    bank: Key
    authorization_b: Signed
    commit: Signed


@message(Step.CREDIT, signed=True, frame_max=KIB)
class Credit(Message):
    """B -> anyone, signed by the bank: this transaction's value stands on the merchant's account. Its performance."""

    transaction: Transaction
    currency: Currency
    value: SomeUnits

    def check(self) -> None:
        self.transaction.check_whole()
