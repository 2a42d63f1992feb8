"""What a log can be convicted of. None of it moves money: who owes whom, the sale's outcome says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.breach import FORK, breach
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.outcome import is_commit
from anonnet.protocol.papers import Paper, Papers
from anonnet.protocol.quorum import Receipt, cosigners
from anonnet.protocol.transaction import Transaction, expired
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS

PASSED_ON = "what stands here against the bank by either word, the bank may pass on to {party}."


def two_outcomes(papers: Papers) -> Iterator[Finding]:
    """ "The transaction log will eventually produce exactly one of commit or abort for any transaction." Whoever has
    signed both is found once, however many papers show it."""
    found: dict[tuple[Party, Transaction], Finding] = {}
    for abort in papers.aborts:
        for commit in papers.contradicting(abort):
            for party, says in _liars(papers.logs[abort.body.log], commit, abort):
                about = {"number": abort.body.number, "expiration": abort.body.expiration}
                finding = Finding(Claim.TWO_OUTCOMES, Ruling.WRONG, party, None, says, (commit, abort), "", about)
                found.setdefault((party, abort.body), finding)
    yield from found.values()


def _liars(known: KnownLog, commit: Paper[Transaction], abort: Paper[Transaction]) -> Iterator[tuple[Party, str]]:
    """Who has signed both, and what that says: a log that decides alone; under a quorum those mirrors that have, and
    whether the log has lied too their papers do not tell. What stands in a sealed place, if it opens at all, makes no
    difference: no honest log calls it empty."""
    if known.decides_alone:
        sealed = "one place in the log both that it is filled and that it is empty"
        how = sealed if abort.body.entry_key else "one sale both that it committed and that it failed"
        yield Party(Role.LOG, known.identity), f"{{party}} has said of {how}: {PASSED_ON}"
        return
    for mirror in sorted(cosigners(known, commit.signed) & {each.signer for each in abort.signed.signatures}):
        says = (
            f"{{party}} has cosigned a log in which a sale's key stands, and signed that it did not come: {PASSED_ON}"
        )
        yield Party(Role.MIRROR, mirror), says


def suppressed(papers: Papers) -> Iterator[Finding]:
    """A log under a quorum that did not record a key in time, though more of its mirrors than may lie had it long
    before: one of these at least is honest, has checked the key and its pledge, and has brought it to the log."""
    for transaction, abort in {each.body: each for each in papers.aborts}.items():
        known = papers.logs[transaction.log]
        if known.decides_alone or is_commit(abort.signed) or papers.contradicting(abort):
            continue
        if known.theft and not expired(transaction.expiration + RELEASE_SECONDS, known.theft.at):
            continue  # whoever had its key may have kept the log from recording it
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


def breaches(papers: Papers) -> Iterator[Finding]:
    """What convicts a log by its signed checkpoints alone: a fork, or entries that its rules forbid. Each stands for
    itself; what a sale's own papers say of it stays as it is."""
    for alert in papers.alerts:
        said = alert.body
        found = breach(papers.network, papers.logs[said.log], said.shard, said.evidence)
        claim = Claim.FORK if found.kind == FORK else Claim.BROKEN_RULE
        says = f"{{party}} has broken its word in shard {said.shard}: {found.says}. Let no new sale rest on it."
        about = {"shard": said.shard, "kind": found.kind}
        yield Finding(claim, Ruling.WRONG, Party(Role.LOG, said.log), None, says, (alert,), "", about)
