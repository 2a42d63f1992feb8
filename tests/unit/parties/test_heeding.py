"""A wallet hears from mirrors which logs are convicted, names none of them when it asks, and pays by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.limits import ALERTS_MAX, ALERTS_PAGE
from anonnet.protocol.breach import Alert, Alerts, AlertsOf
from anonnet.protocol.goods import Order
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.steps import Step
from anonnet.store import wallet
from anonnet.store.errands import Errand
from anonnet.wire.codec import encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import unsigned
from tests.mirrors import MIRRORS, entry
from tests.paper.scenes import PRICE, Scene, body_of, by
from tests.quorum import QuorumScene
from tests.stage import key_of
from tests.unit.test_breach import excerpt

from .test_alerting import alert
from .test_resting import wish


@pytest.fixture
def council(tmp_path: Path) -> QuorumScene:
    """Ten units of tokens in the wallet, goods for five on sale, by a log under a quorum."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    return scene


def broken(scene: Scene, shard: int) -> Alert:
    """A time that falls in some shard."""
    known = scene.network.logs[scene.log_name]
    entries = [entry(EntryKind.TICK, time) for time in (7, 6)]
    evidence = excerpt(known, shard, [b"the first", *map(encode, entries)], 1, 2)
    return Alert(log=known.identity, shard=shard, evidence=evidence)


def warned(scene: Scene) -> bool:
    return scene.consumer.store.alerts.against(scene.log_name) is not None


def question(scene: Scene) -> Errand:
    """What she asks the first mirror."""
    (found,) = [
        each
        for each in scene.consumer.store.errands.due(scene.now, most=100)
        if each.message == AlertsOf(start=0) and each.receiver == key_of(MIRRORS[0]).public
    ]
    return found


def heard_by(scene: Scene, *alerts: Alert) -> None:
    """The first mirror answers so."""
    scene.consumer.takes(frame(Alerts(start=0, alerts=alerts), 1), answers=question(scene))


def test_a_wallet_asks_every_mirror_for_all_alerts_and_names_no_log(council: QuorumScene) -> None:
    council.ask(council.mirrors[MIRRORS[0]], alert(council))
    council.consumer.forget()
    council.settle()

    asked = [line for line in council.heard if line.kind is AlertsOf]
    assert {line.receiver for line in asked} == set(MIRRORS)
    assert {line.body for line in asked} == {AlertsOf(start=0)}
    assert not [line for line in council.heard if line.sender == "consumer" and line.kind is Alert]
    assert warned(council)


def test_a_wallet_pays_by_no_log_that_is_convicted(council: QuorumScene) -> None:
    council.ask(council.mirrors[MIRRORS[0]], alert(council))
    council.consumer.forget()
    council.settle()

    refusal = body_of(council.consumer.command(wish(council)))
    assert isinstance(refusal, Refusal)
    assert (refusal.why, refusal.detail.partition(" ")[0]) == (Why.LOG_CONVICTED, "log")
    assert "pay by another log" in refusal.detail
    assert not council.said(Order)


def test_what_she_hears_while_the_goods_come_keeps_her_from_paying(council: QuorumScene) -> None:
    council.ask(council.mirrors[MIRRORS[0]], broken(council, 5))

    purchase = council.buy()
    council.settle()

    shown = council.purchase(purchase)
    assert (shown.state, warned(council)) == (wallet.REFUSED, True), "she has asked when she ordered"
    assert "pay by another log" in shown.detail
    assert not council.said(AuthorizationQ)
    assert council.tokens() == {"free": 2 * PRICE}


def test_what_is_paid_already_ends_as_ever(council: QuorumScene) -> None:
    council.lost = lambda line: line.kind is AlertsOf or (line.kind, line.receiver) == (AuthorizationB, "merchant")
    purchase = council.buy()
    council.settle()
    assert council.purchase(purchase).state == wallet.AUTHORIZED

    heard_by(council, alert(council))
    assert warned(council)
    council.lost = lambda line: False
    council.wait(5)

    assert council.purchase(purchase).state == wallet.DONE


@pytest.mark.parametrize("forged", ["nothing", "another's"])
def test_an_alert_that_proves_nothing_is_not_believed(council: QuorumScene, forged: str) -> None:
    good = alert(council)
    bad = {
        "nothing": alert(council, forked=False),
        "another's": Alert(log=good.log, shard=good.shard + 1, evidence=good.evidence),
    }[forged]
    council.consumer.forget()

    heard_by(council, good, bad)

    assert council.consumer.closed
    assert not warned(council)


@pytest.mark.slow
def test_all_pages_are_read_and_not_more_than_a_mirror_keeps(council: QuorumScene) -> None:
    mirror = council.mirrors[MIRRORS[0]]
    for shard in range(1, ALERTS_MAX + 3):
        council.ask(mirror, broken(council, shard))

    council.settle()
    council.consumer.forget()
    council.settle()

    assert len(mirror.store.alerts.all()) == ALERTS_MAX
    assert sorted(council.consumer.store.alerts.all()) == sorted(mirror.store.alerts.all())
    pages = [line.body for line in council.heard if line.kind is Alerts and line.sender == MIRRORS[0]]
    assert all(len(page.alerts) == ALERTS_PAGE for page in pages[:-1])  # type: ignore[attr-defined]


def test_a_bank_that_shows_her_why_it_pays_by_no_such_log_has_let_her_tokens_go(council: QuorumScene) -> None:
    council.lost = lambda line: line.kind is AlertsOf
    council.ask(council.bank, alert(council))

    purchase = council.buy()
    council.settle()

    (refusal,) = {line.body for line in council.said(Refusal) if line.sender == "bank"}
    assert isinstance(refusal, Refusal)
    assert (refusal.why, len(refusal.evidence)) == (Why.LOG_CONVICTED, 1)
    assert (council.purchase(purchase).state, warned(council)) == (wallet.REFUSED, True)
    assert council.tokens() == {"free": 2 * PRICE}


@pytest.mark.parametrize("shown", ["nothing", "another log's"])
def test_a_bank_s_word_alone_that_a_log_is_convicted_frees_nothing(council: QuorumScene, shown: str) -> None:
    council.lost = lambda line: line.kind in (AlertsOf, AuthorizationQ)
    purchase = council.buy()
    council.settle()
    (asked,) = [e for e in council.consumer.store.errands.due(council.now, most=9) if e.request.step == Step.P2]
    other = Alert(log=bytes(32), shard=1, evidence=alert(council).evidence)
    papers = {"nothing": (), "another log's": (unsigned(other).signed,)}[shown]

    said = Refusal(request=asked.request.hash, why=Why.LOG_CONVICTED.value, detail="", evidence=papers)
    council.consumer.takes(frame(by("bank", said), 1), answers=asked)

    assert council.purchase(purchase).state == wallet.AUTHORIZING
    assert not warned(council)
