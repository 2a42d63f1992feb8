"""Ed25519 identities: one verifier, one form of each signature, and no key under which that would not hold."""

from __future__ import annotations

import pytest
from nacl import bindings

from anonnet.crypto.keys import SigningKey, is_sound, verify

L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
# The points of order 1, 2, 4, 8 and their encodings that are not canonical (y >= p, or the sign bit on x = 0).
SMALL_ORDER = [
    (1).to_bytes(32, "little"),
    (P - 1).to_bytes(32, "little"),
    bytes(32),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
NOT_CANONICAL = [
    P.to_bytes(32, "little"),
    (P + 1).to_bytes(32, "little"),
    bytes.fromhex("0100000000000000000000000000000000000000000000000000000000000080"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    b"\xff" * 32,
]


def test_rfc_8032_vector_2() -> None:
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))

    assert key.public.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verify(key.public, b"\x72", key.sign(b"\x72"))


def test_nothing_else_verifies() -> None:
    key, other = SigningKey(bytes(32)), SigningKey(b"1" * 32)
    signature = key.sign(b"message")

    assert not verify(other.public, b"message", signature)
    assert not verify(key.public, b"massage", signature)
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64), signature[:32] + bytes(32)):
        assert not verify(key.public, b"message", wrong)
    for wrong in (b"", key.public[:-1], key.public + b"\0"):
        assert not verify(wrong, b"message", signature)


def test_a_signature_with_s_plus_l_is_refused() -> None:
    key = SigningKey(bytes(32))
    signature = key.sign(b"message")
    malleated = signature[:32] + (int.from_bytes(signature[32:], "little") + L).to_bytes(32, "little")

    assert not verify(key.public, b"message", malleated)


@pytest.mark.parametrize("public", SMALL_ORDER + NOT_CANONICAL, ids=bytes.hex)
def test_small_order_and_non_canonical_keys_are_unsound(public: bytes) -> None:
    assert not is_sound(public)
    assert not verify(public, b"message", public + bytes(32))


def test_mixed_order_keys_are_unsound() -> None:
    good = SigningKey(bytes(32)).public
    mixed = [bindings.crypto_core_ed25519_add(good, point) for point in SMALL_ORDER[1:]]

    assert is_sound(good)
    assert not any(is_sound(public) for public in mixed)
    assert not any(is_sound(wrong) for wrong in (b"", good[:-1], good + b"\0"))


def test_secrets_do_not_show() -> None:
    key = SigningKey(b"\x5a" * 32)
    assert "5a5a" not in repr(key) + str(key)
    with pytest.raises(ValueError, match="32"):
        SigningKey(b"short")
