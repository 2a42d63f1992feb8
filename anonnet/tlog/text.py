"""Numbers, hashes and lines as all C2SP texts write them: one form for each value, and anything else is Malformed."""

from __future__ import annotations

import base64
import re

from anonnet.errors import Malformed
from anonnet.limits import TREE_SIZE_MAX
from anonnet.tlog.merkle import HASH_BYTES

_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def decoded(data: bytes, most: int) -> str:
    """Return UTF-8 text of at most `most` bytes, newlines its only control characters. Raises Malformed."""
    if len(data) > most:
        raise Malformed(f"a text of {len(data)} bytes, more than {most}")
    try:
        text = data.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        raise Malformed("a text that is not UTF-8") from None
    check_characters(text)
    return text


def check_characters(text: str) -> None:
    """Raise Malformed unless the text can be UTF-8, without "ASCII control characters (those below U+0020) other than
    newline" (signed-note, Format)."""
    if _FORBIDDEN.search(text):
        raise Malformed("a text with a control character, or with half a character")


def number(text: str) -> int:
    """Read an ASCII decimal without leading zeros, at most TREE_SIZE_MAX. Raises Malformed."""
    if not _DECIMAL.fullmatch(text) or int(text) > TREE_SIZE_MAX:
        raise Malformed("not a decimal number in its one form")
    return int(text)


def to_base64(value: bytes) -> str:
    """Write bytes in the standard alphabet, with padding (RFC 4648, section 4)."""
    return base64.b64encode(value).decode("ascii")


def from_base64(text: str) -> bytes:
    """Read what `to_base64` wrote, and nothing else: unused bits must be zero. Raises Malformed."""
    value = from_loose_base64(text)
    if to_base64(value) != text:
        raise Malformed("base64 with unused bits that are not zero")
    return value


def from_loose_base64(text: str) -> bytes:
    """Read base64 whose unused bits may be anything, as most decoders do. Raises Malformed."""
    if not _BASE64.fullmatch(text):
        raise Malformed("not base64")
    return base64.b64decode(text, validate=True)


def hash_of(text: str) -> bytes:
    """Read one hash of 32 bytes in base64. Raises Malformed."""
    value = from_base64(text)
    if len(value) != HASH_BYTES:
        raise Malformed(f"a hash of {len(value)} bytes")
    return value


def hash_lines(hashes: tuple[bytes, ...]) -> str:
    """Write hashes in base64, one to a line."""
    return "".join(f"{to_base64(each)}\n" for each in hashes)


def hashes_of(lines: list[str], most: int) -> tuple[bytes, ...]:
    """Read at most `most` lines of one hash each. Raises Malformed."""
    if len(lines) > most:
        raise Malformed(f"{len(lines)} hashes, more than {most}")
    return tuple(hash_of(line) for line in lines)


def head_and_rest(data: bytes, most: int) -> tuple[list[str], bytes]:
    """Split at the first empty line: the lines before it, decoded, and the bytes after it as they are.

    Raises Malformed where there is no empty line, or none within the first `most` bytes.
    """
    at = data.find(b"\n\n", 0, most + 2)
    if at < 0:
        raise Malformed("no empty line after the head")
    return decoded(data[:at], most).split("\n"), data[at + 2 :]
