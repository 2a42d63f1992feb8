"""Whether a refusal's evidence justifies it.

A bank's refusal carries what justifies it: a token's earlier uses, the promise over another payment, the outcome of
the sale. All other reasons rest on the word of who refused, and decide nothing. A refusal says no time: a lock that
justified one is no reason any more once its sale has failed. What it lacks can be made good: by the same evidence given
later, or by the bank's word that the tokens can be used.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from anonnet.errors import Why
from anonnet.parties.judge.money import freed, performance
from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.admitting import admit
from anonnet.protocol.papers import Paper, Papers, claim_hash
from anonnet.protocol.purchase import AuthorizationB
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction


@dataclass(frozen=True)
class Request:
    """Something asked of a bank: the papers that it is or is made of, the sale, and what is wanted of which tokens."""

    bank: bytes | None
    """None: a log's abort, which is shown to whichever bank it concerns."""
    papers: tuple[Paper[Any], ...]
    sale: Transaction | None = None
    payments: tuple[Payment, ...] = ()


def refusals(papers: Papers) -> Iterator[Finding]:
    """Every refusal by a bank of a request that is among the papers."""
    requests = _requests(papers)
    for refusal in papers.refusals:
        request = requests.get(refusal.body.request)
        if request is None:
            papers.set_aside.append(f"{refusal}: what it refuses is not among the papers")
        elif request.bank not in (None, refusal.signer):
            papers.set_aside.append(f"{refusal}: another was asked than its signer")
        else:
            yield _judged(papers, refusal, request)


def _requests(papers: Papers) -> dict[bytes, Request]:
    """The requests that these papers are, or make up, by their hash."""
    found = {each.signed.hash: Request(None, (each,), each.body) for each in papers.aborts}
    for order in papers.orders:
        body = order.body
        found[order.signed.hash] = Request(body.bank, (order,), body.transaction, body.payments)
    for exchange in papers.exchanges:
        found[exchange.signed.hash] = Request(exchange.body.bank, (exchange,), None, exchange.body.payments)
    for question in papers.questions:  # what is left of a token: refused where that is nothing
        anything = (Payment(token=question.body.token, amount=1),)
        found[question.signed.hash] = Request(question.body.bank, (question,), None, anything)
    for promise in papers.promises:
        for commit in papers.of(papers.commits, promise.body.transaction):
            claim = claim_hash(promise.signer, promise.signed, commit.signed)
            found[claim] = Request(promise.signer, (promise, commit), promise.body.transaction)
    return found


def _judged(papers: Papers, refusal: Paper[Refusal], request: Request) -> Finding:
    why = Why(refusal.body.why)
    sales = papers.sales | ({request.sale} if request.sale and request.sale.number else set())
    shown = Papers(papers.network, papers.logs, brands=dict(papers.brands), sales=sales)
    admit(shown, ((f"in the {refusal}", paper) for paper in refusal.body.evidence))
    ruling = JUSTIFIED[why](papers, shown, request) if why in JUSTIFIED else Ruling.OPEN
    if ruling is Ruling.WRONG and shown.lacking:
        ruling = Ruling.OPEN
    if ruling is Ruling.WRONG and _made_good(papers, why, refusal.signer, request):
        ruling = Ruling.DONE
    says, changed = SAID[ruling] if why in JUSTIFIED else ON_ITS_WORD
    return Finding(
        *(Claim.REFUSAL, ruling, Party(Role.BANK, refusal.signer), None),
        says.replace("{why}", why.value),
        (refusal, *request.papers),
        changed,
        {"why": why.value},
    )


def _made_good(papers: Papers, why: Why, bank: bytes, request: Request) -> bool:
    """True if other papers show what the refusal does not, or take it back."""
    promises = [paper for paper in request.papers if isinstance(paper.body, AuthorizationB)]
    return (
        JUSTIFIED[why](papers, papers, request) is Ruling.RIGHT
        or bool(freed(papers, bank, request.payments))
        or any(performance(papers, promise) for promise in promises)
    )


def _token_used(papers: Papers, shown: Papers, request: Request) -> Ruling:
    """The uses that are shown leave less of a token than was asked for: partial amounts are added up."""
    ruling = Ruling.WRONG
    for payment in request.payments:
        ended, live = 0, 0
        for transaction, amount in _uses(papers, shown, payment.token.id, request).items():
            failed = isinstance(transaction, Transaction) and papers.of(papers.aborts, transaction)
            ended, live = (ended + amount, live) if failed else (ended, live + amount)
        room = shown.brands[payment.token.brand].body.denomination - payment.amount
        if live > room:
            return Ruling.RIGHT
        if live + ended > room:
            ruling = Ruling.OPEN
    return ruling


def _uses(papers: Papers, shown: Papers, token: bytes, request: Request) -> dict[Transaction | bytes, int]:
    """How much of a token the papers shown take, but for the request, by sale or by exchange; not what the bank has
    turned down."""
    own = {paper.signed.body for paper in request.papers}
    used: dict[Transaction | bytes, int] = defaultdict(int)
    others: list[Paper[Any]] = [*shown.orders, *shown.exchanges]
    for paper in others:
        if paper.signed.body in own or papers.turned_down(paper):
            continue
        name = getattr(paper.body, "transaction", paper.signed.hash)
        taken = sum(payment.amount for payment in paper.body.payments if payment.token.id == token)
        used[name] = max(used[name], taken)
    return used


def _sale_authorized(papers: Papers, shown: Papers, request: Request) -> Ruling:
    """The bank's own promise for this sale, or the sale's commit: then another payment has its place in the log. Of a
    sealed sale that place is all that counts: it is one for whatever n and M are named."""
    if request.sale is None:
        return Ruling.WRONG
    place = request.sale.public
    promised = [each.body.transaction.public for each in shown.promises if each.signer == request.bank]
    filled = [each.body for each in shown.filled.values()]
    return Ruling.RIGHT if place in promised + filled else Ruling.WRONG


def _sale_aborted(papers: Papers, shown: Papers, request: Request) -> Ruling:
    return Ruling.RIGHT if request.sale and shown.of(shown.aborts, request.sale) else Ruling.WRONG


def _log_convicted(papers: Papers, shown: Papers, request: Request) -> Ruling:
    """What convicts the log of the sale; no new one rests on it."""
    convicted = request.sale is not None and any(each.body.log == request.sale.log for each in shown.alerts)
    return Ruling.RIGHT if convicted else Ruling.WRONG


JUSTIFIED: dict[Why, Callable[[Papers, Papers, Request], Ruling]] = {
    Why.TOKEN_USED: _token_used,
    Why.SALE_AUTHORIZED: _sale_authorized,
    Why.SALE_ABORTED: _sale_aborted,
    Why.LOG_CONVICTED: _log_convicted,
}
"""The reasons that need evidence, and whether it is enough."""
SAID = {
    Ruling.RIGHT: ("{party} has refused this ({why}), and the evidence that it gave justifies it.", ""),
    Ruling.WRONG: (
        "{party} has refused this ({why}) and has not shown it: it has to do what it was asked, or show it.",
        "evidence, signed by those whom it is about, that {party} gives now.",
    ),
    Ruling.DONE: ("{party} has refused this ({why}) without showing why, and has shown it or taken it back since.", ""),
    Ruling.OPEN: (
        "{party} has refused this ({why}) by what counts no more, or cannot be read here: ask again, and judge that.",
        "the log's rules or the brand that the evidence needs, or the answer to the same request now.",
    ),
}
ON_ITS_WORD = "{party} has refused this ({why}): a reason that rests on its word.", ""
