"""A proof as steps that a person can follow: two children, hashed into their parent, up to the root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anonnet.tlog.merkle import node_hash


@dataclass(frozen=True, slots=True)
class Step:
    """One node on the way up: two children and their parent; `from_left`: the left child is what we came from."""

    left: bytes
    right: bytes
    parent: bytes
    from_left: bool


def climb(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> list[Step]:
    """The way from the leaf at `index` up to the root of `size` leaves (RFC 9162, 2.1.3.2), for the path of that leaf.

    Whether it is the right one is told by the last parent alone.
    """
    node, last, value, steps = index, size - 1, leaf, []
    for sibling in path:
        while not node & 1 and node == last and last:  # at the right edge a node without a sibling moves up as it is
            node, last = node >> 1, last >> 1
        from_left = not node & 1
        left, right = (value, sibling) if from_left else (sibling, value)
        value = node_hash(left, right)
        steps.append(Step(left, right, value, from_left))
        node, last = node >> 1, last >> 1
    return steps
