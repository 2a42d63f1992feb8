"""Bugs, contained where they strike: written to an incident file, counted, and kept away from everyone else.

A file holds where it happened, the kinds of the exceptions, and the step and hash of the message that was worked on. It
does not hold what exceptions say, since that may quote values, nor a byte of the message.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from anonnet.errors import Fatal, Malformed
from anonnet.limits import INCIDENTS_MAX
from anonnet.parties.turn import Asked

ID_BYTES = 8


class Incidents:
    """The incidents of one daemon; a daemon that had any is not in good health."""

    def __init__(self, folder: Path, entropy: Callable[[int], bytes]) -> None:
        self.count = 0
        """How many since the daemon started."""
        self._folder = folder / "incidents"
        self._entropy = entropy

    def report(self, bug: BaseException, asked: Asked[Any] | None = None) -> str:
        """Write a bug down, return the incident's id. A full disk is no reason to fail."""
        self.count += 1
        incident = self._entropy(ID_BYTES).hex()
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if len(os.listdir(self._folder)) < INCIDENTS_MAX:
                self._write(self._folder / f"{incident}.txt", described(bug, asked))
        return incident

    def _write(self, path: Path, text: str) -> None:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    async def confine(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a connection, a circuit or an errand to its end, whatever that end is. Only Fatal goes further."""
        try:
            await run()
        except* Fatal:
            raise
        except* (Malformed, OSError):
            pass  # the peer, or the world
        except* Exception as bugs:
            self.report(bugs)


def described(bug: BaseException, asked: Asked[Any] | None) -> str:
    """The text of an incident file."""
    lines = []
    if asked is not None:
        lines.append(f"message: {type(asked.body).__name__}")
        if asked.checked is not None:
            lines.append(f"step: {asked.checked.signed.step}, hash: {asked.checked.signed.hash.hex()}")
    lines += _traced(bug)
    return "\n".join(lines) + "\n"


def _traced(bug: BaseException) -> list[str]:
    """Kinds and places, without what the exceptions say."""
    lines = []
    if bug.__cause__ is not None:
        lines += [*_traced(bug.__cause__), "which led to:"]
    elif bug.__context__ is not None and not bug.__suppress_context__:
        lines += [*_traced(bug.__context__), "during which came:"]
    lines.append(f"{type(bug).__module__}.{type(bug).__qualname__}")
    lines += [text.rstrip() for text in traceback.format_tb(bug.__traceback__)]
    if isinstance(bug, BaseExceptionGroup):
        for each in bug.exceptions:
            lines += ["with:", *_traced(each)]
    return lines
