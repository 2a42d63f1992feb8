"""Answers that come when what they are about has ended: nothing moves back, and nothing is an incident."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.logbook import OutcomeOf
from anonnet.protocol.purchase import AuthorizationM
from anonnet.times import CLAIM_SECONDS, SETTLE_SECONDS
from anonnet.wire.frames import frame
from tests.actor import Actor
from tests.paper.scenes import LEAD, Deal, Scene


def paid(tmp_path: Path) -> tuple[Scene, Deal]:
    """P3 has reached the merchant, P4 has not left him."""
    scene = Scene(tmp_path)
    scene.prepare()
    deal = Deal.authorized(scene)
    scene.say("bank", scene.merchant, deal.authorization_b)
    return scene, deal


def only_errand(actor: Actor, now: int) -> object:
    (errand,) = actor.store.errands.due(now, most=9)
    return errand


def test_p4_is_called_late_when_its_abort_is_known(tmp_path: Path) -> None:
    """A stranger shows the merchant the abort while P4 is on its way; then the log's answer to P4 comes."""
    scene, deal = paid(tmp_path)
    errand = only_errand(scene.merchant, scene.now)
    assert isinstance(errand.message, AuthorizationM)  # type: ignore[attr-defined]
    scene.now += LEAD + SETTLE_SECONDS + 1
    abort = scene.say("stranger", scene.log, OutcomeOf(transaction=deal.transaction))
    late = scene.say("merchant", scene.log, deal.authorization_m)
    assert abort is not None
    assert late is not None

    scene.say("stranger", scene.merchant, abort)
    scene.merchant.takes(frame(late, 1), answers=errand)  # type: ignore[arg-type]

    assert scene.merchant.store.by_number(deal.number).state == "failed"
    assert scene.merchant.store.errands.due(2**40, most=9) == []


def test_a_claim_after_the_claim_time_is_not_repeated_for_ever(tmp_path: Path) -> None:
    """The merchant held the commit and could not reach the bank for the whole claim time: he has lost, and rests."""
    scene, deal = paid(tmp_path)
    commit = scene.say("merchant", scene.log, deal.authorization_m)
    assert commit is not None
    scene.say("log", scene.merchant, commit)
    scene.now += LEAD + CLAIM_SECONDS + 2
    scene.bank.remind()

    scene.run_errand(scene.merchant, only_errand(scene.merchant, scene.now))  # type: ignore[arg-type]

    assert scene.merchant.store.by_number(deal.number).state == "committed"
    assert scene.merchant.store.errands.due(2**40, most=9) == []
