"""Repair of a log from its mirrors: an older database that was put back, and one that is damaged."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from anonnet.errors import BadStart, Fatal
from anonnet.limits import CHAIN_STEP
from anonnet.parties.admission import Admission
from anonnet.parties.appending import append
from anonnet.parties.certifying import Certifying
from anonnet.parties.repair import Copied, Lost, Repair
from anonnet.parties.turn import Turn
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.logbook import Entries, EntryKind, Follow
from anonnet.protocol.purchase import Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, cosignatures
from anonnet.store import lock
from anonnet.store.database import Database
from anonnet.store.lock import Lock
from anonnet.store.log import LogStore
from anonnet.store.places import place
from anonnet.store.trees import node_number
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.signed import Signer
from tests.breaking import breakings
from tests.circle import Circle
from tests.mirrors import KNOWN, MIRRORS, SHARD, entry, p4, sale
from tests.stage import NETWORK, NOON, key_of
from tests.unit.parties.test_certifying import pledge
from tests.unit.parties.test_fsck import faults, forked

KEY_LINE = base64.b64encode(bytes(76)).decode()
SEAL = partial(KNOWN.sealed, key_of("log"))


def lock_in(folder: Path, database: Callable[..., Database] = Database) -> Lock:
    return Lock(database(folder / lock.FILE, schema=lock.SCHEMA, version=lock.VERSION))


class Filed(Circle):
    """The same with the log's data in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.begin()

    def begin(self) -> None:
        """Start the log on what is there. Raises BadStart."""
        self.enter("log", str(self.folder / "log.db"))

    def copy(self, to: Path) -> None:
        """Take a snapshot of log.db and lock.db, and run on."""
        self.log.store.close()
        shutil.copytree(self.folder, to)
        self.begin()

    def go_back(self, to: Path) -> None:
        """Have all of the log's data be as it was then. Raises BadStart where it tells that by itself."""
        self.log.store.close()
        shutil.rmtree(self.folder)
        shutil.copytree(to, self.folder)
        self.begin()

    def sells(self, *leads: int) -> list[Commit]:
        said = []
        for lead in leads:
            self.ask(pledge(sale(NOON + lead)))
            self.settle()
            said.append(self.ask(p4(sale(NOON + lead))))
            self.settle()
        return said

    def repaired(self, database: Callable[..., Database] = Database) -> bool:
        """Make a new database from what the mirrors say, and put it in place; false where they have not all of it."""
        aside = self.folder / "repair"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        store = LogStore(str(aside / "log.db"), seal=SEAL, database=database)
        locked = lock_in(self.folder, database)
        try:
            work = Repair(KNOWN, Signer(NETWORK, key_of("log")), store, locked)
            whole = []
            for wanted in work.lost():
                copies = self.copies(wanted)
                seen = [note for each in copies for note in each.notes]
                whole.append(work.put_back(wanted, [each.entries for each in copies], seen))
            if all(whole):
                work.finish(self.now, NOON)
        finally:
            locked.close()
            store.close()
        if all(whole):
            shutil.move(aside / "log.db", self.folder / "log.db")
        shutil.rmtree(aside)
        return all(whole)

    def copies(self, wanted: Lost) -> list[Copied]:
        """What each mirror gives out."""
        return [self._copied(wanted, name) for name in MIRRORS if name not in self.down]

    def _copied(self, wanted: Lost, name: str) -> Copied:
        copied = Copied(KNOWN.identity, wanted)
        while follow := copied.next:
            page = self.ask(follow, name)
            if not isinstance(page, Entries) or not copied.take(page):
                break
        return copied


@pytest.fixture
def filed(tmp_path: Path) -> Filed:
    return Filed(tmp_path)


def test_a_backup_that_was_put_back_is_completed_by_mirrors(filed: Filed, tmp_path: Path) -> None:
    filed.sells(50)
    filed.log.store.close()
    shutil.copy(tmp_path / "log.db", tmp_path / "backup")
    filed.begin()
    said = filed.sells(60, 70)
    filed.log.store.close()
    shutil.move(tmp_path / "backup", tmp_path / "log.db")
    with pytest.raises(BadStart, match="anonnet log repair"):
        filed.begin()

    assert filed.repaired()

    assert faults(tmp_path) == []
    filed.begin()
    filed.settle()
    assert [filed.ask(p4(sale(NOON + lead))) for lead in (60, 70)] == said
    for kind in (EntryKind.PLEDGE, EntryKind.KEY):
        certificate = CertificateOf(transaction=sale(NOON + 70), kind=int(kind))
        assert isinstance(filed.ask(certificate), Certificate)
    (later,) = filed.sells(80)
    assert isinstance(later, Commit | Certificate)


def test_a_damaged_entry_is_put_back(filed: Filed, tmp_path: Path) -> None:
    filed.sells(50, 60)
    filed.log.store.close()
    db = sqlite3.connect(tmp_path / "log.db")
    db.execute("update entry set body = x'00' where place = ?", (place(SHARD, 2),))
    db.execute("update node set hash = zeroblob(32) where place = ?", (place(SHARD, node_number(2, 0)),))
    db.commit()
    db.close()
    with pytest.raises(BadStart, match="anonnet log repair"):
        filed.begin()
    (fault,) = faults(tmp_path)

    assert "entry 2 does not hold" in fault
    assert filed.repaired()
    assert faults(tmp_path) == []
    filed.begin()


def test_nothing_is_put_back_where_no_mirror_has_all_of_it(filed: Filed, tmp_path: Path) -> None:
    filed.sells(50)
    filed.log.store.close()
    shutil.copy(tmp_path / "log.db", tmp_path / "backup")
    filed.begin()
    filed.down = set(MIRRORS)
    filed.ask(pledge(sale(NOON + 60)))
    filed.log.store.close()
    shutil.move(tmp_path / "backup", tmp_path / "log.db")
    before = (tmp_path / "log.db").read_bytes()

    assert not filed.repaired()

    assert (tmp_path / "log.db").read_bytes() == before
    with pytest.raises(BadStart):
        filed.begin()


def put_back_behind_a_mirror(tmp_path: Path) -> tuple[Filed, list[Commit]]:
    """A log on a snapshot, and what it had said since. One mirror alone has read that; it had not cosigned by the time
    of the snapshot, so the log asks it on."""
    (tmp_path / "log").mkdir()
    filed = Filed(tmp_path / "log")
    filed.down = {MIRRORS[0]}
    filed.sells(50)
    filed.copy(tmp_path / "then")
    filed.down = set(MIRRORS[1:])
    said = filed.sells(60)
    filed.go_back(tmp_path / "then")
    return filed, said


def test_what_a_mirror_shows_beyond_the_lock_is_put_back(tmp_path: Path) -> None:
    """The lock was put back too, and the log has signed nothing yet that is not in the mirror's history."""
    filed, said = put_back_behind_a_mirror(tmp_path)
    with pytest.raises(Fatal, match="signed with our key"):
        filed.settle()
    filed.log.store.close()
    with pytest.raises(BadStart, match="anonnet log repair"):
        filed.begin()
    (fault,) = faults(tmp_path / "log")

    assert "it had 5 entries when the log last ran, and has 3 here" in fault
    assert filed.repaired()
    assert faults(tmp_path / "log") == []
    filed.begin()
    assert [filed.ask(p4(sale(NOON + 60)))] == said
    filed.down.clear()
    filed.sells(70)
    assert filed.log.store.errands.count() == 0  # all have cosigned what is newest


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_no_broken_write_of_a_repair_lets_the_log_start_before_it_is_whole(tmp_path: Path, kept: bool) -> None:
    """What a mirror has shown stands in the lock all the while, and the repair can be run again."""
    filed, said = put_back_behind_a_mirror(tmp_path)
    with pytest.raises(Fatal, match="signed with our key"):
        filed.settle()
    filed.log.store.close()
    locked = lock_in(filed.folder)
    (shown,) = locked.shown().values()
    locked.close()
    for breaking in breakings(kept):
        filed.folder = tmp_path / str(breaking.number)
        shutil.copytree(tmp_path / "log", filed.folder)
        with breaking.strikes():
            filed.repaired(breaking)

        if breaking.struck:
            with pytest.raises(BadStart, match="anonnet log repair"):
                filed.begin()
        assert filed.repaired()
        assert faults(filed.folder) == []
        filed.begin()
        head = filed.log.store.heads.head(SHARD)
        assert head
        assert head.note == shown
        assert [filed.ask(p4(sale(NOON + 60)))] == said
        filed.log.store.close()
    assert breaking.count > 50, "the story writes more than that"


def test_a_log_that_went_on_from_a_snapshot_is_not_repaired_and_never_starts_again(tmp_path: Path) -> None:
    filed, _ = put_back_behind_a_mirror(tmp_path)
    filed.down = set(MIRRORS)
    filed.ask(pledge(sale(NOON + 70)))
    filed.down.clear()
    with pytest.raises(Fatal, match="signed with our key"):
        filed.settle()
    filed.log.store.close()

    with pytest.raises(BadStart, match="never starts again"):
        filed.repaired()
    with pytest.raises(BadStart, match="never starts again"):
        filed.begin()


def test_a_lock_of_another_log_repairs_nothing(filed: Filed) -> None:
    filed.sells(50)
    filed.log.store.close()
    locked = lock_in(filed.folder)
    locked.show(KNOWN.origin(1), b"no checkpoint")
    locked.close()

    with pytest.raises(BadStart, match="does not hold"):
        filed.repaired()


def test_whom_the_owner_admitted_and_alerts_that_hold_are_carried_over(tmp_path: Path) -> None:
    store = LogStore(str(tmp_path / "log.db"), seal=SEAL)
    good, merchant = forked(5), key_of("merchant").public
    alerts = [(good.log, 5, good.evidence), (good.log, 6, good.evidence), (bytes(32), 5, good.evidence)]

    (tmp_path / "old").mkdir()
    locked = lock_in(tmp_path / "old")
    locked.begin()
    work = Repair(KNOWN, Signer(NETWORK, key_of("log")), store, locked)
    work.carry_over(NETWORK, {KNOWN.identity: KNOWN}, [merchant, bytes(32)], alerts)

    assert store.alerts.all() == alerts[:1]
    assert (store.admissions.admitted(merchant), store.admissions.admitted(bytes(32))) == (True, False)
    store.close()


def frontiers(filed: Filed) -> list[int]:
    """The sizes of the chain up to which a wallet reads that has nothing of it yet, and looks again after each answer:
    from the step that it stands behind, where many begin."""
    at = [0]
    while True:
        page = filed.ask(Follow(log=KNOWN.identity, shard=CHAIN, start=at[-1] - at[-1] % CHAIN_STEP))
        shown = [SignedCheckpoint.parse(note) for note in page.checkpoints]
        sizes = [each.body.size for each in shown if KNOWN.agreed(cosignatures(KNOWN, each.note))]
        if not sizes or sizes[-1] == at[-1]:
            return at
        at.append(sizes[-1])


def test_a_long_chain_that_was_put_back_can_be_read_from_its_beginning(filed: Filed, tmp_path: Path) -> None:
    """By wallets, who go from one checkpoint that a quorum has cosigned to the next. Nobody cosigns old ones anew."""
    store, batch = filed.log.store, 4
    turn, certifying = Turn(store, NOON), Certifying(Signer(NETWORK, key_of("log")), KNOWN, Admission(None))
    for actor in filed.actors.values():
        actor.turns.rerun = False
    others = "".join(f"— x{number} {KEY_LINE}\n" for number in range(5)).encode()
    for start in range(0, 300, batch):
        store.begin()
        for shard in range(start + 1, start + batch + 1):
            note = KNOWN.sealed(key_of("log"), shard, 5, bytes(32)) + others
            append(turn, KNOWN, CHAIN, entry(EntryKind.ANCHOR, NOON, note))
        certifying.collect(turn, CHAIN)
        store.commit()
        filed.settle()
    size = store.size(CHAIN)
    assert frontiers(filed)[-1] == size
    filed.log.store.close()
    (tmp_path / "log.db").unlink()

    assert filed.repaired()

    filed.begin()
    filed.settle()
    assert faults(tmp_path) == []
    read = frontiers(filed)
    assert (len(read) > 2, read[-1]) == (True, size)
