"""Tests with many processes and mounts tidy up when they are told to stop, not only on Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest


@pytest.fixture(autouse=True)
def stopped_like_ctrl_c(request: pytest.FixtureRequest) -> Iterator[None]:
    """SIGTERM is a Ctrl-C, which ends every block as it should be ended, and it ends the whole run."""

    def stop(number: int, frame: FrameType | None) -> None:
        request.session.shouldstop = "stopped by SIGTERM"
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
