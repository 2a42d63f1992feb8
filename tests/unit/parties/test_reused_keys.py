"""Keys that serve several tokens: what one signs away, how many tokens share one, and that they are off by default
(paper, "Reusable Customer Keys")."""

from __future__ import annotations

from dataclasses import replace

from anonnet.parties.purse import Habits
from anonnet.protocol.exchange import ExchangeB
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.seed import KEY_TOKENS, Lane, TokenSecrets
from tests.paper.scenes import PRICE, Deal, Hand, Scene, exchange_q


def test_a_key_gives_up_no_token_that_it_did_not_name(scene: Scene) -> None:
    """Everything stands inside the signature: what is signed over one token takes no other one of the same key."""
    hand = Hand(scene, lane=Lane.REUSED)
    hand.open(2 * PRICE)
    one, two = hand.withdraw(4, 4)
    signed = exchange_q([one], hand.secrets(4))
    other = exchange_q([two], hand.secrets(4))

    assert isinstance(scene.ask(scene.bank, signed), ExchangeB)
    forged = replace(signed, body=other.body)

    assert scene.say("somebody", scene.bank, forged) is None
    promise = scene.ask(scene.bank, Deal.offered(scene, hand, [two]).authorization_q)
    assert isinstance(promise, AuthorizationB), "the other one is still there"


def test_a_wallet_reuses_keys_only_where_its_owner_says_so(scene: Scene) -> None:
    """Reuse of Q is "at the expense of allowing the bank to link repeated uses of Q": it is off unless it is wanted."""
    for _ in range(2):
        scene.buy()
    scene.settle()

    orders = [line.body for line in scene.said(AuthorizationQ)]
    keys = [each.token.public_key for q in orders for each in q.payments]  # type: ignore[attr-defined]
    assert len(keys) == len(set(keys)) == 4


def test_a_key_serves_a_few_tokens_of_each_brand(scene: Scene) -> None:
    """What can be linked is a part of what a wallet does."""

    def key(denomination: int, index: int) -> bytes:
        return TokenSecrets(bytes(32), scene.brand(denomination), Lane.REUSED, index).key.public

    assert len({key(1, index) for index in range(KEY_TOKENS)} | {key(4, 0)}) == 1
    assert key(1, KEY_TOKENS) not in {key(1, 0), key(4, 0)}


def test_what_was_withdrawn_under_one_key_is_spent_when_keys_are_not_reused_any_more(scene: Scene) -> None:
    """The habit is about withdrawals: tokens keep the keys they have."""
    purse = scene.consumer.party.purse  # type: ignore[attr-defined]
    purse.habits = Habits(reused_keys=True)
    scene.fund(scene.account(scene.consumer), 2 * PRICE)
    scene.withdraw(PRICE)
    purse.habits = Habits()
    scene.withdraw(PRICE)

    bought = [scene.buy() for _ in range(scene.tokens()["free"] // PRICE)]
    scene.settle()

    assert {scene.purchase(id).state for id in bought} == {"done"}
    orders = [line.body for line in scene.said(AuthorizationQ)]
    under_one_key = [q for q in orders if any(each.token.serial for each in q.payments)]  # type: ignore[attr-defined]
    assert (len(orders), len(under_one_key)) == (len(bought), 1)
