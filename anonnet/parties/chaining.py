"""The log's desk for its chain, the one shard that is never dropped: banks' brands (rule ONE_BRAND), and anchors, which
are the last checkpoints of other shards.

A brand that stands here long enough before it opens is the same for every customer of its bank, since nobody can be
shown another chain without a proof of it. Only banks of the network file are taken in, and of each only so many brands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from anonnet.errors import Refused, Why
from anonnet.limits import BRANDS_MAX, ENTRY_BYTES_MAX
from anonnet.parties.appending import LogTurn, append, entry
from anonnet.parties.turn import Answer, Asked, on
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.refusal import Noted
from anonnet.protocol.transaction import expired
from anonnet.wire.codec import encode

ANCHOR_MAX = ENTRY_BYTES_MAX - 64
"""An anchor's checkpoint: beside it stand the entry's kind and its time."""

Grown = Callable[[LogTurn, int], None]
"""Called when a shard has grown: its mirrors are asked for their cosignatures."""


class Chaining:
    """The desk for the chain."""

    def __init__(self, known: KnownLog, banks: Collection[bytes], grown: Grown) -> None:
        self._known = known
        self._banks = frozenset(banks)
        self._grown = grown

    @on(Brand)
    def brand(self, turn: LogTurn, asked: Asked[Brand]) -> Answer:
        """Record a bank's brand, once, unless another one of its kind is open at the same time."""
        brand = asked.body
        if asked.signer != brand.bank or brand.bank not in self._banks:
            raise Refused(Why.WRONG_SIGNER, "brands are taken from the banks of the network file")
        standing = turn.store.chain.read().brands
        if asked.signed.body not in standing:
            time = max(turn.store.advance(asked.arrival), turn.store.last_time(CHAIN))
            if rivals := [signed for each, signed in standing.values() if brand.competes(each)]:
                raise Refused(Why.BAD_BRAND, "another brand of its kind is open at that time", evidence=rivals[:1])
            if not brand.announced_in_time(time):
                raise Refused(Why.TOO_LATE, "a brand has to stand here for some while before it opens")
            going = [each for each, _ in standing.values() if not expired(each.ends, time)]
            if sum(each.bank == brand.bank for each in going) >= BRANDS_MAX:
                raise Refused(Why.FULL, "so many brands of this bank have not ended")
            append(turn, self._known, CHAIN, entry(EntryKind.BRAND, time, encode(asked.signed)))
            self._grown(turn, CHAIN)
        return Answer(Noted(request=asked.signed.hash))

    def anchor(self, turn: LogTurn) -> None:
        """Record the last checkpoint of each closed shard, once a quorum has cosigned it, or before the shard goes.

        What the chain holds stays, so that what was certified in a shard can be held against it for ever.
        """
        anchored = turn.store.chain.read().ends
        for shard, _ in turn.store.sizes():
            if shard == CHAIN or shard in anchored or not turn.store.is_closed(shard):
                continue
            last = turn.store.heads.mark(shard, turn.store.size(shard))
            if last is None:  # closed in this very turn: nothing is signed yet
                continue
            met = self._known.decides_alone or self._known.agreed(last.cosignatures)
            if met or turn.store.is_dropped(shard):
                time = max(turn.store.time(), turn.store.last_time(CHAIN))
                append(turn, self._known, CHAIN, entry(EntryKind.ANCHOR, time, last.fitting(ANCHOR_MAX)))
                self._grown(turn, CHAIN)
