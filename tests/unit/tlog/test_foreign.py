"""Two other implementations read what we write: pymerkle recomputes our trees and proofs, and sigstore accepts our
checkpoints and inclusion proofs and refuses tampered ones.

Neither is a dependency, so without them these tests skip and say so. To run them, in an environment of their own:

    python3 -m venv /tmp/foreign
    /tmp/foreign/bin/pip install . pytest pytest-trio hypothesis pymerkle==7.0.0 sigstore==4.5.1
    /tmp/foreign/bin/python -m pytest tests/unit/tlog/test_foreign.py
"""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.note import Note
from tests.unit.tlog.making import LOG_KEY, NOON, entries, signed, signer, tree

pytestmark = pytest.mark.slow

SIZE = 80
ENTRIES = entries(SIZE)
TREE = tree(ENTRIES)
ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of RFC 8410, before the 32 bytes


def foreign(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: see the docstring of {__name__}")


def test_pymerkle_computes_the_same_roots() -> None:
    theirs = foreign("pymerkle").InmemoryTree()
    assert theirs.get_root() == TREE.root(0)
    for size, entry in enumerate(ENTRIES, start=1):
        theirs.append_entry(entry)
        assert theirs.get_root() == TREE.root(size)


def test_pymerkle_makes_the_same_proofs_and_accepts_ours() -> None:
    pymerkle = foreign("pymerkle")
    theirs = pymerkle.InmemoryTree()
    theirs.append_entries(ENTRIES)
    for size in range(1, SIZE + 1, 3):
        for index in range(size):
            leaf, ours, shown = leaf_hash(ENTRIES[index]), TREE.inclusion(index, size), [index + 1, size]
            inclusion = theirs.prove_inclusion(*shown)  # pymerkle counts leaves from 1
            assert inclusion.path == [leaf, *ours]
            inclusion.path = [leaf, *ours]
            inclusion.verify(leaf, TREE.root(size), *shown)
            inclusion.path = [leaf, *ours[:-1], bytes(32)]
            with pytest.raises(pymerkle.InvalidProof):
                inclusion.verify(leaf, TREE.root(size), *shown)
            theirs.prove_consistency(*shown).verify(TREE.root(index + 1), TREE.root(size), *shown)


def keyring() -> Any:
    trust, common = foreign("sigstore._internal.trust"), foreign("sigstore_models.common.v1")
    key = common.PublicKey(
        raw_bytes=base64.b64encode(ED25519_PREFIX + LOG_KEY.public),
        key_details=common.PublicKeyDetails.PKIX_ED25519,
        valid_for=None,
    )
    return trust.Keyring([key])


def entry(index: int, size: int, body: bytes | None = None) -> Any:
    """What sigstore's verifiers read of a log entry, from our proof and our checkpoint."""
    checkpoint = signed(size, TREE.root(size), [(signer("mirror.example"), NOON)])
    proof = {
        "log_index": index,
        "tree_size": size,
        "hashes": TREE.inclusion(index, size),
        "root_hash": TREE.root(size),
        "checkpoint": SimpleNamespace(envelope=checkpoint.note.encoded().decode()),
    }
    log_id = SimpleNamespace(key_id=LOG_KEY.id)
    inner = {
        "canonicalized_body": body or ENTRIES[index],
        "log_id": log_id,
        "inclusion_proof": SimpleNamespace(**proof),
    }
    return SimpleNamespace(_inner=SimpleNamespace(**inner))


def test_sigstore_accepts_our_inclusion_proofs_and_refuses_tampered_ones() -> None:
    merkle, errors = foreign("sigstore._internal.merkle"), foreign("sigstore.errors")
    for size in range(1, SIZE + 1, 7):
        for index in range(size):
            merkle.verify_merkle_inclusion(entry(index, size))
            with pytest.raises(errors.VerificationError):
                merkle.verify_merkle_inclusion(entry(index, size, b"another entry"))
            for tampered in ([*TREE.inclusion(index, size), bytes(32)], TREE.inclusion(index, size)[:-1]):
                bad = entry(index, size)
                bad._inner.inclusion_proof.hashes = tampered
                if tampered or size > 1:
                    with pytest.raises(errors.VerificationError):
                        merkle.verify_merkle_inclusion(bad)


def test_sigstore_accepts_our_checkpoints_and_refuses_tampered_ones() -> None:
    checkpoints, errors, keys = foreign("sigstore._internal.rekor.checkpoint"), foreign("sigstore.errors"), keyring()
    for size in (1, 2, 33, SIZE):
        checkpoints.verify_checkpoint(keys, entry(0, size))

        good = entry(0, size)._inner.inclusion_proof.checkpoint.envelope
        read = checkpoints.SignedCheckpoint.from_text(good).checkpoint
        assert (read.origin, read.log_size, read.log_hash) == (LOG_KEY.name, size, TREE.root(size).hex())
        note = Note.parse(good.encode())
        for tampered in (
            good.replace(f"\n{size}\n", f"\n{size + 1}\n"),
            Note(note.text, (signer("stranger.example").sign(note.text),)).encoded().decode(),
            Note(note.text.replace("log", "bog"), note.signatures).encoded().decode(),
        ):
            assert tampered != good
            bad = entry(0, size)
            bad._inner.inclusion_proof.checkpoint.envelope = tampered
            with pytest.raises(errors.VerificationError):
                checkpoints.verify_checkpoint(keys, bad)
