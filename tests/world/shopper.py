"""A consumer of the world: her node also downloads sealed goods through the faulty network, and opens them.

Tokens are made from seeds that are the same in every run, so what is derived from a seed alone is computed once in a
process and remembered: it is the same value each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from anonnet.crypto.blind import Blinded, SecretKey
from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed
from anonnet.parties.consumer import Consumer, Fetched, Opened
from anonnet.parties.purse import Purse
from anonnet.protocol.goods import Chunk, ChunkOf
from anonnet.protocol.outcome import committed
from anonnet.protocol.seed import Lane, TokenSecrets
from anonnet.protocol.token import Token
from anonnet.store.goods import Download, open_goods, sealed_root
from anonnet.store.wallet import FetchGoods, OpenGoods
from anonnet.wire.frames import Frames, frame
from anonnet.wire.signed import received
from tests.world.disk import Opens
from tests.world.node import Node


class Secrets(TokenSecrets):
    """A token's secrets, each derived once."""

    def __hash__(self) -> int:
        return hash(self.place)

    @property
    def key(self) -> SigningKey:
        return _key(self)

    def blinded(self) -> Blinded:
        return _blinded(self)

    def token(self, blind_signature: bytes) -> Token:
        return _token(self, blind_signature)


_key = lru_cache(maxsize=None)(lambda secrets: TokenSecrets.key.fget(secrets))
_blinded = lru_cache(maxsize=None)(lambda secrets: TokenSecrets.blinded(secrets))
_token = lru_cache(maxsize=None)(lambda secrets, signature: TokenSecrets.token(secrets, signature))


class RememberingPurse(Purse):
    """The purse, with secrets that are derived once."""

    def secrets(self, brand: bytes, lane: Lane, position: int) -> TokenSecrets:
        return Secrets(self._seed, self.brands[brand], lane, position)


class RememberingKey:
    """A brand's key: the same blinded message has the same signature."""

    def __init__(self, secret: SecretKey) -> None:
        self.public = secret.public
        self.sign = lru_cache(maxsize=None)(secret.sign)


class Shopper(Node):
    """A consumer with her downloads."""

    def __init__(self, world: Any, name: str, make: Callable[[], Consumer], opens: Opens) -> None:
        super().__init__(world, name, make, opens)
        self._jobs: set[object] = set()

    def _begin(self) -> None:
        super()._begin()
        self.close()
        self._jobs = set()

    def close(self) -> None:
        """Close the files of unfinished downloads, as the end of a process does."""
        for download in getattr(self, "_downloads", ()):
            download.close()
        self._downloads: list[Download] = []

    def resume(self) -> None:
        self._take_up()

    def look(self) -> None:
        super().look()
        self._take_up()

    def _take_up(self) -> None:
        for job in self.agenda().jobs:
            if job in self._jobs:
                continue
            self._jobs.add(job)
            if isinstance(job, FetchGoods):
                self._fetch(job.purchase)
            elif isinstance(job, OpenGoods):
                self.after(self.chance.uniform(0.0, 0.2), lambda purchase=job.purchase: self._open(purchase))

    def _path(self, purchase: bytes, kind: str) -> Path:
        return self.world.folder / f"{self.name}-{purchase.hex()[:16]}.{kind}"

    def _fetch(self, purchase: bytes) -> None:
        download = Download(self._path(purchase, "sealed"), self.store.purchase(purchase).terms.contract.size)
        self._downloads.append(download)
        for index in download.missing:
            self._ask_chunk(download, purchase, index)
        if not download.missing:
            self._fetched(download, purchase)

    def _ask_chunk(self, download: Download, purchase: bytes, index: int) -> None:
        bought = self.store.purchase(purchase)
        asked = ChunkOf(merchant=bought.buy.merchant, number=bought.terms.number, secret=bought.secret, index=index)
        life = self.life

        def taken(data: bytes) -> None:
            if self.life == life and self.up:
                self._chunk(download, purchase, index, data)

        def failed() -> None:
            if self.life == life and self.up:
                self.after(self.chance.uniform(0.2, 3.0), lambda: self._ask_chunk(download, purchase, index))

        receiver = self.world.name_of(bought.buy.merchant)
        self.world.network.ask(self.name, receiver, bytes(frame(asked, 1)), taken, failed)

    def _chunk(self, download: Download, purchase: bytes, index: int, data: bytes) -> None:
        (reply,) = Frames().feed(data)
        try:
            chunk = received(self.party.network, Chunk, reply.payload).body
            if chunk.index != index:
                raise Malformed("another chunk")
            chunk.check_against(self.store.purchase(purchase).terms)
        except Malformed:
            self.after(self.chance.uniform(1.0, 5.0), lambda: self._ask_chunk(download, purchase, index))
            return
        if index not in download.missing:
            return
        download.write(index, chunk.sealed)
        download.missing.remove(index)
        if not download.missing:
            self._fetched(download, purchase)

    def _fetched(self, download: Download, purchase: bytes) -> None:
        download.sync()
        download.close()
        assert sealed_root(download.path) == self.store.purchase(purchase).terms.root
        self.inform(Fetched(purchase))

    def _open(self, purchase: bytes) -> None:
        bought = self.store.purchase(purchase)
        log = self.world.directory.logs[bought.buy.log]
        key = committed(self.party.network, log, bought.outcome, bought.transaction).key
        contract, path = bought.terms.contract, self._path(purchase, "goods")
        found = open_goods(self._path(purchase, "sealed"), key, contract.size, path)
        described = (found.size, found.hash, found.root) == (contract.size, contract.hash, contract.root)
        self.inform(Opened(purchase, str(path), described))
