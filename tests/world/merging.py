"""Merged parties in the world: in some seeds a log shares its daemon with the bank, or with a merchant.

To all who speak with it that log is a node like any other; its turns are its host's, and its crashes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from anonnet.parties.merging import Merged
from anonnet.parties.turn import Asked, Party
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import EntryKind, form
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.store.bank import BankStore
from anonnet.store.log import LogStore
from anonnet.wire.codec import decode, encode
from tests.stage import log_store
from tests.world.council import has_council
from tests.world.disk import Disk
from tests.world.network import Heard
from tests.world.node import Node, Waiting

if TYPE_CHECKING:
    from tests.world.world import World

LOG = "log-1"
HOSTS = {1: "bank", 3: "merchant-1"}
FAULTS = {"bank": "merged with the bank", "merchant-1": "merged with a merchant"}
FAR = 10**12


def host_in(seed: int) -> str:
    """Who shares its daemon with a log; empty in most seeds, and where mirrors decide with that log."""
    return "" if has_council(seed) else HOSTS.get(seed // 5 % 4, "")


class Host(Node):
    """The party whose daemon and database it is."""

    guest: Guest | None = None

    def take_in(self, guest: Guest) -> None:
        """From now on this log's turns are run with its own."""
        self.guest = guest
        self.faults[FAULTS[self.name]] += 1
        self._begin()

    def _begin(self) -> None:
        super()._begin()
        if self.guest:
            self.guest._begin()
            self.turns = Merged(self.turns, self.guest.turns)

    def crash(self, kind: str) -> None:
        super().crash(kind)
        self.world.network.broken(LOG)

    def reopen(self) -> None:
        super().reopen()
        if self.guest:
            self.guest.reopen()

    def _run(self, batch: list[Waiting]) -> bool:
        before = set(self._undecided())
        lives = super()._run(batch)
        undecided = set(self._undecided())
        for transaction in undecided:
            assert not self._recorded(transaction), "the log has committed a sale, and its host has not settled it"
        for transaction in sorted(before - undecided, key=lambda each: each.outcome_key):
            self._overhear(transaction)
        return lives

    def _overhear(self, transaction: Transaction) -> None:
        """Put on the tape what the log has said to its bank of a sale that has failed: the bank has acted on it."""
        sale = self.store.sale(transaction.outcome_key) if isinstance(self.store, BankStore) else None
        if sale and sale.proof and sale.proof.step == Step.P5B:
            network, payload = self.world.network, encode(sale.proof)
            network.exchanges += 1
            ends = LOG, self.name, network.exchanges
            network.tape.append(Heard(self.events.now, *ends, is_reply=False, step=Step.P5B, payload=payload))

    def _undecided(self) -> Iterator[Transaction]:
        """The sales that wait for an outcome here."""
        if isinstance(self.store, BankStore):
            yield from (sale.order.transaction for sale in self.store.sales.lapsing(FAR, most=FAR))
            return
        for sale in self.store.overdue(FAR, most=FAR):
            body = decode(sale.authorization_m.body)
            assert isinstance(body, AuthorizationM)
            yield body.transaction

    def _recorded(self, transaction: Transaction) -> bool:
        assert self.guest is not None
        kind, shard = form(EntryKind.COMMIT, transaction), shard_of(transaction.expiration)
        ours = transaction.log == self.guest.known.identity
        return ours and self.guest.store.recorded(shard, transaction.outcome_key, kind) is not None


class Guest(Node):
    """The log."""

    def __init__(self, world: World, host: Host, make: Callable[[], Party], known: KnownLog) -> None:
        self.known, self._host = known, host
        super().__init__(world, LOG, make, self._opened)
        host.take_in(self)

    def _opened(self, disk: Disk) -> LogStore:
        """Its lock alone is its own."""
        return log_store(LOG, known=self.known, merged=self._host.store, database=disk)

    @property
    def skew(self) -> int:
        """The machine's."""
        return self._host.skew

    @skew.setter
    def skew(self, skew: int) -> None:
        """There is but one clock."""

    def crash(self, kind: str) -> None:
        if self._host.up:
            self._host.crash(kind)

    def arrives(self, sender: str, data: bytes, reply: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        if self._host.up:
            super().arrives(sender, data, reply, hang_up)
        else:
            hang_up()

    def enqueue(self, waiting: Waiting) -> None:
        self._host.enqueue(waiting)

    def _asked(self, body: Any, **more: Any) -> Asked[Any]:
        return super()._asked(body, to=self.party, **more)
