"""Downloads: what the map beside them says is there is there, after any crash."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from anonnet.crypto.sealing import CHUNK_BYTES
from anonnet.store.goods import SEALED_BYTES, Download

SIZE = 3 * CHUNK_BYTES


def chunk(index: int) -> bytes:
    return bytes([1 + index]) * SEALED_BYTES


def missing(path: Path) -> list[int]:
    """What the next process finds missing, while this one has let go of nothing."""
    with closing(Download(path, SIZE)) as again:
        return again.missing


def test_what_was_synced_is_there_after_a_crash_and_the_rest_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "goods"
    with closing(Download(path, SIZE)) as download:
        download.write(2, chunk(2))
        download.sync()
        download.write(0, chunk(0))

        assert missing(path) == [0, 1]
        assert path.read_bytes()[2 * SEALED_BYTES :] == chunk(2)


def test_a_chunk_that_comes_while_the_disk_syncs_is_not_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it went with that sync."""
    path = tmp_path / "goods"
    with closing(Download(path, SIZE)) as download:
        monkeypatch.setattr(os, "fsync", lambda file: download.write(1, chunk(1)))
        download.write(0, chunk(0))
        download.sync()

        assert missing(path) == [1, 2]
        download.sync()
        assert missing(path) == [2]
