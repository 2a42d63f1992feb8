"""What was delivered: "the consumer can use commit and goods_m to prove the contents of the delivered goods" (paper,
"Correctness and Atomicity"). To whom: goods_q tells, where the sale names its key ("Two-Sided Certified Delivery")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from anonnet.parties.judge.verdict import Claim, Finding, Party, Role, Ruling
from anonnet.protocol.delivery import Delivered, Deliveries, Delivery
from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.papers import Paper, Papers
from anonnet.protocol.purchase import AuthorizationM, sells

REVIEW = "What the goods are worth, and whether the description fits them, is for a human reviewer: extract them."


def sold(papers: Papers) -> list[tuple[Paper[GoodsM], Paper[AuthorizationM]]]:
    """Each contract with the commit by which it was sold; one that n and M join, whatever log and expiration."""
    pairs = []
    for offer in papers.offers:
        commits = [each for each in papers.commits if sells(offer.body, offer.signer, each.body.transaction)]
        pairs += [(offer, commit) for commit in commits[:1]]
    return pairs


def deliveries(papers: Papers) -> Deliveries:
    """The sales of these papers whose goods can be opened."""
    return Deliveries([Delivery(offer.signed.hash, offer.body, commit.body.key) for offer, commit in sold(papers)])


def delivery(papers: Papers, shown: Iterable[Delivered]) -> Iterator[Finding]:
    """Open what is shown, in ascending order, with the key that the log published, and compare it with the contract."""
    pairs, opened = sold(papers), deliveries(papers)
    for _ in opened.open(shown):
        pass
    if opened.strange:
        papers.set_aside.append(
            f"{opened.strange} chunks: no merchant has signed for them in a sale that has committed"
        )
    for (offer, commit), found in zip(pairs, opened.sales, strict=True):
        yield _delivery(papers, offer, commit, found)


def _delivery(papers: Papers, offer: Paper[GoodsM], commit: Paper[AuthorizationM], found: Delivery) -> Finding:
    ruling, says, changed = _decided(found)
    orders = papers.of(papers.orders, commit.body.transaction)
    payer = orders[0].body.payments[0].token.public_key if orders else b""
    receiver = commit.body.receiver_key or payer
    buyer = Party(Role.CONSUMER, receiver) if receiver else None
    contract = offer.body.contract
    about: dict[str, Any] = {
        "number": offer.body.number,
        "goods_m": found.goods_m,
        "item": contract.item,
        "price": contract.price,
        "currency": contract.currency,
        "key": commit.body.key,
        "chunks_shown": found.shown,
        "chunks": contract.chunks,
        "whole": found.whole,
    }
    merchant = Party(Role.MERCHANT, offer.signer)
    return Finding(Claim.DELIVERY, ruling, merchant, buyer, says, (commit, offer, *orders[:1]), changed, about)


def _decided(found: Delivery) -> tuple[Ruling, str, str]:
    """Ruling, sentence, and what would change it, for the goods of one sale."""
    contract = found.contract
    debt = f"he owes {{towards}} the goods that his contract names, or the price, {contract.price} {contract.currency}."
    if found.unopened:
        lame = f"chunk {found.unopened[0]} of what {{party}} delivered does not open with the key that he published:"
        return Ruling.WRONG, f"{lame} {debt}", "the goods that the contract names, handed over now."
    if found.other or (found.whole and not found.as_described):
        what = f"chunk {found.other[0]} of what" if found.other else "What"
        lame = f"{what} {{party}} delivered is not what the contract names (size, SHA-256 and Merkle root):"
        return Ruling.WRONG, f"{lame} {debt}", "the goods that the contract names, handed over now."
    if found.as_described:
        says = f"{{party}} has delivered, whole, the goods that the contract names ({contract.item})."
        return Ruling.RIGHT, says, REVIEW
    if found.shown and found.named == found.shown:
        says = (
            f"The {found.shown} chunks shown, of {contract.chunks}, were delivered by {{party}} and are what the"
            " contract names at their places."
        )
        return Ruling.RIGHT, says, f"other chunks. {REVIEW}"
    if found.shown:
        says = (
            f"The {found.shown} chunks shown, of {contract.chunks}, were delivered by {{party}}; whether the contract"
            " names the same ones, they do not tell."
        )
        return Ruling.OPEN, says, f"all the encrypted goods, or the contract's leaves at these places. {REVIEW}"
    says = f"{{party}} has sold {contract.item} and its key is public; what he delivered is not among the papers."
    return Ruling.OPEN, says, "the encrypted goods."


def receipts(papers: Papers) -> Iterator[Finding]:
    """ "The merchant will be able to prove what goods were delivered to the holder of Q. The merchant must additionally
    be able to prove that the holder of Q is the consumer for whom the transaction was processed" (paper, Two-Sided
    Certified Delivery): goods_q does the one; the other Q in the bank's promise, which the commit repeats."""
    for receipt in papers.receipts:
        for offer in papers.offers:
            if not receipt.body.is_for(offer.signed, offer.signer):
                continue
            for commit in papers.commits:
                if sells(offer.body, offer.signer, commit.body.transaction):
                    yield _received(papers, offer, receipt, commit)


def _received(papers: Papers, offer: Paper[GoodsM], receipt: Paper[GoodsQ], commit: Paper[AuthorizationM]) -> Finding:
    """The merchant wrote Q into the commit, and may hold q himself: that Q has paid, a bank must have said. One of the
    contract, for which Q has signed: anybody can write a promise. What else is written takes nothing from that: orders
    over other tokens, or the promise of a second bank."""
    contract, receiver = offer.body.contract, receipt.signer
    promises = papers.of(papers.promises, commit.body.transaction)
    promises = [each for each in promises if each.signer in contract.banks]
    named = [each for each in promises if each.body.receiver_key == receiver]
    about = {"number": offer.body.number, "item": contract.item, "root": offer.body.root}
    parties = Party(Role.MERCHANT, offer.signer), Party(Role.CONSUMER, receiver)
    proved_by = (commit, *(named or promises)[:1], offer, receipt)
    if commit.body.receiver_key == receiver and named:
        says = (
            f"{{party}} has delivered to {{towards}}, for whom the sale was made: she has signed, before she paid, for"
            f" all of the encrypted goods under his contract ({contract.item}, {contract.size} bytes)."
        )
        about["bank"] = named[0].signer
        return Finding(Claim.RECEIPT, Ruling.RIGHT, *parties, says, proved_by, "", about)
    if commit.body.receiver_key != receiver:
        silent, changed = "the commit does not say", "goods_q by who paid."
    else:
        silent = "authorization_b does not say" if promises else "he alone says, who wrote her key into the commit"
        changed = "authorization_b, by a bank of the contract, that names her key."
    says = f"{{towards}} has signed for the goods of {{party}}; that she is who paid, {silent}."
    return Finding(Claim.RECEIPT, Ruling.OPEN, *parties, says, proved_by, changed, about)
