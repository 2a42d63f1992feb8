"""Copies of one wallet: a store copied as a backup copies it, or one made anew from the seed, beside the first one."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.protocol.local import Recover
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store.database import MEMORY
from anonnet.store.wallet import WalletStore
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.paper.scenes import LEAD, PRICE, Scene
from tests.stage import NETWORK, key_of

SEED = hashlib.sha256(b"seed of consumer").digest()
CHEAP = "jingle"
"""Goods for 3: a wallet of 4 and 1 needs change."""


@dataclass
class Copies(Scene):
    """A scene whose consumer has her wallet in a file."""

    @classmethod
    def opened(cls, folder: Path, units: int = PRICE) -> Copies:
        """Money on the account, `units` withdrawn, goods for 5 and for 3 on sale."""
        scene = cls(folder)
        scene.consumers.clear()
        scene.consumer = scene.wallet("consumer", folder / "consumer.db")
        scene.prepare(units)
        scene.fund(scene.account(scene.consumer), 4 * PRICE)
        scene.sell(CHEAP, price=3)
        return scene

    def wallet(self, name: str, path: Path | str = MEMORY) -> Actor:
        """A wallet of the one seed on this file."""
        party = Consumer(self.network, SEED, [each.brand for each in self.minted])
        actor = self._actor(name, party, WalletStore(str(path)))
        self.consumers.append(actor)
        return actor

    def backup(self, name: str = "copy") -> Actor:
        """Copy the consumer's store as it is now; a wallet on the copy."""
        path = self.folder / f"{name}.db"
        with closing(sqlite3.connect(self.folder / "consumer.db")) as now, closing(sqlite3.connect(path)) as then:
            now.backup(then)
        for sealed in self.folder.glob("consumer-*.sealed"):
            shutil.copy(sealed, sealed.with_name(sealed.name.replace("consumer", name)))
        return self.wallet(name, path)

    def from_words(self, name: str = "heir", *, fast: int = 1) -> Actor:
        """A wallet that has nothing but the seed, recovering."""
        actor = self.wallet(name)
        actor.command(Recover(bank=self.bank_key, fast=fast))
        return actor

    def rest(self) -> None:
        """Let all sales and all pauses end."""
        for _ in range(4):
            self.pass_time(max(LEAD, RETRY_SECONDS_MAX) + 5)

    # What must hold.

    def check(self) -> None:
        """Money is conserved, each blinded message was debited once at most, and every live token is in a wallet."""
        books = self.books()
        account = self.balance(self.consumer.party.purse.signer(self.bank_key))  # type: ignore[attr-defined]
        assert not books.get("locked")
        assert account + self.income + books["tokens"] == -books["cash"]
        withdrawn = -books["cash"] - account
        assert withdrawn == self.paid_for()
        assert self.live() == books["tokens"], "a token is burnt"

    def paid_for(self) -> int:
        """What all blinded messages are worth for which the bank has given signatures to the account."""
        answered: dict[tuple[bytes, bytes], int] = {}
        for asked, said in zip(self.heard, self.heard[1:], strict=False):
            if asked.kind is WithdrawC and said.kind is WithdrawB:
                assert isinstance(asked.said, Signed)
                order = decode(asked.said.body)
                assert isinstance(order, WithdrawC)
                worth = next(each.brand.denomination for each in self.minted if each.brand.id == order.brand)
                answered |= {(order.brand, blinded): worth for blinded in order.blinded}
        return sum(answered.values())

    def recovered(self, actor: Actor) -> bool:
        """True if this wallet alone holds all live tokens, free, and no other."""
        return self.tokens(actor).get("free", 0) == self.books()["tokens"] == self.live([actor])

    def live(self, wallets: Sequence[Actor] = ()) -> int:
        """What the tokens are worth that some wallet may spend, and that the bank has not seen spent."""
        worth = {each.brand.id: each.brand.denomination for each in self.minted}
        free = {
            held.id: worth[held.brand] - self.bank.store.uses.taken(held.id)
            for actor in wallets or self.consumers
            for held in actor.store.tokens.free(list(worth))
        }
        return sum(free.values())


def restart_bank(scene: Scene, *without: bytes) -> None:
    """Start the bank anew, without some of its brands."""
    kept = [each for each in scene.minted if each.brand.id not in without]
    key, store, others = key_of("bank"), scene.bank.store, scene._others("bank")
    party = Bank(Signer(NETWORK, key), key.public, kept, scene.network.logs, others)
    scene.bank = scene._actor("bank", party, store)
