"""A wallet that was off while its sale committed, and comes back long after the expiration, when it is late to read the
log: it asks for the outcome, and once that is forgotten, the bank, which must show by what it was paid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anonnet.protocol.dispute import Dispute
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.times import CLAIM_SECONDS, RETENTION_SECONDS, SHARD_SECONDS
from tests.paper.scenes import GOODS, PRICE, Line, Scene, nothing

MIRRORS = ("mirror-0", "mirror-1", "mirror-2", "mirror-3")
PAID = {"free": PRICE, "spent": PRICE}


def sold(scene: Scene, lost: Callable[[Line], bool]) -> bytes:
    """A sale that commits while this is lost of what its consumer says and hears once she has paid."""
    scene.prepare()
    before = scene.income
    scene.lost = lambda line: bool(scene.said(AuthorizationQ)) and lost(line)
    bought = scene.buy()
    for _ in range(10):
        scene.pass_time(2)
    assert scene.income == before + PRICE
    return bought


def returns(scene: Scene, seconds: int) -> None:
    """She is off for so long, while the others forget what they may; then she runs for some hours."""
    scene.lost = lambda line: "consumer" in (line.sender, line.receiver)
    scene.now += seconds
    for _ in range(2):
        for actor in scene.actors:
            if actor is not scene.consumer:
                actor.remind()
                actor.forget()
        scene.settle()
    scene.lost = nothing
    scene.heard.clear()
    scene.consumer.forget()
    scene.consumer.remind()
    for _ in range(3):
        scene.pass_time(3600)


def reads_nothing(line: Line) -> bool:
    """She has the bank's promise, and cannot reach the log or its mirrors."""
    return line.sender == "consumer" and line.receiver in ("log", *MIRRORS)


def hears_nothing(line: Line) -> bool:
    """Her payment has arrived, and the promise has not: she does not know whether she has paid."""
    return line.receiver == "consumer" or (line.sender == "consumer" and line.receiver != "bank")


LOST = pytest.mark.parametrize("lost", [reads_nothing, hears_nothing])
DECIDE = pytest.mark.parametrize(
    "mirrors", [pytest.param((), id="alone"), pytest.param(MIRRORS, id="quorum", marks=pytest.mark.slow)]
)


@DECIDE
@LOST
def test_whoever_comes_back_while_the_outcome_is_kept_gets_the_goods(
    tmp_path: Path, mirrors: tuple[str, ...], lost: Callable[[Line], bool]
) -> None:
    scene = Scene(tmp_path, mirrored_by=mirrors)
    bought, income = sold(scene, lost), scene.income

    returns(scene, CLAIM_SECONDS + 3600)

    assert scene.purchase(bought).state == "done"
    assert Path(scene.purchase(bought).path).read_bytes() == GOODS
    assert scene.tokens() == PAID
    assert scene.income == income
    assert not scene.said(Dispute)
    assert not scene.consumer.store.errands.about(bought)


@DECIDE
@LOST
def test_whoever_comes_back_when_the_shard_is_forgotten_is_shown_by_the_bank_what_paid(
    tmp_path: Path, mirrors: tuple[str, ...], lost: Callable[[Line], bool]
) -> None:
    scene = Scene(tmp_path, mirrored_by=mirrors)
    bought, income = sold(scene, lost), scene.income

    returns(scene, RETENTION_SECONDS + SHARD_SECONDS)

    assert scene.purchase(bought).state == "done"
    assert Path(scene.purchase(bought).path).read_bytes() == GOODS
    assert scene.tokens()["spent"] == PRICE
    assert scene.income == income
    assert scene.said(Dispute)
    assert not scene.consumer.store.errands.about(bought)
