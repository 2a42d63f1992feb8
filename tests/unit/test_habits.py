"""How a wallet withdraws and pays: what party.json says, and the command that changes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import PARTY_FILE, Kind, party_json, read_setup
from click.testing import CliRunner, Result

from anonnet.errors import BadStart
from anonnet.parties.purse import Habits


@pytest.fixture
def wallet(tmp_path: Path) -> Path:
    """A wallet's data folder, as `anonnet init` makes it."""
    (tmp_path / PARTY_FILE).write_bytes(party_json(Kind.CONSUMER, "consumer", "127.0.0.1", "relay"))
    return tmp_path


def habits(wallet: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["wallet", "habits", "--data", str(wallet), *options])


def read(wallet: Path) -> Habits:
    return read_setup(wallet, Kind.CONSUMER).habits


def test_what_is_linked_is_off_by_default(wallet: Path) -> None:
    told = habits(wallet)

    assert read(wallet) == Habits(in_parts=False, reused_keys=False)
    assert "Pays exactly." in told.output
    assert "Keys: single-use." in told.output
    assert PARTY_FILE not in told.output
    assert (wallet / PARTY_FILE).read_bytes() == party_json(Kind.CONSUMER, "consumer", "127.0.0.1", "relay")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"pays": "in parts"}, Habits(in_parts=True)),
        ({"keys": "reused"}, Habits(reused_keys=True)),
        ({"pays": "exactly", "keys": "single-use"}, Habits()),
        ({"pays": "in parts", "keys": "reused"}, Habits(in_parts=True, reused_keys=True)),
    ],
)
def test_party_json_says_how_a_wallet_withdraws_and_pays(wallet: Path, words: dict[str, str], expected: Habits) -> None:
    values = json.loads((wallet / PARTY_FILE).read_bytes())
    (wallet / PARTY_FILE).write_text(json.dumps(values | words))

    assert read(wallet) == expected


@pytest.mark.parametrize("words", [{"pays": "in halves"}, {"keys": True}, {"key": "reused"}])
def test_what_party_json_cannot_mean_is_no_start(wallet: Path, words: dict[str, object]) -> None:
    values = json.loads((wallet / PARTY_FILE).read_bytes())
    (wallet / PARTY_FILE).write_text(json.dumps(values | words))

    with pytest.raises(BadStart, match=next(iter(words))):
        read(wallet)
    assert habits(wallet, "--keys", "single-use").exit_code == 1


def test_the_command_changes_one_habit_and_says_what_the_bank_can_link(wallet: Path) -> None:
    parts = habits(wallet, "--pays", "in parts")
    keys = habits(wallet, "--keys", "reused")

    assert read(wallet) == Habits(in_parts=True, reused_keys=True)
    assert "bank can link the sale" in parts.output
    assert "bank can link every sale" in keys.output
    assert "next start" in keys.output
    assert habits(wallet, "--pays", "exactly", "--keys", "single-use").exit_code == 0
    assert read(wallet) == Habits()
    assert (wallet / PARTY_FILE).stat().st_mode & 0o777 == 0o600


def test_the_command_has_the_same_words_for_programs(wallet: Path) -> None:
    told = json.loads(habits(wallet, "--keys", "reused", "--json").output)

    assert (told["pays"], told["keys"]) == ("exactly", "reused")
    assert "every sale that they pay" in told["linked"]["keys"]
    assert habits(wallet, "--keys", "shared").exit_code == 2
