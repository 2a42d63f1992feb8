"""What a bank does when papers prove that it owes something (paper, section "Correctness and Atomicity").

The merchant's credit, by commit and authorization_b; the proof that a token is spent, and in it the merchandise key, by
authorization_q; the signatures of an exchange, by exchange_q; the tokens, by abort and q; what stands behind a refusal,
by the refusal. All of it is what the bank would have done without being accused, by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.parties.accused import Case, Remedy, Shown, unproven
from anonnet.parties.mint import Mint
from anonnet.parties.turn import Turn
from anonnet.protocol.account import Credit
from anonnet.protocol.dispute import Demand
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.papers import Paper
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.store.bank import BankStore
from anonnet.store.sales import ABORTED, LAPSED
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer

BankTurn = Turn[BankStore]
Credited = Callable[[BankTurn, AuthorizationB, Signed], Credit | None]
Ended = Callable[[BankTurn, Signed], None]


class Liable:
    """A bank's remedies. `credit` pays what a promise and a commit demand, `end` does what an outcome demands."""

    def __init__(self, signer: Signer, mint: Mint, *, credit: Credited, end: Ended) -> None:
        self._signer = signer
        self._mint = mint
        self._credit = credit
        self._end = end

    @property
    def remedies(self) -> dict[Demand, Remedy]:
        """What it can be made to do."""
        return {
            Demand.CREDIT: self.credit,
            Demand.SPENT: self.spent,
            Demand.RELEASE: self.release,
            Demand.REFUSAL: self.refusal,
        }

    def credit(self, turn: BankTurn, case: Case) -> list[Signed]:
        """ "The merchant can use commit and authorization_b to prove that the bank should credit the merchant's account
        with the value of the token." """
        if not case.proven:
            raise unproven(case, self._outcomes(turn, case))
        return [self._credited(turn, case, finding.proved_by) for finding in case.proven]

    def _credited(self, turn: BankTurn, case: Case, papers: Iterable[Paper[Any]]) -> Signed:
        (promise,) = [paper for paper in papers if isinstance(paper.body, AuthorizationB)]
        (commit,) = case.papers.of(case.papers.commits, promise.body.transaction)[:1]
        credit = self._credit(turn, promise.body, commit.signed)
        if credit is None:
            raise Refused(Why.SALE_ABORTED, evidence=self._outcomes(turn, case))
        return self._signer.sign(credit)

    def spent(self, turn: BankTurn, case: Case) -> list[Shown]:
        """ "The consumer can demand this proof, requiring the bank to produce commit, which contains the merchandise
        encryption key, thus giving the consumer access to the goods." """
        orders = [order for order in case.papers.orders if order.body.bank == self._mint.bank]
        exchanges = [each for each in case.papers.exchanges if each.body.bank == self._mint.bank]
        if not orders and not exchanges:
            raise unproven(case, self._outcomes(turn, case))
        shown = [paper for order in orders for paper in self._became_of(turn, case, order)]
        return [*shown, *(paper for each in exchanges for paper in self._given_for(turn, case, each))]

    def _given_for(self, turn: BankTurn, case: Case, exchange: Paper[ExchangeQ]) -> list[Shown]:
        """The signatures of an exchange that was done; of another, what remains of its tokens."""
        case.check_shown_by(exchange)
        if not turn.store.exchanges.stands(exchange.signed.hash):
            return self._remains(turn, exchange.body.payments)
        return [exchange.signed, self._mint.signing(exchange.body)]

    def _became_of(self, turn: BankTurn, case: Case, order: Paper[AuthorizationQ]) -> list[Shown]:
        """What shows how a payment has ended; of one that the bank does not hold, what remains of its tokens."""
        case.check_shown_by(order)
        sale = turn.store.sale(order.body.transaction.outcome_key)
        if sale is None or sale.state == LAPSED:
            return self._remains(turn, order.body.payments)
        sale.refuse_another(order.body.transaction)
        if sale.state == ABORTED:
            assert sale.proof is not None
            return [sale.proof]
        assert sale.authorization_q is not None
        assert sale.authorization_b is not None
        if sale.authorization_q.body != order.signed.body:
            raise Refused(Why.SALE_AUTHORIZED, evidence=[sale.authorization_b])  # who paid is nobody else's business
        if sale.proof is None:
            raise Refused(Why.UNDECIDED, "the log has told no outcome", evidence=[sale.authorization_b])
        return [sale.authorization_q, sale.proof]

    def release(self, turn: BankTurn, case: Case) -> list[Shown]:
        """ "The consumer can use abort and q to demand that the token be unlocked." """
        if not case.proven:
            raise unproven(case, self._outcomes(turn, case))
        orders = [order for finding in case.proven for order in _orders_in(finding.proved_by)]
        for order in orders:
            case.check_shown_by(order)
            for abort in case.papers.of(case.papers.aborts, order.body.transaction)[:1]:
                if turn.store.sale(order.body.transaction.outcome_key):
                    self._end(turn, abort.signed)
        return self._remains(turn, [payment for order in orders for payment in order.body.payments])

    def refusal(self, turn: BankTurn, case: Case) -> list[Shown]:
        """Show now what a refusal should have shown. Where there is nothing to show, it is taken back: by the bank's
        word the tokens can be used, and the same request is taken when it is made again."""
        if not case.proven:
            raise unproven(case, self._outcomes(turn, case))
        return [paper for finding in case.proven for paper in self._made_good(turn, case, finding.proved_by)]

    def _made_good(self, turn: BankTurn, case: Case, papers: tuple[Paper[Any], ...]) -> list[Shown]:
        refused = [paper for paper in papers if not isinstance(paper.body, Refusal)]
        if any(isinstance(paper.body, AuthorizationB) for paper in refused):  # a claim
            return [self._credited(turn, case, refused)]
        (request,) = refused
        if isinstance(request.body, Transaction):
            self._end(turn, request.signed)
            return [request.signed]
        case.check_shown_by(request)
        body = request.body
        payments = getattr(body, "payments", None) or (Payment(token=body.token, amount=1),)
        return self._remains(turn, payments)

    def _remains(self, turn: BankTurn, payments: Iterable[Payment]) -> list[Shown]:
        """The bank's word on each token, and what shows the use of those of which less is left than was paid with."""
        states, shown = [], list[Signed]()
        for payment in payments:
            state = self._mint.state(turn, payment.token, turn.now)
            states.append(self._signer.sign(state))
            if state.remaining < payment.amount and turn.store.uses.taken(payment.token.id):
                shown += turn.store.uses.history(payment.token.id, beyond=0)
        exchanged = [body for body in (decode(paper.body) for paper in shown) if isinstance(body, ExchangeQ)]
        return [*states, *shown, *map(self._mint.signing, exchanged)]

    def _outcomes(self, turn: BankTurn, case: Case) -> list[Signed]:
        """What the bank has of the sales that are named, and everybody may know: how they ended."""
        sales = [turn.store.sale(each.outcome_key) for each in case.papers.transactions]
        return [sale.proof for sale in sales if sale and sale.proof]


def _orders_in(papers: Iterable[Paper[Any]]) -> list[Paper[AuthorizationQ]]:
    return [paper for paper in papers if isinstance(paper.body, AuthorizationQ)]
