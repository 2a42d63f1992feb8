"""The vectors of the wire are those that the code makes, and the self-test that runs them sees every change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons import selftest

from tests.unit.wire import make_vectors

SHIPPED: dict[str, Any] = json.loads(make_vectors.FILE.read_text("utf-8"))


def run(document: Any, folder: Path) -> tuple[int, int]:
    """How many vectors of a document passed and failed."""
    file = folder / "wire.json"
    file.write_text(json.dumps(document))
    return selftest.run([file])


def test_what_ships_is_what_the_code_makes() -> None:
    assert make_vectors.FILE.read_text("utf-8") == make_vectors.text()


def test_what_ships_passes() -> None:
    total = sum(len(SHIPPED[name]) for name in ("hashes", "messages", "malformed"))

    assert selftest.run([make_vectors.FILE]) == (total, 0)
    assert total > 200


def other(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case bool() | int():
            return value + 1
        case str():
            return ("0" if value[:1] != "0" else "1") + value[1:]
        case list():
            return [*value, "00"]
        case dict():
            return {**value, "foreign": 1}


@pytest.mark.parametrize("kind", ["hashes", "messages"])
def test_every_field_is_checked(kind: str, tmp_path: Path) -> None:
    for vector in SHIPPED[kind][::7]:
        for field in vector:
            changed = {"wire": 1, "network": SHIPPED["network"], kind: [{**vector, field: other(vector[field])}]}
            assert run(changed, tmp_path) == (0, 1), (vector.get("name"), field)


def test_what_is_taken_is_not_malformed(tmp_path: Path) -> None:
    signed = next(each for each in SHIPPED["messages"] if each["signatures"])
    taken = [
        {"expect": "malformed", "step": signed["step"], "payload": signed["frame"][20:]},
        {"expect": "malformed", "stream": signed["frame"]},
        {**SHIPPED["malformed"][0], "expect": "valid"},
        {**SHIPPED["malformed"][0], "step": 9999},
    ]

    assert run({"wire": 1, "network": SHIPPED["network"], "malformed": taken}, tmp_path) == (0, 4)


@pytest.mark.parametrize("document", [{"wire": 2, "network": "tests"}, {"wire": 1}, {"wire": 1, "network": "x"}])
def test_other_versions_fail(document: Any, tmp_path: Path) -> None:
    assert run(document, tmp_path) == (0, 1)
