"""Whom a node tells what everybody shall know (docs/decisions.md: news reaches everyone by a ring and by chance)."""

from __future__ import annotations

from collections.abc import Collection

from anonnet.crypto.hashing import Label, xof
from anonnet.limits import MESH_NODES_MAX, MESH_PEERS


def neighbours(own: bytes, nodes: Collection[bytes], drawn: bytes) -> list[bytes]:
    """Everyone else among up to MESH_NODES_MAX nodes; of more, MESH_PEERS.

    One of these is the next in the order of their names, so that whatever is drawn leads round to everyone; the others
    are drawn by chance (`drawn`: fresh at each start), so that silent nodes keep news from nobody for long.
    """
    ring = sorted({own, *nodes})
    after = ring.index(own) + 1
    others = [*ring[after:], *ring[: after - 1]]
    if len(ring) <= MESH_NODES_MAX:
        return others
    by_chance = sorted(others[1:], key=lambda node: xof(drawn, Label.MESH, node, length=16))
    return [others[0], *by_chance[: MESH_PEERS - 1]]
