"""Following a log: an errand that asks for entries from an index on, and asks on as long as somebody waits.

A party finds its own transactions among the entries by their outcome keys; the log's signature makes P5a of an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from anonnet.errors import Malformed
from anonnet.limits import ENTRIES_MAX
from anonnet.parties.turn import Answer
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow
from anonnet.protocol.purchase import Commit
from anonnet.store.errands import Errand
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signature, Signed, unsigned


def bundle_start(index: int) -> int:
    """Where the bundle begins that this entry stands in: an index that many start from, and so no cookie."""
    return index - index % ENTRIES_MAX


def told_next(follow: Follow, entries: Entries) -> Follow | None:
    """What is answered after this answer without being asked for: from where it ends. None where it is the last."""
    end = entries.start + len(entries.entries)
    if not follow.onward or not entries.entries or bundle_start(end) != bundle_start(follow.start):
        return None
    return replace(follow, start=end)


def followed(follow: Follow, entries: Entries, size: int, news: bytes) -> Answer:
    """The answer to a follow by who has so many entries, and calls it `news` when there are more."""
    further = told_next(follow, entries)
    waits = not entries.entries or (further is not None and further.start == size)
    return Answer(entries, hold=news if waits else b"", onward=further)


def afresh(errand: Errand) -> Errand:
    """A follow as it is asked on a new connection: from where a bundle begins. Its own start, which only this follower
    may have reached just there, would join the connection with the one before."""
    follow = errand.message
    assert isinstance(follow, Follow)
    return replace(errand, request=unsigned(replace(follow, start=bundle_start(follow.start))).signed)


def commits_among(entries: Entries, log_key: bytes, mine: Callable[[bytes], bool]) -> Iterator[tuple[bytes, Signed]]:
    """(outcome key, P5a) of each entry whose outcome key is `mine`. The caller checks P5a as from anyone.

    Raises Malformed where an entry is none.
    """
    for index, recorded in enumerate(entries.entries, entries.start):
        entry = decode_record(Entry, recorded.entry)
        if entry.kind in (EntryKind.COMMIT, EntryKind.SEALED) and mine(entry.outcome_key):
            yield entry.outcome_key, commit_of(entry, index, log_key, recorded.signature)


def keys_among(entries: Entries, mine: Callable[[bytes], bool]) -> Iterator[tuple[bytes, int, bytes]]:
    """(outcome key, index, entry) of each entry with the key of a pledge whose outcome key is `mine`. That is the log's
    word alone: a certificate is still to come.

    Raises Malformed where an entry is none.
    """
    for index, recorded in enumerate(entries.entries, entries.start):
        entry = decode_record(Entry, recorded.entry)
        if entry.kind in (EntryKind.KEY, EntryKind.SEALED_KEY) and mine(entry.outcome_key):
            yield entry.outcome_key, index, recorded.entry


def commit_of(entry: Entry, index: int, log_key: bytes, signature: bytes) -> Signed:
    """P5a as the log signed it, put together again from its entry."""
    commit = Commit(authorization_m=decode_record(Signed, entry.body), index=index)
    return Signed(body=encode(commit), signatures=(Signature(signer=log_key, signature=signature),))


def read_to(said: Entries, size: int) -> int:
    """How far entries that add nothing to a copy of this size show it to be the log's: to the last checkpoint that came
    with them, which is one of the copy's; where there is none, to their end."""
    end = said.start + len(said.entries)
    if end >= size:
        return size
    last = max((SignedCheckpoint.parse(each).body.size for each in said.checkpoints), default=0)
    return last if last > said.start else end


def check_range(entries: Entries, follow: Follow) -> None:
    """Raise Malformed unless the answer begins where it was asked to."""
    if (entries.shard, entries.start) != (follow.shard, follow.start):
        raise Malformed("entries from another place than was asked for")
