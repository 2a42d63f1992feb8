"""tlog-proofs (C2SP tlog-proof): of one entry at one index of one tree, and of nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.errors import Malformed
from anonnet.limits import EXTRA_BYTES_MAX
from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.note import Kind
from anonnet.tlog.policy import Policy
from anonnet.tlog.proof import LogProof
from tests.unit.tlog.making import LOG_KEY, NOON, entries, mutations, signed, signer, tree

MIRRORS = [signer(f"mirror{number}.example") for number in range(4)]
LINES = [f"witness m{i} {mirror.verifier(Kind.COSIGNATURE).vkey}" for i, mirror in enumerate(MIRRORS)]
TEXT = "\n".join([f"log {LOG_KEY.vkey}", *LINES, "group mirrors 3 m0 m1 m2 m3", "quorum mirrors\n"])
POLICY = Policy.parse(TEXT.encode())
ALONE = Policy.parse(f"log {LOG_KEY.vkey}\nquorum none\n".encode())
ENTRIES = entries(300)
TREE = tree(ENTRIES)
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def proof(index: int, size: int, mirrors: int = 3, extra: bytes = b"") -> LogProof:
    checkpoint = signed(size, TREE.root(size), [(mirror, NOON) for mirror in MIRRORS[:mirrors]])
    return LogProof(index, tuple(TREE.inclusion(index, size)), checkpoint, extra)


def holds(shown: LogProof, leaf: bytes, rule: Policy) -> bool:
    try:
        return shown.verified(leaf, rule).met
    except Malformed:
        return False


@given(st.data(), st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_proofs_of_any_index_in_any_size_round_trip_and_verify(data: st.DataObject, extra: bytes) -> None:
    size = data.draw(st.integers(1, len(ENTRIES)))
    index = data.draw(st.integers(0, size - 1))
    shown = proof(index, size, extra=extra)

    read = LogProof.parse(shown.encoded())

    assert read == shown
    assert read.verified(LEAVES[index], POLICY).time == NOON


def test_a_proof_verifies_for_no_other_index_size_or_entry() -> None:
    most = 16
    checkpoints = {size: signed(size, TREE.root(size)) for size in range(1, most + 1)}
    for size in range(1, most + 1):
        for index in range(size):
            path, leaf = tuple(TREE.inclusion(index, size)), LEAVES[index]
            indices = [i for i in range(most + 2) if holds(LogProof(i, path, checkpoints[size]), leaf, ALONE)]
            sizes = [n for n in checkpoints if holds(LogProof(index, path, checkpoints[n]), leaf, ALONE)]
            assert (indices, sizes) == ([index], [size])
            assert not holds(LogProof(index, path, checkpoints[size]), LEAVES[index + 1], ALONE)


def test_a_proof_needs_its_quorum() -> None:
    assert holds(proof(7, 109), LEAVES[7], POLICY)
    with pytest.raises(Malformed, match="no quorum"):
        proof(7, 109, mirrors=2).verified(LEAVES[7], POLICY)
    assert holds(proof(7, 109, mirrors=0), LEAVES[7], ALONE)


def test_a_proof_with_one_character_changed_is_rejected_or_says_the_same() -> None:
    shown = proof(2, 5, mirrors=0, extra=b"extra")
    for changed in mutations(shown.encoded().decode()):
        try:
            read = LogProof.parse(changed.encode())
        except Malformed:
            continue
        assert read.encoded() == changed.encode()
        if holds(read, LEAVES[2], ALONE):
            assert (read.index, read.path, read.checkpoint) == (shown.index, shown.path, shown.checkpoint)
            assert read.extra != shown.extra  # "not authenticated"


def test_the_form_is_that_of_the_specification() -> None:
    lines = proof(2, 5, extra=b"extra").encoded().decode().split("\n")

    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZXh0cmE=", "index 2"]
    assert [len(line) for line in lines[3:7]] == [44, 44, 44, 0]
    assert lines[7:9] == [LOG_KEY.name, "5"]
    assert not proof(0, 1).path
    assert LogProof.parse(proof(0, 1).encoded()) == proof(0, 1)


GOOD = proof(2, 5).encoded().decode()
HASH = GOOD.split("\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        GOOD.replace("@v1", "@v2", 1),
        GOOD.replace("index 2\n", ""),
        GOOD.replace("index 2", "index 02"),
        GOOD.replace("index 2", "index -1"),
        GOOD.replace("index 2", f"index {2**63}"),
        GOOD.replace("index 2", "index  2"),
        GOOD.replace("index 2", "extra \nindex 2"),
        GOOD.replace("index 2", "extra AA\nindex 2"),
        GOOD.replace("index 2", "index 2\nextra AAAA"),
        GOOD.replace("index 2", "extra AAAA\nextra AAAA\nindex 2"),
        GOOD.replace("index 2\n", "index 2\n" + f"{HASH}\n" * 61),
        GOOD.replace(HASH, "AAAA"),
        GOOD.replace(HASH, HASH + " "),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("\n", "\r\n"),
        GOOD.partition("\n\n")[0] + "\n\n",
        GOOD.replace("index 2", "extra " + "AAAA" * EXTRA_BYTES_MAX + "\nindex 2"),
    ],
)
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(Malformed):
        LogProof.parse(text.encode())


def test_the_bounds_of_a_proof() -> None:
    checkpoint = proof(2, 5).checkpoint
    for index, path, extra in ((-1, (), b""), (2**63, (), b""), (0, (bytes(32),) * 64, b""), (0, (), bytes(2**14 + 1))):
        with pytest.raises(Malformed):
            LogProof(index, path, checkpoint, extra)
    assert LogProof.parse(proof(2, 5, extra=bytes(EXTRA_BYTES_MAX)).encoded()).extra == bytes(EXTRA_BYTES_MAX)
