"""fsck of a log's and a mirror's data: what is whole has no fault, and one byte that is changed anywhere is found."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.founding import Plan, found
from click.testing import CliRunner

from anonnet.limits import ENTRIES_MAX
from anonnet.parties.appending import append, begin
from anonnet.parties.fsck import Fsck
from anonnet.parties.log import Log
from anonnet.parties.turn import Turn
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import CHAIN, KnownLog, expirations_of
from anonnet.protocol.local import Admit
from anonnet.protocol.network import Role
from anonnet.protocol.rules import decided_by
from anonnet.store.checking import Kept
from anonnet.store.log import LogStore
from anonnet.store.places import place
from anonnet.times import BRAND_NOTICE_SECONDS, RETENTION_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from anonnet.tlog.note import Note
from anonnet.wire.signed import Signer
from tests.circle import Circle
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, p4, sale, tick, timed
from tests.stage import NETWORK, NOON, key_of, mint
from tests.unit.parties.test_certifying import pledge

ONE = MIRRORS[0]
SEAL = partial(KNOWN.sealed, key_of("log"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a log and a mirror: a shard that is gone, one with sales, and the chain with a brand."""
    folder = tmp_path_factory.mktemp("data")
    circle, key = Circle(), key_of("log")
    log = Log(Signer(NETWORK, key), KNOWN, [key_of("bank").public])
    store = LogStore(str(folder / "log.db"), seal=partial(KNOWN.sealed, key))
    circle.act("log", log, store)
    circle.enter(ONE, str(folder / "mirror.db"))
    circle.ask(pledge(sale()))
    circle.settle()
    circle.now = decided_by(SHARD) + 1
    for _ in range(2):
        circle.log.forget()
        circle.settle()
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    (made,) = mint(key_of("bank"), {1: "2048-a"}, now=circle.now + BRAND_NOTICE_SECONDS + 3600)
    circle.ask(made.offer.brand)
    for lead in (50, 60):
        transaction = sale(circle.now + lead)
        circle.ask(pledge(transaction))
        circle.settle()
        circle.ask(p4(transaction), ONE)
        circle.ask(p4(transaction))
        circle.settle()
    circle.log.command(Admit(merchant=key_of("bank").public))
    for name in ("log", ONE):
        assert circle.ask(forked(5), name) is not None
    circle.log.forget()
    circle.settle()
    for name in ("log", ONE):
        circle.actors[name].store.close()
    return folder


def forked(shard: int) -> Alert:
    """Against a shard that nobody follows."""
    pen = Pen(shard=shard)
    branch = pen.copy()
    pen.write(tick(NOON))
    branch.write(tick(NOON + 1))
    one, other = (SignedCheckpoint.parse(each.notes[2]) for each in (pen, branch))
    return Alert(log=KNOWN.identity, shard=shard, evidence=Fork(one, other).encoded())


def faults(folder: Path, *, mirrored: bool = False) -> list[str]:
    kept = Kept(folder / ("mirror.db" if mirrored else "log.db"), mirrored=mirrored)
    try:
        whose = {"mirror": key_of(ONE).public} if mirrored else {"log": KNOWN.identity}
        fsck = Fsck(NETWORK, {KNOWN.identity: KNOWN}, kept, **whose)
        found = list(fsck.faults())
    finally:
        kept.close()
    assert fsck.counts.entries or found
    return found


def changed(data: Path, to: Path, file: str, table: str, column: str) -> Path:
    """A copy of the data in which one byte, or number, of one row is another."""
    shutil.copytree(data, to)
    db = sqlite3.connect(to / file)
    rows = db.execute(f"select * from {table}").fetchall()
    names = [each[0] for each in db.execute(f"select * from {table}").description]
    at = names.index(column)
    row = [each for each in rows if each[at] != b""][-1]
    where = " and ".join(f"{name} is ?" for name in names)
    old = row[at]
    if isinstance(old, int):
        new: object = old + 7
    elif isinstance(old, str):
        new = old[:-10] + ("A" if old[-10] != "A" else "B") + old[-9:]
    else:
        middle = len(old) // 2
        new = old[:middle] + bytes([old[middle] ^ 1]) + old[middle + 1 :]
    assert db.execute(f"update {table} set {column} = ? where {where}", (new, *row)).rowcount == 1
    db.commit()
    db.close()
    return to


def test_what_is_whole_has_no_fault(data: Path) -> None:
    assert faults(data) == []
    assert faults(data, mirrored=True) == []


def test_a_checkpoint_that_no_quorum_cosigns_goes_with_its_cosignatures(tmp_path: Path) -> None:
    """Two of four mirrors have cosigned it when the log grows on without any. So do those that were left before."""
    circle, store = Circle(), LogStore(str(tmp_path / "log.db"), seal=SEAL)
    circle.act("log", Log(Signer(NETWORK, key_of("log")), KNOWN), store)
    circle.down = {*MIRRORS[2:]}
    circle.ask(pledge(sale()))
    circle.settle()
    assert len(store.heads.mark(SHARD, 2).cosignatures) == 2
    for _ in range(2):
        store.begin()
        for _ in range(ENTRIES_MAX):
            append(Turn(store, NOON), KNOWN, SHARD, tick(NOON))
        store.advance(NOON)
        store.commit()
    store.close()
    assert faults(tmp_path) == []
    with closing(sqlite3.connect(tmp_path / "log.db")) as database, database:
        database.execute("insert into cosignature values(?, ?, ?)", (place(SHARD, 3), key_of(ONE).public, "a line"))
    assert len(faults(tmp_path)) == 1

    LogStore(str(tmp_path / "log.db"), seal=SEAL).close()

    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "table", "column"),
    [
        ("log.db", "entry", "body"),
        ("log.db", "entry", "time"),
        ("log.db", "entry", "signature"),
        ("log.db", "outcome", "outcome_key"),
        ("log.db", "outcome", "kind"),
        ("log.db", "node", "hash"),
        ("log.db", "head", "root"),
        ("log.db", "head", "note"),
        ("log.db", "head", "size"),
        ("log.db", "checkpoint", "note"),
        ("log.db", "cosignature", "line"),
        ("log.db", "cosignature", "mirror"),
        ("log.db", "final", "note"),
        ("log.db", "alert", "evidence"),
        ("log.db", "admitted", "merchant"),
        ("lock.db", "lock", "note"),
        ("mirror.db", "copy", "size"),
        ("mirror.db", "copy", "last_time"),
        ("mirror.db", "entry", "body"),
        ("mirror.db", "entry", "kind"),
        ("mirror.db", "outcome", "outcome_key"),
        ("mirror.db", "node", "hash"),
        ("mirror.db", "checkpoint", "note"),
        ("mirror.db", "cosignature", "line"),
        ("mirror.db", "copy", "cosigned"),
        ("mirror.db", "copy", "frozen"),
        ("mirror.db", "released", "authorization_m"),
        ("mirror.db", "released", "outcome_key"),
        ("mirror.db", "alert", "evidence"),
        ("mirror.db", "alert", "shard"),
        ("mirror.db", "errand", "hash"),
        ("mirror.db", "errand", "request"),
    ],
)
def test_one_change_in_any_table_is_found(data: Path, tmp_path: Path, file: str, table: str, column: str) -> None:
    spoilt = changed(data, tmp_path / "data", file, table, column)

    assert faults(spoilt, mirrored=file == "mirror.db")


@pytest.mark.parametrize("table", ["entry", "outcome", "node", "head", "final"])
def test_a_row_that_is_missing_is_found(data: Path, tmp_path: Path, table: str) -> None:
    shutil.copytree(data, tmp_path / "data")
    db = sqlite3.connect(tmp_path / "data" / "log.db")
    row = db.execute(f"select * from {table}").fetchone()
    names = [each[0] for each in db.execute(f"select * from {table}").description]
    db.execute(f"delete from {table} where {' and '.join(f'{name} is ?' for name in names)}", row)
    db.commit()
    db.close()

    assert faults(tmp_path / "data")


@pytest.mark.parametrize(
    ("file", "sql", "says"),
    [
        ("log.db", "insert into late select outcome_key, 2000000000 from outcome limit 1", "has been called late"),
        ("log.db", "insert into quota values(x'{merchant}', 1, 20001)", "20001 sales in an hour"),
        ("log.db", "insert into node select max(place) + 1, hash from node", "hashes of more than the entries"),
        ("mirror.db", "insert into alert select log, shard, x'00', 1, 0 from copy limit 1", "is not frozen"),
        ("mirror.db", "update released set tree = tree + 100", "its pledge does not stand here"),
    ],
)
def test_what_contradicts_the_entries_is_found(data: Path, tmp_path: Path, file: str, sql: str, says: str) -> None:
    shutil.copytree(data, tmp_path / "data")
    db = sqlite3.connect(tmp_path / "data" / file)
    db.execute(sql.format(merchant=key_of("merchant").public.hex()))
    db.commit()
    db.close()

    found = faults(tmp_path / "data", mirrored=file == "mirror.db")

    assert found
    assert all(says in fault for fault in found)


def test_a_signature_that_somebody_told_a_mirror_beside_an_entry_is_no_fault_of_its_copy(
    data: Path, tmp_path: Path
) -> None:
    """No tree covers it: who tells entries can put there what he likes, and whoever wants P5a looks at it."""
    shutil.copytree(data, tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / "mirror.db")) as database, database:
        assert database.execute("update entry set signature = zeroblob(64)").rowcount > 0

    assert faults(tmp_path / "data", mirrored=True) == []


@pytest.mark.parametrize("file", ["log.db", "mirror.db"])
def test_a_cosignature_that_counts_for_nobody_is_found(data: Path, tmp_path: Path, file: str) -> None:
    """One without a time: of a checkpoint that is called certified by it certificates do not hold."""
    shutil.copytree(data, tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / file)) as database, database:
        at, note = database.execute("select place, note from checkpoint where met order by place limit 1").fetchone()
        database.execute("delete from cosignature where place = ? and mirror = ?", (at, key_of(MIRRORS[3]).public))
        line = timed(MIRRORS[2], Note.parse(note).text, 0).line
        third = (line, at, key_of(MIRRORS[2]).public)
        assert database.execute("update cosignature set line = ? where place = ? and mirror = ?", third).rowcount == 1

    found = faults(tmp_path / "data", mirrored=file == "mirror.db")

    assert ["not of the mirror beside it" in found[0], "no quorum has cosigned it" in found[1]] == [True, True]


def test_a_backup_that_was_put_back_is_called_one(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    circle = Circle()
    key = key_of("log")
    log = Log(Signer(NETWORK, key), KNOWN)
    store = LogStore(str(tmp_path / "data" / "log.db"), seal=partial(KNOWN.sealed, key))
    circle.now = expirations_of(SHARD).stop + RETENTION_SECONDS
    circle.act("log", log, store)
    circle.ask(pledge(sale(circle.now + 70)))
    store.close()
    shutil.copy(data / "log.db", tmp_path / "data" / "log.db")

    (fault,) = faults(tmp_path / "data")

    assert "was a backup put back" in fault


async def test_the_command_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    network = await found(Plan(tmp_path / "n", denominations=(1,)))
    folder, (peer,) = tmp_path / "n" / "log", network.all(Role.LOG)
    known = KnownLog(peer.key, peer.policy)
    store = LogStore(str(folder / "log.db"), seal=partial(known.sealed, read_setup(folder, Kind.LOG).identity(peer)))
    store.begin()
    begin(Turn(store, NOON), known, CHAIN, NOON)
    store.advance(NOON)
    store.commit()
    store.close()
    whole = CliRunner().invoke(main, ["log", "fsck", "--data", str(folder)])
    db = sqlite3.connect(folder / "log.db")
    db.execute("update entry set body = cast(body || x'00' as blob)")
    db.commit()
    db.close()
    spoilt = CliRunner().invoke(main, ["log", "fsck", "--data", str(folder)])

    assert (whole.exit_code, spoilt.exit_code) == (0, 1)
    assert "Checked 1 entries" in whole.output
    assert "entry 0 does not hold" in spoilt.output
    assert "Do not start this log" in spoilt.output
