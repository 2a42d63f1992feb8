"""Checkpoints (C2SP tlog-checkpoint v1.0.0): a log's tree head as the text of a signed note.

A log never signs a checkpoint that is inconsistent with one that it signed before. We put no time into checkpoints:
time comes from entries and cosignatures.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import TREE_SIZE_MAX
from anonnet.tlog.merkle import HASH_BYTES
from anonnet.tlog.note import Note
from anonnet.tlog.text import check_characters, hash_of, number, to_base64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: whose log, how many leaves, their root. Extension lines are covered by signatures, unaudited."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            check_characters(line)
            if not line or "\n" in line:
                raise Malformed("a checkpoint consists of non-empty lines")
        if not 0 <= self.size <= TREE_SIZE_MAX or len(self.root) != HASH_BYTES:
            raise Malformed("a checkpoint's size or root is out of bounds")

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note's text. Raises Malformed."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop():
            raise Malformed("a checkpoint has three lines or more, each with its newline")
        origin, size, root, *extensions = lines
        return cls(origin, number(size), hash_of(root), tuple(extensions))

    @property
    def text(self) -> str:
        """The note's text: what a log signs."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), to_base64(self.root), *self.extensions))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A note and the checkpoint that is its text. Nothing is verified: see `Note.opened` and `Policy.evaluate`."""

    note: Note
    body: Checkpoint

    @classmethod
    def parse(cls, data: bytes) -> SignedCheckpoint:
        """Read a signed checkpoint. Raises Malformed."""
        note = Note.parse(data)
        return cls(note, Checkpoint.parse(note.text))
