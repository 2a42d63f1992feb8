"""Rows of the judge's table about sealed entries: what the log has recorded, only papers that name n can open."""

from __future__ import annotations

from dataclasses import replace

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.purchase import Abort
from anonnet.times import SETTLE_SECONDS
from tests.judge.conduct_rows import refused
from tests.judge.court import Case, row
from tests.judge.goods_rows import AS_NAMED, chunks
from tests.judge.money_rows import CREDIT_OWED, RELEASE_OWED, SPENT
from tests.paper.scenes import Deal, Scene, by
from tests.paper.sealing import (
    authorization_b,
    filled_for_another,
    garbage,
    offered,
    outcome,
    promised,
    submission,
    under_no_key,
)

LIED = Claim.TWO_OUTCOMES, Ruling.WRONG


def committed(scene: Scene) -> Deal:
    """The log has recorded P4, sealed."""
    deal = promised(offered(scene))
    scene.ask(scene.log, submission(deal))
    return deal


@row(Claim.CREDIT, "sealed commit, authorization_b", "the bank must credit the merchant", CREDIT_OWED)
def sealed_sale(scene: Scene) -> Case:
    deal = committed(scene)
    return Case([outcome(deal), authorization_b(deal)])


@row(Claim.CREDIT, "sealed commit alone", "nothing; it is set aside: no paper names n", set_aside=1)
def sealed_commit_alone(scene: Scene) -> Case:
    return Case([outcome(committed(scene))])


@row(
    *(Claim.CREDIT, "sealed commit that n does not open, authorization_b", "nothing: the sale has failed"),
)
def sealed_garbage_before_the_bank(scene: Scene) -> Case:
    deal = promised(offered(scene))
    scene.ask(scene.log, garbage(deal))
    return Case([outcome(deal), authorization_b(deal)])


@row(
    *(Claim.RELEASE, "sealed commit that n does not open, authorization_q", "the bank must let the tokens go"),
    RELEASE_OWED,
)
def sealed_garbage_before_the_consumer(scene: Scene) -> Case:
    deal = promised(offered(scene))
    scene.ask(scene.log, garbage(deal))
    return Case([outcome(deal), deal.authorization_q])


@row(Claim.SPENT, "sealed commit, authorization_q", "the bank may hold the tokens as spent", SPENT)
def sealed_sale_spends(scene: Scene) -> Case:
    deal = committed(scene)
    return Case([outcome(deal), deal.authorization_q])


@row(
    *(Claim.DELIVERY, "sealed commit, goods_m, authorization_b, the encrypted goods"),
    "the merchant has delivered what his contract names",
    *(AS_NAMED, CREDIT_OWED),
)
def sealed_goods(scene: Scene) -> Case:
    deal = committed(scene)
    return Case([outcome(deal), deal.goods_m, authorization_b(deal)], chunks(deal))


@row(
    Claim.REFUSAL,
    "authorization_q under another n of a sealed sale, its refusal (sale-authorized) with the promise for that place",
    "the refusal is justified, and the tokens are free",
    *((Claim.REFUSAL, Ruling.RIGHT), RELEASE_OWED),
)
def sealed_place_taken(scene: Scene) -> Case:
    deal = promised(offered(scene))
    other = under_no_key(deal)
    return Case([other, refused(scene, other)])


@row(
    Claim.REFUSAL,
    "the same, after the sealed commit that opens under that n and under no other",
    "the same; nothing is spent",
    *((Claim.REFUSAL, Ruling.RIGHT), RELEASE_OWED),
)
def sealed_place_taken_and_filled(scene: Scene) -> Case:
    deal = offered(scene)
    commit = filled_for_another(deal)
    return Case([deal.authorization_q, refused(scene, deal.authorization_q), commit])


@row(
    Claim.REFUSAL,
    "abort of a sealed sale, its refusal (sale-authorized) with the sealed commit, no paper that names n",
    "the refusal is justified: the place is filled; the log has lied",
    *((Claim.REFUSAL, Ruling.RIGHT), LIED),
    set_aside=1,
)
def sealed_abort_refused(scene: Scene) -> Case:
    deal = committed(scene)
    scene.ask(scene.bank, outcome(deal))
    abort = by("log", Abort(transaction=deal.transaction.public))
    return Case([abort, refused(scene, abort)])


@row(
    *(Claim.RELEASE, "authorization_q that names W, abort of the same sale in the open", "nothing"),
)
def abort_in_the_open(scene: Scene) -> Case:
    deal = committed(scene)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    return Case([replace(deal, transaction=replace(deal.transaction, entry_key=b"")).outcome, deal.authorization_q])


@row(
    *(Claim.RELEASE, "abort of a sealed sale, authorization_q", "the bank must let the tokens go"),
    RELEASE_OWED,
)
def sealed_abort(scene: Scene) -> Case:
    deal = promised(offered(scene))
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    return Case([outcome(deal), deal.authorization_q])


@row(
    Claim.TWO_OUTCOMES,
    "sealed commit and abort of one sale, authorization_b",
    "the log has lied, and answers for what stands against the bank by either",
    *(LIED, CREDIT_OWED),
)
def sealed_log_says_both(scene: Scene) -> Case:
    deal = committed(scene)
    abort = by("log", Abort(transaction=deal.transaction.public))
    return Case([outcome(deal), abort, authorization_b(deal)])


@row(
    *(Claim.TWO_OUTCOMES, "sealed commit and abort of its place, no paper that names n"),
    "the log has lied; whether the sale committed only n shows",
    LIED,
    set_aside=1,
)
def sealed_log_says_both_without_n(scene: Scene) -> Case:
    deal = committed(scene)
    return Case([outcome(deal), by("log", Abort(transaction=deal.transaction.public))])


@row(
    *(Claim.TWO_OUTCOMES, "sealed commit that n does not open and abort of its place, authorization_q"),
    "the log has lied; the sale has failed either way, and the bank must let the tokens go",
    *(LIED, RELEASE_OWED),
)
def sealed_garbage_and_abort(scene: Scene) -> Case:
    deal = promised(offered(scene))
    scene.ask(scene.log, garbage(deal))
    return Case([outcome(deal), by("log", Abort(transaction=deal.transaction.public)), deal.authorization_q])


@row(
    *(Claim.TWO_OUTCOMES, "sealed commit and abort of another place, no paper that names n"),
    "nothing; the commit is set aside",
    set_aside=1,
)
def sealed_log_says_each_of_its_own(scene: Scene) -> Case:
    deal = committed(scene)
    other = replace(deal.transaction.public, expiration=deal.transaction.expiration + 1)
    return Case([outcome(deal), by("log", Abort(transaction=other))])


@row(
    *(Claim.TWO_OUTCOMES, "sealed commit, abort of the sale as if it were open"),
    "nothing: a log that is shown no n cannot know that they are one; the commit is set aside",
    set_aside=1,
)
def sealed_commit_and_open_abort(scene: Scene) -> Case:
    deal = committed(scene)
    return Case([outcome(deal), by("log", Abort(transaction=replace(deal.transaction, entry_key=b"")))])
