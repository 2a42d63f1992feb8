"""Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them make a checkpoint count.

A policy is checked when it is built: definitions stand before their use, and each name is a member of at most one
group, so that groups are trees and no witness counts twice. Names are octets, not text. Times are whole POSIX seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.limits import (
    POLICY_BYTES_MAX,
    POLICY_GROUPS_MAX,
    POLICY_LOGS_MAX,
    POLICY_NESTING_MAX,
    POLICY_WITNESSES_MAX,
)
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.note import Kind, Note, Verified, Verifier
from anonnet.tlog.text import number

NONE = b"none"
"""The quorum that needs no cosignature; nothing else may have this name."""

_FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_WORD = re.compile(rb"[\x21-\x7e\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted; its key's name is the origin of its checkpoints. The URL says nothing about trust."""

    key: Verifier
    url: bytes = b""


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner, under a name that means something in its policy only."""

    name: bytes
    key: Verifier
    url: bytes = b""


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as having cosigned as soon as `threshold` of its members do."""

    name: bytes
    threshold: int
    members: tuple[bytes, ...]


Definition = Log | Witness | Group


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy says of one checkpoint that is signed by one of its logs.

    `witnesses` are those of the quorum whose cosignatures hold, with the earliest time that each states. `time` is the
    earliest second by which a quorum had cosigned: None where it has not, 0 under `quorum none`.
    """

    checkpoint: Checkpoint
    log: Verifier
    witnesses: tuple[tuple[bytes, int], ...]
    time: int | None

    @property
    def met(self) -> bool:
        return self.time is not None


@dataclass(frozen=True, slots=True)
class Policy:
    """Definitions in an order in which each stands before its use, and the name of the quorum."""

    definitions: tuple[Definition, ...]
    quorum: bytes

    def __post_init__(self) -> None:
        _check_number("logs", self.logs, POLICY_LOGS_MAX)
        _check_number("witnesses", self.witnesses, POLICY_WITNESSES_MAX)
        _check_number("groups", self.groups, POLICY_GROUPS_MAX)
        _check_keys([log.key for log in self.logs], Kind.COSIGNATURE)
        _check_keys([witness.key for witness in self.witnesses], Kind.ED25519)
        if len({(key.name, key.id) for key in self.keys}) != len(self.keys):
            raise Malformed("two keys of one name and id")
        heights = self._heights()
        if self.quorum != NONE and self.quorum not in heights:
            raise Malformed("the quorum is not defined")
        if max(heights.values(), default=0) > POLICY_NESTING_MAX:
            raise Malformed(f"groups nested deeper than {POLICY_NESTING_MAX}")

    @classmethod
    def parse(cls, text: bytes) -> Policy:
        """Read a policy's text. Raises Malformed."""
        return _read(text)

    @property
    def logs(self) -> tuple[Log, ...]:
        return tuple(each for each in self.definitions if isinstance(each, Log))

    @property
    def witnesses(self) -> tuple[Witness, ...]:
        return tuple(each for each in self.definitions if isinstance(each, Witness))

    @property
    def groups(self) -> tuple[Group, ...]:
        """Groups, each after those that it has as members."""
        return tuple(each for each in self.definitions if isinstance(each, Group))

    @property
    def keys(self) -> list[Verifier]:
        return [*(log.key for log in self.logs), *(witness.key for witness in self.witnesses)]

    @property
    def counted(self) -> frozenset[bytes]:
        """The names of the witnesses that the quorum depends on."""
        names = {self.quorum}
        for group in reversed(self.groups):
            if group.name in names:
                names.update(group.members)
        return frozenset(witness.name for witness in self.witnesses if witness.name in names)

    def canonical(self) -> bytes:
        """Return one text for all policies that trust alike: no comments or URLs, sorted, thresholds as numbers."""
        heights = self._heights()
        lines = [b"log " + vkey for vkey in sorted(log.key.vkey.encode() for log in self.logs)]
        for witness in sorted(self.witnesses, key=lambda each: each.name):
            lines.append(b" ".join([b"witness", witness.name, witness.key.vkey.encode()]))
        for group in sorted(self.groups, key=lambda each: (heights[each.name], each.name)):
            lines.append(b" ".join([b"group", group.name, b"%d" % group.threshold, *sorted(group.members)]))
        return b"".join(line + b"\n" for line in [*lines, b"quorum " + self.quorum])

    def evaluate(self, signed: SignedCheckpoint, also: Iterable[Verifier] = ()) -> Evaluation:
        """Judge a signed checkpoint by this policy. `also` are logs known otherwise, as a policy may list none.

        Raises Malformed unless a log signed it whose key is named as the origin, and if any known signature is bad.
        """
        logs = {key for key in (*(log.key for log in self.logs), *also) if key.name == signed.body.origin}
        signers = signed.note.verified(logs)
        if not signers:
            raise Malformed("a checkpoint without a signature by its log")
        times = {name: each.time for name, each in self.cosigned(signed.note).items()}
        return Evaluation(signed.body, signers[0].key, tuple(sorted(times.items())), self._quorum_time(times))

    def cosigned(self, note: Note) -> dict[bytes, Verified]:
        """Whose cosignatures of this text count for the quorum, by name: of each witness the earliest.

        Whoever checks a certificate and whoever collects cosignatures for one must ask here alike: what one of them
        counts and the other does not would make certificates that fail. Raises Malformed if any known one is bad.
        """
        names, counted = {witness.key: witness.name for witness in self.witnesses}, self.counted
        found: dict[bytes, Verified] = {}
        for each in note.verified(names):
            name = names[each.key]
            if name in counted and each.time:  # a cosignature of time 0 does not say that the tree was the largest
                found[name] = min(found.get(name, each), each, key=lambda verified: verified.time)
        return found

    def agreed(self, names: Iterable[bytes]) -> bool:
        """Tell whether the witnesses of these names are a quorum."""
        return self._quorum_time(dict.fromkeys(names, 0)) is not None

    def _quorum_time(self, times: dict[bytes, int]) -> int | None:
        """Return the earliest second by which a quorum had cosigned, given each witness's own."""
        reached = {NONE: 0, **times}
        for group in self.groups:
            members = sorted(reached[name] for name in group.members if name in reached)
            if len(members) >= group.threshold:
                reached[group.name] = members[group.threshold - 1]
        return reached.get(self.quorum)

    def _heights(self) -> dict[bytes, int]:
        """Return for each name how many groups deep it is, a witness 0. Raises Malformed for a bad definition."""
        heights: dict[bytes, int] = {}
        members: set[bytes] = set()
        for each in self.definitions:
            if isinstance(each, Log):
                continue
            if each.name in heights or each.name == NONE or not _WORD.fullmatch(each.name):
                raise Malformed("a name is defined twice, or none at all")
            height = 0
            if isinstance(each, Group):
                if not 1 <= each.threshold <= len(each.members):
                    raise Malformed("a group's threshold is out of bounds")
                for name in each.members:
                    if name not in heights or name in members:
                        raise Malformed("a member of a group is not defined before it, or a member twice")
                    members.add(name)
                height = 1 + max(heights[name] for name in each.members)
            heights[each.name] = height
        return heights


def _check_number(what: str, definitions: tuple[Definition, ...], most: int) -> None:
    if len(definitions) > most:
        raise Malformed(f"{len(definitions)} {what}, more than {most}")


def _check_keys(keys: list[Verifier], wrong: Kind) -> None:
    """Two are duplicates "if they wrap the same underlying public key, even if they differ by key name and key id"."""
    if len({key.public for key in keys}) != len(keys):
        raise Malformed("one public key twice")
    if any(key.kind == wrong for key in keys):
        raise Malformed("a key of a type for another role")


def _read(text: bytes) -> Policy:
    if len(text) > POLICY_BYTES_MAX or _FORBIDDEN.search(text):
        raise Malformed("a policy that is too long, or with a control character")
    if text and not text.endswith(b"\n"):
        raise Malformed("a policy's last line has no newline")
    definitions: list[Definition] = []
    quorums: list[bytes] = []
    for word, *words in _lines(text):
        if word == b"quorum":
            quorums.append(_quorum(words, definitions))
        else:
            definitions.append(_definition(word, words))
    if len(quorums) != 1:
        raise Malformed(f"a policy with {len(quorums)} quorums")
    return Policy(tuple(definitions), quorums[0])


def _lines(text: bytes) -> Iterator[list[bytes]]:
    """Yield the words of each line that says something; words are separated by spaces and tabs only."""
    lines = (line.split() for line in text.split(b"\n"))
    return (words for words in lines if words and not words[0].startswith(b"#"))


def _quorum(words: list[bytes], definitions: list[Definition]) -> bytes:
    """Read the name of the quorum, which must be "defined on a line preceding the quorum definition"."""
    defined = {NONE, *(each.name for each in definitions if not isinstance(each, Log))}
    if len(words) != 1 or words[0] not in defined:
        raise Malformed("the quorum is not defined before its line")
    return words[0]


def _definition(word: bytes, words: list[bytes]) -> Definition:
    if word == b"log" and len(words) in (1, 2):
        return Log(_key(words[0]), *words[1:])
    if word == b"witness" and len(words) in (2, 3):
        return Witness(words[0], _key(words[1]), *words[2:])
    if word == b"group" and len(words) >= 3:
        name, threshold, *members = words
        return Group(name, _threshold(threshold, len(members)), tuple(members))
    raise Malformed("a line of a policy that says nothing known")


def _key(vkey: bytes) -> Verifier:
    try:
        return Verifier.parse(vkey.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed("a vkey that is not UTF-8") from None


def _threshold(word: bytes, members: int) -> int:
    if word in (b"any", b"all"):
        return 1 if word == b"any" else members
    return number(word.decode("ascii", errors="replace"))
