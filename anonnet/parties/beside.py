"""Checking what a log or a mirror keeps beside its entries (fsck): errands, alerts, whom it admits, keys handed over.

Each table is held against what it was made from. What is found wrong is a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from anonnet.crypto.hashing import H, Label
from anonnet.crypto.keys import is_sound
from anonnet.errors import Malformed
from anonnet.limits import ALERTS_MAX, MERCHANT_ENTRIES_MAX
from anonnet.protocol.breach import breach
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Entry
from anonnet.protocol.purchase import AuthorizationM, check_authorization_m
from anonnet.protocol.rules import PLEDGES, fits
from anonnet.protocol.sealed import SealedM, check_sealed_m
from anonnet.store.checking import Kept, KeptCopy
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.signed import Signed, checked


class Beside:
    """The tables beside the entries of a data folder."""

    def __init__(self, network: str, logs: Mapping[bytes, KnownLog], kept: Kept) -> None:
        self._network = network
        self._logs = logs
        self._kept = kept

    def of_log(self) -> Iterator[str]:
        """What is wrong in a log's."""
        yield from self._of_both()
        for key in self._kept.late_yet_recorded():
            yield f"the sale {key.hex()} is recorded, and its P4 has been called late"
        for merchant, entries in self._kept.admissions():
            if not is_sound(merchant):
                yield f"a merchant is admitted or counted under what is no key: {merchant.hex()}"
            if not 0 <= entries <= MERCHANT_ENTRIES_MAX:
                yield f"{entries} sales in an hour are counted for the merchant {merchant.hex()}"

    def of_mirror(self, own: bytes) -> Iterator[str]:
        """What is wrong in those of the mirror with this key."""
        yield from self._of_both()
        for key, tree, paper in self._kept.released():
            try:
                self._check_released(key, tree, decode_record(Signed, paper))
            except Malformed as why:
                yield f"the key that was handed over for the sale {key.hex()} does not hold ({why})"
        alerts = {(log, shard) for log, shard, *_ in self._kept.alerts()}
        for copy in self._kept.copies(own):
            yield from (f"{self._called(copy.log, copy.shard)}: {each}" for each in _marked(copy, alerts))

    def _of_both(self) -> Iterator[str]:
        for hash, receiver, request in self._kept.errands():
            try:
                body = decode_record(Signed, request).body
                decode(body)
                if hash not in (decode_record(Signed, request).hash, H(Label.REQUEST, receiver, body)):
                    yield "an errand is not kept under the hash of its request"
            except Malformed as why:
                yield f"an errand does not hold ({why})"
        for log, shard, evidence, proven in self._kept.alerts():
            known = self._logs.get(log)
            try:
                if known and proven:
                    breach(self._network, known, shard, evidence)
            except Malformed as why:
                yield f"the alert against {self._called(log, shard)} convicts nobody ({why})"

    def _check_released(self, key: bytes, tree: int, paper: Signed) -> None:
        """Raise Malformed unless this is P4 of that sale, open or sealed, whose pledge stands in the copy."""
        body: AuthorizationM | SealedM
        if paper.step == AuthorizationM.step:
            said = checked(self._network, paper, AuthorizationM)
            check_authorization_m(said)
            body = said.body
        else:
            body = check_sealed_m(self._network, paper)
        if body.transaction.outcome_key != key:
            raise Malformed("it is of another sale")
        standing = [decode_record(Entry, each) for each in self._kept.standing(tree, key)]
        if not any(entry.kind in PLEDGES and fits(entry, paper) for entry in standing):
            raise Malformed("its pledge does not stand here")

    def _called(self, log: bytes, shard: int) -> str:
        known = self._logs.get(log)
        return known.origin(shard) if known else f"shard {shard} of {log.hex()}"


def _marked(copy: KeptCopy, alerts: set[tuple[bytes, int]]) -> Iterator[str]:
    """The mark below which nothing is cosigned again, and whether more is taken in, are what they should be. Of a log
    with so many alerts that no more are kept, further shards are frozen without one."""
    full = sum(log == copy.log for log, _ in alerts) >= ALERTS_MAX
    if copy.cosigned != copy.own_cosignature:
        yield f"its mark is at {copy.cosigned}, and the newest cosignature of its own at {copy.own_cosignature}"
    accused = (copy.log, copy.shard) in alerts
    if copy.frozen and not accused and not full:
        yield "it is frozen without an alert"
    if accused and not copy.frozen:
        yield "there is an alert against it, and it is not frozen"
