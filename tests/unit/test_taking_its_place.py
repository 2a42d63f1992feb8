"""The last step of `log repair`: the new database goes where the old one is, and no copy is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonnet_daemons.repairing import take_its_place

from anonnet.errors import BadStart
from anonnet.store.folder import Folder


def files_in(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_db", ".db").replace("_wal", "-wal")
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log's folder with an old database, and a new one aside."""
    folder = tmp_path / "log"
    folder.mkdir(mode=0o700)
    write(folder, log_db="old", log_db_wal="old, too", repair__log_db="new")
    return folder


def test_what_is_not_whole_on_the_disk_replaces_nothing(path: Path) -> None:
    """On a full disk SQLite leaves the entries in the WAL as it closes, and says nothing."""
    write(path, repair__log_db_wal="what the new one needs")
    before = files_in(path)

    with Folder(path) as folder, pytest.raises(BadStart, match="make room"):
        take_its_place(folder)

    assert {name: files_in(path).get(name) for name in before} == before


def test_a_repair_overwrites_nothing_that_an_earlier_one_has_kept(path: Path) -> None:
    for version in "first", "second", "third":
        write(path, log_db=version, log_db_wal=f"{version}, too", repair__log_db="new")
        with Folder(path) as folder:
            take_its_place(folder)

    found, name = files_in(path), "log.db.before-repair"
    kept = {each: content for each, content in found.items() if each.startswith(name)}
    assert found["log.db"] == "new"
    assert kept == {
        f"{name}{number}{end}": f"{version}{more}"
        for number, version in (("", "first"), (".2", "second"), (".3", "third"))
        for end, more in (("", ""), ("-wal", ", too"))
    }
