"""What a warrant obtains from a bank: what is recorded of an account, a sale, a token, and not whose they are.

"Law enforcement with warrant: Merchant Full, Consumer None, Date Full, Amount Full" (paper, Table 1).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons.cli.main import main
from click.testing import CliRunner

from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.seed import Lane
from anonnet.times import SETTLE_SECONDS
from tests.judge.folders import folders
from tests.paper.scenes import LEAD, PRICE, Deal, Hand, Scene, exchange_q
from tests.paper.sealing import garbage, offered, outcome, promised

PAID_IN = 2 * PRICE


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A consumer has withdrawn 10 and bought for 5; another has exchanged a token for a new one."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    scene.prepare(PAID_IN)
    scene.buy()
    scene.settle()
    hand = Hand(scene)
    hand.open(2)
    scene.ask(scene.bank, exchange_q(hand.withdraw(1), hand.secrets(1)))
    return scene


@pytest.fixture(scope="module")
def key_ring(scene: Scene) -> list[bytes]:
    """Tokens of one key: two of them in a sale, one exchanged."""
    hand = Hand(scene, "key ring", Lane.REUSED)
    hand.open(PRICE + 1)
    coins = hand.withdraw(4, 1, 1)
    Deal.authorized(scene, hand, coins[:2])
    scene.ask(scene.bank, exchange_q(coins[2:], hand.secrets(1)))
    return [coin.token.id for coin in coins]


@pytest.fixture(scope="module")
def failed(scene: Scene, key_ring: list[bytes]) -> dict[str, Deal]:
    """Sales that have failed: by sealed garbage, sealed by an abort, and a number that was tried twice."""
    assert key_ring
    hand = Hand(scene, "unlucky")
    hand.open(4 * PRICE)
    garbled, sealed = promised(offered(scene, hand)), promised(offered(scene, hand))
    in_the_open = Deal.authorized(scene, hand)
    scene.ask(scene.log, garbage(garbled))
    scene.ask(scene.bank, outcome(garbled))
    scene.now = sealed.transaction.expiration + SETTLE_SECONDS + 1
    scene.ask(scene.bank, outcome(sealed))
    scene.ask(scene.bank, in_the_open.outcome)
    later = replace(in_the_open.transaction, expiration=scene.now + LEAD)
    again = replace(in_the_open, transaction=later, authorization_q=in_the_open.hand.pays(in_the_open.coins, later))
    promised(again)
    scene.now = later.expiration + SETTLE_SECONDS + 1
    scene.ask(scene.bank, again.outcome)
    return {"garbled": garbled, "sealed": sealed, "aborted": in_the_open, "again": again}


@pytest.fixture(scope="module")
def bank(scene: Scene, key_ring: list[bytes], failed: dict[str, Deal]) -> Path:
    """The bank's data folder."""
    assert key_ring
    assert failed
    return next(folder for kind, folder in folders(scene, scene.folder / "parties").items() if kind == "bank")


def obtained(bank: Path, *words: str) -> tuple[dict[str, Any], str]:
    """For programs, and in words."""
    command = ["bank", "warrant", *words, "--data", str(bank)]
    shown, told = CliRunner().invoke(main, [*command, "--json"]), CliRunner().invoke(main, command)
    assert (shown.exit_code, told.exit_code) == (0, 0), shown.output
    return json.loads(shown.output), told.output


def order(scene: Scene) -> AuthorizationQ:
    (line,) = [line for line in scene.said(AuthorizationQ) if line.sender == "consumer"]
    assert isinstance(line.body, AuthorizationQ)
    return line.body


def test_an_account_s_records_end_with_its_withdrawals(scene: Scene, bank: Path) -> None:
    account = scene.account(scene.consumer)

    values, words = obtained(bank, "account", account.hex()[:12])

    entries = [(each["kind"], each["amount"]) for each in values["entries"]]
    assert entries[0] == ("fund", PAID_IN)
    assert {kind for kind, _ in entries[1:]} == {"withdrawal"}
    assert sum(amount for _, amount in entries) == 0
    worth = {each.brand.id.hex(): each.brand.denomination for each in scene.minted}
    assert sum(each["withdrawn"] * worth[each["brand"]] for each in values["withdrawn"]) == PAID_IN
    assert "Not recorded: which tokens came of its withdrawals" in words
    for payment in order(scene).payments:
        assert payment.token.id.hex() not in words


def test_a_sale_s_records_name_the_merchant_the_date_and_the_amount(scene: Scene, bank: Path) -> None:
    transaction = order(scene).transaction

    values, words = obtained(bank, "sale", transaction.number.hex()[:12])

    assert (values["merchant"], values["amount"]) == (scene.merchant_key.hex(), PRICE)
    assert (values["expiration"], values["state"]) == (transaction.expiration, "committed")
    assert {each["token"] for each in values["tokens"]} == {each.token.id.hex() for each in order(scene).payments}
    assert "Not recorded: who paid" in words
    assert scene.account(scene.consumer).hex() not in words


def test_of_a_sale_that_garbage_has_ended_everything_but_the_tokens_is_recorded(
    scene: Scene, bank: Path, failed: dict[str, Deal]
) -> None:
    transaction = failed["garbled"].transaction

    values, words = obtained(bank, "sale", transaction.number.hex()[:12])

    assert (values["merchant"], values["amount"]) == (scene.merchant_key.hex(), PRICE)
    assert (values["expiration"], values["state"], values["tokens"]) == (transaction.expiration, "aborted", [])
    assert "Not recorded: which tokens were to pay" in words


def test_a_sealed_sale_whose_number_is_gone_is_found_by_its_outcome_key(bank: Path, failed: dict[str, Deal]) -> None:
    transaction = failed["sealed"].transaction

    values, words = obtained(bank, "sale", transaction.outcome_key.hex()[:12])

    assert (values["expiration"], values["state"]) == (transaction.expiration, "aborted")
    assert (values["amount"], values["log"]) == (PRICE, transaction.log.hex())
    assert "Not recorded: its number and who sold" in words
    assert not {"number", "merchant"} & {*values}
    ran = CliRunner().invoke(main, ["bank", "warrant", "sale", transaction.number.hex(), "--data", str(bank)])
    assert (ran.exit_code, "0 records of a sale begin with" in ran.output) == (1, True)


def test_sales_under_one_number_are_told_apart(bank: Path, failed: dict[str, Deal]) -> None:
    two = [failed[name].transaction for name in ("aborted", "again")]

    ran = CliRunner().invoke(main, ["bank", "warrant", "sale", two[0].number.hex(), "--data", str(bank)])
    found = [obtained(bank, "sale", each.outcome_key.hex())[0] for each in two]

    assert ran.exit_code == 1
    assert all(each.outcome_key.hex()[:16] in ran.output for each in two)
    assert [each["expiration"] for each in found] == [each.expiration for each in two]


def test_a_token_s_records_begin_with_its_use(scene: Scene, bank: Path) -> None:
    token = order(scene).payments[0].token

    values, words = obtained(bank, "token", token.id.hex()[:12])

    assert [each["sale"] for each in values["uses"]] == [order(scene).transaction.number.hex()]
    assert "Not recorded: for which account it was signed" in words
    assert scene.account(scene.consumer).hex() not in words


def test_an_exchange_leads_to_no_token(scene: Scene, bank: Path, key_ring: list[bytes]) -> None:
    given = {token for (token, user) in scene.bank.store.bookkeeping.used()}
    spent = {payment.token.id for payment in order(scene).payments}
    (exchanged,) = given - spent - {*key_ring}

    values, words = obtained(bank, "token", exchanged.hex())

    assert [each["amount"] for each in values["uses"]] == [1]
    assert "1 of 1 EUR" in words
    assert "Which these are is not recorded" in words


def test_a_key_that_serves_several_tokens_leads_from_one_to_the_others(
    scene: Scene, bank: Path, key_ring: list[bytes]
) -> None:
    """ "Allowing the bank to link repeated uses of Q" (paper, Reusable Customer Keys): and so whoever has a warrant."""
    values, words = obtained(bank, "token", key_ring[0].hex())
    alone, _ = obtained(bank, "token", order(scene).payments[0].token.id.hex())

    assert {*values["same_key"]} == {each.hex() for each in key_ring[1:]}
    assert alone["same_key"] == []
    assert words.count("has the same key") == 2
    assert "Not recorded: for which account it was signed" in words


def test_what_is_in_no_record_is_not_found(scene: Scene, bank: Path) -> None:
    held = scene.consumer.store.tokens.free([each.brand.id for each in scene.minted])

    for digits in (held[0].id.hex(), "zz"):
        ran = CliRunner().invoke(main, ["bank", "warrant", "token", digits, "--data", str(bank)])

        assert ran.exit_code == 1
        assert "a bank knows a token from its use on" in ran.output
