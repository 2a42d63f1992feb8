"""The world: all parties on a faulty network, from one seed. Run it again with

    .venv/bin/python -m tests.world.world SEED [--trace]

A run has three times: a calm one in which accounts are funded and tokens withdrawn, a storm in which everything is
bought, and a long calm in which whatever was begun must come to its end without a human.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.parties.log import Log
from anonnet.parties.merchant import Merchant
from anonnet.parties.mint import Minted
from anonnet.parties.purse import Habits
from anonnet.protocol.local import Buy, Fund, OpenAt, Sell, Withdraw
from anonnet.protocol.network import Network as Directory
from anonnet.protocol.network import Peer, Role
from anonnet.protocol.transaction import NO_POLICY, Transaction
from anonnet.store.bank import BankStore
from anonnet.store.merchant import MerchantStore
from anonnet.store.wallet import WalletStore
from anonnet.times import CLAIM_SECONDS
from anonnet.wire import signed
from anonnet.wire.codec import STEPS
from anonnet.wire.signed import Signer
from tests.stage import CURRENCY, NETWORK, NOON, key_of, mint
from tests.world.adversary import Greedy, Mood, Stranger
from tests.world.backups import BackedUpLog
from tests.world.council import LOG, MIRRORS, POLICY, Council, Terse, has_council
from tests.world.merging import LOG as MERGED_LOG
from tests.world.merging import Guest, Host, host_in
from tests.world.network import Events, Heard, Network, Weather
from tests.world.node import SKEWS, Node
from tests.world.shopper import RememberingKey, RememberingPurse, Shopper
from tests.world.variations import Variations

CONSUMERS = {"alice": "alice", "alice-copy": "alice", "bob": "bob", "carol": "carol", "greedy": "greedy"}
"""Consumers, and whose seed each has: one wallet is a copy of another."""
BUYS = {"alice": 6, "alice-copy": 4, "bob": 7, "carol": 7, "greedy": 4}
COUNCIL_BUYS = {"alice": 3, "alice-copy": 2, "bob": 4, "carol": 4, "greedy": 2}
"""The same where mirrors decide with the log: each of their sales costs more."""
COUNCIL_BUYING_SECONDS = 20.0
"""So that these fewer sales overlap."""
AGAIN_BUYS = 1
"""Purchases of each later on, with what has come back."""
WITHDRAWN = (7, 7, 7, 7)
"""Each 4 + 2 + 1: enough for some purchases at the same time, too little for all if none comes back."""
PAID_IN = 60
ITEMS = {"poem": (1, 0), "song": (2, 70_000), "photo": (3, 1_000), "film": (5, 140_000), "book": (6, 65_536)}
"""Name: price and size."""
CALM_SECONDS, BUYING_SECONDS, STORM_SECONDS, REST_SECONDS = 3.0, 45.0, 100.0, 400.0
STEPS_OF_A_CLOCK = 3
CRASHES = ("before commit", "after commit", "before finish")


def clocks_step(seed: int) -> bool:
    """In every other seed clocks are set while their parties run, and many of them back."""
    return seed % 2 == 1


@cache
def minted() -> list[Minted]:
    """The bank's brands, whose keys remember what they have signed."""
    made = mint(key_of("bank"), {1: "2048-a", 2: "2048-b", 4: "2048-c"}, ends=NOON + 30 * 24 * 3600 + 2 * CLAIM_SECONDS)
    return [Minted(each.offer, each.brand, RememberingKey(each.secret)) for each in made]  # type: ignore[arg-type]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, if there is one, for goods."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="anonnet-world-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class World:
    """Everything of one run."""

    def __init__(self, seed: int, folder: Path, *, trace: bool = False) -> None:
        self.seed, self.folder, self.trace = seed, folder, trace
        self.chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.unsettled: Counter[str] = Counter()
        """Answers to errands that a party did not take."""
        self.events = Events(self.chance, float(NOON))
        self.network = Network(self.events, self.chance, self.faults)
        self.stormy = False
        self.variations = Variations(seed)
        self.leads = self.chance.choice([(5, 8, 12, 20, 30, 40), (5, 8, 12, 20, 30, 40), (2, 3, 4, 6, 9)])
        self.denominations = {each.brand.id: each.brand.denomination for each in minted()}
        self.paid_in: dict[str, int] = {}
        self.weather = Weather.drawn(self.chance)
        self.nodes: dict[str, Node] = {}
        self.council = Council(self) if has_council(seed) else None
        self.directory = self._directory()
        self._names = {peer.identity: peer.name for peer in self.directory.peers}
        self.servers = [peer.name for peer in self.directory.peers]
        self._people()
        self.network.listeners += [Stranger(self).hears, Greedy(self, "greedy").hears]
        if self.council:
            self.network.listeners.append(self.council.hears)
        if trace:
            self.network.listeners.append(self._trace)

    def _directory(self) -> Directory:
        roles = {"bank": Role.BANK, "merchant-1": Role.MERCHANT, "merchant-2": Role.MERCHANT}
        roles |= {"log-1": Role.LOG, "log-2": Role.LOG}
        roles |= self.council.names if self.council else {}
        policies = {LOG: POLICY} if self.council else {}
        peers = [
            Peer(role, name, key_of(name).public, bytes(32), "127.0.0.1", 1, policies.get(name, NO_POLICY))
            for name, role in roles.items()
        ]
        return Directory(NETWORK, tuple(peers), tuple(each.offer for each in minted()))

    def _people(self) -> None:
        logs, bank = self.directory.logs, key_of("bank").public
        signer = {name: Signer(NETWORK, key_of(name)) for name in self.servers}
        host = host_in(self.seed)
        told = self.told("bank")
        self._add("bank", lambda: Bank(signer["bank"], bank, minted(), logs, told), BankStore)
        for name in ("merchant-1", "merchant-2"):
            more = key_of(name).public, [bank], logs, self.told(name)
            self._add(name, partial(Merchant, signer[name], *more), MerchantStore)
            mood = Mood(self)
            self.nodes[name].deaf_to, self.nodes[name].withholds = mood.deaf_to, mood.withholds
        for name in ("log-1", "log-2"):
            known = next(logs[peer.identity] for peer in self.directory.peers if peer.name == name)
            make = partial(Log, signer[name], known, [bank], told=self.told(name), others=logs)
            if name == MERGED_LOG and host:
                self._enter(Guest(self, self.nodes[host], make, known))
            elif not self.council or known.decides_alone:
                self._enter(BackedUpLog(self, name, make, known))
        for name in (LOG, *MIRRORS) if self.council else ():
            self._enter(self.council.node(name))
        if self.council and self.council.plan.terse:
            self.network.receivers[LOG] = Terse(self.nodes[LOG])
        for name, owner in CONSUMERS.items():
            habits = self.variations.habits(name)
            self._add(name, lambda owner=owner, habits=habits: self._consumer(owner, habits), WalletStore)

    def _consumer(self, owner: str, habits: Habits) -> Consumer:
        seed = hashlib.sha256(b"seed of " + owner.encode()).digest()
        brands = [each.brand for each in minted()]
        consumer = Consumer(self.directory, seed, brands, habits=habits)
        consumer.purse = RememberingPurse(NETWORK, seed, brands, habits)
        return consumer

    def _add(self, name: str, make: Any, store: Any) -> None:
        kind = Shopper if name in CONSUMERS else Host if name == host_in(self.seed) else Node
        self._enter(kind(self, name, make, lambda disk: store(database=disk)))

    def _enter(self, node: Node) -> None:
        self.nodes[node.name] = node
        self.network.receivers[node.name] = node
        node.rerun = node.turns.rerun = self.chance.random() < 0.2
        self.faults["turns run twice"] += node.rerun
        if self.chance.random() < 0.3:
            node.skew = self.chance.choice([-3, -2, -1, 1, 2, 3])
            self.faults["clock skewed"] += 1

    def name_of(self, identity: bytes) -> str:
        """Who has this identity."""
        return self._names[identity]

    def told(self, name: str) -> list[bytes]:
        """Whom this party tells of a log that is convicted: of so few parties all others; a liar nobody."""
        return [peer.identity for peer in self.directory.peers if peer.name != name and name not in self.liars]

    @property
    def liars(self) -> set[str]:
        """Names of parties that lie in this run."""
        return self.council.liars if self.council else set()

    def decided_by_council(self, transaction: Transaction) -> bool:
        """True if mirrors decide this sale with its log."""
        known = self.directory.logs.get(transaction.log)
        return known is not None and not known.decides_alone

    @property
    def lying_log(self) -> bytes:
        """L of the log that lies; empty where none does."""
        named = {peer.name: peer.identity for peer in self.directory.peers}
        return named[LOG] if LOG in self.liars else b""

    @property
    def consumers(self) -> dict[str, Node]:
        return {name: self.nodes[name] for name in CONSUMERS}

    def account(self, name: str) -> bytes:
        """The account key of a consumer at the bank."""
        party: Any = self.nodes[name].party
        key: bytes = party.purse.account(key_of("bank").public).public
        return key

    # What happens.

    def run(self) -> None:
        """Calm, storm, calm."""
        self._prepare()
        self.events.run(NOON + CALM_SECONDS)
        self.stormy, self.network.weather = True, self.weather
        self._plan_purchases()
        self._plan_faults()
        self.events.run(NOON + STORM_SECONDS)
        self.stormy, self.network.weather = False, Weather()
        self.network.cut_off.clear()
        if self.council:
            self.council.rest()
        else:
            self.events.run(NOON + STORM_SECONDS + REST_SECONDS)

    def close(self) -> None:
        """Let go of files and databases."""
        for node in self.nodes.values():
            if isinstance(node, Shopper):
                node.close()
            node.store.close()

    def _prepare(self) -> None:
        bank = key_of("bank").public
        for name, (_, size) in ITEMS.items():
            (self.folder / name).write_bytes(hashlib.shake_128(name.encode()).digest(size))
        for name in ("merchant-1", "merchant-2"):
            self.nodes[name].command(OpenAt(bank=bank))
            for item, (price, _) in ITEMS.items():
                self.nodes[name].command(self._sell(item, price))
        for name, node in self.consumers.items():
            node.command(OpenAt(bank=bank))
            if name == CONSUMERS[name]:
                self.events.after(1.0, lambda name=name: self._fund(name))
            for amount in WITHDRAWN:
                self.events.after(1.5, lambda node=node, amount=amount: self._withdraw(node, amount))

    def _sell(self, item: str, price: int) -> Sell:
        receipt, sealed = self.variations.receipt(), self.variations.sealed()
        self.faults["sold against a receipt"] += receipt
        self.faults["sold sealed"] += sealed
        return Sell(
            item=item,
            path=str(self.folder / item),
            description=f"a {item}",
            media_type="application/octet-stream",
            currency=CURRENCY,
            price=price,
            valid_until=NOON + 3600,
            receipt=receipt,
            sealed=sealed,
        )

    def _fund(self, name: str) -> None:
        reference = hashlib.sha256(b"paid in by " + name.encode()).digest()
        paid = Fund(account=self.account(name), currency=CURRENCY, amount=PAID_IN, reference=reference)
        self.paid_in[name] = PAID_IN
        self.nodes["bank"].command(paid)

    def _withdraw(self, node: Node, amount: int) -> None:
        node.command(Withdraw(bank=key_of("bank").public, currency=CURRENCY, amount=amount))

    def _plan_purchases(self) -> None:
        most = COUNCIL_BUYING_SECONDS if self.council else BUYING_SECONDS
        within = self.chance.choice([2.0, most, most])
        for name, count in (COUNCIL_BUYS if self.council else BUYS).items():
            for _ in range(count):
                self.events.after(self.chance.uniform(0.0, within), lambda name=name: self._buy(name))
            for _ in range(AGAIN_BUYS):
                self.events.after(self.chance.uniform(within, 2 * most), lambda name=name: self._buy(name))
        for name in ("bob", "carol"):
            node = self.nodes[name]
            self.events.after(self.chance.uniform(0.0, 30.0), lambda node=node: self._withdraw(node, 3))

    def _buy(self, name: str) -> None:
        item = self.chance.choice(list(ITEMS))
        peers = self.directory.peers
        wish = Buy(
            merchant=self.chance.choice([p.identity for p in peers if p.role is Role.MERCHANT]),
            item=item,
            currency=CURRENCY,
            price_max=ITEMS[item][0],
            bank=key_of("bank").public,
            log=self.chance.choice([p.identity for p in peers if p.role is Role.LOG]),
            lead=self.chance.choice(self.leads),
            receipt=1,
        )
        self.nodes[name].command(wish)

    # What goes wrong.

    def _plan_faults(self) -> None:
        for _ in range(3):
            name = self.chance.choice(list(self.nodes))
            self.events.after(self.chance.uniform(0, STORM_SECONDS), lambda name=name: self._forget(name))
        for _ in range(self.chance.choice([0, 0, 1, 3])):
            victim = self.nodes[self.chance.choice(list(self.nodes))]
            self.events.after(self.chance.uniform(0, STORM_SECONDS - 10), lambda victim=victim: self._strike(victim))
        clocks = random.Random(f"clocks of {self.seed}")  # their own, so that all else of a seed stays as it was
        for name in (*self.nodes,) * STEPS_OF_A_CLOCK if clocks_step(self.seed) else ():
            seconds, skew = clocks.uniform(0, BUYING_SECONDS), clocks.choice(SKEWS)
            self.events.after(seconds, lambda name=name, skew=skew: self._step(name, skew))
        if self.weather.cut:
            ends = frozenset(self.chance.sample(list(self.nodes), self.chance.choice([1, 2])))
            start = self.chance.uniform(0, 40)
            self.events.after(start, lambda: self.network.cut_off.add(ends))
            self.events.after(start + self.chance.choice([3, 20, 50]), lambda: self.network.cut_off.discard(ends))

    def _forget(self, name: str) -> None:
        """In the middle of everything: nothing that is still needed may go."""
        if self.nodes[name].up:
            self.nodes[name].forget()

    def _step(self, name: str, skew: int) -> None:
        """Somebody sets a clock right while the party runs, or wrong."""
        self.faults["clock stepped"] += 1
        self.nodes[name].set_clock(skew)

    def _strike(self, victim: Node) -> None:
        if victim.up:
            victim.crash("at rest")

    def crash_of(self, node: Node) -> str | None:
        """A crash that has nothing to do with what is in a batch."""
        if not self.stormy or self.chance.random() >= self.weather.crash:
            return None
        return self.chance.choice(CRASHES)

    # What is told.

    def note(self, text: str) -> None:
        """Tell something in a trace."""
        if self.trace:
            print(f"{self.events.now - NOON:9.3f}  -- {text}")

    def _trace(self, heard: Heard) -> None:
        way = "<-" if heard.is_reply else "->"
        shown = hashlib.sha256(heard.payload).hexdigest()[:6]
        said = STEPS[heard.step].__name__
        ends = (heard.receiver, heard.sender) if heard.is_reply else (heard.sender, heard.receiver)
        print(f"{heard.time - NOON:9.3f}  {ends[0]:>10} {way} {ends[1]:<10}  {said} {shown}")


@contextmanager
def world_of(seed: int, *, trace: bool = False) -> Iterator[World]:
    """The world of a seed, before anything has happened.

    Parties and checkers verify most signatures some ten times: what one has verified, all others are told.
    """
    with scratch() as folder, mock.patch.object(signed, "verify", lru_cache(maxsize=None)(signed.verify)):
        world = World(seed, folder, trace=trace)
        try:
            yield world
        finally:
            world.close()


def main() -> None:
    """Run one seed, and say what came of it."""
    from tests.world.finals import check

    with world_of(int(sys.argv[1]), trace="--trace" in sys.argv) as world:
        world.run()
        report = check(world)
    for complaint in report.complaints:
        print(f"WRONG: {complaint}")
    print(f"{report.commits} sales committed, {report.aborts} aborted, {report.open_at_once} open at once")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(report.faults.items())))


if __name__ == "__main__":
    main()
