"""What the consumer remembers (paper, section "Data Management").

"The consumer stores all data and messages received on all active tokens or transactions. This includes the token (Q*),
the signed contract and goods (goods_m), and finally the global commit (commit)."
What goes when: docs/data.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonnet.errors import Refused, Why
from anonnet.limits import PAYMENTS_MAX, RESTORE_GAP, SECONDS_MAX
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.local import Buy, Purchase, fitting
from anonnet.protocol.purchase import order_in
from anonnet.protocol.seed import Lane
from anonnet.protocol.transaction import Transaction
from anonnet.store import answered, discarding, errands, lanes, listing, parts, recovery, resting
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.jobs import FetchGoods, Job, OpenGoods
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.signed import Signed

VERSION = 1

PARTS = errands, parts, recovery, lanes, discarding, answered, listing, resting
SCHEMA = (
    "".join(each.SCHEMA for each in PARTS)
    + """
create table if not exists token(
    brand blob not null,
    lane text not null,
    position integer not null,  -- with the seed, this is the token's key and blinding
    id blob not null unique,
    state text not null,        -- withdrawing, restored, free, exchanging, locked, releasing, exchanged, spent, void
    signature blob,             -- the bank's, unblinded
    source blob not null,       -- hash of the request that brought it
    bound blob,                 -- the purchase, or the hash of the exchange, that it goes into
    primary key(brand, lane, position)
) without rowid;
create index if not exists token_place on token(state, brand, lane, position);
create index if not exists token_source on token(source);
create index if not exists token_bound on token(bound);
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
}
"""A purchase's state moves one way; what is not here does not happen."""

# A token.
WITHDRAWING = "withdrawing"  # W1 is on its way
RESTORED = "restored"  # found again by its place; whether it is used is not known yet
FREE = "free"
EXCHANGING = "exchanging"  # E1 is on its way
LOCKED = "locked"  # in a purchase
RELEASING = "releasing"  # its purchase has aborted, the bank does not know yet
EXCHANGED = "exchanged"  # given for others
SPENT = "spent"
VOID = "void"  # W1 or E1 has ended without a signature
TOKEN_MOVES = {
    WITHDRAWING: {FREE, VOID},
    VOID: {RESTORED, WITHDRAWING},
    RESTORED: {FREE, SPENT},
    FREE: {LOCKED, EXCHANGING, SPENT},
    EXCHANGING: {FREE, EXCHANGED, SPENT},
    LOCKED: {SPENT, RELEASING, FREE},
    RELEASING: {FREE, SPENT},
}


@dataclass(frozen=True, slots=True)
class Held:
    """One token of the wallet and where its secrets are derived."""

    brand: bytes
    lane: Lane
    position: int
    id: bytes
    state: str
    signature: bytes | None
    source: bytes
    """Hash of the request that brought it, or shall bring it."""
    bound: bytes | None
    """The purchase, or the hash of the exchange, that it goes into."""

    @property
    def place(self) -> recovery.Place:
        return self.brand, self.lane, self.position


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
        assert self.goods_m is not None
        body = decode(self.goods_m.body)
        assert isinstance(body, GoodsM)
        return body

    @property
    def transaction(self) -> Transaction:
        """What P2 authorized."""
        return order_in(self.authorization_q).transaction

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
    """Tokens and purchases."""

    def __init__(self, path: str = MEMORY, *, read_only: bool = False) -> None:
        super().__init__(Database(path, schema=SCHEMA, version=VERSION, read_only=read_only))
        self.recovery = recovery.Recovery(self._db)
        self.lanes = lanes.Lanes(self._db)
        self.discarding = discarding.Discarding(self._db)
        self.answered = answered.Answered(self._db)
        self.parts = parts.Parts(self._db)
        self.listing = listing.Listing(self._db)
        self.resting = resting.Resting(self._db)

    # Tokens.

    def advance(self, brand: bytes, lane: Lane, count: int) -> list[int]:
        """Take `count` places of a lane: new ones as far as they may be taken, then those whose request has ended
        without a signature. Refuses where both together are too few."""
        new = min(count, self.lanes.room(brand, lane))
        ended = self._db.all(
            "select position from token where brand = ? and lane = ? and state = ? order by position limit ?",
            *(brand, lane.value, VOID, count - new),
        )
        if new + len(ended) < count:
            raise Refused(Why.FULL, f"the bank can be asked for {RESTORE_GAP} tokens of one kind at a time")
        return sorted([*self.lanes.take(brand, lane, new), *(position for (position,) in ended)])

    def restore(self, place: recovery.Place, token: bytes, signature: bytes, source: bytes) -> None:
        """A token has been found again at its place, which is taken for ever. What is known of it stands."""
        brand, lane, position = place
        self._db.run(
            "insert into token values(?, ?, ?, ?, ?, ?, ?, null) on conflict(brand, lane, position)"
            f" do update set state = excluded.state, signature = excluded.signature where state = '{VOID}'",
            *(brand, lane.value, position, token, RESTORED, signature, source),
        )
        self.lanes.signed(brand, lane, position)

    def at(self, place: recovery.Place) -> list[Held]:
        """The token at this place, if there is one."""
        return self._tokens("(brand, lane, position) = (?, ?, ?)", *place)

    def expect(self, brand: bytes, lane: Lane, position: int, token: bytes, source: bytes) -> None:
        """A token will come of this request."""
        changed = self._db.run(
            "insert into token values(?, ?, ?, ?, ?, null, ?, null) on conflict(brand, lane, position)"
            f" do update set state = excluded.state, source = excluded.source where state = '{VOID}'",
            *(brand, lane.value, position, token, WITHDRAWING, source),
        )
        assert changed == 1, "a place is asked for by one request at a time"

    def expected(self, source: bytes) -> list[Held]:
        """The tokens that this request shall bring, in the order of its blinded messages."""
        return self._tokens("source = ? order by brand, position", source)

    def keep(self, token: bytes, signature: bytes) -> None:
        """The token is complete."""
        self._token_moves(token, FREE)
        self._db.run("update token set signature = ? where id = ?", signature, token)
        brand, lane, position = self._db.one("select brand, lane, position from token where id = ?", token)
        self.lanes.signed(brand, Lane(lane), position)

    def give_up(self, source: bytes) -> None:
        """The bank will never sign the tokens of this request."""
        for held in self.expected(source):
            self._token_moves(held.id, VOID)

    def free_tokens(self, brands: Sequence[bytes], *, rested: int = SECONDS_MAX) -> list[Held]:
        """Tokens of these brands that can be spent, and have rested by then, the oldest first: of each brand as many as
        one payment takes."""
        where = f"state = ? and brand = ? and not {resting.NOT_RESTED} order by lane, position limit ?"
        return [held for brand in sorted(brands) for held in self._tokens(where, FREE, brand, rested, PAYMENTS_MAX)]

    def in_state(self, state: str, brands: Sequence[bytes]) -> list[Held]:
        """Tokens of these brands in one state, the oldest first."""
        marks = ", ".join("?" * len(brands))
        return self._tokens(f"state = ? and brand in ({marks}) order by brand, lane, position", state, *brands)

    def bound_to(self, bound: bytes) -> list[Held]:
        """The tokens that go into one purchase or exchange."""
        return self._tokens("bound = ? order by id", bound)

    def bind(self, tokens: Sequence[Held], state: str, bound: bytes) -> None:
        """Bind these tokens to a purchase (LOCKED) or to an exchange (EXCHANGING)."""
        for held in tokens:
            self._token_moves(held.id, state)
            self._db.run("update token set bound = ? where id = ?", bound, held.id)

    def move_tokens(self, bound: bytes, state: str) -> None:
        """All tokens of a purchase or exchange move on."""
        for held in self.bound_to(bound):
            self._token_moves(held.id, state)

    def settle(self, purchase: bytes, state: str) -> None:
        """The tokens that this purchase still holds locked move on."""
        for held in self.bound_to(purchase):
            if held.state == LOCKED:
                self._token_moves(held.id, state)

    def release(self, purchase: bytes) -> list[Held]:
        """The bank knows of the abort: free the tokens of this purchase that were waiting for that."""
        released = [held for held in self.bound_to(purchase) if held.state == RELEASING]
        for held in released:
            self._token_moves(held.id, FREE)
        return released

    def move_token(self, token: bytes, state: str) -> None:
        """One token moves on."""
        self._token_moves(token, state)

    def holdings(self) -> list[tuple[bytes, str, int]]:
        """(brand, state, count) of all tokens but those that were given for others."""
        return self._db.all(
            "select brand, state, count(*) from token where state != ? group by brand, state order by brand, state",
            EXCHANGED,
        )

    def withdrawals(self) -> int:
        """How many withdrawals and exchanges wait for the bank."""
        (count,) = self._db.one("select count(distinct source) from token where state = ?", WITHDRAWING)
        return int(count)

    def _tokens(self, where: str, *values: bytes | str | int) -> list[Held]:
        columns = "brand, lane, position, id, state, signature, source, bound"
        rows = self._db.all(f"select {columns} from token where {where}", *values)
        return [Held(brand, Lane(lane), *rest) for brand, lane, *rest in rows]

    def _token_moves(self, token: bytes, state: str) -> None:
        (before,) = self._db.one("select state from token where id = ?", token)
        assert state in TOKEN_MOVES.get(before, ()), f"a token does not move from {before} to {state}"
        self._db.run("update token set state = ? where id = ?", state, token)

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
        p1, p2, p3, outcome = (_signed(paper) for paper in papers)
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
        sales = [(key, order_in(_signed(q)).transaction) for key, q in rows]
        return {key for key, sale in sales if (sale.log, shard_of(sale.expiration)) == (log, shard)}

    def jobs(self) -> Sequence[Job]:
        sql = "select id, state from purchase where state in (?, ?) order by position"
        rows = self._db.all(sql, FETCHING, COMMITTED)
        goods = [FetchGoods(id) if state == FETCHING else OpenGoods(id) for id, state in rows]
        return [*goods, *self.discarding.jobs()]


def _signed(data: bytes | None) -> Signed | None:
    return decode_record(Signed, data) if data else None


def _bought(data: bytes) -> Buy:
    command = decode(data)
    assert isinstance(command, Buy)
    return command
