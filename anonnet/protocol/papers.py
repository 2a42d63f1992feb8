"""Papers that hold: signed messages as evidence, each wholly checked, and what they show together.

Nothing is believed here but signatures. A log's key and policy are believed because L, which the parties signed, is the
hash of both; a brand because its bank signed it; a token because it verifies under its brand. A paper that does not
hold, or that no judge reads, is set aside with the reason and counts for nothing. Whose keys these are the papers do
not say: that is for whoever reads the verdict.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from anonnet.errors import Malformed, Refused, Why
from anonnet.protocol.account import Claim, Credit, Statement
from anonnet.protocol.brand import Brand
from anonnet.protocol.breach import Alert, breach
from anonnet.protocol.claimed import NAMES, claims_to_be, identity_of, is_anchor, name_of, order_of
from anonnet.protocol.exchange import ExchangeB, ExchangeQ, check_exchange_q
from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.outcome import Logs, aborted_in, committed, is_commit, recorded_in
from anonnet.protocol.purchase import (
    Abort,
    AuthorizationB,
    AuthorizationM,
    AuthorizationQ,
    check_authorization_q,
)
from anonnet.protocol.quorum import Certificate, Receipt
from anonnet.protocol.recovery import State, StateOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.theft import Stolen, anchored
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.signed import Checked, Signed, checked, unsigned

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


class Lacking(Malformed):
    """What a paper is checked against is not there."""


Sourced = tuple[str, Signed]
"""Where a paper stood, and the paper."""


@dataclass
class Papers:
    """What holds of the papers of one network. Made by `Papers.read`."""

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

    @classmethod
    def read(cls, network: str, logs: Logs, papers: Iterable[Sourced]) -> Papers:
        """Check everything; a paper that stands there twice counts once, and what a refusal carries counts too."""
        made, by_turns = cls(network, logs), (list[Sourced](), list[Sourced]())
        for each in papers:  # exchange_b is checked against what refusals carry, too
            by_turns[claims_to_be(each[1], ExchangeB)].append(each)
        made.add(by_turns[0])
        made.add([*by_turns[1], *((f"in the {each}", paper) for each in made.refusals for paper in each.body.evidence)])
        return made

    def add(self, papers: Iterable[Sourced]) -> None:
        """Check some more. Brands come first, since tokens are checked against them; commits last, since what is sealed
        is opened by the transactions that the others name."""
        self._turned_down.clear()
        known = {identity_of(paper.signed) for kind in self._kinds() for paper in kind}
        for source, signed in sorted(papers, key=lambda each: order_of(each[1])):
            if identity_of(signed) in known:
                continue
            try:
                self._take(source, signed)
                known.add(identity_of(signed))
            except (Malformed, Refused) as why:
                self.lacking |= isinstance(why, Lacking | Refused | Stolen)
                self.set_aside.append(f"{name_of(signed)} ({source}): {why}")

    def _kinds(self) -> Iterator[Iterable[Paper[Any]]]:
        yield self.brands.values()
        yield from (self.offers, self.receipts, self.orders, self.promises, self.commits, self.aborts, self.exchanges)
        yield from (self.questions, self.states, self.refusals, self.credits, self.statements, self.withdrawals)
        yield from (self.made, self.handed, self.alerts)

    def _take(self, source: str, signed: Signed) -> None:
        """Check one paper and keep it. Raises Malformed, Refused."""
        if is_anchor(signed):
            self._take_anchor(signed)
            return
        if is_commit(signed):
            self._take_commit(source, signed)
            return
        if claims_to_be(signed, Abort):
            self.aborts.append(Paper("abort", source, aborted_in(self.network, self.logs, signed), signed))
            return
        if claims_to_be(signed, Alert):
            self._take_alert(source, signed)
            return
        if claims_to_be(signed, ExchangeB):
            self._take_made(source, signed)
            return
        kind = STEPS.get(signed.step)
        if kind not in NAMES:
            raise Malformed("not a paper that a judge reads")
        said = checked(self.network, signed, kind)
        self._check(said)
        if isinstance(said.body, AuthorizationQ | AuthorizationB):
            self.sales.add(said.body.transaction)
        paper: Paper[Any] = Paper(NAMES[kind], source, said.body, signed)
        if isinstance(said.body, Brand):
            self.brands.setdefault(said.body.id, paper)
        else:
            self._lists[kind].append(paper)

    def _take_anchor(self, signed: Signed) -> None:
        """What the chain of a log whose key was stolen had of a shard before. Raises Malformed."""
        certificate = decode(signed.body)
        assert isinstance(certificate, Certificate)
        origin = certificate.origin
        known = next((log for log in self.logs.values() if log.shard_called(origin) is not None), None)
        if known is None:
            raise Lacking("of a log whose key and policy are not among the papers")
        if known.theft is None:
            raise Malformed("an anchor, which counts where the key of its log was stolen")
        last = anchored(known, certificate, known.theft)
        theft = replace(known.theft, anchored=known.theft.anchored | {last})
        self.logs = {**self.logs, known.identity: replace(known, theft=theft)}

    def _take_alert(self, source: str, signed: Signed) -> None:
        """A proof against a log, which nobody signs as a whole. Raises Malformed where it convicts nobody."""
        alert = decode(signed.body)
        if not isinstance(alert, Alert) or signed.signatures:
            raise Malformed("an alert is signed by nobody")
        if alert.log not in self.logs:
            raise Lacking("against a log whose key and policy are not among the papers")
        breach(self.network, self.logs[alert.log], alert.shard, alert.evidence)
        self.alerts.append(Paper(NAMES[Alert], source, alert, signed))

    def _take_made(self, source: str, signed: Signed) -> None:
        """Signatures that a bank has made for an exchange. They prove themselves. Raises Malformed."""
        said = decode(signed.body)
        if not isinstance(said, ExchangeB) or signed.signatures:
            raise Malformed("exchange_b is signed by nobody")
        paper = Paper(NAMES[ExchangeB], source, said, signed)
        if not any(self._answers(paper, exchange) for exchange in self.exchanges):
            raise Malformed("it holds the signatures of no exchange_q that is among the papers with its brands")
        self.made.append(paper)

    def _answers(self, made: Paper[ExchangeB], exchange: Paper[ExchangeQ]) -> bool:
        return made.body.answers(exchange.body, {name: brand.body for name, brand in self.brands.items()})

    def _take_commit(self, source: str, signed: Signed) -> None:
        """A commit, or an abort by a place that holds nothing of the sale. Raises Malformed, Refused."""
        place = recorded_in(self.network, self.logs, signed)
        self.filled.setdefault(identity_of(signed), Paper("commit", source, place, signed))
        named = [s for s in self.sales if s.public == place] if place.entry_key else [place]
        if not named:
            raise Lacking("it is sealed, and no paper names its transaction: only its place counts")
        for sale in sorted(named, key=lambda each: each.number):
            said = committed(self.network, self.logs[sale.log], signed, sale)
            if said is None:
                self.aborts.append(Paper("commit of what does not open", source, sale, signed))
            else:
                self.commits.append(Paper("commit", source, said, signed))

    @property
    def _lists(self) -> dict[type[Message], list[Any]]:
        return {
            GoodsM: self.offers,
            GoodsQ: self.receipts,
            AuthorizationQ: self.orders,
            AuthorizationB: self.promises,
            ExchangeQ: self.exchanges,
            StateOf: self.questions,
            State: self.states,
            Refusal: self.refusals,
            Credit: self.credits,
            Statement: self.statements,
            WithdrawC: self.withdrawals,
            Receipt: self.handed,
        }

    def _check(self, said: Checked[Any]) -> None:
        """What is asked of one kind beside its signatures. Raises Malformed."""
        body = said.body
        if isinstance(body, AuthorizationQ):
            check_authorization_q(said)
            self._check_tokens(body.bank, body.payments)
        elif isinstance(body, ExchangeQ):
            check_exchange_q(said)
            self._check_tokens(body.bank, body.payments)
        elif isinstance(body, StateOf):
            self._check_tokens(body.bank, (Payment(token=body.token, amount=1),))
            if said.signer != body.token.public_key:
                raise Malformed("a token's state is asked for by its key")
        elif isinstance(body, WithdrawC):
            body.check_for(self._brand(body.bank, body.brand))
        elif isinstance(body, Receipt):
            if not any(said.signer in log.mirrors for log in self.logs.values()):
                raise Lacking("a receipt by a mirror of no log that is among the papers")
        elif said.signer != getattr(body, "bank", said.signer):
            raise Malformed("a brand that another than its bank has signed")

    def _check_tokens(self, bank: bytes, payments: tuple[Payment, ...]) -> None:
        """Each is a token of this bank, of no more worth than its brand says, and all are of one currency."""
        currencies = set()
        for payment in payments:
            brand = self._brand(bank, payment.token.brand)
            if not payment.token.holds(brand):
                raise Malformed("a token that this bank has not signed")
            if payment.amount > brand.denomination:
                raise Malformed("more of a token than it is worth")
            currencies.add(brand.currency)
        if len(currencies) > 1:
            raise Malformed("one payment has one currency")

    def _brand(self, bank: bytes, brand: bytes) -> Brand:
        """A brand of this bank. Raises Malformed."""
        if brand not in self.brands:
            raise Lacking("of a brand that is not among the papers")
        if self.brands[brand].body.bank != bank:
            raise Malformed("of a brand that is another bank's")
        return self.brands[brand].body

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
        return [each for each in self.made if self._answers(each, exchange)][:1]

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
