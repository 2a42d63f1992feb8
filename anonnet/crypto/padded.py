"""One short message, sealed so that neither its content nor its length can be seen.

ChaCha20-Poly1305 under HKDF(secret); the nonce is a number of the caller's, who never gives one for two plaintexts of
one secret. The plaintext is its length in 16 bits, itself, and zeros up to PADDED_BYTES. The AEAD does not commit
to its key: who opens knows the one secret that counts.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anonnet.crypto.hashing import Label, hkdf
from anonnet.crypto.sealing import TAG_BYTES
from anonnet.errors import Malformed

PADDED_BYTES = 512
"""A signed authorization_m with all its optional fields takes some 350."""
SEALED_BYTES = PADDED_BYTES + TAG_BYTES
LENGTH_BYTES = 2


def seal(secret: bytes, nonce: int, message: bytes, context: bytes) -> bytes:
    """Return SEALED_BYTES; ValueError for a message that is too long. `context` is authenticated and not in it."""
    if len(message) > PADDED_BYTES - LENGTH_BYTES:
        raise ValueError(f"{len(message)} bytes are too long to be padded")
    padded = (len(message).to_bytes(LENGTH_BYTES, "big") + message).ljust(PADDED_BYTES, b"\0")
    return _cipher(secret).encrypt(_nonce(nonce), padded, context)


def unseal(secret: bytes, nonce: int, sealed: bytes, context: bytes) -> bytes:
    """Return the message. Raises Malformed unless it was sealed so, padding and all."""
    try:
        padded = _cipher(secret).decrypt(_nonce(nonce), sealed, context)
    except InvalidTag:
        raise Malformed("this secret does not open it") from None
    size = int.from_bytes(padded[:LENGTH_BYTES], "big")
    message, rest = padded[LENGTH_BYTES : LENGTH_BYTES + size], padded[LENGTH_BYTES + size :]
    if len(padded) != PADDED_BYTES or len(message) != size or any(rest):
        raise Malformed("padded in another way")
    return message


def _cipher(secret: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(secret, Label.ENTRY))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
