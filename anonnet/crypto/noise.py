"""The Noise protocol framework (noiseprotocol.org, revision 34) over X25519: handshakes, and the ciphers they end in.

Our channels are Noise_NK: the responder is known beforehand, the initiator is nobody (design: D12). The other patterns
stand in the table because the published vectors exercise the same code with them. No pre-shared keys, no rekeying.

Rule: whatever the peer sends, only Malformed comes out; calling in the wrong order is a bug, and a ValueError.
A handshake that has failed stays failed. State is split from I/O: bytes in, bytes out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from anonnet.errors import Malformed

KEY_BYTES = 32  # X25519 keys, secret and public, and cipher keys
TAG_BYTES = 16
MESSAGE_BYTES_MAX = 65535  # Noise, section 3: of any message, tag included
NONCE_MAX = 2**64 - 1  # reserved by Noise, section 5.1

# What each side knows beforehand (initiator, responder), then the messages, the initiator's first (sections 7.4, 7.5).
PATTERNS = {
    "N": ("", "s", ("e es",)),
    "K": ("s", "s", ("e es ss",)),
    "X": ("", "s", ("e es s ss",)),
    "NN": ("", "", ("e", "e ee")),
    "NK": ("", "s", ("e es", "e ee")),
    "NX": ("", "", ("e", "e ee s es")),
    "KN": ("s", "", ("e", "e ee se")),
    "KK": ("s", "s", ("e es ss", "e ee se")),
    "KX": ("s", "", ("e", "e ee se s es")),
    "XN": ("", "", ("e", "e ee", "s se")),
    "XK": ("", "s", ("e es", "e ee", "s se")),
    "XX": ("", "", ("e", "e ee s es", "s se")),
    "IN": ("", "", ("e s", "e ee se")),
    "IK": ("", "s", ("e es s ss", "e ee se")),
    "IX": ("", "", ("e s", "e ee se s es")),
}
Aead = type[ChaCha20Poly1305] | type[AESGCM]
CIPHERS: dict[str, Aead] = {"ChaChaPoly": ChaCha20Poly1305, "AESGCM": AESGCM}
HASHES: dict[str, Callable[..., Any]] = {
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "BLAKE2s": hashlib.blake2s,
    "BLAKE2b": hashlib.blake2b,
}


def supported(name: str) -> bool:
    """Tell whether `name`, such as "Noise_NK_25519_ChaChaPoly_BLAKE2s", is a protocol that is implemented here."""
    match name.split("_"):
        case ["Noise", pattern, "25519", cipher, hash_name]:
            return pattern in PATTERNS and cipher in CIPHERS and hash_name in HASHES
    return False


def generate_static() -> bytes:
    """Return a new secret key, 32 bytes."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(secret: bytes) -> bytes:
    """Return the public key, 32 bytes, of a secret key."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


class CipherState:
    """One direction of a channel: a key and a counter that is the nonce. Messages open in the order they were made."""

    def __init__(self, aead: Aead, key: bytes) -> None:
        self._cipher = aead(key)
        # Section 12: 32 zero bits, then the counter; little-endian for ChaChaPoly, big-endian for AESGCM.
        self._order: Any = "little" if aead is ChaCha20Poly1305 else "big"
        self._counter = 0

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        """Return the next message, 16 bytes longer than `plaintext`; ValueError if that is more than 65535."""
        if len(plaintext) + TAG_BYTES > MESSAGE_BYTES_MAX:
            raise ValueError(f"a Noise message has at most {MESSAGE_BYTES_MAX} bytes")
        message = self._cipher.encrypt(self._nonce(), plaintext, associated)
        self._counter += 1
        return message

    def decrypt(self, message: bytes, associated: bytes = b"") -> bytes:
        """Return the plaintext of the next message; Malformed if it is another one, and the counter stays."""
        if not TAG_BYTES <= len(message) <= MESSAGE_BYTES_MAX:
            raise Malformed("a Noise message of wrong size")
        try:
            plaintext = self._cipher.decrypt(self._nonce(), message, associated)
        except InvalidTag:
            raise Malformed("a Noise message that does not open") from None
        self._counter += 1
        return plaintext

    def _nonce(self) -> bytes:
        if self._counter >= NONCE_MAX:
            raise Malformed("a Noise channel that has used up its nonces")
        return bytes(4) + self._counter.to_bytes(8, self._order)


class _Symmetric:
    """SymmetricState of section 5.2: the chaining key, the hash of all that was said, and the cipher once keyed."""

    def __init__(self, name: str) -> None:
        *_, cipher, hash_name = name.split("_")
        self._aead, self._hash = CIPHERS[cipher], HASHES[hash_name]
        size = self._hash().digest_size
        encoded = name.encode()
        self.hash: bytes = encoded.ljust(size, b"\0") if len(encoded) <= size else self._hash(encoded).digest()
        self._chaining_key = self.hash
        self._cipher: CipherState | None = None

    def mix_hash(self, value: bytes) -> None:
        self.hash = self._hash(self.hash + value).digest()

    def mix_key(self, secret: bytes) -> None:
        self._chaining_key, key = self._derive(secret)
        self._cipher = CipherState(self._aead, key[:KEY_BYTES])

    @property
    def tag_bytes(self) -> int:
        """How much longer than its plaintext the next field is: nothing is encrypted before there is a key."""
        return TAG_BYTES if self._cipher else 0

    def encrypt(self, plaintext: bytes) -> bytes:
        field = self._cipher.encrypt(plaintext, self.hash) if self._cipher else plaintext
        self.mix_hash(field)
        return field

    def decrypt(self, field: bytes) -> bytes:
        plaintext = self._cipher.decrypt(field, self.hash) if self._cipher else field
        self.mix_hash(field)
        return plaintext

    def split(self) -> tuple[CipherState, CipherState]:
        first, second = self._derive(b"")
        return CipherState(self._aead, first[:KEY_BYTES]), CipherState(self._aead, second[:KEY_BYTES])

    def _derive(self, secret: bytes) -> tuple[bytes, bytes]:
        """HKDF of section 4.3, two outputs."""
        temporary = self._hmac(self._chaining_key, secret)
        first = self._hmac(temporary, b"\x01")
        return first, self._hmac(temporary, first + b"\x02")

    def _hmac(self, key: bytes, value: bytes) -> bytes:
        return hmac.new(key, value, self._hash).digest()


class Handshake:
    """One side of a handshake: call `write` and `read` in turn, the initiator writing first, until `complete`.

    In NK, what either side gets from `split` is known to nobody else than who holds the responder's static key, and
    to nobody at all who learns that key later (section 7.7); the initiator shows no identity.
    """

    def __init__(
        self,
        name: str,
        initiator: bool,
        prologue: bytes,
        static: bytes | None = None,
        remote_static: bytes | None = None,
        ephemeral: bytes | None = None,
    ) -> None:
        """Start a handshake. `static` and `ephemeral` are our secret keys, `remote_static` their public key.

        ValueError where the pattern needs a key that is missing, or has no place for one that is given. `ephemeral` is
        for test vectors: it is drawn afresh otherwise.
        """
        if not supported(name):
            raise ValueError(f"{name} is not implemented")
        known_initiator, known_responder, messages = PATTERNS[name.split("_")[1]]
        self._messages = [message.split() for message in messages]
        self._initiator, self._next, self._failed = initiator, 0, False
        self._secrets = {"s": static, "e": ephemeral}
        self._remote = {"s": remote_static, "e": None}
        self._symmetric = _Symmetric(name)
        self._symmetric.mix_hash(prologue)
        known_beforehand = (known_initiator, known_responder)
        self._check_keys(*(known_beforehand if initiator else known_beforehand[::-1]))
        for known, ours in ((known_initiator, initiator), (known_responder, not initiator)):
            if known:
                self._symmetric.mix_hash(public_of(self._secret("s")) if ours else self._remote_key("s"))

    @property
    def complete(self) -> bool:
        """Whether the last message of the pattern has been written or read."""
        return self._next == len(self._messages) and not self._failed

    @property
    def hash(self) -> bytes:
        """The handshake hash, once complete: the same on both sides, and of this channel alone (section 11.2)."""
        if not self.complete:
            raise ValueError("the handshake is not complete")
        return self._symmetric.hash

    def write(self, payload: bytes = b"") -> bytes:
        """Return the next message; Malformed where their keys yield no secret, ValueError out of turn."""
        parts = []
        for token in self._take_turn(writing=True):
            if token == "e":
                self._secrets["e"] = self._secrets["e"] or generate_static()
                parts.append(public_of(self._secret("e")))
                self._symmetric.mix_hash(parts[-1])
            elif token == "s":
                parts.append(self._symmetric.encrypt(public_of(self._secret("s"))))
            else:
                self._mix_shared(token)
        message = b"".join([*parts, self._symmetric.encrypt(payload)])
        if len(message) > MESSAGE_BYTES_MAX:
            raise ValueError(f"a Noise message has at most {MESSAGE_BYTES_MAX} bytes")
        self._end_turn()
        return message

    def read(self, message: bytes) -> bytes:
        """Return the payload of their next message; Malformed if it is none, ValueError out of turn."""
        tokens = self._take_turn(writing=False)
        if len(message) > MESSAGE_BYTES_MAX:
            raise Malformed("a Noise message of wrong size")
        rest = message
        for token in tokens:
            if token == "e":
                self._remote["e"], rest = _cut(rest, KEY_BYTES)
                self._symmetric.mix_hash(self._remote_key("e"))
            elif token == "s":
                field, rest = _cut(rest, KEY_BYTES + self._symmetric.tag_bytes)
                self._remote["s"] = self._symmetric.decrypt(field)
            else:
                self._mix_shared(token)
        payload = self._symmetric.decrypt(rest)
        self._end_turn()
        return payload

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the ciphers of a complete handshake: for sending, for receiving."""
        if not self.complete:
            raise ValueError("the handshake is not complete")
        first, second = self._symmetric.split()
        return (first, second) if self._initiator else (second, first)

    def _take_turn(self, *, writing: bool) -> list[str]:
        """Return the tokens of this message; the handshake counts as failed until `_end_turn`."""
        if self._failed:
            raise Malformed("a Noise handshake that has failed")
        if self._next == len(self._messages) or writing != (self._initiator == (self._next % 2 == 0)):
            raise ValueError("a Noise message out of turn")
        self._failed = True
        return self._messages[self._next]

    def _end_turn(self) -> None:
        self._next, self._failed = self._next + 1, False

    def _mix_shared(self, token: str) -> None:
        """Mix the secret of two keys: in "es", e is the initiator's and s the responder's."""
        ours, theirs = (token[0], token[1]) if self._initiator else (token[1], token[0])
        secret = X25519PrivateKey.from_private_bytes(self._secret(ours))
        try:
            shared = secret.exchange(X25519PublicKey.from_public_bytes(self._remote_key(theirs)))
        except ValueError:  # a point of low order: the result is all zeros, known to everybody
            raise Malformed("a Noise key that yields no secret") from None
        self._symmetric.mix_key(shared)

    def _check_keys(self, known_ours: str, known_theirs: str) -> None:
        """Compare the keys that were given with those that the pattern has a place for."""
        sent = ["s" in message for message in self._messages]
        ours = bool(known_ours) or any(sent[0 if self._initiator else 1 :: 2])
        if ours != (self._secrets["s"] is not None) or bool(known_theirs) != (self._remote["s"] is not None):
            raise ValueError("a static key is missing, or has no place in this pattern")
        for key in (*self._secrets.values(), self._remote["s"]):
            if key is not None and len(key) != KEY_BYTES:
                raise ValueError(f"X25519 keys have {KEY_BYTES} bytes")

    def _secret(self, which: str) -> bytes:
        key = self._secrets[which]
        assert key is not None
        return key

    def _remote_key(self, which: str) -> bytes:
        key = self._remote[which]
        assert key is not None
        return key


def _cut(message: bytes, size: int) -> tuple[bytes, bytes]:
    if len(message) < size:
        raise Malformed("a Noise message that is cut short")
    return message[:size], message[size:]
