"""Which brands a wallet accepts: signed by the bank itself, under a key that is proven to blind what it signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from anonnet.errors import Malformed
from anonnet.protocol.brand import Brand, BrandOffer, accepted, proof_hash
from anonnet.wire.signed import Signer
from tests.stage import NETWORK, key_of, mint

BANK = key_of("bank")
GOOD, OTHER = (each.offer for each in mint(BANK, {1: "2048-a", 2: "2048-b"}))
BRAND = accepted(NETWORK, BANK.public, GOOD)


def signed(
    brand: Brand, *, roots: tuple[bytes, ...] = GOOD.roots, by: str = "bank", network: str = NETWORK
) -> BrandOffer:
    return BrandOffer(brand=Signer(network, key_of(by)).sign(brand), roots=roots)


def one_root_changed() -> BrandOffer:
    """A bank that has no root of one challenge, as where e divides phi(n), signs for what it has instead."""
    roots = (GOOD.roots[1], *GOOD.roots[1:])
    return signed(replace(BRAND, key_proof=proof_hash(roots)), roots=roots)


WRONG: dict[str, Callable[[], BrandOffer]] = {
    "a root that is none": one_root_changed,
    "a root too few": lambda: signed(replace(BRAND, key_proof=proof_hash(GOOD.roots[1:])), roots=GOOD.roots[1:]),
    "the proof of another key": lambda: signed(replace(BRAND, key_proof=proof_hash(OTHER.roots)), roots=OTHER.roots),
    "a proof that the bank did not sign for": lambda: signed(BRAND, roots=OTHER.roots),
    "signed by another": lambda: signed(BRAND, by="other"),
    "a brand of another bank": lambda: signed(replace(BRAND, bank=key_of("other").public)),
    "signed in another network": lambda: signed(BRAND, network="another"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_brand_that_no_wallet_accepts(name: str) -> None:
    with pytest.raises(Malformed):
        accepted(NETWORK, BANK.public, WRONG[name]())


def test_the_brand_that_was_changed_is_a_good_one() -> None:
    assert accepted(NETWORK, BANK.public, signed(BRAND)) == BRAND
