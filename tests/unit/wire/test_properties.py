"""Properties of the wire: whatever arrives, only Malformed leaves the parser, in bounded memory; one message has one
encoding; what is signed for one step or network verifies for no other."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any, get_args, get_origin

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.crypto.keys import SigningKey, verify
from anonnet.errors import Malformed
from anonnet.limits import (
    CHAIN_STEP,
    CHECKPOINT_STEP,
    CHECKPOINTS_MAX,
    ENTRIES_MAX,
    ENTRY_BYTES_MAX,
    FOLLOW_BYTES_MAX,
    FRAME_MAX,
    SALE_ENTRY_MAX,
    USED_MAX,
)
from anonnet.parties.chaining import ANCHOR_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.goods import Chunk
from anonnet.protocol.logbook import Entries, Entry, Recorded
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.recovery import USED_NAME_BYTES, Used
from anonnet.protocol.sealed import SealedM
from anonnet.wire.codec import STEPS, Message, decode, decode_record, encode
from anonnet.wire.frames import HEADER, Frames, frame
from anonnet.wire.signed import Signed, Signer, checked, payload, received
from tests.unit.wire.samples import MESSAGES, hints, sample

NETWORK = "tests"
KEY = SigningKey(bytes(range(32)))
SIGNED = [kind for kind in MESSAGES if kind.signed]
MEMORY_MAX = 4 * FRAME_MAX
"""No frame makes its reader take more than this, beside the frame itself."""

MANY = settings(deadline=None, database=None, max_examples=200)
FEW = settings(MANY, max_examples=25)


def parsers() -> list[Callable[[bytes], Any]]:
    """Everything that bytes from outside are given to."""
    return [
        decode,
        lambda data: decode_record(Signed, data),
        lambda data: decode_record(Entry, data),
        lambda data: Frames().feed(data),
        *(lambda data, kind=kind: received(NETWORK, kind, data) for kind in MESSAGES),
    ]


PARSERS = parsers()


def read_by_all(data: bytes) -> None:
    """Read, and show what was read: anything but Malformed fails the test."""
    for parse in PARSERS:
        try:
            repr(parse(data))
        except Malformed as malformed:
            str(malformed)


leaves = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.floats(),
    st.booleans(),
    st.none(),
)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
messages = st.builds(lambda kind, seed: sample(kind, Random(seed)), st.sampled_from(MESSAGES), st.integers(0, 2**32))


@MANY
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    read_by_all(data)


@MANY
@given(st.sampled_from(sorted(STEPS)), st.lists(trees, max_size=8))
def test_any_tree_under_any_step(step: int, fields: list[Any]) -> None:
    read_by_all(msgpack.packb([step, *fields]))


@MANY
@given(messages, st.data())
def test_a_message_with_one_part_replaced(said: Message, data: st.DataObject) -> None:
    tree = msgpack.unpackb(encode(said), use_list=True)
    at = tree
    while inner := [each for each in at if isinstance(each, list) and each]:
        if not data.draw(st.booleans()):
            break
        at = data.draw(st.sampled_from(inner))
    at[data.draw(st.integers(0, len(at) - 1))] = data.draw(trees)
    read_by_all(msgpack.packb(tree))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@given(seed=st.integers(0, 2**32))
@FEW
def test_a_message_has_one_encoding(kind: type[Message], seed: int) -> None:
    said = sample(kind, Random(seed))
    body = encode(said)

    assert decode(body) == said
    assert encode(decode(body)) == body
    assert repr(said)


@MANY
@given(messages, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_makes_another_message_or_none(said: Message, at: int, change: int) -> None:
    body = bytearray(encode(said))
    body[at % len(body)] ^= change

    try:
        found = decode(bytes(body))
    except Malformed:
        return

    assert found != said
    assert encode(found) == body


@MANY
@given(messages, st.integers(0))
def test_a_message_cut_short_is_none(said: Message, at: int) -> None:
    body = encode(said)

    with pytest.raises(Malformed):
        decode(body[: at % len(body)])


@MANY
@given(st.lists(messages, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_frames_are_cut_at_any_place(several: list[Message], chance: Random) -> None:
    wanted = [frame(said, number) for number, said in enumerate(several) if len(encode(said)) <= said.frame_max]
    stream, frames, found = b"".join(map(bytes, wanted)), Frames(), []

    while stream:
        size = chance.randint(1, 300)
        found += frames.feed(stream[:size])
        stream = stream[size:]

    assert found == wanted


# Memory.

ADVERSARIAL = {
    "deep": b"\x91" * FRAME_MAX,
    "wide": msgpack.packb([[]] * (FRAME_MAX - 5)),
    "arrays of one": msgpack.packb([[0]] * (FRAME_MAX // 2 - 5)),
    "empty maps": msgpack.packb([{}] * (FRAME_MAX - 5)),
    "negative numbers": msgpack.packb([-20] * (FRAME_MAX - 5)),
    "short texts": msgpack.packb(["ab"] * (FRAME_MAX // 3 - 5)),
    "nested claims": b"\xdc\xff\xff" * (FRAME_MAX // 3),
    "a claim of 2^32": b"\xdd\xff\xff\xff\xff" * (FRAME_MAX // 5),
    "bytes that are not there": b"\x92\x52\xc6\xff\xff\xff\xff",
    "one large field": msgpack.packb([82, bytes(FRAME_MAX - 100), 0]),
    "the longest list": encode(Used(names=tuple(n.to_bytes(USED_NAME_BYTES, "big") for n in range(USED_MAX)), more=0)),
    "a list of entries": encode(
        Entries(shard=1, start=0, entries=(Recorded(entry=b"0", signature=bytes(64)),) * 256, checkpoints=())
    ),
}
WRAPPED = {
    "signatures": msgpack.packb([b"0", [[bytes([n]) * 32, bytes(64)] for n in range(64)]]),
    "a body of arrays": msgpack.packb([ADVERSARIAL["wide"][: FRAME_MAX - 200], [[bytes(32), bytes(64)]]]),
}


def peak(parse: Callable[[bytes], Any], data: bytes) -> int:
    """How much more memory there is at most while this is read. It must not fail with anything but Malformed."""
    tracemalloc.start()
    try:
        parse(data)
    except Malformed:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


@pytest.mark.parametrize("data", [*ADVERSARIAL.values(), *WRAPPED.values()], ids=[*ADVERSARIAL, *WRAPPED])
def test_memory_is_bounded(data: bytes) -> None:
    assert len(data) <= FRAME_MAX + 8

    for parse in PARSERS:
        assert peak(parse, data) < MEMORY_MAX
    for kind in MESSAGES:
        fields = hints(kind)
        inside = msgpack.packb([kind.step, *[0] * len(fields)])[:-1] + data  # in the place of the last field
        assert peak(decode, inside) < MEMORY_MAX


def test_a_stream_costs_one_frame() -> None:
    header = HEADER.pack(6 + FRAME_MAX, Entries.step, 1)
    frames = Frames()

    def fed() -> None:
        frames.feed(header)
        for _ in range(FRAME_MAX // 1024 - 1):
            frames.feed(bytes(1024))

    assert peak(lambda _: fed(), b"") < MEMORY_MAX
    assert frames.partial


# What fits into a frame.

BY_THEIR_MAKERS = {
    "Commit": "the log records authorization_m with one signature",
    "Claim": "it holds one P3 and one P5a",
    "Refusal": "its evidence is a P2 and a commit, or less",
    "Dispute": "who accuses says it only where it fits",
    "Accusation": "an answer that leaves no room is for a file",
    "Redress": "the accused puts in what fits",
    "Brands": "the bank does not start with more than fit",
    "Entries": "the log stops at FOLLOW_BYTES_MAX",
    "ExchangeQ": "no more than BLINDED_MAX blinded messages over all brands",
    "Purchase": "P1, P2, P3 and an outcome",
    "Submission": "sealed_m and ticket have one signature each",
    "Sales": "the merchant shows the latest ones",
}
"""Messages whose fields, each at its largest, would outgrow the frame, and who sees to it that they do not."""


def largest(hint: Any) -> int:
    """Bytes of the largest value of one field."""
    kind, bounds = (*get_args(hint), None)[:2] if hasattr(hint, "__metadata__") else (hint, None)
    if get_origin(kind) is tuple:
        return 3 + bounds.high * largest(get_args(kind)[0])
    if kind is int:
        return 9
    return bounds.high + 5 if kind in (bytes, str) else 3 + sum(map(largest, hints(kind).values()))


def test_the_largest_message_of_each_step_fits_in_its_frame() -> None:
    def frame_of(kind: type[Message]) -> int:
        signers = 64 if "payments" in hints(kind) else 1
        return 6 + largest(kind) + (8 + 104 * signers) * kind.signed

    outgrown = {kind.__name__ for kind in MESSAGES if frame_of(kind) > kind.frame_max}

    assert outgrown == set(BY_THEIR_MAKERS)


def test_one_answer_to_follow_leads_from_each_checkpoint_that_stays_to_the_next() -> None:
    """For the largest lawful entry of every kind, each with one signature. Genesis, tick and close are short."""
    beside = largest(Entry) - ENTRY_BYTES_MAX
    of_sales = max(beside + largest(kind) + 112 for kind in (AuthorizationM, Pledge, SealedM))

    assert of_sales <= SALE_ENTRY_MAX
    assert CHECKPOINT_STEP * SALE_ENTRY_MAX <= FOLLOW_BYTES_MAX
    assert max(beside + largest(Brand) + 112, 64 + ANCHOR_MAX) <= ENTRY_BYTES_MAX
    assert CHAIN_STEP * ENTRY_BYTES_MAX <= FOLLOW_BYTES_MAX
    assert CHECKPOINT_STEP % CHAIN_STEP == 0, "what is everyone's is so in the chain, too"
    assert ENTRIES_MAX // CHECKPOINT_STEP < CHECKPOINTS_MAX, "an answer brings all of everyone's that it leads to"


# Signatures.


def covered(network: str, step: int, body: bytes) -> bytes:
    """What docs/wire.md says that a signature covers."""
    return msgpack.packb(["anonnet/1", network, step, body])


@pytest.mark.parametrize("kind", SIGNED, ids=lambda kind: kind.__name__)
def test_a_signature_for_one_step_verifies_for_no_other(kind: type[Message]) -> None:
    said = sample(kind, Random(1))
    signed = Signer(NETWORK, KEY).sign(said)
    (signature,) = signed.signatures

    assert verify(KEY.public, covered(NETWORK, kind.step, signed.body), signature.signature)
    assert checked(NETWORK, signed, kind).body == said
    for other in MESSAGES:
        if other is not kind:
            assert not verify(KEY.public, covered(NETWORK, other.step, signed.body), signature.signature)
            with pytest.raises(Malformed):
                received(NETWORK, other, payload(signed))
    for network in ("", "test", "tests2", "TESTS"):
        with pytest.raises(Malformed):
            checked(network, signed, kind)


def test_a_signature_moved_to_a_message_of_another_step_does_not_hold() -> None:
    signed = {kind: Signer(NETWORK, KEY).sign(sample(kind, Random(2))) for kind in SIGNED}

    for kind, other in permutations(SIGNED, 2):
        moved = Signed(body=signed[other].body, signatures=signed[kind].signatures)
        with pytest.raises(Malformed):
            checked(NETWORK, moved, other)


def test_all_kinds_are_reached() -> None:
    assert {Brand, Chunk, Used} < set(MESSAGES)
    assert len(MESSAGES) >= 50
    assert len(SIGNED) >= 14
