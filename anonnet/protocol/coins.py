"""Which denominations make an amount (paper, section "Multiple Token Transactions")."""

from __future__ import annotations

from collections.abc import Mapping


def denominations_for(amount: int, denominations: list[int]) -> dict[int, int] | None:
    """How many tokens of each denomination to withdraw for `amount`: the largest first; None if it cannot be made."""
    counts = {}
    for each in sorted(denominations, reverse=True):
        counts[each], amount = divmod(amount, each)
    return None if amount else {each: count for each, count in counts.items() if count}


def exact_payment(price: int, available: Mapping[int, int]) -> dict[int, int] | None:
    """How many of the available tokens of each denomination pay `price` exactly; None if none do.

    Largest first, then fewer of the larger: complete for powers of two, where a larger token is a multiple of every
    smaller one.
    """
    chosen: dict[int, int] = {}
    for each in sorted(available, reverse=True):
        count = min(price // each, available[each])
        if count:
            chosen[each] = count
            price -= count * each
    return chosen if price == 0 else None
