"""Errands: what a party has begun with another and has no answer to yet, as rows.

An errand is a request that will be sent again until its answer has been taken in. It is known by the hash of its
request, so having the same errand twice is having it once. The shell sends errands that are due; handlers add and end
them, in the turn that makes them necessary or unnecessary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anonnet.crypto.hashing import H, Label
from anonnet.store.database import Database
from anonnet.wire.codec import Message, decode, decode_record, encode
from anonnet.wire.signed import Signed, unsigned

SCHEMA = """
create table if not exists errand(
    hash blob primary key,      -- of the request's body; where several are asked the same, of the receiver too
    receiver blob not null,     -- the party's identity
    subject blob not null,      -- what it is about, so that all errands of a sale can be ended together
    request blob not null,      -- Signed, as it will be sent (no signatures: the message alone)
    due integer not null        -- not sent before this second
) without rowid;
create index if not exists errand_due on errand(due);
create index if not exists errand_receiver on errand(receiver, due);
create index if not exists errand_subject on errand(subject);
"""


@dataclass(frozen=True, slots=True)
class Errand:
    """One request on its way: to whom, what it is about, and the request itself."""

    hash: bytes
    receiver: bytes
    subject: bytes
    request: Signed

    @property
    def message(self) -> Message:
        """The request's body."""
        return decode(self.request.body)

    @property
    def said(self) -> Message | Signed:
        """What is put into the frame."""
        return self.request if self.request.signatures else self.message


class Errands:
    """The errands of one party."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.changes = 0
        """A number that has grown whenever one was added, ended or postponed, also where that was taken back. Those
        that a store drops with what they are about are not counted: none can start by that."""

    def add(self, receiver: bytes, request: Signed | Message, *, subject: bytes, due: int) -> bytes:
        """Have this request sent from `due` on, until it is ended; return its hash.

        Already there: only `due` may become earlier.
        """
        signed = _signed(request)
        self._add(signed.hash, receiver, signed, subject, due)
        return signed.hash

    def add_for_each(
        self, receivers: Iterable[bytes], request: Signed | Message, *, subject: bytes, due: int
    ) -> list[bytes]:
        """The same for several receivers: one errand for each of them."""
        signed, hashes = _signed(request), []
        for receiver in receivers:
            hashes.append(H(Label.REQUEST, receiver, signed.body))
            self._add(hashes[-1], receiver, signed, subject, due)
        return hashes

    def _add(self, hash: bytes, receiver: bytes, request: Signed, subject: bytes, due: int) -> None:
        self.changes += self._db.run(
            "insert into errand(hash, receiver, subject, request, due) values(?, ?, ?, ?, ?)"
            " on conflict(hash) do update set due = min(due, excluded.due)",
            *(hash, receiver, subject, encode(request), due),
        )

    def end(self, hash: bytes) -> None:
        """This request needs no sending any more."""
        self.changes += self._db.run("delete from errand where hash = ?", hash)

    def end_all(self, subject: bytes) -> None:
        """Nothing about this subject needs sending any more."""
        self.changes += self._db.run("delete from errand where subject = ?", subject)

    def about(self, subject: bytes) -> bool:
        """True while something about this subject has no answer yet."""
        return self._db.one("select 1 from errand where subject = ?", subject) is not None

    def of(self, subject: bytes) -> list[Errand]:
        """Whatever about this subject has no answer yet."""
        rows = self._db.all("select hash from errand where subject = ? order by hash", subject)
        return [errand for (hash,) in rows if (errand := self.get(hash))]

    def waits_for(self, receiver: bytes, subject: bytes) -> bool:
        """True while this receiver has been asked something about this subject and has not answered yet."""
        return self._db.one("select 1 from errand where subject = ? and receiver = ?", subject, receiver) is not None

    def postpone(self, hash: bytes, due: int) -> None:
        """Send it again, but not before `due`."""
        self.changes += self._db.run("update errand set due = ? where hash = ?", due, hash)

    def due(self, now: int, *, most: int) -> list[Errand]:
        """The errands that may be sent at `now`, the longest due first."""
        return [errand for hash, _ in self.waiting(now, most=most) if (errand := self.get(hash))]

    def waiting(self, now: int, *, most: int) -> list[tuple[bytes, bytes]]:
        """Hash and receiver of those errands, for who sends only some of them."""
        rows = self._db.all("select hash, receiver from errand where due <= ? order by due, hash limit ?", now, most)
        return [(hash, receiver) for hash, receiver in rows]

    def waiting_for(self, receiver: bytes, now: int, *, most: int) -> list[tuple[int, bytes]]:
        """(due, hash) of the errands to one receiver that may be sent at `now`, the longest due first."""
        return self._db.all(
            "select due, hash from errand where receiver = ? and due <= ? order by due, hash limit ?",
            *(receiver, now, most),
        )

    def latest_for(self, receiver: bytes, now: int, *, most: int) -> list[tuple[int, bytes]]:
        """The same, the latest due first."""
        return self._db.all(
            "select due, hash from errand where receiver = ? and due <= ? order by due desc, hash desc limit ?",
            *(receiver, now, most),
        )

    def follows(self, log: bytes, now: int) -> list[bytes]:
        """The hashes of those due at `now` that follow this log: they are about nothing but the log."""
        rows = self._db.all(
            "select hash from errand where subject = ?1 and receiver = ?1 and due <= ?2 order by hash", log, now
        )
        return [hash for (hash,) in rows]

    def count(self) -> int:
        """How many errands there are."""
        (count,) = self._db.one("select count(*) from errand")
        return int(count)

    def get(self, hash: bytes) -> Errand | None:
        """The errand with this hash, unless it has ended."""
        row = self._db.one("select receiver, subject, request from errand where hash = ?", hash)
        return Errand(hash, row[0], row[1], decode_record(Signed, row[2])) if row else None

    def stands(self, hash: bytes) -> bool:
        """True unless this errand has ended."""
        return self._db.one("select 1 from errand where hash = ?", hash) is not None

    def due_after(self, second: int) -> list[tuple[int, bytes]]:
        """(due, hash) of the errands that are due later than that."""
        return self._db.all("select due, hash from errand where due > ? order by due, hash", second)

    def next_due_after(self, now: int) -> int | None:
        """When the next errand is due that is not at `now`, or None."""
        (due,) = self._db.one("select min(due) from errand where due > ?", now)
        return None if due is None else int(due)

    def next_due_for(self, receiver: bytes, now: int) -> int | None:
        """The same for the errands to one receiver."""
        (due,) = self._db.one("select min(due) from errand where receiver = ? and due > ?", receiver, now)
        return None if due is None else int(due)


def _signed(request: Signed | Message) -> Signed:
    return request if isinstance(request, Signed) else unsigned(request).signed
