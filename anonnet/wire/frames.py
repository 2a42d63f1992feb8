"""Frames: u32 length, u16 step, u32 request id, then the payload; big-endian; the length counts what follows it.

The length is checked against the cap of the step before a byte of the payload is waited for. Sans-IO: `Frames` is fed
bytes and gives frames.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from anonnet.errors import Malformed
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.signed import Signed, payload

HEADER = struct.Struct(">IHI")
LENGTH_BYTES = 4
REQUEST_ID_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: the step of its payload, the id that joins a reply with its request, the payload."""

    step: int
    request_id: int
    payload: bytes

    def __bytes__(self) -> bytes:
        length = HEADER.size - LENGTH_BYTES + len(self.payload)
        return HEADER.pack(length, self.step, self.request_id) + self.payload


def frame(said: Message | Signed, request_id: int) -> Frame:
    """Put a message into a frame. Its makers see to it that it is one that the other side lets in."""
    made = Frame(said.step, request_id, payload(said))
    assert len(made.payload) <= STEPS[made.step].frame_max, f"{STEPS[made.step].__name__} outgrows its frame"
    return made


class Frames:
    """Cuts a stream of bytes into frames. Holds at most one unfinished frame and what came behind it."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def partial(self) -> bool:
        """True while a frame has begun and not ended: the peer owes the rest before a deadline."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, give every frame that is now whole. Raises Malformed at the first header that breaks a rule."""
        self._held += data
        whole = []
        at = 0
        while (end := self._end(at)) is not None and end <= len(self._held):
            _, step, request_id = HEADER.unpack_from(self._held, at)
            whole.append(Frame(step, request_id, bytes(self._held[at + HEADER.size : end])))
            at = end
        del self._held[:at]
        return whole

    def _end(self, at: int) -> int | None:
        """Where the frame that starts at `at` ends, or None while its header is not there."""
        if len(self._held) - at < HEADER.size:
            return None
        length: int
        step: int
        length, step, _ = HEADER.unpack_from(self._held, at)
        kind = STEPS.get(step)
        if kind is None:
            raise Malformed(f"no step {step}")
        size = length - (HEADER.size - LENGTH_BYTES)
        if not 0 < size <= kind.frame_max:
            raise Malformed(f"a frame of {kind.__name__} with {size} bytes")
        return at + HEADER.size + size
