"""The scene that most claims begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.paper.scenes import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Accounts open, ten units of tokens in the wallet, goods for five on sale; nothing heard yet."""
    scene = Scene(tmp_path)
    scene.prepare()
    scene.heard.clear()
    return scene
