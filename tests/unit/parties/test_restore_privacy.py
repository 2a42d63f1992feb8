"""What a bank can tell from a restore: nothing that joins one token with another, unless the owner is in a hurry.

The judge of this is a bank that sees, of every request, the second at which it came and what stands in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from anonnet.parties.consumer import Consumer
from anonnet.parties.recovery import Woken
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import OpenAt, Recover
from anonnet.protocol.recovery import Restore
from anonnet.protocol.seed import Lane, TokenSecrets
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.store.wallet import WalletStore
from anonnet.times import RESTORE_SPREAD_SECONDS
from anonnet.wire.codec import Message, Record
from tests.actor import Actor, Said
from tests.paper.scenes import PRICE, Line, Scene

WALLETS = ("alice", "bob")


@dataclass
class Watched(Scene):
    """A scene that notes when the bank is asked what."""

    view: list[tuple[int, str, Message]] = field(default_factory=list)
    """(second, who it was: which the bank does not know; what was asked)"""

    def say(self, sender: str, receiver: Actor, said: Said) -> Said | None:
        if receiver is self.bank and sender != "bank":
            self.view.append((self.now, sender, Line(sender, "bank", said).body))
        return super().say(sender, receiver, said)

    def restores(self, fast: int) -> None:
        """Two wallets, each of three tokens, are restored in the same hour."""
        gone = [self.add_consumer(name) for name in WALLETS]
        for actor in gone:
            self.opens(actor)
        self.consumers = []
        heirs = [self.heir(actor) for actor in gone]
        self.view.clear()
        for actor in heirs:
            actor.command(Recover(bank=self.bank_key, fast=fast))
            self.run_for(300)
        self.run_for(5 * RESTORE_SPREAD_SECONDS)
        assert [self.tokens(actor) for actor in heirs] == [{"free": 3 * PRICE}] * len(heirs)

    def opens(self, actor: Actor) -> None:
        actor.command(OpenAt(bank=self.bank_key))
        self.settle()
        self.fund(self.account(actor), 3 * PRICE)
        for _ in range(3):
            self.withdraw(PRICE, actor)

    def heir(self, actor: Actor) -> Actor:
        """The same seed in an empty store."""
        assert isinstance(actor.party, Consumer)
        heir = self._actor(actor.name, actor.party, WalletStore())
        heir.rerun = heir.turns.rerun = False
        self.consumers.append(heir)
        return heir

    def ask_what_is_due(self) -> None:
        while due := list(self.due()):
            for actor, errand in due:
                self.run_errand(actor, errand)

    def run_for(self, seconds: int) -> None:
        """Time passes from one moment at which something is due to the next."""
        end = self.now + seconds
        while True:
            self.ask_what_is_due()
            following = [actor.store.errands.next_due_after(self.now) for actor in self.consumers]
            moments = [moment for moment in following if moment is not None]
            if not moments or min(moments) > end:
                self.now = end
                return
            self.now = min(moments)


def told(view: Iterable[tuple[int, str, Message]]) -> list[tuple[int, str, Message]]:
    """The questions about tokens; which tokens are used is asked by everybody alike."""
    return [each for each in view if isinstance(each[2], Restore | ExchangeQ)]


def joined(view: list[tuple[int, str, Message]]) -> list[str]:
    """What lets a bank join two tokens. It does not look at who asked, which it cannot see; the names are for us."""
    found = []
    asked = told(view)
    if any(isinstance(body, ExchangeQ) and len(body.payments) > 1 for _, _, body in asked):
        found.append("an exchange of several tokens")
    if bursts(asked):
        found.append("questions that come together")
    exchanges = [(when, who) for when, who, body in asked if isinstance(body, ExchangeQ)]
    for one, two in pairwise(exchanges):
        if two[0] - one[0] <= 1 and one[1] == two[1]:
            found.append("exchanges one right after the other")
            break
    return found


def bursts(asked: list[tuple[int, str, Message]]) -> list[int]:
    """Seconds at which more is asked than chance would have it: twenty times the mean."""
    mean = len(asked) / RESTORE_SPREAD_SECONDS
    counts: dict[int, int] = {}
    for when, _, _ in asked:
        counts[when] = counts.get(when, 0) + 1
    return [when for when, count in counts.items() if count > max(20 * mean, 8)]


def in_order_of_the_lanes(scene: Watched, name: str) -> float:
    """The part of neighbouring questions of one wallet that follow the order of its places: half, by chance."""
    party = next(actor.party for actor in scene.consumers if actor.name == name)
    order: dict[bytes, int] = {}
    for each in scene.minted:
        for lane in Lane:
            for position in range(110):
                secrets = TokenSecrets(party.purse._seed, each.brand, lane, position)  # type: ignore[attr-defined]
                order[secrets.blinded().blinded_message] = len(order)
    places = [order[body.blinded] for _, who, body in scene.view if who == name and isinstance(body, Restore)]
    return sum(left < right for left, right in pairwise(places)) / (len(places) - 1)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    scene = Watched(tmp_path_factory.mktemp("slow"))
    scene.restores(fast=0)
    return scene


@pytest.mark.slow
def test_a_restore_shows_the_bank_nothing_that_joins_two_tokens(slow: Watched) -> None:
    assert joined(slow.view) == []


@pytest.mark.slow
def test_a_fast_restore_shows_it(tmp_path: Path) -> None:
    scene = Watched(tmp_path)
    scene.restores(fast=1)

    assert "questions that come together" in joined(scene.view)
    assert "exchanges one right after the other" in joined(scene.view)


@pytest.mark.slow
def test_the_order_of_the_questions_is_not_that_of_the_lanes(slow: Watched) -> None:
    for name in WALLETS:
        assert 0.35 < in_order_of_the_lanes(slow, name) < 0.65


@pytest.mark.slow
def test_the_questions_of_two_wallets_mix(slow: Watched) -> None:
    for kind in (Restore, ExchangeQ):
        who = [name for _, name, body in slow.view if isinstance(body, kind)]
        assert sum(left != right for left, right in pairwise(who)) > len(who) / 10


@pytest.mark.slow
def test_times_are_spread_over_the_window(slow: Watched) -> None:
    for name in WALLETS:
        times = [when for when, who, body in slow.view if who == name and isinstance(body, Restore)]
        quarters = {4 * (when - times[0]) // RESTORE_SPREAD_SECONDS for when in times}
        assert {0, 1, 2, 3} <= quarters


@pytest.mark.slow
def test_nothing_is_said_by_name_and_each_question_is_a_request_of_its_own(slow: Watched) -> None:
    asked = [body for _, _, body in slow.view]

    assert not any(isinstance(body, WithdrawC) for body in asked)
    restores = [body.blinded for body in asked if isinstance(body, Restore)]
    assert len(restores) == len(set(restores))


@pytest.mark.slow
def test_a_wallet_that_was_off_in_the_middle_asks_in_no_burst_when_it_starts(tmp_path: Path) -> None:
    scene = Watched(tmp_path)
    gone = scene.add_consumer("alice")
    scene.opens(gone)
    scene.consumers = []
    heir = scene.heir(gone)
    scene.view.clear()
    heir.command(Recover(bank=scene.bank_key, fast=0))
    scene.run_for(RESTORE_SPREAD_SECONDS // 4)

    for _ in range(4):  # off for days, on for an hour
        scene.now += 3 * 24 * 3600
        heir.inform(Woken())
        scene.run_for(RESTORE_SPREAD_SECONDS)
    scene.run_for(3 * RESTORE_SPREAD_SECONDS)

    assert joined(scene.view) == []
    assert scene.tokens(heir)["free"] == 3 * PRICE


# Two sessions.


def long_bytes(value: Any) -> Iterator[bytes]:
    """Every value in a message that is long enough to be known again."""
    if isinstance(value, bytes) and len(value) >= 16:
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from long_bytes(each)
    elif isinstance(value, Record):
        for name in type(value).layout.names:
            yield from long_bytes(getattr(value, name))


def said_by(scene: Scene, name: str) -> set[bytes]:
    """What others could know again of what a consumer says without her name."""
    lines = [line for line in scene.heard if line.sender == name and line.kind is not WithdrawC]
    return {value for line in lines for value in long_bytes(line.body)}


def public(scene: Scene) -> set[bytes]:
    """What everybody says alike."""
    return {*scene.by_name.values(), scene.log_name, scene.merchant_key, *(each.brand.id for each in scene.minted)}


def session(scene: Scene, name: str, actor: Actor) -> set[bytes]:
    scene.heard.clear()
    scene.buy(actor)
    scene.settle()
    return said_by(scene, name) - public(scene)


def test_two_sessions_of_one_consumer_look_like_those_of_two(scene: Scene) -> None:
    first, second = (session(scene, "consumer", scene.consumer) for _ in range(2))

    assert first
    assert second
    assert not first & second
    follows = [line.body for line in scene.heard if line.kind.__name__ == "Follow" and line.sender == "consumer"]
    assert {follow.start for follow in follows[:1]} == {0}  # type: ignore[attr-defined]
