"""The vectors of evidence are what the code makes, all of them hold, and a changed one does not."""

from __future__ import annotations

import json
from pathlib import Path

from anonnet_daemons import selftest

from tests.judge import make_vectors


def test_the_vectors_are_those_of_the_code() -> None:
    same = make_vectors.FILE.read_text("utf-8") == make_vectors.text()

    assert same, "write them anew: .venv/bin/python -m tests.judge.make_vectors"


def test_the_self_test_runs_all_of_them(tmp_path: Path) -> None:
    shipped = json.loads(make_vectors.FILE.read_text("utf-8"))
    total = len(shipped["files"]) + len(shipped["refused"])
    shipped["files"][0]["findings"][0][1] = "done"
    shipped["files"][1]["set_aside"] += 1
    shipped["refused"][0]["file"] = shipped["files"][2]["file"]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(shipped), "utf-8")

    assert selftest.run([make_vectors.FILE]) == (total, 0)
    assert selftest.run([changed]) == (total - 3, 3)
