"""Checking a log's or a mirror's data whole (`anonnet log fsck`): entries by the rules, every hash, every signature.

Nothing that is stored is believed: trees are made anew from the entries, and tables that repeat what entries say are
compared with them. What is found wrong is a sentence; what it demands to be done stands with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from anonnet.errors import Malformed
from anonnet.parties.beside import Beside
from anonnet.parties.following import commit_of
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import OUTCOME_KINDS, Entry, EntryKind
from anonnet.protocol.purchase import Commit
from anonnet.protocol.quorum import cosignatures
from anonnet.protocol.rules import follows, recorded, sound
from anonnet.store.checking import Kept, KeptEntry, KeptShard
from anonnet.store.trees import nodes_in_order
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import checked


@dataclass
class Prefix:
    """The entries of a shard so far, as the rules look at them; bodies stay in the database."""

    kept: KeptShard
    size: int = 0
    last_time: int = 0
    closed: bool = False
    found: dict[bytes, list[int]] = field(default_factory=dict)
    branded: list[Brand] = field(default_factory=list)

    def standing(self, outcome_key: bytes) -> Sequence[Entry]:
        return [decode_record(Entry, self.kept.body(position)) for position in self.found.get(outcome_key, ())]

    def brands(self) -> Iterable[Brand]:
        return self.branded

    def add(self, entry: Entry) -> None:
        """One more that is lawful."""
        if entry.kind in OUTCOME_KINDS:
            self.found.setdefault(entry.outcome_key, []).append(self.size)
        brand = recorded(entry) if entry.kind == EntryKind.BRAND else None
        if isinstance(brand, Brand):
            self.branded.append(brand)
        self.size, self.last_time, self.closed = self.size + 1, entry.time, entry.kind == EntryKind.CLOSE


@dataclass
class Counts:
    """What has been looked at."""

    entries: int = 0
    checkpoints: int = 0
    cosignatures: int = 0


class Fsck:
    """Looks through a data folder, shard by shard; `counts` says what it has seen."""

    def __init__(
        self, network: str, logs: Mapping[bytes, KnownLog], kept: Kept, *, log: bytes = b"", mirror: bytes = b""
    ) -> None:
        """`logs`: those whose data can be here; `log`: the one whose data it is, else the key of its `mirror`."""
        self._network = network
        self._logs = logs
        self._kept = kept
        self._own = log
        self._mirror = mirror
        self._beside = Beside(network, logs, kept)
        self.counts = Counts()

    def faults(self) -> Iterator[str]:
        """What is wrong, a sentence for each."""
        yield from (f"SQLite finds the file damaged ({each})" for each in self._kept.broken_pages())
        roots, locked = self._kept.roots(), self._kept.locked()
        time = self._kept.time() if self._own else None
        for shard in self._kept.strays():
            yield f"shard {shard} has entries under no checkpoint"
        for kept in self._kept.shards(self._own):
            known = self._logs.get(kept.log)
            if known is None:
                yield f"shard {kept.shard} is that of a log which is not in the network file: {kept.log.hex()}"
                continue
            origin = known.origin(kept.shard)
            for fault in self._shard(known, kept, roots.get(kept.shard), time, locked.pop(origin, b"")):
                yield f"{origin}: {fault}"
        yield from self._gone(locked)
        yield from self._beside.of_mirror(self._mirror) if self._mirror else self._beside.of_log()

    def _gone(self, locked: dict[str, bytes]) -> Iterator[str]:
        """Shards that are dropped: of each its last checkpoint stays, and the lock stands there."""
        for shard, note in self._kept.finals():
            known = self._logs[self._own]
            try:
                last = known.opened(shard, note)
                before = locked.pop(known.origin(shard), b"")
                if not before or SignedCheckpoint.parse(before).body != last.body:
                    yield f"{known.origin(shard)}: its last checkpoint is not the one in lock.db"
            except Malformed as why:
                yield f"shard {shard}: its last checkpoint does not hold ({why})"
        for origin in locked:
            yield f"{origin} stands in lock.db, and nothing of it is in log.db: was a backup put back?"

    def _shard(
        self, known: KnownLog, kept: KeptShard, root: bytes | None, time: int | None, locked: bytes
    ) -> Iterator[str]:
        tree, prefix = Tree(), Prefix(kept)
        for each in kept.entries():
            fault = self._entry(known, prefix, each)
            if fault:
                yield f"entry {each.position} {fault}"
                return  # what comes after cannot be judged
            tree.append(leaf_hash(each.body))
            self.counts.entries += 1
        if tree.size != kept.size:
            yield f"{tree.size} entries are there, and its newest checkpoint covers {kept.size}"
            return
        if kept.last_time not in (None, prefix.last_time) or (time is not None and prefix.last_time > time):
            yield "the time that is kept beside the entries is not that of the newest"
        if root not in (None, tree.root()):
            yield "the root in the table head is not that of its entries"
        yield from _indexed(kept, prefix)
        yield from _hashed(kept, tree)
        yield from self._checkpoints(known, kept, tree)
        if self._own:
            yield from _against_the_lock(known, kept, tree, locked)

    def _entry(self, known: KnownLog, prefix: Prefix, each: KeptEntry) -> str:
        """What is wrong with one entry; nothing where it is lawful, and is added to the prefix."""
        if each.position != prefix.size:
            return f"is there, and entry {prefix.size} is missing"
        try:
            entry = sound(self._network, known, prefix.kept.shard, each.body)
            follows(prefix, entry)
            if each.said != (entry.time if prefix.kept.repeats == "time" else entry.kind):
                return f"is not of the {prefix.kept.repeats} that stands beside it"
            if each.signature and self._own:  # a mirror keeps what it was told there, and relies on none of it
                commit = commit_of(entry, each.position, known.key, each.signature)
                if checked(self._network, commit, Commit).signer != known.key:
                    return "is signed by another log"
        except Malformed as why:
            return f"does not hold ({why})"
        prefix.add(entry)
        return ""

    def _checkpoints(self, known: KnownLog, kept: KeptShard, tree: Tree) -> Iterator[str]:
        """Each leads to a root of this tree, is signed, and cosigned by whom it says."""
        lines: dict[int, list[tuple[bytes, str]]] = {}
        for size, mirror, line in kept.cosignatures():
            lines.setdefault(size, []).append((mirror, line))
        notes = [*kept.checkpoints(), *([(kept.size, kept.note, False)] if kept.note else [])]
        for size, note, met in notes:
            try:
                body = known.opened(kept.shard, note).body
                if body.size != size or size > tree.size or body.root != tree.root(size):
                    yield f"the checkpoint of {size} entries is not that of its entries"
                wanted = dict(lines.pop(size, []))
                signed = SignedCheckpoint.parse(note + "".join(line for _, line in sorted(wanted.items())).encode())
                found = cosignatures(known, signed.note)
                if {mirror: signature.line for mirror, signature in found.items()} != wanted:
                    yield f"a cosignature under the checkpoint of {size} entries is not of the mirror beside it"
                if met and not known.agreed(found):
                    yield f"the checkpoint of {size} entries is called certified, and no quorum has cosigned it"
                self.counts.cosignatures += len(found)
            except Malformed as why:
                yield f"the checkpoint of {size} entries does not hold ({why})"
            self.counts.checkpoints += 1
        for size in lines:
            yield f"cosignatures are there of a checkpoint of {size} entries that is not"


def _indexed(kept: KeptShard, prefix: Prefix) -> Iterator[str]:
    """The table by which an outcome is found has each entry that is about a transaction, and nothing else."""
    count, wrong = 0, 0
    for outcome_key, kind, position in kept.outcomes():
        count += 1
        fits = position in prefix.found.get(outcome_key, ())
        wrong += not fits or decode_record(Entry, kept.body(position)).kind != kind
    if wrong or count != sum(map(len, prefix.found.values())):
        yield "the table outcome does not name the entries that are there"


def _hashed(kept: KeptShard, tree: Tree) -> Iterator[str]:
    """The table of the tree's hashes is what the entries make of it."""
    found = kept.nodes()
    for number, (level, position) in enumerate(nodes_in_order(tree.size)):
        if next(found, None) != (number, tree.subtree_roots(level, position, position + 1)):
            yield f"the hash {position} of level {level} is missing in the table node, or not that of the entries"
            return
    if next(found, None):
        yield "the table node has hashes of more than the entries"


def _against_the_lock(known: KnownLog, kept: KeptShard, tree: Tree, locked: bytes) -> Iterator[str]:
    """The lock stands at the newest checkpoint, or at an earlier one, where a crash came between."""
    if not locked:
        yield "it is not in lock.db: is this a copy?"
        return
    try:
        seen = known.opened(kept.shard, locked).body
    except Malformed as why:
        yield f"the checkpoint in lock.db does not hold ({why})"
        return
    if seen.size > kept.size:
        yield f"it had {seen.size} entries when the log last ran, and has {kept.size} here: was a backup put back?"
    elif seen.root != tree.root(seen.size):
        yield f"log.db and lock.db show two histories of {seen.size} entries: is this a copy that went on by itself?"
