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
    """Tokens of a withdrawal and of an exchange are counted apart."""

    WITHDRAWAL = "withdrawal"
    EXCHANGE = "exchange"


def account_key(seed: bytes, bank: bytes) -> SigningKey:
    """The key of the wallet's account at this bank."""
    return SigningKey(hkdf(seed, Label.ACCOUNT_KEY, bank))


@dataclass(frozen=True)
class TokenSecrets:
    """The token at one place: its key q, and what blinds its id."""

    brand: Brand
    seed: bytes
    place: bytes

    @classmethod
    def at(cls, seed: bytes, brand: Brand, lane: Lane, index: int) -> TokenSecrets:
        """The secrets of token `index` of this lane."""
        return cls(brand, seed, b"".join((brand.bank, brand.id, lane.value.encode(), index.to_bytes(8, "big"))))

    def __repr__(self) -> str:
        return f"TokenSecrets({self.brand.id.hex()[:8]})"

    @property
    def key(self) -> SigningKey:
        """q."""
        return SigningKey(hkdf(self.seed, Label.TOKEN_KEY, self.place))

    @property
    def id(self) -> bytes:
        """The token's id, which is what the bank signs blindly."""
        return token_id(self.brand.id, self.key.public)

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
        return Token(brand=self.brand.id, public_key=key.public, signature=signature)
