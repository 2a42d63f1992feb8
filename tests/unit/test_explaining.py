"""What a wallet says of what each party could know about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anonnet_daemons.cli.main import main
from anonnet_daemons.explaining import Explained
from click.testing import CliRunner

from anonnet.protocol.local import Buy, BuyNow
from anonnet.times import DWELL_SECONDS
from tests.judge.folders import folders
from tests.paper.scenes import ITEM, LEAD, PRICE, SIZE_MAX, Scene
from tests.stage import CURRENCY
from tests.unit.parties.test_resting import rests


def explained(scene: Scene) -> dict[str, list[str]]:
    brands = [each.brand for each in scene.minted]
    return Explained.of(scene.consumer.store, scene.network, brands, scene.now).sentences()


def hurry(scene: Scene) -> None:
    sold = {"merchant": scene.merchant_key, "item": ITEM, "currency": CURRENCY, "price_max": PRICE}
    wish = Buy(**sold, bank=scene.bank_key, log=scene.log_name, lead=LEAD, size_max=SIZE_MAX)
    scene.consumer.command(BuyNow(wish=wish))
    scene.settle()


def test_a_wallet_that_has_only_withdrawn_is_known_for_that(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rests(scene)
    scene.prepare()

    bank = explained(scene)["bank"]

    assert "has withdrawn 2 tokens of 1 EUR, 2 tokens of 4 EUR, the last at 2023-11-14 22:13 UTC." in bank[0]
    assert "could guess by the time where 4 tokens came from, if spent now" in bank[-1]
    assert not {"merchant", "log"} & set(explained(scene))


def test_a_purchase_is_known_to_each_in_his_part(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rests(scene)
    scene.prepare()
    scene.now += 2 * DWELL_SECONDS
    scene.buy()
    scene.settle()

    told = explained(scene)

    assert any("1 sale to nobody it could name" in each for each in told["bank"])
    assert not any("guess" in each for each in told["bank"])
    assert told["merchant"][0] == f"knows that somebody has ordered {ITEM}, and when."
    assert told["log"] == ["has decided 1 sale of this wallet among those of everybody, and cannot tell which."]
    assert ITEM not in " ".join(told["bank"] + told["log"])


def test_who_was_in_a_hurry_is_told_what_that_has_shown(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rests(scene)
    scene.prepare()
    hurry(scene)

    told = explained(scene)["bank"]

    assert any("may guess by the time that 1 purchase followed withdrawals" in each for each in told)


def test_the_command_reads_the_wallet_s_folder_and_asks_nobody(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "scene")
    scene.folder.mkdir()
    scene.prepare()
    scene.buy()
    scene.settle()
    wallet = next(folder for kind, folder in folders(scene, tmp_path / "n").items() if kind == "consumer")
    command = ["wallet", "privacy", "--data", str(wallet)]

    shown, said = CliRunner().invoke(main, [*command, "--json"]), CliRunner().invoke(main, command)

    values: dict[str, Any] = json.loads(shown.output)
    assert set(values["parties"]) == {"bank", "merchant", "log", "anybody who reads the logs"}
    assert "bank knows by its account's key that this wallet has withdrawn" in said.output
