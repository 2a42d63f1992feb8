"""The owner's socket, the data folder's lock, and key files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import trio

from anonnet.errors import BadStart
from anonnet.net.control import PATH_BYTES_MAX, check_owner, listen_control, peer_uid, socket_path
from anonnet.store.folder import Folder, read_secret, write_durably


async def test_the_kernel_says_who_is_at_the_other_end(tmp_path: Path) -> None:
    (listener,) = await listen_control(tmp_path)
    stream = await trio.open_unix_socket(str(socket_path(tmp_path)))
    async with stream, await listener.accept() as accepted:
        assert peer_uid(accepted) == os.geteuid()
    await listener.aclose()


def test_another_user_is_not_the_owner() -> None:
    check_owner(os.geteuid())
    check_owner(0)
    with pytest.raises(PermissionError):
        check_owner(os.geteuid() + 1)


def test_a_path_that_no_socket_can_have_is_said_clearly(tmp_path: Path) -> None:
    with pytest.raises(BadStart, match="shorter"):
        socket_path(tmp_path / ("x" * PATH_BYTES_MAX))


async def test_whatever_stands_in_the_sockets_place_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        (listener,) = await listen_control(tmp_path)
        assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o600
        await listener.aclose()


def test_a_folder_is_made_for_its_owner_alone_and_locked(tmp_path: Path) -> None:
    with Folder(tmp_path / "a" / "b") as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        with pytest.raises(BadStart, match="in use"):
            Folder(folder.path)
    with Folder(tmp_path / "a" / "b"):
        pass


def test_a_folder_open_to_others_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(BadStart, match="chmod 700"):
        Folder(tmp_path)


def test_a_secret_comes_back_and_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with Folder(tmp_path) as folder:
        folder.write("key", bytes(32))
        folder.write("key", b"k" * 32)
        assert folder.secret("key", 32) == b"k" * 32
        assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
        assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "lock"]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_secret_of_another_length_is_not_used(tmp_path: Path, size: int) -> None:
    write_durably(tmp_path / "key", bytes(size))
    with pytest.raises(BadStart, match="32 bytes"):
        read_secret(tmp_path / "key", 32)


def test_a_secret_that_is_missing_or_open_to_others_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(BadStart, match="missing"):
        read_secret(tmp_path / "key", 32)
    write_durably(tmp_path / "key", bytes(32))
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(BadStart, match="chmod 600"):
        read_secret(tmp_path / "key", 32)
