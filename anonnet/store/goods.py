"""Files of goods: the merchant's, read and sealed chunk by chunk; the consumer's, written sealed and opened.

Everything goes by chunks of 64 KiB, so that memory stays constant for goods of any size.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anonnet.crypto.sealing import CHUNK_BYTES, TAG_BYTES, Sealer, chunk_count
from anonnet.errors import Malformed
from anonnet.limits import GOODS_BYTES_MAX
from anonnet.store.folder import write_durably
from anonnet.tlog.merkle import HASH_BYTES, Frontier, Tree, leaf_hash

SEALED_BYTES = CHUNK_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True)
class Measured:
    """What a contract says of a file: size in bytes, SHA-256, Merkle root over its chunks."""

    size: int
    hash: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """One pass of sealing: what was sealed, the root over the sealed chunks, and their leaf hashes."""

    measured: Measured
    root: bytes
    leaves: bytes


class Leaves:
    """Leaf hashes of sealed chunks, and the tree over them, which is built when a path is first asked for."""

    def __init__(self, leaves: bytes) -> None:
        self._leaves = leaves

    @cached_property
    def _tree(self) -> Tree:
        return Tree.from_leaves(self._leaves)

    def leaf(self, index: int) -> bytes:
        """The leaf hash of one chunk."""
        return self._leaves[HASH_BYTES * index :][:HASH_BYTES]

    def path(self, index: int) -> tuple[bytes, ...]:
        """The inclusion path of one chunk."""
        return tuple(self._tree.inclusion(index, self._tree.size))


def _chunks(path: Path) -> Iterator[bytes]:
    """The chunks of a file; an empty one has one empty chunk. Raises OSError."""
    with path.open("rb") as file:
        chunk = file.read(CHUNK_BYTES)
        yield chunk
        while len(chunk) == CHUNK_BYTES and (chunk := file.read(CHUNK_BYTES)):
            yield chunk


def measure(path: Path) -> Measured:
    """Read a file once. Raises OSError; Malformed if it is larger than goods may be, or no file that ends by itself."""
    if path.exists() and not path.is_file():  # a pipe, or a device: whoever reads it may wait for ever
        raise Malformed(f"{path} is not a regular file")
    whole, frontier, size = hashlib.sha256(), Frontier(), 0
    for chunk in _chunks(path):
        size += len(chunk)
        if size > GOODS_BYTES_MAX:
            raise Malformed(f"{path} is larger than {GOODS_BYTES_MAX} bytes")
        whole.update(chunk)
        frontier.append(leaf_hash(chunk))
    return Measured(size, whole.digest(), frontier.root())


def seal(path: Path, key: bytes, size: int) -> Sealed:
    """Seal a file of `size` bytes under k without keeping the result. Raises OSError; Malformed if the size changed."""
    whole, plain, frontier, leaves, found = hashlib.sha256(), Frontier(), Frontier(), bytearray(), 0
    sealer, count = Sealer(key), chunk_count(size)
    for index, chunk in enumerate(_chunks(path)):
        found += len(chunk)
        if found > size:
            raise Malformed(f"{path} has grown")
        whole.update(chunk)
        plain.append(leaf_hash(chunk))
        leaf = leaf_hash(_seal(sealer, index, index == count - 1, chunk))
        frontier.append(leaf)
        leaves += leaf
    if found != size:
        raise Malformed(f"{path} has shrunk")
    return Sealed(Measured(found, whole.digest(), plain.root()), frontier.root(), bytes(leaves))


def sealed_chunk(path: Path, key: bytes, size: int, index: int, leaf: bytes) -> bytes:
    """One sealed chunk, which the pass over the whole file found to have this leaf hash. Raises OSError; Malformed if
    the file has changed."""
    with path.open("rb") as file:
        file.seek(index * CHUNK_BYTES)
        sealed = _seal(Sealer(key), index, index == chunk_count(size) - 1, file.read(CHUNK_BYTES))
    if leaf_hash(sealed) != leaf:
        raise Malformed(f"{path} is not what it was")
    return sealed


def _seal(sealer: Sealer, index: int, last: bool, chunk: bytes) -> bytes:
    """Raises Malformed where a file has become shorter, so that this is no chunk at its place."""
    try:
        return sealer.seal(index, last, chunk)
    except ValueError as why:
        raise Malformed(f"a file has changed: {why}") from None


class Download:
    """Sealed goods on their way into a file: chunks may come in any order; what has come survives a restart.

    The caller checks each chunk against P1 before it is written. Which chunks are there stands in a map beside the
    file, whole at any time; after a crash it may have forgotten some, and those are fetched again. It never names one
    that is not durable: then the goods would be wrong at the end, and all of them fetched again.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.count = path, chunk_count(size)
        self._map_path = path.with_suffix(".map")
        mode = "r+b" if path.exists() and self._map_path.exists() else "w+b"
        self._file = path.open(mode)
        self._map = bytearray(self._map_path.read_bytes() if mode == "r+b" else bytes(self.count))
        if len(self._map) != self.count:
            self._map = bytearray(self.count)
        self.missing = [index for index in range(self.count) if not self._map[index]]
        self._syncing = threading.Lock()

    def write(self, index: int, sealed: bytes) -> None:
        """Keep one checked chunk. Raises OSError."""
        self._file.seek(index * SEALED_BYTES)
        self._file.write(sealed)
        self._map[index] = 1

    def sync(self) -> None:
        """Make what has come durable, and only then say so in the map; more may come meanwhile. Raises OSError."""
        with self._syncing:
            come = bytes(self._map)
            self._file.flush()
            os.fsync(self._file.fileno())
            write_durably(self._map_path, come)

    def close(self) -> None:
        """Let go of the file, and of what has come since the last sync."""
        self._file.close()


def sealed_root(path: Path) -> bytes:
    """The Merkle root over the sealed chunks of a finished download. Raises OSError."""
    frontier = Frontier()
    with path.open("rb") as file:
        while chunk := file.read(SEALED_BYTES):
            frontier.append(leaf_hash(chunk))
    return frontier.root()


def open_goods(sealed: Path, key: bytes, size: int, into: Path) -> Measured:
    """Open a finished download with k into a file. Raises OSError; Malformed where a chunk does not open."""
    sealer, count = Sealer(key), chunk_count(size)
    whole, plain, found = hashlib.sha256(), Frontier(), 0
    partial = into.with_name(into.name + ".part")
    with sealed.open("rb") as source, partial.open("wb") as target:
        for index in range(count):
            chunk = sealer.open(index, index == count - 1, source.read(SEALED_BYTES))
            found += len(chunk)
            whole.update(chunk)
            plain.append(leaf_hash(chunk))
            target.write(chunk)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(into)
    return Measured(found, whole.digest(), plain.root())
