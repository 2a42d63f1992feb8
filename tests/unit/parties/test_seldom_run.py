"""A wallet that seldom runs, over the end of a brand: what it had of it is exchanged all the same.

Each day it starts, runs for some minutes and stops; the bank runs always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from anonnet_daemons.cli.wallet import what_ends

from anonnet.limits import RENEW_MAX
from anonnet.parties.consumer import Consumer
from anonnet.parties.mint import Minted
from anonnet.parties.recovery import Woken
from anonnet.protocol.ending import Ending
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import OpenAt, WalletOf
from anonnet.store.errands import Errand
from anonnet.times import BRAND_MARGIN_SECONDS, WOKEN_GAP_SECONDS
from tests.paper.scenes import Scene
from tests.stage import NOON, key_of, mint
from tests.unit.parties.copies import restart_bank

DAY = 24 * 3600
COINS = 40
MINUTES = 5


class Seldom(Scene):
    """A wallet with tokens of a brand of the stage's, at a bank that opens others."""

    def holds(self, coins: int) -> None:
        """The wallet has withdrawn so many units."""
        self.consumer.command(OpenAt(bank=self.bank_key))
        self.settle()
        self.fund(self.account(self.consumer), coins)
        self.withdraw(coins)

    def opens(self, *brands: Minted) -> None:
        """The bank has these too, and the wallet knows them."""
        self.minted = [*self.minted, *brands]
        seed = hashlib.sha256(b"seed of consumer").digest()
        restart_bank(self)
        self.consumer.party = Consumer(self.network, seed, [each.brand for each in self.minted])
        self.consumer.__post_init__()

    def runs(self, start: int, minutes: int) -> None:
        """The wallet's daemon starts at a second and stops so many minutes later."""
        self.now, end = start, start + 60 * minutes
        self.bank.remind()
        self.consumer.inform(Woken())
        self.consumer.forget()
        while self.now < end:
            self.settle()
            due = self.consumer.store.errands.next_due_after(self.now)
            self.now = min(end, due or end)

    def days(self, first: int, last: int) -> Iterator[int]:
        """The seconds at which it starts on these days: at no fixed time of the day."""
        for day in range(first, last):
            drawn = hashlib.sha256(b"day %d" % day).digest()
            yield NOON + day * DAY + int.from_bytes(drawn[:2], "big") % 3600

    def worth(self) -> int:
        """What the wallet has of brands that have not ended, in units."""
        held = self.consumer.store.tokens.holdings()
        ends = {each.brand.id: each.brand.ends for each in self.minted}
        return sum(
            amount * count for brand, state, amount, count in held if state == "free" and ends[brand] >= self.now
        )


def later(opens: int, name: str = "2048-b") -> Minted:
    """A brand of the denomination 1 that opens on this day, closes 30 days later, and ends as much later as all do."""
    (minted,) = mint(key_of("bank"), {1: name}, now=NOON + opens * DAY)
    return minted


def exchanges(scene: Seldom) -> list[Errand]:
    """The wallet's exchanges that have no answer yet."""
    return [each for each in scene.consumer.store.errands.due(2**50, most=99) if isinstance(each.message, ExchangeQ)]


@pytest.fixture
def scene(tmp_path: Path) -> Seldom:
    scene = Seldom(tmp_path, denominations={1: "2048-a"})
    scene.holds(COINS)
    return scene


def test_a_wallet_that_runs_for_minutes_a_day_loses_nothing_of_a_brand_that_ends(scene: Seldom) -> None:
    """Most of the exchanges come up while it is off; they wait for it, and are asked while it runs."""
    brand = scene.brand(1)
    scene.opens(later(opens=31))

    for start in scene.days(30, 59):
        scene.runs(start, MINUTES)

    assert scene.now > brand.ends
    assert scene.worth() == COINS


def test_an_exchange_that_waits_says_nothing_of_when_it_was_begun(scene: Seldom) -> None:
    """Its `until` is that of every wallet: else it would tell, days later, which tokens were in one wallet then."""
    brand = scene.brand(1)
    scene.opens(later(opens=31))
    for start in scene.days(32, 40):
        scene.runs(start, MINUTES)

    asked = [line.body for line in scene.said(ExchangeQ)]

    assert len(asked) == COINS
    assert {order.until for order in asked if isinstance(order, ExchangeQ)} == {brand.ends}


def test_what_is_late_is_asked_one_by_one_when_the_wallet_starts(scene: Seldom) -> None:
    scene.opens(later(opens=31))
    first, second = scene.days(37, 39)
    scene.runs(first, 0)
    scene.runs(second, 0)

    moments: list[int] = []
    while (moment := scene.consumer.store.errands.next_due_after(moments[-1] if moments else second)) is not None:
        moments.append(moment)

    assert len(exchanges(scene)) == COINS
    assert len(moments) > 0.8 * COINS  # hardly two in one second
    assert moments[-1] <= second + COINS * WOKEN_GAP_SECONDS


def test_an_exchange_whose_new_brand_has_closed_meanwhile_is_begun_again(scene: Seldom) -> None:
    """The bank signs no more tokens of it, and says that it is late then, so that the tokens go into the next brand."""
    short, next_one = later(opens=10), later(opens=41, name="2048-c")
    scene.opens(short, next_one)

    scene.runs(NOON + 37 * DAY, 0)
    begun = scene.tokens()
    for start in scene.days(44, 59):
        scene.runs(start, MINUTES)

    assert begun == {"exchanging": COINS, "withdrawing": COINS}
    assert scene.now > scene.brand(1).ends
    assert scene.worth() == COINS


@pytest.mark.slow
def test_a_wallet_exchanges_all_that_it_has_of_a_brand_within_hours(scene: Seldom) -> None:
    """Each answer makes room for the next; else it would be no more than one day's share of them."""
    for _ in range(5):
        scene.holds(COINS)
    scene.opens(later(opens=31))

    scene.runs(NOON + 37 * DAY, minutes=8 * 60)

    states = scene.consumer.store.tokens.holdings()
    assert {brand for brand, _, _, _ in states} == {scene.minted[-1].brand.id}
    assert scene.tokens() == {"free": 6 * COINS}


def test_a_wallet_has_few_tokens_in_exchanges_at_a_time(scene: Seldom) -> None:
    """What is being exchanged cannot be spent."""
    for _ in range(2):
        scene.holds(COINS)
    scene.opens(later(opens=31))

    scene.runs(NOON + 37 * DAY, minutes=0)
    scene.runs(NOON + 38 * DAY, minutes=0)

    assert scene.tokens()["exchanging"] == RENEW_MAX


def test_an_exchange_ends_where_the_bank_has_dropped_the_brand(scene: Seldom) -> None:
    """The wallet has been off for long: its tokens are lost, and nothing is asked for ever."""
    brand = scene.brand(1)
    scene.opens(later(opens=31))
    scene.runs(NOON + 37 * DAY, 0)
    restart_bank(scene, brand.id)

    scene.runs(brand.ends + BRAND_MARGIN_SECONDS + 1, minutes=60)

    assert scene.tokens() == {"lost": COINS, "void": COINS}
    assert not exchanges(scene)


def endings(scene: Seldom) -> list[tuple[int, int, int]]:
    """What the owner is told of what ends: so many units, whether they are lost, whether they will be exchanged."""
    return [(each.amount, each.over, each.renewed) for each in scene.consumer.command(WalletOf()).ending]


def test_the_owner_is_told_before_a_brand_ends_and_after(scene: Seldom) -> None:
    """No other brand is open: nobody but her can do anything about it."""
    brand, told = scene.brand(1), []
    for scene.now in (brand.renewed_from - 1, brand.renewed_from, brand.ends, brand.ends + 1):
        told.append((scene.tokens(), endings(scene)))

    assert told == [
        ({"free": COINS}, []),
        ({"free": COINS}, [(COINS, 0, 0)]),
        ({"free": COINS}, [(COINS, 0, 0)]),
        ({"lost": COINS}, [(COINS, 1, 0)]),
    ]


def test_the_owner_is_told_what_has_still_to_be_exchanged(scene: Seldom) -> None:
    scene.opens(later(opens=31))
    told = []
    for day, minutes in ((37, 0), (38, 5), (39, 5), (40, 5)):
        scene.runs(NOON + day * DAY, minutes)
        told += endings(scene)

    assert told[0] == (COINS, 0, 1)
    assert 0 < told[1][0] < COINS
    assert endings(scene) == []
    assert scene.tokens() == {"free": COINS}


def test_what_ends_is_said_in_words() -> None:
    about = {"bank": bytes(32), "currency": "EUR", "amount": 40, "ends": NOON}

    said = [what_ends(Ending(**about, over=over, renewed=renewed)) for over, renewed in ((0, 1), (0, 0), (1, 0))]

    assert said == [
        "ending 2023-11-14 22:13 UTC: 40 EUR, to be exchanged before: leave the wallet running",
        "ending 2023-11-14 22:13 UTC: 40 EUR, with no later brand open to exchange them into: ask the bank for one",
        "lost: 40 EUR of brands that ended 2023-11-14 22:13 UTC",
    ]
