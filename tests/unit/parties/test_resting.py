"""Tokens rest before they are spent: what the bank would guess by time, it cannot."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.parties.consumer import Consumer
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import Buy, BuyNow, Recover
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.store.resting import Rest
from anonnet.store.wallet import WalletStore
from anonnet.times import BRAND_MARGIN_SECONDS, DWELL_SECONDS
from tests.judge.folders import seed_of
from tests.paper.scenes import ITEM, LEAD, PRICE, SIZE_MAX, Scene, body_of
from tests.stage import CURRENCY, key_of, mint
from tests.unit.parties.copies import restart_bank


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Ten units have just been withdrawn, goods for five are on sale."""
    made = Scene(tmp_path)
    rests(made)
    made.prepare()
    return made


def rests(scene: Scene, store: WalletStore | None = None) -> None:
    """Have the consumer's tokens rest, in a new wallet of the same seed if one is given."""
    brands = [each.brand for each in scene.minted]
    scene.consumer.party = Consumer(scene.network, seed_of("seed of consumer"), brands, DWELL_SECONDS)
    scene.consumer.store = store or scene.consumer.store
    scene.consumer.__post_init__()


def wish(scene: Scene, price: int = PRICE) -> Buy:
    sold = {"merchant": scene.merchant_key, "item": ITEM, "currency": CURRENCY, "price_max": price}
    return Buy(**sold, bank=scene.bank_key, log=scene.log_name, lead=LEAD, size_max=SIZE_MAX)


def rest_of(scene: Scene) -> list[Rest]:
    """Of the free tokens."""
    store = scene.consumer.store
    held = store.tokens.free([each.brand.id for each in scene.minted])
    return [rest for each in held if (rest := store.resting.of(each.id))]


def refused(scene: Scene) -> str:
    """Why a purchase is refused, and that nothing of it is there."""
    before = scene.consumer.store.purchases(most=9)
    refusal = body_of(scene.consumer.command(wish(scene)))
    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.TOO_SOON
    assert scene.consumer.store.purchases(most=9) == before
    return refusal.detail


def bought(scene: Scene) -> str:
    """The state in which a purchase ends."""
    purchase = scene.buy()
    scene.settle()
    return str(scene.purchase(purchase).state)


def test_tokens_are_not_spent_before_they_have_rested(scene: Scene) -> None:
    last = max(each.until for each in rest_of(scene))

    early = refused(scene)
    scene.now = last

    assert "rest after their withdrawal, for " in early
    assert bought(scene) == "done"
    (paid,) = [line.body for line in scene.heard if line.kind is AuthorizationQ]
    assert isinstance(paid, AuthorizationQ)


def test_it_is_told_from_when_on_enough_has_rested(scene: Scene) -> None:
    minutes = int(re.findall(r"for (\d+) more minutes", refused(scene))[0])
    when = scene.now + 60 * minutes

    scene.now = when - 60
    assert "for 1 more minutes" in refused(scene)
    scene.now = when

    assert when < max(each.until for each in rest_of(scene))
    assert bought(scene) == "done"


def test_who_is_in_a_hurry_pays_with_what_has_not_rested(scene: Scene) -> None:
    purchase = scene.consumer.command(BuyNow(wish=wish(scene))).subject
    scene.settle()

    assert scene.purchase(purchase).state == "done"
    refused(scene)


def test_who_has_too_little_is_not_told_to_wait(scene: Scene) -> None:
    scene.sell(price=3 * PRICE)
    purchase = scene.buy(price_max=3 * PRICE)
    scene.settle()

    assert "has not enough free tokens" in scene.purchase(purchase).detail


def test_how_long_tokens_rest_is_drawn_for_each_withdrawal(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rests(scene)
    scene.prepare(units=8 * PRICE)

    drawn = {each.until - each.came for each in rest_of(scene)}

    assert all(DWELL_SECONDS <= each < 2 * DWELL_SECONDS for each in drawn)
    assert len(drawn) > 4


def test_what_is_exchanged_rests_as_long_as_what_was_given(scene: Scene) -> None:
    scene.sell(price=3)
    purchase = scene.consumer.command(BuyNow(wish=wish(scene))).subject
    before = rest_of(scene)
    scene.settle()

    assert scene.said(ExchangeQ)
    assert scene.purchase(purchase).state == "done"
    after = rest_of(scene)
    assert {each.came for each in after} <= {each.came for each in before}
    assert {each.until for each in after} <= {each.until for each in before}
    scene.sell(price=PRICE)
    refused(scene)


@pytest.mark.slow
def test_what_is_found_again_from_the_seed_has_rested(scene: Scene) -> None:
    rests(scene, WalletStore())
    scene.consumer.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle()

    assert bought(scene) == "done"


def test_tokens_of_a_brand_that_has_ended_do_not_stand_for_those_that_rest(scene: Scene) -> None:
    """Nothing can be paid with them: the owner is told how long the others rest."""
    scene.now = scene.brand(4).ends + 1
    scene.minted = [*scene.minted, *mint(key_of("bank"), {1: "2048-b", 4: "2048-a"}, now=scene.now)]
    restart_bank(scene)
    rests(scene)
    scene.fund(scene.account(scene.consumer), PRICE)
    scene.withdraw(PRICE)

    assert "rest after their withdrawal" in refused(scene)


def test_the_rest_of_a_token_is_forgotten_with_it(scene: Scene) -> None:
    scene.now += 2 * DWELL_SECONDS
    assert bought(scene) == "done"
    scene.now = scene.brand(4).ends + BRAND_MARGIN_SECONDS + 1

    scene.consumer.forget()

    count = scene.consumer.store._db.one("select count(*) from rest")
    assert count == (len(rest_of(scene)),)
