"""The paper's introduction: its classification of atomicity, for whole purchases and wherever they are cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonnet.protocol.goods import ChunkOf, GoodsM
from anonnet.protocol.purchase import Commit
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.paper.scenes import GOODS, PRICE, Line, Scene
from tests.stage import NETWORK
from tests.world.judge_core import Judge, Verdict

STEPS_MAX = 20
"""More than the requests and replies of one purchase without its chunks."""


def cut_off(scene: Scene, after: int) -> None:
    """Begin a purchase, and lose everything said after so many lines; chunks do not count."""
    said = 0

    def lost(line: Line) -> bool:
        nonlocal said
        said += line.kind is not ChunkOf
        return said > after

    scene.lost = lost
    scene.buy()
    scene.settle()


def resume(scene: Scene) -> None:
    """The network is back after the expiration: everybody asks again for what he waits for."""
    scene.now += 200
    scene.lost = lambda line: False
    for _ in range(4):
        scene.pass_time(100)


def test_money_is_neither_created_nor_destroyed(scene: Scene) -> None:
    """Introduction, money atomicity: the bank's books sum to zero, and what was paid in is all there."""
    before = scene.books()

    scene.buy()
    scene.settle()

    after = scene.books()
    assert sum(after.values()) == sum(before.values()) == 0
    assert after["cash"] == before["cash"] == -2 * PRICE
    assert after == before | {"account": PRICE, "tokens": PRICE, "locked": 0}


@pytest.mark.parametrize("after", range(STEPS_MAX))
def test_a_transfer_completes_entirely_or_not_at_all(scene: Scene, after: int) -> None:
    """Introduction, money atomicity: wherever the network fails, the whole price has moved in the end, or nothing."""
    cut_off(scene, after)

    resume(scene)

    assert (scene.tokens(), scene.income) in [
        ({"free": 2 * PRICE}, 0),
        ({"free": PRICE, "spent": PRICE}, PRICE),
    ]


@pytest.mark.parametrize("after", range(STEPS_MAX))
def test_the_consumer_has_the_goods_if_and_only_if_the_merchant_is_paid(scene: Scene, after: int) -> None:
    """Introduction, goods atomicity: "an atomic swap of the electronic goods and funds"."""
    cut_off(scene, after)

    resume(scene)

    (purchase,) = scene.consumer.store.purchases(most=2)
    shown = scene.purchase(purchase)
    assert (scene.income, shown.state) in [(PRICE, "done"), (0, "aborted"), (0, "refused")]
    assert not shown.path or Path(shown.path).read_bytes() == GOODS
    assert bool(shown.path) == bool(scene.income)


def test_the_consumer_can_prove_to_a_judge_exactly_what_was_delivered(scene: Scene) -> None:
    """Introduction, certified delivery, one-sided: "to prove exactly what goods were delivered"."""
    purchase = scene.buy()
    scene.settle()
    papers = {decode(paper.body).__class__: paper for paper in scene.purchase(purchase).papers}
    sealed = [line.body.sealed for line in scene.heard if line.kind.__name__ == "Chunk"]  # type: ignore[attr-defined]
    assert all(isinstance(paper, Signed) for paper in papers.values())

    judge = Judge(NETWORK, scene.bank_key, scene.network.logs, [each.brand for each in scene.network.brands])
    verdict = judge.consumer_proves_goods(papers[GoodsM], papers[Commit], sealed)

    assert verdict is Verdict.GOODS_AS_DESCRIBED
    assert Path(scene.purchase(purchase).path).read_bytes() == GOODS
