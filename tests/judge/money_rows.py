"""Rows of the judge's table about money: credits, spent tokens, releases, double spending."""

from __future__ import annotations

from dataclasses import replace

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.account import Claim as ClaimOf
from anonnet.protocol.account import Credit, StatementOf
from anonnet.protocol.exchange import ExchangeB
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ, Commit
from anonnet.protocol.recovery import State, StateOf
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.judge.court import Case, row
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene, by, exchange_q, tampered
from tests.stage import CURRENCY, NETWORK, key_of

CREDIT_OWED = Claim.CREDIT, Ruling.OWES
CREDITED = Claim.CREDIT, Ruling.DONE
SPENT = Claim.SPENT, Ruling.RIGHT
ASKED = Claim.SPENT, Ruling.OPEN
RELEASE_OWED = Claim.RELEASE, Ruling.OWES
USED_ELSEWHERE = Claim.RELEASE, Ruling.RIGHT
LATER = 300
"""Seconds by which a sale expires after others of the scene."""


def aborted(scene: Scene, hand: Hand | None = None, coins: list[Coin] | None = None) -> tuple[Deal, Signed]:
    """A sale whose merchant stayed silent, and the log's abort."""
    deal = Deal.authorized(scene, hand, coins)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    return deal, deal.outcome


def credited(scene: Scene, deal: Deal) -> Signed:
    """The bank's credit for a claim."""
    claim = ClaimOf(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    said = scene.expect(scene.say("merchant", scene.bank, claim))
    assert isinstance(said, Signed)
    assert isinstance(decode(said.body), Credit)
    return said


def statement(scene: Scene, owner: Signer | None = None) -> Signed:
    """The bank's statement of an account, the merchant's if nobody else's."""
    signer = owner or Signer(NETWORK, key_of("merchant"))
    said = scene.bank.takes(frame(signer.sign(StatementOf(bank=scene.bank_key, start=0, channel=bytes(32))), 1))
    assert isinstance(said, Signed)
    return said


def another(scene: Scene, name: str = "another") -> Hand:
    """A second consumer with something on her account."""
    hand = Hand(scene, name)
    hand.open(2 * PRICE)
    return hand


# The merchant's credit.


@row(
    *(Claim.CREDIT, "commit, authorization_b", "the bank must credit the merchant with the value it promised"),
    *(CREDIT_OWED, SPENT),
)
def merchant_claims(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.authorization_q, deal.authorization_b, deal.outcome])


@row(
    *(Claim.CREDIT, "commit, authorization_b, no authorization_q", "the same; the bank can hold no token for it"),
    CREDIT_OWED,
)
def promise_without_lock(scene: Scene) -> Case:
    deal = Deal.offered(scene)  # P2 is never sent, and the bank promises nevertheless
    scene.ask(scene.log, deal.authorization_m)
    return Case([deal.authorization_b, deal.outcome])


@row(Claim.CREDIT, "commit, authorization_b, credit", "the bank has paid", CREDITED)
def bank_has_credited(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.authorization_b, deal.outcome, credited(scene, deal)])


@row(Claim.CREDIT, "commit, authorization_b, a statement with the entry", "the bank has paid", CREDITED)
def statement_shows_the_credit(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    credited(scene, deal)
    return Case([deal.authorization_b, deal.outcome, statement(scene)])


@row(
    Claim.CREDIT,
    "commit, authorization_b, a whole statement without the entry",
    "the bank must credit the merchant, and by its own statement has not",
    CREDIT_OWED,
)
def statement_shows_no_credit(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.authorization_b, deal.outcome, statement(scene)])


@row(Claim.CREDIT, "commit, authorization_b, a credit of less", "the bank must credit the merchant", CREDIT_OWED)
def credit_of_less(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    less = by("bank", Credit(transaction=deal.transaction, currency=CURRENCY, value=PRICE - 1))
    return Case([deal.authorization_b, deal.outcome, less])


@row(Claim.CREDIT, "commit, authorization_b, a credit by another", "the bank must credit the merchant", CREDIT_OWED)
def credit_by_another(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    forged = by("merchant", Credit(transaction=deal.transaction, currency=CURRENCY, value=PRICE))
    return Case([deal.authorization_b, deal.outcome, forged])


@row(Claim.CREDIT, "authorization_b alone", "nothing")
def promise_alone(scene: Scene) -> Case:
    return Case([Deal.authorized(scene).authorization_b])


@row(Claim.CREDIT, "authorization_b, abort", "nothing")
def promise_with_abort(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    return Case([deal.authorization_b, abort])


@row(Claim.CREDIT, "authorization_b, commit of another sale", "nothing")
def commit_of_another_sale(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    other = Deal.authorized(scene, another(scene))
    return Case([other.authorization_b, deal.outcome])


@row(Claim.CREDIT, "commit, authorization_b with a broken signature", "nothing; it is set aside", set_aside=1)
def forged_promise(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([tampered(deal.authorization_b), deal.outcome])


@row(
    Claim.CREDIT,
    "commit, authorization_b signed by another",
    "whoever signed it owes what he promised, not the bank",
    CREDIT_OWED,
)
def promise_by_another(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([by("mallory", decode(deal.authorization_b.body)), deal.outcome])


@row(
    *(Claim.CREDIT, "commit, the same words signed by another, authorization_b"),
    "the bank must credit the merchant, and so must the other",
    *(CREDIT_OWED, CREDIT_OWED),
)
def promise_by_another_and_the_bank(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([by("mallory", decode(deal.authorization_b.body)), deal.authorization_b, deal.outcome])


@row(
    *(Claim.CREDIT, "authorization_b, commit of a log that the sale does not name", "nothing; it is set aside"),
    set_aside=1,
)
def commit_of_a_strange_log(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    forged = by("mallory", Commit(authorization_m=deal.authorization_m, index=0))
    return Case([deal.authorization_b, forged])


@row(Claim.CREDIT, "papers of another network", "nothing; they are set aside", set_aside=2)
def foreign_papers(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    foreign = Signer("another network", key_of("bank")).sign(decode(deal.authorization_b.body))
    outcome = Signer("another network", key_of("log")).sign(decode(deal.outcome.body))
    return Case([foreign, outcome])


# Spent tokens.


@row(Claim.SPENT, "commit, authorization_q", "the bank may hold the tokens as spent", SPENT)
def bank_justifies(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.authorization_q, deal.outcome])


@row(Claim.SPENT, "exchange_q", "it was asked for; that it was done is not shown", ASKED)
def bank_justifies_by_exchange(scene: Scene) -> Case:
    hand = another(scene)
    return Case([exchange_q(hand.withdraw(1), hand.secrets(1))])


@row(Claim.SPENT, "authorization_q alone", "nothing: it locks, and may still fail")
def authorization_alone(scene: Scene) -> Case:
    return Case([Deal.authorized(scene).authorization_q])


@row(Claim.SPENT, "commit, authorization_q of another sale", "nothing")
def authorization_of_another_sale(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    other = Deal.authorized(scene, another(scene))
    return Case([deal.outcome, other.authorization_q])


@row(
    *(Claim.SPENT, "commit, authorization_q over tokens that the bank never signed", "nothing; it is set aside"),
    set_aside=1,
)
def token_of_nobody(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    secrets = deal.hand.secrets(4)
    made_up = replace(deal.coins[0].token, public_key=secrets.key.public)
    other = deal.hand.pays([Coin(secrets, made_up)], deal.transaction)
    return Case([other, deal.outcome])


@row(
    *(Claim.SPENT, "commit, authorization_q signed by another than the token's key", "nothing; it is set aside"),
    set_aside=1,
)
def authorization_by_a_thief(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    stolen = Signer(NETWORK, key_of("thief")).sign(decode(deal.authorization_q.body))
    return Case([stolen, deal.outcome])


@row(
    Claim.SPENT,
    "commit, authorization_q, the bank's refusal of it: another payment was taken",
    "the bank must let the tokens go",
    *(RELEASE_OWED, CREDIT_OWED, (Claim.REFUSAL, Ruling.RIGHT)),
)
def refused_and_used(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    other = another(scene)
    turned_down = other.pays(other.withdraw(4, 1), deal.transaction)
    refusal = scene.expect(scene.say(other.name, scene.bank, turned_down))
    assert isinstance(refusal, Signed)
    return Case([turned_down, deal.outcome, refusal])


def refused_as_used(scene: Scene, first: Deal) -> tuple[Deal, Signed]:
    """A payment with a token of this sale and one that is free, and the bank's refusal of it."""
    (used,) = [coin for coin in first.coins if coin.worth == 4]
    first.hand.open(PRICE)
    deal = Deal.offered(scene, first.hand, [used, *first.hand.withdraw(1)])
    deal.transaction = replace(deal.transaction, expiration=deal.transaction.expiration + LATER)
    deal.authorization_q = deal.hand.pays(deal.coins, deal.transaction)
    refusal = scene.expect(scene.say(deal.hand.name, scene.bank, deal.authorization_q))
    assert isinstance(refusal, Signed)
    assert Why(decode(refusal.body).why) is Why.TOKEN_USED  # type: ignore[attr-defined]
    return deal, refusal


def commits(deal: Deal) -> Signed:
    """The bank takes the payment of this deal, and its sale commits."""
    assert isinstance(deal.scene.ask(deal.scene.bank, deal.authorization_q), AuthorizationB)
    deal.scene.ask(deal.scene.log, deal.authorization_m)
    return deal.outcome


@row(
    Claim.SPENT,
    "commit, authorization_q, the bank's refusal of it: one of its tokens was spent before, and other tokens paid",
    "that one is spent by the earlier sale; the bank must let the others go",
    *(SPENT, RELEASE_OWED, (Claim.REFUSAL, Ruling.RIGHT)),
)
def refused_for_good_and_used(scene: Scene) -> Case:
    first = Deal.committed(scene)
    scene.ask(scene.bank, first.outcome)
    deal, refusal = refused_as_used(scene, first)
    other = another(scene)
    commit = commits(replace(deal, authorization_q=other.pays(other.withdraw(4, 1), deal.transaction)))
    return Case([deal.authorization_q, refusal, commit])


@row(
    Claim.SPENT,
    "commit, authorization_q, the bank's refusal of it: one of its tokens was locked then",
    "the bank may hold the tokens as spent: it has taken it later",
    *(SPENT, (Claim.REFUSAL, Ruling.RIGHT)),
)
def refused_for_a_lock_and_used(scene: Scene) -> Case:
    first = Deal.authorized(scene)
    deal, refusal = refused_as_used(scene, first)
    scene.now = first.transaction.expiration + SETTLE_SECONDS + 1
    scene.ask(scene.bank, first.outcome)
    return Case([deal.authorization_q, refusal, commits(deal)])


# Releases.


@row(Claim.RELEASE, "abort, authorization_q", "the bank must let the tokens go", RELEASE_OWED)
def consumer_demands(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    return Case([deal.authorization_q, abort])


@row(
    Claim.RELEASE,
    "abort, authorization_q, then commit and authorization_q over the same tokens",
    "the bank owes nothing: they were used since",
    *(USED_ELSEWHERE, SPENT),
)
def released_and_spent(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    scene.ask(scene.bank, abort)
    later = Deal.committed(scene, deal.hand, deal.coins)
    return Case([deal.authorization_q, abort, later.authorization_q, later.outcome])


@row(
    Claim.RELEASE,
    "abort, authorization_q over two tokens, exchange_q and exchange_b of one",
    "the bank must let the other one go",
    *(RELEASE_OWED, SPENT),
)
def one_was_exchanged(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    scene.ask(scene.bank, abort)
    one = next(coin for coin in deal.coins if coin.worth == 1)
    asked = exchange_q([one], deal.hand.secrets(1))
    return Case([deal.authorization_q, abort, asked, exchange_b(scene, asked)])


@row(
    Claim.RELEASE,
    "abort, authorization_q over a token, exchange_q of it",
    "the bank must let the token go: that it was exchanged is not shown",
    *(RELEASE_OWED, ASKED),
)
def one_was_to_be_exchanged(scene: Scene) -> Case:
    hand = another(scene)
    deal, abort = aborted(scene, hand, hand.withdraw(4))
    return Case([deal.authorization_q, abort, exchange_q(deal.coins, *(hand.secrets(1) for _ in range(4)))])


def exchange_b(scene: Scene, asked: Signed) -> Signed:
    """What the bank has made for an exchange."""
    made = scene.ask(scene.bank, asked)
    assert isinstance(made, ExchangeB)
    return unsigned(made).signed


def state(scene: Scene, coin: Coin) -> Signed:
    """The bank's word on what remains of a token."""
    asked = StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32))
    said = scene.expect(scene.say("hand", scene.bank, Signer(NETWORK, coin.secrets.key).sign(asked)))
    assert isinstance(said, Signed)
    return said


@row(
    *(Claim.RELEASE, "abort, authorization_q, the bank's word that so much of each token can be used"),
    *("the bank has let the tokens go", (Claim.RELEASE, Ruling.DONE)),
)
def released_by_its_word(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    scene.ask(scene.bank, abort)
    return Case([deal.authorization_q, abort, *(state(scene, coin) for coin in deal.coins)])


@row(
    *(Claim.RELEASE, "abort, authorization_q over two tokens, the bank's word on one of them"),
    *("the bank must let the tokens go", RELEASE_OWED),
)
def one_released_by_its_word(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    scene.ask(scene.bank, abort)
    return Case([deal.authorization_q, abort, state(scene, deal.coins[0])])


@row(
    *(Claim.RELEASE, "abort, authorization_q, another's word that each token can be used"),
    *("the bank must let the tokens go", RELEASE_OWED),
)
def released_by_another_s_word(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    words = [by("mallory", State(token=coin.token.id, remaining=coin.worth)) for coin in deal.coins]
    return Case([deal.authorization_q, abort, *words])


@row(Claim.RELEASE, "abort of another sale, authorization_q", "nothing")
def abort_of_another_sale(scene: Scene) -> Case:
    _, abort = aborted(scene)
    other = Deal.authorized(scene, another(scene))
    return Case([abort, other.authorization_q])


@row(Claim.RELEASE, "abort signed by another than the log, authorization_q", "nothing; it is set aside", set_aside=1)
def abort_by_another(scene: Scene) -> Case:
    deal, abort = aborted(scene)
    return Case([deal.authorization_q, by("mallory", decode(abort.body))])


# Double spending.


@row(
    *(Claim.SPENT, "commit, authorization_q over more of a token than it is worth", "nothing; it is set aside"),
    set_aside=1,
)
def more_than_it_is_worth(scene: Scene) -> Case:
    _, orders, commits = part_sales(scene, 5)
    return Case([*orders, *commits])


def partly(hand: Hand, coin: Coin, amount: int, deal: Deal) -> Signed:
    """P2 over a part of a token, signed by its key."""
    body = decode(hand.pays([coin], deal.transaction).body)
    assert isinstance(body, AuthorizationQ)
    part = replace(body, payments=(replace(body.payments[0], amount=amount),))
    return Signer(NETWORK, coin.secrets.key).sign(part)


def part_sales(scene: Scene, *amounts: int) -> tuple[Coin, list[Signed], list[Signed]]:
    """A token of 4 signed into sales that have committed, by parts: its authorizations, and the commits."""
    hand = another(scene)
    (coin,) = hand.withdraw(4)
    orders, commits = [], []
    for amount in amounts:
        deal = Deal.offered(scene, hand, [coin])
        orders.append(partly(hand, coin, amount, deal))
        scene.ask(scene.log, deal.authorization_m)
        commits.append(deal.outcome)
    return coin, orders, commits


@row(
    Claim.DOUBLE_SPEND,
    "commit and authorization_q, twice, over more of a token than it is worth",
    "it counts once: the bank may refuse it, and bears what it has promised beyond",
    *(SPENT, SPENT, (Claim.DOUBLE_SPEND, Ruling.RIGHT)),
)
def spent_twice(scene: Scene) -> Case:
    _, orders, commits = part_sales(scene, 4, 1)
    return Case([*orders, *commits])


@row(
    Claim.DOUBLE_SPEND,
    "commit and authorization_q, twice, over parts of a token that together are its worth",
    "both are spent, nothing twice",
    *(SPENT, SPENT),
)
def spent_in_parts(scene: Scene) -> Case:
    _, orders, commits = part_sales(scene, 3, 1)
    return Case([*orders, *commits])


@row(
    Claim.DOUBLE_SPEND,
    "commit and authorization_q, twice, over one token, and the bank's refusal of one: another payment was taken",
    "the other one is spent, and nothing is spent twice",
    *(SPENT, CREDIT_OWED, USED_ELSEWHERE, (Claim.REFUSAL, Ruling.RIGHT)),
)
def turned_down_and_spent_elsewhere(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    hand = another(scene)
    coins = hand.withdraw(4, 1)
    turned_down = hand.pays(coins, deal.transaction)
    refusal = scene.expect(scene.say(hand.name, scene.bank, turned_down))
    assert isinstance(refusal, Signed)
    later = Deal.committed(scene, hand, coins)
    return Case([turned_down, deal.outcome, refusal, later.authorization_q, later.outcome])


@row(
    Claim.DOUBLE_SPEND,
    "two authorization_q over one token, one commit",
    "one is spent; the other shows nothing",
    SPENT,
)
def signed_twice_paid_once(scene: Scene) -> Case:
    _, orders, commits = part_sales(scene, 4, 4)
    return Case([*orders, commits[0]])
