"""Mirrors of a log that decides alone: they copy and check it, compare what it showed them, and speak for it never."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest

from anonnet.errors import Why
from anonnet.protocol.breach import breach
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import EntryKind, OutcomeOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.rules import decided_by
from anonnet.times import COMPARE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.mirrors import MIRRORS, SHARD, Pen, Wall, entry, sale, tick
from tests.stage import NETWORK, NOON, key_of

ALONE = KnownLog(key_of("log").public)
ONE, TWO = MIRRORS[:2]


def test_a_fork_of_a_log_that_decides_alone_is_found_and_told() -> None:
    pen = Pen(ALONE)
    branch = pen.copy()
    pen.write(tick(NOON), tick(NOON))
    branch.write(tick(NOON + 1))
    wall = Wall([pen, branch], (ONE, TWO), ALONE)

    wall.pass_time(COMPARE_SECONDS)
    wall.pass_time(COMPARE_SECONDS)

    for name in (ONE, TWO):
        store = wall.mirrors[name].store
        found = [breach(NETWORK, ALONE, shard, evidence).kind for _, shard, evidence in store.alerts.all()]
        assert found == ["fork"], name
        assert store.copy(ALONE.identity, SHARD).frozen


def test_mirrors_that_were_shown_the_same_find_nothing_and_cosign_nothing() -> None:
    pen = Pen(ALONE)
    wall = Wall(pen, (ONE, TWO), ALONE)
    pen.write(tick(NOON))

    wall.pass_time(COMPARE_SECONDS)
    wall.pass_time(COMPARE_SECONDS)

    for name in (ONE, TWO):
        store = wall.mirrors[name].store
        copy = store.copy(ALONE.identity, SHARD)
        assert (copy.size, copy.frozen, store.alerts.all()) == (2, False, [])
        assert store.shards.mark(copy.tree, 2).cosignatures == {}


def test_a_shard_that_has_ended_is_compared_once_more_and_then_left_alone() -> None:
    pen = Pen(ALONE)
    wall = Wall(pen, (ONE, TWO), ALONE)
    wall.settle()
    about = ALONE.origin(SHARD).encode()
    assert wall.mirrors[ONE].store.errands.about(about)
    wall.now = decided_by(SHARD) + 1
    pen.write(entry(EntryKind.CLOSE, wall.now))

    wall.pass_time(COMPARE_SECONDS)
    wall.pass_time(COMPARE_SECONDS)

    assert wall.mirrors[ONE].store.copy(ALONE.identity, SHARD).closed
    assert not wall.mirrors[ONE].store.errands.about(about)


def test_no_mirror_speaks_for_a_log_that_decides_alone() -> None:
    pen = Pen(ALONE)
    wall = Wall(pen, (ONE,), ALONE)
    wall.pass_time(3600)  # so that an abort would be due
    pen.write(tick(wall.now))
    wall.settle()

    said = wall.ask(ONE, OutcomeOf(transaction=replace(sale(), log=ALONE.identity)))

    assert isinstance(said, Signed)
    refusal = decode(said.body)
    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.WRONG_LOG


def test_a_rule_that_a_log_that_decides_alone_breaks_is_told_also_to_mirrors_that_it_does_not_reach() -> None:
    pen = Pen(ALONE)
    wall = Wall(pen, (ONE, TWO), ALONE)
    wall.settle()
    wall.cut = {frozenset({TWO, "log"})}
    pen.write(tick(NOON), tick(NOON - 1))

    wall.pass_time(COMPARE_SECONDS)
    wall.pass_time(COMPARE_SECONDS)

    for name in (ONE, TWO):
        store = wall.mirrors[name].store
        found = [breach(NETWORK, ALONE, shard, evidence).kind for _, shard, evidence in store.alerts.all()]
        assert found == ["forward"], name
        assert store.copy(ALONE.identity, SHARD).frozen


@pytest.mark.parametrize("seed", range(24))
def test_a_fork_is_told_to_all_who_are_connected_with_two_that_were_shown_it_and_nobody_is_framed(seed: int) -> None:
    chance = random.Random(seed)
    pen = Pen(ALONE)
    branch = pen.copy()
    pen.write(*[tick(NOON + 1)] * chance.randint(1, 3))
    branch.write(*[tick(NOON + 2)] * chance.choice([0, 1, 3]))  # none: it is behind, and has not forked
    shown = {name: chance.choice([pen, branch]) for name in MIRRORS}
    wall = Wall(list(shown.values()), MIRRORS, ALONE)
    links = [frozenset(pair) for pair in combinations(MIRRORS, 2)]
    for wall.cut in ({link for link in links if chance.random() < 0.6}, set[frozenset[str]]()):
        for _ in MIRRORS:  # so often at most until the last one hears
            wall.pass_time(COMPARE_SECONDS)
        for name in MIRRORS:
            histories = {id(shown[each]) for each in reached(name, set(links) - wall.cut)}
            convicted = ["fork"] if branch.size > 1 and len(histories) > 1 else []
            alerts = wall.mirrors[name].store.alerts.all()
            assert [breach(NETWORK, ALONE, shard, evidence).kind for _, shard, evidence in alerts] == convicted, seed


def reached(name: str, links: set[frozenset[str]]) -> set[str]:
    """Who is connected with this mirror, through others as well, and itself."""
    found = {name}
    while more := {each for link in links if link & found for each in link} - found:
        found |= more
    return found
