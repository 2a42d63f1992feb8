"""What the consumer remembers (paper, section "Data Management").

"The consumer stores all data and messages received on all active tokens or transactions. This includes the token (Q*),
the signed contract and goods (goods_m), and finally the global commit (commit)."
What goes when: docs/data.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anonnet.protocol.goods import GoodsM
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.local import Buy, Purchase, fitting
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.transaction import Transaction
from anonnet.store import (
    alerts,
    answered,
    discarding,
    errands,
    lanes,
    listing,
    parts,
    recovery,
    replaced,
    resting,
    tokens,
    unexchanged,
    unproven,
)
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.jobs import FetchGoods, Job, OpenGoods
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signed, paper_or_none, said_in

VERSION = 2

PARTS = (
    alerts,
    errands,
    parts,
    recovery,
    replaced,
    lanes,
    discarding,
    answered,
    listing,
    resting,
    tokens,
    unexchanged,
    unproven,
)
"""What else a wallet keeps, each with tables of its own."""
SCHEMA = (
    "".join(each.SCHEMA for each in PARTS)
    + """
create table if not exists purchase(
    id blob primary key,
    position integer not null unique,   -- 0, 1, 2, ... in the order of the owner's commands
    buy blob not null,                  -- the owner's command
    secret blob not null,               -- opens the chunks of this order
    state text not null,
    detail text not null,
    outcome_key blob unique,
    goods_m blob,
    authorization_q blob,
    authorization_b blob,
    outcome blob,                       -- commit or abort
    path text not null                  -- where the opened goods are
) without rowid;
create index if not exists purchase_state on purchase(state);
"""
)

# A purchase.
ORDERING = "ordering"  # waits for P1
FETCHING = "fetching"  # waits for the goods
TIMING = "timing"  # waits for the log's time
CHANGING = "changing"  # waits for change: an exchange is under way
AUTHORIZING = "authorizing"  # P2 is on its way; from here on money is bound
AUTHORIZED = "authorized"  # P3 is here
COMMITTED = "committed"  # P5a is here, the goods are not open yet
DONE = "done"
DISPUTED = "disputed"  # the goods are not what the contract says
ABORTED = "aborted"  # P5b is here
REFUSED = "refused"  # ended before money was bound, or by the bank with evidence
MOVES = {
    ORDERING: {FETCHING, REFUSED},
    FETCHING: {TIMING, REFUSED},
    TIMING: {AUTHORIZING, CHANGING, REFUSED},
    CHANGING: {TIMING},
    AUTHORIZING: {AUTHORIZED, COMMITTED, ABORTED, REFUSED},
    AUTHORIZED: {COMMITTED, ABORTED, REFUSED},
    COMMITTED: {DONE, DISPUTED},
    ABORTED: {COMMITTED},  # where the log has told the bank otherwise
}
"""A purchase's state moves one way; what is not here does not happen."""


@dataclass(frozen=True, slots=True)
class Bought:
    """One purchase with its papers so far."""

    id: bytes
    buy: Buy
    secret: bytes
    state: str
    detail: str
    goods_m: Signed | None
    authorization_q: Signed | None
    authorization_b: Signed | None
    outcome: Signed | None
    path: str

    @property
    def terms(self) -> GoodsM:
        """The body of P1."""
        return said_in(self.goods_m, GoodsM)

    @property
    def transaction(self) -> Transaction:
        """What P2 authorized."""
        return said_in(self.authorization_q, AuthorizationQ).transaction

    @property
    def shown(self) -> Purchase:
        """What its owner is shown."""
        papers = (self.goods_m, self.authorization_q, self.authorization_b, self.outcome)
        return Purchase(
            purchase=self.id,
            state=self.state,
            item=self.buy.item,
            currency=self.buy.currency,
            price=self.terms.contract.price if self.goods_m else self.buy.price_max,
            detail=self.detail,
            path=self.path,
            papers=fitting(papers),
        )


class WalletStore(Store):
    """Purchases, and the tokens that pay for them."""

    def __init__(
        self, path: str = MEMORY, *, read_only: bool = False, database: Callable[..., Database] = Database
    ) -> None:
        super().__init__(database(path, schema=SCHEMA, version=VERSION, read_only=read_only))
        self.recovery = recovery.Recovery(self._db)
        self.replaced = replaced.Replaced(self._db)
        self.lanes = lanes.Lanes(self._db)
        self.discarding = discarding.Discarding(self._db)
        self.answered = answered.Answered(self._db)
        self.parts = parts.Parts(self._db)
        self.alerts = alerts.Alerts(self._db)
        self.listing = listing.Listing(self._db)
        self.resting = resting.Resting(self._db)
        self.tokens = tokens.Tokens(self._db, self.lanes)
        self.unexchanged = unexchanged.Unexchanged(self._db)
        self.unproven = unproven.UnprovenEntries(self._db)

    # Purchases.

    def begin_purchase(self, id: bytes, buy: Buy, secret: bytes) -> None:
        """Take up a purchase."""
        (position,) = self._db.one("select coalesce(max(position) + 1, 0) from purchase")
        self._db.run(
            "insert into purchase(id, position, buy, secret, state, detail, path) values(?, ?, ?, ?, ?, '', '')",
            *(id, position, encode(buy), secret, ORDERING),
        )

    def purchase(self, id: bytes) -> Bought | None:
        return self._purchase("id", id)

    def by_outcome_key(self, outcome_key: bytes) -> Bought | None:
        return self._purchase("outcome_key", outcome_key)

    def _purchase(self, column: str, value: bytes) -> Bought | None:
        columns = "id, buy, secret, state, detail, goods_m, authorization_q, authorization_b, outcome, path"
        row = self._db.one(f"select {columns} from purchase where {column} = ?", value)
        if row is None:
            return None
        id, buy, secret, state, detail, *papers, path = row
        command = _bought(buy)
        p1, p2, p3, outcome = (paper_or_none(paper) for paper in papers)
        return Bought(id, command, secret, state, detail, p1, p2, p3, outcome, path)

    def purchases(self, *, most: int) -> list[bytes]:
        """Ids, the newest first."""
        return [id for (id,) in self._db.all("select id from purchase order by position desc limit ?", most)]

    def move(self, id: bytes, state: str, detail: str = "") -> None:
        """The purchase moves on; `detail` says why where that is not plain."""
        (before,) = self._db.one("select state from purchase where id = ?", id)
        assert state in MOVES.get(before, ()), f"a purchase does not move from {before} to {state}"
        self._db.run("update purchase set state = ?, detail = ? where id = ?", state, detail, id)
        self.news.add(id)

    def keep_goods_m(self, id: bytes, goods_m: Signed) -> None:
        self._db.run("update purchase set goods_m = ? where id = ?", encode(goods_m), id)

    def keep_authorization_q(self, id: bytes, outcome_key: bytes, signed: Signed) -> None:
        """P2, before it is sent."""
        self._db.run(
            "update purchase set authorization_q = ?, outcome_key = ? where id = ?", encode(signed), outcome_key, id
        )

    def keep_authorization_b(self, id: bytes, promise: Signed) -> None:
        self._db.run("update purchase set authorization_b = ? where id = ?", encode(promise), id)

    def keep_outcome(self, id: bytes, outcome: Signed) -> None:
        self._db.run("update purchase set outcome = ? where id = ?", encode(outcome), id)

    def keep_path(self, id: bytes, path: str) -> None:
        self._db.run("update purchase set path = ? where id = ?", path, id)

    def changing(self) -> list[Bought]:
        """The purchases that wait for change, the oldest first."""
        rows = self._db.all("select id from purchase where state = ? order by position", CHANGING)
        waiting = [self.purchase(id) for (id,) in rows]
        return [bought for bought in waiting if bought is not None]

    def timing(self, log: bytes) -> list[Bought]:
        """The purchases that wait for the time of this log, the oldest first."""
        rows = self._db.all("select id from purchase where state = ? order by position", TIMING)
        waiting = [self.purchase(id) for (id,) in rows]
        return [bought for bought in waiting if bought and bought.buy.log == log]

    def awaited(self, log: bytes, shard: int) -> set[bytes]:
        """Outcome keys of the purchases that wait for what this log decides in this shard."""
        rows = self._db.all(
            "select outcome_key, authorization_q from purchase where state in (?, ?)", AUTHORIZING, AUTHORIZED
        )
        sales = [(key, said_in(paper_or_none(q), AuthorizationQ).transaction) for key, q in rows]
        return {key for key, sale in sales if (sale.log, shard_of(sale.expiration)) == (log, shard)}

    def jobs(self) -> Sequence[Job]:
        sql = "select id, state from purchase where state in (?, ?) order by position"
        rows = self._db.all(sql, FETCHING, COMMITTED)
        goods = [FetchGoods(id) if state == FETCHING else OpenGoods(id) for id, state in rows]
        return [*goods, *self.discarding.jobs()]


def _bought(data: bytes) -> Buy:
    command = decode(data)
    assert isinstance(command, Buy)
    return command
