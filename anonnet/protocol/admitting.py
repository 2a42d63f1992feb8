"""Which papers hold: each is wholly checked before it counts for anything.

Nothing is believed here but signatures. A log's key and policy are believed because L, which the parties signed, is the
hash of both; a brand because its bank signed it; a token because it verifies under its brand. A paper that does not
hold, or that no judge reads, is set aside with the reason and counts for nothing. Whose keys these are the papers do
not say: that is for whoever reads the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from anonnet.errors import Malformed, Refused
from anonnet.protocol.brand import Brand
from anonnet.protocol.breach import Alert, breach
from anonnet.protocol.claimed import NAMES, claims_to_be, identity_of, is_anchor, name_of, order_of
from anonnet.protocol.exchange import ExchangeB, ExchangeQ, check_exchange_q
from anonnet.protocol.outcome import Logs, aborted_in, committed, is_commit, recorded_in
from anonnet.protocol.papers import Paper, Papers
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ, check_authorization_q
from anonnet.protocol.quorum import Certificate, Receipt
from anonnet.protocol.recovery import StateOf
from anonnet.protocol.theft import Stolen, anchored
from anonnet.protocol.token import Payment
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.wire.codec import STEPS, decode
from anonnet.wire.signed import Checked, Signed, checked


class Lacking(Malformed):
    """What a paper is checked against is not there."""


Sourced = tuple[str, Signed]
"""Where a paper stood, and the paper."""


def admitted(network: str, logs: Logs, papers: Iterable[Sourced]) -> Papers:
    """Those that hold; a paper that stands there twice counts once, and what a refusal carries counts too."""
    made, by_turns = Papers(network, logs), (list[Sourced](), list[Sourced]())
    for each in papers:  # exchange_b is checked against what refusals carry, too
        by_turns[claims_to_be(each[1], ExchangeB)].append(each)
    admit(made, by_turns[0])
    carried = [(f"in the {each}", paper) for each in made.refusals for paper in each.body.evidence]
    admit(made, [*by_turns[1], *carried])
    return made


def admit(papers: Papers, more: Iterable[Sourced]) -> None:
    """Check some more, and keep what holds. Brands come first, since tokens are checked against them; commits last,
    since what is sealed is opened by the transactions that the others name."""
    known = {identity_of(paper.signed) for paper in papers.all}
    for source, signed in sorted(more, key=lambda each: order_of(each[1])):
        if identity_of(signed) in known:
            continue
        try:
            _take(papers, source, signed)
            known.add(identity_of(signed))
        except (Malformed, Refused) as why:
            papers.lacking |= isinstance(why, Lacking | Refused | Stolen)
            papers.set_aside.append(f"{name_of(signed)} ({source}): {why}")


def _take(papers: Papers, source: str, signed: Signed) -> None:
    """Check one paper and keep it. Raises Malformed, Refused."""
    if is_anchor(signed):
        _take_anchor(papers, signed)
    elif is_commit(signed):
        _take_commit(papers, source, signed)
    elif claims_to_be(signed, Abort):
        papers.keep(Paper("abort", source, aborted_in(papers.network, papers.logs, signed), signed))
    elif claims_to_be(signed, Alert):
        _take_alert(papers, source, signed)
    elif claims_to_be(signed, ExchangeB):
        _take_made(papers, source, signed)
    else:
        _take_signed(papers, source, signed)


def _take_anchor(papers: Papers, signed: Signed) -> None:
    """What the chain of a log whose key was stolen had of a shard before. Raises Malformed."""
    certificate = decode(signed.body)
    assert isinstance(certificate, Certificate)
    origin = certificate.origin
    known = next((log for log in papers.logs.values() if log.shard_called(origin) is not None), None)
    if known is None:
        raise Lacking("of a log whose key and policy are not among the papers")
    if known.theft is None:
        raise Malformed("an anchor, which counts where the key of its log was stolen")
    last = anchored(known, certificate, known.theft)
    theft = replace(known.theft, anchored=known.theft.anchored | {last})
    papers.logs = {**papers.logs, known.identity: replace(known, theft=theft)}


def _take_commit(papers: Papers, source: str, signed: Signed) -> None:
    """A commit, or an abort by a place that holds nothing of the sale. Raises Malformed, Refused."""
    place = recorded_in(papers.network, papers.logs, signed)
    papers.filled.setdefault(identity_of(signed), Paper("commit", source, place, signed))
    named = [s for s in papers.sales if s.public == place] if place.entry_key else [place]
    if not named:
        raise Lacking("it is sealed, and no paper names its transaction: only its place counts")
    for sale in sorted(named, key=lambda each: each.number):
        said = committed(papers.network, papers.logs[sale.log], signed, sale)
        if said is None:
            papers.keep(Paper("commit of what does not open", source, sale, signed))
        else:
            papers.keep(Paper("commit", source, said, signed))


def _take_alert(papers: Papers, source: str, signed: Signed) -> None:
    """A proof against a log, which nobody signs as a whole. Raises Malformed where it convicts nobody."""
    alert = decode(signed.body)
    if not isinstance(alert, Alert) or signed.signatures:
        raise Malformed("an alert is signed by nobody")
    if alert.log not in papers.logs:
        raise Lacking("against a log whose key and policy are not among the papers")
    breach(papers.network, papers.logs[alert.log], alert.shard, alert.evidence)
    papers.keep(Paper(NAMES[Alert], source, alert, signed))


def _take_made(papers: Papers, source: str, signed: Signed) -> None:
    """Signatures that a bank has made for an exchange. They prove themselves. Raises Malformed."""
    said = decode(signed.body)
    if not isinstance(said, ExchangeB) or signed.signatures:
        raise Malformed("exchange_b is signed by nobody")
    paper = Paper(NAMES[ExchangeB], source, said, signed)
    if not any(papers.answers(paper, exchange) for exchange in papers.exchanges):
        raise Malformed("it holds the signatures of no exchange_q that is among the papers with its brands")
    papers.keep(paper)


def _take_signed(papers: Papers, source: str, signed: Signed) -> None:
    """What holds by its signatures, and by what is asked of its kind beside them. Raises Malformed."""
    kind = STEPS.get(signed.step)
    if kind not in NAMES:
        raise Malformed("not a paper that a judge reads")
    said = checked(papers.network, signed, kind)
    _check(papers, said)
    if isinstance(said.body, AuthorizationQ | AuthorizationB):
        papers.sales.add(said.body.transaction)
    papers.keep(Paper(NAMES[kind], source, said.body, signed))


def _check(papers: Papers, said: Checked[Any]) -> None:
    """What is asked of one kind beside its signatures. Raises Malformed."""
    body = said.body
    if isinstance(body, AuthorizationQ):
        check_authorization_q(said)
        _check_tokens(papers, body.bank, body.payments)
    elif isinstance(body, ExchangeQ):
        check_exchange_q(said)
        _check_tokens(papers, body.bank, body.payments)
    elif isinstance(body, StateOf):
        _check_tokens(papers, body.bank, (Payment(token=body.token, amount=1),))
        if said.signer != body.token.public_key:
            raise Malformed("a token's state is asked for by its key")
    elif isinstance(body, WithdrawC):
        body.check_for(_brand(papers, body.bank, body.brand))
    elif isinstance(body, Receipt):
        if not any(said.signer in log.mirrors for log in papers.logs.values()):
            raise Lacking("a receipt by a mirror of no log that is among the papers")
    elif said.signer != getattr(body, "bank", said.signer):
        raise Malformed("a brand that another than its bank has signed")


def _check_tokens(papers: Papers, bank: bytes, payments: tuple[Payment, ...]) -> None:
    """Each is a token of this bank, of no more worth than its brand says, and all are of one currency."""
    currencies = set()
    for payment in payments:
        brand = _brand(papers, bank, payment.token.brand)
        if not payment.token.holds(brand):
            raise Malformed("a token that this bank has not signed")
        if payment.amount > brand.denomination:
            raise Malformed("more of a token than it is worth")
        currencies.add(brand.currency)
    if len(currencies) > 1:
        raise Malformed("one payment has one currency")


def _brand(papers: Papers, bank: bytes, brand: bytes) -> Brand:
    """A brand of this bank. Raises Malformed."""
    if brand not in papers.brands:
        raise Lacking("of a brand that is not among the papers")
    if papers.brands[brand].body.bank != bank:
        raise Malformed("of a brand that is another bank's")
    return papers.brands[brand].body
