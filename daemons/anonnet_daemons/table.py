"""A JSON file that daemons read at their start, strictly.

A key that is not known here is an error: a setting that is silently ignored is worse than none. So is a file that
somebody else may write: it says whom to trust. Many may read it, and it may be root's.
"""

from __future__ import annotations

import enum
import json
import os
import stat
from pathlib import Path
from shlex import quote
from typing import Any

from anonnet.errors import BadStart
from anonnet.limits import NAME_MAX

FILE_BYTES_MAX = 8 * 1024 * 1024
KEY_BYTES = 32
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Table:
    """One JSON object, read key by key; `done` complains of what nobody asked for. Every complaint is a BadStart."""

    def __init__(self, file: Path, values: object, place: str = "") -> None:
        if not isinstance(values, dict):
            raise BadStart(f"{file}: {place.rstrip('.') or 'the whole'} must be a table in braces")
        self._file, self._place = file, place
        self._values: dict[str, Any] = dict(values)
        self._asked: list[str] = []

    def has(self, key: str) -> bool:
        """True if the key is there; whether or not it is, it is a known one."""
        self._asked.append(key)
        return key in self._values

    def text(self, key: str, most: int = NAME_MAX) -> str:
        value = self._take(key)
        if not isinstance(value, str) or not 0 < len(value.encode()) <= most:
            raise self._wrong(key, value, f"text of 1 to {most} bytes")
        return value

    def number(self, key: str, low: int, high: int) -> int:
        value = self._take(key)
        if type(value) is not int or not low <= value <= high:
            raise self._wrong(key, value, f"a whole number from {low} to {high}")
        return value

    def key(self, key: str) -> bytes:
        """32 bytes in hex."""
        value = self._take(key)
        try:
            found = bytes.fromhex(value) if isinstance(value, str) else b""
        except ValueError:
            found = b""
        if len(found) != KEY_BYTES:
            raise self._wrong(key, value, f"{KEY_BYTES} bytes in hex")
        return found

    def word(self, key: str, words: type[enum.StrEnum]) -> str:
        """One of these words."""
        value = self._take(key)
        if value not in list(words):
            raise self._wrong(key, value, f"one of {', '.join(words)}")
        return str(value)

    def texts(self, key: str, most: int) -> list[str]:
        value = self._take(key)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(each, str) for each in value):
            raise self._wrong(key, value, f"a list of at most {most} texts")
        return value

    def tables(self, key: str, most: int) -> list[Table]:
        value = self._take(key)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(key, value, f"a list of at most {most} tables")
        return [Table(self._file, each, f"{self._place}{key}[{index}].") for index, each in enumerate(value)]

    def done(self) -> None:
        """Raise BadStart for the first key that nobody asked for."""
        for key, value in self._values.items():
            if key not in self._asked:
                known = ", ".join(sorted(set(self._asked)))
                raise BadStart(
                    f"{self._file}: {self._place}{key} (value {_shown(value)}) is not a key that is known there: "
                    f"expected are {known}; correct its spelling or remove it"
                )

    def _take(self, key: str) -> object:
        if not self.has(key):
            raise BadStart(f"{self._file}: {self._place}{key} is missing: add it, or restore the file from your backup")
        return self._values[key]

    def _wrong(self, key: str, value: object, expected: str) -> BadStart:
        return BadStart(f"{self._file}: {self._place}{key} is {_shown(value)}, expected is {expected}: correct it")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_table(path: Path) -> Table:
    """Read a JSON file that nobody but its owner can change. Raises BadStart."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(FILE_BYTES_MAX + 1)
    except OSError as why:
        raise BadStart(f"{path} cannot be read ({why.strerror}): make a network with anonnet init") from why
    if mode & WRITABLE_BY_OTHERS:
        raise BadStart(
            f"{path} can be changed by others, and says whom to trust: run chmod go-w {quote(str(path))}, and compare"
            " it with the one that you were given"
        )
    try:
        return Table(path, json.loads(text) if len(text) <= FILE_BYTES_MAX else None)
    except ValueError as why:
        raise BadStart(f"{path} is not JSON ({why}): correct it, or restore it from your backup") from why


def table_json(values: object) -> bytes:
    """As a file's content."""
    return json.dumps(values, indent=1).encode() + b"\n"
