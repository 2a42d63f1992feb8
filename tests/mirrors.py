"""Mirrors on a stage of their own, and a log whose every entry and checkpoint the test writes: so that it may lie.

`Pen` holds the log's key and writes one shard; `Wall` is a group of mirrors that read it and each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anonnet.limits import CHECKPOINTS_MAX, ENTRIES_MAX
from anonnet.parties.following import afresh
from anonnet.parties.mirror import Mirror
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import KnownLog, mirror_policy, shard_of
from anonnet.protocol.logbook import ENTRY_VERSION, Entries, Entry, EntryKind, Follow, Recorded
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Certificate, Pledge
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.store.errands import Errand
from anonnet.store.mirror import MirrorStore
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.cosignature import TIME_BYTES
from anonnet.tlog.cosignature import message as cosignature_message
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.tlog.note import Kind, Note, Signature
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import Message, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.actor import Actor, Said
from tests.stage import NETWORK, NOON, key_of

MIRRORS = tuple(f"mirror-{i}" for i in range(4))
KNOWN = KnownLog(key_of("log").public, mirror_policy({name: key_of(name).public for name in MIRRORS}, 3))
EXPIRATION = NOON + 60
SHARD = shard_of(EXPIRATION)
KEY = hashlib.sha256(b"merchandise key").digest()


def signed_by(name: str, said: Message) -> Signed:
    return Signer(NETWORK, key_of(name)).sign(said)


def sale(expiration: int = EXPIRATION) -> Transaction:
    merchant = key_of("merchant").public
    return Transaction(number=number_of(merchant, KEY), expiration=expiration, merchant=merchant, log=KNOWN.identity)


def entry(kind: EntryKind, time: int = NOON, body: bytes = b"", outcome_key: bytes = b"") -> Entry:
    return Entry(version=ENTRY_VERSION, kind=int(kind), time=time, outcome_key=outcome_key, body=body)


def pledge(transaction: Transaction, time: int = NOON) -> Entry:
    said = signed_by("merchant", Pledge(transaction=transaction))
    return entry(EntryKind.PLEDGE, time, encode(said), transaction.outcome_key)


def p4(transaction: Transaction) -> Signed:
    return signed_by("merchant", AuthorizationM(transaction=transaction, key=KEY))


def released(transaction: Transaction, time: int = NOON) -> Entry:
    return entry(EntryKind.KEY, time, encode(p4(transaction)), transaction.outcome_key)


def tick(time: int) -> Entry:
    return entry(EntryKind.TICK, time)


@dataclass
class Pen:
    """A log's one shard, written by hand: `write` adds entries and a checkpoint behind them."""

    known: KnownLog = KNOWN
    name: str = "log"
    shard: int = SHARD
    begun: int = NOON
    entries: list[Entry] = field(default_factory=list)
    notes: dict[int, bytes] = field(default_factory=dict)
    tree: Tree = field(default_factory=Tree)
    extensions: tuple[str, ...] = ()
    """Lines that it puts into checkpoints from now on, as no honest log does."""
    most: int = ENTRIES_MAX
    """How many entries fit one answer."""

    def __post_init__(self) -> None:
        self.write(entry(EntryKind.GENESIS, self.begun, body=self.known.origin(self.shard).encode()))

    # A prefix in the sense of the rules.

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def last_time(self) -> int:
        return self.entries[-1].time

    @property
    def closed(self) -> bool:
        return self.entries[-1].kind == EntryKind.CLOSE

    def standing(self, outcome_key: bytes) -> list[Entry]:
        return [each for each in self.entries if each.outcome_key == outcome_key]

    def brands(self) -> list[Brand]:
        return []

    # What it hands out.

    def write(self, *entries: Entry) -> None:
        for each in entries:
            self.entries.append(each)
            self.tree.append(leaf_hash(encode(each)))
        self.notes[self.tree.size] = self.note(self.tree.size, self.tree.root())

    def note(self, size: int, root: bytes) -> bytes:
        checkpoint = Checkpoint(self.known.origin(self.shard), size, root, self.extensions)
        signature = NoteSigner(checkpoint.origin, key_of(self.name)).sign(checkpoint.text)
        return Note(checkpoint.text, (signature,)).encoded()

    def copy(self) -> Pen:
        """Another branch of the same log, so far the same."""
        branch = Pen(self.known, self.name, self.shard, self.begun, most=self.most)
        for each in self.entries[1:]:
            branch.write(each)
        return branch

    @staticmethod
    def nothing(asked: Follow) -> Entries:
        return Entries(shard=asked.shard, start=asked.start, entries=(), checkpoints=())

    def answer(self, asked: Follow) -> Entries:
        if asked.shard != self.shard:
            return self.nothing(asked)
        entries = self.entries[asked.start : asked.start + self.most]
        sizes = [size for size in sorted(self.notes) if asked.start < size <= asked.start + len(entries)]
        return Entries(
            shard=asked.shard,
            start=asked.start,
            entries=tuple(Recorded(entry=encode(each), signature=b"") for each in entries),
            checkpoints=tuple(self.notes[size] for size in sizes[-CHECKPOINTS_MAX:]),
        )


def cosigned(pen: Pen, cosigners: Sequence[str] = MIRRORS[:3], time: int = NOON) -> SignedCheckpoint:
    """The newest checkpoint of a shard, cosigned by these mirrors."""
    note = Note.parse(pen.notes[pen.size])
    lines = [NoteSigner(mirror, key_of(mirror)).cosign(note.text, time) for mirror in cosigners]
    return SignedCheckpoint.parse(Note(note.text, (*note.signatures, *lines)).encoded())


def timed(mirror: str, text: str, time: int) -> Signature:
    """A mirror's cosignature with any time, 0 too, as no honest one makes it."""
    signer = NoteSigner(mirror, key_of(mirror))
    value = time.to_bytes(TIME_BYTES, "big") + signer.key.sign(cosignature_message(text, time))
    return Signature.of(signer.verifier(Kind.COSIGNATURE), value)


def certificate(pen: Pen, cosigners: Sequence[str] = MIRRORS[:3], time: int = NOON) -> Signed:
    """That of the newest entry of a shard."""
    index = pen.size - 1
    proof = LogProof(index, tuple(pen.tree.inclusion(index, pen.size)), cosigned(pen, cosigners, time))
    return unsigned(Certificate(entry=encode(pen.entries[index]), proof=proof.encoded())).signed


class Wall:
    """Mirrors, the log that each of them is shown, and who cannot reach whom."""

    def __init__(self, shown: Pen | Sequence[Pen], names: Sequence[str] = MIRRORS, known: KnownLog = KNOWN) -> None:
        self.now = NOON
        self.known = known
        pens = [shown] * len(names) if isinstance(shown, Pen) else shown
        self.pens = dict(zip(names, pens, strict=True))
        self.mirrors = {name: self._actor(name) for name in names}
        self.cut: set[frozenset[str]] = set()
        """Pairs of names that cannot reach each other; the log is called "log"."""
        self._afresh: set[tuple[str, bytes]] = set()  # mirrors and errands that are asked on a new connection
        self._reached: set[tuple[str, str]] = set()  # mirrors, and others to whom they keep a connection
        self.heard: list[tuple[str, str, Said]] = []
        self._names = {key_of(name).public: name for name in names} | {known.identity: "log"}

    def put_on_file(self, name: str, path: Path) -> Actor:
        """Give a mirror that has done nothing yet a store in this file."""
        store = MirrorStore(str(path))
        self.mirrors[name] = Actor(name, self.mirrors[name].party, store, lambda: self.now, lambda: bytes(32))
        return self.mirrors[name]

    def _actor(self, name: str) -> Actor:
        key = key_of(name)
        beside = [key_of(each).public for each in self.pens]
        party = Mirror(Signer(NETWORK, key), key, {self.known.identity: self.known}, beside=beside)
        return Actor(name, party, MirrorStore(), lambda: self.now, lambda: bytes(32))

    def settle(self, rounds: int = 12) -> None:
        """Let errands run until nothing new comes of them."""
        for _ in range(rounds):
            before = [actor.store.changes for actor in self.mirrors.values()]
            for actor in self.mirrors.values():
                actor.remind()
                for errand in actor.store.errands.due(self.now, most=100):
                    self._run(actor, errand)
            if before == [actor.store.changes for actor in self.mirrors.values()]:
                return

    def put_back(self, pen: Pen) -> None:
        """The log has now this history, and who follows it has lost the connection, and asks on a new one."""
        self.pens = dict.fromkeys(self.pens, pen)
        for name, actor in self.mirrors.items():
            self._afresh.update((name, each.hash) for each in actor.store.errands.of(self.known.identity))

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.settle()

    def _run(self, actor: Actor, errand: Errand) -> None:
        name = self._names.get(errand.receiver)
        if name is None or frozenset({name, actor.name}) in self.cut or not actor.store.errands.stands(errand.hash):
            return
        reply: Said | None
        if name == "log":
            if not isinstance(errand.message, Follow):
                self.heard.append((actor.name, name, errand.said))
                return
            if (actor.name, errand.hash) in self._afresh:
                self._afresh.remove((actor.name, errand.hash))
                errand = afresh(errand)
            assert isinstance(errand.message, Follow)
            reply = self.pens[actor.name].answer(errand.message)
        else:
            if isinstance(errand.message, Follow) and (actor.name, name) not in self._reached:
                self._reached.add((actor.name, name))  # on a connection that is kept from now on
                errand = afresh(errand)
            reply = self.mirrors[name].takes(frame(errand.said, 1))
            self.heard.append((actor.name, name, errand.said))
        if reply is not None:
            actor.takes(frame(reply, 1), answers=errand)

    def ask(self, name: str, said: Said) -> Said | None:
        """What this mirror answers to a stranger."""
        return self.mirrors[name].takes(frame(said, 1))

    def size(self, name: str, shard: int = SHARD) -> int:
        """How many entries of the shard this mirror has verified."""
        copy = self.mirrors[name].store.copy(self.known.identity, shard)
        return copy.size if copy else 0
