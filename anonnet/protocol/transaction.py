"""What one transaction is, for everybody (paper, section "Correctness and Atomicity").

"A given commit (or abort) is valid for only one combination of n, expiration, M and L; it is considered to be
compatible only with the messages which agree on those values." Here that combination is a value, `Transaction`, and
P2 to P5b all carry it.
"""

from __future__ import annotations

from dataclasses import replace

from anonnet.crypto.hashing import H, Label
from anonnet.errors import Malformed
from anonnet.protocol.fields import Hash, KeyOrNone, NumberOrNone, Seconds
from anonnet.wire.codec import Record, record

NO_POLICY = b"none"
"""The policy of a log that decides alone: the paper's own trust model."""


def log_id(log_key: bytes, policy: bytes = NO_POLICY) -> bytes:
    """L, the log's identity: its policy is part of its name, so that nobody can apply another one to it."""
    return H(Label.LOG, log_key, policy)


def number_of(merchant: bytes, key: bytes) -> bytes:
    """n, the transaction number that commits to the merchandise key k: a sale can never commit to a wrong key."""
    return H(Label.NUMBER, merchant, key)


def expired(expiration: int, time: int) -> bool:
    """True if `time` is past `expiration`; the second of the expiration itself is still in time."""
    return time > expiration


def check_key_or_none(key: bytes, name: str) -> None:
    """Raise Malformed for a variation's key that is neither empty nor a key."""
    if len(key) not in (0, 32):
        raise Malformed(f"{name} is neither empty nor a key")


@record
class Transaction(Record):
    """(n, expiration, M, L), and W where the log entry shall be sealed (empty: open).

    To the log a sealed transaction is (expiration, L, W): n opens what is recorded, and M is nobody's business there.
    """

    number: NumberOrNone = b""
    expiration: Seconds
    merchant: KeyOrNone = b""
    log: Hash
    entry_key: KeyOrNone = b""

    def check(self) -> None:
        check_key_or_none(self.entry_key, "entry_key")
        there = len(self.number), len(self.merchant)
        if there != (32, 32) and (there != (0, 0) or not self.entry_key):
            raise Malformed("a transaction is whole, or sealed and without n and M")

    @property
    def public(self) -> Transaction:
        """The transaction as the log and its readers know it."""
        return replace(self, number=b"", merchant=b"") if self.entry_key else self

    def check_whole(self) -> None:
        """Raise Malformed where n and M are missing: among the parties of a sale."""
        if not self.number:
            raise Malformed("a transaction without n and M")

    def check_public(self) -> None:
        """Raise Malformed where the log or its readers would learn what is sealed."""
        if self != self.public:
            raise Malformed("a sealed transaction is told to the log without n and M")

    @property
    def outcome_key(self) -> bytes:
        """Under this key the log records at most one outcome; it also names the transaction in every store."""
        if self.entry_key:
            return H(Label.SEALED_OUTCOME, self.entry_key, self.expiration, self.log)
        return H(Label.OUTCOME, self.merchant, self.number, self.expiration, self.log)
