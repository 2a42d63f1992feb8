"""`anonnet bank brand`: the next brands of a bank, one open at a time, and what wallets accept of them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from anonnet_daemons import bank
from anonnet_daemons.branding import ANNOUNCED_SECONDS, DAY, LISTED_SECONDS, BrandWish, Plate, Window
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import Kind, accepted_brands, brand_file, offers_of, read_network
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.serving import reachable
from click.testing import CliRunner

from anonnet.crypto.blind import Method, SecretKey
from anonnet.errors import BadStart, Why
from anonnet.limits import BRANDS_MAX
from anonnet.store.bank import BankStore
from anonnet.store.listing import brand_of
from anonnet.store.wallet import WalletStore
from anonnet.times import BRAND_NOTICE_SECONDS, FORGET_SECONDS, WITHDRAW_LIFE_SECONDS_MIN
from anonnet.wire.signed import Signer
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


async def test_the_bank_has_them_at_once_and_the_network_file_stays_as_it_is(home: Path) -> None:
    before = (home / "network.json").read_bytes()
    made = ran(home, "create", "EUR")["brands"]

    minted = {each.brand.id.hex() for each in bank.minted(reachable(home / "bank", Kind.BANK))}
    stands = {each["id"]: each["stands"] for each in ran(home, "list")["brands"]}

    assert {each["id"] for each in made} < minted
    assert (home / "network.json").read_bytes() == before
    assert sorted(stands.values()) == ["network file"] * 2 + ["not yet: have the bank run"] * 2
    assert {stands[each["id"]] for each in made} == {"not yet: have the bank run"}


async def test_brands_of_a_new_kind_open_when_the_logs_have_had_them_long_enough(home: Path) -> None:
    now = int(time.time())
    (made,) = ran(home, "create", "CHF", "--new", "--worth", "1")["brands"]
    soon = datetime.fromtimestamp(now + DAY, UTC).strftime("%Y-%m-%d")
    refused = ran(home, "create", "USD", "--new", "--worth", "1", "--opens", soon)

    assert now + ANNOUNCED_SECONDS <= made["opens"] <= now + ANNOUNCED_SECONDS + 60
    assert "in the logs for a day before they open" in refused["error"]


async def test_a_slip_of_the_hand_makes_no_brands(home: Path) -> None:
    """What is made goes into every log for good: nobody can take it back."""
    before = sorted(path.name for path in (home / "bank").iterdir())

    slip = ran(home, "create", "eur")
    pinned = ran(home, "create", "EUE", "--pin")

    assert slip["error"] == "bank has no tokens in eur: choose one of EUR, or add --new if it is to have them"
    assert "no tokens in EUE" in pinned["error"]
    assert sorted(path.name for path in (home / "bank").iterdir()) == before


WRONG = [("", "--new"), ("EUR ", "--new"), ("E\nUR", "--new"), ("E" * 13, "--new"), ("EUR", "--worth", str(2**54))]


async def test_names_that_cannot_be_told_apart_and_worths_too_large_are_wrong_use(home: Path) -> None:
    for words in WRONG:
        result = CliRunner().invoke(main, ["bank", "brand", "create", *words, "--data", str(home / "bank")])
        assert result.exit_code == 2, words
        assert "Usage:" in result.output


async def test_bank_and_wallets_take_pinned_ones_from_the_network_file(home: Path) -> None:
    (home / "network.json").chmod(0o644)
    made = ran(home, "create", "EUR", "--worth", "4", "--pin")["brands"]

    ids = {brand.id.hex(): brand for brand in accepted_brands(read_network(home / "network.json"))}
    minted = {each.brand.id.hex(): each for each in bank.minted(reachable(home / "bank", Kind.BANK))}

    assert {each["id"] for each in made} < set(ids) == set(minted)
    assert (home / "network.json").stat().st_mode & 0o777 == 0o644, "others read it as before"
    assert all((home / "bank" / name).stat().st_mode & 0o77 == 0 for name in os.listdir(home / "bank"))


async def test_a_brand_that_came_too_late_for_the_logs_is_pinned_as_it_is(home: Path) -> None:
    now = int(time.time())
    with Plate.engraving(home / "bank") as plate:
        (late,) = plate.create([BrandWish("CHF", 1, Window(now + DAY // 2, now + 8 * DAY))])
    listed = ran(home, "list")
    pinned = ran(home, "create", "CHF", "--pin")["brands"]
    after = ran(home, "list")
    (following,) = ran(home, "create", "CHF", "--pin")["brands"]

    assert {each["id"]: each["stands"] for each in listed["brands"]}[late.id.hex()].startswith("missed:")
    assert ["it is too late for them" in each for each in listed["todo"]] == [True]
    assert [each["id"] for each in pinned] == [late.id.hex()]
    assert {each["id"]: each["stands"] for each in after["brands"]}[late.id.hex()] == "network file"
    assert after["todo"] == []
    assert late in accepted_brands(read_network(home / "network.json"))
    assert following["opens"] == late.closes + 1
    assert len(bank.minted(reachable(home / "bank", Kind.BANK))) == 4


async def test_only_what_not_all_logs_have_in_time_is_missed(home: Path) -> None:
    made = ran(home, "create", "EUR")["brands"]
    plate = Plate.of(home / "bank")
    (log,) = plate.network.logs
    store = BankStore(str(home / "bank" / "bank.db"))
    store.begin()
    store.announced.keep(bytes.fromhex(made[0]["id"]), log, "")
    store.announced.keep(bytes.fromhex(made[1]["id"]), log, Why.TOO_LATE)
    store.commit()
    store.close()
    opens, closes = made[0]["opens"], made[0]["closes"]

    def stands(now: int) -> list[str]:
        return [plate.published(now)[bytes.fromhex(each["id"])][:6] for each in made]

    assert stands(opens - BRAND_NOTICE_SECONDS) == ["logs", "refuse"]
    assert stands(opens - BRAND_NOTICE_SECONDS + 1) == ["logs", "missed"]
    assert stands(closes + 1) == ["logs", "refuse"]


async def test_the_owner_is_told_when_no_brand_follows(home: Path) -> None:
    closes = ran(home, "list")["brands"][0]["closes"]

    def told(now: int) -> list[bool]:
        return ["no EUR brand follows" in each for each in Plate.of(home / "bank").warnings(now)]

    assert told(closes - ANNOUNCED_SECONDS) == []
    assert told(closes - ANNOUNCED_SECONDS + 1) == [True]
    ran(home, "create", "EUR")
    assert told(closes - ANNOUNCED_SECONDS + 1) == []


async def test_a_bank_reminds_its_owner_when_it_starts_and_once_a_day(
    home: Path, mock_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def heard() -> str:
        while not (said := capsys.readouterr().err):
            await trio.lowlevel.checkpoint()  # a thread reads the folder, and no time passes
        return said

    now = int(time.time())
    assert bank.warnings(home / "bank", now) == []
    with Plate.engraving(home / "bank") as plate:
        (late,) = plate.create([BrandWish("CHF", 1, Window(now + DAY // 2, now + 8 * DAY))])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bank.remind_owner, home / "bank")
        first = await heard()
        (home / "bank" / brand_file(late)).unlink()
        mock_clock.jump(FORGET_SECONDS - 1)
        await trio.testing.wait_all_tasks_blocked()
        assert capsys.readouterr().err == ""
        mock_clock.jump(1)
        second = await heard()
        nursery.cancel_scope.cancel()

    assert f"run `anonnet bank brand create CHF --data {home / 'bank'} --pin`" in first
    assert "is missing: restore it from your backup" in second


async def test_no_two_brands_of_a_kind_are_open_at_a_time(home: Path) -> None:
    before = (home / "network.json").read_bytes()
    closes = ran(home, "list")["brands"][0]["closes"]
    day = datetime.fromtimestamp(closes, UTC).strftime("%Y-%m-%d")

    refused = ran(home, "create", "EUR", "--opens", day, "--pin")

    assert "is open at that time" in refused["error"]
    with pytest.raises(BadStart, match="is open at that time"):
        Plate.of(home / "bank").next_wishes("EUR", [1], closes, 7, closes, closes)
    with pytest.raises(BadStart, match="is open at that time"):
        Plate.of(home / "bank").next_wishes("EUR", [2], closes - 40 * DAY, 30, closes, 0)
    assert Plate.of(home / "bank").next_wishes("CHF", [1], closes, 7, closes, closes) == [
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
        plate.pin(wish, last)
    kept = [brand.opens == last for brand in accepted_brands(read_network(home / "network.json"))]
    with Plate.engraving(home / "bank") as plate:
        plate.pin([BrandWish("EUR", 2, Window(last, last + DAY))], last + 1)
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
        plate.next_wishes("EUR", denominations, None, days, plate.brands[0].opens, 0)


async def test_a_wallet_shows_what_it_found_in_the_logs_and_which_bank_has_two_of_a_kind(home: Path) -> None:
    ran(home, "create", "EUR", "--worth", "4")
    plate = Plate.of(home / "bank")
    (next_one,) = (
        offer for offer, brand in offers_of(plate.network, plate.setup.peer(plate.network)) if brand.denomination == 4
    )
    store = WalletStore(str(home / "consumer" / "wallet.db"))
    store.begin()
    store.listing.accept(brand_of(next_one.brand), next_one)
    store.commit()
    accepted = wallet_ran(home)
    signer = Signer(plate.network.name, plate.setup.identity(plate.setup.peer(plate.network)))
    store.begin()
    store.listing.contest(next_one.brand, signer.sign(replace(brand_of(next_one.brand), closes=2**33, ends=2**33)))
    store.commit()
    store.close()
    wrong = wallet_ran(home, "--to", str(home / "two.evidence"))
    judged = CliRunner().invoke(main, ["judge", str(home / "two.evidence"), "--json"])

    assert sorted(each["stands"] for each in accepted["brands"]) == ["logs", "network file", "network file"]
    assert (accepted["wrong"], wrong["wrong"]) == ([], ["bank"])
    assert [each["claim"] for each in json.loads(judged.output)["findings"]] == ["two-brands"]


def wallet_ran(home: Path, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["wallet", "brands", *words, "--data", str(home / "consumer"), "--json"])
    found: dict[str, Any] = json.loads(result.output)
    assert bool(result.exit_code) == bool(found["wrong"])
    return found
