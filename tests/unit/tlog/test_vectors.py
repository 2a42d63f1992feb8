"""Published signed notes, and a transcript of another witness: all are met, and a change of any is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons import selftest

NOTES, TRANSCRIPT = "signed-notes.json", "witness-transcript.json"


def shipped(name: str) -> Any:
    return json.loads((selftest.VECTORS / name).read_text(encoding="utf-8"))


def run(folder: Path, document: Any) -> tuple[int, int]:
    file = folder / "renamed.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return selftest.run([file])


@pytest.mark.parametrize(("name", "number"), [(NOTES, 4), (TRANSCRIPT, 10)])
def test_all_vectors_are_met(name: str, number: int, tmp_path: Path) -> None:
    assert selftest.run([selftest.VECTORS / name]) == (number, 0)
    assert run(tmp_path, shipped(name)) == (number, 0)


def changed(text: str) -> str:
    """Change one letter near the end, where signatures and keys stand, without making it another base64."""
    at = len(text) - 12
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


FIELDS = [
    (number, field)
    for number, vector in enumerate(shipped(NOTES))
    for field in ("note", "vkeys", "expect_verified", "skey")
    if field in vector
]


@pytest.mark.parametrize(("number", "field"), FIELDS)
def test_every_field_of_a_note_is_checked(number: int, field: str, tmp_path: Path) -> None:
    vector = shipped(NOTES)[number]
    value = vector[field]
    unknown_line = vector["name"] == "go-peter+unknown" and field == "note"
    for bad in (changed(value) if isinstance(value, str) else [changed(value[0] + " " * 12), *value[1:]], None, 7):
        assert run(tmp_path, [{**vector, field: bad}]) == ((1, 0) if unknown_line and isinstance(bad, str) else (0, 1))


@pytest.mark.parametrize("number", range(10))
def test_every_step_of_the_transcript_is_checked(number: int, tmp_path: Path) -> None:
    for field, bad in (
        ("status", 418),
        ("asserts", 'body == "something else"'),
        ("asserts", "anything"),
        ("request", 7),
    ):
        document = shipped(TRANSCRIPT)
        document["steps"][number][field] = bad
        assert run(tmp_path, document)[1] >= 1


def nothing_of_a_list(document: dict[str, Any]) -> None:
    document["steps"] = 7


def no_logs(document: dict[str, Any]) -> None:
    document["logs"] = 7


def no_keys(document: dict[str, Any]) -> None:
    document["logs"] = dict.fromkeys(document["logs"])


def half_a_character(document: dict[str, Any]) -> None:
    document["steps"][0]["request"] = "old 0\n\n\ud800"


@pytest.mark.parametrize("spoil", [nothing_of_a_list, no_logs, no_keys, half_a_character])
def test_broken_transcripts_fail(spoil: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    document = shipped(TRANSCRIPT)
    spoil(document)
    assert run(tmp_path, document)[1] >= 1


def test_broken_notes_fail(tmp_path: Path) -> None:
    assert run(tmp_path, [*shipped(NOTES), {"name": "what is this?"}, 7])[1] >= 2
