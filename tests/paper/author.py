"""A merchant whom nobody else knows, and who fills a log: for what a log does with many entries."""

from __future__ import annotations

from anonnet.crypto.keys import SigningKey
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import Scene
from tests.stage import NETWORK


class Author:
    """A merchant nobody else knows, who fills a log."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.key = scene, SigningKey(bytes(32))
        self.signer, self.drawn = Signer(NETWORK, self.key), 0

    def writes(self, count: int, expiration: int) -> list[Signed]:
        """So many P4 that the log has recorded."""
        return [self.written(expiration) for _ in range(count)]

    def written(self, expiration: int) -> Signed:
        self.drawn += 1
        k = self.drawn.to_bytes(32, "big")
        number = number_of(self.key.public, k)
        transaction = Transaction(
            number=number, expiration=expiration, merchant=self.key.public, log=self.scene.log_name
        )
        signed = self.signer.sign(AuthorizationM(transaction=transaction, key=k))
        assert isinstance(self.scene.ask(self.scene.log, signed), Commit)
        return signed
