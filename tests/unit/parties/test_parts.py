"""A token that is spent in parts: what remains of it, who is refused more, and what shows that (paper, "Partial Token
Spending")."""

from __future__ import annotations

import pytest

from anonnet.errors import Why
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.admitting import admitted
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ, Commit
from anonnet.protocol.recovery import State, StateOf
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import Coin, Deal, Hand, Scene, exchange_q
from tests.stage import NETWORK
from tests.unit.parties.refusing import closed, refused


@pytest.fixture
def hand(scene: Scene) -> Hand:
    made = Hand(scene)
    made.open(8)
    return made


def state_of(scene: Scene, coin: Coin) -> Signed:
    """What remains of it?"""
    asked = StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32))
    return Signer(NETWORK, coin.secrets.key).sign(asked)


def remaining(scene: Scene, coin: Coin) -> int:
    """What the bank says remains of a token."""
    said = scene.ask(scene.bank, state_of(scene, coin))
    if isinstance(said, Refusal):
        assert said.why == Why.TOKEN_USED
        return 0
    assert isinstance(said, State)
    return said.remaining


def ruled(scene: Scene, request: Signed) -> Ruling:
    """What the judge says of the bank's refusal of this."""
    refusal = scene.expect(scene.say("hand", scene.bank, request))
    brands = [("the network file", each.brand) for each in scene.network.brands]
    papers = [("the request", request), ("the refusal", refusal)]
    (found,) = judge(admitted(NETWORK, scene.network.logs, [*brands, *papers])).of(Claim.REFUSAL)  # type: ignore[list-item]
    return found.ruling


def failed(scene: Scene, deal: Deal) -> None:
    """The sale expires, and the bank is shown the abort."""
    scene.now = max(scene.now, deal.transaction.expiration + SETTLE_SECONDS + 1)
    assert isinstance(scene.ask(scene.bank, deal.outcome), Noted)


def test_locks_on_one_token_add_up_to_its_worth(scene: Scene, hand: Hand) -> None:
    (coin,) = hand.withdraw(4)
    first, second = (Deal.authorized(scene, hand, [coin.part(amount)]) for amount in (1, 2))
    third = Deal.offered(scene, hand, [coin.part(2)]).authorization_q

    evidence = [AuthorizationQ, AuthorizationQ]
    locked = refused(scene, scene.bank, third, Why.TOKEN_USED, evidence)

    assert set(locked.evidence) == {first.authorization_q, second.authorization_q}
    assert ruled(scene, third) is Ruling.RIGHT
    assert remaining(scene, coin) == 1
    assert scene.books()["locked"] == 3


def test_what_is_committed_is_spent_what_is_aborted_is_free(scene: Scene, hand: Hand) -> None:
    (coin,) = hand.withdraw(4)
    first, second = (Deal.authorized(scene, hand, [coin.part(amount)]) for amount in (1, 2))

    scene.ask(scene.log, first.authorization_m)
    scene.ask(scene.bank, first.outcome)
    assert (scene.books()["locked"], remaining(scene, coin)) == (2, 1)
    failed(scene, second)
    failed(scene, second)

    assert (scene.books()["locked"], remaining(scene, coin)) == (0, 3)
    scene.sell()
    whole = Deal.offered(scene, hand, [coin]).authorization_q
    shown = refused(scene, scene.bank, whole, Why.TOKEN_USED, [AuthorizationQ, Commit])
    assert shown.evidence[0] == first.authorization_q
    assert ruled(scene, whole) is Ruling.RIGHT
    again = Deal.authorized(scene, hand, [coin.part(3)])
    assert remaining(scene, coin) == 0
    assert again.authorization_q != second.authorization_q


def test_what_remains_is_exchanged_while_the_rest_is_locked(scene: Scene, hand: Hand) -> None:
    (coin,) = hand.withdraw(4)
    deal = Deal.authorized(scene, hand, [coin.part(2)])
    rest = exchange_q([coin.part(2)], hand.secrets(2))

    assert isinstance(scene.ask(scene.bank, rest), ExchangeB)
    again = exchange_q([coin.part(1)], hand.secrets(1))
    refused(scene, scene.bank, again, Why.TOKEN_USED, [ExchangeQ, AuthorizationQ])
    failed(scene, deal)

    assert remaining(scene, coin) == 2
    assert isinstance(scene.ask(scene.bank, exchange_q([coin.part(2)], hand.secrets(2))), ExchangeB)
    shown = refused(scene, scene.bank, state_of(scene, coin), Why.TOKEN_USED, [ExchangeQ, ExchangeQ])
    assert rest in shown.evidence
    assert ruled(scene, state_of(scene, coin)) is Ruling.RIGHT


def test_parts_at_a_time_are_few_and_all_that_remains_may_always_be_taken(
    scene: Scene, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a refusal could not show them all."""
    monkeypatch.setattr("anonnet.store.uses.PARTS_MAX", 2)
    (coin,) = hand.withdraw(4)
    first = Deal.authorized(scene, hand, [coin.part(1)])
    Deal.authorized(scene, hand, [coin.part(1)])
    one_more = Deal.offered(scene, hand, [coin.part(1)]).authorization_q

    refused(scene, scene.bank, one_more, Why.FULL)
    refused(scene, scene.bank, exchange_q([coin.part(1)], hand.secrets(1)), Why.FULL)

    assert isinstance(scene.ask(scene.bank, exchange_q([coin.part(2)], hand.secrets(2))), ExchangeB)
    failed(scene, first)
    assert remaining(scene, coin) == 1


def test_evidence_that_does_not_fit_is_not_cut_short(scene: Scene, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal without all that justifies it means "not now"."""
    (coin,) = hand.withdraw(4)
    Deal.authorized(scene, hand, [coin.part(2)])
    Deal.authorized(scene, hand, [coin.part(2)])
    whole = Deal.offered(scene, hand, [coin])
    monkeypatch.setattr("anonnet.store.uses.EVIDENCE_BYTES_MAX", 1000)

    refused(scene, scene.bank, whole.authorization_q, Why.TOKEN_USED, [AuthorizationQ])
    refused(scene, scene.bank, state_of(scene, coin), Why.FULL)


def test_one_payment_takes_the_same_amounts_when_it_is_asked_again(scene: Scene, hand: Hand) -> None:
    """The amounts are signed: the same tokens for the same sale with other amounts are another payment."""
    (coin,) = hand.withdraw(4)
    deal = Deal.authorized(scene, hand, [coin.part(2)])
    more = hand.pays([coin.part(3)], deal.transaction)

    refused(scene, scene.bank, more, Why.SALE_AUTHORIZED, [AuthorizationB])

    assert scene.books()["locked"] == 2
    assert scene.ask(scene.bank, deal.authorization_q).value == 2  # type: ignore[attr-defined]


def test_an_exchange_takes_no_token_whose_key_has_not_signed(scene: Scene, hand: Hand) -> None:
    """Everything is inside the signature, and every token's key makes one."""
    mine, other = hand.withdraw(4, 4)
    body = decode(exchange_q([mine.part(1), other.part(1)], hand.secrets(2)).body)
    by_one = Signer(NETWORK, mine.secrets.key).sign(body)  # type: ignore[arg-type]

    closed(scene, scene.bank, by_one)

    assert remaining(scene, other) == remaining(scene, mine) == 4
