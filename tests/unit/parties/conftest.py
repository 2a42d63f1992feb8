"""The scene that every test of a party begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paper.scenes import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Accounts are open, goods on sale, the consumer has tokens."""
    made = Scene(tmp_path)
    made.prepare()
    return made
