"""Makes the vectors of the wire, always the same: `.venv/bin/python -m tests.unit.wire.make_vectors` writes them anew.

One message of each step between parties, the values of which are drawn by chance from a fixed seed; each label with an
input and its output; and the malformed inputs of `test_malformed`.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from anonnet_daemons.selftest import VECTORS
from anonnet_daemons.wire_vectors import VERSION, shown

from anonnet.crypto.hashing import H, Label, hkdf, xof
from anonnet.crypto.keys import SigningKey
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.steps import Step
from anonnet.wire.codec import STEPS, Message, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.unit.wire.samples import MESSAGES, sample
from tests.unit.wire.test_malformed import BODIES, HEADERS, SIGNED, encode_signed
from tests.unit.wire.test_malformed import NETWORK as MALFORMED_IN

FILE = VECTORS / "wire.json"
NETWORK = MALFORMED_IN
REQUEST_ID = 0x01020304
SEEDS = [bytes([number]) * 32 for number in (1, 2)]
SEVERAL_SIGNERS = {Step.P2, Step.E1}
KEY, OTHER, SECRET = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
PLACE = KEY + OTHER + b"withdrawal" + bytes(8)
SHARED = KEY + (1_700_000_000).to_bytes(8, "big") + (3).to_bytes(8, "big") + b"EUR"

FIELDS: dict[Label, tuple[bytes | int, ...]] = {
    Label.NUMBER: (KEY, SECRET),
    Label.OUTCOME: (KEY, OTHER, 1_700_000_000, SECRET),
    Label.SEALED_OUTCOME: (KEY, 1_700_000_000, OTHER),
    Label.TOKEN: (KEY, OTHER, b""),
    Label.BRAND: (b"the encoded message",),
    Label.KEY_PROOF: (bytes(256), b"\1" * 256),
    Label.USED: (KEY,),
    Label.LOG: (KEY, b"none"),
    Label.DOWNLOAD: (SECRET,),
    Label.REQUEST: (encode(OpenAccount(bank=KEY)),),
}
DERIVED: dict[Label, bytes] = {
    **dict.fromkeys((Label.MERCHANDISE_KEY, Label.ENTRY_KEY, Label.ENTRY, Label.GOODS), b""),
    Label.WITNESS: b"",
    Label.ACCOUNT_KEY: KEY,
    Label.TOKEN_KEY: PLACE,
    Label.REUSED_KEY: SHARED,
    Label.SERIAL: PLACE,
}
DRAWN: dict[Label, tuple[bytes, int]] = {
    Label.CHALLENGE: (b"RSABSSA-SHA384-PSS-Deterministic" + bytes(4), 272),
    Label.TOKEN_BLINDING: (PLACE, 272),
    Label.TOKEN_SALT: (PLACE, 48),
    Label.MOMENT: (b"", 16),
    Label.MESH: (KEY, 16),
}

Vector = dict[str, Any]


def hashes() -> list[Vector]:
    """Each label with what it is computed from."""
    made: list[Vector] = []
    for label, fields in FIELDS.items():
        shown_fields = [field.hex() if isinstance(field, bytes) else field for field in fields]
        made.append({"function": "H", "label": label.value, "fields": shown_fields, "output": H(label, *fields).hex()})
    drawn = {label: ("HKDF", context, hkdf(SECRET, label, context)) for label, context in DERIVED.items()}
    drawn |= {
        label: ("XOF", context, xof(SECRET, label, context, length=size)) for label, (context, size) in DRAWN.items()
    }
    for label, (function, context, output) in drawn.items():
        given = {"secret": SECRET.hex(), "context": context.hex()}
        made.append({"function": function, "label": label.value, **given, "output": output.hex()})
    assert {each["label"] for each in made} == {label.value for label in Label}
    return made


def messages() -> list[Vector]:
    """One message of each step that parties say to each other."""
    return [message_of(kind) for kind in MESSAGES if kind.step in set(Step)]


def message_of(kind: type[Message]) -> Vector:
    """A message, what its bytes are, and what is sent."""
    said = sample(kind, Random(kind.step))
    seeds = SEEDS[: 2 if kind.step in SEVERAL_SIGNERS else 1] if kind.signed else []
    sent = Signer(NETWORK, *map(SigningKey, seeds)).sign(said) if kind.signed else said
    signed = sent if isinstance(sent, Signed) else unsigned(said).signed
    return {
        "name": kind.__name__,
        "step": kind.step,
        "value": shown(said),
        "body": signed.body.hex(),
        "request": signed.hash.hex(),
        "seeds": [seed.hex() for seed in seeds],
        "signatures": shown(signed)["signatures"],
        "request_id": REQUEST_ID,
        "frame": bytes(frame(sent, REQUEST_ID)).hex(),
    }


def malformed() -> list[Vector]:
    """What must be refused: bodies bare and under a valid signature, signed payloads, streams."""
    made: list[Vector] = []
    for name, body in BODIES.items():
        if len(body) <= 4096:
            step = next((step for step in (body[1:2] and [body[1]]) if step in STEPS and not STEPS[step].signed), 82)
            made.append({"name": name, "step": step, "payload": body.hex()})
            made.append({"name": f"signed: {name}", "step": OpenAccount.step, "payload": encode_signed(body).hex()})
    for name, payload in SIGNED.items():
        made.append({"name": f"signatures: {name}", "step": OpenAccount.step, "payload": payload().hex()})
    for name, stream in HEADERS.items():
        made.append({"name": f"frames: {name}", "stream": stream.hex()})
    return [{"expect": "malformed", **each} for each in made]


def document() -> Vector:
    """The whole file."""
    return {
        "about": "The wire of anonnet, version 1: see docs/wire.md. Well formed, and otherwise meaningless.",
        "wire": VERSION,
        "network": NETWORK,
        "hashes": hashes(),
        "messages": messages(),
        "malformed": malformed(),
    }


def text() -> str:
    """The whole file, one vector a line."""
    made = document()
    lists = {name: made.pop(name) for name in ("hashes", "messages", "malformed")}
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in made.items()]
    for name, vectors in lists.items():
        parts.append(f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(each) for each in vectors) + "\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
