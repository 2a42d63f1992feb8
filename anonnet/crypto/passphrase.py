"""A secret at rest under a passphrase: Argon2id (RFC 9106) makes the key, XSalsa20-Poly1305 seals.

Form: MAGIC, passes and memory as u32, 16 bytes of salt, 24 of nonce, the sealed secret. The costs stand in the form, so
that they can be raised without losing what was sealed before.
"""

from __future__ import annotations

import struct

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox
from nacl.utils import random

from anonnet.errors import Malformed

MAGIC = b"anonnet sealed secret 1\n"
COSTS = struct.Struct(">II")
PASSES = 3
MEMORY_BYTES = 64 * 1024 * 1024
"""RFC 9106's second recommended option: 3 passes over 64 MiB, which every machine that runs a wallet can spare."""
COST_MAX = 16
"""A form that asks for more than this many times our costs was not made by us."""
SECRET_BYTES = 32
SEALED_BYTES = len(MAGIC) + COSTS.size + argon2id.SALTBYTES + SecretBox.NONCE_SIZE + SecretBox.MACBYTES + SECRET_BYTES
"""The form of a secret of SECRET_BYTES, as a seed is."""


def is_sealed(stored: bytes) -> bool:
    """True if these bytes are a secret under a passphrase."""
    return stored.startswith(MAGIC)


def seal_secret(secret: bytes, passphrase: str) -> bytes:
    """Seal a secret under a passphrase. Takes about 0.2 s and 64 MiB."""
    salt = random(argon2id.SALTBYTES)
    box = SecretBox(_key(passphrase, salt, PASSES, MEMORY_BYTES))
    return MAGIC + COSTS.pack(PASSES, MEMORY_BYTES) + salt + bytes(box.encrypt(secret))


def open_secret(stored: bytes, passphrase: str) -> bytes:
    """Open what `seal_secret` made. Raises Malformed for a wrong passphrase or a form that is none."""
    head = len(MAGIC) + COSTS.size
    if not is_sealed(stored) or len(stored) < head + argon2id.SALTBYTES + SecretBox.NONCE_SIZE + SecretBox.MACBYTES:
        raise Malformed("not a sealed secret")
    passes, memory = COSTS.unpack(stored[len(MAGIC) : head])
    if not 1 <= passes <= COST_MAX * PASSES or not argon2id.MEMLIMIT_MIN <= memory <= COST_MAX * MEMORY_BYTES:
        raise Malformed("a sealed secret with costs that are not ours")
    salt, sealed = stored[head : head + argon2id.SALTBYTES], stored[head + argon2id.SALTBYTES :]
    try:
        return bytes(SecretBox(_key(passphrase, salt, passes, memory)).decrypt(sealed))
    except CryptoError:
        raise Malformed("the passphrase does not open this secret") from None


def _key(passphrase: str, salt: bytes, passes: int, memory: int) -> bytes:
    return bytes(argon2id.kdf(SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=passes, memlimit=memory))
