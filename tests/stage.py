"""A stage for the four parties without a network: real parties, real stores in memory, real cryptography, one clock.

`Stage` carries messages between actors by hand. Simulations and transcripts are built on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from anonnet.crypto.keys import SigningKey
from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer, Fetched, Opened
from anonnet.parties.discarding import FilesRemoved
from anonnet.parties.log import Log
from anonnet.parties.merchant import Merchant
from anonnet.parties.mesh import neighbours
from anonnet.parties.mint import Minted
from anonnet.parties.mirror import Mirror
from anonnet.parties.turn import Party
from anonnet.protocol.brand import Brand, BrandOffer, proof_hash
from anonnet.protocol.goods import Chunk, ChunkOf
from anonnet.protocol.known_log import KnownLog, mirror_policy
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.outcome import committed
from anonnet.protocol.transaction import NO_POLICY
from anonnet.store.bank import BankStore
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.errands import Errand
from anonnet.store.goods import Download, open_goods, sealed_root
from anonnet.store.jobs import FetchGoods, OpenGoods, RemoveFiles
from anonnet.store.log import LogStore
from anonnet.store.merchant import MerchantStore
from anonnet.store.mirror import MirrorStore
from anonnet.store.wallet import WalletStore
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.actor import Actor, Said
from tests.rsa_keys import brand_key, brand_proof

NETWORK = "stage"
NOON = 1_700_000_000
"""When plays begin, in POSIX seconds."""
CURRENCY = "EUR"


def key_of(name: str) -> SigningKey:
    """The signing key of a party of the stage."""
    return SigningKey(hashlib.sha256(name.encode()).digest())


def log_store(
    name: str = "log",
    path: str = MEMORY,
    known: KnownLog | None = None,
    merged: Store | None = None,
    database: Callable[..., Database] = Database,
) -> LogStore:
    """The store of the log of this name, which decides alone unless it is known otherwise."""
    key = key_of(name)
    seal = partial((known or KnownLog(key.public)).sealed, key)
    return LogStore(path, seal=seal, database=database, merged=merged)


def mint(
    bank: SigningKey,
    denominations: dict[int, str],
    *,
    now: int = NOON,
    ends: int | None = None,
    currency: str = CURRENCY,
) -> list[Minted]:
    """Brands of a bank from the tests' fixed RSA keys: {denomination: name of the key}."""
    minted = []
    for denomination, name in denominations.items():
        secret, roots = brand_key(name), brand_proof(name)
        brand = Brand(
            bank=bank.public,
            method=secret.public.method.value,
            modulus=secret.public.modulus_bytes,
            key_proof=proof_hash(roots),
            currency=currency,
            denomination=denomination,
            opens=now - 3600,
            closes=now + 30 * 24 * 3600,
            ends=ends or now + 30 * 24 * 3600 + 2 * CLAIM_SECONDS,
        )
        offer = BrandOffer(brand=Signer(NETWORK, bank).sign(brand), roots=roots)
        minted.append(Minted(offer, brand, secret))
    return minted


@dataclass
class Stage:
    """Bank, merchant, log and consumers, and who said what to whom."""

    folder: Path
    now: int = NOON
    denominations: dict[int, str] = field(default_factory=lambda: {1: "2048-a", 2: "2048-b", 4: "2048-c"})
    on_said: Callable[[str, str, Said], None] | None = None
    seed: int = 0
    currencies: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"bank": (CURRENCY,)})
    """The banks, the first of which is called bank, and what each has tokens of."""
    mirrored_by: tuple[str, ...] = ()
    """The mirrors that decide with the log, all but one of them a quorum; without any the log decides alone."""
    merged: str = ""
    """The bank or the merchant that the log is merged with, if any."""

    def __post_init__(self) -> None:
        roles = dict.fromkeys(self.currencies, Role.BANK) | {"merchant": Role.MERCHANT, "log": Role.LOG}
        roles |= dict.fromkeys(self.mirrored_by, Role.MIRROR)
        keys = {name: key_of(name) for name in roles}
        minted = {
            bank: [each for c in listed for each in mint(keys[bank], self.denominations, now=self.now, currency=c)]
            for bank, listed in self.currencies.items()
        }
        self.minted = [each for listed in minted.values() for each in listed]
        policies = {"log": self._policy()}
        peers = [
            Peer(role, name, keys[name].public, bytes(32), "127.0.0.1", 1, policies.get(name, NO_POLICY))
            for name, role in roles.items()
        ]
        self.network = Network(NETWORK, tuple(peers), tuple(each.offer for each in self.minted))
        self.identities = {peer.identity: peer.name for peer in peers}
        self.by_name = {peer.name: peer.identity for peer in peers}
        signer = {name: Signer(NETWORK, key) for name, key in keys.items()}
        merchant_key, log_key, logs = keys["merchant"].public, keys["log"].public, self.network.logs
        self.banks = {
            name: self._actor(
                name, Bank(signer[name], keys[name].public, minted[name], logs, self._others(name)), BankStore()
            )
            for name in self.currencies
        }
        bank_keys = [keys[name].public for name in self.currencies]
        self.merchant = self._actor(
            "merchant",
            Merchant(signer["merchant"], merchant_key, bank_keys, logs, self._others("merchant")),
            MerchantStore(),
        )
        self.log = self._log(KnownLog(log_key, policies["log"]))
        self.mirrors = {
            name: self._actor(name, Mirror(signer[name], keys[name], logs, self._others(name)), MirrorStore())
            for name in self.mirrored_by
        }
        self.consumers: list[Actor] = []
        self.consumer = self.add_consumer("consumer")

    def _others(self, name: str) -> list[bytes]:
        """Whom this party tells of a log that is convicted."""
        return neighbours(self.by_name[name], self.by_name.values(), b"")

    def _policy(self) -> bytes:
        """The log's."""
        keys = {name: key_of(name).public for name in self.mirrored_by}
        return mirror_policy(keys, len(keys) - 1) if keys else NO_POLICY

    def _log(self, known: KnownLog) -> Any:
        banks = [key_of(name).public for name in self.currencies]
        host = self.merchant if self.merged == "merchant" else self.banks.get(self.merged)
        store = log_store("log", MEMORY, known, host.store if host else None)
        party = Log(Signer(NETWORK, key_of("log")), known, banks, told=self._others("log"))
        log = self._actor("log", party, store)
        if host:
            host.merge(log)
        return log

    def _actor(self, name: str, party: Party, store: Store) -> Actor:
        return Actor(name, party, store, lambda: self.now, self._entropy)

    def _entropy(self) -> bytes:
        self.seed += 1
        return hashlib.sha256(b"entropy %d" % self.seed).digest()

    def add_consumer(self, name: str) -> Actor:
        """One more consumer with a wallet of her own."""
        brands = [each.brand for each in self.minted]
        seed = hashlib.sha256(b"seed of " + name.encode()).digest()
        actor = self._actor(name, Consumer(self.network, seed, brands), WalletStore())
        self.consumers.append(actor)
        return actor

    @property
    def bank(self) -> Actor:
        """The first bank."""
        return self.banks["bank"]

    @bank.setter
    def bank(self, actor: Actor) -> None:
        self.banks["bank"] = actor

    @property
    def actors(self) -> list[Actor]:
        return [*self.banks.values(), self.merchant, self.log, *self.mirrors.values(), *self.consumers]

    def actor(self, identity: bytes) -> Actor:
        """The party with this identity."""
        return {**self.banks, **self.mirrors, "merchant": self.merchant, "log": self.log}[self.identities[identity]]

    def say(self, sender: str, receiver: Actor, said: Said) -> Said | None:
        """Carry one request, and bring back its reply."""
        self._heard(sender, receiver.name, said)
        reply = receiver.takes(frame(said, 1))
        if reply is not None:
            self._heard(receiver.name, sender, reply)
        return reply

    def _heard(self, sender: str, receiver: str, said: Said) -> None:
        if self.on_said:
            self.on_said(sender, receiver, said)

    def due(self) -> Iterator[tuple[Actor, Errand]]:
        """Everything that somebody would send now. The errands of a merged log are those of its host."""
        for actor in self.actors if not self.merged else [each for each in self.actors if each is not self.log]:
            for errand in actor.store.errands.due(self.now, most=actor.store.errands.count()):
                if errand.receiver not in actor.turns.within:
                    yield actor, errand

    def run_errand(self, actor: Actor, errand: Errand) -> None:
        """Send one errand and bring its answer home."""
        reply = self.say(actor.name, self.actor(errand.receiver), errand.said)
        if reply is not None:
            actor.takes(frame(reply, 1), answers=errand)

    def settle(self, rounds: int = 50) -> None:
        """Let everything happen that needs no time: errands, downloads, openings."""
        for _ in range(rounds):
            before = self._undone()
            for actor, errand in list(self.due()):
                self.run_errand(actor, errand)
            for actor in self.consumers:
                for job in actor.store.jobs():
                    self.work(actor, job)
            if self._undone() == before:
                return

    def _undone(self) -> tuple[list[bytes], list[object]]:
        jobs = [job for consumer in self.consumers for job in consumer.store.jobs()]
        return [errand.hash for _, errand in self.due()], jobs

    def pass_time(self, seconds: int) -> None:
        """Let time pass, then let everything happen that is due."""
        self.now += seconds
        for actor in self.actors:
            actor.remind()
        self.settle()

    def work(self, actor: Actor, job: object) -> None:
        """Do what a consumer's daemon does outside turns."""
        if isinstance(job, FetchGoods):
            self.fetch(actor, job.purchase)
        elif isinstance(job, OpenGoods):
            self.open(actor, job.purchase)
        elif isinstance(job, RemoveFiles):
            for path in self.folder.glob(f"{actor.name}-{job.purchase.hex()[:16]}.*"):
                path.unlink()
            actor.inform(FilesRemoved(job.purchase))

    def fetch(self, actor: Actor, purchase: bytes) -> None:
        """Get all sealed chunks of a purchase."""
        bought = actor.store.purchase(purchase)
        terms = bought.terms
        download = Download(self.sealed_path(actor, purchase), terms.contract.size)
        for index in download.missing:
            asked = ChunkOf(merchant=bought.buy.merchant, number=terms.number, secret=bought.secret, index=index)
            reply = self.say(actor.name, self.merchant, asked)
            if not isinstance(reply, Chunk):
                download.close()
                return
            reply.check_against(terms)
            download.write(reply.index, reply.sealed)
        download.sync()
        download.close()
        assert sealed_root(self.sealed_path(actor, purchase)) == terms.root
        actor.inform(Fetched(purchase))

    def sealed_path(self, actor: Actor, purchase: bytes) -> Path:
        return self.folder / f"{actor.name}-{purchase.hex()[:16]}.sealed"

    def open(self, actor: Actor, purchase: bytes) -> None:
        """Open the goods of a purchase that has committed."""
        bought = actor.store.purchase(purchase)
        log = self.network.logs[bought.buy.log]
        recorded = committed(NETWORK, log, bought.outcome, bought.transaction)
        assert recorded is not None
        key = recorded.key
        contract = bought.terms.contract
        path = self.folder / f"{actor.name}-{purchase.hex()[:16]}.goods"
        found = open_goods(self.sealed_path(actor, purchase), key, contract.size, path)
        described = (found.size, found.hash, found.root) == (contract.size, contract.hash, contract.root)
        actor.inform(Opened(purchase, str(path), described))
