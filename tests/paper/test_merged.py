"""The paper's section "Trust", its two simplifications: the log is merged with the bank, or with the merchant."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.wire.codec import decode
from tests.paper.scenes import PRICE, Deal, Line, Scene
from tests.stage import NETWORK, key_of
from tests.world.judge_core import Judge, Verdict


def bought(folder: Path, merged: str = "") -> Scene:
    """A purchase, and all that was said of it."""
    folder.mkdir()
    scene = Scene(folder, merged=merged)
    scene.prepare()
    scene.heard.clear()
    purchase = scene.buy()
    scene.settle()
    assert (scene.purchase(purchase).state, scene.income) == ("done", PRICE)
    return scene


def between(scene: Scene, one: str, other: str) -> list[Line]:
    return [line for line in scene.heard if {line.sender, line.receiver} == {one, other}]


def judged(scene: Scene) -> Verdict:
    """What a judge makes of the merchant's papers, who knows nothing of mergers."""
    judge = Judge(NETWORK, key_of("bank").public, scene.network.logs, [each.brand for each in scene.network.brands])
    (sale,) = (scene.merchant.store.by_number(number) for number in scene.merchant.store.numbers())
    return judge.merchant_claims(sale.authorization_b, sale.outcome)


def test_bank_and_log_are_merged(tmp_path: Path) -> None:
    """Section "Trust": "the transaction protocol can be simplified by merging the bank and the log"."""
    merged, apart = bought(tmp_path / "merged", "bank"), bought(tmp_path / "apart")

    assert not between(merged, "bank", "log")
    assert len(merged.heard) < len(apart.heard)
    assert judged(merged) == judged(apart) == Verdict.BANK_OWES_CREDIT


def test_merchant_and_log_are_merged(tmp_path: Path) -> None:
    """Section "Trust": "the transaction protocol can be simplified by merging the merchant and the log"."""
    merged, apart = bought(tmp_path / "merged", "merchant"), bought(tmp_path / "apart")

    assert not between(merged, "merchant", "log")
    assert not merged.said(AuthorizationM)
    assert len(merged.heard) < len(apart.heard)
    assert judged(merged) == judged(apart) == Verdict.BANK_OWES_CREDIT


def test_a_merchant_who_is_the_log_is_paid_only_by_showing_the_key(tmp_path: Path) -> None:
    """Section "Trust": "given that [the key] must be delivered eventually".

    His log answers neither her nor the bank; he claims his money, and she asks the bank about her token.
    """
    scene = Scene(tmp_path, merged="merchant")
    scene.prepare()
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.sender == "log"
    scene.settle()
    again = Deal.offered(scene, deal.hand, deal.coins)

    refusal = scene.refused(scene.bank, again.authorization_q)

    assert scene.income == PRICE
    commit = decode(refusal.evidence[1].body)
    assert isinstance(commit, Commit)
    shown = decode(commit.authorization_m.body)
    assert isinstance(shown, AuthorizationM)
    assert shown.key == deal.key
