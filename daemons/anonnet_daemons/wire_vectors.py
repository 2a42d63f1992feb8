"""Vectors of our own wire format (docs/wire.md): hashes, messages with their bytes, and what must be malformed.

A document has `wire` (its version), `network`, and the lists `hashes`, `messages` and `malformed`. Values are shown as
JSON: bytes as hexadecimal digits, records as objects, lists as lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anonnet.crypto.hashing import H, Label, hkdf, xof
from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed
from anonnet.protocol import answers, local, watching, witnessing  # all messages: whoever decodes must know them
from anonnet.wire.codec import STEPS, Message, Record, decode, encode
from anonnet.wire.frames import Frames, frame
from anonnet.wire.signed import Signed, Signer, received, unsigned
from anonnet_daemons.reading import Case, Differs, Fields, bound, equal, items, unhex

VERSION = 1
KNOWN = (answers, local, watching, witnessing)


def cases(document: Any) -> Iterator[Case]:
    """Every vector of a document of this form; none if it is of another."""
    if not isinstance(document, dict) or "wire" not in document:
        return
    network = document.get("network")
    if document["wire"] != VERSION or not isinstance(network, str):
        yield "wire", _unknown
        return
    checks = {
        "hashes": check_hash,
        "messages": lambda vector: check_message(network, vector),
        "malformed": lambda vector: check_malformed(network, vector),
    }
    for kind, check in checks.items():
        for number, vector in enumerate(items(document, kind)):
            name = vector.get("name") if isinstance(vector, dict) else None
            yield str(name or f"{kind} {number}"), bound(check, vector)


def _unknown() -> None:
    raise Differs(f"not version {VERSION} of these vectors, or without its network")


def shown(value: Any) -> Any:
    """A value as vectors show it."""
    if isinstance(value, Record):
        return {name: shown(getattr(value, name)) for name in value.layout.names}
    if isinstance(value, tuple):
        return [shown(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value


def check_hash(vector: Fields) -> None:
    """Check one output of H, HKDF or XOF."""
    function, output = vector.of("function", str), vector.hex("output")
    label = vector.of("label", str)
    if label not in {each.value for each in Label}:
        raise Differs("label is unknown")
    if function == "H":
        equal("output", output, H(Label(label), *(_hashed(field) for field in vector.of("fields", list))))
    elif function == "HKDF":
        equal("output", output, hkdf(vector.hex("secret"), Label(label), vector.hex("context"), length=len(output)))
    elif function == "XOF":
        equal("output", output, xof(vector.hex("secret"), Label(label), vector.hex("context"), length=len(output)))
    else:
        raise Differs("function is none of H, HKDF and XOF")


def _hashed(field: Any) -> bytes | int:
    """Integers stand as they are, bytes in hexadecimal digits."""
    return field if type(field) is int else unhex("fields", field)


def check_message(network: str, vector: Fields) -> None:
    """Check that value, body, signatures, request hash and frame of one message are those of each other."""
    body = vector.hex("body")
    said = decode(body)
    if (type(said).__name__, said.step) != (vector.of("name", str), vector.of("step", int)):
        raise Differs("the body is of another step")
    if shown(said) != vector.of("value", dict):
        raise Differs("value is not what the body says")
    equal("body", body, encode(said))
    sent = _sent(network, said, vector)
    equal("request", vector.hex("request"), (sent if isinstance(sent, Signed) else unsigned(sent).signed).hash)
    framed = vector.hex("frame")
    equal("frame", framed, bytes(frame(sent, vector.of("request_id", int))))
    (found,) = Frames().feed(framed)
    if received(network, type(said), found.payload).body != said:
        raise Differs("the frame holds another message")


def _sent(network: str, said: Message, vector: Fields) -> Message | Signed:
    """What stands in the frame: the message, signed by the seeds where its step is signed."""
    seeds = [unhex("seeds", seed) for seed in vector.of("seeds", list)]
    if bool(seeds) != said.signed:
        raise Differs("seeds stand beside signed steps, and only there")
    sent = Signer(network, *map(SigningKey, seeds)).sign(said) if said.signed else said
    signatures = shown(sent)["signatures"] if isinstance(sent, Signed) else []
    if signatures != vector.of("signatures", list):
        raise Differs("signatures are others")
    return sent


def check_malformed(network: str, vector: Fields) -> None:
    """Check that bytes are refused: a stream of frames, or the payload of a frame of some step."""
    if vector.of("expect", str) != "malformed":
        raise Differs("expect is not malformed")
    try:
        if "stream" in vector:
            Frames().feed(vector.hex("stream"))
        else:
            kind = STEPS.get(vector.of("step", int))
            if kind is None:
                raise Differs("step is unknown")
            received(network, kind, vector.hex("payload"))
    except Malformed:
        return
    raise Differs("these bytes are taken, and must be malformed")
