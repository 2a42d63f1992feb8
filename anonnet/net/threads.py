"""Threads that stay: for COMMIT, and for what is made after it (a blind signature, a sealed chunk).

Trio's own way to a thread names it, copies a context and counts a limiter for each call, which costs the loop a third
of a signature's time. Here a call costs a place in a queue and one wake-up of the loop for all that has become ready.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import trio

T = TypeVar("T")


class Threads:
    """Some threads, begun when they are first needed, ended with this object. Work is begun in the order it came."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._ready: deque[trio.Event] = deque()

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in one of the threads, return what it returns, raise what it raises.

        Cancelled, it waits for work that has begun, so that whoever goes cannot leave more of it behind than there are
        threads; what has not begun is dropped.
        """
        done = trio.Event()
        future = self._threads.submit(work)
        wake = partial(self._wake, trio.lowlevel.current_trio_token(), done)
        future.add_done_callback(lambda _: wake())
        try:
            await done.wait()
        finally:
            if not done.is_set() and not future.cancel():
                with trio.CancelScope(shield=True):
                    await done.wait()
        return future.result()

    def _wake(self, loop: trio.lowlevel.TrioToken, done: trio.Event) -> None:
        self._ready.append(done)
        loop.run_sync_soon(self._tell, idempotent=True)

    def _tell(self) -> None:
        while self._ready:
            self._ready.popleft().set()
