"""When tokens came, until when they rest, and which purchases do not wait for that.

A token that is spent as soon as it came shows the bank a withdrawal and a payment close together. What has no row here
has rested: a token that was found again from the wallet's seed, say, which the bank signed who knows when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonnet.protocol.seed import Lane
from anonnet.store.database import Database

SCHEMA = """
create table if not exists rest(
    token blob primary key,
    came integer not null,      -- when it was withdrawn, or the last of those that it was exchanged for
    until integer not null      -- it is not spent before this second
) without rowid;
create table if not exists hurried(purchase blob primary key) without rowid;  -- may be paid with what has not rested
"""
NOT_RESTED = "id in (select token from rest where until > ?)"
"""Of the table of tokens."""


@dataclass(frozen=True, slots=True)
class Rest:
    """When a token came, and the first second at which it may be spent."""

    came: int
    until: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Tokens of one brand, lane and state: how many, how many of them have not rested, when the last came (0: nobody
    knows), and when all have rested."""

    brand: bytes
    lane: Lane
    state: str
    count: int
    resting: int
    came: int
    until: int


class Resting:
    """The rest of one wallet's tokens."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, tokens: Sequence[bytes], rest: Rest) -> None:
        """These have come."""
        self._db.run_many("insert or ignore into rest values(?, ?, ?)", [(id, rest.came, rest.until) for id in tokens])

    def hand_on(self, given: Sequence[bytes], tokens: Sequence[bytes]) -> None:
        """These have come for the tokens given, and rest as long: an exchange names no account, but at once it follows
        the withdrawal as a payment would."""
        rests = [rest for id in given if (rest := self.of(id))]
        if rests:
            self.begin(tokens, Rest(max(each.came for each in rests), max(each.until for each in rests)))

    def of(self, token: bytes) -> Rest | None:
        """None where nothing is known: it has rested."""
        row = self._db.one("select came, until from rest where token = ?", token)
        return Rest(*row) if row else None

    def lots(self, now: int) -> list[Lot]:
        """All tokens, each by its first part."""
        rows = self._db.all(
            "select brand, lane, state, count(*), sum(coalesce(until, 0) > ?), coalesce(max(came), 0),"
            " coalesce(max(until), 0) from token left join rest on rest.token = token.id"
            " where part = 0 group by brand, lane, state order by brand, lane, state",
            now,
        )
        return [Lot(brand, Lane(lane), *rest) for brand, lane, *rest in rows]

    def hurry(self, purchase: bytes) -> None:
        """Its owner does not want to wait."""
        self._db.run("insert or ignore into hurried values(?)", purchase)

    def hurried(self, purchase: bytes) -> bool:
        return self._db.one("select 1 from hurried where purchase = ?", purchase) is not None

    def drop(self, *, most: int) -> int:
        """Drop at most so many rows of tokens that are gone; return how many."""
        return self._db.run(
            "delete from rest where token in"
            " (select token from rest where not exists (select 1 from token where id = rest.token) limit ?)",
            most,
        )
