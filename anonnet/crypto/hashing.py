"""Hashes and derived keys, each under a label of its own. All labels of the system stand in `Label`, nowhere else.

H(label, fields...) is SHA-256 of the msgpack array [label, fields...]: an encoding with lengths, so that no two lists
of fields share their bytes (design: one encoding).
"""

from __future__ import annotations

import enum
import hashlib
import hmac

import msgpack
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HASH_BYTES = 32


class Label(enum.StrEnum):
    """What a hash or a derived key is for. A label has one meaning, and its users are named beside it."""

    NUMBER = "anonnet number"  # transaction number n of (M, k): protocol.transaction
    OUTCOME = "anonnet outcome"  # the log's unique key of an open transaction: protocol.transaction
    SEALED_OUTCOME = "anonnet log index"  # the same for a sealed entry: protocol.transaction
    TOKEN = "anonnet token"  # token id, the message that is blind-signed: protocol.token
    BRAND = "anonnet brand"  # brand id: protocol.brand
    KEY_PROOF = "anonnet key proof"  # hash of a brand's key proof: protocol.brand
    USED = "anonnet used"  # published name of a used token: protocol.recovery
    LOG = "anonnet log"  # the log's identity L: protocol.transaction
    DOWNLOAD = "anonnet download"  # an order's name, from its download secret: protocol.goods
    # What a refusal names: wire.signed; with a receiver, one of several: store.errands, looked after in parties.beside
    REQUEST = "anonnet request"
    MERCHANDISE_KEY = "anonnet merchandise key"  # k of an order, from fresh entropy: parties.delivering
    ENTRY_KEY = "anonnet entry key"  # W of an order, from the same: parties.delivering
    ENTRY = "anonnet entry"  # key that seals a log entry, from n: crypto.padded
    GOODS = "anonnet goods"  # key that seals the goods, from k: crypto.sealing
    CHALLENGE = "anonnet challenge"  # challenges of the key proof: crypto.blind
    TOKEN_KEY = "anonnet token key"  # q of a token, from the wallet's seed: protocol.seed
    REUSED_KEY = "anonnet reused key"  # q of several tokens, from the same: protocol.seed
    SERIAL = "anonnet serial"  # the serial of such a token: protocol.seed
    TOKEN_BLINDING = "anonnet token blinding"  # its blinding factor: protocol.seed
    TOKEN_SALT = "anonnet token salt"  # its PSS salt: protocol.seed
    MOMENT = "anonnet moment"  # when, within a spread, a wallet does something: parties.moments
    MESH = "anonnet mesh"  # which nodes one tells, of too many to tell all: parties.mesh
    WITNESS = "anonnet witness"  # key of a mirror that cosigns foreign logs, from its own: anonnet_daemons.witnessing
    ACCOUNT_KEY = "anonnet account key"  # the wallet's account key at a bank: protocol.seed


def H(label: Label, *fields: bytes | int | str) -> bytes:
    """Return 32 bytes: SHA-256 over msgpack [label, fields...]."""
    return hashlib.sha256(msgpack.packb([label.value, *fields])).digest()


def hkdf(secret: bytes, label: Label, context: bytes = b"", *, length: int = 32) -> bytes:
    """Return `length` bytes by HKDF-SHA256 (RFC 5869): empty salt; info is the label, then `context`."""
    return HKDF(hashes.SHA256(), length, salt=None, info=label.value.encode() + context).derive(secret)


def xof(secret: bytes, label: Label, context: bytes = b"", *, length: int) -> bytes:
    """Return `length` bytes of SHAKE-256 over msgpack [label, secret, context]: for what HKDF is too short for."""
    return hashlib.shake_256(msgpack.packb([label.value, secret, context])).digest(length)


def same(left: bytes, right: bytes) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left, right)
