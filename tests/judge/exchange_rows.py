"""Rows of the judge's table about exchanges: what an exchange_q shows, and what no more once it was refused."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim
from anonnet.protocol.exchange import ExchangeB
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, unsigned
from tests.judge.conduct_rows import JUSTIFIED, MADE_OWED, UNJUSTIFIED, WORD_ONLY, refused, refusing
from tests.judge.court import Case, row
from tests.judge.money_rows import ASKED, RELEASE_OWED, SPENT, another, exchange_b
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene, exchange_q


def too_late(scene: Scene) -> tuple[Hand, Coin, Signed, Signed]:
    """A consumer with a token, its exchange_q, and the bank's refusal (expired)."""
    hand = another(scene)
    (coin,) = hand.withdraw(1)
    asked = exchange_q([coin], hand.secrets(1), until=scene.now - 1)
    return hand, coin, asked, refused(scene, asked)


def in_time(scene: Scene) -> Signed:
    """An exchange_q that the bank would do."""
    hand = another(scene)
    return exchange_q(hand.withdraw(1), hand.secrets(1))


@row(
    *(
        Claim.SPENT,
        "exchange_q, the bank's refusal of it: its time was over",
        "nothing: it says that it does not use it",
    ),
    WORD_ONLY,
)
def exchange_came_too_late(scene: Scene) -> Case:
    _, _, asked, refusal = too_late(scene)
    return Case([asked, refusal])


@row(
    *(
        Claim.SPENT,
        "exchange_q, exchange_b, another's refusal of it: its time was over",
        "the bank may hold the tokens as used",
    ),
    SPENT,
    set_aside=1,
)
def another_calls_it_late(scene: Scene) -> Case:
    asked = in_time(scene)
    return Case([asked, exchange_b(scene, asked), refusing(asked, Why.EXPIRED, name="mallory")])


@row(
    Claim.SPENT,
    "exchange_q, exchange_b, the bank's refusal of it for a reason that may pass (not-open)",
    "the bank may hold the tokens as used",
    *(SPENT, WORD_ONLY),
)
def exchange_came_too_early(scene: Scene) -> Case:
    asked = in_time(scene)
    return Case([asked, exchange_b(scene, asked), refusing(asked, Why.NOT_OPEN)])


@row(
    Claim.SPENT,
    "exchange_q, exchange_b, the bank's refusal of it: it has signed the message for another request",
    "nothing: it says that it does not use it",
    WORD_ONLY,
)
def signed_for_another_request(scene: Scene) -> Case:
    hand = another(scene)
    coins, secrets = hand.withdraw(1), hand.secrets(1)
    made = scene.ask(scene.bank, hand.signer.sign(hand.withdraw_c(secrets)))
    assert isinstance(made, WithdrawB)
    asked = exchange_q(coins, secrets)
    return Case([asked, unsigned(ExchangeB(signatures=made.signatures)).signed, refused(scene, asked)])


@row(Claim.SPENT, "exchange_q, exchange_b", "the bank may hold the tokens as used", SPENT)
def exchange_was_done(scene: Scene) -> Case:
    asked = in_time(scene)
    return Case([asked, exchange_b(scene, asked)])


@row(
    Claim.SPENT,
    "exchange_q, exchange_b of another exchange",
    "it was asked for; that it was done is not shown",
    ASKED,
    set_aside=1,
)
def another_was_done(scene: Scene) -> Case:
    asked, hand = in_time(scene), another(scene, "other")
    return Case([asked, exchange_b(scene, exchange_q(hand.withdraw(1), hand.secrets(1)))])


@row(
    Claim.SPENT,
    "exchange_q for two tokens, exchange_b with the signature of one",
    "it was asked for; that it was done is not shown",
    ASKED,
    set_aside=1,
)
def half_of_it_was_done(scene: Scene) -> Case:
    hand = another(scene)
    asked = exchange_q(hand.withdraw(1, 1), hand.secrets(1), hand.secrets(1))
    made = decode(exchange_b(scene, asked).body)
    assert isinstance(made, ExchangeB)
    return Case([asked, unsigned(ExchangeB(signatures=made.signatures[:1])).signed])


@row(
    Claim.SPENT,
    "authorization_q, its refusal (token-used) with exchange_q; exchange_b",
    "the refusal is justified, and the bank may hold the token as used; the other one is free",
    *(JUSTIFIED, SPENT, RELEASE_OWED),
)
def exchange_is_shown(scene: Scene) -> Case:
    hand = another(scene)
    (coin,) = hand.withdraw(1)
    asked = exchange_q([coin], hand.secrets(1))
    made = exchange_b(scene, asked)
    payment = Deal.offered(scene, hand, [coin, *hand.withdraw(4)]).authorization_q
    return Case([payment, refused(scene, payment), made])


@row(
    Claim.SPENT,
    "exchange_q, its refusal (token-used) with itself",
    "the bank has to take it, or show; by its word it owes exchange_b",
    *(UNJUSTIFIED, MADE_OWED),
)
def taken_for_nothing(scene: Scene) -> Case:
    asked = in_time(scene)
    return Case([asked, refusing(asked, Why.TOKEN_USED, [asked])])


@row(
    Claim.SPENT,
    "exchange_q of two tokens, the bank's refusal of it: one of them was spent before",
    "that one is spent; the other is used by nothing",
    *(SPENT, JUSTIFIED),
)
def one_of_those_given_was_spent(scene: Scene) -> Case:
    first = Deal.committed(scene)
    scene.ask(scene.bank, first.outcome)
    hand = first.hand
    hand.open(PRICE)
    given = [first.coins[0], *hand.withdraw(1)]
    asked = exchange_q(given, *(hand.secrets(1) for _ in range(sum(coin.worth for coin in given))))
    return Case([asked, refused(scene, asked)])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with an exchange_q that the bank has refused: its time was over",
    "the bank has to take it, or show; the tokens are free by its word",
    *(UNJUSTIFIED, WORD_ONLY, RELEASE_OWED),
)
def used_by_what_came_too_late(scene: Scene) -> Case:
    hand, coin, asked, refusal = too_late(scene)
    payment = Deal.offered(scene, hand, [coin, *hand.withdraw(4)]).authorization_q
    return Case([asked, refusal, payment, refusing(payment, Why.TOKEN_USED, [asked])])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with an exchange_q, and the refusal (expired) of another one",
    "the refusal is justified, and the other token is free; the bank owes exchange_b",
    *(JUSTIFIED, MADE_OWED, WORD_ONLY, RELEASE_OWED),
)
def used_by_another_that_came_in_time(scene: Scene) -> Case:
    hand, coin, asked, refusal = too_late(scene)
    again = exchange_q([coin], hand.secrets(1))
    scene.ask(scene.bank, again)
    payment = Deal.offered(scene, hand, [coin, *hand.withdraw(4)]).authorization_q
    return Case([asked, refusal, payment, refused(scene, payment)])
