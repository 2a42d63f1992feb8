"""Goods, sealed in chunks of 64 KiB: the STREAM construction as `age` uses it (design: D8; age v1, payload).

Each chunk is ChaCha20-Poly1305 under one key, with the nonce (11-byte big-endian index || 1 for the last chunk, else 0)
and no associated data. So a chunk opens only at its own place, and a stream cut short has no last chunk. All chunks but
the last are full; only the one chunk of an empty file is empty: a file has one sealed form.

Nonces never repeat because each k seals one file. The AEAD does not commit to its key: n commits to k instead (D1).
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anonnet.crypto.hashing import Label, hkdf
from anonnet.errors import Malformed

CHUNK_BYTES = 65536  # of plaintext
TAG_BYTES = 16


def chunk_count(size: int) -> int:
    """Return how many chunks a file of `size` bytes makes; an empty one makes one."""
    if size < 0:
        raise ValueError("a file has no negative size")
    return max(1, -(-size // CHUNK_BYTES))


def _fits(index: int, last: bool, size: int) -> bool:
    """Tell whether a chunk of `size` plaintext bytes may stand at `index`."""
    if not last:
        return size == CHUNK_BYTES
    return (0 if index == 0 else 1) <= size <= CHUNK_BYTES


class Sealer:
    """Seals and opens the chunks of one file under the merchandise key k (32 secret bytes)."""

    def __init__(self, k: bytes) -> None:
        self._cipher = ChaCha20Poly1305(hkdf(k, Label.GOODS))

    def seal(self, index: int, last: bool, plaintext: bytes) -> bytes:
        """Return chunk `index` (from 0), TAG_BYTES longer than `plaintext`; ValueError unless it has a chunk's size."""
        if not _fits(index, last, len(plaintext)):
            raise ValueError(f"{len(plaintext)} bytes do not make chunk {index}")
        return self._cipher.encrypt(_nonce(index, last), plaintext, None)

    def open(self, index: int, last: bool, ciphertext: bytes) -> bytes:
        """Return the plaintext of chunk `index`; Malformed unless it is that very chunk, whole and unchanged."""
        if not _fits(index, last, len(ciphertext) - TAG_BYTES):
            raise Malformed("a chunk of goods of wrong size")
        try:
            return self._cipher.decrypt(_nonce(index, last), ciphertext, None)
        except InvalidTag:
            raise Malformed("a chunk of goods that its key does not open") from None


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])
