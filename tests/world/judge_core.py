"""The paper's section "Correctness and Atomicity" as functions on papers alone.

Nothing is known here of stores, of clocks or of who said what to whom: signed messages in, a verdict out. A party that
is owed to be served and has been served is convicted of nothing; whether it has been is for the caller to look up.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from anonnet.crypto.sealing import Sealer
from anonnet.errors import Malformed
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.purchase import (
    AuthorizationB,
    AuthorizationM,
    AuthorizationQ,
    check_authorization_q,
    sells,
)
from anonnet.protocol.transaction import Transaction
from anonnet.tlog.merkle import Frontier, leaf_hash
from anonnet.wire.signed import Checked, Signed, checked


class Verdict(enum.Enum):
    """What the papers prove."""

    NOTHING = "the papers prove nothing"
    BANK_OWES_CREDIT = "the bank must credit the merchant"
    TOKEN_IS_SPENT = "the bank may refuse the token"
    TOKEN_IS_LOCKED = "the bank may refuse the token until another transaction has ended"
    BANK_MUST_RELEASE = "the bank must unlock the token"
    GOODS_AS_DESCRIBED = "the goods are what the contract describes"
    MERCHANT_CHEATED = "the goods are not what the contract describes"
    LOG_CHEATED = "the log has said both that the sale committed and that it did not"


@dataclass(frozen=True)
class Judge:
    """Who the parties are: the network's name, the bank's key, the logs that count."""

    network: str
    bank: bytes
    logs: Mapping[bytes, KnownLog]

    def merchant_claims(self, authorization_b: Signed | None, commit: Signed | None) -> Verdict:
        """ "The merchant can use commit and authorization_b to prove that the bank should credit the merchant's
        account with the value of the token." """
        promise, recorded = self._promise(authorization_b), self._recorded(commit)
        if promise is None or recorded is None or promise.body.transaction != recorded.transaction:
            return Verdict.NOTHING
        return Verdict.BANK_OWES_CREDIT

    def bank_justifies(self, token: bytes, authorization_q: Signed | None, commit: Signed | None) -> Verdict:
        """ "The bank can use commit and authorization_q to justify (to the consumer) marking the token spent and
        denying reuse or replacement." """
        order, recorded = self._order(authorization_q), self._recorded(commit)
        if order is None or recorded is None or order.body.transaction != recorded.transaction:
            return Verdict.NOTHING
        named = token in {payment.token.id for payment in order.body.payments}
        return Verdict.TOKEN_IS_SPENT if named else Verdict.NOTHING

    def bank_defers(self, token: bytes, refused: Signed, authorization_q: Signed | None) -> Verdict:
        """ "This message is logged in the database, so that attempts at token reuse can be detected" (Data Management):
        the authorization that came first, of another transaction than the one that was refused."""
        order, mine = self._order(authorization_q), self._order(refused)
        if order is None or mine is None or order.body.transaction == mine.body.transaction:
            return Verdict.NOTHING
        named = token in {payment.token.id for payment in order.body.payments}
        return Verdict.TOKEN_IS_LOCKED if named else Verdict.NOTHING

    def consumer_demands_release(self, token: bytes, authorization_q: Signed | None, abort: Signed | None) -> Verdict:
        """ "The consumer can use abort and q to demand that the token be unlocked." That she has q, authorization_q
        shows. The bank's answer to it can only be that the token was spent elsewhere: `bank_justifies`."""
        order, ended = self._order(authorization_q), self._ended(abort)
        if order is None or ended is None or order.body.transaction != ended:
            return Verdict.NOTHING
        named = token in {payment.token.id for payment in order.body.payments}
        return Verdict.BANK_MUST_RELEASE if named else Verdict.NOTHING

    def consumer_proves_goods(self, goods_m: Signed | None, commit: Signed | None, sealed: Sequence[bytes]) -> Verdict:
        """ "The consumer can use commit and goods_m to prove the contents of the delivered goods." """
        offer, recorded = self._offer(goods_m), self._recorded(commit)
        if offer is None or recorded is None or not sells(offer, recorded.transaction):
            return Verdict.NOTHING
        tree = Frontier()
        for chunk in sealed:
            tree.append(leaf_hash(chunk))
        if len(sealed) != offer.body.contract.chunks or tree.root() != offer.body.root:
            return Verdict.NOTHING  # these are not the goods that the merchant sent
        sealer, opened = Sealer(recorded.key), []
        for index, chunk in enumerate(sealed):
            try:
                opened.append(sealer.open(index, index == len(sealed) - 1, chunk))
            except Malformed:
                return Verdict.MERCHANT_CHEATED
        goods, contract = b"".join(opened), offer.body.contract
        described = (len(goods), sha256(goods).digest()) == (contract.size, contract.hash)
        return Verdict.GOODS_AS_DESCRIBED if described else Verdict.MERCHANT_CHEATED

    def anyone_accuses_log(self, commit: Signed | None, abort: Signed | None) -> Verdict:
        """ "The transaction log will eventually produce exactly one of commit or abort for any transaction." """
        recorded, ended = self._recorded(commit), self._ended(abort)
        both = recorded is not None and recorded.transaction == ended
        return Verdict.LOG_CHEATED if both else Verdict.NOTHING

    # Papers that do not hold are no papers.

    def _promise(self, paper: Signed | None) -> Checked[AuthorizationB] | None:
        try:
            promise = checked(self.network, paper, AuthorizationB) if paper else None
        except Malformed:
            return None
        return promise if promise and promise.signer == self.bank else None

    def _order(self, paper: Signed | None) -> Checked[AuthorizationQ] | None:
        try:
            order = checked(self.network, paper, AuthorizationQ) if paper else None
            if order:
                check_authorization_q(order)
        except Malformed:
            return None
        return order if order and order.body.bank == self.bank else None

    def _offer(self, paper: Signed | None) -> Checked[GoodsM] | None:
        try:
            return checked(self.network, paper, GoodsM) if paper else None
        except Malformed:
            return None

    def _recorded(self, paper: Signed | None) -> AuthorizationM | None:
        for key in self.logs.values() if paper else ():
            try:
                return committed(self.network, key, paper)
            except Malformed:
                continue
        return None

    def _ended(self, paper: Signed | None) -> Transaction | None:
        for key in self.logs.values() if paper else ():
            try:
                return aborted(self.network, key, paper)
            except Malformed:
                continue
        return None
