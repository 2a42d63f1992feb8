"""Reads a log's files with pymerkle and sigstore, and nothing of ours: `python THIS KEY FOLDER...`, a line for each.

A FOLDER holds `checkpoint`, `tile/entries/...` and `proofs`: for each index a line of hashes in hex, the path from that
entry to the root of the checkpoint. KEY is the log's Ed25519 key in hex. sigstore's verifiers are given what they read
of a log entry of its own, made from these.
"""

import base64
import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pymerkle
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import verify_checkpoint
from sigstore._internal.trust import Keyring
from sigstore.errors import VerificationError
from sigstore_models.common.v1 import PublicKey, PublicKeyDetails

ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of RFC 8410, before the 32 bytes
WIDTH = 256


def entries_in(folder, size):
    found = []
    while len(found) < size:
        width = min(WIDTH, size - len(found))
        name = f"{len(found) // WIDTH:03d}" + (f".p/{width}" if width < WIDTH else "")
        data = (folder / "tile" / "entries" / name).read_bytes()
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            found.append(data[2:end])
            data = data[end:]
    return found


def shown_to_sigstore(index, size, root, path, entry, note, key_id):
    proof = SimpleNamespace(
        log_index=index, tree_size=size, hashes=path, root_hash=root, checkpoint=SimpleNamespace(envelope=note)
    )
    log_id = SimpleNamespace(key_id=key_id)
    return SimpleNamespace(_inner=SimpleNamespace(canonicalized_body=entry, log_id=log_id, inclusion_proof=proof))


def read(folder, key):
    note = (folder / "checkpoint").read_text()
    origin, size, root = note.split("\n")[:3]
    size, root = int(size), base64.b64decode(root)
    entries = entries_in(folder, size)

    tree = pymerkle.InmemoryTree()
    tree.append_entries(entries)
    if tree.get_root() != root:
        return "refused: pymerkle computes another root"

    public = PublicKey(
        raw_bytes=base64.b64encode(ED25519_PREFIX + key), key_details=PublicKeyDetails.PKIX_ED25519, valid_for=None
    )
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + key).digest()[:4]
    paths = [list(map(bytes.fromhex, line.split())) for line in (folder / "proofs").read_text().split("\n")[:size]]
    try:
        for index, (path, entry) in enumerate(zip(paths, entries, strict=True)):
            shown = shown_to_sigstore(index, size, root, path, entry, note, key_id)
            verify_merkle_inclusion(shown)
        verify_checkpoint(Keyring([public]), shown)
    except VerificationError as why:
        return f"refused: {why}".split("\n")[0]
    return f"accepted: {size} records under {root.hex()}"


if __name__ == "__main__":
    for folder in sys.argv[2:]:
        print(read(Path(folder), bytes.fromhex(sys.argv[1])))
