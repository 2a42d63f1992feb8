"""Golden transcripts: each play is acted out and compared with its text; the difference is what a review reads.

ANONNET_TRACES=rewrite writes the texts anew: `ANONNET_TRACES=rewrite .venv/bin/python -m pytest tests/traces`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.traces import alert_plays, branch_plays, dispute_plays, merging, quorum_plays, stamp_plays, wallet_plays
from tests.traces.plays import PLAYS

assert [alert_plays, branch_plays, dispute_plays, quorum_plays, stamp_plays, wallet_plays], (
    "these stand on the list, too"
)
HERE = Path(__file__).parent
assert merging.PLAYS is PLAYS, "every file of plays puts its own on the list"
LONG = {"recovery"}
"""What takes seconds to act: a wallet that asks for hundreds of places."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in PLAYS]
)
def test_the_play_is_acted_as_it_is_written(name: str, tmp_path: Path) -> None:
    written = HERE / f"{name}.txt"
    acted = PLAYS[name](tmp_path)
    if os.environ.get("ANONNET_TRACES") == "rewrite":
        written.write_text(acted, encoding="utf-8")

    assert acted.splitlines() == written.read_text(encoding="utf-8").splitlines()


def test_no_transcript_is_left_of_a_play_that_is_gone() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == set(PLAYS)
