"""Threads that stay: what work returns and raises, and what becomes of it when nobody waits any more."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from anonnet.net.threads import Threads

SECONDS = 20


async def test_work_runs_in_one_of_a_few_threads_and_its_result_comes_back() -> None:
    threads, seen = Threads(2), set()
    results = []

    async def one(number: int) -> None:
        def work() -> int:
            seen.add(threading.get_ident())
            return number

        results.append(await threads.run(work))

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(one, number)

    assert sorted(results) == list(range(50))
    assert 1 <= len(seen) <= 2
    assert threading.get_ident() not in seen


async def test_what_work_raises_is_raised_where_it_is_waited_for() -> None:
    def work() -> None:
        raise OSError("the disk")

    with trio.fail_after(SECONDS), pytest.raises(OSError, match="the disk"):
        await Threads(1).run(work)


async def test_a_cancelled_asker_waits_for_work_that_has_begun_and_drops_the_rest() -> None:
    threads, gate, begun, ended, never = Threads(1), threading.Event(), threading.Event(), [], []

    def slow() -> None:
        begun.set()
        assert gate.wait(SECONDS)
        ended.append(True)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(threads.run, slow)
            await trio.to_thread.run_sync(begun.wait)
            nursery.start_soon(threads.run, lambda: never.append(True))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
                assert not ended
                gate.set()

    assert ended
    assert not never
