"""Work of a consumer's daemon outside turns, as her store names it: found again after a stop or a crash."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FetchGoods:
    """Get the sealed goods of this purchase from the merchant."""

    purchase: bytes


@dataclass(frozen=True, slots=True)
class OpenGoods:
    """Open the goods of this purchase with the key of its commit."""

    purchase: bytes


@dataclass(frozen=True, slots=True)
class RemoveFiles:
    """Remove what is on the disk of this purchase, which its owner has discarded."""

    purchase: bytes


Job = FetchGoods | OpenGoods | RemoveFiles
