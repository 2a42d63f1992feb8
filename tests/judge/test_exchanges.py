"""Refused exchanges before the judge: what a wallet keeps of them, and of what that convicts a bank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import Kind
from anonnet_daemons.evidence import of_purchase, of_the_bank, of_token
from anonnet_daemons.judging import judged
from anonnet_daemons.owner import Failed
from click.testing import CliRunner

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.brand import Brand
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.judge.folders import folders
from tests.judge.money_rows import another
from tests.paper.scenes import PRICE, Scene, exchange_q
from tests.unit.parties.answering import errand, refusal, stopped


def robbed(scene: Scene) -> tuple[Signed, bytes]:
    """A bank refuses an exchange of what a sale has given back, since it comes too late; when the wallet pays with
    these tokens, it shows that exchange and calls them used. The exchange, and the purchase."""
    scene.prepare(PRICE)
    scene.lost = lambda line: line.kind in (AuthorizationB, ExchangeQ)
    scene.buy()
    scene.settle()
    scene.lost = lambda line: "merchant" in (line.sender, line.receiver) or line.kind is ExchangeQ
    scene.to_expiration()
    asked = errand(scene, ExchangeQ)
    order = asked.message
    assert isinstance(order, ExchangeQ)
    scene.now, scene.lost = order.until + 1, lambda line: False
    scene.run_errand(scene.consumer, asked)
    purchase = stopped(scene, AuthorizationQ)
    payment = errand(scene, AuthorizationQ)
    lie = refusal("bank", payment, Why.TOKEN_USED, asked.request)
    scene.consumer.takes(frame(lie, 1), answers=payment)
    return asked.request, purchase


def test_a_bank_that_uses_what_it_has_refused_to_exchange_is_convicted(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    exchange_q, purchase = robbed(scene)
    wallet = folders(scene, tmp_path / "home")[Kind.CONSUMER]
    token, *_ = exchange_of(exchange_q).payments

    of_purchase(wallet, purchase.hex(), tmp_path / "payment", goods=False, chunks=[])
    of_token(wallet, token.token.id.hex()[:16], tmp_path / "token")
    before = judged([tmp_path / "payment"], None, None).verdict
    verdict = judged([tmp_path / "payment", tmp_path / "token"], None, None).verdict

    assert {(each.claim, each.ruling) for each in before.findings} == {
        (Claim.REFUSAL, Ruling.RIGHT),
        (Claim.SPENT, Ruling.OWES),
        (Claim.RELEASE, Ruling.RIGHT),
    }, "without the other file it owes what it says it has given"
    assert {(each.claim, each.about.get("why"), each.ruling) for each in verdict.findings} == {
        (Claim.REFUSAL, "token-used", Ruling.WRONG),
        (Claim.REFUSAL, "expired", Ruling.OPEN),
        (Claim.RELEASE, None, Ruling.OWES),
    }, verdict.words({})
    assert not verdict.set_aside


def test_an_owner_sees_which_tokens_it_is_about_and_writes_down_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    exchange_q, _ = robbed(scene)
    wallet = folders(scene, tmp_path / "home")[Kind.CONSUMER]
    tokens = [payment.token.id.hex() for payment in exchange_of(exchange_q).payments]

    shown = anonnet("wallet", "refused", "--json", "--data", str(wallet))
    path = tmp_path / "token"
    said = anonnet("wallet", "evidence", tokens[0], "--token", "--to", str(path), "--json", "--data", str(wallet))

    assert shown == {"tokens": {token: ["expired"] for token in tokens}}
    assert said["papers"] == ["Brand", "Brand", "ExchangeQ", "Refusal"]
    with pytest.raises(Failed, match="0 begin with"):
        of_token(wallet, "zz", path)


def test_a_bank_shows_what_it_has_made_for_a_token(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.prepare()
    hand = another(scene)
    (coin,) = hand.withdraw(1)
    scene.ask(scene.bank, exchange_q([coin], hand.secrets(1)))
    folder = folders(scene, tmp_path / "home")[Kind.BANK]

    exported = of_the_bank(folder, coin.token.id.hex(), tmp_path / "token")
    verdict = judged([tmp_path / "token"], None, None).verdict

    assert [type(decode(paper.body)) for paper in exported.papers] == [Brand, ExchangeQ, ExchangeB]
    assert [(each.claim, each.ruling) for each in verdict.findings] == [(Claim.SPENT, Ruling.RIGHT)]


def exchange_of(paper: Signed) -> ExchangeQ:
    body = decode(paper.body)
    assert isinstance(body, ExchangeQ)
    return body


def anonnet(*words: str) -> dict[str, Any]:
    """What the program prints, for programs."""
    run = CliRunner().invoke(main, words, catch_exceptions=False)
    assert run.exit_code == 0, run.output
    found: dict[str, Any] = json.loads(run.stdout)
    return found
