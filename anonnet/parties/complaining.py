"""What a wallet can hold against bank and merchant, and what it does with what they then hand over.

A dispute tells its receiver no more than its papers must. The bank sees a P2 that it has seen before, under the keys of
its tokens; the merchant sees P1 and P3, which are his own, under a key that was drawn for it. Neither sees an account,
and both are reached like for every other step of a purchase.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Refused, Why
from anonnet.parties.ordering import purchase_of
from anonnet.parties.purse import Purse
from anonnet.parties.settling import Settled
from anonnet.parties.tokens import Tokens
from anonnet.parties.turn import Turn
from anonnet.protocol.dispute import Demand, Dispute
from anonnet.protocol.local import Accuse
from anonnet.protocol.network import Network
from anonnet.protocol.outcome import aborted_in, is_commit, recorded_in
from anonnet.protocol.purchase import Abort, AuthorizationQ
from anonnet.protocol.recovery import State
from anonnet.protocol.refusal import Refusal
from anonnet.store import wallet
from anonnet.store.tokens import RELEASING
from anonnet.store.wallet import Bought, WalletStore
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer, checked, said_in

WalletTurn = Turn[WalletStore]


class Complaining:
    """A wallet's disputes: drawn from its purchases, and their redress taken in."""

    def __init__(self, network: Network, purse: Purse, tokens: Tokens, *, commit: Settled, abort: Settled) -> None:
        self._network = network
        self._purse = purse
        self._tokens = tokens
        self._commit = commit
        self._abort = abort

    def draw(self, turn: WalletTurn, wish: Accuse, entropy: bytes) -> tuple[bytes, Signed]:
        """The dispute about a purchase for which money was bound. Raises Refused."""
        bought = purchase_of(turn, wish.subject)
        if bought.authorization_q is None:
            raise Refused(Why.UNDECIDED, "nothing has been paid, so nobody owes anything")
        demand = Demand(wish.claim)
        papers = tuple(_papers_for(turn, bought, demand))
        if demand is Demand.DELIVERY:
            accused, signer = bought.buy.merchant, Signer(self._network.name, SigningKey(entropy))
        else:
            ids = [payment.token.id for payment in said_in(bought.authorization_q, AuthorizationQ).payments]
            accused, signer = bought.buy.bank, self._purse.signer_of(turn.store.tokens.known(ids))
        return accused, signer.sign(Dispute(accused=accused, claim=demand.value, papers=papers))

    def met(self, turn: WalletTurn, purchase: bytes, papers: Sequence[Signed]) -> None:
        """An outcome settles the purchase, whoever brings it; the bank's word frees what the abort was to free. A paper
        that does not hold counts for nothing."""
        bought = turn.store.purchase(purchase)
        if bought is None:
            return
        for paper in papers:
            with suppress(Malformed, Refused):
                self._settle(turn, bought, paper)
        releasing = {held.id for held in turn.store.tokens.bound_to(purchase) if held.state == RELEASING}
        if releasing and releasing <= set(self._usable(bought, papers)):
            self._tokens.release(turn, purchase)
            turn.store.errands.end_all(purchase)

    def _settle(self, turn: WalletTurn, bought: Bought, paper: Signed) -> None:
        place, logs = bought.transaction.public, self._network.logs
        if is_commit(paper):
            if recorded_in(self._network.name, logs, paper) == place:
                self._commit(turn, bought.id, paper)
        elif paper.step == Abort.step and aborted_in(self._network.name, logs, paper) == place:
            self._abort(turn, bought.id, paper)

    def _usable(self, bought: Bought, papers: Iterable[Signed]) -> Iterator[bytes]:
        """The tokens of which, by the bank's word, as much can be used as the purchase was to take."""
        amounts = {each.token.id: each.amount for each in said_in(bought.authorization_q, AuthorizationQ).payments}
        for paper in papers:
            with suppress(Malformed):
                said = checked(self._network.name, paper, State)
                if said.signer == bought.buy.bank and said.body.remaining >= amounts.get(said.body.token, 1):
                    yield said.body.token


def _papers_for(turn: WalletTurn, bought: Bought, demand: Demand) -> Iterator[Signed]:
    """What a claim needs, of what there is. Raises Refused where nothing supports it."""
    q, outcome = bought.authorization_q, bought.outcome
    assert q is not None
    if demand is Demand.CREDIT:
        raise Refused(Why.UNPROVEN, "a credit is the merchant's to claim")
    if demand is Demand.DELIVERY:
        if bought.goods_m is None or bought.authorization_b is None:
            raise Refused(Why.UNDECIDED, "the bank has promised nothing, so the merchant owes nothing")
        yield from (bought.goods_m, bought.authorization_b)
        if bought.state == wallet.DISPUTED and outcome:  # the key is here, and what it opens is not what was sold
            yield outcome
        return
    yield q
    if demand is Demand.RELEASE:
        if bought.state != wallet.ABORTED or outcome is None:
            raise Refused(Why.UNDECIDED, "the sale has not failed")
        yield outcome
    if demand is Demand.REFUSAL:
        refusals = [each for each in turn.store.answered.of(bought.id) if _refuses(each, q)]
        if not refusals:
            raise Refused(Why.UNKNOWN, "the bank has not refused this payment")
        yield from refusals


def _refuses(paper: Signed, request: Signed) -> bool:
    body = decode(paper.body)
    return isinstance(body, Refusal) and body.request == request.hash
