"""How much of each token is used, and in what: what a bank checks reuse against (paper, sections "Data Management",
"Partial Token Spending").

"By including a particular value in P2, a consumer can authorize that only a part of a token's value is spent. The
remaining value of the token may be exchanged for new tokens, or may be used in further purchases until all the value is
used." Each use is a row; the INSERT itself decides whether enough remains.
"""

from __future__ import annotations

from anonnet.errors import Refused, Why
from anonnet.limits import EVIDENCE_BYTES_MAX, PARTS_MAX
from anonnet.protocol.recovery import used_name
from anonnet.protocol.token import Payment
from anonnet.store.database import Database
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import Signed

SCHEMA = """
create table if not exists used(
    token blob not null,
    user blob not null,         -- the sale that locks or has spent it, or the exchange that took it
    brand blob not null,
    name blob not null,         -- under which everybody may know that all of it is used
    amount integer not null,    -- how much of it
    final integer,              -- since when it is used for good; null while a sale locks it
    primary key(token, user)
) without rowid;
create index if not exists used_user on used(user);
create index if not exists used_name on used(brand, name);
"""
OF_AN_ENDED_BRAND = "delete from used where (token, user) in (select token, user from used where brand = ?1 limit ?2)"
TAKE = (
    "insert into used select ?1, ?2, ?3, ?4, ?5, null from (select coalesce(sum(amount), 0) + ?5 as taken,"
    " count(*) as parts from used where token = ?1) where taken = ?6 or (taken < ?6 and parts < ?7)"
)
"""What remains may always be taken whole; a part of it, while there are not too many."""


class Uses:
    """The uses of one bank's tokens."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def take(self, payment: Payment, user: bytes, worth: int) -> None:
        """Note that `user` takes this much of a token worth so much. Refuses more than remains, with the evidence."""
        token, amount = payment.token, payment.amount
        row = token.id, user, token.brand, used_name(token.id), amount
        if self._db.run(TAKE, *row, worth, PARTS_MAX):
            return
        if self.taken(token.id) + amount <= worth:
            raise Refused(Why.FULL, f"{PARTS_MAX} parts of the token are in use: take all that remains, or ask later")
        raise Refused(Why.TOKEN_USED, evidence=self.history(token.id, beyond=worth - amount))

    def settle(self, user: bytes, now: int) -> None:
        """What `user` has taken is used for good."""
        self._db.run("update used set final = ? where user = ?", now, user)

    def free(self, user: bytes) -> None:
        """What `user` has taken can be used again; what others have of the same tokens stands."""
        self._db.run("delete from used where user = ?", user)

    def taken(self, token: bytes) -> int:
        """How much of a token is used."""
        (taken,) = self._db.one("select coalesce(sum(amount), 0) from used where token = ?", token)
        return int(taken)

    def history(self, token: bytes, *, beyond: int) -> list[Signed]:
        """What shows that more than `beyond` of a token is used: for each use the authorization, with the commit where
        there is one, or the exchange; those that are for good first, then the larger ones, as many as fit beside a
        refusal. Refuses (not now) where these do not show it."""
        papers: list[Signed] = []
        shown, room = 0, EVIDENCE_BYTES_MAX
        for amount, *stored in self._uses(token):
            kept = [paper for paper in stored if paper]
            if (size := sum(map(len, kept))) <= room:
                papers += [decode_record(Signed, paper) for paper in kept]
                shown, room = shown + amount, room - size
        if shown <= beyond:
            raise Refused(Why.FULL, "what shows the token's uses does not fit into one answer")
        return papers

    def _uses(self, token: bytes) -> list[tuple[int, bytes | None, bytes | None, bytes | None]]:
        """(amount, authorization_q, commit, exchange_q) of each use."""
        return self._db.all(
            "select amount, authorization_q, proof, exchange_q from used left join sale on outcome_key = user"
            " left join exchange on hash = user where token = ?"
            " order by coalesce(proof, exchange_q) is null, amount desc, user",
            token,
        )

    def names(self, brand: bytes, after: bytes, *, worth: int, before: int, most: int) -> list[bytes]:
        """Published names of a brand's tokens of which all was used for good before the second `before`, ascending,
        from the one after `after` on.

        One that a sale locks may come free, and one of which something remains can be spent: they are not among them.
        """
        rows = self._db.all(
            "select name from used where brand = ? and name > ? and final < ?"
            " group by name having sum(amount) >= ? order by name limit ?",
            *(brand, after, before, worth, most),
        )
        return [name for (name,) in rows]
