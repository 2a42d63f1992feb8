"""So many entries in one batch that no answer holds them: who follows the log gets on, from checkpoint to checkpoint.

A mirror takes in what leads to a checkpoint, and no less. Where one answer did not lead to the next one, it would stand
there for good, and no sale of that week would ever be decided.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.limits import CHAIN_STEP, CHECKPOINT_STEP, ENTRY_BYTES_MAX, SALE_ENTRY_MAX
from anonnet.parties.appending import append
from anonnet.parties.chaining import ANCHOR_MAX
from anonnet.parties.log import Log
from anonnet.parties.turn import Asked, Turn
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.logbook import Entries, EntryKind, Follow
from anonnet.protocol.quorum import Certificate, Pledge
from anonnet.protocol.sealed import SealedM, Submission, Ticket
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.store.log import LogStore
from anonnet.store.places import BITS, place, tree_of
from anonnet.wire.signed import Signer, unsigned
from tests.circle import Circle
from tests.dump import dump
from tests.machine import size_of
from tests.mirrors import EXPIRATION, KNOWN, MIRRORS, SHARD, entry, p4, sale, signed_by
from tests.stage import NETWORK, NOON, key_of
from tests.unit.parties.test_certifying import certificate_of, pledge

BURST = 200
"""Sealed pledges: of 758 bytes each, more than one answer holds."""


def sealed_pledge(number: int) -> Submission:
    """With the ticket of a bank, as the sale of a tiny token has one."""
    merchant, bank = key_of("merchant").public, key_of("bank")
    seeds = [hashlib.sha256(b"%s %d" % (what, number)).digest() for what in (b"w", b"k")]
    w = SigningKey(seeds[0])
    transaction = Transaction(
        number=number_of(merchant, seeds[1]),
        expiration=EXPIRATION,
        merchant=merchant,
        log=KNOWN.identity,
        entry_key=w.public,
    )
    sealed_m = SealedM.of(EntryKind.PLEDGE, transaction, signed_by("merchant", Pledge(transaction=transaction)))
    ticket = Signer(NETWORK, bank).sign(Ticket.admitting(transaction))
    return Submission(sealed_m=Signer(NETWORK, w).sign(sealed_m), ticket=ticket)


class Busy(Circle):
    """A log that takes sealed sales of a bank, on a file, and its mirrors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path / "log.db"
        self.begin()

    def begin(self) -> None:
        """Start the log on what is there."""
        log = Log(Signer(NETWORK, key_of("log")), KNOWN, [key_of("bank").public])
        self.act("log", log, LogStore(str(self.path), seal=partial(KNOWN.sealed, key_of("log"))))

    def bursts(self) -> None:
        """So many come that all of them stand in one batch."""
        said = [unsigned(sealed_pledge(number)) for number in range(BURST)]
        batch = [Asked(body=it.body, arrival=self.now, entropy=bytes(32), checked=it, to=self.log.party) for it in said]
        self.log.turns.run_turns(batch, self.now)
        self.log.store.commit()

    def sells(self) -> object:
        """A sale of somebody else: what becomes of it."""
        for said in (pledge(sale()), p4(sale())):
            self.ask(said)
            self.waits()
        return self.ask(certificate_of(EntryKind.KEY))

    def waits(self) -> None:
        """Some seconds pass."""
        for _ in range(8):
            self.now += 1
            self.settle()

    def read(self, shard: int = SHARD) -> list[int]:
        """How many entries each mirror has taken in."""
        return [self.actors[name].store.copy(KNOWN.identity, shard).size for name in MIRRORS]

    def page(self, shard: int, start: int) -> Entries:
        page = self.ask(Follow(log=KNOWN.identity, shard=shard, start=start))
        assert isinstance(page, Entries)
        return page


@pytest.fixture
def busy(tmp_path: Path) -> Busy:
    return Busy(tmp_path)


def test_a_burst_that_no_answer_holds_is_taken_in_by_every_mirror(busy: Busy) -> None:
    busy.down = {"mirror-3"}
    busy.bursts()
    assert len(busy.page(SHARD, 0).entries) < BURST, "one answer holds them all, and this test shows nothing"
    busy.waits()
    busy.down = set()

    busy.waits()

    assert busy.read() == [BURST + 1] * len(MIRRORS)
    assert isinstance(busy.sells(), Certificate)


@contextmanager
def as_before(busy: Busy) -> Iterator[sqlite3.Connection]:
    """The file of a log that has stopped, with a burst of which no mirror has read, and one checkpoint at its end."""
    busy.down = set(MIRRORS)
    busy.bursts()
    busy.log.store.close()
    with closing(sqlite3.connect(busy.path)) as database, database:
        database.execute("delete from checkpoint where place < ?", (place(SHARD, BURST + 1),))
        yield database


def test_a_log_that_had_signed_no_checkpoint_among_them_does_at_its_next_start(busy: Busy) -> None:
    """Before, it had one at their end alone: mirrors stood before it, and asked for more once a second."""
    with as_before(busy):
        pass
    busy.begin()
    busy.down = set()

    busy.waits()

    assert busy.read() == [BURST + 1] * len(MIRRORS)
    assert isinstance(busy.sells(), Certificate)


def test_the_checkpoints_of_a_damaged_tree_are_not_signed(busy: Busy) -> None:
    """A log that signed another history than it has would be convicted of it."""
    with as_before(busy) as database:
        database.execute("update entry set body = cast(body || x'00' as blob) where place = ?", (place(SHARD, 7),))

    busy.begin()

    assert busy.page(SHARD, 0).checkpoints == ()


def test_between_two_checkpoints_of_the_chain_stand_no_more_of_the_longest_anchors_than_one_answer_holds(
    busy: Busy,
) -> None:
    """As of a log with many mirrors, and of shards that all end while these are away."""
    store, last = busy.log.store, 3 * CHAIN_STEP
    store.begin()
    turn = Turn(store, NOON)
    for shard in range(1, last):  # the genesis comes first
        note = KNOWN.sealed(key_of("log"), shard, 5, hashlib.sha256(b"%d" % shard).digest())
        line = "— somebody-%02d " + base64.b64encode(bytes(76)).decode() + "\n"
        some = (ANCHOR_MAX - len(note)) // len((line % 0).encode())
        note += "".join(line % number for number in range(some)).encode()
        append(turn, KNOWN, CHAIN, entry(EntryKind.ANCHOR, NOON, note))
    store.commit()

    pages = [busy.page(CHAIN, start) for start in range(0, last, CHAIN_STEP)]
    busy.waits()

    assert all(size_of(page.checkpoints[-1]) > page.start for page in pages)
    assert busy.read(CHAIN) == [last] * len(MIRRORS)


@pytest.mark.parametrize(("shard", "step"), [(SHARD, CHECKPOINT_STEP), (CHAIN, CHAIN_STEP)], ids=["sales", "chain"])
def test_checkpoints_that_stay_lie_no_further_apart_than_a_step(busy: Busy, shard: int, step: int) -> None:
    """Whatever the sizes of batches: some that nobody has cosigned go, and what is left still leads on."""
    busy.down, store = set(MIRRORS), busy.log.store
    for batch in (1, 40, 300, 90, step, 200, 3):
        store.begin()
        for _ in range(batch):
            append(Turn(store, NOON), KNOWN, shard, entry(EntryKind.TICK, NOON))
        store.commit()

    rows = [at for at, *_ in dump(store)["checkpoint"] if tree_of(at) == shard]

    sizes = [0, *sorted(at % (1 << BITS) for at in rows)]
    assert max(end - start for start, end in pairwise(sizes)) <= step


def test_a_log_writes_no_entry_of_a_sale_that_is_longer_than_an_answer_leaves_room_for(busy: Busy) -> None:
    store = busy.log.store
    store.begin()
    long = entry(EntryKind.TICK, NOON, bytes(SALE_ENTRY_MAX))

    with pytest.raises(AssertionError):
        store.append(SHARD, 0, long)

    store.append(CHAIN, 0, entry(EntryKind.TICK, NOON, bytes(ENTRY_BYTES_MAX - 64)))
    store.rollback()
