"""Commands of a party's owner, brought by the control socket only, and what a daemon answers there.

They are messages like all others, so that one codec reads them, but no step of theirs is ever taken from the network.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Annotated

from anonnet.errors import Malformed
from anonnet.limits import CURRENCY_MAX, FRAME_MAX, GOODS_BYTES_MAX, KIB
from anonnet.protocol.dispute import Demand
from anonnet.protocol.ending import ENDING_MAX, Ending
from anonnet.protocol.fields import Currency, Flag, Hash, Key, Name, Seconds, SomeUnits, Text, Units
from anonnet.protocol.goods import PARTIES_MAX, GoodsM, Size
from anonnet.protocol.transaction import expired
from anonnet.wire.codec import Between, Message, Record, encode, message, record
from anonnet.wire.signed import Signed

PATH_BYTES_MAX = 1024
"""A file's path on the owner's machine."""

STATES_MAX = 16
"""There are fewer states of a purchase."""
STATE_BYTES_MAX = 16
"""Each is a word."""
ROWS_MAX = 512
"""Rows of one local report."""


class Local(enum.IntEnum):
    """Steps of the control socket."""

    STARTED = 200
    FUND = 201
    BOOKS_OF = 202
    BOOKS = 203
    ADMIT = 204
    ADD_CHECKPOINT = 205
    CHECKPOINT_ADDED = 206
    SELL = 210
    SALES_OF = 211
    SALES = 212
    WITHDRAW = 220
    OPEN_AT = 221
    BUY = 222
    WALLET_OF = 223
    WALLET = 224
    PURCHASE_OF = 225
    PURCHASE = 226
    FORWARD = 227
    FORWARDED = 228
    STATEMENT_AT = 229
    RECOVER = 230
    RECOVERY_OF = 231
    RECOVERY = 232
    DISCARD = 233
    BUY_NOW = 234
    ACCUSE = 235
    ACCUSATION_OF = 236
    ACCUSATION = 237
    UNREACHED = 238
    NOT_READY = 239


@message(Local.STARTED, signed=False, frame_max=KIB)
class Started(Message):
    """The command has been taken in durably; `subject` names what it began."""

    subject: Hash


@message(Local.FUND, signed=False, frame_max=KIB)
class Fund(Message):
    """Owner of a bank: this much was paid in for this account. A reference counts once."""

    account: Key
    currency: Currency
    amount: SomeUnits
    reference: Hash


@message(Local.BOOKS_OF, signed=False, frame_max=KIB)
class BooksOf(Message):
    """Owner of a bank: what do the books say?"""


@record
class BookTotal(Record):
    """All books of one name and currency, added up from the postings."""

    book: Name
    currency: Currency
    amount: Annotated[int, Between(-(2**62), 2**62)]


@message(Local.BOOKS, signed=False, frame_max=FRAME_MAX)
class Books(Message):
    """The sums over all postings; together they are zero in each currency."""

    totals: Annotated[tuple[BookTotal, ...], Between(0, ROWS_MAX)]


@message(Local.ADMIT, signed=False, frame_max=KIB)
class Admit(Message):
    """Owner of a log: record the sales of this merchant, who does not stand in the network file."""

    merchant: Key


@message(Local.SELL, signed=False, frame_max=32 * KIB)
class Sell(Message):
    """Owner of a merchant: sell this file under this name from now on, to be paid at one of these banks (none: at any
    that he accepts). The file must stay where it is. `receipt`: only to who signs for the goods before she pays.
    `sealed`: the log shall record its sales without learning whose they are."""

    item: Name
    path: Annotated[str, Between(1, PATH_BYTES_MAX)]
    description: Text
    media_type: Name
    currency: Currency
    price: SomeUnits
    valid_until: Seconds
    banks: Annotated[tuple[Hash, ...], Between(0, PARTIES_MAX)] = ()
    receipt: Flag = 0
    sealed: Flag = 0


@message(Local.SALES_OF, signed=False, frame_max=KIB)
class SalesOf(Message):
    """Owner of a merchant: what has become of the orders? The newest first."""


@record
class StateCount(Record):
    """How many stand in one state."""

    state: Name
    count: Units


@record
class SaleLine(Record):
    """One order: its transaction number, what was ordered and when, and how its sale stands."""

    number: Hash
    item: Name
    opened: Seconds
    state: Name
    currency: Annotated[str, Between(0, CURRENCY_MAX)]
    price: Units


@message(Local.SALES, signed=False, frame_max=FRAME_MAX)
class Sales(Message):
    """The newest orders, and how many there are in each state."""

    lines: Annotated[tuple[SaleLine, ...], Between(0, ROWS_MAX)]
    counts: Annotated[tuple[StateCount, ...], Between(0, ROWS_MAX)]


@message(Local.OPEN_AT, signed=False, frame_max=KIB)
class OpenAt(Message):
    """Owner of a wallet or a shop: open an account at this bank."""

    bank: Key


@message(Local.WITHDRAW, signed=False, frame_max=KIB)
class Withdraw(Message):
    """Owner of a wallet: withdraw this amount, in tokens of the bank's denominations."""

    bank: Key
    currency: Currency
    amount: SomeUnits


@message(Local.BUY, signed=False, frame_max=KIB)
class Buy(Message):
    """Owner of a wallet: buy this item for at most this price, through this bank and log.

    The sale expires `lead` seconds after the log's time at which the goods have arrived. Goods of more than `size_max`
    bytes are not fetched: they come before they are paid for, and would fill the disk. `receipt`: sign for the goods
    where the contract wants that, which shows merchant and log the key of a token.
    """

    merchant: Key
    item: Name
    currency: Currency
    price_max: SomeUnits
    bank: Key
    log: Hash
    lead: Seconds
    size_max: Size = GOODS_BYTES_MAX
    receipt: Flag = 0

    def complaint(self, terms: GoodsM, now: int) -> str:
        """What is wrong with an offer for this wish, in words; empty if it is acceptable."""
        contract = terms.contract
        if contract.item != self.item:
            return "the merchant offered another item"
        if contract.currency != self.currency or contract.price > self.price_max:
            return f"the merchant asks {contract.price} {contract.currency}"
        if contract.size > self.size_max:
            return f"the goods have {contract.size} bytes"
        if self.bank not in contract.banks or self.log not in contract.logs:
            return "the merchant does not accept this bank or this log"
        if contract.receipt and not self.receipt:
            return "the merchant wants a receipt for the goods, signed with the key of a token that pays"
        if expired(contract.valid_until, now):
            return "the offer is no longer valid"
        return ""


@message(Local.BUY_NOW, signed=False, frame_max=2 * KIB)
class BuyNow(Message):
    """Owner of a wallet: the same, also with tokens that have only just been withdrawn, although that shows the bank
    a withdrawal and a payment close together."""

    wish: Buy


@message(Local.WALLET_OF, signed=False, frame_max=KIB)
class WalletOf(Message):
    """Owner of a wallet: what is in it?"""


@record
class Holding(Record):
    """Tokens of one bank, denomination and state: free, in a sale, spent; lost, where their brand has ended."""

    bank: Key
    currency: Currency
    denomination: SomeUnits
    state: Name
    count: Units


@record
class Account(Record):
    """A bank, and the key of the wallet's account there, whether or not it has been opened."""

    bank: Key
    key: Key


@message(Local.WALLET, signed=False, frame_max=FRAME_MAX)
class Wallet(Message):
    """What a wallet holds, the ids of its purchases, the newest first, and what ends, the earliest first."""

    accounts: Annotated[tuple[Account, ...], Between(0, ROWS_MAX)]
    holdings: Annotated[tuple[Holding, ...], Between(0, ROWS_MAX)]
    withdrawals: Units
    purchases: Annotated[tuple[Hash, ...], Between(0, ROWS_MAX)]
    ending: Annotated[tuple[Ending, ...], Between(0, ENDING_MAX)]

    def account(self, bank: bytes) -> bytes:
        """The key of the account at this bank."""
        return next(each.key for each in self.accounts if each.bank == bank)


@message(Local.PURCHASE_OF, signed=False, frame_max=KIB)
class PurchaseOf(Message):
    """Owner of a wallet: how does this purchase stand? While it stands in one of the states `known`, wait a while."""

    purchase: Hash
    known: Annotated[tuple[Annotated[str, Between(1, STATE_BYTES_MAX)], ...], Between(0, STATES_MAX)] = ()


@message(Local.PURCHASE, signed=False, frame_max=FRAME_MAX)
class Purchase(Message):
    """A purchase: its state in a word, what was bought, where the goods are, and the papers so far, in their order."""

    purchase: Hash
    state: Name
    item: Name
    currency: Currency
    price: Units
    detail: Text
    path: Annotated[str, Between(0, PATH_BYTES_MAX)]
    papers: Annotated[tuple[Signed, ...], Between(0, 8)]


PAPERS_BYTES_MAX = FRAME_MAX - 16 * KIB
"""What a purchase's papers may take of the frame in which it is shown: a bank may put much into a refusal."""


def fitting(papers: Iterable[Signed | None]) -> tuple[Signed, ...]:
    """Those that are there, in their order, without what would outgrow the frame."""
    room, fitting = PAPERS_BYTES_MAX, []
    for paper in papers:
        if paper is not None and (size := len(encode(paper))) <= room:
            room -= size
            fitting.append(paper)
    return tuple(fitting)


@message(Local.RECOVER, signed=False, frame_max=KIB)
class Recover(Message):
    """Owner of a wallet: find again what this seed has at this bank. `fast`: at once, which shows the bank that all
    the places asked for, and the tokens then exchanged, belong together."""

    bank: Key
    fast: Flag


@message(Local.RECOVERY_OF, signed=False, frame_max=KIB)
class RecoveryOf(Message):
    """Owner of a wallet: how far is the recovery at this bank?"""

    bank: Key


@message(Local.RECOVERY, signed=False, frame_max=KIB)
class Recovery(Message):
    """Of `places` to ask for so far, `answered` have been, and `found` were signed by the bank.

    More places follow where some are found. Then `comparing` brands are compared with what the bank says is used, and
    what is left is exchanged. It is over when all have been answered, nothing is compared and nothing is exchanged.
    """

    places: Units
    answered: Units
    found: Units
    comparing: Units
    exchanging: Units


@message(Local.DISCARD, signed=False, frame_max=KIB)
class Discard(Message):
    """Owner of a wallet: this purchase is over, and nothing of it is needed any more: no paper, no goods."""

    purchase: Hash


@message(Local.ACCUSE, signed=False, frame_max=KIB)
class Accuse(Message):
    """Owner of a wallet or a shop: show whom they bind the papers about this purchase, or this sale, and claim this."""

    subject: Hash
    claim: Name

    def check(self) -> None:
        if self.claim not in set(Demand):
            raise Malformed(f"no such claim: {self.claim}")


@message(Local.ACCUSATION_OF, signed=False, frame_max=KIB)
class AccusationOf(Message):
    """Owner of a wallet or a shop: what has the accused said to this dispute? Waits a while for it."""

    subject: Hash
    dispute: Hash


@message(Local.ACCUSATION, signed=False, frame_max=FRAME_MAX)
class Accusation(Message):
    """The redress, or the refusal, if there is one; `stands`: the dispute is still on its way."""

    answers: Annotated[tuple[Signed, ...], Between(0, 1)]
    stands: Flag
