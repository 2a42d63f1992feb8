"""Appending to a shard of the log."""

from __future__ import annotations

from anonnet.parties.following import commit_of
from anonnet.parties.turn import Turn
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import ENTRY_VERSION, Entry, EntryKind, form
from anonnet.protocol.transaction import Transaction
from anonnet.store.log import LogStore
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import Signed

LogTurn = Turn[LogStore]


def entry(kind: EntryKind, time: int, body: bytes = b"", outcome_key: bytes = b"") -> Entry:
    """An entry as it is written now."""
    return Entry(version=ENTRY_VERSION, kind=int(kind), time=time, outcome_key=outcome_key, body=body)


def next_index(turn: LogTurn, shard: int) -> int:
    """Where the next entry of a shard will stand that is not its genesis."""
    return max(turn.store.size(shard), 1)


def recorded_commit(turn: LogTurn, known: KnownLog, transaction: Transaction, kind: EntryKind) -> Signed | None:
    """P5a of the entry that brings the transaction's key, open or sealed, if it stands."""
    found = turn.store.recorded(shard_of(transaction.expiration), transaction.outcome_key, form(kind, transaction))
    if found is None:
        return None
    index, recorded = found
    return commit_of(decode_record(Entry, recorded.entry), index, known.key, recorded.signature)


def begin(turn: LogTurn, known: KnownLog, shard: int, time: int) -> None:
    """Put the genesis into an empty shard."""
    turn.store.append(shard, 0, entry(EntryKind.GENESIS, time, known.origin(shard).encode()))


def append(turn: LogTurn, known: KnownLog, shard: int, new: Entry, signature: bytes = b"") -> None:
    """Put an entry behind those of a shard, which begins with its genesis."""
    index = turn.store.size(shard)
    if index == 0:
        begin(turn, known, shard, new.time)
        index = 1
    turn.store.append(shard, index, new, signature)
