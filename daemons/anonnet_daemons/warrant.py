"""What a warrant can obtain from a bank (paper, section "Privacy": "law enforcement with warrant assumes record-keeping
on the part of the bank"): its records about one account, one sale or one token, and what no record says.

The paper's Table 1 says of who has a warrant: Consumer None. An account's records end with its withdrawals, a token's
begin with its use, and between them there is nothing to look up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anonnet.limits import STATEMENT_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.network import Network
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.store.bank import BankStore
from anonnet.store.bookkeeping import SaleRow
from anonnet.store.ledger import ACCOUNT, LOCKED, Posting
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from anonnet_daemons.owner import Failed

Facts = tuple[dict[str, Any], list[str]]
"""For programs, and in words."""
SHOWN_SALES = 4
"""How many outcome keys are shown to choose from."""
SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Warrant:
    """Somebody who may read everything that one bank has stored."""

    store: BankStore
    network: Network
    brands: dict[bytes, Brand]

    def account(self, digits: str) -> Facts:
        """What stands about the account whose key begins so. Raises Failed."""
        opened = self.store.bookkeeping.accounts()
        key = _the_one("account", opened, digits)
        postings = list(self._postings(key))
        taken, issued, used = Counter[bytes](), Counter[bytes](), self._used()
        for (brand, _), origin in self.store.bookkeeping.blinded().items():
            issued[brand] += 1
            taken[brand] += origin == key
        lines = [f"The account {key.hex()} ({self._name(key)}) was opened at {_time(opened[key])}."]
        lines += [f"{_time(each.time)}  {each.kind}  {each.amount:+} {each.currency}" for each in postings]
        brands = [
            {"brand": brand.hex(), "withdrawn": count, "of": issued[brand], "used": used[brand]}
            for brand, count in sorted((+taken).items())
        ]
        for brand, count in sorted((+taken).items()):
            lines.append(
                f"It has withdrawn {count} of the {issued[brand]} tokens of {self._brand(brand)} that this bank has "
                f"signed; {used[brand]} of that brand have been used. Each of those fits each withdrawal."
            )
        lines.append("Not recorded: which tokens came of its withdrawals, and what was bought with them.")
        entries = [
            {"time": each.time, "kind": each.kind, "amount": each.amount, "currency": each.currency}
            for each in postings
        ]
        return {"account": key.hex(), "opened": opened[key], "entries": entries, "withdrawn": brands}, lines

    def sale(self, digits: str) -> Facts:
        """What stands about the sale whose transaction number or outcome key begins so: of some the bank has the number
        no more. Raises Failed."""
        row = self._the_sale(digits.lower())
        known, amount = row.transaction, self._amount(row)
        values: dict[str, Any] = {
            "outcome_key": row.outcome_key.hex(),
            "state": row.state,
            "amount": amount,
            "currency": row.currency,
            "tokens": [],
        }
        lines = [f"The sale with the outcome key {row.outcome_key.hex()}: {row.state}."]
        if known:
            lines.append(f"It was to be decided by {_time(known.expiration)}.")
            lines.append(f"Log: {self._name(known.log)}, {known.log.hex()}.")
            values |= {"expiration": known.expiration, "log": known.log.hex()}
        if known and known.number:
            lines.append(f"Number: {known.number.hex()}.")
            lines.append(f"Merchant: {self._name(known.merchant)}, {known.merchant.hex()}.")
            values |= {"number": known.number.hex(), "merchant": known.merchant.hex()}
        else:
            lines.append("Not recorded: its number and who sold, since the paper that named them is gone.")
        lines.append(f"Amount: {amount} {row.currency}.")
        if order := _order(row.authorization_q):
            lines.append("By these tokens:")
            lines += [f"  {each.token.id.hex()}  {each.amount} {row.currency}" for each in order.payments]
            values["tokens"] = [{"token": each.token.id.hex(), "amount": each.amount} for each in order.payments]
        else:
            lines.append("Not recorded: which tokens were to pay, since they have come free.")
        lines.append("Not recorded: who paid. What was bought is in the merchant's records, if at all.")
        return values, lines

    def token(self, digits: str) -> Facts:
        """What stands about the token whose id begins so. Raises Failed."""
        used = self.store.bookkeeping.used()
        token = _the_one("token", {token for token, _ in used}, digits, "a bank knows a token from its use on")
        sales = {row.outcome_key: row for row in self.store.bookkeeping.sales()}
        exchanges = {paper.hash: body for paper in self.store.bookkeeping.exchanges() if (body := _exchange(paper))}
        uses, lines = list[dict[str, Any]](), list[str]()
        for (each, user), (brand, _, amount) in sorted(used.items()):
            if each != token:
                continue
            lines = lines or [f"The token {token.hex()} is of {self._brand(brand)}."]
            if user in sales:
                number, state = _number(sales[user]).hex(), sales[user].state
                uses.append({"sale": number, "amount": amount, "state": state})
                lines.append(f"{amount} of it in the sale {number}, {state}.")
            elif user in exchanges:
                wanted = {self._brand(each.brand): len(each.blinded) for each in exchanges[user].wanted}
                uses.append({"exchange": user.hex(), "amount": amount, "for": wanted})
                what = ", ".join(f"{count} of {name}" for name, count in wanted.items())
                lines.append(f"{amount} of it in an exchange for new tokens: {what}. Which these are is not recorded.")
        others = self._of_its_key(token)
        lines += [f"The token {each.hex()} has the same key, so they are of one wallet." for each in others]
        lines.append("Not recorded: for which account it was signed; every withdrawal of its brand fits it.")
        return {"token": token.hex(), "uses": uses, "same_key": [each.hex() for each in others]}, lines

    def _of_its_key(self, token: bytes) -> list[bytes]:
        """The other tokens that were shown with the key of this one."""
        papers = [row.authorization_q for row in self.store.bookkeeping.sales() if row.authorization_q]
        papers += self.store.bookkeeping.exchanges()
        orders = [order for paper in papers if (order := _order(paper) or _exchange(paper))]
        keys = {payment.token.id: payment.token.public_key for order in orders for payment in order.payments}
        return sorted(id for id, key in keys.items() if key == keys.get(token) and id != token)

    def _postings(self, key: bytes) -> Iterable[Posting]:
        start = 0
        while page := self.store.ledger.postings(ACCOUNT, key, start, most=STATEMENT_MAX):
            yield from page
            start += len(page)

    def _used(self) -> Counter[bytes]:
        """How many tokens of each brand have been used, wholly or in part."""
        return Counter(
            dict({token: brand for (token, _), (brand, *_) in self.store.bookkeeping.used().items()}).values()
        )

    def _the_sale(self, digits: str) -> SaleRow:
        """The only one that is named so, by its number or its outcome key. Raises Failed."""
        fitting = [
            row
            for row in self.store.bookkeeping.sales()
            if any(name.hex().startswith(digits) for name in (row.outcome_key, _number(row)) if name)
        ]
        if len(fitting) == 1:
            return fitting[0]
        keys = ", ".join(row.outcome_key.hex()[:SHOWN_DIGITS] for row in fitting[:SHOWN_SALES])
        why = f"choose an outcome key, as {keys}" if fitting else "look in the books"
        raise Failed(f"{len(fitting)} records of a sale begin with {digits}: {why}")

    def _amount(self, row: SaleRow) -> int:
        """What was locked for a sale: the ledger keeps it, whatever became of the papers."""
        moved = (each for each in self.store.bookkeeping.postings() if each.reference == row.outcome_key)
        return sum(each.amount for each in moved if each.kind == "lock" and each.book == LOCKED)

    def _name(self, identity: bytes) -> str:
        peer = self.network.peer(identity)
        return peer.name if peer else "in no network file"

    def _brand(self, id: bytes) -> str:
        brand = self.brands.get(id)
        return f"{brand.denomination} {brand.currency} (brand {id.hex()[:16]})" if brand else f"brand {id.hex()[:16]}"


def _number(row: SaleRow) -> bytes:
    """n, where the bank has it still."""
    return row.transaction.number if row.transaction else b""


def _order(paper: Signed | None) -> AuthorizationQ | None:
    body = decode(paper.body) if paper else None
    return body if isinstance(body, AuthorizationQ) else None


def _exchange(paper: Signed) -> ExchangeQ | None:
    body = decode(paper.body)
    return body if isinstance(body, ExchangeQ) else None


def _the_one(what: str, known: Iterable[bytes], digits: str, why: str = "look in the books") -> bytes:
    fitting = [each for each in known if each.hex().startswith(digits.lower())]
    if len(fitting) != 1:
        raise Failed(f"{len(fitting)} records of a {what} begin with {digits}: {why}")
    return fitting[0]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


Look = Callable[[Warrant], Facts]
