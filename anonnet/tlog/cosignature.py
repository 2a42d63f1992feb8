"""Cosignatures with a time, type 0x04 (C2SP tlog-cosignature v1.0.1, "Ed25519 signed message").

A cosigner says: as of this time, the largest consistent tree that I observed for this origin is the one of this
checkpoint. A time of 0 says nothing about time. The signature does not cover the cosigner's name, so that a cosigner
has one key for each role. Times are whole POSIX seconds.
"""

from __future__ import annotations

from anonnet.crypto.keys import SigningKey, verify
from anonnet.errors import Malformed
from anonnet.limits import TREE_SIZE_MAX

TIME_BYTES = 8


def message(text: str, time: int) -> bytes:
    """Return what a cosigner signs: a header, the time in seconds, and the checkpoint's whole body."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def sign(key: SigningKey, text: str, time: int) -> bytes:
    """Return the 72 bytes of a cosignature made at `time` seconds; ValueError unless 0 < time < 2**63."""
    if not 0 < time <= TREE_SIZE_MAX:
        raise ValueError("a cosignature has a time after 1970 in 63 bits")
    return time.to_bytes(TIME_BYTES, "big") + key.sign(message(text, time))


def time_of(public: bytes, text: str, value: bytes) -> int:
    """Check the 72 bytes of a cosignature and return its time in seconds. Raises Malformed."""
    time = int.from_bytes(value[:TIME_BYTES], "big")
    if time > TREE_SIZE_MAX:  # "It MUST NOT exceed 2^63 - 1"
        raise Malformed("a cosignature's time is out of bounds")
    if not verify(public, message(text, time), value[TIME_BYTES:]):  # which has 64 bytes, or does not hold
        raise Malformed("a cosignature does not hold")
    return time
