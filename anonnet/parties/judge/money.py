"""Who owes whom money: the cascade of the paper's section "Correctness and Atomicity".

"If a party is held accountable for the transaction, then it is provided with the non-repudiable messages that it needs
to hold the previous party accountable as well."
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anonnet.errors import Why
from anonnet.limits import STATEMENT_MAX
from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.account import LedgerEntry, Statement
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.papers import Paper, Papers, Use
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.recovery import State
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.times import BRAND_MARGIN_SECONDS, CLAIM_SECONDS

CREDIT_KIND = "credit"
"""What a bank's statement calls the entry of a sale that has committed; its reference is the outcome key."""

TURNED_DOWN = {
    Why.SALE_AUTHORIZED: "another payment is taken for it",
    Why.LOG_CONVICTED: "its log is convicted",
    Why.TOKEN_USED: "too little is left of what was to pay",
}
"""Why a bank does not use a payment, for good."""


def credit(papers: Papers) -> Iterator[Finding]:
    """ "The merchant can use commit and authorization_b to prove that the bank should credit the merchant's account
    with the value of the token." A credit that the bank has signed, or its signed ledger entry, is its performance."""
    for promise in papers.promises:
        transaction = promise.body.transaction
        for commit in papers.of(papers.commits, transaction)[:1]:
            paid = performance(papers, promise)
            yield _credit(papers, promise, (commit, promise), paid)


def _credit(papers: Papers, promise: Paper[AuthorizationB], why: tuple[Any, ...], paid: list[Paper[Any]]) -> Finding:
    body, transaction = promise.body, promise.body.transaction
    bank, merchant = Party(Role.BANK, promise.signer), Party(Role.MERCHANT, transaction.merchant)
    value = f"{body.value} {body.currency}"
    about = _about(transaction) | {"value": body.value, "currency": body.currency}
    if paid:
        says = f"{{party}} has credited {{towards}} with the {value} that it promised for the sale."
        return Finding(Claim.CREDIT, Ruling.DONE, bank, merchant, says, (*why, *paid), "", about)
    says = f"{{party}} must credit {{towards}} with {value}: it promised them if the sale commits, and it has."
    if not papers.of(papers.orders, transaction):
        says += " Without authorization_q it can hold no token for it, and that is no concern of {towards}."
    absent = _absence(papers, promise)
    if absent:
        says += f" By its own statement, up to second {absent[-1].body.time}, it has not."
    changed = (
        "a credit for this sale, or a statement with its entry, signed by {party}; or that nobody showed {party} the"
        f" commit by second {transaction.expiration + CLAIM_SECONDS}, when claims end."
    )
    return Finding(Claim.CREDIT, Ruling.OWES, bank, merchant, says, (*why, *absent), changed, about)


def performance(papers: Papers, promise: Paper[AuthorizationB]) -> list[Paper[Any]]:
    """Papers by which the bank has paid what it promised: a credit, or statements with entries that make it up."""
    body, transaction = promise.body, promise.body.transaction
    for credit in papers.credits:
        said = credit.body
        if (credit.signer, said.transaction, said.currency) == (promise.signer, transaction, body.currency):
            if said.value >= body.value:
                return [credit]
    entries = {}
    for paper, index, entry in _entries(papers, promise.signer, transaction.merchant):
        if (entry.kind, entry.reference, entry.currency) == (CREDIT_KIND, transaction.outcome_key, body.currency):
            entries[index] = paper, entry.amount
    enough = sum(amount for _, amount in entries.values()) >= body.value
    return list(dict.fromkeys(paper for paper, _ in entries.values())) if enough else []


def _absence(papers: Papers, promise: Paper[AuthorizationB]) -> list[Paper[Statement]]:
    """Statements that show the merchant's whole account up to a time, in which `performance` has found nothing."""
    account = promise.body.transaction.merchant
    ends = [p for p in statements_of(papers, promise.signer, account) if len(p.body.entries) < STATEMENT_MAX]
    for last in sorted(ends, key=lambda paper: -paper.body.time):
        if pages := whole(papers, last):
            return pages
    return []


def statements_of(papers: Papers, bank: bytes, account: bytes) -> list[Paper[Statement]]:
    """What one bank has signed of one account."""
    return [paper for paper in papers.statements if (paper.signer, paper.body.account) == (bank, account)]


def whole(papers: Papers, last: Paper[Statement]) -> list[Paper[Statement]]:
    """The statements that with this one show an account from its first entry on; none if one is missing."""
    pages, start = [last], last.body.start
    known = statements_of(papers, last.signer, last.body.account)
    while start > 0:
        before = next((p for p in known if p.body.start < start <= p.body.start + len(p.body.entries)), None)
        if before is None:
            return []
        pages.insert(0, before)
        start = before.body.start
    return pages


def _entries(papers: Papers, bank: bytes, account: bytes) -> Iterator[tuple[Paper[Statement], int, LedgerEntry]]:
    for paper in statements_of(papers, bank, account):
        for index, entry in enumerate(paper.body.entries, paper.body.start):
            yield paper, index, entry


def debit(papers: Papers) -> Iterator[Finding]:
    """What has left an account was asked for by withdraw_c under its key: nothing else takes from one. That somebody
    has not signed, no paper shows, so it is for the bank to show that he has."""
    for bank, account in dict.fromkeys((each.signer, each.body.account) for each in papers.statements):
        debits = {index: (paper, entry) for paper, index, entry in _entries(papers, bank, account) if entry.amount < 0}
        if debits:
            yield _debit(papers, bank, account, [debits[index] for index in sorted(debits)])


def _debit(papers: Papers, bank: bytes, account: bytes, debits: list[tuple[Paper[Statement], LedgerEntry]]) -> Finding:
    asked = {each.signed.hash: each for each in papers.withdrawals if (each.signer, each.body.bank) == (account, bank)}
    taken, due, paid = Counter[str](), Counter[str](), set[tuple[bytes, bytes]]()
    why: dict[Paper[Any], None] = dict.fromkeys(paper for paper, _ in debits)
    for _, entry in debits:
        unshown = -entry.amount
        if order := asked.get(entry.reference):
            why[order] = None
            unshown -= _ordered(papers, order.body, entry.currency, paid)
        taken[entry.currency] -= entry.amount
        due[entry.currency] += max(0, unshown)
    parties = Party(Role.BANK, bank), Party(Role.ACCOUNT, account)
    about = {"taken": dict(taken), "unshown": dict(+due)}
    if not +due:
        says = f"{{party}} has taken {_in_words(taken)} from {{towards}} for tokens, as its key has asked."
        return Finding(Claim.DEBIT, Ruling.RIGHT, *parties, says, tuple(why), "", about)
    says = f"{{party}} must show that {{towards}} has asked for {_in_words(+due)} that were taken, or give them back."
    changed = (
        "withdraw_c, signed by its key, as the statement names it; or that the brand of its tokens is over, since then"
        " a bank keeps it no more."
    )
    return Finding(Claim.DEBIT, Ruling.OWES, *parties, says, tuple(why), changed, about)


def _ordered(papers: Papers, order: WithdrawC, currency: str, paid: set[tuple[bytes, bytes]]) -> int:
    """What the account was to pay for this: nothing for a blinded message that is in `paid`, where these come too."""
    brand = papers.brands[order.brand].body
    new = {(brand.id, blinded) for blinded in order.blinded} - paid
    paid |= new
    return len(new) * brand.denomination if brand.currency == currency else 0


def spent(papers: Papers) -> Iterator[Finding]:
    """ "The bank can use commit and authorization_q to justify (to the consumer) marking the token spent and denying
    reuse or replacement." An exchange of the token, signed by its key, does the same where the bank has done it."""
    for order in papers.orders:
        for commit in papers.of(papers.commits, order.body.transaction)[:1]:
            why: tuple[Paper[Any], ...] = (commit, order)
            told = "the sale that was to be paid with it has committed; its key to the goods is public"
            if not papers.turned_down(order):
                yield _spent(papers, order.body.bank, order.body.payments, why, told, _about(order.body.transaction))
    for exchange in papers.exchanges:
        if not papers.turned_down(exchange):
            yield _exchanged(papers, exchange)


def _exchanged(papers: Papers, exchange: Paper[ExchangeQ]) -> Finding:
    """exchange_q is a wish. The bank shows by exchange_b that it was granted, which it can always make again; where it
    says so without that, it owes it."""
    body, worth = exchange.body, _worth(papers, exchange.body.payments)
    given, claims = papers.given_for(exchange), papers.claimed_by(exchange)
    if given:
        told = "it was given for others, of which the signatures are here"
        return _spent(papers, body.bank, body.payments, (exchange, *given), told, {})
    bank, holder = Party(Role.BANK, body.bank), _holder(body.payments)
    about = {"tokens": [payment.token.id.hex() for payment in body.payments]}
    if not claims:
        says = f"{{towards}} has asked {{party}} to take {worth} for others; that it has done so is not shown."
        changed = "exchange_b, the signatures that {party} has made for it."
        return Finding(Claim.SPENT, Ruling.OPEN, bank, holder, says, (exchange,), changed, about)
    says = f"{{party}} must give {{towards}} the signatures of exchange_b: it says that it has taken {worth} for them."
    known = [payment.token.brand for payment in body.payments] + [each.brand for each in body.wanted]
    last = max(papers.brands[brand].body.ends for brand in known if brand in papers.brands) + BRAND_MARGIN_SECONDS
    changed = (
        f"exchange_b, the signatures that {{party}} has made; or that nobody asked {{party}} for them by second {last},"
        " when it needs to know nothing of these brands any more."
    )
    return Finding(Claim.SPENT, Ruling.OWES, bank, holder, says, (*claims[:1], exchange), changed, about)


def _spent(
    papers: Papers, bank: bytes, payments: tuple[Payment, ...], why: tuple[Any, ...], told: str, about: dict[str, Any]
) -> Finding:
    says = f"{{party}} may hold {_worth(papers, payments)} of {{towards}} as used: {told}."
    changed = "a refusal of exactly this, signed by {party}, by which it does not use it."
    about = about | {"tokens": [payment.token.id.hex() for payment in payments]}
    return Finding(
        *(Claim.SPENT, Ruling.RIGHT, Party(Role.BANK, bank), _holder(payments), says, why),
        changed,
        about,
    )


def release(papers: Papers) -> Iterator[Finding]:
    """ "The consumer can use abort and q to demand that the token be unlocked." That she has q, authorization_q shows.
    The bank's only answer is that the token was used elsewhere, or its word that it can be used."""
    for order in papers.orders:
        for abort in papers.of(papers.aborts, order.body.transaction)[:1]:
            yield _release(papers, order, (abort, order), "the sale has failed")
        for refusal in papers.turned_down(order)[:1]:
            why = TURNED_DOWN[Why(refusal.body.why)]
            yield _release(papers, order, (refusal, order), f"it has refused this one, as {why}")


def _release(papers: Papers, order: Paper[AuthorizationQ], why: tuple[Any, ...], because: str) -> Finding:
    due, shown = [], []
    for payment in order.body.payments:
        uses = [use for use in papers.uses(payment.token.id) if use.transaction != order.body.transaction]
        uses = [use for use in uses if _is_done(papers, use)]
        left = papers.worth(payment.token.id) - sum(use.amount for use in uses)
        shown += [paper for use in uses for paper in use.shown_by]
        if left > 0:
            due.append(Payment(token=payment.token, amount=min(payment.amount, left)))
    bank, holder = Party(Role.BANK, order.body.bank), _holder(order.body.payments)
    about = _about(order.body.transaction) | {"tokens": [payment.token.id.hex() for payment in due]}
    if not due:
        says = f"{{party}} owes {{towards}} nothing, though {because}: all of it has been used elsewhere."
        proved = tuple(dict.fromkeys((*why, *shown)))
        return Finding(Claim.RELEASE, Ruling.RIGHT, bank, holder, says, proved, "", about)
    if words := freed(papers, order.body.bank, due):
        says = f"{{party}} has let {{towards}} use {_worth(papers, tuple(due))} again, by its own word."
        changed = "a refusal of them by {party} that shows no use of them."
        return Finding(Claim.RELEASE, Ruling.DONE, bank, holder, says, (*why, *words), changed, about)
    says = f"{{party}} must let {{towards}} use {_worth(papers, tuple(due))} again: {because}."
    changed = (
        "an authorization_q with its commit, or an exchange_q with its exchange_b, by which the same key has used them"
        " elsewhere."
    )
    return Finding(Claim.RELEASE, Ruling.OWES, bank, holder, says, why, changed, about)


def _is_done(papers: Papers, use: Use) -> bool:
    """False for an exchange that was asked for, and no more is shown."""
    asked = [paper for paper in use.shown_by if isinstance(paper.body, ExchangeQ)]
    return all(papers.given_for(each) or papers.claimed_by(each) for each in asked)


def freed(papers: Papers, bank: bytes, due: Sequence[Payment]) -> list[Paper[State]]:
    """The bank's words that so much of each of these can be used; none if one is missing."""
    words = []
    for payment in due:
        mine = (each for each in papers.states if (each.signer, each.body.token) == (bank, payment.token.id))
        words += [each for each in mine if each.body.remaining >= payment.amount][:1]
    return words if len(words) == len(due) else []


def double_spend(papers: Papers) -> Iterator[Finding]:
    """A token that its key has signed into more than it is worth, for good. It pays once; a bank that promised twice
    over one token has promised without a lock, and bears it: each merchant has its word."""
    for token, payment in papers.tokens.items():
        uses = papers.uses(token)
        total, worth = sum(use.amount for use in uses), papers.worth(token)
        if total <= worth:
            continue
        brand = papers.brands[payment.token.brand].body
        says = (
            f"{{towards}} has signed a token worth {worth} {brand.currency} into uses of {total}: it counts once,"
            " {party} may refuse it further on, and what {party} has promised beyond its worth is its own loss."
        )
        proved = tuple(dict.fromkeys(paper for use in uses for paper in use.shown_by))
        about = {"token": token, "worth": worth, "used": total, "currency": brand.currency}
        party = Party(Role.BANK, brand.bank)
        yield Finding(Claim.DOUBLE_SPEND, Ruling.RIGHT, party, _holder((payment,)), says, proved, "", about)


def _holder(payments: tuple[Payment, ...]) -> Party:
    return Party(Role.CONSUMER, payments[0].token.public_key)


def _worth(papers: Papers, payments: tuple[Payment, ...]) -> str:
    """Tokens in words: how many, and what of them."""
    sums: dict[str, int] = defaultdict(int)
    for payment in payments:
        sums[papers.brands[payment.token.brand].body.currency] += payment.amount
    count = f"{len(payments)} tokens" if len(payments) > 1 else "the token"
    return f"{count} ({_in_words(sums)})"


def _in_words(amounts: Mapping[str, int]) -> str:
    """Amounts by currency, in words."""
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items())


def _about(transaction: Transaction) -> dict[str, Any]:
    """A transaction, for programs."""
    return {"number": transaction.number, "expiration": transaction.expiration}
