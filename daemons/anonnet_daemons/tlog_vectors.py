"""Vectors of the transparency log's texts: signed notes, and transcripts of what a witness was asked and answered.

Signed notes are a list of objects with `note`, `vkeys`, the names `expect_verified`, and perhaps an `skey` that signed.
A transcript has `logs` (origin -> vkey) and `steps`, each with a request, the status of the answer and what its body is
or contains; the steps of one `file` speak to one witness, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from anonnet.crypto.keys import SigningKey
from anonnet.tlog.note import Kind, Note, Signer, Verifier
from anonnet.tlog.witness import FORBIDDEN, NEVER, NOT_FOUND, State, add_checkpoint
from anonnet_daemons.reading import Case, Differs, Fields, bound, items

COSIGNER = Signer("example.com/witness", SigningKey(bytes(32)))
NOW = 1_700_000_000
_ASSERTION = re.compile(r'body (==|contains) "(.*)"')


def cases(document: Any) -> Iterator[Case]:
    """Every vector of a document of one of these forms; none if it is of another."""
    notes = document if isinstance(document, list) else []
    if any(isinstance(note, dict) and "expect_verified" in note for note in notes):
        for number, note in enumerate(notes):
            name = note.get("name") if isinstance(note, dict) else None
            yield str(name or f"note {number}"), bound(check_note, note)
    if isinstance(document, dict) and {"logs", "steps"} <= document.keys():
        witnesses: dict[str, Witness] = {}
        for number, step in enumerate(items(document, "steps")):
            file = str(step.get("file") if isinstance(step, dict) else None)
            witness = witnesses.setdefault(file, Witness(document["logs"]))
            yield f"{file} step {number}", bound(witness.check, step)


def _verifiers(vkeys: list[Any]) -> list[Verifier]:
    verifiers = [Verifier.parse(str(vkey)) for vkey in vkeys]
    if [verifier.vkey for verifier in verifiers] != vkeys:
        raise Differs("a vkey is not written as it was read")
    return verifiers


def check_note(vector: Fields) -> None:
    """Check who signed a note, that it is written as it was read, and that its secret key signs it again."""
    data, keys = vector.of("note", str).encode(), _verifiers(vector.of("vkeys", list))
    note = Note.parse(data)
    if note.encoded() != data:
        raise Differs("note is not written as it was read")
    names = [verified.key.name for verified in note.opened(keys)]
    if names != vector.of("expect_verified", list):
        raise Differs(f"expect_verified differs: verified by {', '.join(names)}")
    if "skey" in vector:
        signer = Signer.parse(vector.of("skey", str))
        if signer.verifier(Kind.ED25519) not in keys or signer.sign(note.text) not in note.signatures:
            raise Differs("skey makes another signature")


class Witness:
    """A witness of some logs, with the memory that a transcript needs."""

    def __init__(self, logs: Any) -> None:
        self._vkeys = logs
        self._states: dict[str, State] = {}

    def check(self, step: Fields) -> None:
        """Check the answer to one request, and remember what it changes."""
        request, status, asserts = step.of("request", str), step.of("status", int), step.of("asserts", str)
        found = _ASSERTION.fullmatch(asserts)
        if not found or not isinstance(self._vkeys, Mapping):
            raise Differs("asserts or logs are not in a form that is known here")
        expected = found[2].replace("\\n", "\n").encode()
        logs = {origin: _verifiers([vkey]) for origin, vkey in self._vkeys.items()}
        answer = add_checkpoint(request.encode(), logs, self._last, [COSIGNER], NOW)
        if answer.state:
            self._states[answer.origin] = answer.state
        if status == FORBIDDEN and expected == b"unknown log":
            status = NOT_FOUND  # the witness of the transcript is older than tlog-witness, which says 404
        if answer.status != status:
            raise Differs(f"status differs: the vector says {status}, computed {answer.status}")
        if answer.body != expected if found[1] == "==" else expected not in answer.body:
            raise Differs(f"body differs: the vector says {asserts}, computed {answer.body.decode()!r}")

    def _last(self, origin: str) -> State:
        return self._states.get(origin, NEVER)
