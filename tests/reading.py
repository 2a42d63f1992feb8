"""Reading a log from outside: everything that it publishes, of every shard that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow, Recorded, Time, TimeOf
from anonnet.wire.codec import Message, decode_record


def published(ask: Callable[[Message], Any], log: bytes) -> list[tuple[int, int, Recorded]]:
    """(shard, index, entry) of all that the log's answers show."""
    time = ask(TimeOf(log=log))
    assert isinstance(time, Time)
    found: list[tuple[int, int, Recorded]] = []
    for each in time.shards:
        start = 0
        while start < each.size:
            page = ask(Follow(log=log, shard=each.shard, start=start))
            assert isinstance(page, Entries)
            assert (page.shard, page.start) == (each.shard, start)
            assert page.entries
            found += [(each.shard, index, recorded) for index, recorded in enumerate(page.entries, start)]
            start += len(page.entries)
    return found


def commits(ask: Callable[[Message], Any], log: bytes) -> list[Entry]:
    """The commits among them."""
    entries = [decode_record(Entry, recorded.entry) for _, _, recorded in published(ask, log)]
    assert all(entry.kind in (EntryKind.GENESIS, EntryKind.COMMIT) for entry in entries)
    return [entry for entry in entries if entry.kind == EntryKind.COMMIT]
