"""What a bank can link is what the wallet says it can, and nothing else.

Whatever the bank received of a wallet's life is joined where it shares a value that can be known again: the sales and
exchanges that hang together then are those that `anonnet wallet privacy` tells its owner of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from anonnet_daemons.explaining import Explained
from anonnet_daemons.linking import SALE, Doing, Linked

from anonnet.parties.purse import Habits
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.purchase import AuthorizationM, AuthorizationQ
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.paper.scenes import GOODS, PRICE, Line, Scene
from tests.privacy.pieces import View, frame_piece, public_values, values_in

AS_EVER, IN_PARTS = Habits(), Habits(in_parts=True)
REUSED, BOTH = Habits(reused_keys=True), Habits(in_parts=True, reused_keys=True)
Sets = set[frozenset[bytes]]


@pytest.fixture
def live(tmp_path: Path) -> Callable[[Habits], Scene]:
    def lived(habits: Habits) -> Scene:
        """Withdrawals, purchases with and without change of tokens, one that fails, one against a receipt."""
        scene = Scene(tmp_path)
        scene.consumer.party.purse.habits = habits  # type: ignore[attr-defined]
        scene.prepare(4 * PRICE)
        scene.sell("jingle", GOODS, price=3)
        scene.sell("signed for", GOODS, price=4, receipt=1)
        bought = [scene.buy(), scene.buy()]
        scene.settle()
        scene.lost = lambda line: line.kind is AuthorizationM
        failed = scene.buy(item="jingle")
        scene.settle()
        scene.to_expiration()
        scene.lost = lambda line: False
        bought += [scene.buy(item="jingle"), scene.buy(item="signed for", receipt=1)]
        scene.settle()
        assert [scene.purchase(each).state for each in (failed, *bought)] == ["aborted", *["done"] * 4]
        return scene

    return lived


def told(scene: Scene) -> Linked:
    """What the wallet says the bank can link."""
    brands = [each.brand for each in scene.minted]
    explained = Explained.of(scene.consumer.store, scene.network, brands, scene.now)
    return Linked.by(scene.bank_key, explained.brands, explained.tokens, explained.purchases)


def by_hash(scene: Scene, linked: Linked) -> Sets:
    """The sets that the wallet tells of, by the hashes of P2 and E1."""

    def hash_of(doing: Doing) -> bytes:
        kind, id = doing
        paper = scene.consumer.store.purchase(id).authorization_q if kind == SALE else None
        return paper.hash if paper else id

    return {frozenset(map(hash_of, each)) for each in linked.together}


def shown(scene: Scene) -> list[Line]:
    """What the consumer has said to the bank."""
    return [line for line in scene.heard if (line.sender, line.receiver) == ("consumer", "bank")]


def can_be_linked(scene: Scene) -> Sets:
    """The sets of P2 and E1 that the bank can join by what it was told: each question came on a channel of its own.

    What the log publishes is left out: a page of it holds sales of everybody.
    """
    told = [line for line in scene.heard if line.receiver == "bank" and line.sender != "log"]
    frames = [(number.to_bytes(32, "big"), line) for number, line in enumerate(told)]
    view = View([frame_piece(channel, frame(line.said, 1)) for channel, line in frames])
    public = public_values(scene.network)
    doings = {line.said.hash: line for line in shown(scene) if isinstance(line.said, Signed) and is_doing(line)}
    data = {bytes(frame(line.said, 1).payload): hash for hash, line in doings.items()}
    found = set()
    for line in doings.values():
        joined = view.joined(set(values_in(frame(line.said, 1).payload)) - public, public)
        found.add(frozenset(data[each.data] for each in joined if each.data in data))
    return {each for each in found if len(each) > 1}


def is_doing(line: Line) -> bool:
    return line.kind in (AuthorizationQ, ExchangeQ)


@pytest.mark.parametrize("habits", [AS_EVER, IN_PARTS, REUSED, BOTH], ids=str)
def test_what_the_bank_can_link_is_what_the_wallet_says(habits: Habits, live: Callable[[Habits], Scene]) -> None:
    scene = live(habits)

    assert by_hash(scene, told(scene)) == can_be_linked(scene)


def test_by_default_the_bank_links_no_two_sales(live: Callable[[Habits], Scene]) -> None:
    """A sale that failed and the exchange of what comes back, and no more."""
    linked = told(live(AS_EVER))

    assert [sorted(kind for kind, _ in each) for each in linked.together] == [["exchange", "sale"]]
    assert linked.known_again == 0


def test_under_reused_keys_it_links_what_they_paid(live: Callable[[Habits], Scene]) -> None:
    scene = live(REUSED)
    brands = [each.brand for each in scene.minted]
    linked = told(scene)

    (largest,) = [each for each in linked.together if sum(kind == SALE for kind, _ in each) > 1]
    said = Explained.of(scene.consumer.store, scene.network, brands, scene.now).sentences()["bank"]
    sales, exchanges = (sum(kind == each for kind, _ in largest) for each in ("sale", "exchange"))
    assert any(f"{sales} sales and {exchanges} exchange" in each for each in said if each.startswith("can link"))
    assert any("which withdrawal its tokens came of" in each for each in said)
    assert any("could link what" in each for each in said) == bool(linked.known_again)
