"""Incident files: few, small, for their owner alone, and never a reason to fail."""

from __future__ import annotations

import stat
from pathlib import Path

from anonnet.limits import INCIDENTS_MAX
from anonnet.net.incidents import Incidents

from .parties import Counting


def test_files_are_bounded_however_often_a_bug_strikes(tmp_path: Path) -> None:
    incidents = Incidents(tmp_path, Counting())

    told = {incidents.report(ZeroDivisionError("a secret")) for _ in range(INCIDENTS_MAX + 50)}

    files = list((tmp_path / "incidents").iterdir())
    assert (incidents.count, len(told), len(files)) == (INCIDENTS_MAX + 50, INCIDENTS_MAX + 50, INCIDENTS_MAX)
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "incidents").stat().st_mode) == 0o700
    assert not any("secret" in each.read_text() for each in files)


def test_a_bug_that_cannot_be_written_down_is_told_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "incidents").write_text("in the way")
    incidents = Incidents(tmp_path, Counting())

    assert incidents.report(ZeroDivisionError())
    assert incidents.count == 1
