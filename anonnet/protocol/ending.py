"""What a wallet's owner is told of tokens whose brand ends, or has ended: an answer on the control socket holds it."""

from __future__ import annotations

from anonnet.protocol.fields import Currency, Flag, Key, Seconds, SomeUnits
from anonnet.wire.codec import Record, record

ENDING_MAX = 64
"""Rows about what ends: a bank's brands of one currency end together, about once a month."""


@record
class Ending(Record):
    """What is left of a bank's brands that end soon, or have ended: they are worth nothing then."""

    bank: Key
    currency: Currency
    amount: SomeUnits
    ends: Seconds
    over: Flag
    renewed: Flag
    """1 if another brand is open, so that the wallet exchanges them for its tokens while it runs."""
