"""What the log says beside P5a and P5b: its entries, its time, and that it has not decided (paper, section "Purchase").

An entry is the canonical array [1, kind, time, outcome key, body]; its bytes will be hashed into the log's tree, so
they are part of the wire format.
"""

from __future__ import annotations

import enum
from typing import Annotated

from anonnet.crypto.hashing import HASH_BYTES
from anonnet.crypto.keys import SIGNATURE_BYTES
from anonnet.errors import Malformed
from anonnet.limits import (
    CHECKPOINT_BYTES_MAX,
    CHECKPOINTS_MAX,
    ENTRIES_MAX,
    ENTRY_BYTES_MAX,
    FRAME_MAX,
    KIB,
    POLICY_WITNESSES_MAX,
    SEEN_MAX,
    SHARDS_MAX,
)
from anonnet.protocol.fields import Flag, Hash, Index, KeyOrNone, Seconds, Shard
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import Between, Message, Record, message, record

ENTRY_VERSION = 1


class EntryKind(enum.IntEnum):
    """What an entry records; beside it, what its body holds."""

    GENESIS = 0  # the shard's origin; always index 0
    COMMIT = 1  # authorization_m with its key, as the merchant signed it; under the policy `none`
    PLEDGE = 2  # the merchant's pledge, as he signed it; under a quorum
    KEY = 3  # authorization_m with its key, after its pledge; under a quorum
    TICK = 4  # nothing: lets time pass in a quiet log
    SEALED = 5  # as COMMIT: sealed_m, as W signed it
    BRAND = 6  # a bank's brand, as the bank signed it, with the hash of its key proof; chain only
    ANCHOR = 7  # the last checkpoint of a shard, with its cosignatures; chain only
    CLOSE = 8  # nothing: the last entry of a shard
    SEALED_PLEDGE = 9  # as PLEDGE: sealed_m
    SEALED_KEY = 10  # as KEY: sealed_m


SEALED_AS = {
    EntryKind.COMMIT: EntryKind.SEALED,
    EntryKind.PLEDGE: EntryKind.SEALED_PLEDGE,
    EntryKind.KEY: EntryKind.SEALED_KEY,
}
"""The kinds of a sealed transaction's entries, by those of an open one's."""

OUTCOME_KINDS = frozenset({*SEALED_AS, *SEALED_AS.values()})
"""The kinds that stand under a transaction's outcome key; all others have none."""


_KINDS = frozenset(map(int, EntryKind))


def form(kind: EntryKind, transaction: Transaction) -> EntryKind:
    """This kind as it is for the transaction: sealed, or open."""
    return SEALED_AS[kind] if transaction.entry_key else kind


@record
class Entry(Record):
    """One entry of the log. Times never fall from one entry to the next."""

    version: Annotated[int, Between(ENTRY_VERSION, ENTRY_VERSION)]
    kind: Annotated[int, Between(int(min(EntryKind)), int(max(EntryKind)))]
    time: Seconds
    outcome_key: KeyOrNone
    body: Annotated[bytes, Between(0, ENTRY_BYTES_MAX)]

    def check(self) -> None:
        if self.kind not in _KINDS:
            raise Malformed("no such kind of entry")
        if len(self.outcome_key) != (HASH_BYTES if self.kind in OUTCOME_KINDS else 0):
            raise Malformed("an entry has an outcome key exactly if it is about a transaction")


@message(Step.OUTCOME_OF, signed=False, frame_max=KIB)
class OutcomeOf(Message):
    """Anyone -> L or a mirror: commit, abort, or undecided? (paper: "a negative authorization at the request of the
    consumer or the bank")"""

    transaction: Transaction

    def check(self) -> None:
        self.transaction.check_public()


@message(Step.UNDECIDED, signed=True, frame_max=KIB)
class Undecided(Message):
    """L or a mirror -> anyone, signed by who says it: at this time of mine (a mirror's: that of the newest entry that
    it has) neither commit nor abort can be given."""

    transaction: Transaction
    time: Seconds

    def check(self) -> None:
        self.transaction.check_public()


@message(Step.FOLLOW, signed=False, frame_max=KIB)
class Follow(Message):
    """Anyone -> L or a mirror: entries of one shard from this index on. Where there are none, the answer waits a while.
    `onward` 1: what comes next is told as it comes, in further answers to the same request, up to the end of the bundle
    of ENTRIES_MAX; an answer without entries is the last."""

    log: Hash
    shard: Shard
    start: Index
    onward: Flag = 0


@record
class Recorded(Record):
    """One entry as it is handed out: its bytes, and, where it is a commit, the log's signature that makes P5a of it."""

    entry: Annotated[bytes, Between(1, ENTRY_BYTES_MAX)]
    signature: Annotated[bytes, Between(0, SIGNATURE_BYTES)]

    def check(self) -> None:
        if len(self.signature) not in (0, SIGNATURE_BYTES):
            raise Malformed("a log's signature is whole, or none")


Note = Annotated[bytes, Between(1, CHECKPOINT_BYTES_MAX)]
"""A C2SP checkpoint: signed by the log, with the cosignatures that are known where it comes from."""


@message(Step.ENTRIES, signed=False, frame_max=FRAME_MAX)
class Entries(Message):
    """L or a mirror -> anyone: entries `start`, `start` + 1, ... of a shard, and, in ascending order, checkpoints that
    end among them: the newest, in the chain the newest that a quorum has cosigned, those at multiples of
    CHECKPOINT_STEP, then others where there is room."""

    shard: Shard
    start: Index
    entries: Annotated[tuple[Recorded, ...], Between(0, ENTRIES_MAX)]
    checkpoints: Annotated[tuple[Note, ...], Between(0, CHECKPOINTS_MAX)]


@message(Step.CHECKPOINT_OF, signed=False, frame_max=KIB)
class CheckpointOf(Message):
    """Anyone -> L or a mirror: checkpoints of a shard from this size on, with their cosignatures. The asker has those
    cosignatures of the one of this size whose bits are set (bit i: the i-th mirror's, by ascending key); where there is
    nothing more to tell, the answer waits a while."""

    log: Hash
    shard: Shard
    size: Index
    cosigned: Annotated[int, Between(0, 2**POLICY_WITNESSES_MAX - 1)]


@message(Step.NEWEST_OF, signed=False, frame_max=KIB)
class NewestOf(Message):
    """Anyone -> a mirror: the newest checkpoint of a shard that it has read up to, and behind it the largest that it
    was shown; at once, whatever the asker has."""

    log: Hash
    shard: Shard


@message(Step.CHECKPOINT_IS, signed=False, frame_max=CHECKPOINTS_MAX * CHECKPOINT_BYTES_MAX + KIB)
class CheckpointIs(Message):
    """L or a mirror -> anyone: checkpoints in ascending order, the newest last; none where nothing is new,
    or nothing is there."""

    log: Hash
    shard: Shard
    checkpoints: Annotated[tuple[Note, ...], Between(0, CHECKPOINTS_MAX)]


@message(Step.CHECKPOINTS_SEEN, signed=False, frame_max=SEEN_MAX * KIB + KIB)
class CheckpointsSeen(Message):
    """Bank, merchant or mirror -> mirror: what I have relied on, or hold, are these checkpoints of a shard, with the
    log's signature alone, in the order of their coming. Do they lead to what you hold?"""

    log: Hash
    shard: Shard
    checkpoints: Annotated[tuple[Annotated[bytes, Between(1, KIB)], ...], Between(1, SEEN_MAX)]


@message(Step.TIME_OF, signed=False, frame_max=KIB)
class TimeOf(Message):
    """Anyone -> L: what time is it with you? Expirations are chosen from the answer."""

    log: Hash


@record
class ShardSize(Record):
    """How many entries a shard has."""

    shard: Shard
    size: Index


@message(Step.TIME, signed=True, frame_max=KIB)
class Time(Message):
    """L -> anyone, signed by the log: its time, and how many entries each shard has that is not dropped yet,
    in ascending order."""

    log: Hash
    time: Seconds
    shards: Annotated[tuple[ShardSize, ...], Between(0, SHARDS_MAX)]

    def check(self) -> None:
        shards = [each.shard for each in self.shards]
        if shards != sorted(set(shards)):
            raise Malformed("shards do not stand in ascending order")

    def size(self, shard: int) -> int:
        """How many entries this shard has; 0 where the log names none."""
        return next((each.size for each in self.shards if each.shard == shard), 0)
