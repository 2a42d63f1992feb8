"""The auditor of a bank: all balances and every token's history, recomputed from signed messages.

What each message moves is known from the paper; what the books say moved is compared with it, movement by movement, and
so are the balances and the list of used tokens. Nobody signs three things, and they are named as such: what was paid in
rests on the bank's word; a lock that ended with the claim time has left nothing to show; of a brand that is over the
papers are gone, and only that its movements cancel out is left to see.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from anonnet.errors import Malformed
from anonnet.protocol.admitting import admit, admitted
from anonnet.protocol.brand import Brand
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.outcome import Logs
from anonnet.protocol.papers import Papers
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.recovery import used_name
from anonnet.protocol.token import Payment
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.store.bookkeeping import Bookkeeping, Posted, SaleRow
from anonnet.store.ledger import ACCOUNT, CASH, EXPIRED, LOCKED, TOKENS
from anonnet.store.sales import ABORTED, COMMITTED, LAPSED, LOCKED_SALE
from anonnet.wire.signed import Signed, checked

Book = tuple[str, bytes, str]
"""A book's name, its owner, the currency."""
Use = tuple[bytes, bytes]
"""A token, and the sale or exchange that it is used in."""
Movement = tuple[bytes, ...]
"""What moves money once: a reference; or all that one account has withdrawn of one brand, since withdrawals may
overlap and each blinded message is paid for once."""
SHOWN = {LOCKED_SALE: (1, 1, 0, 0), COMMITTED: (1, 1, 1, 0), ABORTED: (0, 0, 0, 1), LAPSED: (0, 0, 0, 0)}
"""How many of P2, P3, commit and abort a sale's row holds in each state. Where an aborted one holds P3 too, that opens
what the log has recorded, and shows that it is no P4."""


@dataclass
class Audit:
    """The books of one bank under its auditor."""

    network: str
    bank: bytes
    logs: Logs
    signed_brands: Sequence[Signed]
    complaints: list[str] = field(default_factory=list)
    papers: int = 0
    """How many signed messages were checked."""
    paid_in: Counter[str] = field(default_factory=Counter)
    """What rests on the bank's own word, by currency."""

    def __post_init__(self) -> None:
        known = admitted(self.network, self.logs, [("the network file", each) for each in self.signed_brands])
        self._brands = {id: brand for id, brand in known.brands.items() if brand.body.bank == self.bank}
        self._due: dict[Movement, Counter[Book]] = defaultdict(Counter)
        self._used: dict[Use, tuple[bytes, bytes, int]] = {}
        self._blinded: dict[tuple[bytes, bytes], bytes] = {}
        self._spent: Counter[bytes] = Counter()
        self._withdrawn: dict[bytes, Movement] = {}

    def run(self, books: Bookkeeping) -> list[str]:
        """Look at everything; return what is wrong, a sentence for each."""
        for withdraw_c in books.withdrawals():
            self._withdrawal(withdraw_c)
        for exchange_q in books.exchanges():
            self._exchange(exchange_q)
        for sale in books.sales():
            self._sale(sale)
        self._compare_postings(books)
        self._compare_uses(books)
        self._compare_blinded(books)
        return self.complaints

    def _wrong(self, what: str) -> None:
        self.complaints.append(what)

    # What signed messages say.

    def _withdrawal(self, paper: Signed) -> None:
        """W1: the account pays for each blinded message that it has not paid for before."""
        self.papers += 1
        try:
            said = checked(self.network, paper, WithdrawC)
        except Malformed as why:
            return self._wrong(f"a withdrawal does not hold: {why}")
        if said.body.brand not in self._brands or said.body.bank != self.bank:
            return self._wrong("a withdrawal of a brand that this bank does not have")
        brand, account = self._brand(said.body.brand), said.signer
        new = [message for message in said.body.blinded if (brand.id, message) not in self._blinded]
        self._blinded |= {(brand.id, message): account for message in new}
        if {self._blinded[brand.id, message] for message in said.body.blinded} != {account}:
            self._wrong("one blinded message is withdrawn by two accounts")
        amount = len(new) * brand.denomination
        self._withdrawn[paper.hash] = movement = account, brand.id
        self._move(movement, brand.currency, (ACCOUNT, account, -amount), (TOKENS, brand.id, amount))
        return None

    def _exchange(self, paper: Signed) -> None:
        """E1: tokens for others of the same worth."""
        for exchange in self._hold("an exchange", [paper]).exchanges:
            order: ExchangeQ = exchange.body
            for wanted in order.wanted:
                self._blinded |= {(wanted.brand, message): paper.hash for message in wanted.blinded}
                brand = self._brand(wanted.brand)
                self._move((paper.hash,), brand.currency, (TOKENS, brand.id, len(wanted.blinded) * brand.denomination))
            self._take((paper.hash,), order.payments, paper.hash)

    def _sale(self, sale: SaleRow) -> None:
        """P2, P3 and the outcome: a lock, and what came of it."""
        name = f"the sale {sale.outcome_key.hex()[:16]}"
        papers = self._hold(name, [each for each in (sale.authorization_q, sale.authorization_b, sale.proof) if each])
        named = [each.body.transaction for each in papers.orders] + [each.body for each in papers.aborts]
        named += [each.body.transaction for each in papers.promises] + [
            each.body.transaction for each in papers.commits
        ]
        there = len(papers.orders), len(papers.promises), len(papers.commits), len(papers.aborts)
        shown = (0, 1, 0, 1) if sale.state == ABORTED and sale.authorization_b else SHOWN.get(sale.state)
        if there != shown or {each.outcome_key for each in named} - {sale.outcome_key}:
            return self._wrong(f"{name} is {sale.state}, and its papers do not show that")
        for order, promise in zip(papers.orders, papers.promises, strict=False):
            answer = AuthorizationB.answering(order.body, sale.currency, promise.body.ticket)
            if promise.signer != self.bank or promise.body != answer:
                self._wrong(f"{name}: the promise is not what the authorization asked for")
            self._take((sale.outcome_key,), order.body.payments, sale.outcome_key)
            into = (ACCOUNT, order.body.transaction.merchant) if sale.state == COMMITTED else None
            for payment in order.body.payments:
                book = into or (LOCKED, payment.token.brand)
                self._move((sale.outcome_key,), sale.currency, (*book, payment.amount))
        return None

    def _hold(self, name: str, papers: list[Signed]) -> Papers:
        """The papers, of which each must hold."""
        self.papers += len(papers)
        held = Papers(self.network, self.logs, brands=dict(self._brands))
        admit(held, ((name, each) for each in papers))
        self.complaints += held.set_aside
        return held

    def _brand(self, brand: bytes) -> Brand:
        return self._brands[brand].body

    def _take(self, movement: Movement, payments: tuple[Payment, ...], user: bytes) -> None:
        """Tokens are used, in all their uses together for no more than they are worth."""
        for payment in payments:
            token, brand = payment.token, self._brand(payment.token.brand)
            self._move(movement, brand.currency, (TOKENS, brand.id, -payment.amount))
            self._used[token.id, user] = token.brand, used_name(token.id), payment.amount
            self._spent[token.id] += payment.amount
            if self._spent[token.id] > brand.denomination:
                self._wrong(f"the token {token.id.hex()[:16]} is used for more than it is worth")

    def _move(self, movement: Movement, currency: str, *legs: tuple[str, bytes, int]) -> None:
        for book, owner, amount in legs:
            self._due[movement][book, owner, currency] += amount

    # What the books say.

    def _compare_postings(self, books: Bookkeeping) -> None:
        posted: dict[Movement, Counter[Book]] = defaultdict(Counter)
        kinds: dict[Movement, set[str]] = defaultdict(set)
        sums: Counter[Book] = Counter()
        for line in self._in_order(books.postings()):
            movement = self._withdrawn.get(line.reference, (line.reference,))
            posted[movement][line.book, line.owner, line.currency] += line.amount
            kinds[movement].add(line.kind)
            sums[line.book, line.owner, line.currency] += line.amount
        funded, ended = books.funded(), books.ended()
        for movement in {**self._due, **posted}:
            due, found = _moved(self._due[movement]), _moved(posted[movement])
            paid_in = kinds[movement] == {"fund"} and self._paid_in(found, funded.get(movement[0]))
            if due != found and not paid_in and not _over(found, ended):
                self._wrong(f"by its papers {movement[0].hex()[:16]} moves {_told(due)}, by the books {_told(found)}")
        balances = books.balances()
        for book in {**sums, **balances}:
            if balances.get(book, 0) != sums[book]:
                self._wrong(f"the balance of {_named(book)} is {balances.get(book, 0)}, its entries make {sums[book]}")

    def _in_order(self, lines: Iterable[Posted]) -> Iterator[Posted]:
        """Entries stand at 0, 1, 2, ... of their book: none has been taken out."""
        last: dict[tuple[str, bytes], int] = {}
        for line in lines:
            if line.position != last.get((line.book, line.owner), -1) + 1:
                self._wrong(f"an entry before {line.position} of {line.book} {line.owner.hex()[:16]} is missing")
            last[line.book, line.owner] = line.position
            yield line

    def _paid_in(self, found: Counter[Book], account: bytes | None) -> bool:
        """True if this movement is what the bank says was paid in for this account."""
        paid = {owner: (currency, amount) for (book, owner, currency), amount in found.items() if book == ACCOUNT}
        if sum(found.values()) or {book for book, *_ in found} != {CASH, ACCOUNT} or list(paid) != [account]:
            return False
        self.paid_in.update(dict(paid.values()))
        return True

    def _compare_uses(self, books: Bookkeeping) -> None:
        ended, noted = books.ended(), books.used()
        for token, user in {**noted, **self._used}:
            shown, found = self._used.get((token, user)), noted.get((token, user))
            brand, *_ = shown or found or (b"",)
            if shown != found and brand not in ended:
                told = [f"{each[2]} of it" if each else "nothing" for each in (shown, found)]
                self._wrong(
                    f"of the token {token.hex()[:16]} {user.hex()[:16]} takes {told[0]} by its papers, and {told[1]} by"
                    " the list of used tokens"
                )

    def _compare_blinded(self, books: Bookkeeping) -> None:
        ended, blinded = books.ended(), books.blinded()
        for brand, message in {**blinded, **self._blinded}:
            asked, noted_for = self._blinded.get((brand, message)), blinded.get((brand, message))
            if asked != noted_for and brand not in ended:
                who = [each.hex()[:16] if each else "nobody" for each in (asked, noted_for)]
                self._wrong(
                    f"a blinded message of brand {brand.hex()[:16]} is paid by {who[0]}, and noted for {who[1]}"
                )


def _moved(movement: Counter[Book]) -> Counter[Book]:
    """A movement without what cancels out in it: a lock that was released."""
    return Counter({book: amount for book, amount in movement.items() if amount})


def _named(book: Book) -> str:
    return f"{book[0]} {book[1].hex()[:16]} ({book[2]})".replace("  ", " ")


def _told(movement: Counter[Book]) -> str:
    return ", ".join(f"{amount:+} {_named(book)}" for book, amount in movement.items()) or "nothing"


def _over(movement: Counter[Book], ended: set[bytes]) -> bool:
    """True if this is about brands that are over, so that its papers are gone; all of it must cancel out still."""
    brands = {owner for book, owner, _ in movement if book in (TOKENS, LOCKED, EXPIRED)}
    return bool(brands) and brands <= ended and not sum(movement.values())
