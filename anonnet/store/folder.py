"""A daemon's data folder: one daemon at a time, and files that only its owner reads.

The lock is held as long as the daemon lives and goes with the process, so no folder stays locked after a crash. Files
are written under another name and renamed, with fsync of file and folder: a file is there whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from anonnet.errors import BadStart

LOCK_FILE = "lock"
NOT_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Folder:
    """A data folder that this process has locked."""

    def __init__(self, path: Path) -> None:
        """Create the folder if there is none, and lock it. Raises BadStart."""
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = path.stat().st_mode
            self._lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as why:
            raise BadStart(f"data folder {path} cannot be used: {why.strerror or why}") from why
        if mode & NOT_FOR_OTHERS:
            self.close()
            raise BadStart(f"data folder {path} is open to others: run chmod 700 {quote(str(path))}")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as why:
            self.close()
            raise BadStart(
                f"data folder in use: another daemon runs on {path}; stop it, or choose another folder"
            ) from why

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unlock."""
        os.close(self._lock)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def secret(self, name: str, size: int) -> bytes:
        """Read a key file. Raises BadStart."""
        return read_secret(self.path / name, size)

    def write(self, name: str, data: bytes) -> None:
        """Write a file, durably and whole, for the owner alone."""
        write_durably(self.path / name, data)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Be the only one that changes this file, for the time of the block. Raises BadStart where another one does.

    The lock is on the folder, since the file itself is replaced; readers need none.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as why:
            raise BadStart(f"{path} is being changed by another command: run this again when that has ended") from why
        yield
    finally:
        os.close(folder)


def read_secret(path: Path, size: int, *sizes: int) -> bytes:
    """Read a key file of this many bytes that nobody else can read. Raises BadStart, which says what to do.

    `sizes` are of further forms that the file may have.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(max((size, *sizes)) + 1)
    except FileNotFoundError as why:
        raise BadStart(f"key file {path} is missing: restore it from your backup, or run init in a new folder") from why
    except OSError as why:
        raise BadStart(f"key file {path} cannot be read: {why.strerror or why}") from why
    if mode & NOT_FOR_OTHERS:
        raise BadStart(
            f"key file {path} can be read by others: run chmod 600 {quote(str(path))}, and think about who has read it"
        )
    if len(secret) not in (size, *sizes):
        raise BadStart(f"key file {path} does not have {size} bytes: restore it from your backup")
    return secret


def unfinished(path: Path) -> Path:
    """Where a file is written before it takes its place: what a crash leaves there is never the only copy."""
    return path.with_name(f"{path.name}.new")


def write_durably(path: Path, data: bytes | Iterable[bytes], mode: int = 0o600) -> None:
    """Write a file of this mode, so that after a crash the old one or the new one is there, whole. Large ones come in
    blocks. Raises OSError, and what making the blocks raises."""
    beside = unfinished(path)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
