"""One encoding: messages as frozen records, on the wire as msgpack arrays, read strictly (design: one encoding).

A record is an array of its fields. A message is a record with a step, which stands first in its array. Bytes are a
message only if they decode to one and encoding that gives the same bytes again: one message, one encoding. Records
check themselves when they are built, so a value that exists is a value that may be sent.

Field kinds: bytes, str and int with bounds, another record, and tuples of these. What a peer claims to send costs
memory only where the layout has a place for it: msgpack makes room for as many items as a list claims, so it is led
by the layout, field by field, wherever a list may be long.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

import msgpack

from anonnet.errors import Malformed
from anonnet.limits import FRAME_MAX, MESSAGES_REMEMBERED, REMEMBERED_BYTES_MAX


@dataclass(frozen=True)
class Between:
    """Bounds of a field, both included: of a number, or of a length (bytes, items; text counts in UTF-8 bytes)."""

    low: int
    high: int


class Record:
    """A frozen, keyword-only value with bounded fields; decorated with `record` or, where it has a step, `message`."""

    __slots__ = ()
    layout: ClassVar[Layout]

    def check(self) -> None:
        """Raise Malformed where fields that are fine by themselves do not fit each other."""


class Message(Record):
    """A record that can be said by itself: it has a step, a cap on its frame, and may have to be signed."""

    __slots__ = ()
    step: ClassVar[int]
    signed: ClassVar[bool]
    frame_max: ClassVar[int]


AT_ONCE = 64
"""Lists of so many items are read by msgpack alone; nested as deep as it goes, they take half a megabyte."""

R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=Message)

STEPS: dict[int, type[Message]] = {}
"""All messages by their step."""

HEADS: dict[bytes, type[Message]] = {}
"""All messages by the bytes that they begin with: the header of an array for the step and the fields, and the step."""

HEAD_SIZES = range(2, 5)


@dataclass(frozen=True, kw_only=True)
class Field:
    """How one field is checked, written and read."""

    kind: type
    low: int = 0
    high: int = 0
    extent: Callable[[Any], int] = lambda value: 0
    """Of a value of this kind; it lies between low and high."""
    item: Field | None = None
    """How each item of a list is checked."""
    to_wire: Callable[[Any], Any] | None = None
    built: Callable[[Any], Any] | None = None
    """Makes the value of what stands on the wire. None, and so `to_wire`: that is the value."""
    longest: int = 0
    """How long a list may be that stands in it, fields of records counted as such."""
    led: Callable[[msgpack.Unpacker], Any] = msgpack.Unpacker.unpack
    """Reads what stands on the wire, where `longest` is too much for msgpack alone."""

    def complaint(self, value: Any) -> str:
        """What is wrong with a value, if anything."""
        if (kind := type(value)) is not self.kind:
            return f"is {kind.__name__}, not {self.kind.__name__}"
        if not self.low <= (extent := self.extent(value)) <= self.high:
            return f"{extent} is outside {self.low}..{self.high}"
        if self.item is None:
            return ""
        return next((f"item {text}" for each in value if (text := self.item.complaint(each))), "")


class Layout:
    """The fields of a record, in their order, and what is made of them once for all its values."""

    def __init__(self, fields: Sequence[tuple[str, Field]]) -> None:
        self.fields = dict(fields)
        self.names = tuple(self.fields)
        self.rules = [(name, each.kind, each.low, each.high, each.extent, each.item) for name, each in fields]
        self.to_wire = [(at, each.to_wire) for at, (_, each) in enumerate(fields) if each.to_wire]
        self.built = [(name, each.built) for name, each in fields if each.built]
        self.longest = max([len(fields), *(each.longest for _, each in fields)])


def _text_bytes(text: str) -> int:
    """-1 for text that UTF-8 cannot write."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return -1


EXTENTS: dict[type, Callable[[Any], int]] = {bytes: len, str: _text_bytes, int: int}
"""What the bounds of a plain field are about."""


def _nested(kind: type[Record]) -> Field:
    longest = kind.layout.longest

    def led(unpacker: msgpack.Unpacker) -> tuple[Any, ...]:
        return _led(kind, unpacker, unpacker.read_array_header())

    return Field(
        kind=kind,
        to_wire=_to_wire,
        built=lambda values: _built(kind, values),
        longest=longest,
        led=led if longest > AT_ONCE else msgpack.Unpacker.unpack,
    )


def _several(item: Field, bounds: Between) -> Field:
    to_wire, built, longest = item.to_wire, item.built, max(bounds.high, item.longest)

    def all_built(values: Any) -> tuple[Any, ...]:
        if type(values) is not tuple:
            raise Malformed("no list")
        return tuple([built(each) for each in values])  # type: ignore[misc]

    def led(unpacker: msgpack.Unpacker) -> tuple[Any, ...]:
        count = unpacker.read_array_header()
        if count > bounds.high:
            raise Malformed(f"a list of at most {bounds.high} was expected")
        return tuple([item.led(unpacker) for _ in range(count)])

    return Field(
        kind=tuple,
        low=bounds.low,
        high=bounds.high,
        extent=len,
        item=item,
        to_wire=None if to_wire is None else lambda value: [to_wire(each) for each in value],
        built=None if built is None else all_built,
        longest=longest,
        led=led if longest > AT_ONCE else msgpack.Unpacker.unpack,
    )


def _field(hint: Any) -> Field:
    kind, bounds = hint, None
    if get_origin(hint) is Annotated:
        kind, bounds = get_args(hint)
    if isinstance(kind, type) and issubclass(kind, Record):
        return _nested(kind)
    assert bounds is not None, f"a field without bounds: {hint}"
    if get_origin(kind) is tuple:
        return _several(_field(get_args(kind)[0]), bounds)
    assert kind in EXTENTS, f"no such kind of field: {hint}"
    return Field(kind=kind, low=bounds.low, high=bounds.high, extent=EXTENTS[kind])


def _check_fields(self: Record) -> None:
    for name, kind, low, high, extent, item in self.layout.rules:
        value: Any = getattr(self, name)
        fits = type(value) is kind and low <= extent(value) <= high
        if not fits or (item and any(map(item.complaint, value))):
            raise Malformed(f"{type(self).__name__}.{name} {self.layout.fields[name].complaint(value)}")
    self.check()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[R]) -> type[R]:
    """Make a class a record: frozen, keyword-only, its fields checked when it is built (Malformed)."""
    cls.__post_init__ = _check_fields  # type: ignore[attr-defined]
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    hints = get_type_hints(made, include_extras=True)
    made.layout = Layout([(each.name, _field(hints[each.name])) for each in dataclasses.fields(made)])  # type: ignore[arg-type]
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(step: int, *, signed: bool, frame_max: int) -> Callable[[type[M]], type[M]]:
    """Make a class the message of `step`; `frame_max` caps its frame in bytes, signatures included."""
    assert 0 < step < 2**16
    assert 0 < frame_max <= FRAME_MAX

    def register(cls: type[M]) -> type[M]:
        made = record(cls)
        made.step, made.signed, made.frame_max = int(step), signed, frame_max
        head = msgpack.Packer().pack_array_header(1 + len(made.layout.names)) + msgpack.packb(made.step)
        assert len(head) in HEAD_SIZES
        assert STEPS.setdefault(made.step, made) is made, f"two messages claim step {step}"
        HEADS[head] = made
        return made

    return register


NO_VALUE = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
"""What msgpack raises for bytes that it does not take."""

STRICT = {"raw": False, "use_list": False, "max_map_len": 0, "max_ext_len": 0}
"""No maps, no kinds of others' making, and text in UTF-8."""


def encode(value: Record) -> bytes:
    """Return the one encoding of a record or message."""
    values = _to_wire(value)
    packed: bytes = msgpack.packb((value.step, *values) if isinstance(value, Message) else values)
    return packed


def _to_wire(value: Record) -> list[Any]:
    layout = value.layout
    values = [getattr(value, name) for name in layout.names]
    for at, to_wire in layout.to_wire:
        values[at] = to_wire(values[at])
    return values


def decode_record(kind: type[R], data: bytes) -> R:
    """Read a record without a step. Raises Malformed."""
    return _decoded(kind, data)


def decode(data: bytes) -> Message:
    """Read a message of any known step. Raises Malformed."""
    return _decoded(_kind_of(data), data)


def step_of(data: bytes) -> int:
    """The step of an encoded message, read from its first bytes alone. Raises Malformed where it is none of ours."""
    return _kind_of(data).step


def _kind_of(data: bytes) -> type[Message]:
    for size in HEAD_SIZES:
        if kind := HEADS.get(data[:size]):
            return kind
    raise Malformed("no known step with as many fields as it has")


def _decoded(kind: type[R], data: bytes) -> R:
    read: Any = _remembered if len(data) <= REMEMBERED_BYTES_MAX else _read
    made: R = read(kind, data)
    return made


@lru_cache(MESSAGES_REMEMBERED)  # a paper is read again in each turn about its sale
def _remembered(kind: type[Record], data: bytes) -> Record:
    return _read(kind, data)


def _read(kind: type[R], data: bytes) -> R:
    values = _values(kind, data)
    made = _built(kind, values[1:] if issubclass(kind, Message) else values)
    if msgpack.packb(values) != data:
        raise Malformed(f"{kind.__name__}: not its one encoding")
    return made


def _values(kind: type[Record], data: bytes) -> tuple[Any, ...]:
    """What stands on the wire, as tuples of plain values: all that `kind` has a place for, or something else."""
    try:
        if kind.layout.longest <= AT_ONCE:
            values: tuple[Any, ...] = msgpack.unpackb(data, max_array_len=AT_ONCE, **STRICT)
            return values
        unpacker = msgpack.Unpacker(max_buffer_size=len(data) or 1, max_array_len=AT_ONCE, **STRICT)
        unpacker.feed(data)
        count = unpacker.read_array_header()
        step = (unpacker.unpack(),) if issubclass(kind, Message) else ()
        return step + _led(kind, unpacker, count - len(step))
    except NO_VALUE as why:
        raise Malformed(f"not msgpack as we write it: {type(why).__name__}") from None


def _led(kind: type[Record], unpacker: msgpack.Unpacker, count: int) -> tuple[Any, ...]:
    """The fields of a record, whose header claimed so many."""
    if count != len(kind.layout.names):
        raise Malformed(f"{kind.__name__} has {len(kind.layout.names)} fields")
    return tuple([field.led(unpacker) for field in kind.layout.fields.values()])


def _built(kind: type[R], values: Any) -> R:
    """A record of what stands on the wire. Raises Malformed."""
    layout = kind.layout
    if type(values) is not tuple or len(values) != len(layout.names):
        raise Malformed(f"{kind.__name__} has {len(layout.names)} fields")
    fields = dict(zip(layout.names, values, strict=True))
    for name, built in layout.built:
        fields[name] = built(fields[name])
    return kind(**fields)
