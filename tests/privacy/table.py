"""The paper's Table 1, made from what everybody has of one sale."""

from __future__ import annotations

import base64
import enum
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgpack
from anonnet_daemons.config import Kind

from anonnet.crypto.noise import TAG_BYTES
from tests.privacy.pieces import Line, Piece, View, public_values
from tests.privacy.sale import DENOMINATIONS, DESCRIPTION, GOODS, ITEM, MIRROR, PRICE, Facts, Taken

COLUMNS = ("merchant", "consumer", "date", "amount", "item")

LAW = "law enforcement with a warrant"
OBSERVER = "electronic observer"
SEALED_LOG = "log, of a sealed sale"
EVERYWHERE = "observer of her own line too"
BANK_LOG, MERCHANT_LOG = "bank and log in one", "merchant and log in one"

PAPER = {
    Kind.MERCHANT.value: "Full None Full Full Full",
    Kind.CONSUMER.value: "Full Full Full Full Full",
    Kind.BANK.value: "Full None Full Full None",
    Kind.LOG.value: "Full None Full None None",
    LAW: "Full None Full Full Full",
    OBSERVER: "Partial None Full Partial None",
}
"""The paper's own entries, column by column."""

OURS = PAPER | {
    OBSERVER: "Partial None Full Partial Partial",
    Kind.MIRROR.value: "Full None Full None None",
    Kind.RELAY.value: "Full Partial Full Partial Partial",
    EVERYWHERE: "Partial Partial Full Partial Partial",
    SEALED_LOG: "Partial None Full None None",
    BANK_LOG: PAPER[Kind.BANK.value],
    MERCHANT_LOG: PAPER[Kind.MERCHANT.value],
}
"""What must come out. docs/privacy.md explains each entry that the paper does not have."""

VOLUME_SHARE = 1.1
"""By how much the goods may have grown on a line, with chunks, frames, channels and questions."""


class Extent(enum.StrEnum):
    """How much is known."""

    NONE = "None"
    PARTIAL = "Partial"
    FULL = "Full"


@dataclass(frozen=True)
class Mark:
    """Something that tells of a column, and how much. `at_bank`: the bank knows it from withdrawals, and so it must not
    stand in what is joined with the sale; what is not must stand nowhere."""

    column: str
    what: str
    extent: Extent
    value: bytes | str | int
    at_bank: bool = False

    @property
    def encodings(self) -> list[bytes]:
        return list(encodings(self.value))


def encodings(value: bytes | str | int) -> Iterator[bytes]:
    """The bytes in which a value could stand somewhere, each long enough not to stand there by chance."""
    if isinstance(value, int):
        assert value > 0xFFFF, "a small number is found everywhere"
        yield from (msgpack.packb(value), str(value).encode(), struct.pack(">Q", value), struct.pack("<Q", value))
        return
    data = value.encode() if isinstance(value, str) else value
    if isinstance(value, str):
        yield value.encode("utf-16-le")
    yield from (data, data.hex().encode(), data.hex().upper().encode())
    for before in range(3):  # base64 looks different at each place of three, but for what stands at the ends
        for coded in (base64.b64encode, base64.urlsafe_b64encode):
            yield coded(bytes(before) + data)[4:-4]


def marks(facts: Facts) -> list[Mark]:
    """What tells of the sale."""
    order, full, partial = facts.order, Extent.FULL, Extent.PARTIAL
    merchant, consumer = (facts.addresses[kind] for kind in (Kind.MERCHANT, Kind.CONSUMER))
    brands = [payment.token.brand for payment in order.payments]
    digest = hashlib.sha256(GOODS).digest()
    return [
        Mark("merchant", "his key", full, order.transaction.merchant),
        Mark("merchant", "his address", partial, merchant),
        Mark("consumer", "her account's key", full, facts.account, at_bank=True),
        *(Mark("consumer", "her withdrawal", full, each, at_bank=True) for each in facts.blinded),
        Mark("consumer", "her address", partial, consumer),
        *(Mark("date", "the expiration", full, each.transaction.expiration) for each in facts.orders.values()),
        Mark("amount", "the price", full, PRICE),
        *(Mark("amount", "what its tokens are worth", partial, each) for each in DENOMINATIONS),
        *(Mark("amount", "what its tokens are worth", partial, each) for each in brands),
        Mark("item", "its name", full, ITEM),
        Mark("item", "its description", full, DESCRIPTION),
        Mark("item", "its hash", full, digest),
        Mark("item", "a piece of it", full, GOODS[70_000:70_032]),
    ]


@dataclass(frozen=True)
class Cell:
    """How much a party knows of one thing, and by what."""

    extent: Extent
    by: tuple[str, ...]


def rows(taken: Taken) -> dict[str, View]:
    """Who is asked, with all that each has."""
    named = {name: taken.views[name] for name in (Kind.MERCHANT, Kind.CONSUMER, Kind.BANK, Kind.LOG)}
    others = {LAW: taken.warrant(), OBSERVER: taken.lines(hers=False)}
    new = {Kind.MIRROR: taken.views[MIRROR], Kind.RELAY: taken.views[Kind.RELAY]}
    log, public = taken.views[Kind.LOG].by_what_is_said(), public_values(taken.facts.network)
    sealed = View(log.joined(taken.facts.sealed_seeds, public), log.lines)
    views = {**named, SEALED_LOG: sealed, **others, **new, EVERYWHERE: taken.lines(hers=True)}
    views |= {BANK_LOG: taken.both(Kind.BANK, Kind.LOG), MERCHANT_LOG: taken.both(Kind.MERCHANT, Kind.LOG)}
    return {str(name): view for name, view in views.items()}


def known(facts: Facts, name: str, view: View) -> dict[str, Cell]:
    """One row of the table."""
    everything = view.everything
    joined = (
        view.joined(facts.seeds, public_values(facts.network)) if name in (Kind.BANK, BANK_LOG, LAW) else everything
    )
    found: dict[str, list[tuple[Extent, str]]] = {column: [] for column in COLUMNS}
    for mark in marks(facts):
        if stands(mark, joined if mark.at_bank else everything):
            found[mark.column].append((mark.extent, mark.what))
    for column, what, extent in by_traffic(facts, view.lines):
        found[column].append((extent, what))
    return {column: _cell(each) for column, each in found.items()}


def _cell(found: list[tuple[Extent, str]]) -> Cell:
    for extent in (Extent.FULL, Extent.PARTIAL):
        if by := tuple(dict.fromkeys(what for each, what in found if each is extent)):
            return Cell(extent, by)
    return Cell(Extent.NONE, ())


def stands(mark: Mark, pieces: list[Piece]) -> bool:
    """True if this stands in one of these, in whatever encoding."""
    return any(encoding in piece.data for encoding in mark.encodings for piece in pieces)


def by_traffic(facts: Facts, lines: list[Line]) -> Iterator[tuple[str, str, Extent]]:
    """What sizes, times and ends of lines tell to whoever reads nothing else."""
    if lines:
        yield "date", "when bytes went", Extent.FULL
    if any(facts.order_bytes + TAG_BYTES in line.message_sizes for line in lines):
        yield "amount", "by the size of P2, how many tokens", Extent.PARTIAL
    if any(len(GOODS) <= len(line.data) <= VOLUME_SHARE * len(GOODS) for line in lines):
        yield "item", "how many bytes it has", Extent.PARTIAL


def rendered(taken: Taken) -> str:
    """The table, as docs/privacy.md has it."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for name, view in rows(taken).items():
        cells = known(taken.facts, name, view).values()
        lines.append(f"| {name} | " + " | ".join(_shown(each) for each in cells) + " |")
    return "\n".join(lines)


def _shown(cell: Cell) -> str:
    return f"{cell.extent}: {', '.join(cell.by)}" if cell.by else str(cell.extent)
