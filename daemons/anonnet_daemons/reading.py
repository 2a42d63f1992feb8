"""Reading vectors of the self-test: their fields, each as the type that it must have, and what differs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

SHOWN = 24  # characters of a value in a line about a difference: enough to find it


class Differs(Exception):
    """A vector is not what this code computes, or not a vector."""


class Skipped(Exception):
    """A vector is about an algorithm that is not implemented here."""


Case = tuple[str, Callable[[], None]]  # a name, and a check that raises Differs or Skipped


class Fields:
    """A vector's fields, each read as the type that it must have; Differs where it has not."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def of(self, name: str, kind: type) -> Any:
        """Return a field that is exactly of this JSON type."""
        value = self._fields.get(name)
        if type(value) is not kind:
            raise Differs(f"{name} is missing" if value is None else f"{name} is not a {kind.__name__}")
        return value

    def hex(self, name: str) -> bytes:
        """Return a field of hexadecimal digits."""
        return unhex(name, self.of(name, str))

    def number(self, name: str) -> int:
        """Return a field of hexadecimal digits as a big-endian integer."""
        return int.from_bytes(self.hex(name), "big")

    def base64(self, name: str) -> bytes:
        """Return a field in base64."""
        return unbase64(name, self.of(name, str))

    def path(self, name: str) -> list[bytes]:
        """Return a list of hashes in base64; null is the empty list."""
        return [] if self._fields.get(name) is None else [unbase64(name, value) for value in self.of(name, list)]


Check = Callable[[Fields], None]


def unhex(name: str, text: Any) -> bytes:
    try:
        return binascii.unhexlify(text)
    except (ValueError, TypeError):
        raise Differs(f"{name} is not hexadecimal") from None


def unbase64(name: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise Differs(f"{name} is not base64") from None


def equal(name: str, expected: bytes | int, computed: bytes | int) -> None:
    if expected != computed:
        shown = [value.hex() if isinstance(value, bytes) else f"{value:x}" for value in (expected, computed)]
        expected_text, computed_text = (text if len(text) <= SHOWN else f"{text[:SHOWN]}..." for text in shown)
        raise Differs(f"{name} differs: the vector says {expected_text}, computed {computed_text}")


def bound(check: Check, vector: Any) -> Callable[[], None]:
    def bound() -> None:
        if not isinstance(vector, dict):
            raise Differs("not an object with named fields")
        check(Fields(vector))

    return bound


def items(document: Any, key: str) -> list[Any]:
    """Return the list under `key`; whatever else stands there counts as one vector, which will fail."""
    items = document.get(key, []) if isinstance(document, dict) else []
    return items if isinstance(items, list) else [items]
