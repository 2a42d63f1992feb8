"""What a bank can link of a wallet: the sales and exchanges that showed it one token, or one key of several tokens.

It cannot tell whose they are, but that they are of one wallet. What tokens were exchanged for is linked with nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anonnet.protocol.brand import Brand
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.seed import shared_by
from anonnet.store.tokens import EXCHANGED, EXCHANGING, FREE, LOCKED, RELEASING, SPENT, Held
from anonnet.store.wallet import Bought
from anonnet.wire.signed import said_in

SALE, EXCHANGE = "sale", "exchange"
SHOWN_IN = {LOCKED: SALE, RELEASING: SALE, SPENT: SALE, EXCHANGING: EXCHANGE, EXCHANGED: EXCHANGE}
"""What a token in this state has been shown to the bank in."""

Doing = tuple[str, bytes]
"""SALE with the purchase's id, or EXCHANGE with the hash of exchange_q."""
Mark = bytes
"""Something that the bank knows again: a token's id, or which key serves it and others."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What one bank can link."""

    together: list[frozenset[Doing]]
    """Of each set, that all of it was done by one wallet; two or more."""
    known_again: int
    """How many free tokens would add to that, if they paid."""

    @classmethod
    def by(cls, bank: bytes, brands: Mapping[bytes, Brand], tokens: Iterable[Held], sales: Iterable[Bought]) -> Linked:
        """From a wallet's tokens and its purchases, of whichever banks."""
        mine = [held for held in tokens if brands[held.brand].bank == bank]
        marks = {held.id: _marks(held, brands[held.brand]) for held in mine}
        shown: dict[Doing, set[Mark]] = defaultdict(set)
        for held in mine:
            if held.bound and held.state in SHOWN_IN:
                shown[SHOWN_IN[held.state], held.bound] |= marks[held.id]
        for bought in sales:
            if bought.authorization_q and bought.buy.bank == bank:
                for payment in said_in(bought.authorization_q, AuthorizationQ).payments:
                    shown[SALE, bought.id] |= marks.get(payment.token.id, {payment.token.id})
        free = {held.id for held in mine if held.state == FREE}
        seen = Counter(mark for each in shown.values() for mark in each)
        seen.update(mark for id in free for mark in marks[id])
        return cls(_together(shown), sum(any(seen[mark] > 1 for mark in marks[id]) for id in free))


def _marks(held: Held, brand: Brand) -> set[Mark]:
    return {held.id} if held.has_own_key else {held.id, shared_by(brand, held.position)}


def _together(shown: Mapping[Doing, set[Mark]]) -> list[frozenset[Doing]]:
    """Doings that share a mark, by one step or many."""
    groups: dict[Mark, set[Mark]] = {}
    for marks in shown.values():
        group = set(marks).union(*(groups.get(mark, ()) for mark in marks))
        groups.update(dict.fromkeys(group, group))
    found: dict[int, set[Doing]] = defaultdict(set)
    for doing, marks in shown.items():
        found[id(groups[next(iter(marks))])].add(doing)
    return [frozenset(doings) for doings in found.values() if len(doings) > 1]
