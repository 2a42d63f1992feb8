"""Sealed goods: a chunk opens at its own place, whole and unchanged, or not at all."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from anonnet.crypto.hashing import Label, hkdf
from anonnet.crypto.sealing import CHUNK_BYTES, TAG_BYTES, Sealer, chunk_count
from anonnet.errors import Malformed

K = bytes(range(32))
FULL = b"\x07" * CHUNK_BYTES


def sealed(*plaintexts: bytes) -> list[bytes]:
    """Seal a whole file."""
    sealer = Sealer(K)
    return [sealer.seal(i, i == len(plaintexts) - 1, plaintext) for i, plaintext in enumerate(plaintexts)]


def test_a_file_comes_back() -> None:
    chunks = sealed(FULL, FULL, b"end")

    sealer = Sealer(K)
    assert [sealer.open(i, i == 2, chunk) for i, chunk in enumerate(chunks)] == [FULL, FULL, b"end"]
    assert [len(chunk) - TAG_BYTES for chunk in chunks] == [CHUNK_BYTES, CHUNK_BYTES, 3]


def test_the_construction_is_that_of_age() -> None:
    cipher = ChaCha20Poly1305(hkdf(K, Label.GOODS))

    first, last = sealed(FULL, b"end")

    assert first == cipher.encrypt(bytes(12), FULL, None)
    assert last == cipher.encrypt(bytes(10) + b"\x01\x01", b"end", None)


def test_tampered_swapped_and_truncated_chunks_are_refused() -> None:
    first, second, last = sealed(FULL, FULL, FULL)
    sealer = Sealer(K)

    wrong = [
        (0, False, second),  # swapped
        (1, False, first),
        (1, True, second),  # the file ends early
        (2, False, last),  # the file goes on
        (3, True, last),
        (0, False, bytes([first[0] ^ 1]) + first[1:]),
        (0, False, first[:-1] + bytes([first[-1] ^ 1])),
        (2, True, last[:-1]),
        (2, True, last + b"\0"),
        (0, False, b""),
        (0, True, bytes(TAG_BYTES - 1)),
    ]
    for index, is_last, chunk in wrong:
        with pytest.raises(Malformed):
            sealer.open(index, is_last, chunk)
    with pytest.raises(Malformed):
        Sealer(bytes(32)).open(0, False, first)


def test_a_file_has_one_sealed_form() -> None:
    sealer = Sealer(K)
    assert sealer.open(0, True, sealer.seal(0, True, b"")) == b""
    for index, last, plaintext in [(1, True, b""), (0, False, b"short"), (0, True, FULL + b"."), (0, False, b"")]:
        with pytest.raises(ValueError):
            sealer.seal(index, last, plaintext)
    cipher = ChaCha20Poly1305(hkdf(K, Label.GOODS))
    with pytest.raises(Malformed):
        sealer.open(1, True, cipher.encrypt(bytes(10) + b"\x01\x01", b"", None))


@pytest.mark.parametrize(
    ("size", "chunks"), [(0, 1), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (10 * CHUNK_BYTES, 10), (2**40, 2**24)]
)
def test_chunk_count(size: int, chunks: int) -> None:
    assert chunk_count(size) == chunks
