"""What a log's or a mirror's data folder holds, read from outside for somebody who believes nothing of it (fsck).

Everything is read in pieces, so that a shard of any size can be checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anonnet.limits import ENTRIES_MAX
from anonnet.store import lock, log, mirror
from anonnet.store.database import Database
from anonnet.store.places import BITS, PLACED, number_of, place, places

NODES = 4096
"""Hashes of a tree that are read at once."""


@dataclass(frozen=True)
class KeptEntry:
    """One row of the table `entry`; `said` is what a column beside the body repeats of it: its time, or its kind."""

    position: int
    said: int
    body: bytes
    signature: bytes


@dataclass(frozen=True)
class KeptShard:
    """A shard as it is kept, its rows under the number `tree`."""

    db: Database
    log: bytes
    shard: int
    mirrored: bool
    tree: int
    size: int
    note: bytes
    """Its newest checkpoint; empty where there is none."""
    last_time: int | None = None
    """What the copy says of its newest entry; None where nothing does."""

    @property
    def repeats(self) -> str:
        """Which column repeats what the entry says."""
        return "kind" if self.mirrored else "time"

    def entries(self) -> Iterator[KeptEntry]:
        """All of them, in order."""
        after = -1
        while rows := self.db.all(
            f"select place, {self.repeats}, body, signature from entry where place >= ? and place < ?"
            " order by place limit ?",
            *(*places(self.tree, after + 1), ENTRIES_MAX),
        ):
            yield from (KeptEntry(number_of(at), *rest) for at, *rest in rows)
            after = number_of(rows[-1][0])

    def body(self, position: int) -> bytes:
        """The bytes of one entry that is there."""
        (body,) = self.db.one("select body from entry where place = ?", place(self.tree, position))
        return bytes(body)

    def outcomes(self) -> Iterator[tuple[bytes, int, int]]:
        """(outcome key, kind, position) of what is found by its outcome key."""
        whose = "tree" if self.mirrored else "shard"
        rows = self.db.all(f"select outcome_key, kind, position from outcome where {whose} = ?", self.tree)
        yield from rows

    def nodes(self) -> Iterator[tuple[int, bytes]]:
        """(number, hash) of the tree, in order."""
        after = -1
        while rows := self.db.all(
            "select place, hash from node where place >= ? and place < ? order by place limit ?",
            *(*places(self.tree, after + 1), NODES),
        ):
            yield from ((number_of(at), hash) for at, hash in rows)
            after = number_of(rows[-1][0])

    def checkpoints(self) -> list[tuple[int, bytes, bool]]:
        """(size, note, whether a quorum has cosigned it)."""
        rows = self.db.all(f"select place, note, met from checkpoint where {PLACED} order by place", self.tree)
        return [(number_of(at), note, bool(met)) for at, note, met in rows]

    def cosignatures(self) -> list[tuple[int, bytes, str]]:
        """(size, mirror, line) of all that are kept."""
        rows = self.db.all(
            f"select place, mirror, line from cosignature where {PLACED} order by place, mirror", self.tree
        )
        return [(number_of(at), mirror, line) for at, mirror, line in rows]


@dataclass(frozen=True)
class KeptCopy:
    """How far a mirror says it has cosigned a shard, how far its own cosignatures go, and whether it is frozen."""

    log: bytes
    shard: int
    cosigned: int
    own_cosignature: int
    frozen: bool


class Kept:
    """A data folder: its shards, and for a log what its lock says and how late it is."""

    def __init__(self, path: Path, *, mirrored: bool, within: Path | None = None) -> None:
        """Open log.db, with lock.db beside it, or mirror.db; `within`: see `LogShelf`. Raises BadStart."""
        version = mirror.VERSION if mirrored else log.VERSION
        self._db = Database(within or path, version=version, read_only=True)
        self._mirrored = mirrored
        self._locked = {} if mirrored else lock.noted(Path(lock.beside(str(path))))

    def shards(self, own: bytes) -> list[KeptShard]:
        """All of them; `own`: the log whose data this is."""
        if self._mirrored:
            rows = self._db.all(
                "select tree, copy.log, copy.shard, copy.size, last_time, coalesce(note, x'') from copy"
                f" left join checkpoint on place = tree << {BITS} | copy.size where state = 'kept'"
                " order by copy.log, copy.shard"
            )
            return [
                KeptShard(self._db, log, shard, True, tree, size, note, time)
                for tree, log, shard, size, time, note in rows
            ]
        rows = self._db.all("select shard, size, note from head order by shard")
        return [KeptShard(self._db, own, shard, False, shard, size, note) for shard, size, note in rows]

    def roots(self) -> dict[int, bytes]:
        """The root that a log's table `head` has of each shard."""
        return {} if self._mirrored else dict(self._db.all("select shard, root from head"))

    def finals(self) -> list[tuple[int, bytes]]:
        """(shard, last checkpoint) of what a log has dropped."""
        return [] if self._mirrored else self._db.all("select shard, note from final order by shard")

    def strays(self) -> list[int]:
        """Shards of which a log has entries and no head."""
        if self._mirrored:
            return []
        rows = self._db.all(
            f"select distinct place >> {BITS} as shard from entry where shard not in (select shard from head)"
        )
        return [shard for (shard,) in rows]

    def locked(self) -> dict[str, bytes]:
        """What a log's lock says, by origin."""
        return self._locked

    def time(self) -> int | None:
        """A log's latest time."""
        return None if self._mirrored else int(self._db.one("select time from clock")[0])

    # Beside the entries.

    def errands(self) -> list[tuple[bytes, bytes, bytes]]:
        """(hash, receiver, request)."""
        return self._db.all("select hash, receiver, request from errand order by hash")

    def alerts(self) -> list[tuple[bytes, int, bytes, bool]]:
        """(log, shard, evidence, whether it convicts the log before everybody)."""
        rows = self._db.all("select log, shard, evidence, proven from alert order by log, shard")
        return [(log, shard, evidence, bool(proven)) for log, shard, evidence, proven in rows]

    def late_yet_recorded(self) -> list[bytes]:
        """Outcome keys of sales whose P4 a log has called late, and that it has recorded."""
        return [key for (key,) in self._db.all("select distinct outcome_key from late join outcome using(outcome_key)")]

    def admissions(self) -> list[tuple[bytes, int]]:
        """(merchant, sales in his last hour) of whom a log admits or counts."""
        return self._db.all(
            "select merchant, 0 from admitted union all select merchant, entries from quota order by merchant"
        )

    def admitted(self) -> list[bytes]:
        """The merchants whom a log's owner has admitted."""
        return [merchant for (merchant,) in self._db.all("select merchant from admitted order by merchant")]

    def released(self) -> list[tuple[bytes, int, bytes]]:
        """(outcome key, tree, P4) of the keys that were handed to a mirror."""
        return self._db.all(
            "select outcome_key, tree, authorization_m from released"
            " where tree not in (select tree from copy where state <> 'kept') order by outcome_key"
        )

    def standing(self, tree: int, outcome_key: bytes) -> list[bytes]:
        """The entries of a mirror's copy that its table `outcome` has under this key."""
        rows = self._db.all(
            f"select body from outcome join entry on place = tree << {BITS} | position"
            " where tree = ? and outcome_key = ?",
            *(tree, outcome_key),
        )
        return [body for (body,) in rows]

    def copies(self, own: bytes) -> list[KeptCopy]:
        """A mirror's copies; `own`: its key."""
        rows = self._db.all(
            "select log, shard, cosigned, coalesce(max(place), 0), frozen from copy left join cosignature"
            f" on place >= tree << {BITS} and place < tree + 1 << {BITS} and mirror = ? where state = 'kept'"
            " group by tree order by log, shard",
            own,
        )
        return [KeptCopy(log, shard, mark, number_of(at), bool(frozen)) for log, shard, mark, at, frozen in rows]

    def broken_pages(self) -> list[str]:
        """What SQLite itself finds wrong."""
        return [each for (each,) in self._db.all("pragma integrity_check(10)") if each != "ok"]

    def close(self) -> None:
        self._db.close()
