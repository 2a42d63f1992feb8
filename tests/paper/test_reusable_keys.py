"""The paper's section "Reusable Customer Keys": the bank blind signs h(Q, s), and several tokens share one key."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.parties.purse import Habits
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.goods import GoodsQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.seed import Lane
from anonnet.wire.frames import frame
from tests.paper.receipts import SIGNED_FOR
from tests.paper.scenes import GOODS, PRICE, Coin, Deal, Hand, Scene


@pytest.fixture
def hand(scene: Scene) -> Hand:
    made = Hand(scene, lane=Lane.REUSED)
    made.open(4 * PRICE)
    return made


@pytest.fixture
def reusing(tmp_path: Path) -> Scene:
    """A wallet whose owner lets one key serve several tokens, with ten units."""
    scene = Scene(tmp_path)
    scene.consumer.party.purse.habits = Habits(reused_keys=True)  # type: ignore[attr-defined]
    scene.prepare()
    return scene


def paid_with(scene: Scene) -> list[bytes]:
    """The keys of the tokens that the bank was shown in P2 and E1, one for each token."""
    bodies = [line.body for kind in (AuthorizationQ, ExchangeQ) for line in scene.said(kind)]
    return [payment.token.public_key for body in bodies for payment in body.payments]  # type: ignore[attr-defined]


def test_the_bank_signs_q_and_s_together(scene: Scene, hand: Hand) -> None:
    """ "Instead of blind signing h(Q), the bank blind signs h(Q, s)": the signature holds for no other serial."""
    one, two = hand.withdraw(4, 4)
    taken = replace(one.token, serial=two.token.serial)
    without = replace(one.token, serial=b"")

    assert one.token.public_key == two.token.public_key
    assert one.token.serial != two.token.serial
    for made_up in (taken, without):
        refused = scene.refused(scene.bank, Deal.offered(scene, hand, [Coin(one.secrets, made_up)]).authorization_q)
        assert refused.why == Why.BAD_TOKEN, "the signature covers s"


def test_many_tokens_specify_one_key_and_each_is_spent_once(scene: Scene, hand: Hand) -> None:
    """ "Many tokens [...] can all specify the same key": reuse is looked for by token, and shown by its own papers."""
    one, two, three = hand.withdraw(4, 4, 1)

    first = Deal.committed(scene, hand, [one])
    second = scene.ask(scene.bank, Deal.offered(scene, hand, [two, three]).authorization_q)
    again = scene.refused(scene.bank, Deal.offered(scene, hand, [one]).authorization_q)

    assert isinstance(second, AuthorizationB), "another token of a key that has paid before"
    assert again.why == Why.TOKEN_USED
    assert again.evidence == (first.authorization_q,)


def test_one_signature_pays_with_all_tokens_of_a_key(scene: Scene, hand: Hand) -> None:
    """Section "Multiple Token Transactions": they "combine well with the use of one key for many tokens", as P2 is
    signed once for each key."""
    coins = hand.withdraw(4, 1, 1)

    deal = Deal.authorized(scene, hand, coins)

    assert [each.signer for each in deal.authorization_q.signatures] == [coins[0].token.public_key]
    assert scene.books()["locked"] == 6


def test_partial_spending_goes_together_with_key_reuse(scene: Scene, hand: Hand) -> None:
    """Section "Partial Token Spending": "compatible with both key reuse and multiple token transactions"."""
    one, two = hand.withdraw(4, 4)

    Deal.authorized(scene, hand, [one.part(3), two.part(2)])
    rest = scene.ask(scene.bank, Deal.offered(scene, hand, [one.part(1), two.part(2)]).authorization_q)
    beyond = scene.refused(scene.bank, Deal.offered(scene, hand, [one.part(1)]).authorization_q)

    assert isinstance(rest, AuthorizationB)
    assert scene.books()["locked"] == 8
    assert beyond.why == Why.TOKEN_USED


def test_the_bank_can_link_repeated_uses_of_q(reusing: Scene) -> None:
    """ "At the expense of allowing the bank to link repeated uses of Q": both sales are paid under one key."""
    bought = [reusing.buy() for _ in range(2)]
    reusing.settle()

    assert [reusing.purchase(id).state for id in bought] == ["done", "done"]
    assert len(paid_with(reusing)) == 4
    assert len(set(paid_with(reusing))) == 1


def test_only_the_bank_can_link_them(reusing: Scene) -> None:
    """ "Only the bank sees Q (in P2), and so only the bank can link repeated uses of the same key": a receipt, which
    shows merchant and log a key, is signed with one that serves one token."""
    reusing.sell(SIGNED_FOR, GOODS, receipt=1)
    bought = [reusing.buy(), reusing.buy(item=SIGNED_FOR, receipt=1)]
    reusing.settle()

    assert [reusing.purchase(id).state for id in bought] == ["done", "done"]
    heard = [line for line in reusing.heard if line.receiver != "bank" and line.sender != "bank"]
    assert any(line.kind is GoodsQ for line in heard)
    for key in {key for key in paid_with(reusing) if paid_with(reusing).count(key) > 1}:
        assert not any(key in frame(line.said, 0).payload for line in heard), "Q was shown to others than the bank"


def test_no_q_stands_in_the_log_twice(reusing: Scene) -> None:
    """Section "Two-Sided Certified Delivery": "In variants where Q may be reused, the log entries should be encrypted".
    A wallet whose keys serve several tokens signs receipts with others, each of which serves one token: so no entry
    shows a Q that stands in another one, and none need be encrypted for that."""
    reusing.sell(SIGNED_FOR, GOODS, receipt=1)
    bought = [reusing.buy(item=SIGNED_FOR, receipt=1) for _ in range(2)]
    reusing.settle()

    assert [reusing.purchase(id).state for id in bought] == ["done", "done"]
    recorded = [line.body.receiver_key for line in reusing.said(AuthorizationM)]  # type: ignore[attr-defined]
    uses = Counter(paid_with(reusing))
    assert len(set(recorded)) == len(recorded) == 2
    assert [uses[key] for key in recorded] == [1, 1]
    assert max(uses.values()) > 1, "keys were reused, elsewhere"
