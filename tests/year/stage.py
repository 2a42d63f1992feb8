"""The stage for a year: time jumps, parties may be away, the bank has new brands in time, wallets are restarted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.parties.recovery import Woken
from anonnet.protocol.brand import accepted
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.local import OpenAt, Recover
from anonnet.protocol.logbook import CheckpointOf, Follow
from anonnet.store.errands import Errand
from anonnet.store.mirror import MirrorStore
from anonnet.store.wallet import WalletStore
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.paper.scenes import Scene
from tests.stage import NETWORK, NOON, key_of, log_store, mint
from tests.world.disk import Disk
from tests.year.calendar import BRAND_SECONDS, MINTED_BEFORE

STEP_SECONDS = 600
"""While something is under way, time passes in such steps."""
STEP_SECONDS_MIN = 15
LEAP_SECONDS = 8 * 3600
"""Else in these."""
EVER = (Follow, CheckpointOf)
"""Questions that stand as long as there is a log."""


def seed_of(name: str) -> bytes:
    """A consumer's seed, as the stage has it."""
    return hashlib.sha256(b"seed of " + name.encode()).digest()


@dataclass
class YearStage(Scene):
    """The stage; `away`: who does not run."""

    denominations: dict[int, str] = field(default_factory=lambda: {1: "2048-a", 4: "2048-c"})
    away: set[str] = field(default_factory=set)
    disks: dict[str, Disk] = field(default_factory=dict)
    """What the log and the mirrors have their stores on."""
    next_opens: int = NOON + BRAND_SECONDS - 3600

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_said = None
        self.first_network = self.network
        for name in self.mirrored_by:
            disk = self.disks[name] = Disk()
            self.mirrors[name] = self._actor(name, self.mirrors[name].party, MirrorStore(database=disk))
        self.consumers.clear()

    def _actor(self, *made: object) -> Actor:
        actor = super()._actor(*made)  # type: ignore[arg-type]
        return replace(actor, rerun=False)  # that turns may run twice is looked at elsewhere

    def _log(self, known: KnownLog) -> Actor:
        actor: Actor = super()._log(known)
        disk = self.disks["log"] = Disk()
        return self._actor("log", actor.party, log_store("log", known=known, database=disk))

    @property
    def up(self) -> list[Actor]:
        """Everybody who runs."""
        return [actor for actor in self.actors if actor.name not in self.away]

    # What changes over months.

    def schedule(self) -> None:
        """Some days before the next brands open, the bank's owner makes them, and starts it with them."""
        if self.now < self.next_opens - MINTED_BEFORE:
            return
        key, store = key_of("bank"), self.bank.store
        self.minted = [*self.minted, *mint(key, self.denominations, now=self.next_opens + 3600)]
        self.next_opens += BRAND_SECONDS
        party = Bank(Signer(NETWORK, key), key.public, self.minted, self.network.logs, self._others("bank"))
        self.bank = replace(self.bank, party=party, store=store)

    def leave(self, name: str) -> None:
        self.away.add(name)

    def come_back(self, name: str) -> None:
        """A daemon forgets at its start, and a wallet has its questions spread anew."""
        self.away.discard(name)
        for actor in list(self.actors):
            if actor.name == name:
                (self.restart(actor) if actor in self.consumers else actor).forget()

    def restart(self, actor: Actor) -> Actor:
        """A wallet's daemon starts: it knows the brands of the network file, and those that it has found before."""
        own = [offer for offer in actor.store.listing.accepted() if offer not in self.first_network.brands]
        network = replace(self.first_network, brands=(*self.first_network.brands, *own))
        brands = [accepted(NETWORK, offer.brand.signatures[0].signer, offer) for offer in network.brands]
        party = Consumer(network, seed_of(actor.name), brands)
        started = replace(actor, party=party)
        self.consumers[self.consumers.index(actor)] = started
        started.inform(Woken())
        return started

    def wallet(self, name: str) -> Actor:
        return next(actor for actor in self.consumers if actor.name == name)

    def from_words(self, name: str) -> None:
        """This wallet's store is lost, and made anew."""
        old, store = self.wallet(name), WalletStore()
        store.begin()
        store.recovery.forget(self.bank_key)
        store.commit()
        self.consumers[self.consumers.index(old)] = replace(old, store=store)
        self.come_back(name)
        self.settle()
        self.wallet(name).command(Recover(bank=self.bank_key, fast=0))

    def open_account(self, name: str, units: int) -> Actor:
        """One more consumer, with something on her account."""
        actor = self.add_consumer(name)
        actor.command(OpenAt(bank=self.bank_key))
        self.settle()
        self.fund(self.account(actor), units)
        return actor

    # How time passes.

    def due(self) -> Iterator[tuple[Actor, Errand]]:
        """What somebody who runs would send now to somebody who runs."""
        for actor, errand in super().due():
            if actor.name not in self.away and self.identities[errand.receiver] not in self.away:
                yield actor, errand

    def run_errand(self, actor: Actor, errand: Errand) -> None:
        if actor.store.errands.stands(errand.hash):
            super().run_errand(actor, errand)

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        for actor in self.up:
            actor.remind()
        self.settle()

    def under_way(self) -> bool:
        """Whether somebody has something to send before the next leap has ended: questions would come too late."""
        soon = self.now + LEAP_SECONDS
        for actor in self.up:
            for errand in actor.store.errands.due(soon, most=actor.store.errands.count()):
                if not isinstance(errand.message, EVER) and self.identities[errand.receiver] not in self.away:
                    return True
        return False

    def step(self) -> int:
        """Until a wallet has something to send, which may be about to stop; the others can wait for a while."""
        wallets = [actor.store.errands for actor in self.consumers if actor.name not in self.away]
        due = [at for errands in wallets if (at := errands.next_due_after(self.now)) is not None]
        return min([STEP_SECONDS, *(max(STEP_SECONDS_MIN, at - self.now) for at in due)])

    def go_on(self, until: int) -> None:
        """Let time pass, in leaps where nothing is under way."""
        while self.now < until:
            step = self.step() if self.under_way() else LEAP_SECONDS
            self.pass_time(min(step, until - self.now))

    def watch(self, seconds: int, step: int = 2) -> None:
        """Let time pass in small steps, as a sale needs them."""
        for _ in range(0, seconds, step):
            self.pass_time(step)

    def forget_all(self) -> None:
        for actor in self.up:
            actor.forget()
        self.settle()
