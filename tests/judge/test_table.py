"""The table of docs/evidence.md: each row is a case put before the judge, honest ones and forged ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anonnet.parties.judge.verdict import Claim
from anonnet.protocol.local import OpenAt
from tests.judge import (
    conduct_rows,
    debit_rows,
    exchange_rows,
    goods_rows,
    key_rows,
    log_rows,
    money_rows,
    receipt_rows,
    sealed_rows,
    theft_rows,
)
from tests.judge.court import ROWS, Court, Row, decided
from tests.paper.scenes import Scene

DOCUMENT = Path(__file__).parents[2] / "docs" / "evidence.md"
MADE = re.compile(r"(?<=<!-- made: verdicts -->\n).*?(?=<!-- end of verdicts -->)", re.DOTALL)
MODULES = (
    money_rows,
    debit_rows,
    exchange_rows,
    goods_rows,
    receipt_rows,
    conduct_rows,
    sealed_rows,
    log_rows,
    theft_rows,
    key_rows,
)
TABLES = [each.__name__ for each in MODULES]


def shop(folder: Path) -> Scene:
    """A shop that is open; consumers come with the cases."""
    scene = Scene(folder)
    scene.merchant.command(OpenAt(bank=scene.bank_key))
    scene.settle()
    scene.sell()
    return scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return shop(tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_judge_decides_as_the_table_says(scene: Scene, row: Row) -> None:
    case = row.made(scene)

    verdict = Court(scene).judges(case.papers, case.chunks, case.theft)

    assert decided(verdict) == row.expected, verdict.words({})
    assert len(verdict.set_aside) == row.set_aside, verdict.set_aside


def table() -> str:
    """The rows as the document shows them."""
    lines = ["| claim | evidence | verdict |", "|---|---|---|"]
    ordered = sorted(ROWS, key=lambda row: (list(Claim).index(row.claim), TABLES.index(row.made.__module__)))
    lines += [f"| {row.claim} | {row.evidence} | {row.verdict} |" for row in ordered]
    return "\n".join(["", *lines, "", ""])


def test_the_document_has_this_table() -> None:
    (found,) = MADE.findall(DOCUMENT.read_text("utf-8"))

    assert found == table(), "write it anew: .venv/bin/python -m tests.judge.test_table"


def main() -> None:
    """Write the table anew."""
    DOCUMENT.write_text(MADE.sub(lambda _: table(), DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
