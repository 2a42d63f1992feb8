"""One encoding: messages as frozen records, on the wire as msgpack arrays, read strictly (design: one encoding).

A record is an array of its fields. A message is a record with a step, which stands first in its array. Bytes are a
message only if they decode to one and encoding that gives the same bytes again: one message, one encoding. Records
check themselves when they are built, so a value that exists is a value that may be sent.

Field kinds: bytes, str and int with bounds, another record, and tuples of these. A reader is led by the layout, field
by field: what a peer claims to send costs memory only where the layout has a place for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform, get_args, get_origin, get_type_hints

import msgpack

from anonnet.errors import Malformed
from anonnet.limits import FRAME_MAX


@dataclass(frozen=True)
class Between:
    """Bounds of a field, both included: of a number, or of a length (bytes, items; text counts in UTF-8 bytes)."""

    low: int
    high: int


class Record:
    """A frozen, keyword-only value with bounded fields; decorated with `record` or, where it has a step, `message`."""

    __slots__ = ()
    layout: ClassVar[tuple[tuple[str, Field], ...]]

    def check(self) -> None:
        """Raise Malformed where fields that are fine by themselves do not fit each other."""


class Message(Record):
    """A record that can be said by itself: it has a step, a cap on its frame, and may have to be signed."""

    __slots__ = ()
    step: ClassVar[int]
    signed: ClassVar[bool]
    frame_max: ClassVar[int]


HEAD_BYTES = 16
"""The header of an array and a step fit in these."""

R = TypeVar("R", bound=Record)
M = TypeVar("M", bound=Message)

STEPS: dict[int, type[Message]] = {}
"""All messages by their step."""


@dataclass(frozen=True)
class Field:
    """How one field is written, read and checked."""

    to_wire: Callable[[Any], Any] | None
    """None where the value stands on the wire as it is."""
    read: Callable[[_Reader], Any]
    complaint: Callable[[Any], str]


def _text_bytes(text: str) -> int:
    """Raises UnicodeEncodeError for text that UTF-8 cannot write."""
    return len(text.encode())


EXTENTS: dict[type, Callable[[Any], int]] = {bytes: len, str: _text_bytes, int: int}
"""What the bounds of a plain field are about."""


def _plain(kind: type, bounds: Between) -> Field:
    low, high, extent_of = bounds.low, bounds.high, EXTENTS[kind]

    def complaint(value: Any) -> str:
        if type(value) is not kind:
            return f"is {type(value).__name__}, not {kind.__name__}"
        try:
            extent = extent_of(value)
        except UnicodeEncodeError:
            return "is not text"
        return "" if low <= extent <= high else f"{extent} is outside {low}..{high}"

    return Field(None, _Reader.value, complaint)


def _nested(kind: type[Record]) -> Field:
    def complaint(value: Any) -> str:
        return "" if type(value) is kind else f"is {type(value).__name__}, not {kind.__name__}"

    return Field(_to_wire, lambda reader: _read(kind, reader), complaint)


def _several(item: Field, bounds: Between) -> Field:
    def read(reader: _Reader) -> Any:
        count = reader.array()
        if count > bounds.high:
            raise Malformed(f"a list of at most {bounds.high} was expected")
        return tuple([item.read(reader) for _ in range(count)])

    def complaint(value: Any) -> str:
        if type(value) is not tuple:
            return f"is {type(value).__name__}, not a tuple"
        if not bounds.low <= len(value) <= bounds.high:
            return f"{len(value)} items are outside {bounds.low}..{bounds.high}"
        return next((f"item {text}" for each in value if (text := item.complaint(each))), "")

    to_wire = item.to_wire
    if to_wire is None:
        return Field(None, read, complaint)
    return Field(lambda value: [to_wire(each) for each in value], read, complaint)


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
    return _plain(kind, bounds)


def _check_fields(self: Record) -> None:
    for name, field in self.layout:
        if text := field.complaint(getattr(self, name)):
            raise Malformed(f"{type(self).__name__}.{name} {text}")
    self.check()


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[R]) -> type[R]:
    """Make a class a record: frozen, keyword-only, its fields checked when it is built (Malformed)."""
    cls.__post_init__ = _check_fields  # type: ignore[attr-defined]
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    hints = get_type_hints(made, include_extras=True)
    made.layout = tuple((each.name, _field(hints[each.name])) for each in dataclasses.fields(made))  # type: ignore[arg-type]
    return made


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(step: int, *, signed: bool, frame_max: int) -> Callable[[type[M]], type[M]]:
    """Make a class the message of `step`; `frame_max` caps its frame in bytes, signatures included."""
    assert 0 < step < 2**16
    assert 0 < frame_max <= FRAME_MAX

    def register(cls: type[M]) -> type[M]:
        made = record(cls)
        made.step, made.signed, made.frame_max = int(step), signed, frame_max
        assert STEPS.setdefault(made.step, made) is made, f"two messages claim step {step}"
        return made

    return register


NO_VALUE = (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException)
"""What msgpack raises for bytes that it does not take."""


class _Reader:
    """Reads values one after the other. Raises Malformed for whatever msgpack does not take."""

    def __init__(self, data: bytes) -> None:
        limits = {"max_buffer_size": len(data) or 1, "max_array_len": 0, "max_map_len": 0, "max_ext_len": 0}
        self._unpacker = msgpack.Unpacker(raw=False, object_pairs_hook=_foreign, ext_hook=_foreign, **limits)
        self._unpacker.feed(data)

    def value(self) -> Any:
        """The next bytes, text, number, or something that no field takes; never an array that holds anything."""
        try:
            return self._unpacker.unpack()
        except NO_VALUE as why:
            raise Malformed(f"not msgpack as we write it: {type(why).__name__}") from None

    def array(self) -> int:
        """How many values the array that comes next claims to hold."""
        try:
            count: int = self._unpacker.read_array_header()
            return count
        except NO_VALUE as why:
            raise Malformed(f"not msgpack as we write it: {type(why).__name__}") from None


def _foreign(*_: Any) -> Any:
    raise ValueError("a kind that no field has")


def _read(kind: type[R], reader: _Reader) -> R:
    """Read a record, array header and all."""
    if reader.array() != len(kind.layout):
        raise Malformed(f"{kind.__name__} has {len(kind.layout)} fields")
    return _read_fields(kind, reader)


def _read_fields(kind: type[R], reader: _Reader) -> R:
    return kind(**{name: field.read(reader) for name, field in kind.layout})


def _to_wire(value: Record) -> list[Any]:
    return [
        getattr(value, name) if field.to_wire is None else field.to_wire(getattr(value, name))
        for name, field in value.layout
    ]


def encode(value: Record) -> bytes:
    """Return the one encoding of a record or message."""
    values = _to_wire(value)
    packed: bytes = msgpack.packb((value.step, *values) if isinstance(value, Message) else values)
    return packed


def decode_record(kind: type[R], data: bytes) -> R:
    """Read a record without a step. Raises Malformed."""
    return _one_encoding(_read(kind, _Reader(data)), data)


def step_of(data: bytes) -> int:
    """The step that stands first in an encoded message. Raises Malformed where none does."""
    return _step(_Reader(data[:HEAD_BYTES]))[1]


def decode(data: bytes) -> Message:
    """Read a message of any known step. Raises Malformed."""
    reader = _Reader(data)
    count, step = _step(reader)
    kind = STEPS.get(step)
    if kind is None:
        raise Malformed("no known step")
    if count != 1 + len(kind.layout):
        raise Malformed(f"{kind.__name__} has {len(kind.layout)} fields beside its step")
    return _one_encoding(_read_fields(kind, reader), data)


def _step(reader: _Reader) -> tuple[int, int]:
    """How many values the array of a message claims to hold, and the first of them, its step."""
    count, step = reader.array(), reader.value()
    if type(step) is not int:
        raise Malformed("no step")
    return count, step


def _one_encoding(value: R, data: bytes) -> R:
    """What was read, if writing it gives the same bytes: this also finds what stands behind it."""
    if encode(value) != data:
        raise Malformed(f"{type(value).__name__}: not its one encoding")
    return value
