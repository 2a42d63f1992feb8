"""A log's clock: one wrong reading of a far future, or of the past, expires no sale and opens none again."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing
from anonnet_daemons.serving import warn_of_leaps

from anonnet.errors import BadStart, Fatal
from anonnet.net.clock import MARK_FILE, BoundedClock, boot_id, check_start, keep_mark, read_mark
from anonnet.store.folder import Folder
from anonnet.times import CLOCK_DRIFT, CLOCK_MARK_SECONDS, CLOCK_TOLERANCE_SECONDS, RESTART_LEAP_SECONDS_MAX

NOON = 1_700_000_000
DAY = 24 * 3600
YEAR = 365 * DAY


@dataclass
class Machine:
    """A machine's two clocks."""

    wall: float = NOON
    boot: float = 1000.0

    def clock(self) -> BoundedClock:
        return BoundedClock(wall=lambda: self.wall, boot=lambda: self.boot)

    def run(self, seconds: float, *, leap: float = 0) -> None:
        """Time passes; the wall clock is set besides."""
        self.wall += seconds + leap
        self.boot += seconds

    def mark(self, boot: str) -> dict[str, object]:
        return {"wall": self.wall, "boot": self.boot, "boot_id": boot}


@pytest.mark.parametrize("leap", [YEAR, -YEAR, 3600, -3600])
@pytest.mark.parametrize("up", [60, 30 * DAY])
@pytest.mark.parametrize("read_every", [60, DAY])
def test_a_running_clock_follows_no_leap(leap: int, up: int, read_every: int) -> None:
    """However long it has run, read or not: days without a leap make no room for one."""
    machine = Machine()
    clock = machine.clock()
    for _ in range(up // read_every):
        machine.run(read_every)
        assert clock() == machine.wall
    machine.run(up % read_every)
    right = machine.wall

    machine.run(0, leap=leap)

    assert [abs(clock() - right) for _ in range(3)] == [CLOCK_TOLERANCE_SECONDS] * 3
    machine.run(60, leap=-leap)
    assert clock() == right + 60


def test_a_leap_that_stays_is_followed_slowly() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.run(30 * DAY, leap=YEAR)
    first = clock()

    for _ in range(24):
        machine.run(3600)
        clock()

    assert clock() - first - DAY == pytest.approx(CLOCK_DRIFT * DAY, abs=1)


@pytest.mark.parametrize("rate", [CLOCK_DRIFT / 2, -CLOCK_DRIFT / 2])
def test_a_clock_that_is_slewed_is_followed(rate: float) -> None:
    machine = Machine()
    clock = machine.clock()

    for _ in range(30 * 24):
        machine.run(3600, leap=rate * 3600)
        assert clock() == pytest.approx(machine.wall, abs=1)


def test_small_steps_are_followed_at_once() -> None:
    """As time servers make them, one way and back, or one way only."""
    machine = Machine()
    clock = machine.clock()

    for step in (4, -4, 4, -4, *[3] * 20):
        machine.run(3600, leap=step)
        assert clock() == machine.wall


def test_a_start_before_what_was_said_is_refused() -> None:
    clock = Machine().clock()

    check_start(clock, NOON + CLOCK_TOLERANCE_SECONDS, None, trusted=False)
    for trusted in (False, True):
        with pytest.raises(BadStart, match="before what this log has said"):
            check_start(clock, NOON + CLOCK_TOLERANCE_SECONDS + 1, None, trusted=trusted)


def test_a_start_long_after_what_was_said_needs_a_mark_of_this_boot_or_a_word() -> None:
    machine = Machine()
    mark = machine.mark(boot_id())
    reached = NOON
    machine.run(RESTART_LEAP_SECONDS_MAX + 1)

    check_start(machine.clock(), reached, mark if boot_id() else None, trusted=not boot_id())
    for unknown in (None, mark | {"boot_id": "another"}):
        with pytest.raises(BadStart, match="--trust-clock"):
            check_start(machine.clock(), reached, unknown, trusted=False)
        check_start(machine.clock(), reached, unknown, trusted=True)
        check_start(machine.clock(), reached + 1, unknown, trusted=False)
    check_start(machine.clock(), 0, None, trusted=False)


@pytest.mark.skipif(not boot_id(), reason="this system does not tell one boot from another")
@pytest.mark.parametrize("leap", [YEAR, RESTART_LEAP_SECONDS_MAX - 100, -60])
def test_a_clock_that_was_set_since_the_last_run_is_found_out_by_the_boot_time(leap: int) -> None:
    """Less than an hour too: the boot-time clock knows how long the log was off."""
    machine = Machine()
    mark = machine.mark(boot_id())
    machine.run(10, leap=leap)

    with pytest.raises(BadStart):
        check_start(machine.clock(), NOON, mark, trusted=False)


@pytest.mark.skipif(not boot_id(), reason="this system does not tell one boot from another")
def test_a_leap_that_was_not_believed_is_not_believed_after_a_restart() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.run(60, leap=YEAR)
    reached, mark = clock(), clock.mark
    machine.run(10)

    with pytest.raises(BadStart, match="--trust-clock"):
        check_start(machine.clock(), reached, mark, trusted=False)
    machine.run(10, leap=-YEAR)
    check_start(machine.clock(), reached, mark, trusted=False)


@pytest.mark.skipif(not boot_id(), reason="this system does not tell one boot from another")
@pytest.mark.parametrize("more", [0, 1])
def test_a_log_that_was_off_for_long_believes_no_longer_leap(more: int) -> None:
    machine = Machine()
    mark = machine.mark(boot_id())
    machine.run(YEAR, leap=RESTART_LEAP_SECONDS_MAX + more)

    with pytest.raises(BadStart) if more else nullcontext():
        check_start(machine.clock(), NOON, mark, trusted=False)


@pytest.mark.parametrize("left", [b"", b"[]", b"{}", b'{"wall": 1, "boot": 2}', b"\xff"])
def test_a_mark_that_cannot_be_read_counts_as_none(tmp_path: Path, left: bytes) -> None:
    with Folder(tmp_path / "log") as folder:
        assert read_mark(folder) is None
        folder.write(MARK_FILE, left)
        assert read_mark(folder) is None
        folder.write(MARK_FILE, json.dumps(Machine().mark("x")).encode())
        assert read_mark(folder) == Machine().mark("x")


@contextmanager
def no_file_left() -> Iterator[None]:
    """This process has as many files open as it may, for the time of the block."""
    next_one = os.open(os.devnull, os.O_RDONLY)
    os.close(next_one)
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


async def test_a_mark_for_which_no_file_is_left_is_left_out(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Whoever opens many connections at a log must not be able to end it."""
    with Folder(tmp_path / "log") as folder:
        with no_file_left(), trio.move_on_after(CLOCK_MARK_SECONDS / 2):
            await keep_mark(BoundedClock(), folder)
        assert read_mark(folder) is None
        with trio.move_on_after(CLOCK_MARK_SECONDS / 2):
            await keep_mark(BoundedClock(), folder)
        assert read_mark(folder) is not None


async def test_a_mark_that_cannot_be_kept_ends_the_log(tmp_path: Path) -> None:
    """A disk that is full or fails: what the log says next might not be kept either."""
    with Folder(tmp_path / "log") as folder:
        (folder / MARK_FILE).mkdir()
        with pytest.raises(Fatal, match=r"clock\.json cannot be written"):
            await keep_mark(BoundedClock(), folder)


async def test_the_operator_is_told_of_each_leap_once(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute of standing still, then of the clock set right again; and nothing of what is within the tolerance."""
    machine, now = Machine(), trio.current_time()

    async def live(leap: float) -> str:
        nonlocal now
        machine.run(0, leap=leap)
        for _ in range(10):
            await trio.sleep(CLOCK_MARK_SECONDS)
            machine.run(trio.current_time() - now)
            now = trio.current_time()
        return capsys.readouterr().err

    async with trio.open_nursery() as nursery:
        nursery.start_soon(warn_of_leaps, machine.clock())
        assert await live(CLOCK_TOLERANCE_SECONDS) == ""
        assert (
            await live(60) == "the machine's clock stands 60 s ahead of the time that is believed here: "
            "set it right, or, if it is, start again\n"
        )
        assert await live(-60) == ""
        assert "s behind the time that is believed here" in await live(-60)
        nursery.cancel_scope.cancel()
