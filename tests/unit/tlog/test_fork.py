"""Fork proofs: a log that forks is convicted by anyone, an honest one by nobody."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed
from anonnet.tlog.fork import Fork
from anonnet.tlog.merkle import EMPTY_ROOT, Tree
from anonnet.tlog.note import Kind, Signer
from tests.unit.tlog.making import LOG_KEY, NOON, ORIGIN, consistency_nodes, entries, mutations, signed, signer, tree

SIZES = range(41)
HONEST = tree(entries(40))
CHECKPOINTS = [signed(size, HONEST.root(size)) for size in SIZES]


def convicts(fork: Fork) -> bool:
    return fork.convicts(ORIGIN, [LOG_KEY])


def nodes(branch: Tree, lower: int, upper: int) -> tuple[bytes, ...]:
    return consistency_nodes(branch, lower, upper) if 0 < lower < upper else ()


def fork_at(shared: int, lower: int, upper: int) -> Fork:
    """What a log gives away that shows one reader a tree of `lower` leaves and another one of `upper`."""
    one = tree([*entries(shared), *entries(lower - shared, b"one")])
    other = tree([*entries(shared), *entries(upper - shared, b"other")])
    return Fork(signed(lower, one.root()), signed(upper, other.root()), nodes(other, lower, upper))


@pytest.mark.slow
def test_an_honest_log_is_never_convicted() -> None:
    for lower, upper in combinations_with_replacement(SIZES, 2):
        between = nodes(HONEST, lower, upper)
        assert not convicts(Fork(CHECKPOINTS[lower], CHECKPOINTS[upper], between))
        for bad in ((), between[1:], between[:-1], between[::-1], (bytes(32), *between[1:]), (*between, bytes(32))):
            assert not convicts(Fork(CHECKPOINTS[lower], CHECKPOINTS[upper], bad))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_an_honest_log_is_not_convicted_by_any_of_its_hashes(data: st.DataObject) -> None:
    lower, upper = sorted(data.draw(st.tuples(st.sampled_from(SIZES), st.sampled_from(SIZES))))
    levels = [HONEST.subtree_roots(level, 0, 40 >> level) for level in range(6)]
    known = [row[at : at + 32] for row in levels for at in range(0, len(row), 32)]
    any_nodes = data.draw(st.lists(st.sampled_from(known), max_size=8))
    assert not convicts(Fork(CHECKPOINTS[lower], CHECKPOINTS[upper], tuple(any_nodes)))


@pytest.mark.slow
def test_a_forking_log_is_convicted() -> None:
    for lower, upper in combinations_with_replacement(range(1, 20), 2):
        for shared in range(lower):
            fork = fork_at(shared, lower, upper)
            assert convicts(fork)
            assert convicts(Fork.parse(fork.encoded()))


def test_a_root_of_another_empty_tree_convicts() -> None:
    assert convicts(Fork(signed(0, bytes(32)), CHECKPOINTS[0]))
    assert convicts(Fork(signed(0, bytes(32)), CHECKPOINTS[7]))
    assert not convicts(Fork(signed(0, EMPTY_ROOT), CHECKPOINTS[7]))
    assert not convicts(Fork(signed(0, bytes(32)), CHECKPOINTS[7], (bytes(32),)))
    assert not convicts(Fork(signed(0, bytes(32)), CHECKPOINTS[0], (bytes(32),)))


def test_only_checkpoints_that_the_log_signed_for_this_origin_convict() -> None:
    fork, stranger = fork_at(3, 5, 9), signer("stranger.example")
    lower, upper = fork.lower.body, fork.upper.body
    elsewhere = signed(lower.size, lower.root, origin="log.example/2027")
    by_other = signed(lower.size, lower.root, by=stranger)

    assert fork.convicts(ORIGIN, [stranger.verifier(Kind.ED25519), LOG_KEY])
    assert not fork.convicts(ORIGIN, [stranger.verifier(Kind.ED25519)])
    assert not fork.convicts("log.example/2027", [LOG_KEY])
    assert not convicts(Fork(elsewhere, fork.upper, fork.nodes))
    assert not Fork(elsewhere, fork.upper, fork.nodes).convicts("log.example/2027", [LOG_KEY])
    assert not convicts(Fork(by_other, fork.upper, fork.nodes))
    assert not convicts(Fork(signed(lower.size, lower.root, by=Signer(ORIGIN, SigningKey(bytes(32)))), fork.upper))
    assert not convicts(Fork(fork.lower, signed(upper.size, upper.root, by=stranger), fork.nodes))


def test_the_same_convicts_a_cosigner() -> None:
    mirror = signer("mirror.example")
    fork = fork_at(3, 5, 9)
    one, other = (signed(each.size, each.root, [(mirror, NOON)]) for each in (fork.lower.body, fork.upper.body))

    assert Fork(one, other, fork.nodes).convicts(ORIGIN, [mirror.verifier(Kind.COSIGNATURE)])
    assert not fork.convicts(ORIGIN, [mirror.verifier(Kind.COSIGNATURE)])


@pytest.mark.slow
def test_a_proof_is_written_as_it_was_read_and_no_change_convicts_more() -> None:
    fork = fork_at(3, 4, 9)
    text = fork.encoded().decode()
    assert Fork.parse(fork.encoded()) == fork
    for changed in mutations(text):
        try:
            read = Fork.parse(changed.encode())
        except Malformed:
            continue
        assert read.encoded() == changed.encode()
        assert not convicts(read)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"anonnet fork-proof@v1\n\n", b"anonnet fork-proof@v1\nlower x\n\n"])
def test_what_is_no_fork_proof(data: bytes) -> None:
    with pytest.raises(Malformed):
        Fork.parse(data)


def test_the_bounds_of_a_fork_proof() -> None:
    with pytest.raises(Malformed):
        Fork(CHECKPOINTS[2], CHECKPOINTS[1])
    with pytest.raises(Malformed):
        Fork(CHECKPOINTS[1], CHECKPOINTS[2], (bytes(32),) * 65)
    with pytest.raises(Malformed):
        Fork.parse(fork_at(3, 4, 9).encoded() + b"x" * 300_000)
