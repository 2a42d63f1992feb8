"""Debian's chromium, without a window, steered by its own protocol over a pair of pipes: no driver, no library.

A message is JSON that ends in a zero byte; the browser reads its file descriptor 3 and writes to 4.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

PROGRAM = shutil.which("chromium")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--remote-debugging-pipe", "--window-size=1200,1400"),
)
PROFILE = "--user-data-dir"
SHELL = ("bash", "-c")
SECONDS = 60
"""A browser that has not answered within this will not."""
PIECE = 2**16

needs_browser = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed: apt-get install chromium")


class Browser:
    """One page in a browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._numbers = itertools.count(1)
        self._received = b""
        self._session: str | None = None
        target = self._do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._do("Page.enable")

    def visit(self, address: str) -> None:
        """Go there, and wait until all is loaded."""
        self._do("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """The value of an expression, or of what it promises. Fails where it throws."""
        done = self._do("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until this expression is true."""
        self.run(
            f"new Promise((done) => {{ const look = () => ({condition}) ? done() : setTimeout(look, 20); look(); }})"
        )

    def text(self, selector: str) -> str:
        """What is to be read there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        return base64.b64decode(self._do("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def _do(self, method: str, **values: Any) -> dict[str, Any]:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        said = json.dumps({"id": number, "method": method, "params": values, **session})
        os.write(self._writing, said.encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._reading], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self._reading, PIECE) if ready else b""
            assert piece, "the browser has ended, or does not answer"
            self._received += piece
        message, self._received = self._received.split(b"\0", 1)
        value: dict[str, Any] = json.loads(message)
        return value


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, ended with the block."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*SHELL, f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "-", str(PROGRAM), *OPTIONS, f"{PROFILE}={profile}"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_in, ours_out)
        finally:
            os.close(ours_out)
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            process.kill()
            process.wait()
            os.close(ours_in)
