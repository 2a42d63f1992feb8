"""Putting a log's data back from its mirrors (`anonnet log repair`): what the lock's signed checkpoints say.

A log whose database is older than its lock, or damaged, must not go on from it: it would sign a second history. But its
mirrors hold every entry that they have cosigned. A new database is made of these, by the code that made the old one,
beside it; it takes its place only if each shard leads to the very checkpoint that stands in the lock, or that a mirror
has shown beyond it, which no entry that is missing, added or changed can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from anonnet.crypto.keys import is_sound
from anonnet.errors import BadStart, Malformed
from anonnet.limits import CHAIN_STEP, CHECKPOINT_STEP, ENTRIES_MAX
from anonnet.parties.admission import Admission
from anonnet.parties.certifying import Certifying
from anonnet.parties.turn import Turn
from anonnet.protocol.breach import breach
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import OUTCOME_KINDS, Entries, Entry, EntryKind, Follow
from anonnet.protocol.outcome import Logs
from anonnet.protocol.purchase import Commit
from anonnet.protocol.quorum import cosignatures
from anonnet.protocol.rules import PAYING
from anonnet.store.chain import shard_in
from anonnet.store.lock import Lock
from anonnet.store.log import LogStore, two_histories
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import Frontier, leaf_hash
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import Signed, Signer


@dataclass(frozen=True)
class Lost:
    """A shard that is to be put back, as the lock has it."""

    shard: int
    head: Checkpoint
    note: bytes
    before: Checkpoint | None
    """Where the log itself stood, where mirrors had to show it the head."""


@dataclass
class Copied:
    """What one mirror gives out of a shard that is to be put back: its entries from the first on, and checkpoints."""

    log: bytes
    wanted: Lost
    entries: list[bytes] = field(default_factory=list)
    notes: list[bytes] = field(default_factory=list)
    _start: int = 0

    @property
    def next(self) -> Follow | None:
        """What to ask that mirror now; None at the end. An answer brings but the last of the checkpoints that it leads
        to. Where wallets will read, from each step of the chain, one of those must be found again in what they get."""
        if self._start >= self.wanted.head.size:
            return None
        return Follow(log=self.log, shard=self.wanted.shard, start=self._start)

    def take(self, said: Entries) -> bool:
        """Its answer; false where it is the last one: there is nothing in it, or not what was asked for, or fewer
        entries than one answer holds, however large they are."""
        if not said.entries or (said.shard, said.start) != (self.wanted.shard, self._start):
            return False
        self.entries[self._start :] = [each.entry for each in said.entries]
        self.notes += said.checkpoints
        self._start = self._start + CHAIN_STEP if self.wanted.shard == CHAIN else len(self.entries)
        least = CHAIN_STEP if self.wanted.shard == CHAIN else CHECKPOINT_STEP
        return len(said.entries) >= least and self._start <= len(self.entries)


def leads_to(checkpoint: Checkpoint, entries: Sequence[bytes]) -> bool:
    """True if these entries begin with those under the checkpoint."""
    if len(entries) < checkpoint.size:
        return False
    frontier = Frontier()
    for each in entries[: checkpoint.size]:
        frontier.append(leaf_hash(each))
    return frontier.root() == checkpoint.root


class Repair:
    """Fills the store of a new database."""

    def __init__(self, known: KnownLog, signer: Signer, store: LogStore, locked: Lock) -> None:
        """`locked`: the lock beside the old database. Raises BadStart where that log has ended for good, and where no
        log has started with this lock: by what is not in it the new database would be empty."""
        if note := locked.ended():
            raise two_histories(note)
        if not locked.began():
            raise BadStart(
                "lock.db is new, and says nothing of what is to be put back: start the log, and it says what is wrong"
            )
        self._known = known
        self._signer = signer
        self._store = store
        self._lock = locked

    def lost(self) -> Iterator[Lost]:
        """What has to be there, by the lock and what mirrors have shown. Raises BadStart where it is another log's."""
        locked = self._lock.notes()
        for origin, note in sorted((locked | self._lock.shown()).items()):
            shard = shard_in(origin)
            try:
                head = self._known.opened(shard, note).body
                before = self._known.opened(shard, locked[origin]).body if locked.get(origin, note) != note else None
            except Malformed as why:
                raise BadStart(f"lock.db does not hold ({why}): restore it from nothing but its own disk") from why
            yield Lost(shard, head, note, before)

    def put_back(self, wanted: Lost, found: Iterable[Sequence[bytes]], seen: Iterable[bytes] = ()) -> bool:
        """Put a shard back from the first of these lists of entries that is it; false where none is. Raises BadStart,
        and ends the log for good, where it shows that there are two histories.

        `seen`: checkpoints that mirrors have handed out. Those that a quorum has cosigned are kept with that: nobody
        asks for cosignatures of any but the newest, and a chain is read from one such checkpoint to the next.
        """
        entries = next((each[: wanted.head.size] for each in found if leads_to(wanted.head, each)), None)
        if entries is None:
            return False
        if wanted.before and not leads_to(wanted.before, entries):
            self._lock.end(wanted.note)
            raise two_histories(wanted.note)
        certified = self._certified(wanted, seen)
        ends = sorted({*certified, *range(ENTRIES_MAX, len(entries), ENTRIES_MAX), len(entries)})
        for start, end in pairwise([0, *ends]):
            self._store.begin()
            for index, body in enumerate(entries[start:end], start):
                self._put(wanted.shard, index, decode_record(Entry, body))
            self._store.seal()
            for each in certified.get(end, ()):
                self._certify(wanted.shard, each)
            self._store.commit()
        head = self._store.heads.head(wanted.shard)
        assert head is not None
        assert head.note == wanted.note, "the same key signs the same tree alike"
        return True

    def _certified(self, wanted: Lost, seen: Iterable[bytes]) -> dict[int, list[SignedCheckpoint]]:
        """Those of these checkpoints that a quorum has cosigned, by their sizes."""
        certified: dict[int, list[SignedCheckpoint]] = {}
        for note in set(seen):
            try:
                signed = self._known.opened(wanted.shard, note)
                met = self._known.agreed(cosignatures(self._known, signed.note))
            except Malformed:  # what an honest mirror hands out holds
                continue
            if met and 0 < signed.body.size <= wanted.head.size:
                certified.setdefault(signed.body.size, []).append(signed)
        return certified

    def _certify(self, shard: int, signed: SignedCheckpoint) -> None:
        """Keep the cosignatures of a checkpoint that is one of what has been put back."""
        heads, size = self._store.heads, signed.body.size
        if heads.trees.root(shard, size) == signed.body.root:
            for mirror, signature in cosignatures(self._known, signed.note).items():
                heads.keep_cosignature(shard, size, mirror, signature.line)
            heads.call_met(shard, size)

    def _put(self, shard: int, index: int, entry: Entry) -> None:
        kind, signature = EntryKind(entry.kind), b""
        if kind in OUTCOME_KINDS and not self._store.record(shard, entry.outcome_key, kind, index):
            raise BadStart(f"the log has recorded two entries of one kind for one sale: {entry.outcome_key.hex()}")
        if kind in PAYING:  # P5a is the log's own word, and signed anew it is the same
            commit = Commit(authorization_m=decode_record(Signed, entry.body), index=index)
            signature = self._signer.sign(commit).signatures[0].signature
        self._store.append(shard, index, entry, signature)
        self._store.advance(entry.time)

    def drop(self, wanted: Lost, last: bytes) -> bool:
        """The shard had gone before, and this is its last checkpoint: keep it; false if that is not so."""
        try:
            same = SignedCheckpoint.parse(last).body == wanted.head
        except Malformed:
            return False
        if same:
            self._store.begin()
            self._store.heads.keep_final(wanted.shard, last)
            self._store.commit()
        return same

    def carry_over(
        self, network: str, logs: Logs, admitted: Iterable[bytes], alerts: Iterable[tuple[bytes, int, bytes]]
    ) -> None:
        """Keep what no mirror has: whom the owner admitted, and those alerts, (log, shard, evidence), that hold."""
        self._store.begin()
        for merchant in filter(is_sound, admitted):
            self._store.admissions.admit(merchant)
        for log, shard, evidence in alerts:
            try:
                breach(network, logs[log], shard, evidence)
                self._store.alerts.keep(log, shard, evidence, self._store.time())
            except (KeyError, Malformed):
                continue
        self._store.commit()

    def finish(self, now: int, time: int) -> None:
        """The log is as late as it was, and collects its mirrors' cosignatures anew. Its lock moves on: should the new
        database not take its place now, the log finds itself behind, and is repaired again."""
        self._store.begin()
        self._store.advance(time)
        turn, certifying = Turn(self._store, now), Certifying(self._signer, self._known, Admission(None))
        for shard, _ in self._store.sizes():
            certifying.collect(turn, shard)
        self._store.commit()
        self._lock.reach()
