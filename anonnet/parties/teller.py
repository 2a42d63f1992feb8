"""The bank's teller: accounts, and what their owners may read of them."""

from __future__ import annotations

from anonnet.errors import Refused, Why
from anonnet.limits import STATEMENT_MAX, UNITS_MAX
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.account import Balance, LedgerEntry, OpenAccount, Statement, StatementOf
from anonnet.protocol.local import Books, BooksOf, BookTotal, Fund, Started
from anonnet.protocol.refusal import Noted
from anonnet.store.bank import BankStore
from anonnet.store.ledger import ACCOUNT, CASH, Ledger
from anonnet.wire.signed import Signer

BankTurn = Turn[BankStore]


class Teller:
    """The desk for accounts. What stands on one is shown to its key alone, on the channel that the request names."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @on(OpenAccount, keys=lambda asked: [asked.signer])
    def open_account(self, turn: BankTurn, asked: Asked[OpenAccount]) -> Answer:
        turn.store.open_account(asked.signer, asked.arrival)
        return Answer(Noted(request=asked.signed.hash))

    @on(Fund, keys=lambda asked: [asked.body.account], by=From.OWNER)
    def fund(self, turn: BankTurn, asked: Asked[Fund]) -> Answer:
        paid = asked.body
        if not turn.store.has_account(paid.account):
            raise Refused(Why.UNKNOWN, "no such account")
        turn.store.fund(paid.account, paid.currency, paid.amount, paid.reference, asked.arrival)
        if -turn.store.ledger.balance(CASH, b"", paid.currency) > UNITS_MAX:  # so no account ever holds more either
            raise Refused(Why.BAD_AMOUNT, "no bank holds that much of one currency")
        return Answer(Started(subject=paid.reference))

    @on(StatementOf, keys=lambda asked: [asked.signer])
    def statement_of(self, turn: BankTurn, asked: Asked[StatementOf]) -> Answer:
        if asked.body.channel != asked.channel:
            raise Refused(Why.WRONG_RECEIVER, "a statement is asked for on the channel that the request names")
        if not turn.store.has_account(asked.signer):
            raise Refused(Why.UNKNOWN, "no such account")
        ledger, start = turn.store.ledger, asked.body.start
        statement = Statement(
            account=asked.signer,
            start=start,
            entries=_entries(ledger, asked.signer, start),
            balances=tuple(Balance(currency=c, amount=a) for c, a in ledger.balances(ACCOUNT, asked.signer)),
            time=asked.arrival,
        )
        return Answer(self._signer.sign(statement))

    @on(BooksOf, by=From.OWNER)
    def books_of(self, turn: BankTurn, asked: Asked[BooksOf]) -> Answer:
        rows = turn.store.ledger.totals()
        return Answer(Books(totals=tuple(BookTotal(book=b, currency=c, amount=a) for b, c, a in rows)))


def _entries(ledger: Ledger, account: bytes, start: int) -> tuple[LedgerEntry, ...]:
    lines = ledger.postings(ACCOUNT, account, start, most=STATEMENT_MAX)
    return tuple(
        LedgerEntry(kind=p.kind, reference=p.reference, currency=p.currency, amount=p.amount, time=p.time)
        for p in lines
    )
