"""Being a daemon from the command line: what `anonnet NOUN run` does until SIGTERM."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import trio

NOT_FOR_OTHERS = 0o077


def run_daemon(run: Callable[[], Awaitable[None]]) -> None:
    """Be this daemon until it is told to stop. Raises BadStart where it cannot start, Fatal where storage fails."""
    os.umask(NOT_FOR_OTHERS)
    trio.run(run)
