"""What a log reads of its chain, which only grows, to answer for a brand that anybody may bring again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.parties.log import Log
from anonnet.parties.turn import Answer, Asked, Outcome, Turns
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.store.database import Database
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer, checked
from tests.machine import KNOWN
from tests.stage import NETWORK, NOON, key_of, log_store, mint

DAY = 24 * 3600
MANY = 20


class Counting(Database):
    """Counts what it reads of entries, list by list."""

    entries_read = 0

    def all(self, sql: str, *values: Any) -> list[Any]:
        rows = super().all(sql, *values)
        if "from entry" in sql:
            Counting.entries_read += len(rows)
        return rows


class Chained:
    """A log, and what it answers to a bank's brands."""

    def __init__(self) -> None:
        self.store = log_store(database=Counting)
        self.turns = Turns(Log(Signer(NETWORK, key_of("log")), KNOWN, [key_of("bank").public]), self.store, self._bug)

    def _bug(self, bug: Exception, asked: Asked[Any]) -> str:
        raise AssertionError("a bug") from bug

    def run(self, *brands: Brand) -> list[str]:
        """Bring these in one batch, which is left open; how each is answered."""
        asked = [self._asked(brand) for brand in brands]
        return [answer_of(outcome) for outcome in self.turns.run_turns(asked, NOON)]

    def take(self, *brands: Brand) -> list[str]:
        """The same, durably."""
        answers = self.run(*brands)
        self.store.commit()
        return answers

    def _asked(self, brand: Brand) -> Asked[Any]:
        said = checked(NETWORK, Signer(NETWORK, key_of("bank")).sign(brand), Brand)
        return Asked(body=said.body, arrival=NOON, entropy=bytes(32), checked=said)

    def reads(self, *brands: Brand) -> int:
        """How many entries are read to answer these."""
        before = Counting.entries_read
        self.take(*brands)
        return Counting.entries_read - before


def answer_of(outcome: Outcome) -> str:
    """Why not; empty where it is noted."""
    assert isinstance(outcome, Answer)
    said = decode(outcome.said.body) if isinstance(outcome.said, Signed) else outcome.said
    assert isinstance(said, Noted | Refusal)
    return said.why if isinstance(said, Refusal) else ""


@pytest.fixture
def chained() -> Chained:
    return Chained()


def brands(many: int) -> Sequence[Brand]:
    """Of several months, none of which competes with another."""
    (made,) = mint(key_of("bank"), {1: "2048-a"}, now=NOON)
    starts = [NOON + (2 + 40 * month) * DAY for month in range(many)]
    return [replace(made.brand, opens=at, closes=at + 30 * DAY, ends=at + 60 * DAY) for at in starts]


def test_a_brand_that_is_brought_again_reads_nothing_of_the_chain(chained: Chained) -> None:
    """Nor does one that its bank has signed and the log refuses: strangers may bring both, as often as they like."""
    many = brands(MANY)
    late = replace(many[0], opens=NOON - 60 * DAY, closes=NOON - 50 * DAY)
    assert chained.take(*many) == [""] * MANY
    assert chained.take(many[0], late) == ["", Why.TOO_LATE]

    assert chained.reads(*many, late) == 0
    assert chained.store.size(CHAIN) == 1 + MANY


def test_a_brand_competes_with_one_of_the_same_batch(chained: Chained) -> None:
    brand, *_ = brands(1)
    rival = replace(brand, closes=brand.closes + DAY)

    assert chained.take(brand, rival, brand) == ["", Why.BAD_BRAND, ""]
    assert chained.take(rival, brand) == [Why.BAD_BRAND, ""]


def test_a_brand_that_was_taken_back_with_its_batch_does_not_stand(chained: Chained) -> None:
    """Sealed as between the turns of merged parties, and read."""
    brand, other = brands(2)
    rival = replace(brand, closes=brand.closes + DAY)
    chained.take(other)
    chained.run(brand)
    chained.store.seal()
    assert list(chained.store.chain.read().brands.values())[1][0] == brand

    chained.store.rollback()

    assert chained.take(rival, brand) == ["", Why.BAD_BRAND]
