"""Kinds of malformed input, each by a name: every one gives Malformed and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed
from anonnet.limits import BLINDED_MAX, FRAME_MAX, KIB, SECONDS_MAX
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.brand import Terms
from anonnet.protocol.goods import CatalogueOf
from anonnet.protocol.logbook import Follow, TimeOf
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import AuthorizationQ, check_authorization_q
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.wire.codec import Message, decode, encode
from anonnet.wire.frames import HEADER, Frames, frame
from anonnet.wire.signed import Signature, Signed, Signer, received

NETWORK = "tests"
KEYS = sorted((SigningKey(bytes([number]) * 32) for number in (1, 2)), key=lambda key: key.public)
ID = bytes(range(32))
LONG = bytes(256)

packed = msgpack.packb


def follow(start: Any) -> bytes:
    """A message that is well formed but for this number in it."""
    return packed([Follow.step, ID, 0, start, 0])


def raw_follow(start: bytes) -> bytes:
    return follow(0)[:-2] + start + packed(0)


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "not an array": packed(Follow.step),
    "an empty array": packed([]),
    "a step alone": packed([Follow.step]),
    "too few fields": packed([Follow.step, ID]),
    "too many fields": packed([Follow.step, ID, 0, 0, 0, 0]),
    "a truncated message": follow(0)[:-1],
    "a truncated header": packed([Follow.step, ID])[:3],
    "trailing bytes": follow(0) + b"\0",
    "the message twice": follow(0) * 2,
    "an unknown step": packed([9999, ID, 0]),
    "a negative step": packed([-1, ID, 0]),
    "a step as text": packed(["82", ID, 0]),
    "a step as a boolean": packed([True, ID, 0]),
    "a step as a list": packed([[82], ID, 0]),
    "the step of another class": packed([TimeOf.step, ID, 0]),
    "text for bytes": packed([Follow.step, "a" * 32, 0, 0, 0]),
    "bytes for text": packed([CatalogueOf.step, ID, b"item"]),
    "a number for bytes": packed([Follow.step, 7, 0, 0, 0]),
    "a float": follow(1.0),
    "not a number": follow(float("nan")),
    "a boolean": follow(True),
    "nil": follow(None),
    "text for a number": follow("1"),
    "a list for a number": follow([]),
    "a list that holds something for a number": follow([1]),
    "a map": follow({}),
    "a map with a key": follow({"start": 0}),
    "a map with one key twice": raw_follow(b"\x82\xa1a\x00\xa1a\x01"),
    "an extension": raw_follow(b"\xd4\x05\x00"),
    "an empty extension": raw_follow(b"\xc7\x00\x05"),
    "a time stamp": raw_follow(b"\xd6\xff\x00\x00\x00\x01"),
    "a time stamp that is none": raw_follow(b"\xc7\x0c\xff" + b"\xff" * 12),
    "a byte that msgpack never uses": raw_follow(b"\xc1"),
    "a small number in 64 bits": raw_follow(b"\xcf" + (1).to_bytes(8, "big")),
    "a small number with a sign": raw_follow(b"\xd0\x01"),
    "a number out of range": follow(2**53 + 1),
    "a number of 64 bits": follow(2**64 - 1),
    "a negative number": follow(-1),
    "a time out of range": packed([Terms.step, ID, SECONDS_MAX + 1, 0]),
    "a longer header for bytes": b"\x93\x52\xc5\x00\x20" + ID + b"\0",
    "a longer header for text": b"\x93\x40" + packed(ID) + b"\xd9\x01a",
    "a longer header for the array": b"\xdc\x00\x03" + follow(0)[1:],
    "a longer number for the step": b"\x93\xcc\x52" + follow(0)[2:],
    "bytes too short": packed([Follow.step, ID[1:], 0, 0, 0]),
    "bytes too long": packed([Follow.step, ID + b"\0", 0, 0, 0]),
    "text too long": packed([CatalogueOf.step, ID, "a" * 129]),
    "text too long in UTF-8 only": packed([CatalogueOf.step, ID, "€" * 43]),
    "invalid UTF-8": b"\x93\x40" + packed(ID) + b"\xa1\xff",
    "UTF-8 that is longer than it need be": b"\x93\x40" + packed(ID) + b"\xa2\xc0\xaf",
    "a surrogate": b"\x93\x40" + packed(ID) + b"\xa3\xed\xa0\x80",
    "an array of 2^32 items": b"\xdd\xff\xff\xff\xff\x52",
    "bytes of 2^32": b"\x93\x52\xc6\xff\xff\xff\xff",
    "a list of 2^32 items": b"\x95\x01" + packed(ID) * 2 + b"\xdd\xff\xff\xff\xff",
    "an empty list": packed([WithdrawC.step, ID, ID, [], 0]),
    "a list over its bound": packed([WithdrawC.step, ID, ID, [bytes([n]) * 256 for n in range(BLINDED_MAX + 1)], 0]),
    "bytes for a list": packed([WithdrawC.step, ID, ID, LONG, 0]),
    "one blinded message twice": packed([WithdrawC.step, ID, ID, [LONG, LONG], 0]),
    "nested 1000 deep": b"\x91" * 1000 + b"\xc0",
    "nested 1000 deep in a field": raw_follow(b"\x91" * 1000 + b"\xc0"),
    "claims nested 1000 deep": raw_follow(b"\xdc\x10\x00" * 1000),
    "nested 100000 deep": b"\x91" * 100_000,
    "a record that is none": packed([AuthorizationQ.step, ID, b"", b"", []]),
    "a bundle that begins within another": packed([ProofsOf.step, ID, 0, 1, 0]),
    "hashes without their checkpoint": packed([Proofs.step, 0, 0, b"", [ID], []]),
    "an unknown reason": packed([Refusal.step, ID, "because", "", []]),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_bytes_that_are_no_message(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)
    with pytest.raises(Malformed):
        received(NETWORK, OpenAccount, encode_signed(body))


def test_what_the_cases_change_was_well_formed() -> None:
    assert decode(follow(0)) == Follow(log=ID, shard=0, start=0)
    assert decode(packed([CatalogueOf.step, ID, "item"])) == CatalogueOf(merchant=ID, after="item")
    assert decode(packed([WithdrawC.step, ID, ID, [LONG], 0])) == WithdrawC(bank=ID, brand=ID, blinded=(LONG,), until=0)
    assert decode(packed([ProofsOf.step, ID, 0, 256, 0])) == ProofsOf(log=ID, shard=0, start=256, beyond=0)
    assert decode(packed([Proofs.step, 0, 0, b"note", [ID], []])).leaves == (ID,)
    assert decode(packed([Terms.step, ID, SECONDS_MAX, 0])).claim_seconds == SECONDS_MAX
    assert len(BODIES) >= 60


def encode_signed(body: bytes) -> bytes:
    """The frame's payload of a signed message, whatever the body is."""
    return packed([body, [[KEYS[0].public, KEYS[0].sign(body)]]])


# Signatures.

ASKED = OpenAccount(bank=ID)
SMALL_ORDER = bytes(32)  # the neutral element's y coordinate is 1; 0 is of order 4


def signed(said: Message = ASKED, network: str = NETWORK, keys: list[SigningKey] = KEYS[:1]) -> Signed:
    return Signer(network, *keys).sign(said)


def fields(said: Signed) -> list[Any]:
    return [said.body, [[each.signer, each.signature] for each in said.signatures]]


def resigned(signer: bytes, signature: bytes) -> bytes:
    return packed([encode(ASKED), [[signer, signature]]])


def several(*order: int) -> bytes:
    body, signatures = fields(signed(keys=KEYS))
    return packed([body, [signatures[number] for number in order]])


SIGNED: dict[str, Callable[[], bytes]] = {
    "no signature": lambda: packed([encode(ASKED), []]),
    "no wrapper": lambda: encode(ASKED),
    "no body": lambda: packed([b"", fields(signed())[1]]),
    "a list for the body": lambda: packed([[OpenAccount.step, ID], fields(signed())[1]]),
    "signers in descending order": lambda: several(1, 0),
    "a signer twice": lambda: several(0, 0),
    "too many signers": lambda: packed([encode(ASKED), [[bytes([n]) * 32, bytes(64)] for n in range(65)]]),
    "one of two signatures wrong": lambda: packed(
        [encode(ASKED), [fields(signed())[1][0], [KEYS[1].public, bytes(64)]]]
    ),
    "a signature by another": lambda: resigned(KEYS[1].public, signed().signatures[0].signature),
    "a signature over another step": lambda: resigned(
        KEYS[0].public, KEYS[0].sign(packed(["anonnet/1", NETWORK, 49, encode(ASKED)]))
    ),
    "a signature in another network": lambda: encode(signed(network="other")),
    "a signature without the domain": lambda: resigned(KEYS[0].public, KEYS[0].sign(encode(ASKED))),
    "a signature under another version": lambda: resigned(
        KEYS[0].public, KEYS[0].sign(packed(["anonnet/2", NETWORK, OpenAccount.step, encode(ASKED)]))
    ),
    "a signature over another body": lambda: packed([encode(OpenAccount(bank=bytes(32))), fields(signed())[1]]),
    "a signer of small order": lambda: resigned(SMALL_ORDER, bytes(64)),
    "a signer that is no point": lambda: resigned(b"\xff" * 32, bytes(64)),
    "a short signer": lambda: resigned(KEYS[0].public[1:], signed().signatures[0].signature),
    "a short signature": lambda: resigned(KEYS[0].public, signed().signatures[0].signature[1:]),
    "s + L for s": lambda: resigned(KEYS[0].public, malleated(signed().signatures[0])),
    "another signed step": lambda: encode(signed(Terms(bank=ID, claim_seconds=0, lead_seconds=0))),
    "trailing bytes": lambda: encode(signed()) + b"\0",
    "a third field": lambda: packed([*fields(signed()), 0]),
}

L = 2**252 + 27742317777372353535851937790883648493


def malleated(made: Signature) -> bytes:
    """The same signature, its scalar written as another number of the same class (RFC 8032, section 8.4)."""
    scalar = int.from_bytes(made.signature[32:], "little") + L
    return made.signature[:32] + scalar.to_bytes(32, "little")


@pytest.mark.parametrize("made", SIGNED.values(), ids=SIGNED.keys())
def test_bytes_that_are_no_signed_message(made: Callable[[], bytes]) -> None:
    assert received(NETWORK, OpenAccount, encode(signed())).signer == KEYS[0].public

    with pytest.raises(Malformed):
        received(NETWORK, OpenAccount, made())


def test_an_unsigned_step_has_no_wrapper() -> None:
    with pytest.raises(Malformed):
        received(NETWORK, TimeOf, packed([encode(TimeOf(log=ID)), []]))
    with pytest.raises(Malformed):
        received(NETWORK, TimeOf, encode(Follow(log=ID, shard=0, start=0)))


def test_a_step_with_one_signer_has_one() -> None:
    with pytest.raises(Malformed):
        _ = received(NETWORK, OpenAccount, encode(signed(keys=KEYS))).signer


def token(number: int) -> Token:
    return Token(brand=ID, public_key=KEYS[number].public, signature=bytes([number + 1]) * 256)


PAID = sorted((Payment(token=token(number), amount=1) for number in (0, 1)), key=lambda payment: payment.token.id)


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (1, 1)], ids=["unsorted", "repeated", "the other repeated"])
def test_tokens_stand_in_ascending_order_each_once(order: tuple[int, int]) -> None:
    transaction = Transaction(number=ID, expiration=1, merchant=ID, log=ID)
    good = AuthorizationQ(bank=ID, transaction=transaction, payments=tuple(PAID))
    body = msgpack.unpackb(encode(good))
    body[-1] = [body[-1][number] for number in order]

    with pytest.raises(Malformed):
        decode(packed(body))
    with pytest.raises(Malformed):
        AuthorizationQ(bank=ID, transaction=transaction, payments=tuple(PAID[number] for number in order))


@pytest.mark.parametrize("keys", [KEYS[:1], [*KEYS, SigningKey(bytes(32))]], ids=["one is missing", "one too many"])
def test_exactly_the_tokens_keys_sign_a_payment(keys: list[SigningKey]) -> None:
    transaction = Transaction(number=ID, expiration=1, merchant=ID, log=ID)
    good = AuthorizationQ(bank=ID, transaction=transaction, payments=tuple(PAID))
    check_authorization_q(received(NETWORK, AuthorizationQ, encode(signed(good, keys=KEYS))))

    with pytest.raises(Malformed):
        check_authorization_q(received(NETWORK, AuthorizationQ, encode(signed(good, keys=keys))))


@pytest.mark.parametrize("wrong", [1.0, True, None, "1", b"1", -1, 2**53 + 1, 2**70], ids=repr)
def test_what_could_not_be_received_cannot_be_made(wrong: Any) -> None:
    with pytest.raises(Malformed):
        Follow(log=ID, shard=0, start=wrong)


def test_text_that_utf_8_cannot_write_cannot_be_made() -> None:
    with pytest.raises(Malformed):
        CatalogueOf(merchant=ID, after="\ud800")
    with pytest.raises(Malformed):
        Follow(log=bytearray(ID), shard=0, start=0)  # type: ignore[arg-type]


# Frames.

WHOLE = bytes(frame(TimeOf(log=ID), 7))


def header(length: int, step: int = TimeOf.step) -> bytes:
    return HEADER.pack(length, step, 1)


HEADERS = {
    "length 0": header(0),
    "a length below the header's rest": header(5),
    "no payload": header(6),
    "one byte over the step's cap": header(6 + KIB + 1),
    "over every cap": header(6 + FRAME_MAX + 1, Refusal.step),
    "length 2^32 - 1": header(2**32 - 1),
    "an unknown step": header(40, 9999),
    "step 0": header(40, 0),
    "a good frame, then a bad one": WHOLE + header(0),
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS.keys())
def test_a_bad_header_is_refused_before_its_payload_comes(data: bytes) -> None:
    with pytest.raises(Malformed):
        Frames().feed(data)
    with pytest.raises(Malformed):
        byte_by_byte(Frames(), data)


def byte_by_byte(frames: Frames, data: bytes) -> None:
    for byte in data:
        frames.feed(bytes([byte]))


def test_frames_come_whole_however_the_bytes_come() -> None:
    def cut(size: int) -> Iterator[bytes]:
        return (stream[at : at + size] for at in range(0, len(stream), size))

    stream = WHOLE * 50
    for size in (1, 7, len(WHOLE), len(WHOLE) + 1, len(stream)):
        frames = Frames()
        found = [each for data in cut(size) for each in frames.feed(data)]
        assert [bytes(each) for each in found] == [WHOLE] * 50
        assert not frames.partial
    frames.feed(WHOLE[:-1])
    assert frames.partial


def test_a_frame_may_have_the_size_of_its_cap() -> None:
    (found,) = Frames().feed(header(6 + KIB) + bytes(KIB))

    with pytest.raises(Malformed):
        received(NETWORK, TimeOf, found.payload)
