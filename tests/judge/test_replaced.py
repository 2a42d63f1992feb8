"""A payment in whose place another one was made: what a wallet keeps of it holds the bank to what it has said."""

from __future__ import annotations

from pathlib import Path

from anonnet_daemons.config import Kind
from anonnet_daemons.evidence import of_purchase, of_token
from anonnet_daemons.judging import judged

from anonnet.parties.judge.verdict import Claim, Finding, Ruling
from anonnet.protocol.local import Discard
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.wire.codec import decode
from tests.judge.folders import folders
from tests.paper.scenes import PRICE
from tests.unit.parties.copies import Copies

HYMN = "hymn"
"""Goods for one of the two tokens of the wallet."""


def replaced(folder: Path) -> tuple[Copies, bytes, AuthorizationQ]:
    """A copy of the wallet has spent one of two tokens; the wallet pays with both, is shown that, and pays for the same
    sale with others. The purchase, and the first payment."""
    scene = Copies.opened(folder)
    scene.sell(HYMN, price=PRICE - 1)
    copy = scene.backup()
    scene.withdraw(PRICE)
    scene.buy(copy, item=HYMN)
    scene.settle()
    purchase = scene.buy()
    scene.settle()
    first, *_ = [line.body for line in scene.said(AuthorizationQ) if line.sender == "consumer"]
    assert isinstance(first, AuthorizationQ)
    assert scene.purchase(purchase).state == "done"
    return scene, purchase, first


def tokens(finding: Finding) -> set[str]:
    return set(finding.about["tokens"])


def test_a_bank_may_not_keep_the_tokens_of_a_payment_that_was_replaced(tmp_path: Path) -> None:
    scene, purchase, first = replaced(tmp_path)
    wallet = folders(scene, tmp_path / "home")[Kind.CONSUMER]
    spent, free = sorted(first.payments, key=lambda payment: -payment.amount)

    of_purchase(wallet, purchase.hex(), tmp_path / "payment", goods=False, chunks=[])
    of_token(wallet, free.token.id.hex(), tmp_path / "token")
    verdict = judged([tmp_path / "payment", tmp_path / "token"], None, None).verdict

    assert not verdict.set_aside
    assert {each.ruling for each in verdict.of(Claim.REFUSAL)} == {Ruling.RIGHT}
    assert {spent.token.id.hex(), free.token.id.hex()} not in [tokens(each) for each in verdict.of(Claim.SPENT)]
    assert verdict.of(Claim.RELEASE)


def test_it_goes_with_its_purchase(tmp_path: Path) -> None:
    scene, purchase, first = replaced(tmp_path)
    ((kept, (refusal,)),) = scene.consumer.store.replaced.all()
    assert (decode(kept.body), decode(refusal.body).request) == (first, kept.hash)  # type: ignore[attr-defined]

    scene.rest()
    scene.consumer.command(Discard(purchase=purchase))

    assert scene.consumer.store.replaced.all() == []
