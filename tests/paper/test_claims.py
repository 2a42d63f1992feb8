"""docs/claims.md and the tests beside this file name each other: no claim without its test, and no test without one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
CLAIMS = HERE.parents[1] / "docs" / "claims.md"
CLAIM = re.compile(r"^(\d+)\. > (\S.*)\n\n   (?:`(\S+)`|(not yet))$", re.MULTILINE)


def claims() -> list[tuple[str, ...]]:
    """(number, sentence, test, or "not yet") of each claim."""
    return CLAIM.findall(CLAIMS.read_text(encoding="utf-8"))


def named_here() -> list[str]:
    """Every test of this folder, as docs/claims.md names it; those of this file are about that page itself."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        if path != Path(__file__):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
            found += [f"tests/paper/{path.name}::{name}" for name in names if name.startswith("test_")]
    return found


def test_claims_are_numbered_without_a_gap() -> None:
    numbers = [int(number) for number, *_ in claims()]
    quoted = re.findall(r"^(\d+)\.", CLAIMS.read_text(encoding="utf-8"), re.MULTILINE)

    assert numbers == list(range(1, len(quoted) + 1))


def test_each_claim_names_a_test_that_exists_or_says_not_yet() -> None:
    tests = set(named_here())

    missing = [(number, test) for number, _, test, later in claims() if not later and test not in tests]

    assert not missing


def test_each_test_is_named_once() -> None:
    named = Counter(test for _, _, test, later in claims() if not later)

    assert named == dict.fromkeys(named_here(), 1)
