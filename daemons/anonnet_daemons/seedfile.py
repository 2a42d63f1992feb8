"""The file that holds a wallet's seed: bare, or sealed under a passphrase, and how to go from one to the other.

A passphrase comes from a terminal, from a file, or from an open file descriptor; never from the command's arguments or
its environment, which other programs of the machine can read.
"""

from __future__ import annotations

import getpass
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import BinaryIO

from anonnet.crypto.keys import SEED_BYTES
from anonnet.crypto.passphrase import SEALED_BYTES, is_sealed, open_secret, seal_secret
from anonnet.errors import BadStart, Malformed
from anonnet.store.folder import NOT_FOR_OTHERS, changing, read_secret, unfinished, write_durably
from anonnet_daemons.config import WALLET_FILE

PASSPHRASE_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Where a passphrase comes from: a file, an open descriptor, or else the terminal."""

    file: Path | None = None
    descriptor: int | None = None

    def asked(self, path: Path) -> str:
        """The passphrase of this file. Raises BadStart where there is nobody to ask."""
        given = self._given()
        if given is not None:
            return given
        if not sys.stdin.isatty():
            raise BadStart(f"{path} is sealed: run this on a terminal, or give --passphrase-file or --passphrase-fd")
        return getpass.getpass(f"Passphrase of {path}: ")

    def chosen(self, path: Path) -> str:
        """A new passphrase for this file; at the terminal it is asked for twice. Raises BadStart."""
        given = self._given()
        if given is None:
            if not sys.stdin.isatty():
                raise BadStart("there is no terminal to ask for a passphrase: give --passphrase-file")
            given = getpass.getpass(f"New passphrase for {path}: ")
            if getpass.getpass("The same once more: ") != given:
                raise BadStart("these were two different passphrases: nothing has been changed, try again")
        if not given:
            raise BadStart("an empty passphrase protects nothing: choose another one")
        return given

    def _given(self) -> str | None:
        """The first line of the file or descriptor, or None if neither was named. Raises BadStart."""
        source = self.file if self.file is not None else self.descriptor
        if source is None:
            return None
        try:
            with open(source, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                line = file.readline(PASSPHRASE_BYTES_MAX + 1)
        except OSError as why:
            raise BadStart(f"the passphrase cannot be read from {source}: {why.strerror or why}") from why
        if stat.S_ISREG(mode) and mode & NOT_FOR_OTHERS:
            raise BadStart(f"passphrase file {source} can be read by others: run chmod 600 {quote(str(source))}")
        try:
            text = line.decode().removesuffix("\n")
        except UnicodeDecodeError:
            text = ""
        if not text or len(line) > PASSPHRASE_BYTES_MAX:
            raise BadStart(f"{source} has no passphrase in its first line (1 to {PASSPHRASE_BYTES_MAX} bytes of text)")
        return text


def read_seed(folder: Path, passphrase: Passphrase) -> bytes:
    """The seed of the wallet in this folder. Raises BadStart."""
    path, stored = folder / WALLET_FILE, _stored(folder)
    if not is_sealed(stored):
        if len(stored) != SEED_BYTES:
            raise BadStart(f"key file {path} is neither a seed nor a sealed one: restore the wallet from its words")
        return stored
    try:
        return open_secret(stored, passphrase.asked(path))
    except Malformed as why:
        raise BadStart(f"{path}: {why}; try again, or make the wallet anew from its words") from why


def sealed(folder: Path) -> bool:
    """True if the seed in this folder is sealed. Raises BadStart."""
    return is_sealed(_stored(folder))


def seal_seed(folder: Path, passphrase: Passphrase) -> None:
    """Put the sealed seed in the place of the bare one. Raises BadStart."""
    seed = read_seed(folder, passphrase)
    _replace(folder / WALLET_FILE, seal_secret(seed, passphrase.chosen(folder / WALLET_FILE)))


def bare_seed(folder: Path, passphrase: Passphrase) -> None:
    """Put the bare seed in the place of the sealed one. Raises BadStart."""
    _replace(folder / WALLET_FILE, read_seed(folder, passphrase))


def _stored(folder: Path) -> bytes:
    """What the file holds. A change that was cut short may have left the bare seed beside it: that is overwritten and
    removed, once it is plain that the file itself is whole. Raises BadStart."""
    path = folder / WALLET_FILE
    stored = read_secret(path, SEED_BYTES, SEALED_BYTES)
    if unfinished(path).exists():
        with changing(path):  # else another command may be about to put it in its place
            _remove(unfinished(path))
    return stored


def _remove(left: Path) -> None:
    what = f"{left} may hold the bare seed, and cannot be overwritten"
    with _saying(what, "remove it"), suppress(FileNotFoundError), left.open("r+b") as file:
        _overwrite(file)
        left.unlink()


def _replace(path: Path, data: bytes) -> None:
    """Write the file anew, whole, and overwrite what the old one held.

    The old bytes may still be found where a file system or a disk writes to another place than it is told to (copy on
    write, a journal with data, flash), and in snapshots and backups: nothing here can reach those. Raises BadStart.
    """
    what = f"{path} cannot be replaced, or not what it held overwritten"
    todo = "make room on its disk, and run this again, which says how it is"
    with changing(path), _saying(what, todo), path.open("r+b") as old:
        write_durably(path, data)
        _overwrite(old)


def _overwrite(file: BinaryIO) -> None:
    file.write(bytes(os.fstat(file.fileno()).st_size))
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _saying(what: str, todo: str) -> Iterator[None]:
    """Raises BadStart where the disk fails."""
    try:
        yield
    except OSError as why:
        raise BadStart(f"{what} ({why.strerror or why}): {todo}") from why
