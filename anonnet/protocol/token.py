"""Tokens and payments (paper, sections "Withdrawal and Exchange" and "Multiple Token Transactions").

A token is Q*: the public half Q of a fresh key pair under the bank's blind signature, "a temporary, anonymous
certificate of ownership of the withdrawn amount".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from anonnet.crypto.blind import verify
from anonnet.crypto.hashing import H, Label
from anonnet.errors import Malformed
from anonnet.protocol.brand import Brand
from anonnet.protocol.fields import Hash, Key, Modulus, SomeUnits
from anonnet.wire.codec import Between, Record, record

SERIAL_MAX = 32
"""The serial s of the variation "Reusable Customer Keys"; empty where a key serves one token."""


@record
class Token(Record):
    """Q*: (brand, Q, s, the bank's signature over the token's id)."""

    brand: Hash
    public_key: Key
    serial: Annotated[bytes, Between(0, SERIAL_MAX)] = b""
    signature: Modulus

    @property
    def id(self) -> bytes:
        """The message that was blind-signed; also the token's name in every store."""
        return token_id(self.brand, self.public_key, self.serial)

    def holds(self, brand: Brand) -> bool:
        """True if this is a token of `brand`: RSASSA verification over the whole id."""
        return self.brand == brand.id and verify(brand.public_key, self.id, self.signature)


def token_id(brand: bytes, public_key: bytes, serial: bytes = b"") -> bytes:
    """H("anonnet token", brand, Q, s)."""
    return H(Label.TOKEN, brand, public_key, serial)


@record
class Payment(Record):
    """A token and how much of it is spent."""

    token: Token
    amount: SomeUnits


def check_payments(payments: tuple[Payment, ...]) -> None:
    """Raise Malformed unless the tokens stand in ascending order of their ids: each once."""
    ids = [payment.token.id for payment in payments]
    if any(left >= right for left, right in pairwise(ids)):
        raise Malformed("tokens do not stand in ascending order")


def signers_of(payments: tuple[Payment, ...]) -> tuple[bytes, ...]:
    """Who must sign for these: every distinct q, in ascending order."""
    return tuple(sorted({payment.token.public_key for payment in payments}))


def value_of(payments: tuple[Payment, ...]) -> int:
    """What is paid in all."""
    return sum(payment.amount for payment in payments)
