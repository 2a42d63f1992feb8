"""What a wallet derives from its seed: account keys, and the secrets of each token by its place (design: the wallet is
a seed).

A place is (bank, brand, lane, index); the index is advanced durably before anything made from it is sent, and never
used twice.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from anonnet.crypto.blind import Blinded, blind, finalize
from anonnet.crypto.hashing import Label, hkdf, xof
from anonnet.crypto.keys import SigningKey
from anonnet.protocol.brand import Brand
from anonnet.protocol.token import Token, token_id


class Lane(enum.StrEnum):
    """Tokens of a withdrawal and of an exchange are counted apart, and those whose key serves several."""

    WITHDRAWAL = "withdrawal"
    EXCHANGE = "exchange"
    REUSED = "reused"


KEY_TOKENS = 16
"""How many tokens of a brand, one after the other, share a key in the lane of reused keys: what the bank can link by it
is a part of what a wallet does, not all of it. It never changes: by it a seed's tokens are found again."""
SERIAL_BYTES = 16


def account_key(seed: bytes, bank: bytes) -> SigningKey:
    """The key of the wallet's account at this bank."""
    return SigningKey(hkdf(seed, Label.ACCOUNT_KEY, bank))


def shared_by(brand: Brand, index: int) -> bytes:
    """Which key serves token `index` of the lane of reused keys; also those of the bank's other brands of this currency
    that open at the same moment, at like places."""
    group = index // KEY_TOKENS
    return brand.bank + brand.opens.to_bytes(8, "big") + group.to_bytes(8, "big") + brand.currency.encode()


@dataclass(frozen=True)
class TokenSecrets:
    """The token at one place: its key q, its serial, and what blinds its id."""

    seed: bytes
    brand: Brand
    lane: Lane
    index: int

    def __repr__(self) -> str:
        return f"TokenSecrets({self.brand.id.hex()[:8]})"

    @property
    def place(self) -> bytes:
        """Where the token's secrets are derived."""
        return b"".join((self.brand.bank, self.brand.id, self.lane.value.encode(), self.index.to_bytes(8, "big")))

    @property
    def key(self) -> SigningKey:
        """q."""
        if self.lane is Lane.REUSED:
            return SigningKey(hkdf(self.seed, Label.REUSED_KEY, shared_by(self.brand, self.index)))
        return SigningKey(hkdf(self.seed, Label.TOKEN_KEY, self.place))

    @property
    def serial(self) -> bytes:
        """s, which tells tokens of one key apart: "some serial number chosen by the consumer" (paper, Reusable Customer
        Keys), not to be guessed and in no order. Empty where the key serves no other token."""
        return hkdf(self.seed, Label.SERIAL, self.place, length=SERIAL_BYTES) if self.lane is Lane.REUSED else b""

    @property
    def id(self) -> bytes:
        """The token's id, h(Q, s), which is what the bank signs blindly."""
        return token_id(self.brand.id, self.key.public, self.serial)

    def blinded(self) -> Blinded:
        """The blinded message, and what undoes the blinding."""
        public = self.brand.public_key
        blinding = xof(self.seed, Label.TOKEN_BLINDING, self.place, length=public.blinding_bytes)
        salt = xof(self.seed, Label.TOKEN_SALT, self.place, length=public.method.salt_length)
        return blind(public, self.id, blinding=blinding, salt=salt)

    def token(self, blind_signature: bytes) -> Token:
        """Q*, from the bank's answer. Raises Malformed if the bank did not sign what it was given."""
        key, public = self.key, self.brand.public_key
        signature = finalize(public, self.id, blind_signature, self.blinded().inverse)
        return Token(brand=self.brand.id, public_key=key.public, serial=self.serial, signature=signature)
