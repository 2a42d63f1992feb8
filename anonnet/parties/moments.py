"""Moments drawn by chance, so that nobody tells from when something is done what it belongs to."""

from __future__ import annotations

from anonnet.crypto.hashing import Label, xof


def moment(entropy: bytes, spread: int) -> int:
    """A random number of seconds below `spread`."""
    drawn = int.from_bytes(xof(entropy, Label.MOMENT, length=16), "big")
    return drawn % spread if spread else 0
