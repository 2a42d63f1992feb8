"""What a log can be convicted of. None of it moves money: who owes whom, the sale's outcome says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.papers import Paper, Papers
from anonnet.protocol.quorum import Receipt
from anonnet.protocol.transaction import Transaction, expired
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS


def suppressed(papers: Papers) -> Iterator[Finding]:
    """A log under a quorum that did not record a key in time, though more of its mirrors than may lie had it long
    before: one of these at least is honest, has checked the key and its pledge, and has brought it to the log."""
    for transaction, abort in {each.body: each for each in papers.aborts}.items():
        known = papers.logs[transaction.log]
        if known.decides_alone or papers.of(papers.commits, transaction):
            continue
        receipts = _in_time(papers, transaction)
        if len(receipts) > known.liars:
            yield _suppressed(transaction, abort, receipts)


def _in_time(papers: Papers, transaction: Transaction) -> list[Paper[Receipt]]:
    """The receipts for this transaction's key that count, one of each mirror of its log."""
    last, mirrors = transaction.expiration + RELEASE_SECONDS - HANDED_SECONDS, papers.logs[transaction.log].mirrors
    found = {}
    for each in papers.handed:
        if each.body.outcome_key == transaction.outcome_key and each.signer in mirrors:
            if not expired(last, each.body.time):
                found[each.signer] = each
    return list(found.values())


def _suppressed(transaction: Transaction, abort: Paper[Transaction], receipts: list[Paper[Receipt]]) -> Finding:
    had = max(each.body.time for each in receipts)
    says = (
        f"{{party}} has not recorded the key of a sale that {len(receipts)} of its mirrors, more than may lie, had by"
        f" second {had}. It had until second {transaction.expiration + RELEASE_SECONDS}: it has kept the key back, or"
        " was out of their reach all that time. The sale has failed all the same."
    )
    log = Party(Role.LOG, transaction.log)
    merchant = Party(Role.MERCHANT, transaction.merchant) if transaction.merchant else None
    why: tuple[Paper[Any], ...] = (abort, *receipts)
    changed = "the certificate of the key, which shows that it was recorded."
    about = {"number": transaction.number, "expiration": transaction.expiration}
    return Finding(Claim.SUPPRESSED, Ruling.WRONG, log, merchant, says, why, changed, about)
