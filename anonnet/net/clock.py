"""The log's clock (design: log time never falls, and never leaps).

A sale expires by the log's time, so one wrong reading of a far future would expire every sale for ever. The wall clock
is believed only as far as the machine's boot-time clock agrees since it was last read; at the start, as far as what the
last run left behind allows. That time never falls is the store's work.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable
from pathlib import Path

import trio

from anonnet.errors import BadStart, Fatal
from anonnet.store.folder import Folder
from anonnet.times import CLOCK_DRIFT, CLOCK_MARK_SECONDS, CLOCK_TOLERANCE_SECONDS, RESTART_LEAP_SECONDS_MAX

MARK_FILE = "clock.json"
NO_FILE_LEFT = errno.EMFILE, errno.ENFILE
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_seconds() -> float:
    """Seconds since the machine started, those of sleep included where the system tells them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def boot_id() -> str:
    """What tells one start of the machine from another; empty where the system does not tell."""
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""


class BoundedClock:
    """Whole seconds that follow the wall clock, never by more than CLOCK_TOLERANCE_SECONDS at once.

    What counts is by how much the wall clock is ahead of the boot-time clock. `_level` is the lead that is taken for
    right, `_lead` the one that was last believed, which is near it. The level comes after at CLOCK_DRIFT, however long
    the machine has run: time without a leap makes no room for one. Read seldom, it falls behind a clock that is slewed
    until it is read again and again.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time, boot: Callable[[], float] = boot_seconds) -> None:
        self._wall, self._boot = wall, boot
        self._read = boot()
        self._level = self._lead = wall() - self._read

    def __call__(self) -> int:
        boot, lead = self._reading()
        return int(boot + lead)

    def _reading(self) -> tuple[float, float]:
        """The boot-time clock, and the lead that is believed now."""
        boot = self._boot()
        self._level = _towards(self._level, self._lead, CLOCK_DRIFT * (boot - self._read))
        self._lead = _towards(self._level, self._wall() - boot, CLOCK_TOLERANCE_SECONDS)
        self._read = boot
        return boot, self._lead

    @property
    def disbelieved(self) -> float:
        """By how many seconds the wall clock is ahead of what is believed; below 0, behind it."""
        boot, lead = self._reading()
        return self._wall() - boot - lead

    @property
    def mark(self) -> dict[str, object]:
        """What the next start is told: the time that was believed, so that a leap is found out there too."""
        boot, lead = self._reading()
        return {"wall": boot + lead, "boot": boot, "boot_id": boot_id()}


def _towards(here: float, there: float, most: float) -> float:
    """From here towards there, by so much at most."""
    return min(max(there, here - most), here + most)


def check_start(clock: BoundedClock, reached: int, mark: dict[str, object] | None, *, trusted: bool) -> None:
    """Raise BadStart if the time at the start is not credible.

    `reached` is the latest time that the store has acted on (0: none), `mark` what the last run left, `trusted` that
    the operator has looked at the machine's clock and confirms it.
    """
    now = clock()
    if reached > now + CLOCK_TOLERANCE_SECONDS:
        raise BadStart(f"the machine's clock stands {reached - now} s before what this log has said: set it right")
    if trusted or not reached:
        return
    if mark is not None and mark["boot_id"] and mark["boot_id"] == boot_id():
        now_mark = clock.mark
        passed = float(str(now_mark["boot"])) - float(str(mark["boot"]))
        leap = abs(float(str(now_mark["wall"])) - float(str(mark["wall"])) - passed)
        credible = leap <= min(CLOCK_TOLERANCE_SECONDS + CLOCK_DRIFT * passed, RESTART_LEAP_SECONDS_MAX)
    else:
        credible = now - reached <= RESTART_LEAP_SECONDS_MAX
    if not credible:
        raise BadStart(
            f"the machine's clock stands {now - reached} s after what this log has last said, and nothing shows that "
            "so much time has passed: check the clock, then start once with --trust-clock"
        )


def read_mark(folder: Folder) -> dict[str, object] | None:
    """What the last run left; None if it left nothing that can be read."""
    try:
        mark = json.loads((folder / MARK_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and mark.keys() == {"wall", "boot", "boot_id"} else None


async def keep_mark(clock: BoundedClock, folder: Folder) -> None:
    """Leave the time behind for the next start, now and every CLOCK_MARK_SECONDS, until cancelled. Raises Fatal.

    A mark for which the process, or the machine, has no file left is left out: that comes of many connections, and
    tells nothing about the storage.
    """
    while True:
        try:
            mark = json.dumps(clock.mark).encode()
            await trio.to_thread.run_sync(folder.write, MARK_FILE, mark)
        except OSError as why:
            if why.errno not in NO_FILE_LEFT:
                raise Fatal(f"storage failed: {folder / MARK_FILE} cannot be written: {why.strerror or why}") from why
        await trio.sleep(CLOCK_MARK_SECONDS)
