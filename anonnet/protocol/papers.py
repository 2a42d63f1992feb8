"""Papers that hold, and what they show together: signed messages as evidence. `admitting` says which of them hold."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Generic, TypeVar

from anonnet.errors import Why
from anonnet.protocol.account import Claim, Credit, Statement
from anonnet.protocol.brand import Brand
from anonnet.protocol.breach import Alert
from anonnet.protocol.claimed import identity_of
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.outcome import Logs, is_commit
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.quorum import Receipt
from anonnet.protocol.recovery import State, StateOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.wire.codec import Message
from anonnet.wire.signed import Signed, unsigned

B = TypeVar("B")

FINAL: dict[type[Message], tuple[Why, ...]] = {
    AuthorizationQ: (Why.SALE_AUTHORIZED, Why.LOG_CONVICTED),
    ExchangeQ: (Why.EXPIRED, Why.BAD_BLINDED),
}
"""The reasons by which a bank says for good that it does not use the tokens in a request."""


@dataclass(frozen=True)
class Paper(Generic[B]):
    """A paper that holds: what it is called, where it stood, what it says, and who signed it."""

    name: str
    source: str
    body: B
    signed: Signed

    @property
    def signer(self) -> bytes:
        """The one signer of a paper that has one."""
        return self.signed.signatures[0].signer

    def __str__(self) -> str:
        return f"{self.name} ({self.source})"


@dataclass(frozen=True)
class Use:
    """A token used for good: in a sale that has committed, or in an exchange (None); how much, and what shows it."""

    transaction: Transaction | None
    amount: int
    shown_by: tuple[Paper[Any], ...]


@dataclass
class Papers:
    """What holds of the papers of one network."""

    network: str
    logs: Logs
    brands: dict[bytes, Paper[Brand]] = field(default_factory=dict)
    offers: list[Paper[GoodsM]] = field(default_factory=list)
    receipts: list[Paper[GoodsQ]] = field(default_factory=list)
    orders: list[Paper[AuthorizationQ]] = field(default_factory=list)
    promises: list[Paper[AuthorizationB]] = field(default_factory=list)
    commits: list[Paper[AuthorizationM]] = field(default_factory=list)
    aborts: list[Paper[Transaction]] = field(default_factory=list)
    exchanges: list[Paper[ExchangeQ]] = field(default_factory=list)
    made: list[Paper[ExchangeB]] = field(default_factory=list)
    questions: list[Paper[StateOf]] = field(default_factory=list)
    states: list[Paper[State]] = field(default_factory=list)
    refusals: list[Paper[Refusal]] = field(default_factory=list)
    credits: list[Paper[Credit]] = field(default_factory=list)
    statements: list[Paper[Statement]] = field(default_factory=list)
    withdrawals: list[Paper[WithdrawC]] = field(default_factory=list)
    handed: list[Paper[Receipt]] = field(default_factory=list)
    """Mirrors' receipts for keys."""
    alerts: list[Paper[Alert]] = field(default_factory=list)
    sales: set[Transaction] = field(default_factory=set)
    """Sealed transactions that are named: n in them opens what a log has recorded."""
    filled: dict[tuple[bytes, ...], Paper[Transaction]] = field(default_factory=dict)
    """Commits by the place in the log that they show to be filled, whether or not they open."""
    set_aside: list[str] = field(default_factory=list)
    """Why a paper does not count, a sentence for each."""
    lacking: bool = False
    """True if one was set aside because its log or its brand is not among the papers: it may hold."""
    _turned_down: dict[bytes, list[Paper[Refusal]]] = field(default_factory=dict, init=False, repr=False)
    """What `turned_down` has found, by the payment, as long as nothing is added."""

    @property
    def _lists(self) -> dict[type[Any], list[Any]]:
        return {
            GoodsM: self.offers,
            GoodsQ: self.receipts,
            AuthorizationQ: self.orders,
            AuthorizationB: self.promises,
            AuthorizationM: self.commits,
            Transaction: self.aborts,
            ExchangeQ: self.exchanges,
            ExchangeB: self.made,
            StateOf: self.questions,
            State: self.states,
            Refusal: self.refusals,
            Credit: self.credits,
            Statement: self.statements,
            WithdrawC: self.withdrawals,
            Receipt: self.handed,
            Alert: self.alerts,
        }

    def keep(self, paper: Paper[Any]) -> None:
        """Put one more that holds among the others."""
        self._turned_down.clear()
        if isinstance(paper.body, Brand):
            self.brands.setdefault(paper.body.id, paper)
        else:
            self._lists[type(paper.body)].append(paper)

    @property
    def all(self) -> Iterator[Paper[Any]]:
        """Every paper that holds."""
        return chain(self.brands.values(), *self._lists.values())

    def answers(self, made: Paper[ExchangeB], exchange: Paper[ExchangeQ]) -> bool:
        """True if these are the signatures that the bank owes for this exchange, by the brands among the papers."""
        return made.body.answers(exchange.body, {name: brand.body for name, brand in self.brands.items()})

    # What they show together.

    def of(self, papers: Iterable[Paper[Any]], transaction: Transaction) -> list[Paper[Any]]:
        """Those of one transaction; an abort may name it as the log knows it."""
        return [paper for paper in papers if _is_of(paper, transaction)]

    def contradicting(self, abort: Paper[Transaction]) -> list[Paper[Transaction]]:
        """Commits in the place that this abort calls empty: of what is sealed, that takes no n."""
        if is_commit(abort.signed):
            return []  # the place is filled, and what stands there does not open
        return [each for each in self.filled.values() if each.body == abort.body]

    @property
    def transactions(self) -> list[Transaction]:
        """All that are named, in the order of the papers."""
        named: list[Paper[Any]] = [*self.commits, *self.aborts, *self.orders, *self.promises]
        return list(dict.fromkeys(map(_transaction, named)))

    @property
    def tokens(self) -> dict[bytes, Payment]:
        """Every token that is named, by its id, with some amount of it."""
        papers: list[Paper[Any]] = [*self.orders, *self.exchanges]
        return {payment.token.id: payment for paper in papers for payment in paper.body.payments}

    def worth(self, token: bytes) -> int:
        """What a named token is worth."""
        return self.brands[self.tokens[token].token.brand].body.denomination

    def given_for(self, exchange: Paper[ExchangeQ]) -> list[Paper[ExchangeB]]:
        """The signatures that the bank has made for it: one paper, or none."""
        return [each for each in self.made if self.answers(each, exchange)][:1]

    def claimed_by(self, exchange: Paper[ExchangeQ]) -> list[Paper[Refusal]]:
        """Refusals by which the bank says itself that it has taken the tokens by this exchange."""
        mine = [each for each in self.refusals if each.signer == exchange.body.bank]
        return [each for each in mine if any(paper.body == exchange.signed.body for paper in each.body.evidence)]

    def turned_down(self, request: Paper[AuthorizationQ] | Paper[ExchangeQ]) -> list[Paper[Refusal]]:
        """Refusals by which the bank has said for good that it does not use these tokens so: another payment is taken
        for the sale, or the log is convicted; the exchange was asked for too late, or for what was signed for
        another request; too little of a token can ever be left for it."""
        key = request.signed.body
        if key not in self._turned_down:
            about, final = (request.signed.hash, request.body.bank), FINAL[type(request.body)]
            refusals = [each for each in self.refusals if (each.body.request, each.signer) == about]
            refusals = [each for each in refusals if each.body.why in final or self._leaves_too_little(each, request)]
            self._turned_down[key] = refusals
        return self._turned_down[key]

    def _leaves_too_little(self, refusal: Paper[Refusal], request: Paper[AuthorizationQ] | Paper[ExchangeQ]) -> bool:
        """True if a refusal's own evidence shows so much of a token used for good by others that less is left than is
        asked for. A lock may end and the tokens be taken after all; such a use stands."""
        if refusal.body.why != Why.TOKEN_USED:
            return False
        evidence = {identity_of(paper) for paper in refusal.body.evidence if paper.body != request.signed.body}
        shown = replace(
            self,
            orders=_among(self.orders, evidence),
            commits=_among(self.commits, evidence),
            exchanges=_among(self.exchanges, evidence),
            refusals=[],
        )
        for payment in request.body.payments:
            used = sum(use.amount for use in shown.uses(payment.token.id))
            if used + payment.amount > self.brands[payment.token.brand].body.denomination:
                return True
        return False

    def uses(self, token: bytes) -> list[Use]:
        """How a token is used for good: "the bank can use commit and authorization_q to justify marking the token
        spent" (paper, Correctness and Atomicity)."""
        found = {}
        for order in self.orders:
            if self.turned_down(order):
                continue
            for commit in self.of(self.commits, order.body.transaction)[:1]:
                for amount in amounts(order.body.payments, token):
                    found[order.body.transaction] = Use(order.body.transaction, amount, (order, commit))
        exchanged = [
            Use(None, amount, (paper,))
            for paper in self.exchanges
            if not self.turned_down(paper)
            for amount in amounts(paper.body.payments, token)
        ]
        return [*found.values(), *exchanged]


def _among(papers: Iterable[Paper[B]], identities: Container[tuple[bytes, ...]]) -> list[Paper[B]]:
    return [paper for paper in papers if identity_of(paper.signed) in identities]


def amounts(payments: Iterable[Payment], token: bytes) -> list[int]:
    """How much of a token a payment takes: one amount, or none."""
    return [payment.amount for payment in payments if payment.token.id == token]


def claim_hash(bank: bytes, authorization_b: Signed, commit: Signed) -> bytes:
    """What a refusal calls the claim that these two papers make up."""
    return unsigned(Claim(bank=bank, authorization_b=authorization_b, commit=commit)).signed.hash


def _transaction(paper: Paper[Any]) -> Transaction:
    transaction = paper.body if isinstance(paper.body, Transaction) else paper.body.transaction
    assert isinstance(transaction, Transaction)
    return transaction


def _is_of(paper: Paper[Any], transaction: Transaction) -> bool:
    named = _transaction(paper)
    return named == transaction or (named.public == named and named == transaction.public)
