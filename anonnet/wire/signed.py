"""Signed messages: the exact bytes that were signed, by whom, and the signatures over them.

A signature covers msgpack ["anonnet/1", network, step, body]: what is signed for one step, or in one network, never
verifies for another. The body is kept as it came and never encoded again, since it is evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Generic, TypeVar

import msgpack

from anonnet.crypto.hashing import H, Label
from anonnet.crypto.keys import SigningKey, is_sound, verify
from anonnet.errors import Malformed
from anonnet.limits import FRAME_MAX, SIGNATURES_MAX
from anonnet.wire.codec import Between, Message, Record, decode, decode_record, encode, record, step_of

DOMAIN = "anonnet/1"
"""The first thing under every signature: this protocol, in its first version."""

M_co = TypeVar("M_co", bound=Message, covariant=True)
M = TypeVar("M", bound=Message)


@record
class Signature(Record):
    """One signer's Ed25519 signature (RFC 8032)."""

    signer: Annotated[bytes, Between(32, 32)]
    signature: Annotated[bytes, Between(64, 64)]


@record
class Signed(Record):
    """A message as its signers wrote it, the signers in ascending order; a step that nobody signs has none."""

    body: Annotated[bytes, Between(1, FRAME_MAX)]
    signatures: Annotated[tuple[Signature, ...], Between(0, SIGNATURES_MAX)]

    def check(self) -> None:
        signers = [each.signer for each in self.signatures]
        if any(left >= right for left, right in pairwise(signers)):
            raise Malformed("signers do not stand in ascending order")

    @property
    def step(self) -> int:
        """The step of the body, read from its first bytes without decoding the rest. Raises Malformed."""
        return step_of(self.body)

    @property
    def hash(self) -> bytes:
        """What a refusal names, and what tells two requests apart: signatures do not count, bodies do."""
        return H(Label.REQUEST, self.body)


def paper_or_none(data: bytes | None) -> Signed | None:
    """A signed message as a table keeps it, where it has come."""
    return decode_record(Signed, data) if data else None


def _covered(network: str, step: int, body: bytes) -> bytes:
    covered: bytes = msgpack.packb((DOMAIN, network, step, body))
    return covered


class Signer:
    """A signing key in one network."""

    def __init__(self, network: str, *keys: SigningKey) -> None:
        self.network = network
        self._keys = sorted(keys, key=lambda key: key.public)

    def sign(self, said: Message) -> Signed:
        """Sign a message with every key. The result is the same whenever it is done again."""
        assert said.signed, f"{type(said).__name__} is not a signed step"
        body = encode(said)
        covered = _covered(self.network, said.step, body)
        signatures = [Signature(signer=key.public, signature=key.sign(covered)) for key in self._keys]
        return Signed(body=body, signatures=tuple(signatures))


_DOOR = object()
"""What only this module has, so that nothing else builds a Checked."""


@dataclass(frozen=True, slots=True)
class Checked(Generic[M_co]):
    """A message whose bytes and signatures have been checked. Only `checked` and `unsigned` make one."""

    body: M_co
    signed: Signed
    door: Any

    def __post_init__(self) -> None:
        assert self.door is _DOOR, "a Checked is made by checking"

    @property
    def signers(self) -> tuple[bytes, ...]:
        return tuple(each.signer for each in self.signed.signatures)

    @property
    def signer(self) -> bytes:
        """The one signer. Raises Malformed if there are none or several."""
        if len(self.signed.signatures) != 1:
            raise Malformed(f"{type(self.body).__name__} has one signer")
        return self.signed.signatures[0].signer


def checked(network: str, signed: Signed, kind: type[M]) -> Checked[M]:
    """Check a signed message of the step `kind`: its one encoding, sound keys, every signature. Raises Malformed."""
    body = decode(signed.body)
    if type(body) is not kind or not kind.signed:
        raise Malformed(f"{kind.__name__} was expected, not {type(body).__name__}")
    if not signed.signatures:
        raise Malformed(f"{kind.__name__} without a signature")
    covered = _covered(network, kind.step, signed.body)
    for each in signed.signatures:
        if not is_sound(each.signer) or not verify(each.signer, covered, each.signature):
            raise Malformed(f"{kind.__name__}: a signature does not hold")
    return Checked(body, signed, _DOOR)


def said_in(kept: Signed | None, kind: type[M]) -> M:
    """The body of a paper that is there, and was checked to be of this kind before it was kept."""
    assert kept is not None, f"{kind.__name__} is not there yet"
    body = decode(kept.body)
    assert isinstance(body, kind)
    return body


def unsigned(body: M) -> Checked[M]:
    """A message of a step that nobody signs, in the same dress."""
    assert not body.signed, f"{type(body).__name__} is a signed step"
    return Checked(body, Signed(body=encode(body), signatures=()), _DOOR)


def payload(said: Message | Signed) -> bytes:
    """What stands in a frame: a signed message with its signatures, or a message alone."""
    return encode(said)


def received(network: str, kind: type[M], data: bytes) -> Checked[M]:
    """Read and check what stands in a frame of the step `kind`. Raises Malformed."""
    if kind.signed:
        return checked(network, decode_record(Signed, data), kind)
    body = decode(data)
    if type(body) is not kind:
        raise Malformed(f"a frame of {kind.__name__} holds {type(body).__name__}")
    return Checked(body, Signed(body=data, signatures=()), _DOOR)  # decoding has shown that this is its encoding
