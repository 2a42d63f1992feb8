"""What no honest party signs: two papers that contradict each other. Those of logs are in a file of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from anonnet.limits import STATEMENT_MAX
from anonnet.parties.judge.money import whole
from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.account import Statement
from anonnet.protocol.papers import Paper, Papers


def two_promises(papers: Papers) -> Iterator[Finding]:
    """The merchant takes one promise for one sale: a bank that signs two has locked, or lied, twice."""
    for first, second in combinations(papers.promises, 2):
        if (first.signer, first.body.transaction) == (second.signer, second.body.transaction):
            says = "{party} has promised {towards} two different things for one sale: he may claim either."
            bank, merchant = Party(Role.BANK, first.signer), Party(Role.MERCHANT, first.body.transaction.merchant)
            about = {"number": first.body.transaction.number}
            yield Finding(Claim.TWO_PROMISES, Ruling.WRONG, bank, merchant, says, (first, second), "", about)


def two_contracts(papers: Papers) -> Iterator[Finding]:
    """ "A transaction number ... should be different from any previously generated transaction number from the same
    merchant. A duplicate number could be detrimental only to the merchant" (paper, Purchase)."""
    for first, second in combinations(papers.offers, 2):
        if (first.signer, first.body.number) == (second.signer, second.body.number):
            prices = " and ".join(
                f"{each.body.contract.price} {each.body.contract.currency}" for each in (first, second)
            )
            says = (
                f"{{party}} has signed two contracts under one number ({prices}): whoever has paid may hold him to the"
                " one she was shown."
            )
            about = {"number": first.body.number}
            merchant = Party(Role.MERCHANT, first.signer)
            yield Finding(Claim.TWO_CONTRACTS, Ruling.WRONG, merchant, None, says, (first, second), "", about)


def two_brands(papers: Papers) -> Iterator[Finding]:
    """A bank with two open brands of one kind can tell by a token to whom it gave it (design: blind signatures)."""
    for first, second in combinations(papers.brands.values(), 2):
        if first.body.competes(second.body):
            brand = first.body
            says = (
                f"{{party}} has opened two brands of {brand.denomination} {brand.currency} at the same time: by them it"
                " can tell its customers apart."
            )
            about = {"denomination": brand.denomination, "currency": brand.currency}
            bank = Party(Role.BANK, brand.bank)
            yield Finding(Claim.TWO_BRANDS, Ruling.WRONG, bank, None, says, (first, second), "", about)


def statements(papers: Papers) -> Iterator[Finding]:
    """A bank's statements of one account are one list that only grows, and its balance is their sum."""
    for first, second in combinations(papers.statements, 2):
        if (first.signer, first.body.account) == (second.signer, second.body.account):
            index = _differ(first.body, second.body)
            if index is not None:
                yield _contradicted(first, (first, second), f"entry {index} of it is two different ones")
    for last in papers.statements:
        pages = whole(papers, last) if len(last.body.entries) < STATEMENT_MAX else []
        if pages and _sums(pages) != {each.currency: each.amount for each in last.body.balances if each.amount}:
            yield _contradicted(last, tuple(pages), "its balance is not the sum of its entries")


def _differ(first: Statement, second: Statement) -> int | None:
    """The first index at which two statements say different things."""
    entries = dict(enumerate(first.entries, first.start))
    for index, entry in enumerate(second.entries, second.start):
        if entries.get(index, entry) != entry:
            return index
    return None


def _sums(pages: list[Paper[Statement]]) -> dict[str, int]:
    entries = {i: entry for page in pages for i, entry in enumerate(page.body.entries, page.body.start)}
    sums: dict[str, int] = defaultdict(int)
    for entry in entries.values():
        sums[entry.currency] += entry.amount
    return {currency: amount for currency, amount in sums.items() if amount}


def _contradicted(paper: Paper[Statement], why: tuple[Paper[Any], ...], how: str) -> Finding:
    says = f"{{party}} contradicts itself about {{towards}}: {how}."
    account = Party(Role.ACCOUNT, paper.body.account)
    return Finding(Claim.STATEMENTS, Ruling.WRONG, Party(Role.BANK, paper.signer), account, says, why, "", {})
