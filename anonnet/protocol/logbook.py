"""What the log says beside P5a and P5b: its entries, its time, and that it has not decided (paper, section "Purchase").

An entry is the canonical array [1, kind, time, outcome key, body]; its bytes will be hashed into the log's tree, so
they are part of the wire format.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import ENTRIES_MAX, ENTRY_BYTES_MAX, FRAME_MAX, KIB
from anonnet.protocol.fields import Hash, Index, Seconds
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import Between, Message, Record, message, record

ENTRY_VERSION = 1
COMMIT_KIND = 1
"""An entry that records authorization_m with its key; further kinds come with quorums and sealed entries."""


@record
class Entry(Record):
    """One entry of the log. Times never fall from one entry to the next."""

    version: Annotated[int, Between(ENTRY_VERSION, ENTRY_VERSION)]
    kind: Annotated[int, Between(COMMIT_KIND, COMMIT_KIND)]
    time: Seconds
    outcome_key: Hash
    body: Annotated[bytes, Between(1, ENTRY_BYTES_MAX)]


@message(Step.OUTCOME_OF, signed=False, frame_max=KIB)
class OutcomeOf(Message):
    """Anyone -> L: commit, abort, or undecided? (paper: "a negative authorization at the request of the consumer or
    the bank")"""

    transaction: Transaction


@message(Step.UNDECIDED, signed=True, frame_max=KIB)
class Undecided(Message):
    """L -> anyone, signed by the log: at this time of mine neither commit nor abort can be given."""

    transaction: Transaction
    time: Seconds


@message(Step.FOLLOW, signed=False, frame_max=KIB)
class Follow(Message):
    """Anyone -> L: entries from this index on. Where there are none, the log waits a while before it answers."""

    log: Hash
    start: Index


@record
class Recorded(Record):
    """One entry as it is handed out: its bytes, and the log's signature that makes P5a of it."""

    entry: Annotated[bytes, Between(1, ENTRY_BYTES_MAX)]
    signature: Annotated[bytes, Between(64, 64)]


@message(Step.ENTRIES, signed=False, frame_max=FRAME_MAX)
class Entries(Message):
    """L -> anyone: entries `start`, `start` + 1, ..."""

    start: Index
    entries: Annotated[tuple[Recorded, ...], Between(0, ENTRIES_MAX)]


@message(Step.TIME_OF, signed=False, frame_max=KIB)
class TimeOf(Message):
    """Anyone -> L: what time is it with you? Expirations are chosen from the answer."""

    log: Hash


@message(Step.TIME, signed=True, frame_max=KIB)
class Time(Message):
    """L -> anyone, signed by the log: its time, and how many entries it has."""

    log: Hash
    time: Seconds
    size: Index
