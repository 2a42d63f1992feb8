"""The file with a wallet's seed: sealed and unsealed in place, and where a passphrase may come from."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from anonnet_daemons import seedfile
from anonnet_daemons.config import WALLET_FILE
from anonnet_daemons.seedfile import Passphrase, bare_seed, read_seed, seal_seed, sealed

from anonnet.errors import BadStart
from anonnet.store import folder as store_folder
from anonnet.store.folder import changing, write_durably

Trace = Callable[[FrameType, str, Any], Any]
SEED = bytes(range(32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bare seed."""
    path = tmp_path / WALLET_FILE
    path.write_bytes(SEED)
    path.chmod(0o600)
    return tmp_path


def from_pipe(text: bytes) -> Passphrase:
    """A passphrase that waits in a pipe."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    return Passphrase(descriptor=reading)


def test_a_seed_is_sealed_in_place_and_what_held_it_is_overwritten(folder: Path) -> None:
    path, old = folder / WALLET_FILE, folder / "the old file"
    os.link(path, old)

    seal_seed(folder, from_pipe(b"correct horse\n"))

    assert sealed(folder)
    assert SEED not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert old.read_bytes() == bytes(len(SEED))
    assert read_seed(folder, from_pipe(b"correct horse")) == SEED

    bare_seed(folder, from_pipe(b"correct horse\nand more"))
    assert path.read_bytes() == SEED


def test_a_seed_that_cannot_be_replaced_stays_as_it_is(folder: Path) -> None:
    full = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(SEED) - 1, full[1]))
    try:
        with pytest.raises(BadStart, match=r"cannot be replaced.*make room"):
            seal_seed(folder, from_pipe(b"correct horse\n"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, full)

    assert read_seed(folder, Passphrase()) == SEED
    assert os.listdir(folder) == [WALLET_FILE]


def test_a_change_that_is_cut_short_at_any_moment_loses_no_seed_and_leaves_no_bare_one(folder: Path) -> None:
    seal_seed(folder, from_pipe(b"correct horse\n"))
    left: dict[tuple[tuple[str, bytes], ...], None] = {}

    def look(frame: FrameType, event: str, _: object) -> Trace | None:
        if frame.f_code.co_filename in (seedfile.__file__, store_folder.__file__):
            left[tuple(sorted((path.name, path.read_bytes()) for path in folder.iterdir()))] = None
            return look
        return None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        bare_seed(folder, from_pipe(b"correct horse"))
    finally:
        sys.settrace(before)

    names = [[name for name, _ in files] for files in left]
    assert names == [[WALLET_FILE], *[[WALLET_FILE, f"{WALLET_FILE}.new"]] * 2, [WALLET_FILE]]
    for number, files in enumerate(left):
        cut_short(folder / str(number), files)


def cut_short(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """A folder as it was at one moment: its seed is there, and bare in its own place alone."""
    folder.mkdir()
    for name, data in files:
        write_durably(folder / name, data)
    beside, kept = folder / f"{WALLET_FILE}.new", folder / "the same file"
    if beside.exists():
        os.link(beside, kept)

    assert read_seed(folder, from_pipe(b"correct horse")) == SEED

    assert not beside.exists()
    assert not kept.exists() or set(kept.read_bytes()) <= {0}


def test_what_another_command_is_writing_is_left_alone(folder: Path) -> None:
    beside = folder / f"{WALLET_FILE}.new"
    write_durably(beside, b"half of it")

    with changing(folder / WALLET_FILE):
        for change in (seal_seed, read_seed):
            with pytest.raises(BadStart, match="is being changed by another command"):
                change(folder, from_pipe(b"correct horse\n"))

    assert (folder / WALLET_FILE).read_bytes() == SEED
    assert beside.read_bytes() == b"half of it"


def test_a_wrong_passphrase_changes_nothing(folder: Path) -> None:
    seal_seed(folder, from_pipe(b"correct horse\n"))
    before = (folder / WALLET_FILE).read_bytes()

    with pytest.raises(BadStart, match="does not open this secret"):
        bare_seed(folder, from_pipe(b"correct hors\n"))

    assert (folder / WALLET_FILE).read_bytes() == before


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe\n", b"x" * 2000])
def test_what_is_no_passphrase(folder: Path, given: bytes) -> None:
    with pytest.raises(BadStart, match="no passphrase in its first line"):
        seal_seed(folder, from_pipe(given))

    assert (folder / WALLET_FILE).read_bytes() == SEED


@pytest.mark.parametrize("words", [("one", "other"), ("", "")])
def test_at_a_terminal_a_new_passphrase_is_asked_for_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    answers = iter(words)
    monkeypatch.setattr(seedfile.sys, "stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(seedfile.getpass, "getpass", lambda prompt: next(answers))

    with pytest.raises(BadStart, match=r"two different|empty"):
        seal_seed(folder, Passphrase())

    assert (folder / WALLET_FILE).read_bytes() == SEED


def test_without_a_terminal_a_file_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seedfile.sys, "stdin", type("Pipe", (), {"isatty": lambda self: False})())

    with pytest.raises(BadStart, match="--passphrase-file"):
        seal_seed(folder, Passphrase())


def test_a_file_that_is_neither(folder: Path) -> None:
    (folder / WALLET_FILE).write_bytes(bytes(seedfile.SEALED_BYTES))

    with pytest.raises(BadStart, match="neither a seed nor a sealed one"):
        read_seed(folder, Passphrase())
