"""The self-test: what ships passes, any change of any field is found, and what it cannot use it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anonnet_daemons import selftest

SHIPPED = sorted(selftest.VECTORS.glob("*.json"))


def written(folder: Path, document: Any) -> Path:
    file = folder / "renamed.txt"
    file.write_text(json.dumps(document))
    return file


def shipped(name: str) -> Any:
    return json.loads((selftest.VECTORS / name).read_text())


def test_what_ships_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert selftest.main([]) == 0

    *lines, last = capsys.readouterr().out.splitlines()
    passed, failed = selftest.run([])
    assert (lines, last) == ([], f"{passed} passed, 0 failed")
    assert (passed >= 110, failed) == (True, 0)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_files_are_known_by_their_content(file: Path, tmp_path: Path) -> None:
    copy = written(tmp_path, json.loads(file.read_text()))
    assert selftest.run([copy]) == selftest.run([file])


def changed(value: Any) -> Any:
    """Change one digit of a hexadecimal value in its middle."""
    at = len(value) // 2
    return value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]


def fields(name: str, *, step: int = 1) -> list[tuple[str, int, str]]:
    ignored = {"name", "protocol_name", "messages"}
    return [
        (name, number, field)
        for number, vector in list(enumerate(shipped(name)["vectors"]))[::step]
        for field, value in vector.items()
        if field not in ignored and value
    ]


@pytest.mark.parametrize(("name", "number", "field"), fields("rfc9474.json", step=3) + fields("noise.json"))
def test_every_field_is_checked(name: str, number: int, field: str, tmp_path: Path) -> None:
    vector = shipped(name)["vectors"][number]

    vector[field] = changed(vector[field])
    assert selftest.run([written(tmp_path, [vector])]) == (0, 1)

    del vector[field]
    if field != "handshake_hash":  # older vectors do not have it
        assert selftest.run([written(tmp_path, [vector])]) == (0, 1)


@pytest.mark.parametrize("field", ["payload", "ciphertext"])
def test_every_message_of_a_channel_is_checked(field: str, tmp_path: Path) -> None:
    for number in range(6):
        document = shipped("noise.json")
        message = document["vectors"][0]["messages"][number]
        message[field] = changed(message[field])
        assert selftest.run([written(tmp_path, document)]) == (3, 1)


def test_a_wrong_merkle_proof_is_found(tmp_path: Path) -> None:
    document = shipped("merkle.json")
    for kind in ("inclusion", "consistency"):
        next(vector for vector in document[kind] if vector["wantErr"])["wantErr"] = False
        next(vector for vector in document[kind] if vector["proof"] and not vector["wantErr"])["proof"].reverse()
    passed, failed = selftest.run([written(tmp_path, document)])
    assert passed + failed == 98
    assert 2 <= failed <= 4

    reference = shipped("rfc6962-reference.json")
    reference["leaf_inputs_hex"][3] = "00"
    assert selftest.run([written(tmp_path, reference)]) == (4, 2)


def test_a_failure_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = shipped("rfc9474.json")
    document["vectors"][0]["blind_sig"] = changed(document["vectors"][0]["blind_sig"])
    file = written(tmp_path, document)

    assert selftest.main([file]) == 1

    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{file}: RSABSSA-SHA384-PSS-Randomized: failed: blind_sig differs")
    assert last == "1 passed, 1 failed"


def test_unknown_algorithms_are_skipped_but_something_must_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = shipped("noise.json")
    document["vectors"][0]["protocol_name"] = "Noise_NK_448_ChaChaPoly_BLAKE2s"
    assert selftest.run([written(tmp_path, document)]) == (3, 0)

    del document["vectors"][1:]
    assert selftest.main([written(tmp_path, document)]) == 1
    out = capsys.readouterr().out
    assert "Noise_NK_448_ChaChaPoly_BLAKE2s: skipped: " in out
    assert out.endswith("failed: holds no vector that can be run\n0 passed, 1 failed\n")


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", "7", "null", '{"vectors": []}', '{"vectors": 7}', '[{"name": "other"}]', "[" * 100_000],
)
def test_a_file_that_cannot_be_used_fails(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)

    assert selftest.main([file]) == 1

    line, last = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{file}: failed: ")
    assert last == "0 passed, 1 failed"


def test_a_file_that_cannot_be_read_fails_and_others_still_run(tmp_path: Path) -> None:
    noise = selftest.VECTORS / "noise.json"
    assert selftest.run([tmp_path, tmp_path / "missing", noise]) == (4, 2)


@pytest.mark.parametrize(
    "document",
    [
        {"vectors": [{"protocol_name": 7}]},
        {"vectors": [{"protocol_name": "Noise_NK_25519_ChaChaPoly_BLAKE2s"}]},
        {"vectors": [{"blinded_msg": "00", "name": ["RSABSSA"]}]},
        {"vectors": [{"blinded_msg": "00", "name": "RSABSSA-SHA384-PSS-Randomized", "p": "03", "q": "05"}]},
        {"inclusion": 7},
        {"inclusion": [7]},
        {"consistency": [{"name": "forged\n9 passed, 0 failed"}]},
    ],
)
def test_broken_vectors_fail(document: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert selftest.main([written(tmp_path, document)]) == 1
    _, last = capsys.readouterr().out.splitlines()
    assert last == "0 passed, 1 failed"


def test_a_broken_vector_among_good_ones_is_not_passed_over(tmp_path: Path) -> None:
    document = shipped("noise.json")
    document["vectors"].append({"name": "what is this?"})
    assert selftest.run([written(tmp_path, document)]) == (4, 1)
