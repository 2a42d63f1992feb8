"""A database is in its data folder, whatever the folder is called, and for its owner alone, whatever the umask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from anonnet.errors import BadStart, Fatal
from anonnet.store.database import Database, begun

SCHEMA = "create table if not exists kept (value integer)"


@pytest.mark.parametrize("name", ["plain", "a#b", "a?mode=memory", "a%41b", "Zuhause mit Ä", os.fsdecode(b"a\xff")])
def test_what_is_written_is_in_the_folder_and_nowhere_else(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()

    with closing(Database(folder / "party.db", schema=SCHEMA)) as made:
        made.run("insert into kept values (7)")

    assert [each.name for each in folder.iterdir()] == ["party.db"]
    assert list(tmp_path.iterdir()) == [folder]
    with closing(Database(folder / "party.db", read_only=True)) as read:
        assert read.one("select value from kept") == (7,)


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Database(tmp_path / "party.db", schema=SCHEMA)) as made:
            made.run("insert into kept values (7)")
            modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("party.db", "party.db-wal", "party.db-shm"), 0o600)


def test_a_file_without_its_wal_is_not_taken_for_a_store(tmp_path: Path) -> None:
    path, alone = tmp_path / "party.db", tmp_path / "alone.db"
    assert not begun(path)

    with closing(Database(path, schema=SCHEMA)):
        shutil.copyfile(path, alone)
        assert begun(path)

    assert begun(path)
    assert alone.stat().st_size
    assert not begun(alone)


def test_a_disk_that_is_full_at_an_opening_is_no_wrong_setup(tmp_path: Path) -> None:
    """The service is started again until there is room."""
    with pytest.raises(Fatal, match="full"):
        Database(tmp_path / "party.db", schema=f"pragma max_page_count = 1; {SCHEMA}")
    (tmp_path / "other.db").write_bytes(b"no database, but of some length" * 99)
    with pytest.raises(BadStart):
        Database(tmp_path / "other.db", schema=SCHEMA)


WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from anonnet.errors import Fatal
from anonnet.store.database import Database, begun

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
for opened in begun, Database:
    try:
        opened(Path(sys.argv[1]))
    except Fatal as why:
        print(why)
"""


def test_a_disk_that_takes_no_byte_at_an_opening_is_no_wrong_setup(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "party.db", schema=SCHEMA)) as made:
        made.run("insert into kept values (7)")

    command = [sys.executable, "-c", WITHOUT_ROOM, str(tmp_path / "party.db")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said.count("storage failed: ") == 2, said


def test_to_open_a_database_again_writes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(Database(tmp_path / "party.db", schema=SCHEMA)):
            written = (tmp_path / "party.db-wal").stat().st_size

    assert not written
