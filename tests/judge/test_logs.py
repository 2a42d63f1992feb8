"""A log before the judge: what the parties of a sale that it spoilt write down, and what that convicts it of."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonnet_daemons.config import NETWORK_FILE, read_network
from anonnet_daemons.evidence import of_purchase, of_sale
from anonnet_daemons.judging import judged

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Receipt
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS, SETTLE_SECONDS
from tests.judge.folders import folders
from tests.mirrors import MIRRORS
from tests.paper.scenes import LEAD, PRICE
from tests.quorum import WrittenScene


def suppressed(folder: Path, late: int = 0) -> WrittenScene:
    """The log has recorded a pledge, but not its key, which its mirrors got `late` seconds after the certificate."""
    scene = WrittenScene(folder)
    scene.prepare()
    scene.wait(1)
    scene.log.deaf_to.add(AuthorizationM)
    scene.lost = lambda line: late > 0 and line.kind is AuthorizationM
    scene.buy()
    scene.settle()
    scene.wait(6)
    scene.pass_time(late)
    scene.lost = lambda line: False
    scene.wait(2)
    scene.pass_time(LEAD + RELEASE_SECONDS + SETTLE_SECONDS + 1 - late)
    scene.wait(66)
    return scene


def files(scene: WrittenScene, folder: Path) -> tuple[Path, Path, Path]:
    """What the merchant and the consumer can prove, and the network file."""
    home = folder / "parties"
    folders(scene, home)
    number, purchase = scene.merchant.store.numbers()[0], scene.consumer.store.purchases(most=1)[0]
    of_sale(home / "merchant", number.hex(), folder / "sale")
    of_purchase(home / "consumer", purchase.hex(), folder / "papers", goods=False, chunks=[])
    return folder / "sale", folder / "papers", home / NETWORK_FILE


@pytest.mark.slow
def test_a_merchant_s_file_convicts_the_log_that_suppressed_his_key(tmp_path: Path) -> None:
    scene = suppressed(tmp_path)
    sale, papers, network = files(scene, tmp_path)

    alone = judged([sale], None, None).verdict
    both = judged([sale, papers], read_network(network), None)

    assert [(each.claim, each.ruling) for each in alone.findings] == [(Claim.SUPPRESSED, Ruling.WRONG)]
    assert alone.findings[0].party.identity == scene.log_name
    assert not alone.set_aside
    rulings = {each.claim: each.ruling for each in both.verdict.findings}
    assert rulings == {Claim.SUPPRESSED: Ruling.WRONG, Claim.RELEASE: Ruling.OWES}
    assert not both.strangers
    assert scene.income == 0
    assert scene.tokens()["free"] == 2 * PRICE
    assert scene.merchant.store.by_number(scene.merchant.store.numbers()[0]).key not in sale.read_bytes()


@pytest.mark.slow
def test_a_key_that_came_late_to_the_mirrors_convicts_nobody(tmp_path: Path) -> None:
    scene = suppressed(tmp_path, late=LEAD + RELEASE_SECONDS - HANDED_SECONDS + 60)
    sale, papers, _ = files(scene, tmp_path)

    verdict = judged([sale, papers], None, None).verdict

    assert [(each.claim, each.ruling) for each in verdict.findings] == [(Claim.RELEASE, Ruling.OWES)]
    kept = scene.merchant.store.answered.of(scene.merchant.store.numbers()[0])
    assert [paper.step for paper in kept].count(Receipt.step) == len(MIRRORS)
