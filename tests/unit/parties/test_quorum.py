"""A sale that a quorum of mirrors decides: who shows what when, and that nothing but certificates moves money."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from anonnet.errors import Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.protocol.account import Claim
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.quorum import Certificate, Pledge
from anonnet.protocol.refusal import Refusal
from anonnet.store.errands import Errand
from anonnet.times import BEHIND_SECONDS, CLAIM_SECONDS, RELEASE_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.dump import dump
from tests.mirrors import MIRRORS
from tests.paper.scenes import LEAD, PRICE, Line, by
from tests.quorum import QuorumScene, WrittenScene
from tests.stage import NETWORK

S = TypeVar("S", bound=QuorumScene)


@pytest.fixture
def scene(tmp_path: Path) -> QuorumScene:
    return prepared(QuorumScene(tmp_path))


@pytest.fixture
def written(tmp_path: Path) -> WrittenScene:
    return prepared(WrittenScene(tmp_path))


def prepared(scene: S) -> S:
    scene.prepare()
    scene.wait(1)
    scene.heard.clear()
    return scene


def outcome_of(scene: QuorumScene, purchase: bytes) -> Signed:
    outcome = scene.consumer.store.purchase(purchase).outcome
    assert isinstance(outcome, Signed)
    return outcome


def to_abort(scene: QuorumScene) -> None:
    scene.pass_time(LEAD + SETTLE_SECONDS + 1)
    scene.wait(6)


def place(scene: QuorumScene, kind: type, when: Callable[[Line], bool] = lambda line: True) -> int:
    """When such a message was first heard."""
    return next(place for place, line in enumerate(scene.heard) if line.kind is kind and when(line))


def committed_at_once(scene: QuorumScene) -> bytes:
    purchase = scene.buy()
    scene.settle()
    scene.wait(6)
    assert scene.purchase(purchase).state == "done"
    return purchase


def test_a_sale_commits_by_a_certificate(scene: QuorumScene) -> None:
    purchase = committed_at_once(scene)

    assert scene.income == PRICE
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}
    certificate = outcome_of(scene, purchase)
    assert type(decode(certificate.body)) is Certificate
    known = scene.network.logs[scene.log_name]
    assert committed(NETWORK, known, certificate, scene.consumer.store.purchase(purchase).transaction)


def test_the_key_is_shown_to_nobody_before_its_pledge_is_certified(scene: QuorumScene) -> None:
    scene.dead |= set(MIRRORS[:2])  # no quorum is left
    scene.buy()
    scene.settle()
    scene.wait(6)
    assert scene.said(Pledge)
    assert not scene.said(AuthorizationM)

    scene.dead.clear()
    scene.wait(6)

    first = place(scene, AuthorizationM)
    assert place(scene, Certificate, lambda line: line.receiver == "merchant") < first
    assert {line.receiver for line in scene.said(AuthorizationM) if line.sender == "merchant"} == {"log", *MIRRORS}


@pytest.mark.parametrize("dead", MIRRORS)
def test_one_mirror_that_is_dead_changes_nothing(scene: QuorumScene, dead: str) -> None:
    scene.dead.add(dead)

    committed_at_once(scene)

    assert scene.income == PRICE


def test_a_sale_without_a_pledge_is_aborted_by_three_mirrors(scene: QuorumScene) -> None:
    scene.dead |= {MIRRORS[3]}
    scene.lost = lambda line: line.kind is Pledge
    purchase = scene.buy()
    scene.settle()

    to_abort(scene)

    assert scene.purchase(purchase).state == "aborted"
    assert scene.income == 0
    abort = outcome_of(scene, purchase)
    assert {each.signer for each in abort.signatures} == {scene.by_name[name] for name in MIRRORS[:3]}
    known = scene.network.logs[scene.log_name]
    assert aborted(NETWORK, known, abort) == scene.consumer.store.purchase(purchase).transaction
    assert scene.merchant.store.states() == [("failed", 1)]
    assert scene.tokens()["free"] == 2 * PRICE
    assert scene.books().get("locked", 0) == 0


def test_shares_of_an_abort_by_too_few_free_nothing(scene: QuorumScene) -> None:
    scene.lost = lambda line: line.kind is Pledge
    purchase = scene.buy()
    scene.settle()
    scene.dead |= set(MIRRORS[:2])

    to_abort(scene)

    assert scene.said(Abort)
    assert scene.purchase(purchase).state == "authorized"
    assert scene.books()["locked"] == PRICE
    scene.dead.clear()
    scene.pass_time(60)
    scene.wait(3)
    assert scene.purchase(purchase).state == "aborted"
    assert scene.books().get("locked", 0) == 0


def test_a_mirror_that_signs_aborts_early_decides_nothing(scene: QuorumScene) -> None:
    """It says "abort" of every sale that it is asked about."""
    liar = scene.mirrors[MIRRORS[0]]
    purchase = scene.buy()
    scene.settle()
    sale = scene.consumer.store.purchase(purchase).transaction
    abort = liar.party.sign(Abort(transaction=sale))

    assert scene.say("consumer", scene.bank, abort) is None  # closes the connection
    scene.wait(6)

    assert scene.purchase(purchase).state == "done"
    assert scene.income == PRICE


def test_what_the_log_says_alone_moves_no_money(written: WrittenScene) -> None:
    """P5a under a quorum: the log may sign it and record nothing."""
    scene = written
    scene.log.deaf_to.add(AuthorizationM)
    purchase = scene.buy()
    scene.settle()
    scene.wait(6)
    number = scene.consumer.store.purchase(purchase).transaction.number
    sale = scene.merchant.store.by_number(number)
    commit = scene.log.signer.sign(Commit(authorization_m=sale.authorization_m, index=1))
    claim = Claim(bank=scene.by_name["bank"], authorization_b=sale.authorization_b, commit=commit)

    assert scene.say("merchant", scene.bank, claim) is None  # closes the connection
    assert scene.say("merchant", scene.bank, commit) is None

    assert scene.income == 0
    assert scene.books()["locked"] == PRICE


@pytest.mark.slow
def test_a_log_that_falls_silent_after_the_pledge_leaves_the_sale_to_its_deadline(written: WrittenScene) -> None:
    """It has recorded the pledge and takes no key: mirrors hold it, and when it can come no more, all is free."""
    scene = written
    scene.log.deaf_to.add(AuthorizationM)
    purchase = scene.buy()
    scene.settle()
    scene.wait(6)
    assert {line.receiver for line in scene.said(AuthorizationM)} >= set(MIRRORS)
    to_abort(scene)
    assert scene.purchase(purchase).state == "authorized"

    scene.pass_time(RELEASE_SECONDS)
    scene.wait(66)

    assert scene.purchase(purchase).state == "aborted"
    assert scene.merchant.store.states() == [("failed", 1)]
    receipts = [row for name in MIRRORS for row in scene.mirrors[name].store._db.all("select * from released")]
    assert len(receipts) == len(MIRRORS)


@pytest.mark.slow
def test_a_log_that_takes_the_key_late_still_pays(written: WrittenScene) -> None:
    scene = written
    scene.log.deaf_to.add(AuthorizationM)
    purchase = scene.buy()
    scene.settle()
    to_abort(scene)

    scene.log.deaf_to.clear()
    scene.pass_time(60)
    scene.wait(6)

    assert scene.purchase(purchase).state == "done"
    assert scene.income == PRICE


def test_a_mirror_that_never_reads_the_pledge_is_brought_the_key_seldom_after_the_expiration(
    written: WrittenScene,
) -> None:
    """Its copy is frozen, and the log takes no key: it is asked for as long as the sale may still be decided."""
    scene, frozen = written, MIRRORS[3]
    scene.log.deaf_to.add(AuthorizationM)
    scene.dead.add(frozen)
    purchase = scene.buy()
    scene.settle()
    scene.wait(6)
    expiration = scene.consumer.store.purchase(purchase).transaction.expiration
    errands = scene.merchant.store.errands
    key = next(each for each in errands.due(2**40, most=99) if is_key_for(each, scene.by_name[frozen]))
    refusal = by(frozen, Refusal(request=key.request.hash, why=Why.NOT_PLEDGED.value, detail="", evidence=()))

    waits = []
    for scene.now in (expiration, expiration + 1):
        scene.merchant.takes(frame(refusal, 1), answers=key)
        waits.append(min(wait for wait in range(99) if key in errands.due(scene.now + wait, most=99)))

    assert waits == [BEHIND_SECONDS, RETRY_SECONDS_MAX]


def is_key_for(errand: Errand, receiver: bytes) -> bool:
    return errand.receiver == receiver and isinstance(errand.message, AuthorizationM)


def test_shares_that_never_were_enough_are_forgotten_with_the_claim_time(scene: QuorumScene) -> None:
    scene.lost = lambda line: line.kind is Pledge
    scene.buy()
    scene.settle()
    scene.dead |= set(MIRRORS[:2])
    to_abort(scene)
    expiration = scene.consumer.store.purchase(scene.consumer.store.purchases(most=1)[0]).transaction.expiration

    for actor in (scene.bank, scene.merchant):
        assert dump(actor.store)["abort_part"]
        actor.store.parts.forget(expiration + CLAIM_SECONDS)
        assert dump(actor.store)["abort_part"]
    scene.now = expiration + CLAIM_SECONDS + 1
    for actor in (scene.bank, scene.merchant):
        actor.forget()
        assert not dump(actor.store)["abort_part"]
