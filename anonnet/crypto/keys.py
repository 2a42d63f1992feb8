"""Ed25519 identities (RFC 8032) by PyNaCl, that is libsodium: signing, the one verifier, and the check of foreign keys.

Rules: one verifier only and no batch verification, since verifiers differ on odd signatures; a key that somebody else
chose passes `is_sound` once, when it is registered or first seen. Key files are not read here.
"""

from __future__ import annotations

import functools

from nacl import bindings
from nacl.exceptions import BadSignatureError

PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64
SOUND_KEYS_REMEMBERED = 4096  # a check costs a scalar multiplication; a flood of new keys only costs that much again


class SigningKey:
    """An identity: signs messages under a key made from a 32-byte seed. Its repr shows the public half alone."""

    def __init__(self, seed: bytes) -> None:
        """Take the seed, exactly 32 secret bytes (ValueError otherwise)."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a signing key is made from {SEED_BYTES} bytes, not {len(seed)}")
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes, the same each time for the same message."""
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.public.hex()[:16]}...)"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is one of `message` under `public`; False for wrong lengths too.

    libsodium refuses S >= L, and R or keys of small order, so nobody can turn one valid signature into another.
    """
    if len(public) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


@functools.lru_cache(maxsize=SOUND_KEYS_REMEMBERED)
def is_sound(public: bytes) -> bool:
    """Tell whether `public` is a canonical point of the prime-order group: not of small order, not of mixed order.

    Under an unsound key one signature could verify for many messages, or for one verifier and not for another.
    """
    return len(public) == PUBLIC_KEY_BYTES and bool(bindings.crypto_core_ed25519_is_valid_point(public))
