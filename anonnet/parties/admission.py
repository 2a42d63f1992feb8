"""Whose sales a log records: else anybody could fill it, and all who follow it, with sales that never were.

In the open it takes those of the network file's merchants, and of whom its owner admits, so many of each in an hour. A
sealed entry says nothing of its merchant; there a bank's ticket admits (anonnet.protocol.sealed).
"""

from __future__ import annotations

from collections.abc import Collection

from anonnet.crypto.keys import is_sound
from anonnet.errors import Refused, Why
from anonnet.limits import MERCHANT_ENTRIES_MAX
from anonnet.parties.appending import LogTurn
from anonnet.parties.turn import Answer, Asked, From, on
from anonnet.protocol.local import Admit, Started
from anonnet.protocol.transaction import Transaction

HOUR = 3600


def whose(transaction: Transaction) -> list[bytes]:
    """The keys that a turn touches which records this sale."""
    return [transaction.outcome_key, transaction.merchant]


class Admission:
    """The desk for who may."""

    def __init__(self, merchants: Collection[bytes] | None, most: int = MERCHANT_ENTRIES_MAX) -> None:
        """`merchants`: whose sales are recorded without a word of the owner; None: everybody's, without a bound."""
        self._merchants = merchants
        self.most = most

    def check(self, turn: LogTurn, transaction: Transaction, now: int) -> None:
        """Count one more sale of its merchant, which is about to be recorded. Raises Refused."""
        merchant = transaction.merchant
        if self._merchants is None or transaction.entry_key:
            return
        turn.store.touch(merchant)
        if merchant not in self._merchants and not turn.store.admissions.admitted(merchant):
            raise Refused(Why.UNKNOWN, "this merchant is not admitted: ask who runs the log")
        if turn.store.admissions.count(merchant, now // HOUR) > self.most:
            raise Refused(Why.FULL, "so many sales of this merchant have been recorded in this hour")

    @on(Admit, by=From.OWNER)
    def admit(self, turn: LogTurn, asked: Asked[Admit]) -> Answer:
        if not is_sound(asked.body.merchant):
            raise Refused(Why.WRONG_SIGNER, "nobody can sign with this key: check it")
        turn.store.admissions.admit(asked.body.merchant)
        return Answer(Started(subject=asked.body.merchant))
