"""The tokens that a wallet holds, each with its state (paper, section "Data Management").

"The consumer stores all data and messages received on all active tokens [...]. This includes the token (Q*)." What the
seed gives is not stored: a token's place stands for its key and its blinding. A token is held in parts, at first in
one; each part has a state of its own, and together they are always the token's worth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from anonnet.errors import Refused, Why
from anonnet.limits import PAYMENTS_MAX, SECONDS_MAX
from anonnet.protocol.seed import Lane
from anonnet.store import lanes, recovery, resting
from anonnet.store.database import Database
from anonnet.times import RESTORE_GAP

SCHEMA = """
create table if not exists token(
    brand blob not null,
    lane text not null,
    position integer not null,  -- with the seed, this is the token's key and blinding
    part integer not null,      -- 0, 1, 2, ... of one token
    id blob not null,
    amount integer not null,    -- what this part is worth
    state text not null,        -- withdrawing, restored, free, exchanging, locked, releasing, exchanged, spent, void
    signature blob,             -- the bank's, unblinded
    source blob not null,       -- hash of the request that brought it
    bound blob,                 -- the purchase, or the hash of the exchange, that it goes into
    primary key(brand, lane, position, part)
) without rowid;
create index if not exists token_place on token(state, brand, lane, position);
create index if not exists token_id on token(id);
create index if not exists token_source on token(source);
create index if not exists token_bound on token(bound);
"""

WITHDRAWING = "withdrawing"  # W1 is on its way
RESTORED = "restored"  # found again by its place; whether it is used is not known yet
FREE = "free"
EXCHANGING = "exchanging"  # E1 is on its way
LOCKED = "locked"  # in a purchase
RELEASING = "releasing"  # its purchase has aborted, the bank does not know yet
EXCHANGED = "exchanged"  # given for others
SPENT = "spent"
VOID = "void"  # W1 or E1 has ended without a signature
LOST = "lost"  # how those are shown that are free when their brand has ended; stored nowhere
MOVES = {
    WITHDRAWING: {FREE, VOID},
    VOID: {RESTORED, WITHDRAWING},
    RESTORED: {FREE, SPENT},
    FREE: {LOCKED, EXCHANGING, SPENT},
    EXCHANGING: {FREE, EXCHANGED, SPENT},
    LOCKED: {SPENT, RELEASING, FREE},
    RELEASING: {FREE, LOCKED},
}
"""The state of a part moves one way; what is not here does not happen."""


@dataclass(frozen=True, slots=True)
class Held:
    """A part of a token of the wallet, mostly all of it, and where its secrets are derived."""

    brand: bytes
    lane: Lane
    position: int
    part: int
    id: bytes
    amount: int
    """What this part is worth."""
    state: str
    signature: bytes | None
    source: bytes
    """Hash of the request that brought it, or shall bring it."""
    bound: bytes | None
    """The purchase, or the hash of the exchange, that it goes into."""

    @property
    def place(self) -> recovery.Place:
        return self.brand, self.lane, self.position

    @property
    def has_own_key(self) -> bool:
        """False if its key serves other tokens too."""
        return self.lane is not Lane.REUSED


PART = "(brand, lane, position, part) = (?, ?, ?, ?)"


def _key(held: Held) -> tuple[bytes, str, int, int]:
    return held.brand, held.lane.value, held.position, held.part


class Tokens:
    """The tokens of one wallet."""

    def __init__(self, db: Database, lanes: lanes.Lanes) -> None:
        self._db = db
        self._lanes = lanes

    def room(self, brand: bytes, lane: Lane, *, but: Collection[int] = ()) -> int:
        """How many places of a lane `advance` finds, without those in `but`."""
        return self._lanes.room(brand, lane) + len(self._ended(brand, lane, but))

    def advance(self, brand: bytes, lane: Lane, count: int, *, but: Collection[int] = ()) -> list[int]:
        """Take `count` places of a lane, none of those in `but`: new ones as far as they may be taken, then those whose
        request has ended without a signature. Refuses where both together are too few."""
        new = min(count, self._lanes.room(brand, lane))
        ended = self._ended(brand, lane, but)[: count - new]
        if new + len(ended) < count:
            raise Refused(Why.FULL, f"the bank can be asked for {RESTORE_GAP} tokens of one kind at a time")
        return sorted([*self._lanes.take(brand, lane, new), *ended])

    def _ended(self, brand: bytes, lane: Lane, but: Collection[int]) -> list[int]:
        """Places of a lane whose request has ended without a signature, in order."""
        where = "brand = ? and lane = ? and state = ? order by position"
        return [held.position for held in self._tokens(where, brand, lane.value, VOID) if held.position not in but]

    def restore(self, place: recovery.Place, token: bytes, worth: int, signature: bytes, source: bytes) -> None:
        """A token has been found again at its place, which is taken for ever. What is known of it stands."""
        brand, lane, position = place
        self._db.run(
            "insert into token values(?, ?, ?, 0, ?, ?, ?, ?, ?, null) on conflict(brand, lane, position, part)"
            f" do update set state = excluded.state, signature = excluded.signature where state = '{VOID}'",
            *(brand, lane.value, position, token, worth, RESTORED, signature, source),
        )
        self._lanes.signed(brand, lane, position)

    def at(self, place: recovery.Place) -> list[Held]:
        """The parts of the token at this place, if there is one."""
        return self._tokens("(brand, lane, position) = (?, ?, ?)", *place)

    def known(self, ids: Sequence[bytes]) -> list[Held]:
        """The parts of these tokens, as far as they are the wallet's."""
        marks = ", ".join("?" * len(ids))
        return self._tokens(f"id in ({marks}) order by id, part", *ids)

    def expect(self, place: recovery.Place, token: bytes, worth: int, source: bytes) -> None:
        """A token will come of this request."""
        brand, lane, position = place
        changed = self._db.run(
            "insert into token values(?, ?, ?, 0, ?, ?, ?, null, ?, null) on conflict(brand, lane, position, part)"
            f" do update set state = excluded.state, source = excluded.source where state = '{VOID}'",
            *(brand, lane.value, position, token, worth, WITHDRAWING, source),
        )
        assert changed == 1, "a place is asked for by one request at a time"

    def expected(self, source: bytes) -> list[Held]:
        """The tokens that this request shall bring, in the order of its blinded messages."""
        return self._tokens("source = ? order by brand, position", source)

    def keep(self, held: Held, signature: bytes) -> None:
        """The token is complete."""
        self.move(held, FREE)
        self._db.run("update token set signature = ? where id = ?", signature, held.id)
        self._lanes.signed(*held.place)

    def give_up(self, source: bytes) -> None:
        """The bank will never sign the tokens of this request."""
        for held in self.expected(source):
            self.move(held, VOID)

    def free(self, brands: Sequence[bytes], *, rested: int = SECONDS_MAX) -> list[Held]:
        """What can be spent of tokens of these brands, and has rested by then, the oldest first: of each brand as many
        as one payment takes."""
        where = f"state = ? and brand = ? and not {resting.NOT_RESTED} order by lane, position, part limit ?"
        return [held for brand in sorted(brands) for held in self._tokens(where, FREE, brand, rested, PAYMENTS_MAX)]

    def in_state(self, state: str, brands: Sequence[bytes]) -> list[Held]:
        """Tokens of these brands in one state, the oldest first."""
        marks = ", ".join("?" * len(brands))
        return self._tokens(f"state = ? and brand in ({marks}) order by brand, lane, position, part", state, *brands)

    def bound_to(self, bound: bytes) -> list[Held]:
        """The tokens that go into one purchase or exchange."""
        return self._tokens("bound = ? order by id, part", bound)

    def bind(self, tokens: Sequence[Held], state: str, bound: bytes) -> None:
        """Bind these to a purchase (LOCKED) or to an exchange (EXCHANGING). Of one whose amount is less than that of
        the part it was read from, the rest stays as it is."""
        for held in tokens:
            self._divide(held)
            self.move(held, state)
            self._db.run(f"update token set bound = ? where {PART}", bound, *_key(held))

    def _divide(self, held: Held) -> Held | None:
        """Let the part be worth what `held` says, and what is left over be a part of its own; it is given back."""
        (stored,) = self._db.one(f"select amount from token where {PART}", *_key(held))
        assert 0 < held.amount <= stored, "a part is not worth more than what it is a part of"
        if held.amount == stored:
            return None
        (last,) = self._db.one("select max(part) from token where id = ?", held.id)
        rest = replace(held, part=last + 1, amount=stored - held.amount)
        self._db.run(f"update token set amount = ? where {PART}", held.amount, *_key(held))
        self._db.run(
            "insert into token select brand, lane, position, ?, id, ?, state, signature, source, null"
            f" from token where {PART}",
            *(rest.part, rest.amount, *_key(held)),
        )
        return rest

    def rests(self, bound: bytes) -> list[Held]:
        """What is free of tokens of which some part is in a purchase or exchange."""
        return self._tokens("state = ? and id in (select id from token where bound = ?) order by id, part", FREE, bound)

    def let_go(self, bound: bytes, left: Mapping[bytes, int]) -> None:
        """What is LOCKED or EXCHANGING there comes free; of tokens named in `left` no more than that: the rest is spent
        elsewhere."""
        remaining = dict(left)
        for held in self.bound_to(bound):
            if held.state not in (LOCKED, EXCHANGING):
                continue
            kept = min(held.amount, remaining.get(held.id, held.amount))
            remaining[held.id] = remaining.get(held.id, held.amount) - kept
            if gone := self._divide(replace(held, amount=kept)) if kept else held:
                self.move(gone, SPENT)
            if kept:
                self.move(held, FREE)

    def move_all(self, bound: bytes, state: str) -> None:
        """All tokens of a purchase or exchange move on."""
        for held in self.bound_to(bound):
            self.move(held, state)

    def settle(self, purchase: bytes, state: str) -> None:
        """The tokens that this purchase still holds locked move on."""
        for held in self.bound_to(purchase):
            if held.state == LOCKED:
                self.move(held, state)

    def release(self, purchase: bytes) -> list[Held]:
        """The bank knows of the abort: free the tokens of this purchase that were waiting for that."""
        released = [held for held in self.bound_to(purchase) if held.state == RELEASING]
        for held in released:
            self.move(held, FREE)
        return released

    def lock_again(self, purchase: bytes) -> None:
        """The bank knows of a commit instead: what was waiting for the abort is held as before."""
        for held in self.bound_to(purchase):
            if held.state == RELEASING:
                self.move(held, LOCKED)

    def move(self, held: Held, state: str) -> None:
        """One part moves on."""
        (before,) = self._db.one(f"select state from token where {PART}", *_key(held))
        assert state in MOVES.get(before, ()), f"a token does not move from {before} to {state}"
        self._db.run(f"update token set state = ? where {PART}", state, *_key(held))

    def holdings(self) -> list[tuple[bytes, str, int, int]]:
        """(brand, state, amount, how many parts are worth that) of all tokens but those that were given for others."""
        return self._db.all(
            "select brand, state, amount, count(*) from token where state != ? group by 1, 2, 3 order by 1, 2, 3",
            EXCHANGED,
        )

    def withdrawals(self) -> int:
        """How many withdrawals and exchanges wait for the bank."""
        (count,) = self._db.one("select count(distinct source) from token where state = ?", WITHDRAWING)
        return int(count)

    def _tokens(self, where: str, *values: bytes | str | int) -> list[Held]:
        columns = "brand, lane, position, part, id, amount, state, signature, source, bound"
        rows = self._db.all(f"select {columns} from token where {where}", *values)
        return [Held(brand, Lane(lane), *rest) for brand, lane, *rest in rows]
