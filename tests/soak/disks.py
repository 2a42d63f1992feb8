"""Disks for tests of faults: small ones, ones whose power can be cut, and ones that fail to sync. They need Linux.

The first two are file systems, and need root; each is mounted below a test's own folder and unmounted at the end of the
block, whatever happens in it. Where the system does not allow it, the test skips itself and says what has not been
tested.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = struct.pack("I", 2)
"""What was not made durable is gone, the file system's own journal included: a power loss."""
IMAGE_BYTES = 64 * 1024 * 1024
SECONDS = 30.0
SOURCE = Path(__file__).with_name("failing_sync.c")


def run(*words: object) -> None:
    """Run a command of the system. Raises CalledProcessError."""
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=SECONDS)


def failing_sync(folder: Path) -> Path:
    """A library that makes syncs fail in whatever it is preloaded into; skip the test where there can be none."""
    if not sys.platform.startswith("linux") or not shutil.which("cc"):
        pytest.skip("NOT TESTED: fsync that fails, below SQLite; it needs Linux, and a C compiler")
    library = folder / "failing_sync.so"
    run("cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", library, SOURCE, "-ldl")
    return library


def require(untested: str, *tools: str) -> None:
    """Skip the test, loudly, where file systems cannot be mounted or a tool is missing. Not for use in async code."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip(f"NOT TESTED: {untested}; it needs Linux and root, to mount a file system")
    if missing:
        pytest.skip(f"NOT TESTED: {untested}; it needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        place.mkdir()
        try:
            with image(place) if tools else small(place, "1m"):
                pass
        except subprocess.CalledProcessError as why:
            said = why.stderr.decode().strip()
            pytest.skip(f"NOT TESTED: {untested}; this system does not mount: {said}")


@contextmanager
def mounted(place: Path, *options: object) -> Iterator[None]:
    """Mount over a folder, whose files move onto the new file system. Raises CalledProcessError."""
    kept = place.with_name(f"{place.name}.kept")
    place.rename(kept)
    place.mkdir(mode=0o700)
    run("mount", *options, place)
    try:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        place.chmod(0o700)
        run("sync", "--file-system", place)
        yield
    finally:
        run("umount", "--lazy", place)


def small(place: Path, size: str) -> AbstractContextManager[None]:
    """A file system of this size, in memory."""
    return mounted(place, "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs")


def enlarge(place: Path, size: str) -> None:
    """Make room on a small file system."""
    run("mount", "-o", f"remount,size={size}", place)


def image(place: Path) -> AbstractContextManager[None]:
    """An ext4 file system in a file."""
    path = image_of(place)
    with path.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-q", path)
    return mounted(place, "-o", "loop", path)


def image_of(place: Path) -> Path:
    """Where the image is that is mounted there."""
    return place.with_name(f"{place.name}.img")


def cut_power(place: Path) -> None:
    """From now on nothing reaches this file system, and what was not durable is gone."""
    folder = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, SHUTDOWN, NO_LOG_FLUSH)
    finally:
        os.close(folder)


def power_again(place: Path) -> None:
    """Mount the image anew: what is there now is what had become durable."""
    run("umount", place)
    run("mount", "-o", "loop", image_of(place), place)
