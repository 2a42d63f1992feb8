"""Checkpoints (C2SP tlog-checkpoint): one form for each tree head."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anonnet.errors import Malformed
from anonnet.limits import TREE_SIZE_MAX
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import EMPTY_ROOT
from tests.unit.tlog.making import LOG_KEY, ORIGIN, mutations, signed

lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
TEXT = Checkpoint(ORIGIN, 109, bytes(range(32))).text


@given(lines, st.integers(0, TREE_SIZE_MAX), st.binary(min_size=32, max_size=32), st.lists(lines, max_size=3))
def test_checkpoints_round_trip(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


def test_the_example_of_the_specification() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

    checkpoint = Checkpoint.parse(text)

    assert (checkpoint.origin, checkpoint.size, checkpoint.root[:3].hex()) == (text.split("\n")[0], 20852163, "0ac518")


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "extension",
        TEXT + "one\n\ntwo\n",
        "\n" + TEXT,
        TEXT.replace(ORIGIN, ""),
        TEXT.replace("109", "0109"),
        TEXT.replace("109", "+109"),
        TEXT.replace("109", "1_09"),
        TEXT.replace("109", "\u0661\u0660\u0669"),
        TEXT.replace("109", ""),
        TEXT.replace("109", str(2**63)),
        TEXT.replace("\n109", "\n109 "),
        TEXT.replace("109", "-1"),
        TEXT.replace("=", ""),
        "\n".join([ORIGIN, "109", "AAAA", ""]),
        f"{ORIGIN}\n109\n",
        TEXT.replace("log", "l\x7f\x00g"),
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


def test_each_text_that_is_read_is_written_again() -> None:
    for text in mutations(TEXT):
        try:
            checkpoint = Checkpoint.parse(text)
        except Malformed:
            continue
        assert checkpoint.text == text
        assert checkpoint != Checkpoint.parse(TEXT)


def test_values_that_no_text_can_say() -> None:
    for origin, size, root in (
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a\ud800", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 2**63, bytes(32)),
        ("a", 1, bytes(31)),
    ):
        with pytest.raises(Malformed):
            Checkpoint(origin, size, root)


def test_a_signed_checkpoint_is_a_note() -> None:
    checkpoint = signed(0, EMPTY_ROOT)

    assert checkpoint.note.opened([LOG_KEY])[0].time == 0
    assert checkpoint.body == Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert SignedCheckpoint.parse(checkpoint.note.encoded()) == checkpoint
