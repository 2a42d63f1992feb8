"""Which denominations make an amount (paper, section "Multiple Token Transactions")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def denominations_for(amount: int, denominations: Iterable[int]) -> dict[int, int] | None:
    """How many tokens of each denomination to withdraw for `amount`: the largest first; None if it cannot be made."""
    counts = {}
    for each in sorted(denominations, reverse=True):
        counts[each], amount = divmod(amount, each)
    return None if amount else {each: count for each, count in counts.items() if count}


def exact_payment(price: int, available: Mapping[int, int]) -> dict[int, int] | None:
    """How many of the available tokens of each denomination pay `price` exactly; None if none do.

    Largest first: complete where each denomination divides every larger one, as powers of two do.
    """
    chosen, rest = _largest_first(price, available)
    return None if rest else chosen


def to_break(price: int, available: Mapping[int, int]) -> tuple[int, int] | None:
    """Where no exact payment is there: the token to exchange, and the part of it that the payment lacks.

    The smallest that is larger than what is missing, so that no more is touched than must be; None if all tokens
    together are worth less than `price`.
    """
    chosen, rest = _largest_first(price, available)
    unused = [each for each, count in available.items() if count > chosen.get(each, 0) and each > rest]
    return (min(unused), rest) if rest and unused else None


def _largest_first(price: int, available: Mapping[int, int]) -> tuple[dict[int, int], int]:
    """What of the available goes into the price, and what is then missing."""
    chosen: dict[int, int] = {}
    for each in sorted(available, reverse=True):
        count = min(price // each, available[each])
        if count:
            chosen[each] = count
            price -= count * each
    return chosen, price
