"""The paper's section "Trust": what each party must rely on, and what it need not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling, Verdict
from anonnet.parties.merchant import Merchant
from anonnet.protocol.account import Claim as ClaimOf
from anonnet.protocol.logbook import Entries
from anonnet.protocol.purchase import Abort, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Receipt
from anonnet.protocol.transaction import log_id
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signer
from tests.judge.court import Case
from tests.judge.make_vectors import file_of, verdict_of
from tests.mirrors import KNOWN, MIRRORS
from tests.paper import coalitions
from tests.paper.scenes import GOODS, LEAD, PRICE, Deal, Scene, by
from tests.quorum import QuorumScene, suppressed
from tests.stage import NETWORK, key_of


def test_there_is_only_one_location_where_a_corrupt_coalition_may_benefit(tmp_path: Path) -> None:
    """Section "Trust": "there is only one location where a corrupt coalition may benefit illegitimately". Each
    coalition does its worst to whoever is not in it."""
    robbing = set()
    for name, act in coalitions.ACTS.items():
        (folder := tmp_path / name).mkdir()
        stage = Scene(folder)
        stage.prepare()
        if act(stage):
            robbing.add(name)

    assert robbing == {"log and consumer"}


def test_a_log_that_passes_k_to_the_consumer_alone_leaves_the_merchant_unpaid(scene: Scene) -> None:
    """Section "Trust": "the consumer will gain access to the goods while the merchant will not have commit, and thus
    will not be able to demand payment": where the log decides alone."""
    deal, key, abort = coalitions.unrecorded(scene)

    claim = ClaimOf(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=abort)
    scene.say("merchant", scene.bank, claim)

    assert coalitions.goods_with(deal, key) == GOODS
    assert type(decode(deal.outcome.body)) is Abort
    assert scene.income == 0
    assert not coalitions.ruled(scene, [deal.goods_m, deal.authorization_b, deal.authorization_m, abort], Claim.CREDIT)


def test_outside_observers_notice_a_log_that_fails_to_respond_and_act(tmp_path: Path) -> None:
    """Section "Trust": "Trusted outside observers could notice that the log is failing to respond in reasonable time
    and take some action". Mirrors do: they sign when they had k, and bring it to the log themselves."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.lost = lambda line: line.kind is AuthorizationM and {line.sender, line.receiver} == {"merchant", "log"}

    purchase = scene.buy()
    scene.settle()
    scene.wait(8)

    observers = {line.sender for line in scene.said(Receipt)}
    bringing = {line.sender for line in scene.said(AuthorizationM) if line.receiver == "log"}
    assert observers == set(MIRRORS)
    assert bringing
    assert bringing <= observers
    assert (scene.purchase(purchase).state, scene.income) == ("done", PRICE)


def test_a_log_that_withholds_the_key_from_the_consumer_delays_it_until_the_expiration(tmp_path: Path) -> None:
    """Section "Trust": "the consumer must trust that the log will not intentionally delay passing the key": mirrors
    have it, too, and she asks them when the sale is over."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.lost = lambda line: line.kind is Entries and (line.sender, line.receiver) == ("log", "consumer")
    purchase = scene.buy()
    scene.settle()
    scene.wait(8)
    before = scene.purchase(purchase).state

    scene.to_expiration()
    scene.wait(2)

    assert (before, scene.income) == ("authorized", PRICE)
    assert scene.purchase(purchase).state == "done"


def test_the_log_is_agreed_upon_before_she_pays(tmp_path: Path) -> None:
    """Section "Trust": "the selection of the log might be decided in the initial negotiation": the contract names the
    logs that the merchant takes, and a wallet pays by no other."""
    scene = Scene(tmp_path)
    signer, others = Signer(NETWORK, key_of("merchant")), {KNOWN.identity: KNOWN}
    party = Merchant(signer, scene.merchant_key, [scene.bank_key], others)
    scene.merchant = replace(scene.merchant, party=party)
    scene.prepare()

    bought = scene.buy()
    scene.settle()

    purchase = scene.purchase(bought)
    assert (purchase.state, purchase.detail) == ("refused", "the merchant does not accept this bank or this log")
    assert not scene.said(AuthorizationQ)


def test_the_merchant_commits_only_where_he_trusts_the_log(scene: Scene) -> None:
    """Section "Trust": "he need only commit if the specified log is trusted"."""
    deal = Deal.authorized(scene)
    elsewhere = replace(deal.transaction, log=log_id(key_of("log of strangers").public))
    promise = by("bank", replace(decode(deal.authorization_b.body), transaction=elsewhere))

    refusal = scene.refused(scene.merchant, promise)
    scene.settle()

    assert refusal.why == Why.WRONG_LOG
    assert not [line for line in scene.said(AuthorizationM) if line.body.transaction == elsewhere]  # type: ignore[attr-defined]


def test_nobody_else_s_log_decides(scene: Scene) -> None:
    """Section "Trust": only the log that the transaction names commits or aborts it."""
    deal = Deal.authorized(scene)
    stranger = "log of strangers"
    commit = by(stranger, Commit(authorization_m=deal.authorization_m, index=0))
    abort = by(stranger, Abort(transaction=deal.transaction))

    said = [scene.say("stranger", scene.bank, paper) for paper in (commit, abort)]

    assert said == [None, None]
    assert (scene.income, scene.books()["locked"]) == (0, PRICE)


def test_the_key_reaches_the_consumer_because_the_bank_must_justify_itself(scene: Scene) -> None:
    """Section "Trust": "the key must eventually be revealed to the consumer for the bank to justify crediting".

    The log answers the consumer nothing at all; she asks the bank about her token.
    """
    deal = Deal.authorized(scene)
    scene.lost = lambda line: "hand" in (line.sender, line.receiver) and "log" in (line.sender, line.receiver)
    scene.settle()
    again = Deal.offered(scene, deal.hand, deal.coins)

    refusal = scene.refused(scene.bank, again.authorization_q)

    assert scene.income == PRICE
    assert decode(decode(refusal.evidence[1].body).authorization_m.body).key == deal.key  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_log_that_does_not_record_what_it_receives_is_convicted(tmp_path: Path) -> None:
    """Section "Trust": "the merchant must trust the log to record received messages". He gets no money where a quorum
    of mirrors sees that it did not, but what they sign for convicts it."""
    scene = suppressed(tmp_path)

    (finding,) = merchants(scene).findings

    assert (finding.claim, finding.ruling, finding.party.identity) == (Claim.SUPPRESSED, Ruling.WRONG, scene.log_name)
    assert (scene.income, scene.tokens()["free"]) == (0, 2 * PRICE)


@pytest.mark.slow
def test_limited_delays_are_enforced_with_the_assistance_of_outside_parties(tmp_path: Path) -> None:
    """Section "Trust": "if the log is required to satisfy some responsiveness guarantees, then limited delays can be
    enforced with the assistance of a trusted outside party": mirrors say when they had the key. A log that had less
    than HANDED_SECONDS to record it has broken no guarantee."""
    scene = suppressed(tmp_path, late=LEAD + RELEASE_SECONDS - HANDED_SECONDS + 60)

    assert not merchants(scene).findings


def merchants(scene: Scene) -> Verdict:
    """What is decided by all papers that the merchant has of his sale."""
    store = scene.merchant.store
    (number,) = store.numbers()
    sale = store.by_number(number)
    papers = [sale.goods_m, sale.authorization_b, *store.answered.of(number)]  # the abort is among the answers
    return verdict_of(file_of(scene, Case(papers)))
