"""What a party has: every row and file that it stored, every frame that came to its door, every byte on its lines.

Pieces are joined where they share a value that is long enough to be known again and is not the same for everybody, or
where they came on one channel. So "does the bank know who bought?" becomes: do the pieces that are joined with the sale
hold something of hers? When things came joins nothing here: docs/privacy.md says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack

from anonnet.errors import Malformed
from anonnet.net.channel import LENGTH_BYTES
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.network import Network, Role
from anonnet.protocol.recovery import used_name
from anonnet.protocol.steps import Step
from anonnet.protocol.token import Token
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import STEPS, Record, decode, decode_record, encode
from anonnet.wire.frames import HEADER, Frame, Frames
from anonnet.wire.frames import LENGTH_BYTES as FRAME_LENGTH_BYTES
from anonnet.wire.signed import Signed
from tests.privacy.tapped import DOOR, LINE

KNOWN_AGAIN = 16
"""Bytes from which on a value is taken for one and the same wherever it stands."""

CHANNEL = b"channel "
"""Before a channel's hash: the value that all frames on it share."""


@dataclass(frozen=True)
class Piece:
    """Something that stands by itself: where, its bytes, and the values by which it can be joined with others."""

    where: str
    data: bytes
    values: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class Line:
    """What one TCP socket received: from and to which address, what, and when the first of it."""

    sender: str
    receiver: str
    data: bytes
    began: float

    @property
    def message_sizes(self) -> set[int]:
        """The bytes of each Noise message: their lengths stand before them in clear."""
        return set(noise_sizes(self.data))


@dataclass
class View:
    """All that somebody has."""

    pieces: list[Piece] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def everything(self) -> list[Piece]:
        """The pieces, and what can be seen on the lines."""
        seen = [Piece("a line", each.data) for each in self.lines]
        ends = {each for line in self.lines for each in (line.sender, line.receiver)}
        return [*self.pieces, *seen, *(Piece("an address on a line", end.encode()) for end in sorted(ends))]

    def by_what_is_said(self) -> View:
        """The same, where nothing is joined by the channel that it came on."""
        pieces = [
            replace(each, values=frozenset(value for value in each.values if not value.startswith(CHANNEL)))
            for each in self.pieces
        ]
        return View(pieces, self.lines)

    def joined(self, start: Iterable[bytes], public: set[bytes]) -> list[Piece]:
        """The pieces that are joined, by one step or many, with these values. What is public joins nothing."""
        reached, found = set(start), list[Piece]()
        rest = [each for each in self.pieces if each.values]
        while near := [each for each in rest if reached & each.values]:
            rest = [each for each in rest if not reached & each.values]
            found += near
            reached |= {value for each in near for value in each.values - public}
        return found


def noise_sizes(data: bytes) -> Iterator[int]:
    """The lengths of the Noise messages in a stream."""
    while len(data) >= LENGTH_BYTES:
        size = int.from_bytes(data[:LENGTH_BYTES], "big")
        yield size
        data = data[LENGTH_BYTES + size :]


def values_in(value: Any) -> Iterator[bytes]:
    """Every value in a row or a message that is long enough, with the names that follow from it."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        if len(value) >= KNOWN_AGAIN:
            yield value
            yield from values_inside(value)
    elif isinstance(value, tuple):
        for each in value:
            yield from values_in(each)
    elif isinstance(value, Record):
        yield from names_of(value)
        for name in type(value).layout.names:
            yield from values_in(getattr(value, name))


def values_inside(data: bytes) -> Iterator[bytes]:
    """What stands in bytes that are a message or a signed one."""
    for read in (lambda: decode_record(Signed, data), lambda: decode(data)):
        try:
            yield from values_in(read())
            return
        except Malformed:
            continue


def names_of(value: Record) -> Iterator[bytes]:
    """By what else anybody who holds this can call it."""
    if isinstance(value, Signed):
        yield value.hash
    elif isinstance(value, Token):
        yield from (value.id, used_name(value.id))
    elif isinstance(value, Transaction):
        yield value.outcome_key


def public_values(network: Network) -> set[bytes]:
    """What stands in the network file, and what everybody says in the same words."""
    peers = {each for peer in network.peers for each in (peer.key, peer.identity, peer.channel_key)}
    brands = {value for offer in network.brands for value in values_in(offer)}
    names = {each.encode() for peer in network.peers for each in (peer.name, peer.host)}
    opening = [encode(OpenAccount(bank=peer.key)) for peer in network.all(Role.BANK)]
    alike = {value for body in opening for value in (body, Signed(body=body, signatures=()).hash)}
    return peers | brands | names | alike | {brand_id(offer.brand) for offer in network.brands} | {bytes(32)}


def brand_id(brand: Signed) -> bytes:
    """What tokens and books call this brand."""
    identity: bytes = decode(brand.body).id  # type: ignore[attr-defined]
    return identity


# What was stored.


def stored(folder: Path) -> list[Piece]:
    """Every row of every database in a folder, and every file of it as it lies there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rows = [row for path in files if path.suffix == ".db" for row in rows_of(path)]
    return [*rows, *(Piece(f"file {path.relative_to(folder)}", path.read_bytes()) for path in files)]


def rows_of(path: Path) -> Iterator[Piece]:
    """The rows of a database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in database.execute(f"select * from {table}"):
                yield row_piece(table, row)


def row_piece(table: str, row: tuple[Any, ...]) -> Piece:
    """One row."""
    data = b"\n".join(each if isinstance(each, bytes) else str(each).encode() for each in row)
    return Piece(f"table {table}", data, frozenset(values_in(row)))


# What was received.


def received(tape: Path, address: str) -> View:
    """What came to a party's door and on its lines."""
    doors: dict[bytes, bytes] = {}
    lines: dict[int, Line] = {}
    with tape.open("rb") as file:
        for when, layer, which, sender, data in msgpack.Unpacker(file):
            if layer == DOOR:
                doors[which] = doors.get(which, b"") + data
            elif layer == LINE:
                before = lines.get(which, Line(sender, address, b"", when))
                lines[which] = Line(sender, address, before.data + data, before.began)
    view = View(lines=list(lines.values()))
    for channel, data in doors.items():
        end = read_to(data)
        view.pieces += [frame_piece(channel, each) for each in Frames().feed(data[:end])]
        if data[end:]:
            view.lines.append(Line("", address, data[end:], 0))
    return view


def read_to(data: bytes) -> int:
    """Where in a channel the frames end that can be read: behind a join a second channel runs inside it."""
    if len(data) < HEADER.size:
        return len(data)
    length, step, _ = HEADER.unpack_from(data)
    return int(FRAME_LENGTH_BYTES + length) if step in (Step.JOIN, Step.JOINED) else len(data)


def frame_piece(channel: bytes, frame: Frame) -> Piece:
    """One frame that came on a channel."""
    values = frozenset([*values_in(frame.payload), CHANNEL + channel])
    return Piece(f"frame {STEPS[frame.step].__name__}", frame.payload, values)
