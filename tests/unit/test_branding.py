"""`anonnet bank brand`: the next brands of a bank, one open at a time, and what wallets accept of them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons import bank
from anonnet_daemons.branding import DAY, LISTED_SECONDS, BrandWish, Plate, Window
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import Kind, accepted_brands, read_network
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.serving import reachable
from click.testing import CliRunner

from anonnet.crypto.blind import Method, SecretKey
from anonnet.errors import BadStart
from anonnet.limits import BRANDS_MAX, WITHDRAW_LIFE_SECONDS_MIN
from tests.rsa_keys import PRIMES
from tests.stage import key_of, mint
from tests.unit.crypto.test_openssl import Bent, needs_openssl


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A network whose bank has brands of one and two."""
    await found(Plan(tmp_path / "n", denominations=(1, 2)))
    return tmp_path / "n"


def ran(home: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["bank", "brand", *words, "--data", str(home / "bank"), "--json"])
    found: dict[str, Any] = json.loads(result.output)
    assert bool(result.exit_code) == ("error" in found)
    return found


async def test_the_next_brands_open_when_the_last_ones_close(home: Path) -> None:
    first = ran(home, "list")["brands"]

    made = ran(home, "create", "EUR", "--days", "7")["brands"]

    assert [each["denomination"] for each in made] == [1, 2]
    for before, after in zip(first, made, strict=True):
        assert (before["state"], after["state"]) == ("open", "not open yet")
        assert after["opens"] == before["closes"] + 1
        assert after["closes"] == after["opens"] + 7 * DAY
        assert after["ends"] == after["closes"] + WITHDRAW_LIFE_SECONDS_MIN
    assert len(ran(home, "list")["brands"]) == 4


async def test_bank_and_wallets_take_them_from_the_network_file(home: Path) -> None:
    made = ran(home, "create", "EUR", "--worth", "4")["brands"]

    ids = {brand.id.hex(): brand for brand in accepted_brands(read_network(home / "network.json"))}
    minted = {each.brand.id.hex(): each for each in bank.minted(reachable(home / "bank", Kind.BANK))}

    assert {each["id"] for each in made} < set(ids) == set(minted)
    assert all((home / "bank" / name).stat().st_mode & 0o77 == 0 for name in os.listdir(home / "bank"))


async def test_no_two_brands_of_a_kind_are_open_at_a_time(home: Path) -> None:
    before = (home / "network.json").read_bytes()
    closes = ran(home, "list")["brands"][0]["closes"]
    day = datetime.fromtimestamp(closes, UTC).strftime("%Y-%m-%d")

    refused = ran(home, "create", "EUR", "--opens", day)

    assert "is open at that time" in refused["error"]
    with pytest.raises(BadStart, match="is open at that time"):
        Plate.of(home / "bank").next_wishes("EUR", [1], closes, 7, closes)
    with pytest.raises(BadStart, match="is open at that time"):
        Plate.of(home / "bank").next_wishes("EUR", [2], closes - 40 * DAY, 30, closes)
    assert Plate.of(home / "bank").next_wishes("CHF", [1], closes, 7, closes) == [
        BrandWish("CHF", 1, Window(closes, closes + 7 * DAY))
    ]
    assert (home / "network.json").read_bytes() == before


async def test_two_who_make_brands_at_once_do_not_overwrite_each_other(home: Path) -> None:
    before = (home / "network.json").read_bytes()

    with Plate.engraving(home / "bank"):
        refused = ran(home, "create", "EUR", "--worth", "4")
        meanwhile = (home / "network.json").read_bytes()
    made = ran(home, "create", "EUR", "--worth", "4")["brands"]

    assert "network.json is being changed by another command" in refused["error"]
    assert meanwhile == before
    assert len(made) == 1


async def test_brands_leave_the_network_file_when_their_bank_has_long_closed_them(home: Path) -> None:
    with Plate.engraving(home / "bank") as plate:
        last = max(brand.ends for brand in plate.brands) + LISTED_SECONDS
        wish = [BrandWish("EUR", 1, Window(last, last + DAY))]
        plate.create(wish, last)
    kept = [brand.opens == last for brand in accepted_brands(read_network(home / "network.json"))]
    with Plate.engraving(home / "bank") as plate:
        plate.create([BrandWish("EUR", 2, Window(last, last + DAY))], last + 1)
    left = [brand.opens == last for brand in accepted_brands(read_network(home / "network.json"))]

    assert sorted(kept) == [False, False, True]
    assert left == [True, True]


@needs_openssl
def test_a_bank_says_why_it_signs_slowly() -> None:
    minted = mint(key_of("bank"), {1: "2048-a", 2: "2048-b"})
    bent = [
        replace(each, secret=SecretKey.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"], Bent(RSA_new=no_key)))
        for each in minted
    ]

    assert bank.slow_signing(minted) == []
    (why,) = bank.slow_signing(bent)
    assert "made no key" in why


def no_key() -> None:
    """What a libcrypto gives that has no memory left."""


@pytest.mark.parametrize(
    ("denominations", "days", "complaint"),
    [([3], 30, "must divide"), ([1], 0, "at least"), ([2**power for power in range(BRANDS_MAX)], 30, "at most")],
)
async def test_brands_that_cannot_be(home: Path, denominations: list[int], days: int, complaint: str) -> None:
    plate = Plate.of(home / "bank")

    with pytest.raises(BadStart, match=complaint):
        plate.next_wishes("EUR", denominations, None, days, plate.brands[0].opens)
