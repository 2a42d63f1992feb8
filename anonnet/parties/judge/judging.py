"""All rules, one after the other. A rule is a function from papers to findings; what comes later is a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from anonnet.parties.judge.conduct import statements, two_brands, two_contracts, two_promises
from anonnet.parties.judge.goods import delivery, receipts
from anonnet.parties.judge.logs import breaches, suppressed, two_outcomes
from anonnet.parties.judge.money import credit, debit, double_spend, release, spent
from anonnet.parties.judge.refusals import refusals
from anonnet.parties.judge.verdict import Finding, Verdict
from anonnet.protocol.delivery import Delivered
from anonnet.protocol.papers import Papers

RULES: tuple[Callable[[Papers], Iterator[Finding]], ...] = (
    two_outcomes,
    suppressed,
    breaches,
    two_promises,
    two_contracts,
    two_brands,
    statements,
    refusals,
    credit,
    debit,
    spent,
    release,
    double_spend,
    receipts,
)


def judge(papers: Papers, delivered: Iterable[Delivered] = ()) -> Verdict:
    """Decide whatever these papers, and the encrypted goods shown with them, decide: chunks in ascending order, which
    may come several times. Raises Malformed where they cannot be read."""
    findings = [finding for rule in RULES for finding in rule(papers)]
    findings += delivery(papers, delivered)
    return Verdict(papers.network, findings, papers.set_aside)
