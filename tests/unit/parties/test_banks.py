"""One wallet and one merchant at two banks, one of which has two currencies: what is whose money, and stays so."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.consumer import Consumer
from anonnet.protocol.account import Claim, Statement, StatementOf
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import BooksOf, Buy, Fund, OpenAt, Recover, Sell, WalletOf, Withdraw
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.recovery import Restore
from anonnet.protocol.refusal import Refusal
from anonnet.store.wallet import WalletStore
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.paper.scenes import LEAD, Line, Scene, body_of
from tests.stage import NETWORK, key_of

BANKS = {"bank": ("EUR", "USD"), "second": ("USD",)}
TILLS = [("bank", "EUR"), ("bank", "USD"), ("second", "USD")]
WITHDRAWN = {("bank", "EUR"): 5, ("bank", "USD"): 4, ("second", "USD"): 6}
SEED = hashlib.sha256(b"seed of consumer").digest()


@dataclass
class Market(Scene):
    """Two banks; a merchant and a consumer with accounts at both; tokens of all three kinds."""

    withdrawn: dict[tuple[str, str], int] = field(default_factory=lambda: dict(WITHDRAWN))

    def prepare(self, units: int = 0) -> None:
        for name in self.banks:
            for actor in (self.merchant, self.consumer):
                actor.command(OpenAt(bank=self.by_name[name]))
        self.settle()
        for (name, currency), amount in self.withdrawn.items():
            account = self.consumer.command(WalletOf()).account(self.by_name[name])
            reference = hashlib.sha256(f"{name} {currency}".encode()).digest()
            self.banks[name].command(Fund(account=account, currency=currency, amount=amount, reference=reference))
            self.consumer.command(Withdraw(bank=self.by_name[name], currency=currency, amount=amount))
        self.settle()

    def heir(self) -> Actor:
        """A wallet that has nothing but the consumer's seed, in her place."""
        party = Consumer(self.network, SEED, [each.brand for each in self.minted])
        self.consumers = [self._actor("heir", party, WalletStore())]
        for name in self.banks:
            self.consumers[0].store.recovery.forget(self.by_name[name])
        return self.consumers[0]

    def offer(self, item: str, price: int, currency: str, *banks: str) -> Any:
        """Put an item on sale, to be paid at these banks."""
        path = self.folder / f"{item}.goods"
        path.write_bytes(item.encode())
        about = {"description": item, "media_type": "text/plain", "valid_until": self.now + 24 * 3600}
        keys = tuple(self.by_name.get(name, key_of(name).public) for name in banks)
        return self.merchant.command(
            Sell(item=item, path=str(path), currency=currency, price=price, banks=keys, **about)
        )

    def order(self, item: str, price: int, currency: str, bank: str, actor: Actor | None = None) -> Any:
        """Have the consumer buy an item at a bank; the daemon's answer."""
        wish = Buy(
            merchant=self.merchant_key,
            item=item,
            currency=currency,
            price_max=price,
            bank=self.by_name[bank],
            log=self.log_name,
            lead=LEAD,
        )
        return (actor or self.consumer).command(wish)

    def free(self, actor: Actor | None = None) -> dict[tuple[str, str], int]:
        """What can be spent, by bank and currency."""
        sums: Counter[tuple[str, str]] = Counter()
        for each in (actor or self.consumer).command(WalletOf()).holdings:
            if each.state == "free":
                sums[self.identities[each.bank], each.currency] += each.count * each.denomination
        return dict(sums)

    def earned(self, name: str) -> dict[str, int]:
        """What stands on the merchant's account at a bank, by its signed statement."""
        asked = Signer(NETWORK, key_of("merchant")).sign(
            StatementOf(bank=self.by_name[name], start=0, channel=bytes(32))
        )
        statement = body_of(self.expect(self.banks[name].takes(frame(asked, 1))))
        assert isinstance(statement, Statement)
        return {each.currency: each.amount for each in statement.balances}

    def check_books(self) -> None:
        """At each bank, in each currency: what was paid in is all there, and no sale holds anything."""
        for name, bank in self.banks.items():
            books = {(each.book, each.currency): each.amount for each in bank.command(BooksOf()).totals}
            for currency in BANKS[name]:
                assert sum(amount for (_, of), amount in books.items() if of == currency) == 0
                assert books["cash", currency] == -self.withdrawn[name, currency]
                assert not books.get(("locked", currency))


@pytest.fixture
def market(tmp_path: Path) -> Market:
    made = Market(tmp_path, currencies=BANKS)
    made.prepare()
    return made


def test_a_wallet_has_an_account_at_each_bank_and_money_by_bank_and_currency(market: Market) -> None:
    accounts = market.consumer.command(WalletOf()).accounts

    assert [market.identities[each.bank] for each in accounts] == list(BANKS)
    assert len({each.key for each in accounts}) == len(BANKS), "two banks could compare their customers"
    assert market.free() == WITHDRAWN


@pytest.mark.parametrize("till", TILLS, ids=" ".join)
def test_a_purchase_is_paid_at_the_bank_and_in_the_currency_that_the_contract_names(
    market: Market, till: tuple[str, str]
) -> None:
    name, currency = till
    market.offer("item", 4, currency, name)

    started = market.order("item", 4, currency, name)
    market.settle()

    assert market.purchase(started.subject).state == "done"
    rest = {**WITHDRAWN, till: WITHDRAWN[till] - 4}
    assert market.free() == {each: units for each, units in rest.items() if units}
    assert {line.receiver for line in market.said(AuthorizationQ)} == {name}
    assert {line.receiver for line in market.said(Claim)} == {name}
    for bank in BANKS:
        assert market.earned(bank) == ({currency: 4} if bank == name else {})
    market.check_books()


def test_money_of_another_bank_or_currency_does_not_pay(market: Market) -> None:
    market.offer("dear", 6, "USD", "bank", "second")
    market.offer("there", 2, "USD", "second")

    poor = market.order("dear", 6, "USD", "bank").subject  # 4 here and 6 at the other bank
    elsewhere = market.order("there", 2, "USD", "bank").subject
    unknown = market.order("dear", 6, "EUR", "second")
    market.settle()

    shown = market.purchase(poor)
    assert (shown.state, shown.detail) == (
        "refused",
        "the wallet has not enough free tokens in USD of bank: withdraw more",
    )
    assert market.purchase(elsewhere).detail == "the merchant does not accept this bank or this log"
    refusal = body_of(unknown)
    assert isinstance(refusal, Refusal)
    assert (refusal.why, refusal.detail) == (Why.BAD_CURRENCY, "second gives out no tokens in EUR")
    assert market.free() == WITHDRAWN
    assert not market.said(AuthorizationQ)


def test_a_merchant_sells_through_the_banks_that_he_names(market: Market) -> None:
    market.offer("one", 2, "USD", "second")
    market.offer("any", 2, "USD")
    refusal = body_of(market.offer("none", 2, "USD", "stranger"))

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.WRONG_SIGNER
    offers = {each.sell.item: each.offer for each in market.merchant.store.items("", most=10)}
    assert {item: len(offer.banks) for item, offer in offers.items()} == {"one": 1, "any": 2}
    purchase = market.order("one", 2, "USD", "second").subject
    market.lost = lambda line: line.kind is AuthorizationQ
    market.settle()
    market.lost = lambda line: False
    q = market.consumer.store.purchase(purchase).authorization_q
    other = AuthorizationB.answering(body_of(q), "USD")  # type: ignore[arg-type]
    refused = market.refused(market.merchant, Signer(NETWORK, key_of("bank")).sign(other))
    assert refused.why == Why.WRONG_SIGNER, "a promise of a bank that this contract does not name"


def test_change_that_comes_from_one_bank_does_not_end_what_waits_for_another(market: Market) -> None:
    market.offer("first", 3, "USD", "bank")  # of a single 4
    market.offer("other", 5, "USD", "second")  # of 4 and 2
    market.lost = lambda line: line.kind is ExchangeQ and line.receiver == "bank"

    first = market.order("first", 3, "USD", "bank").subject
    other = market.order("other", 5, "USD", "second").subject
    market.settle()
    waiting, done = market.purchase(first), market.purchase(other)
    market.lost = lambda line: False
    market.pass_time(RETRY_SECONDS_MAX)

    assert (waiting.state, done.state) == ("changing", "done")
    assert market.purchase(first).state == "done"
    assert market.free() == {("bank", "EUR"): 5, ("bank", "USD"): 1, ("second", "USD"): 1}
    market.check_books()


def test_tokens_of_a_failed_sale_are_renewed_at_their_bank(market: Market) -> None:
    market.offer("item", 6, "USD", "second")
    market.lost = lambda line: line.kind is AuthorizationM
    before = {held.id for held in market.consumer.store.tokens.in_state("free", market.consumer.party.purse.brands)}  # type: ignore[attr-defined]

    market.order("item", 6, "USD", "second")
    market.settle()
    market.to_expiration()

    after = market.consumer.store.tokens.in_state("free", list(market.consumer.party.purse.brands))  # type: ignore[attr-defined]
    assert market.free() == WITHDRAWN
    assert {line.receiver for line in market.said(ExchangeQ)} == {"second"}
    assert len(before - {held.id for held in after}) == 2, "the tokens that the bank has seen are other ones now"
    market.check_books()


@pytest.mark.slow
def test_a_wallet_from_its_words_recovers_at_each_bank_by_itself(tmp_path: Path) -> None:
    market = Market(tmp_path, currencies=BANKS, denominations={2: "2048-a"}, withdrawn=dict.fromkeys(TILLS, 4))
    market.prepare()  # few lanes, since every place of each is asked for
    heir = market.heir()

    def bank_is_silent(line: Line) -> bool:
        return "bank" in (line.sender, line.receiver)

    market.lost = bank_is_silent
    for name in BANKS:
        heir.command(Recover(bank=market.by_name[name], fast=1))
    market.settle()
    alone = market.free(heir)
    refused = body_of(heir.command(Withdraw(bank=market.bank_key, currency="EUR", amount=1)))
    taken = heir.command(Withdraw(bank=market.by_name["second"], currency="USD", amount=2))
    market.lost = lambda line: False
    market.pass_time(RETRY_SECONDS_MAX)

    assert alone == {("second", "USD"): 4}
    assert isinstance(refused, Refusal)
    assert refused.detail == "the wallet is recovering: withdraw when it knows what it has there"
    assert not isinstance(taken, Refusal)
    assert market.free(heir) == market.withdrawn
    assert {line.receiver for line in market.said(Restore)} == set(BANKS)
    market.check_books()
