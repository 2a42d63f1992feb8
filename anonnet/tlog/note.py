"""Signed notes (C2SP signed-note v1.0.0): a text, an empty line, and lines with signatures over the text.

Rules. A text counts only after `Note.opened`. Signatures by unknown keys are ignored, and a key is known only by its
name and its id together; one bad signature by a known key rejects the whole note. A note is kept as it came: text and
signature lines have one form each, so parsing and writing again yields the same bytes.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from anonnet.crypto.keys import PUBLIC_KEY_BYTES, SEED_BYTES, SigningKey, is_sound, verify
from anonnet.errors import Malformed
from anonnet.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from anonnet.tlog import cosignature
from anonnet.tlog.text import check_characters, decoded, from_base64, from_loose_base64, to_base64

ID_BYTES = 4
DASH = "\u2014 "
SECRET_PREFIX = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+]+")
_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")


class Kind(enum.IntEnum):
    """The signature types that are verified here; signatures of all others are ignored."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


_KINDS = frozenset(map(int, Kind))


def check_name(name: str) -> None:
    """Raise Malformed unless `name` may name a key: "non-empty", without "any Unicode spaces or plus"."""
    check_characters(name)
    if not _NAME.fullmatch(name):
        raise Malformed("not the name of a key")


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the 4 bytes that stand for a key in signature lines (signed-note, Signatures)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:ID_BYTES]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name, for one type of signature. One of a type unknown here verifies nothing."""

    name: str
    id: bytes
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.supported:
            return
        if len(self.public) != PUBLIC_KEY_BYTES or not is_sound(self.public):
            raise Malformed("not a sound Ed25519 key")
        if self.id != key_id(self.name, self.kind, self.public):
            raise Malformed("the id of a key is not its own")

    @classmethod
    def of(cls, name: str, kind: Kind, public: bytes) -> Verifier:
        """Make the verifier of a public key. Raises Malformed for a bad name or an unsound key."""
        return cls(name, key_id(name, kind, public), int(kind), public)

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """Read a vkey, `name+id+key`. Raises Malformed; an unknown type is none."""
        name, public_id, kind, public = _parts(vkey)
        return cls(name, public_id, kind, public)

    @property
    def vkey(self) -> str:
        """The key as text, as it stands in configurations."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @property
    def supported(self) -> bool:
        return self.kind in _KINDS

    def time_of(self, text: str, value: bytes) -> int:
        """Check the value of a signature over `text`; return its time in seconds, 0 if it says none.

        Raises Malformed where it does not hold.
        """
        if self.kind == Kind.COSIGNATURE:
            return cosignature.time_of(self.public, text, value)
        if self.kind != Kind.ED25519 or not verify(self.public, text.encode(), value):
            raise Malformed("a signature does not hold")
        return 0


def _parts(text: str) -> tuple[str, bytes, int, bytes]:
    """Read `name+id+key`: the name, the id from 8 lower-case digits, the key's type, the key. Raises Malformed."""
    found = _KEY.fullmatch(text)
    if not found:
        raise Malformed("not a key with its name and id")
    name, digits, encoded = found.groups()
    key = from_base64(encoded)
    if len(key) < 2:
        raise Malformed("a name and an id without a key")
    return name, bytes.fromhex(digits), key[0], key[1:]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, by whomever: nothing is verified yet. `encoded` is base64(key id || value), as it came."""

    name: str
    encoded: str

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(from_loose_base64(self.encoded)) <= ID_BYTES:
            raise Malformed("a signature without a value")

    @classmethod
    def of(cls, key: Verifier, value: bytes) -> Signature:
        """Make the line of a signature by this key."""
        return cls(key.name, to_base64(key.id + value))

    @classmethod
    def parse(cls, line: str) -> Signature:
        """Read a line, without its newline. Raises Malformed."""
        words = line.removeprefix(DASH).split(" ")
        if not line.startswith(DASH) or len(words) != 2:
            raise Malformed("not a signature line")
        return cls(words[0], words[1])

    @property
    def line(self) -> str:
        """The line, with its newline."""
        return f"{DASH}{self.name} {self.encoded}\n"

    @property
    def id(self) -> bytes:
        """The id of the key, 4 bytes."""
        return from_loose_base64(self.encoded)[:ID_BYTES]

    @property
    def value(self) -> bytes:
        """What follows the id. Raises Malformed for a second way to write the same bytes: it would be another note."""
        return from_base64(self.encoded)[ID_BYTES:]


@dataclass(frozen=True, slots=True)
class Signer:
    """A name and a secret key: signs notes, and tells the vkeys under which its signatures verify."""

    name: str
    key: SigningKey

    @classmethod
    def parse(cls, skey: str) -> Signer:
        """Read a secret key as Go's note package writes it. Raises Malformed; no message repeats the secret."""
        name, public_id, kind, seed = _parts(skey.removeprefix(SECRET_PREFIX))
        if not skey.startswith(SECRET_PREFIX) or kind != Kind.ED25519 or len(seed) != SEED_BYTES:
            raise Malformed("not a secret key for Ed25519")
        signer = cls(name, SigningKey(seed))
        if signer.verifier(Kind.ED25519).id != public_id:
            raise Malformed("the id of a secret key is not its own")
        return signer

    def verifier(self, kind: Kind) -> Verifier:
        """Return the public half for one type of signature. Raises Malformed for a bad name."""
        return Verifier.of(self.name, kind, self.key.public)

    def sign(self, text: str) -> Signature:
        """Sign a text, type 0x01. Raises Malformed for a bad name."""
        return Signature.of(self.verifier(Kind.ED25519), self.key.sign(text.encode()))

    def cosign(self, text: str, time: int) -> Signature:
        """Cosign a checkpoint's body at `time` seconds, type 0x04; ValueError unless 0 < time < 2**63."""
        return Signature.of(self.verifier(Kind.COSIGNATURE), cosignature.sign(self.key, text, time))


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds: whose it is, its time in seconds, 0 if it says none, and its line."""

    key: Verifier
    time: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, with at least one signature; signatures are not verified before `opened`."""

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        check_characters(self.text)
        if not self.text.endswith("\n"):
            raise Malformed("a note's text ends in a newline")
        if not 1 <= len(self.signatures) <= NOTE_SIGNATURES_MAX:
            raise Malformed(f"a note with {len(self.signatures)} signatures")

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Read a note: "the text is separated from the signatures by the last empty line". Raises Malformed."""
        text, blank, lines = decoded(data, NOTE_BYTES_MAX).rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise Malformed("a note has a text, an empty line and signature lines")
        signatures = lines.removesuffix("\n").split("\n", NOTE_SIGNATURES_MAX)
        return cls(text + "\n", tuple(Signature.parse(line) for line in signatures))

    def encoded(self) -> bytes:
        """Return the note's bytes, the same that `parse` read."""
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()

    def opened(self, keys: Iterable[Verifier]) -> tuple[Verified, ...]:
        """Verify the signatures of known keys, in the order of the lines; only then does the text count.

        Raises Malformed if one of them does not hold, or if there is none; ValueError for two keys of one name and id.
        """
        verified = self.verified(keys)
        if not verified:
            raise Malformed("a note without a signature by a known key")
        return verified

    def verified(self, keys: Iterable[Verifier]) -> tuple[Verified, ...]:
        """The signatures of known keys, verified as above; there may be none."""
        known: dict[tuple[str, bytes], Verifier] = {}
        for key in keys:
            if key.supported and known.setdefault((key.name, key.id), key) != key:
                raise ValueError(f"two keys of one name and id: {key.name}")
        named = ((known.get((each.name, each.id)), each) for each in self.signatures)
        return tuple(Verified(key, key.time_of(self.text, each.value), each) for key, each in named if key is not None)
