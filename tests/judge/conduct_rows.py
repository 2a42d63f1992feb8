"""Rows of the judge's table about papers that contradict each other, and about refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.account import Claim as ClaimOf
from anonnet.protocol.account import Statement
from anonnet.protocol.purchase import Abort, AuthorizationB
from anonnet.protocol.recovery import StateOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.transaction import Transaction, log_id
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.judge.court import Case, row
from tests.judge.goods_rows import lie
from tests.judge.money_rows import (
    ASKED,
    CREDIT_OWED,
    RELEASE_OWED,
    SPENT,
    USED_ELSEWHERE,
    aborted,
    another,
    credited,
    part_sales,
    partly,
    state,
    statement,
)
from tests.paper.scenes import Deal, Scene, by, exchange_q
from tests.stage import NETWORK, key_of

JUSTIFIED = Claim.REFUSAL, Ruling.RIGHT
UNJUSTIFIED = Claim.REFUSAL, Ruling.WRONG
MADE_GOOD = Claim.REFUSAL, Ruling.DONE
WORD_ONLY = Claim.REFUSAL, Ruling.OPEN
MADE_OWED = Claim.SPENT, Ruling.OWES


def refused(scene: Scene, said: Signed) -> Signed:
    """What the bank refuses, as it says so."""
    refusal = scene.expect(scene.say("hand", scene.bank, said))
    assert isinstance(refusal, Signed)
    assert isinstance(decode(refusal.body), Refusal)
    return refusal


def refusing(request: Signed, why: Why, evidence: Sequence[Signed] = (), name: str = "bank") -> Signed:
    """A refusal in the name of a party that lies."""
    return by(name, Refusal(request=request.hash, why=why.value, detail="", evidence=tuple(evidence)))


# Two papers that contradict each other.


@row(
    Claim.TWO_OUTCOMES,
    "commit and abort of one sale",
    "the log has lied, and answers for what stands against the bank by either",
    (Claim.TWO_OUTCOMES, Ruling.WRONG),
    *(CREDIT_OWED, SPENT, RELEASE_OWED),
)
def log_says_both(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    both = by("log", Abort(transaction=deal.transaction))
    return Case([deal.authorization_q, deal.authorization_b, deal.outcome, both])


@row(Claim.TWO_OUTCOMES, "commit and abort of two sales of one number", "nothing")
def log_says_each_of_its_own(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    later = replace(deal.transaction, expiration=deal.transaction.expiration + 1)
    return Case([deal.outcome, by("log", Abort(transaction=later))])


@row(
    Claim.TWO_PROMISES,
    "two authorization_b of one bank for one sale over different values",
    "the bank has promised twice: the merchant may claim either",
    (Claim.TWO_PROMISES, Ruling.WRONG),
)
def bank_promises_twice(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    promise = decode(deal.authorization_b.body)
    assert isinstance(promise, AuthorizationB)
    return Case([deal.authorization_b, by("bank", replace(promise, value=promise.value + 1))])


@row(
    Claim.TWO_CONTRACTS,
    "two goods_m of one merchant with one number and different prices",
    "the merchant has lied: he is held to the one that was shown",
    (Claim.TWO_CONTRACTS, Ruling.WRONG),
)
def merchant_signs_two_prices(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    return Case([deal.goods_m, lie(deal, price=1)])


@row(Claim.TWO_CONTRACTS, "one goods_m twice, and one of another number", "nothing")
def merchant_signs_two_sales(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    return Case([deal.goods_m, deal.goods_m, Deal.offered(scene, deal.hand, deal.coins).goods_m])


@row(
    Claim.TWO_BRANDS,
    "two brands of one bank, currency and denomination that are open at the same time",
    "the bank can tell its customers apart",
    (Claim.TWO_BRANDS, Ruling.WRONG),
)
def bank_opens_two_brands(scene: Scene) -> Case:
    brand = scene.brand(1)
    return Case([by("bank", brand), by("bank", replace(brand, opens=brand.closes, closes=brand.closes + 90_000))])


@row(Claim.TWO_BRANDS, "two brands of one bank, the second of which opens when the first has closed", "nothing")
def bank_opens_the_next_brand(scene: Scene) -> Case:
    brand = scene.brand(1)
    return Case([by("bank", brand), by("bank", replace(brand, opens=brand.closes + 1, closes=brand.closes + 90_000))])


@row(
    Claim.STATEMENTS,
    "two statements of one account that differ in one entry",
    "the bank has lied",
    *((Claim.STATEMENTS, Ruling.WRONG), (Claim.STATEMENTS, Ruling.WRONG)),
)
def bank_rewrites_a_statement(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    credited(scene, deal)
    honest = statement(scene)
    said = decode(honest.body)
    assert isinstance(said, Statement)
    entries = tuple(replace(entry, amount=entry.amount - 1) for entry in said.entries)
    return Case([honest, by("bank", replace(said, entries=entries))])


@row(
    *(Claim.STATEMENTS, "a whole statement whose balance is not the sum", "the bank has lied"),
    (Claim.STATEMENTS, Ruling.WRONG),
)
def bank_miscounts(scene: Scene) -> Case:
    credited(scene, Deal.committed(scene))
    said = decode(statement(scene).body)
    assert isinstance(said, Statement)
    return Case([by("bank", replace(said, balances=()))])


@row(Claim.STATEMENTS, "an older and a newer statement of one account", "nothing")
def bank_states_what_has_grown(scene: Scene) -> Case:
    before = statement(scene)
    credited(scene, Deal.committed(scene))
    return Case([before, statement(scene)])


# Refusals.


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with commit and authorization_q of an earlier sale",
    "the refusal is justified, and nothing is free",
    *(JUSTIFIED, SPENT, USED_ELSEWHERE),
)
def token_was_spent(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    again = Deal.offered(scene, deal.hand, deal.coins).authorization_q
    return Case([again, refused(scene, again)])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with authorization_q of a sale that is open",
    "the refusal is justified, as long as that sale may commit",
    JUSTIFIED,
)
def token_is_locked(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    again = Deal.offered(scene, deal.hand, deal.coins).authorization_q
    return Case([again, refused(scene, again)])


@row(
    Claim.REFUSAL,
    "the same, and the abort of that sale",
    "the lock counts no more: ask again; the bank must let the tokens go",
    *(WORD_ONLY, RELEASE_OWED),
)
def token_was_locked(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    again = Deal.offered(scene, deal.hand, deal.coins).authorization_q
    return Case([again, refused(scene, again), abort])


@row(
    Claim.REFUSAL,
    "exchange_q, its refusal (token-used) with authorization_q of a sale that is open",
    "the refusal is justified",
    *(JUSTIFIED, ASKED),
)
def exchange_of_a_locked_token(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    one = next(coin for coin in deal.coins if coin.worth == 1)
    asked = exchange_q([one], deal.hand.secrets(1))
    return Case([asked, refused(scene, asked)])


@row(
    Claim.REFUSAL,
    "a question for a token's state, its refusal (token-used) with exchange_q",
    "the refusal is justified, and the bank owes exchange_b",
    *(JUSTIFIED, MADE_OWED),
)
def state_of_an_exchanged_token(scene: Scene) -> Case:
    hand = another(scene)
    (coin,) = hand.withdraw(1)
    scene.ask(scene.bank, exchange_q([coin], hand.secrets(1)))
    body = StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32))
    asked = Signer(NETWORK, coin.secrets.key).sign(body)
    return Case([asked, refused(scene, asked)])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (token-used) without evidence", "the bank has to take it, or show"),
    UNJUSTIFIED,
)
def refused_for_nothing(scene: Scene) -> Case:
    asked = Deal.offered(scene).authorization_q
    return Case([asked, refusing(asked, Why.TOKEN_USED)])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) without evidence, the bank's word that its tokens can be used",
    "the bank has taken it back",
    MADE_GOOD,
)
def taken_back(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    words = [state(scene, coin) for coin in deal.coins]
    return Case([deal.authorization_q, refusing(deal.authorization_q, Why.TOKEN_USED), *words])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) without evidence, commit and authorization_q of an earlier sale",
    "the bank has shown it since",
    *(MADE_GOOD, SPENT),
)
def shown_since(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    again = Deal.offered(scene, deal.hand, deal.coins).authorization_q
    return Case([again, refusing(again, Why.TOKEN_USED), deal.authorization_q, deal.outcome])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with the use of another token",
    "the bank has to take it, or show",
    *(UNJUSTIFIED, SPENT),
)
def refused_for_another_token(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    asked = Deal.offered(scene, another(scene)).authorization_q
    return Case([asked, refusing(asked, Why.TOKEN_USED, [deal.authorization_q, deal.outcome])])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (token-used) with itself", "the bank has to take it, or show"),
    UNJUSTIFIED,
)
def refused_by_itself(scene: Scene) -> Case:
    asked = Deal.offered(scene).authorization_q
    return Case([asked, refusing(asked, Why.TOKEN_USED, [asked])])


@row(
    Claim.REFUSAL,
    "authorization_q over a part of a token, its refusal (token-used) with parts that leave enough",
    "the bank has to take it, or show",
    *(UNJUSTIFIED, SPENT, SPENT),
)
def parts_leave_enough(scene: Scene) -> Case:
    coin, orders, commits = part_sales(scene, 1, 2)
    hand = another(scene)
    asked = partly(hand, coin, 1, Deal.offered(scene, hand, [coin]))
    return Case([asked, refusing(asked, Why.TOKEN_USED, [*orders, *commits])])


@row(
    Claim.REFUSAL,
    "authorization_q over a part of a token, its refusal (token-used) with parts that leave too little",
    "the refusal is justified, and what they leave is free",
    *(JUSTIFIED, SPENT, SPENT, RELEASE_OWED),
)
def parts_leave_too_little(scene: Scene) -> Case:
    coin, orders, commits = part_sales(scene, 1, 2)
    hand = another(scene)
    asked = partly(hand, coin, 2, Deal.offered(scene, hand, [coin]))
    return Case([asked, refusing(asked, Why.TOKEN_USED, [*orders, *commits])])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (sale-authorized) with the promise over another payment",
    "the refusal is justified, and the tokens are free",
    *(JUSTIFIED, RELEASE_OWED),
)
def somebody_else_pays(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    other = another(scene)
    asked = other.pays(other.withdraw(4, 1), deal.transaction)
    return Case([asked, refused(scene, asked)])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with an authorization_q that the bank has refused (sale-authorized)",
    "the bank has to take it, or show; the tokens are free",
    *(UNJUSTIFIED, JUSTIFIED, RELEASE_OWED),
)
def used_by_what_was_turned_down(scene: Scene) -> Case:
    deal, other = Deal.authorized(scene), another(scene)
    coins = other.withdraw(4, 1)
    turned_down = other.pays(coins, deal.transaction)
    asked = Deal.offered(scene, other, coins).authorization_q
    papers = [turned_down, refused(scene, turned_down), asked]
    return Case([*papers, refusing(asked, Why.TOKEN_USED, [turned_down])])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (sale-authorized) with the promise for another sale",
    "the bank has to take it, or show; the tokens are free by its word",
    *(UNJUSTIFIED, RELEASE_OWED),
)
def somebody_else_pays_for_something_else(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    asked = Deal.offered(scene, another(scene)).authorization_q
    return Case([asked, refusing(asked, Why.SALE_AUTHORIZED, [deal.authorization_b])])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (sale-authorized) with the promise of another bank",
    "the bank has to take it, or show; the tokens are free by its word",
    *(UNJUSTIFIED, RELEASE_OWED),
)
def somebody_else_pays_elsewhere(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    other = another(scene)
    asked = other.pays(other.withdraw(4, 1), deal.transaction)
    promise = by("mallory", decode(deal.authorization_b.body))
    return Case([asked, refusing(asked, Why.SALE_AUTHORIZED, [promise])])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (sale-aborted) with the abort", "the refusal is justified"),
    *(JUSTIFIED, RELEASE_OWED),
)
def sale_has_failed(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    scene.ask(scene.bank, abort)
    return Case([deal.authorization_q, refused(scene, deal.authorization_q)])


@row(
    Claim.REFUSAL,
    "commit, authorization_b, the bank's refusal (sale-aborted) of both with the abort of that sale",
    "the refusal is justified: the log has lied",
    *(JUSTIFIED, CREDIT_OWED, (Claim.TWO_OUTCOMES, Ruling.WRONG)),
)
def claim_of_what_failed(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    claim = ClaimOf(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    abort = by("log", Abort(transaction=deal.transaction))
    refusal = refusing(unsigned(claim).signed, Why.SALE_ABORTED, [abort])
    return Case([deal.authorization_b, deal.outcome, refusal])


@row(
    Claim.REFUSAL,
    "commit, authorization_b, the bank's refusal (sale-aborted) of both with the abort of another sale",
    "the bank must credit the merchant, and had no reason to refuse",
    *(UNJUSTIFIED, CREDIT_OWED),
)
def claim_refused_for_another_sale(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    claim = ClaimOf(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    later = replace(deal.transaction, expiration=deal.transaction.expiration + 1)
    refusal = refusing(unsigned(claim).signed, Why.SALE_ABORTED, [by("log", Abort(transaction=later))])
    return Case([deal.authorization_b, deal.outcome, refusal])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal for a reason without evidence (expired)", "it rests on its word"),
    WORD_ONLY,
)
def refused_as_late(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    scene.now = deal.transaction.expiration + 1
    return Case([deal.authorization_q, refused(scene, deal.authorization_q)])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (sale-aborted) with the abort of a log whose rules are not shown",
    "open: the log's key and policy are needed",
    WORD_ONLY,
    set_aside=1,
)
def evidence_of_an_unknown_log(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    elsewhere: Transaction = replace(deal.transaction, log=log_id(key_of("elsewhere").public))
    asked = deal.hand.pays(deal.coins, elsewhere)
    return Case([asked, refusing(asked, Why.SALE_ABORTED, [by("elsewhere", Abort(transaction=elsewhere))])])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal by another than the bank that was asked",
    "nothing; it is set aside",
    set_aside=1,
)
def refused_by_another(scene: Scene) -> Case:
    asked = Deal.offered(scene).authorization_q
    return Case([asked, refusing(asked, Why.TOKEN_USED, name="mallory")])


@row(Claim.REFUSAL, "a refusal without what it refuses", "nothing; it is set aside", set_aside=1)
def refused_nothing_that_is_shown(scene: Scene) -> Case:
    return Case([refusing(Deal.offered(scene).authorization_q, Why.TOKEN_USED)])
