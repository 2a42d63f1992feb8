"""Message encodings of RSA signatures: EMSA-PSS (RFC 8017, section 9.1), and the paper's full-domain hash.

Both with SHA-384 and MGF1-SHA-384. `bits` is always |n| - 1, so that an encoded message, read as a big-endian integer,
is below n; it is ceil(bits / 8) bytes long.
"""

from __future__ import annotations

import hashlib

from anonnet.crypto.hashing import same

DIGEST_BYTES = 48  # SHA-384
TRAILER = b"\xbc"


def mgf1(seed: bytes, length: int) -> bytes:
    """Return `length` bytes of MGF1-SHA-384 of `seed` (RFC 8017, appendix B.2.1)."""
    counters = range(-(-length // DIGEST_BYTES))
    return b"".join(hashlib.sha384(seed + i.to_bytes(4, "big")).digest() for i in counters)[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def _cut(value: bytes, bits: int) -> bytes:
    """Clear the leftmost bits of the first byte that lie outside `bits` (counted for the whole encoded message)."""
    return bytes([value[0] & (0xFF >> (-bits % 8))]) + value[1:]


def _salted_digest(message: bytes, salt: bytes) -> bytes:
    return hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()


def pss_encode(message: bytes, bits: int, salt: bytes) -> bytes:
    """Return EMSA-PSS-ENCODE(message, bits) with this salt. Room for it is a matter of the caller's smallest key."""
    digest = _salted_digest(message, salt)
    block = b"\x01" + salt
    block = block.rjust(-(-bits // 8) - DIGEST_BYTES - 1, b"\0")
    return _cut(_xor(block, mgf1(digest, len(block))), bits) + digest + TRAILER


def pss_fits(message: bytes, encoded: bytes, bits: int, salt_length: int) -> bool:
    """Tell whether `encoded` is an EMSA-PSS encoding of `message` with a salt of exactly `salt_length` bytes.

    The salt is read out, then the whole string is compared with its encoding: no byte is left unchecked.
    """
    if len(encoded) != -(-bits // 8):
        return False
    masked, digest = encoded[: -DIGEST_BYTES - 1], encoded[-DIGEST_BYTES - 1 : -1]
    block = _xor(masked, mgf1(digest, len(masked)))
    return same(pss_encode(message, bits, block[len(block) - salt_length :]), encoded)


def full_domain_hash(message: bytes, bits: int) -> bytes:
    """Return MGF1-SHA-384 of `message`, cut to `bits` bits: the paper's full-domain hash (design: D6)."""
    return _cut(mgf1(message, -(-bits // 8)), bits)
