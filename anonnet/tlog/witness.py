"""What a witness answers to `add-checkpoint` (C2SP tlog-witness v1.0.0), as a pure decision.

Whoever runs a witness reads the last state, decides, and keeps the new state in one transaction, and answers only after
that: otherwise a slow request could take a tree back that a later one had grown. Times are whole POSIX seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import KIB, NOTE_BYTES_MAX, PATH_HASHES_MAX
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import EMPTY_ROOT, verify_consistency
from anonnet.tlog.note import Signer, Verifier
from anonnet.tlog.text import hash_lines, hashes_of, head_and_rest, number

OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 200, 400, 403, 404, 409, 422
PLAIN, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
_HEAD_BYTES_MAX = 4 * KIB  # the old size and 63 hashes
REQUEST_BYTES_MAX = _HEAD_BYTES_MAX + NOTE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class State:
    """The last tree of one origin that this witness cosigned."""

    size: int
    root: bytes


NEVER = State(0, EMPTY_ROOT)
"""The state of an origin of which nothing was cosigned yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the size that the asker believes cosigned, a consistency proof from it, and a checkpoint."""

    old: int
    path: tuple[bytes, ...]
    checkpoint: SignedCheckpoint

    @classmethod
    def parse(cls, data: bytes) -> Request:
        """Read the body of a request. Raises Malformed."""
        lines, rest = head_and_rest(data, _HEAD_BYTES_MAX)
        if not lines[0].startswith("old "):
            raise Malformed("a request begins with the old size")
        old, path = number(lines[0].removeprefix("old ")), hashes_of(lines[1:], PATH_HASHES_MAX)
        return cls(old, path, SignedCheckpoint.parse(rest))

    def encoded(self) -> bytes:
        """Return the body of the request, the same that `parse` read."""
        return f"old {self.old}\n{hash_lines(self.path)}\n".encode() + self.checkpoint.note.encoded()


@dataclass(frozen=True, slots=True)
class Decision:
    """The HTTP answer, and what to keep before it is given: the new state of `origin`, or None for nothing new."""

    status: int
    body: bytes
    content_type: str = PLAIN
    origin: str = ""
    state: State | None = None


def add_checkpoint(
    data: bytes,
    logs: Mapping[str, Sequence[Verifier]],
    last: Callable[[str], State],
    cosigners: Sequence[Signer],
    now: int,
) -> Decision:
    """Decide on the body of one request.

    `logs` are the trusted keys of each origin, `last` returns an origin's state and is asked for known origins only,
    `cosigners` are this witness's keys, and `now` is the time in seconds that the cosignatures will state.
    """
    try:
        request = Request.parse(data)
    except Malformed as why:
        return _refusal(BAD_REQUEST, str(why))
    note, new = request.checkpoint.note, request.checkpoint.body
    if new.origin not in logs:
        return _refusal(NOT_FOUND, "unknown log")
    try:
        note.opened(logs[new.origin])
    except Malformed:
        return _refusal(FORBIDDEN, "invalid signature: none of a known key, or one that does not hold")
    if request.old > new.size:
        return _refusal(BAD_REQUEST, "the old size is larger than the checkpoint")
    state = last(new.origin)
    if request.old != state.size:
        return Decision(CONFLICT, b"%d\n" % state.size, SIZE)
    if complaint := _complaint(request, state):
        return _refusal(UNPROCESSABLE, complaint)
    lines = "".join(cosigner.cosign(note.text, now).line for cosigner in cosigners)
    return Decision(OK, lines.encode(), PLAIN, new.origin, State(new.size, new.root))


def _complaint(request: Request, state: State) -> str:
    """Return what keeps the checkpoint from extending the state, of the same size; nothing where it does extend it."""
    new = request.checkpoint.body
    if new.size == 0 and new.root != EMPTY_ROOT:
        return "the root of an empty tree is another"
    if state.size == 0:
        return "a consistency proof from the empty tree is empty" if request.path else ""
    if not verify_consistency(state.size, new.size, state.root, new.root, request.path):
        return "the consistency proof does not verify" if state.size < new.size else "another root of the same size"
    return ""


def _refusal(status: int, why: str) -> Decision:
    return Decision(status, f"{why}\n".encode())
