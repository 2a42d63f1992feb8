"""Rows of the judge's table about what has left an account: its statement, and what its key has asked for."""

from __future__ import annotations

from dataclasses import replace

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.account import LedgerEntry, Statement
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.judge.court import Case, row
from tests.judge.money_rows import CREDITED, another, credited, statement
from tests.paper.scenes import PRICE, Deal, Hand, Scene, by
from tests.stage import CURRENCY

ASKED_FOR = Claim.DEBIT, Ruling.RIGHT
TO_SHOW = Claim.DEBIT, Ruling.OWES


def withdrawn(hand: Hand, *orders: WithdrawC) -> list[Signed]:
    """W1 that the bank has answered."""
    signed = [hand.signer.sign(each) for each in orders]
    assert all(isinstance(hand.scene.ask(hand.scene.bank, each), WithdrawB) for each in signed)
    return signed


def overlapping(hand: Hand) -> list[WithdrawC]:
    """Two orders for tokens of 1, one of which is in both."""
    first, second = hand.secrets(1), hand.secrets(1)
    return [hand.withdraw_c(first), hand.withdraw_c(first, second)]


def stated(hand: Hand) -> Signed:
    """The bank's statement of the hand's account."""
    return statement(hand.scene, hand.signer)


def with_debit(honest: Signed, amount: int, reference: bytes, kind: str = "withdrawal") -> Signed:
    """A statement by a bank that has taken so much more; its balance is the sum."""
    said = decode(honest.body)
    assert isinstance(said, Statement)
    entry = LedgerEntry(kind=kind, reference=reference, currency=CURRENCY, amount=-amount, time=said.time)
    balances = tuple(replace(each, amount=each.amount - amount) for each in said.balances)
    return by("bank", replace(said, entries=(*said.entries, entry), balances=balances))


@row(
    Claim.DEBIT, "a statement with withdrawals, their withdraw_c", "the bank has taken what it was asked for", ASKED_FOR
)
def withdrawals_are_shown(scene: Scene) -> Case:
    hand = another(scene)
    asked = withdrawn(hand, hand.withdraw_c(hand.secrets(4)), hand.withdraw_c(hand.secrets(1), hand.secrets(1)))
    return Case([stated(hand), *asked])


@row(
    *(Claim.DEBIT, "a statement with withdrawals, no withdraw_c", "the bank must show that they were asked for"),
    TO_SHOW,
)
def withdrawals_are_not_shown(scene: Scene) -> Case:
    hand = another(scene)
    withdrawn(hand, hand.withdraw_c(hand.secrets(4)))
    return Case([stated(hand)])


@row(
    Claim.DEBIT,
    "two withdraw_c that have a blinded message in common, a statement that debits it once",
    "the bank has taken what it was asked for",
    ASKED_FOR,
)
def withdrawn_once(scene: Scene) -> Case:
    hand = another(scene)
    asked = withdrawn(hand, *overlapping(hand))
    return Case([stated(hand), *asked])


@row(
    Claim.DEBIT,
    "two withdraw_c that have a blinded message in common, a statement that debits it twice",
    "the bank must show that the second was asked for, or give it back",
    TO_SHOW,
)
def withdrawn_twice(scene: Scene) -> Case:
    hand = another(scene)
    first, both = (hand.signer.sign(each) for each in overlapping(hand))
    once = with_debit(stated(hand), 1, first.hash)
    return Case([with_debit(once, 2, both.hash), first, both])


@row(
    Claim.DEBIT,
    "withdraw_c, a statement that names it twice",
    "the bank must show that the second was asked for, or give it back",
    TO_SHOW,
)
def one_withdrawal_is_debited_again(scene: Scene) -> Case:
    hand = another(scene)
    (asked,) = withdrawn(hand, hand.withdraw_c(hand.secrets(4)))
    return Case([with_debit(stated(hand), 4, asked.hash), asked])


@row(
    *(Claim.DEBIT, "withdraw_c, a statement that debits more for it", "the bank must show that the rest was asked for"),
    TO_SHOW,
)
def more_is_debited(scene: Scene) -> Case:
    hand = another(scene)
    asked = hand.signer.sign(hand.withdraw_c(hand.secrets(4)))
    return Case([with_debit(stated(hand), 5, asked.hash), asked])


@row(
    *(
        Claim.DEBIT,
        "a statement with a withdrawal, withdraw_c by another key",
        "the bank must show that it was asked for",
    ),
    TO_SHOW,
)
def another_has_withdrawn(scene: Scene) -> Case:
    hand, other = another(scene), another(scene, "other")
    (asked,) = withdrawn(other, other.withdraw_c(other.secrets(4)))
    return Case([with_debit(stated(hand), 4, asked.hash), asked])


@row(
    Claim.DEBIT,
    "a statement with a withdrawal, withdraw_c that names another bank than its brand's",
    "the same; it is set aside",
    TO_SHOW,
    set_aside=1,
)
def withdrawn_elsewhere(scene: Scene) -> Case:
    hand = another(scene)
    elsewhere = hand.signer.sign(replace(hand.withdraw_c(hand.secrets(4)), bank=scene.merchant_key))
    return Case([with_debit(stated(hand), 4, elsewhere.hash), elsewhere])


@row(
    Claim.DEBIT,
    "commit, authorization_b, a statement with the entry and a fee",
    "the bank has paid, and must show that the fee was asked for, or give it back",
    *(CREDITED, TO_SHOW),
)
def credit_is_taken_back(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    credited(scene, deal)
    fee = with_debit(statement(scene), PRICE, deal.transaction.outcome_key, "fee")
    return Case([deal.authorization_b, deal.outcome, fee])


@row(Claim.DEBIT, "a statement without a debit, withdraw_c", "nothing")
def nothing_is_withdrawn(scene: Scene) -> Case:
    hand = another(scene)
    return Case([stated(hand), hand.signer.sign(hand.withdraw_c(hand.secrets(4)))])
