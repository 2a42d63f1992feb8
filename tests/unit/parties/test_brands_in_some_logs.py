"""A brand that only some of the logs have recorded: nobody takes it until all have it, in time, or it is pinned.

Who cannot read a log waits. She is given no other brand meanwhile, and no log knows who it is that reads its chain.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.parties.consumer import Consumer
from anonnet.parties.log import Log
from anonnet.parties.mint import Minted
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.transaction import NO_POLICY
from anonnet.times import BRAND_MARGIN_SECONDS, BRAND_NOTICE_SECONDS, WITHDRAW_LIFE_SECONDS_MIN
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.paper.scenes import PRICE, Line, Scene, nothing
from tests.stage import NETWORK, key_of, log_store, mint
from tests.unit.parties.test_brands_published import (
    announced,
    append_by_hand,
    has,
    next_minted,
    offered,
    opening,
    withdrawn,
)

SECOND = "second-log"


class TwoLogs(Scene):
    """The scene with a second log in its network, and two wallets that know both logs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = KnownLog(key_of(SECOND).public, NO_POLICY)
        peer = Peer(Role.LOG, SECOND, known.key, bytes(32), "127.0.0.1", 1, NO_POLICY)
        self.network = Network(NETWORK, (*self.network.peers, peer), self.network.brands)
        self.identities[peer.identity], self.second_name = SECOND, peer.identity
        party = Log(Signer(NETWORK, key_of(SECOND)), known, [self.bank_key])
        self.second = self._actor(SECOND, party, log_store(SECOND))
        self.add_consumer("other")
        self.has_file(self.network)
        self.prepare()

    @property
    def actors(self) -> list[Actor]:
        return [*super().actors, *([self.second] if hasattr(self, "second") else [])]

    def actor(self, identity: bytes) -> Actor:
        return self.second if self.identities[identity] == SECOND else super().actor(identity)

    def has_file(self, network: Network, *pinned: Minted) -> None:
        """The wallets start anew with this network file, in which these brands stand as well."""
        self.network = Network(NETWORK, network.peers, (*network.brands, *(each.offer for each in pinned)))
        brands = [each.brand for each in (*self.minted, *pinned)]
        for actor in self.consumers:
            seed = hashlib.sha256(b"seed of " + actor.name.encode()).digest()
            actor.party = Consumer(self.network, seed, brands)
            actor.__post_init__()

    def taken(self, *minted: Minted) -> list[list[bool]]:
        """All wallets look; for each, which of these brands it takes."""
        for actor in self.consumers:
            actor.forget()
        self.settle()
        return [[each.brand.id in actor.party.purse.brands for each in minted] for actor in self.consumers]  # type: ignore[attr-defined]

    def said_to(self, made: Minted) -> list[str | None]:
        """What the bank keeps of the logs' answers to a brand: "" is yes, None is nothing yet."""
        return [self.bank.store.announced.answer(made.brand.id, log) for log in (self.log_name, self.second_name)]


def second_is_down(line: Line) -> bool:
    return line.receiver == SECOND


@pytest.fixture
def scene(tmp_path: Path) -> TwoLogs:
    return TwoLogs(tmp_path)


def test_a_brand_is_taken_by_nobody_before_the_last_log_has_it(scene: TwoLogs) -> None:
    made = next_minted(opening(scene))
    scene.lost = second_is_down
    announced(scene, *scene.minted, made)

    assert scene.said_to(made) == ["", None]
    assert scene.taken(made) == [[False], [False]]
    scene.lost = nothing
    scene.now = made.brand.opens - BRAND_NOTICE_SECONDS
    scene.settle()
    assert scene.said_to(made) == ["", ""]
    assert scene.taken(made) == [[True], [True]]


def test_a_log_that_can_be_read_does_not_stand_for_one_that_cannot(scene: TwoLogs) -> None:
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    scene.lost = lambda line: line.receiver == SECOND and line.sender == "other"

    assert scene.said_to(made) == ["", ""]
    assert scene.taken(made) == [[True], [False]]
    scene.lost = nothing
    assert scene.taken(made) == [[True], [True]]


def test_a_brand_that_came_late_to_one_log_is_for_all_once_it_is_pinned_or_for_nobody(scene: TwoLogs) -> None:
    made = next_minted(opening(scene))
    scene.lost = second_is_down
    announced(scene, *scene.minted, made)
    scene.now = made.brand.opens - BRAND_NOTICE_SECONDS + 1
    scene.lost = nothing
    scene.settle()

    assert scene.said_to(made) == ["", Why.TOO_LATE]
    assert not scene.bank.store.errands.count()  # the bank asks no more: it is the owner's turn
    scene.now = made.brand.opens
    assert scene.taken(made) == [[False], [False]]
    scene.has_file(scene.network, made)
    assert scene.taken(made) == [[True], [True]]
    assert not scene.consumer.store.listing.rivals()  # what stands in the first log is the same brand
    assert withdrawn(scene, made.brand) == 1


def test_a_brand_that_a_log_never_answers_waits_for_the_pin_and_the_bank_asks_until_it_is_over(scene: TwoLogs) -> None:
    made = next_minted(opening(scene))
    scene.lost = second_is_down
    announced(scene, *scene.minted, made)
    scene.now = made.brand.opens

    assert scene.taken(made) == [[False], [False]]
    scene.has_file(scene.network, made)
    assert scene.taken(made) == [[True], [True]]
    assert withdrawn(scene, made.brand) == 1
    asked = []
    for scene.now in (made.brand.ends + BRAND_MARGIN_SECONDS, made.brand.ends + BRAND_MARGIN_SECONDS + 1):
        scene.bank.forget()
        asked.append(scene.bank.store.errands.about(made.brand.id))
    assert asked == [True, False]
    assert scene.said_to(made) == [None, None]  # as all that is kept of a brand


def test_a_brand_that_stands_in_all_logs_is_nobody_s_where_one_of_them_has_a_rival_of_it(scene: TwoLogs) -> None:
    made = next_minted(opening(scene))
    rival = offered(scene, made, closes=made.brand.closes + 1)
    announced(scene, *scene.minted, made)
    append_by_hand(scene.second, rival, scene.now)
    has(scene, *scene.minted, made, rival)

    assert scene.said_to(made) == ["", ""]
    assert scene.taken(made, rival) == [[False, False], [False, False]]
    pair = {made.offer.brand.body, rival.offer.brand.body}
    for actor in scene.consumers:
        assert [{each.body for each in rivals} for rivals in actor.store.listing.rivals()] == [pair]


def test_a_bank_that_brings_each_log_another_brand_gives_nobody_either(scene: TwoLogs) -> None:
    first = next_minted(opening(scene))
    second = offered(scene, first, closes=first.brand.closes + 1)
    scene.say("bank", scene.log, first.offer.brand)
    scene.say("bank", scene.second, second.offer.brand)
    has(scene, *scene.minted, first, second)

    assert scene.taken(first, second) == [[False, False], [False, False]]
    pair = {first.offer.brand.body, second.offer.brand.body}
    for actor in scene.consumers:
        assert [{each.body for each in rivals} for rivals in actor.store.listing.rivals()] == [pair]


# Offers that were missed, and pinned: what a wallet has by then.


def missed(scene: TwoLogs) -> list[Minted]:
    """Next brands for all that there are, which came too late to the second log."""
    opens = opening(scene)
    made = mint(key_of("bank"), scene.denominations, now=opens + 3600)
    scene.lost = second_is_down
    announced(scene, *scene.minted, *made)
    scene.now, scene.lost = opens, nothing
    scene.settle()
    return made


def runs(scene: TwoLogs, days: int) -> None:
    """The wallets run for so many days."""
    for _ in range(days * 24):
        scene.pass_time(3600)
        for actor in scene.consumers:
            actor.forget()
    scene.settle()


def held(scene: TwoLogs, *minted: Minted) -> int:
    """How many units the consumer has free of these brands."""
    worth = {each.brand.id: each.brand.denomination for each in minted}
    found = scene.consumer.store.tokens.holdings()
    return sum(worth[id] * count for id, state, _, count in found if state == "free" and id in worth)


@pytest.mark.slow
def test_what_a_wallet_holds_waits_for_the_pinned_brand_and_is_renewed_and_spent(scene: TwoLogs) -> None:
    made = missed(scene)
    scene.now = scene.minted[0].brand.ends - WITHDRAW_LIFE_SECONDS_MIN  # from now on a wallet renews what it can
    runs(scene, 2)
    assert (held(scene, *scene.minted), held(scene, *made)) == (2 * PRICE, 0)

    scene.has_file(scene.network, *made)
    runs(scene, 2)

    assert (held(scene, *scene.minted), held(scene, *made)) == (0, 2 * PRICE)
    scene.sell("refrain")
    bought = scene.buy(item="refrain")
    scene.settle()
    assert scene.purchase(bought).state == "done"
    assert scene.tokens()["free"] == PRICE


def test_what_was_held_is_lost_where_the_missed_brand_is_pinned_after_the_end(scene: TwoLogs) -> None:
    made = missed(scene)
    scene.now = scene.minted[0].brand.ends
    runs(scene, 1)

    scene.has_file(scene.network, *made)
    runs(scene, 1)

    assert scene.tokens() == {"lost": 2 * PRICE}
    scene.fund(scene.account(scene.consumer), PRICE)
    scene.withdraw(PRICE)
    assert held(scene, *made) == PRICE
