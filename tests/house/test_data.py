"""docs/data.md says of every table of every store what it is for, and until when."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anonnet import limits, times
from anonnet.store import bank, lock, log, merchant, mirror, wallet

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
SCHEMAS = {
    "Bank": bank.SCHEMA,
    "Merchant": merchant.SCHEMA,
    "Log": log.SCHEMA + lock.SCHEMA,
    "Mirror": mirror.SCHEMA,
    "Wallet": wallet.SCHEMA,
}
ROW = re.compile(r"^\| `(\w+)`(.*)$", re.MULTILINE)
WORD = re.compile(r"`([A-Z_]{4,})`")
STEPS = {"RESTORE", "STATE"}


def section(party: str) -> str:
    """What the page says of one party."""
    (found,) = re.findall(rf"^## {party}\n(.*?)(?=^## |\Z)", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("party", SCHEMAS)
def test_every_table_has_its_rows_and_every_row_its_table(party: str) -> None:
    tables = set(re.findall(r"create table if not exists (\w+)", SCHEMAS[party]))

    rows = {table for table, _ in ROW.findall(section(party))}

    assert rows == tables


@pytest.mark.parametrize("party", SCHEMAS)
def test_every_row_says_what_why_and_until_when(party: str) -> None:
    for table, rest in ROW.findall(section(party)):
        cells = [cell.strip() for cell in rest.split("|")[1:-1]]
        assert len(cells) == 4, table
        assert cells[0].startswith("empty") or all(cells[:3]), table


def test_every_limit_it_names_is_one() -> None:
    named = set(WORD.findall(DOCUMENT.read_text("utf-8"))) - STEPS

    assert named
    assert not [name for name in named if not hasattr(limits, name) and not hasattr(times, name)]
