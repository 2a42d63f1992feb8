"""Noise channels: the published vectors, and whatever a peer sends, only Malformed comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.crypto.noise import (
    CIPHERS,
    HASHES,
    MESSAGE_BYTES_MAX,
    PATTERNS,
    CipherState,
    Handshake,
    generate_static,
    public_of,
)
from anonnet.errors import Malformed

NK = "Noise_NK_25519_ChaChaPoly_BLAKE2s"
XK = "Noise_XK_25519_ChaChaPoly_BLAKE2s"
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "noise.json").read_text())["vectors"]
SERVER, CLIENT = bytes(range(32)), bytes(range(1, 33))
LOW_ORDER = [  # of Curve25519, each giving an all-zero secret
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def pair(name: str = NK, prologues: tuple[bytes, bytes] = (b"", b"")) -> tuple[Handshake, Handshake]:
    """Two sides that know what the pattern wants them to know."""
    known_initiator, known_responder, messages = PATTERNS[name.split("_")[1]]
    sends = [any("s" in m.split() for m in messages[side::2]) for side in (0, 1)]
    client = CLIENT if known_initiator or sends[0] else None
    server = SERVER if known_responder or sends[1] else None
    return (
        Handshake(name, True, prologues[0], client, public_of(SERVER) if known_responder else None),
        Handshake(name, False, prologues[1], server, public_of(CLIENT) if known_initiator else None),
    )


def talk(initiator: Handshake, responder: Handshake) -> None:
    sides = [initiator, responder]
    while not initiator.complete:
        assert sides[1].read(sides[0].write(b"payload")) == b"payload"
        sides.reverse()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["protocol_name"])
def test_published_vectors(vector: dict[str, Any]) -> None:
    def side(who: str) -> Handshake:
        key = {
            k: bytes.fromhex(vector[f"{who}_{k}"])
            for k in ("static", "remote_static", "ephemeral")
            if f"{who}_{k}" in vector
        }
        prologue = bytes.fromhex(vector[f"{who}_prologue"])
        return Handshake(vector["protocol_name"], who == "init", prologue, **key)

    initiator, responder = sides = [side("init"), side("resp")]
    messages = [(bytes.fromhex(m["payload"]), bytes.fromhex(m["ciphertext"])) for m in vector["messages"]]
    while not initiator.complete:
        payload, ciphertext = messages.pop(0)
        assert sides[0].write(payload) == ciphertext
        assert sides[1].read(ciphertext) == payload
        sides = sides[::-1]
    assert initiator.hash.hex() == responder.hash.hex() == vector["handshake_hash"]
    ciphers = [one.split() for one in sides]
    for payload, ciphertext in messages:
        assert ciphers[0][0].encrypt(payload) == ciphertext
        assert ciphers[1][1].decrypt(ciphertext) == payload
        ciphers.reverse()
    assert len(messages) >= 3


@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_protocol_agrees_with_itself(pattern: str, cipher: str, hash_name: str) -> None:
    initiator, responder = pair(f"Noise_{pattern}_25519_{cipher}_{hash_name}")

    talk(initiator, responder)

    (send, receive), (send_back, receive_back) = initiator.split(), responder.split()
    assert initiator.hash == responder.hash
    assert [receive_back.decrypt(send.encrypt(b"there")), receive.decrypt(send_back.encrypt(b"back"))] == [
        b"there",
        b"back",
    ]


def test_two_handshakes_have_nothing_in_common() -> None:
    first, second = pair(), pair()
    talk(*first)
    talk(*second)

    message = first[0].split()[0].encrypt(b"payload")

    assert first[0].hash != second[0].hash
    with pytest.raises(Malformed):
        second[1].split()[1].decrypt(message)


@pytest.mark.parametrize("name", [NK, XK])
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_handshake_message_is_malformed(name: str, data: st.DataObject) -> None:
    sides = list(pair(name))
    for _ in range(data.draw(st.integers(0, len(PATTERNS[name.split("_")[1]][2]) - 1))):
        sides[1].read(sides[0].write(b"payload"))
        sides.reverse()
    message = sides[0].write(b"payload")
    at = data.draw(st.integers(0, len(message) - 1))
    changed = data.draw(st.sampled_from([message[:at], message + b"\0", flipped(message, at), bytes(len(message))]))

    with pytest.raises(Malformed):
        sides[1].read(changed)
    with pytest.raises(Malformed):  # what has failed stays failed
        sides[1].read(message)
    assert not sides[1].complete


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_noise_instead_of_a_first_message_is_malformed(message: bytes) -> None:
    with pytest.raises(Malformed):
        pair()[1].read(message)


@pytest.mark.parametrize("point", LOW_ORDER, ids=bytes.hex)
def test_points_of_low_order_are_malformed(point: bytes) -> None:
    with pytest.raises(Malformed):
        pair()[1].read(point + bytes(16))
    with pytest.raises(Malformed):
        Handshake(NK, True, b"", remote_static=point).write()


def test_another_prologue_or_server_is_malformed() -> None:
    initiator, responder = pair(prologues=(b"bank", b"log"))
    with pytest.raises(Malformed):
        responder.read(initiator.write())
    with pytest.raises(Malformed):
        pair()[1].read(Handshake(NK, True, b"", remote_static=public_of(CLIENT)).write())


@pytest.mark.parametrize("aead", CIPHERS.values(), ids=CIPHERS)
def test_messages_open_once_and_in_order(aead: Any) -> None:
    sending, receiving = CipherState(aead, bytes(32)), CipherState(aead, bytes(32))
    first, second = sending.encrypt(b"first"), sending.encrypt(b"second")

    for wrong in (second, first[:-1], first + b"\0", b"", flipped(first, 0), bytes(MESSAGE_BYTES_MAX + 1)):
        with pytest.raises(Malformed):
            receiving.decrypt(wrong)
    assert receiving.decrypt(first) == b"first"
    with pytest.raises(Malformed):
        receiving.decrypt(first)
    assert receiving.decrypt(second) == b"second"


def test_the_longest_message() -> None:
    state = CipherState(AESGCM, bytes(32))
    assert len(state.encrypt(bytes(MESSAGE_BYTES_MAX - 16))) == MESSAGE_BYTES_MAX
    with pytest.raises(ValueError, match="65535"):
        state.encrypt(bytes(MESSAGE_BYTES_MAX - 15))
    with pytest.raises(ValueError, match="65535"):
        pair()[0].write(bytes(MESSAGE_BYTES_MAX - 47))
    with pytest.raises(Malformed):
        pair()[1].read(bytes(MESSAGE_BYTES_MAX + 1))


def test_calls_out_of_turn_are_bugs() -> None:
    initiator, responder = pair()
    for call in (initiator.split, lambda: initiator.hash, lambda: initiator.read(bytes(48)), responder.write):
        with pytest.raises(ValueError):
            call()
    talk(initiator, responder)
    with pytest.raises(ValueError, match="out of turn"):
        initiator.write()


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"static": CLIENT},
        {"static": CLIENT, "remote_static": public_of(SERVER)},
        {"remote_static": b"short"},
    ],
)
def test_keys_must_fit_the_pattern(keys: dict[str, bytes]) -> None:
    with pytest.raises(ValueError):
        Handshake(NK, True, b"", **keys)


@pytest.mark.parametrize("name", ["Noise_NK_448_ChaChaPoly_BLAKE2s", "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2s", "NK", ""])
def test_unknown_protocols(name: str) -> None:
    with pytest.raises(ValueError, match="not implemented"):
        Handshake(name, True, b"", remote_static=public_of(generate_static()))
