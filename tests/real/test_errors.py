"""What goes wrong is said in one sentence that says what to do next, and by an exit code."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import PARTY_FILE, Kind
from anonnet_daemons.founding import Plan, found

from .processes import CURRENCY, DENOMINATIONS, Ran, anonnet, check_sentence, command, env, network, told

pytestmark = pytest.mark.real

FULL = Path("/dev/full")


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A network of which nothing runs."""
    await found(Plan(tmp_path / "n", CURRENCY, DENOMINATIONS))
    return tmp_path / "n"


async def test_a_daemon_that_does_not_run(home: Path) -> None:
    check_sentence(await anonnet(home, "wallet", "balance"), 69, "no consumer runs on", "anonnet wallet run --data")

    ran = await anonnet(home, "bank", "books", "--json")
    assert (ran.code, ran.json["exit"], ran.err) == (69, 69, "")


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux on which nothing can be written")
async def test_the_code_tells_what_cannot_be_written(home: Path) -> None:
    with FULL.open("wb") as full:
        for words in (("wallet", "balance"), ("wallet", "balance", "--json")):
            ran = await trio.run_process(command(*words), env=env(home), stdout=full, stderr=full, check=False)
            assert ran.returncode == 69
        listed = command("bank", "brand", "list")
        ran = await trio.run_process(listed, env=env(home), stdout=full, capture_stderr=True, check=False)

    check_sentence(Ran(ran.returncode, "", ran.stderr.decode()), 1, "cannot be written", "look before you ask again")


async def test_a_folder_without_a_party(home: Path) -> None:
    check_sentence(await anonnet(home, "bank", "run", "--data", home / "nowhere"), 1, "party.json", "anonnet init")
    assert not (home / "nowhere").exists()


async def test_a_folder_of_another_party(home: Path) -> None:
    ran = await anonnet(home, "bank", "run", "--data", home / "merchant")
    check_sentence(ran, 1, "is that of a merchant, not of a bank", "--data")


async def test_a_home_that_is_not_empty(home: Path) -> None:
    check_sentence(await anonnet(home, "init", home), 1, "is not empty", "choose a new folder")


async def test_a_data_folder_in_use_and_a_port_in_use(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        ran = await anonnet(local.home, "bank", "run")
        check_sentence(ran, 1, "data folder in use", "stop it, or choose another folder")

        copy = local.home / "copy"
        shutil.copytree(local.home / "merchant", copy, ignore=shutil.ignore_patterns("*.sock", "*.db*"))
        check_sentence(await anonnet(local.home, "merchant", "run", "--data", copy), 1, "cannot listen on", "in use")


Spoil = Callable[[Path], None]


def spoil_mode(bank: Path) -> None:
    (bank / "identity.key").chmod(0o644)


def spoil_size(bank: Path) -> None:
    (bank / "channel.key").write_bytes(b"short")


def spoil_identity(bank: Path) -> None:
    (bank / "identity.key").write_bytes(bytes(32))


def spoil_missing(bank: Path) -> None:
    next(bank.glob("brand-*.key")).unlink()


def spoil_books(bank: Path) -> None:
    (bank / "bank.db").unlink()


def change_party(bank: Path, **values: object) -> None:
    path = bank / PARTY_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def spoil_unknown(bank: Path) -> None:
    change_party(bank, bnid="127.0.0.1")


def spoil_kind(bank: Path) -> None:
    change_party(bank, bind=7)


def spoil_json(bank: Path) -> None:
    (bank / PARTY_FILE).write_text("{role: bank}")


def spoil_network(bank: Path) -> None:
    path = bank.parent / "network.json"
    values = json.loads(path.read_text())
    values["parties"][0]["prot"] = 1
    path.write_text(json.dumps(values))


SPOILS: list[tuple[Spoil, tuple[str, ...]]] = [
    (spoil_mode, ("identity.key can be read by others", "chmod 600")),
    (spoil_size, ("channel.key does not have 32 bytes", "restore it")),
    (spoil_identity, ("identity.key is not the key of bank", "restore it")),
    (spoil_missing, ("brand-", "is missing", "backup")),
    (spoil_books, ("bank.db is missing or empty", "which tokens are spent", "put the newest one back")),
    (spoil_unknown, ("party.json", "bnid", '"127.0.0.1"', "expected are bind, merged log, name, network, role")),
    (spoil_kind, ("party.json", "bind is 7", "expected is text")),
    (spoil_json, ("party.json is not JSON", "correct it")),
    (spoil_network, ("network.json", "parties[0].prot", "value 1", "expected are", "port")),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILS, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_keeps_a_daemon_from_starting(home: Path, spoil: Spoil, words: tuple[str, ...]) -> None:
    spoil(home / Kind.BANK)

    check_sentence(await anonnet(home, "bank", "run"), 1, *words)


async def test_what_it_says_to_run_can_be_copied(tmp_path: Path) -> None:
    home = tmp_path / "a b"
    made = await anonnet(home, "init", home, "--denominations", 1)
    stopped = await anonnet(home, "wallet", "balance")
    (home / "bank").chmod(0o755)
    opened = await anonnet(home, "bank", "run")

    assert shlex.split(made.out)[-3:] == ["anonnet", "up", str(home)]
    assert shlex.split(stopped.err)[-2:] == ["--data", str(home / "consumer")]
    assert shlex.split(opened.err)[-3:] == ["chmod", "700", str(home / "bank")]


async def test_wrong_use(home: Path) -> None:
    for words in (["wallet", "withdraw", "nothing", "EUR"], ["bank", "funds"], ["log", "entries", "--from", "-1"]):
        ran = await anonnet(home, *words)
        assert (ran.code, ran.out) == (2, "")
        assert "Usage:" in ran.err


async def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        home = local.home
        stranger = await anonnet(home, "bank", "fund", "00" * 32, 5, CURRENCY)
        check_sentence(stranger, 1, "unknown", "no such account", "check the name")
        account = (await told(home, "wallet", "open-account"))["account"]
        await check_nothing_is_paid_in(home, account)
        check_sentence(await anonnet(home, "wallet", "withdraw", 5, CURRENCY), 1, "holds 0 EUR, not 5", "bank fund")
        await told(home, "bank", "fund", account, 5000, CURRENCY)
        too_many = await anonnet(home, "wallet", "withdraw", 5000, CURRENCY)
        check_sentence(too_many, 1, f"only {sum(DENOMINATIONS)} EUR are being withdrawn", "at a time")
        nothing = await anonnet(home, "wallet", "buy", "nothing")
        check_sentence(nothing, 1, "merchant does not sell nothing", "wallet catalogue merchant")
        assert (await anonnet(home, "wallet", "catalogue", "nobody")).code == 2
        await local[Kind.MERCHANT].stop()
        silent = await anonnet(home, "wallet", "catalogue")
        check_sentence(silent, 1, "anonnet: merchant cannot be reached: ", "whether it runs, and the relay")


async def check_nothing_is_paid_in(home: Path, account: str) -> None:
    """What no tokens can be had for, or no bank can hold, does not come into the books: there it would stay."""
    slip = await anonnet(home, "bank", "fund", account, 5, CURRENCY.lower())
    check_sentence(slip, 1, f"no tokens in {CURRENCY.lower()}", f"choose one of {CURRENCY}")
    ran = await anonnet(home, "bank", "fund", account, 10**20, CURRENCY)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage:" in ran.err
    assert (await told(home, "bank", "books"))["books"] == []
