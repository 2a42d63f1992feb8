"""A judge who has papers and nothing else, for the claims of the paper's section "Correctness and Atomicity".

Each function names what somebody asks the judge to hold, and takes the papers that the paper says prove it. It returns
what is proven, or raises Unproven. It knows which keys are the bank's and the logs', and asks no party.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anonnet.crypto.sealing import Sealer
from anonnet.errors import Malformed
from anonnet.protocol.goods import Contract, GoodsM
from anonnet.protocol.purchase import (
    AuthorizationB,
    AuthorizationQ,
    aborted,
    check_authorization_q,
    committed,
    sells,
)
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.signed import Signed, checked


class Unproven(Exception):
    """These papers do not prove it."""


@dataclass(frozen=True)
class Judge:
    """Knows the network's name, the bank's key, and the key of each log by its identity L."""

    network: str
    bank: bytes
    logs: Mapping[bytes, bytes]

    def bank_owes(self, authorization_b: Signed, commit: Signed) -> tuple[bytes, str, int]:
        """To whom and how much: "commit and authorization_b to prove that the bank should credit"."""
        try:
            promise = checked(self.network, authorization_b, AuthorizationB)
            recorded = committed(self.network, self._log(promise.body.transaction.log), commit)
        except Malformed as why:
            raise Unproven(str(why)) from None
        self._insist(promise.signer == self.bank, "the bank did not promise this")
        self._insist(promise.body.transaction == recorded.transaction, "promise and commit are of two transactions")
        return recorded.transaction.merchant, promise.body.currency, promise.body.value

    def tokens_spent(self, authorization_q: Signed, commit: Signed) -> set[bytes]:
        """Which tokens the bank may keep: "commit and authorization_q to justify marking the token spent"."""
        try:
            order = checked(self.network, authorization_q, AuthorizationQ)
            check_authorization_q(order)
            recorded = committed(self.network, self._log(order.body.transaction.log), commit)
        except Malformed as why:
            raise Unproven(str(why)) from None
        self._insist(order.body.bank == self.bank, "this was asked of another bank")
        self._insist(order.body.transaction == recorded.transaction, "order and commit are of two transactions")
        return {payment.token.id for payment in order.body.payments}

    def tokens_released(self, authorization_q: Signed, abort: Signed) -> set[bytes]:
        """Which tokens are free: "abort and q to demand that the token be unlocked"."""
        try:
            order = checked(self.network, authorization_q, AuthorizationQ)
            check_authorization_q(order)
            ended = aborted(self.network, self._log(order.body.transaction.log), abort)
        except Malformed as why:
            raise Unproven(str(why)) from None
        self._insist(order.body.transaction == ended, "order and abort are of two transactions")
        return {payment.token.id for payment in order.body.payments}

    def delivered(self, goods_m: Signed, commit: Signed, log: bytes, sealed: Sequence[bytes]) -> tuple[Contract, bytes]:
        """Contract and goods: "commit and goods_m to prove the contents of the delivered goods"."""
        try:
            said = checked(self.network, goods_m, GoodsM)
            recorded = committed(self.network, self._log(log), commit)
            self._insist(sells(said, recorded.transaction), "goods_m and commit agree not on n and M")
            leaves = b"".join(leaf_hash(chunk) for chunk in sealed)
            self._insist(
                Tree.from_leaves(leaves).root() == said.body.root, "not the goods that the merchant signed for"
            )
            sealer = Sealer(recorded.key)
            last = len(sealed) - 1
            goods = b"".join(sealer.open(index, index == last, chunk) for index, chunk in enumerate(sealed))
        except Malformed as why:
            raise Unproven(str(why)) from None
        return said.body.contract, goods

    def _log(self, identity: bytes) -> bytes:
        self._insist(identity in self.logs, "no log of that name")
        return self.logs[identity]

    def _insist(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise Unproven(otherwise)
