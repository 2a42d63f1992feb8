"""What a warrant obtains from a bank: what is recorded of an account, a sale, a token, and not whose they are.

"Law enforcement with warrant: Merchant Full, Consumer None, Date Full, Amount Full" (paper, Table 1).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons.cli.main import main
from click.testing import CliRunner

from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.seed import Lane
from tests.judge.folders import folders
from tests.paper.scenes import PRICE, Deal, Hand, Scene, exchange_q

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
def bank(scene: Scene, key_ring: list[bytes]) -> Path:
    """The bank's data folder."""
    assert key_ring
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
