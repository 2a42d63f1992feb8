"""docs/threats.md names tests and files that exist: a countermeasure that nothing shows is a wish."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from anonnet import limits, times

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PLACE = re.compile(r"`((?:anonnet|daemons|tests)/[\w/.]+)`")
LIMIT = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")

TEXT = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
ROWS = ROW.findall(TEXT)


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_threats_are_numbered_without_a_gap() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, len(re.findall(r"^\| \d", TEXT, re.MULTILINE)) + 1))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_threat_names_tests_that_exist_or_says_what_goes_wrong_meanwhile(row: tuple[str, ...]) -> None:
    *_, shown = row
    named = TEST.findall(shown)

    assert named or shown.startswith("not yet: ")
    assert shown.count("::") == len(named)
    for path, name in named:
        assert name in names_in(ROOT / path), f"{path} has no {name}"


def test_each_place_and_each_limit_that_is_named_exists() -> None:
    bounds = {*dir(limits), *dir(times)}

    assert not [place for place in PLACE.findall(TEXT) if not (ROOT / place).exists()]
    assert not {word for word in LIMIT.findall(TEXT)} - bounds
