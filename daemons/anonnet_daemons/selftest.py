"""Known-answer tests of this installation's cryptography: `anonnet selftest [FILE...]`.

A file is recognised by its content: RFC 9474 and Noise vectors (a list, or an object with a list `vectors`), Merkle
proofs (`inclusion`, `consistency`), the RFC 6962 reference tree (`leaf_inputs_hex`), signed notes (a list with
`expect_verified`), a witness's transcript (`logs`, `steps`), our own wire (`wire`), and files of evidence
(`evidence`). Every field of a vector is checked against what our code computes from the others. Another format is one
more line in `FORMATS`.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anonnet.crypto import blind, noise
from anonnet.crypto.integers import inverse
from anonnet.errors import Malformed
from anonnet.tlog import merkle
from anonnet_daemons import evidence_vectors, tlog_vectors, wire_vectors
from anonnet_daemons.reading import Case, Check, Differs, Fields, Skipped, bound, equal, items, unhex

VECTORS = Path(__file__).with_name("vectors")


class Verdict(enum.StrEnum):
    """What became of one vector."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Result:
    """One vector, or one file that could not be used at all (then `name` is empty)."""

    file: str
    name: str
    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        line = ": ".join(part for part in (self.file, self.name, self.verdict.value, self.detail) if part)
        return "".join(character if character.isprintable() else "?" for character in line)  # names are a file's own


def check_rfc9474(vector: Fields) -> None:
    """Check a vector of RFC 9474, appendix A, or one of the same form for another method."""
    name = vector.of("name", str)
    if name not in {method.value for method in blind.Method}:
        raise Skipped(f"{name} is not implemented")
    p, q = vector.number("p"), vector.number("q")
    secret = blind.SecretKey.from_primes(blind.Method(name), p, q)
    public, salt = secret.public, vector.hex("salt")
    equal("n", vector.number("n"), public.modulus)
    equal("e", vector.number("e"), public.exponent)
    for prime in (p, q):
        equal("d * e modulo p - 1 and q - 1", 1, vector.number("d") * public.exponent % (prime - 1))
    prepared = blind.prepare(public.method, vector.hex("msg"), vector.hex("msg_prefix"))
    equal("prepared_msg", vector.hex("prepared_msg"), prepared)
    equal("encoded_msg", vector.hex("encoded_msg"), blind.encode(public, prepared, salt))
    factor = inverse(vector.number("inv"), public.modulus)
    if factor is None:
        raise Differs("inv has no inverse")
    blinded = blind.blind_by(public, prepared, factor=factor, salt=salt)
    equal("inv", vector.number("inv"), blinded.inverse)
    equal("blinded_msg", vector.hex("blinded_msg"), blinded.blinded_message)
    blind_signature = secret.sign(blinded.blinded_message)
    equal("blind_sig", vector.hex("blind_sig"), blind_signature)
    equal("sig", vector.hex("sig"), blind.finalize(public, prepared, blind_signature, blinded.inverse))
    if not blind.verify(public, prepared, vector.hex("sig")):
        raise Differs("sig does not verify")


def check_noise(vector: Fields) -> None:
    """Check a vector of the cacophony project's form: both sides of a handshake and what they say after it."""
    name = vector.of("protocol_name", str)
    if not noise.supported(name):
        raise Skipped(f"{name} is not implemented")
    handshakes = initiator, responder = [_noise_side(vector, "init"), _noise_side(vector, "resp")]
    one_way = len(noise.PATTERNS[name.split("_")[1]][2]) == 1
    ciphers: list[tuple[noise.CipherState, noise.CipherState]] = []
    for number, message in enumerate(vector.of("messages", list)):
        if not isinstance(message, dict):
            raise Differs(f"message {number} is not an object")
        payload, expected = Fields(message).hex("payload"), Fields(message).hex("ciphertext")
        speaker = 0 if one_way else number % 2
        if not initiator.complete:
            computed = handshakes[speaker].write(payload)
            equal(f"ciphertext of message {number}", expected, computed)
            equal(f"payload of message {number}", payload, handshakes[1 - speaker].read(computed))
        else:
            ciphers = ciphers or [initiator.split(), responder.split()]
            computed = ciphers[speaker][0].encrypt(payload)
            equal(f"ciphertext of message {number}", expected, computed)
            equal(f"payload of message {number}", payload, ciphers[1 - speaker][1].decrypt(computed))
    if not initiator.complete:
        raise Differs("messages end before the handshake does")
    if "handshake_hash" in vector:  # older vectors of this form do not have it
        equal("handshake_hash", vector.hex("handshake_hash"), initiator.hash)
        equal("handshake_hash", vector.hex("handshake_hash"), responder.hash)


def _noise_side(vector: Fields, who: str) -> noise.Handshake:
    static, remote, ephemeral = (
        vector.hex(f"{who}_{key}") if f"{who}_{key}" in vector else None
        for key in ("static", "remote_static", "ephemeral")
    )
    prologue = vector.hex(f"{who}_prologue")
    return noise.Handshake(vector.of("protocol_name", str), who == "init", prologue, static, remote, ephemeral)


def check_inclusion(vector: Fields) -> None:
    """Check an inclusion proof of transparency-dev/merkle; `wantErr` tells whether it must be refused."""
    index, size = vector.of("leafIdx", int), vector.of("treeSize", int)
    leaf, root, path = vector.base64("leafHash"), vector.base64("root"), vector.path("proof")
    _verdict(vector, merkle.verify_inclusion(index, size, leaf, path, root))


def check_consistency(vector: Fields) -> None:
    """Check a consistency proof of transparency-dev/merkle."""
    old, new = vector.of("size1", int), vector.of("size2", int)
    roots, path = (vector.base64("root1"), vector.base64("root2")), vector.path("proof")
    _verdict(vector, merkle.verify_consistency(old, new, *roots, path))


def _verdict(vector: Fields, accepted: bool) -> None:
    if accepted == vector.of("wantErr", bool):
        raise Differs("the proof is accepted, and must be refused" if accepted else "the proof is refused")


def _listed(document: Any) -> Iterator[Case]:
    """Cases of RFC 9474 and Noise vectors, which stand in a list; none, if it is a list of something else."""
    vectors = document if isinstance(document, list) else items(document, "vectors")
    kinds = [_kind(vector) for vector in vectors]
    if all(kind is None for kind in kinds):
        return
    for number, (vector, kind) in enumerate(zip(vectors, kinds, strict=True)):
        name = (vector.get("protocol_name") or vector.get("name")) if kind else None
        yield str(name or f"vector {number}"), bound(kind or _unknown, vector)


def _kind(vector: Any) -> Check | None:
    if isinstance(vector, dict) and "protocol_name" in vector:
        return check_noise
    if isinstance(vector, dict) and vector.keys() & {"prepared_msg", "blinded_msg", "blind_sig"}:
        return check_rfc9474
    return None


def _unknown(_: Fields) -> None:
    raise Differs("no kind of vector that is known here")


def _proofs(document: Any) -> Iterator[Case]:
    """Cases of transparency-dev/merkle's proofs."""
    for kind, check in (("inclusion", check_inclusion), ("consistency", check_consistency)):
        for number, vector in enumerate(items(document, kind)):
            name = vector.get("name") if isinstance(vector, dict) else None
            yield str(name or f"{kind} {number}"), bound(check, vector)


def _reference_tree(document: Any) -> Iterator[Case]:
    """Cases of the RFC 6962 reference tree: all its nodes, all its roots, single hashes."""
    if not isinstance(document, dict) or "leaf_inputs_hex" not in document:
        return
    yield "nodes", bound(check_nodes, document)
    yield "roots", bound(check_roots, document)
    for number, vector in enumerate(items(document, "hasher")):
        yield f"hasher {number}", bound(check_hasher, vector)


def _reference_leaves(reference: Fields) -> list[bytes]:
    entries = reference.of("leaf_inputs_hex", list)
    return [merkle.leaf_hash(unhex("leaf_inputs_hex", entry)) for entry in entries]


def check_nodes(reference: Fields) -> None:
    """Check `node_hashes_hex`: a row for each level, the leaves first, of the roots of complete subtrees."""
    rows, leaves = reference.of("node_hashes_hex", list), _reference_leaves(reference)
    equal("number of levels", len(rows), len(leaves).bit_length())
    for level, row in enumerate(rows):
        nodes = [unhex("node_hashes_hex", node) for node in (row if isinstance(row, list) else [row])]
        equal(f"number of nodes of level {level}", len(nodes), len(leaves) >> level)
        for number, node in enumerate(nodes):
            under = leaves[number << level : (number + 1) << level]
            equal(f"node {number} of level {level}", node, merkle.Tree.from_leaves(b"".join(under)).root())


def check_roots(reference: Fields) -> None:
    """Check `root_hashes_hex`: the roots of the first 0, 1, 2 ... leaves."""
    roots, tree = reference.of("root_hashes_hex", list), merkle.Tree.from_leaves(b"".join(_reference_leaves(reference)))
    equal("number of roots", len(roots), tree.size + 1)
    for size, root in enumerate(roots):
        equal(f"root of {size} leaves", unhex("root_hashes_hex", root), tree.root(size))


def check_hasher(vector: Fields) -> None:
    """Check one hash of the reference tree: of a leaf, of a node, or of the empty tree."""
    if "left_hex" in vector:
        computed = merkle.node_hash(vector.hex("left_hex"), vector.hex("right_hex"))
    elif "leaf_hex" in vector:
        computed = merkle.leaf_hash(vector.hex("leaf_hex"))
    else:
        computed = merkle.EMPTY_ROOT
    equal("want", vector.hex("want"), computed)


FORMATS: tuple[Callable[[Any], Iterator[Case]], ...] = (
    _listed,
    _proofs,
    _reference_tree,
    tlog_vectors.cases,
    wire_vectors.cases,
    evidence_vectors.cases,
)


def check_file(file: Path) -> list[Result]:
    """Run every vector of one file. A file in which nothing could be run yields a failure without a name."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        return [Result(str(file), "", Verdict.FAILED, f"cannot be read ({error.strerror})")]
    except (ValueError, RecursionError):
        return [Result(str(file), "", Verdict.FAILED, "is not a JSON file")]
    results = [_judged(file, case) for cases in FORMATS for case in cases(document)]
    if all(result.verdict is Verdict.SKIPPED for result in results):
        detail = "holds no vectors in a format that is known here" if not results else "holds no vector that can be run"
        results.append(Result(str(file), "", Verdict.FAILED, detail))
    return results


def _judged(file: Path, case: Case) -> Result:
    name, check = case
    try:
        check()
    except Skipped as skipped:
        return Result(str(file), name, Verdict.SKIPPED, str(skipped))
    except (Differs, Malformed, ValueError, blind.FaultySignature) as differs:
        return Result(str(file), name, Verdict.FAILED, str(differs))
    return Result(str(file), name, Verdict.PASSED)


def check_files(files: Sequence[Path]) -> list[Result]:
    """Run the vectors of these files; of those that ship with this installation where none is named."""
    return [result for file in files or sorted(VECTORS.glob("*.json")) for result in check_file(file)]


def run(files: Sequence[Path]) -> tuple[int, int]:
    """Return how many vectors passed and failed; a file that could not be used counts as one that failed."""
    return _count(check_files(files))


def _count(results: Sequence[Result]) -> tuple[int, int]:
    verdicts = [result.verdict for result in results]
    return verdicts.count(Verdict.PASSED), verdicts.count(Verdict.FAILED)


def main(files: Sequence[Path]) -> int:
    """Print a line for each vector that failed or was skipped, then the counts; return the exit code, 0 or 1."""
    results = check_files(files)
    for result in results:
        if result.verdict is not Verdict.PASSED:
            print(result)
    passed, failed = _count(results)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
