"""Brands (paper, sections "Withdrawal and Exchange" and "Data Management").

"The brand of a token specifies the method used to create the token as well as the properties (e.g., denomination)
associated with the token." A bank signs each brand and its terms; a key proof beside the brand shows that its RSA
exponent fits its modulus (design: blind signatures).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from anonnet.crypto.blind import Method, PublicKey, check_key_proof
from anonnet.crypto.hashing import H, Label
from anonnet.errors import Malformed
from anonnet.limits import BRANDS_MAX, FRAME_MAX, KIB, ROOTS_MAX, SMALL_FRAME_MAX
from anonnet.protocol.fields import Currency, Hash, Key, Modulus, Name, Seconds, SomeUnits
from anonnet.protocol.steps import Step
from anonnet.times import (
    BRAND_NOTICE_SECONDS,
    BRAND_WINDOW_SECONDS_MIN,
    CLAIM_SECONDS,
    FREED_SECONDS,
    RENEW_SHARE,
    WITHDRAW_LIFE_SECONDS_MIN,
)
from anonnet.wire.codec import Between, Message, Record, encode, message, record
from anonnet.wire.signed import Signed, checked

BRANDS_REMEMBERED = 4 * BRANDS_MAX


@message(Step.BRAND, signed=True, frame_max=SMALL_FRAME_MAX)
class Brand(Message):
    """One kind of token of one bank; signed by it. Withdrawals are open in [opens, closes], spending until `ends`."""

    bank: Key
    method: Name
    modulus: Modulus
    key_proof: Hash
    currency: Currency
    denomination: SomeUnits
    opens: Seconds
    closes: Seconds
    ends: Seconds

    def check(self) -> None:
        if self.method not in set(Method):
            raise Malformed(f"no such method: {self.method}")
        if self.closes - self.opens < BRAND_WINDOW_SECONDS_MIN or self.ends < self.closes:
            raise Malformed("a brand's window is too short, or it ends before it closes")

    @property
    def id(self) -> bytes:
        """What tokens name."""
        return _id(self)

    @property
    def renewed_from(self) -> int:
        """From this second on, wallets exchange what they have of this brand for tokens of another one."""
        return self.ends - max((self.ends - self.opens) // RENEW_SHARE, WITHDRAW_LIFE_SECONDS_MIN)

    @property
    def withdrawn_until(self) -> int:
        """The last second at which a wallet withdraws: the brand is open, and its end is not near."""
        return min(self.closes, self.ends - WITHDRAW_LIFE_SECONDS_MIN)

    @property
    def pays_until(self) -> int:
        """The latest expiration of a sale that its tokens pay: when no outcome can be had, the lock ends with the claim
        time, and the tokens must be exchanged before they are worth nothing."""
        return self.ends - CLAIM_SECONDS - FREED_SECONDS

    def announced_in_time(self, time: int) -> bool:
        """True if an entry of this time stands in a log's chain long enough before the brand opens."""
        return time + BRAND_NOTICE_SECONDS <= self.opens

    def competes(self, other: Brand) -> bool:
        """True if a bank could sign for some under the one and for others under the other at the same time, and so
        tell its customers apart."""
        alike = (self.bank, self.currency, self.denomination) == (other.bank, other.currency, other.denomination)
        return alike and self.opens <= other.closes and other.opens <= self.closes

    @property
    def public_key(self) -> PublicKey:
        """The RSA key under which this brand's tokens are signed. Raises Malformed."""
        return _public_key(self)


@lru_cache(BRANDS_REMEMBERED)  # every token that is made or checked asks for both
def _id(brand: Brand) -> bytes:
    return H(Label.BRAND, encode(brand))


@lru_cache(BRANDS_REMEMBERED)
def _public_key(brand: Brand) -> PublicKey:
    return PublicKey.from_bytes(Method(brand.method), brand.modulus)


@record
class BrandOffer(Record):
    """A signed brand and the roots of its key proof."""

    brand: Signed
    roots: Annotated[tuple[Modulus, ...], Between(1, ROOTS_MAX)]


@message(Step.TERMS, signed=True, frame_max=SMALL_FRAME_MAX)
class Terms(Message):
    """What a bank promises to everybody; signed by it.

    A lock ends `claim_seconds` after the expiration at the latest; no expiration further than `lead_seconds` ahead is
    accepted.
    """

    bank: Key
    claim_seconds: Seconds
    lead_seconds: Seconds


@message(Step.BRANDS_OF, signed=False, frame_max=KIB)
class BrandsOf(Message):
    """C -> B: which brands are there?"""

    bank: Key


@message(Step.BRANDS, signed=False, frame_max=FRAME_MAX)
class Brands(Message):
    """B -> C: the terms and the brands that are not yet at their end."""

    terms: Signed
    offers: Annotated[tuple[BrandOffer, ...], Between(0, BRANDS_MAX)]


def proof_hash(roots: tuple[bytes, ...]) -> bytes:
    """What a brand says of its key proof."""
    return H(Label.KEY_PROOF, *roots)


def accepted(network: str, bank: bytes, offer: BrandOffer) -> Brand:
    """Check an offered brand whole: signed by this bank, its key proven. Raises Malformed."""
    signed = checked(network, offer.brand, Brand)
    brand = signed.body
    if signed.signer != bank or brand.bank != bank:
        raise Malformed("a brand of another bank")
    if proof_hash(offer.roots) != brand.key_proof or not check_key_proof(brand.public_key, offer.roots):
        raise Malformed("the key proof of a brand does not hold")
    return brand
