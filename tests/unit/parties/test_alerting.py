"""Banks and merchants hear that a log has forked, tell each other, and begin no new sale by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.refusal import Noted
from anonnet.times import BRAND_MARGIN_SECONDS, CLAIM_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from tests.actor import Actor
from tests.dump import dump
from tests.mirrors import MIRRORS, Pen, tick
from tests.paper.scenes import PRICE, Deal, Scene
from tests.quorum import QuorumScene

from .refusing import closed, refused


def alert(scene: Scene, *, forked: bool = True) -> Alert:
    """Two checkpoints of one size, both signed by the log; or twice the same."""
    known = scene.network.logs[scene.log_name]
    pen = Pen(known, shard=shard_of(scene.now), begun=scene.now)
    branch = pen.copy()
    pen.write(tick(scene.now))
    branch.write(tick(scene.now + forked))
    one, other = (SignedCheckpoint.parse(each.notes[2]) for each in (pen, branch))
    return Alert(log=known.identity, shard=pen.shard, evidence=Fork(one, other).encoded())


def forked_at(scene: Scene) -> list[str]:
    relying = scene.bank, scene.merchant, scene.log
    return [actor.name for actor in relying if actor.store.alerts.against(scene.log_name)]


@pytest.mark.parametrize("first", ["bank", "merchant", "log"])
def test_who_hears_of_a_fork_tells_the_others(scene: Scene, first: str) -> None:
    receiver: Actor = getattr(scene, first)
    said = alert(scene)

    assert isinstance(scene.ask(receiver, said), Noted)
    scene.settle()

    assert forked_at(scene) == ["bank", "merchant", "log"]
    assert receiver.store.alerts.all() == [(said.log, said.shard, said.evidence)]
    assert len([line for line in scene.heard if line.kind is Alert]) == 1 + 3 * 2, "each tells each other one once"


@pytest.mark.parametrize("first", ["bank", "log"])
def test_of_merged_parties_both_know_what_one_is_told(first: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, merged="bank")
    scene.prepare()

    scene.ask(getattr(scene, first), alert(scene))
    at_once = forked_at(scene)
    scene.settle()

    assert at_once == ["bank", "log"]
    assert forked_at(scene) == ["bank", "merchant", "log"]
    told = [(line.sender, line.receiver) for line in scene.heard if line.kind is Alert]
    assert told == [("stranger", first), ("bank", "merchant"), ("merchant", "bank"), ("merchant", "log")]


def test_a_mirror_tells_its_log_s_other_mirrors_and_who_sells_by_it(tmp_path: Path) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    first = scene.mirrors[MIRRORS[0]]

    scene.ask(first, alert(scene))
    scene.settle()

    assert forked_at(scene) == ["bank", "merchant", "log"]
    assert all(mirror.store.alerts.all() for mirror in scene.mirrors.values())


def test_no_new_sale_is_begun_by_a_log_that_has_forked(scene: Scene) -> None:
    begun, new = Deal.offered(scene), Deal.offered(scene)
    authorized = Deal.authorized(scene)
    scene.ask(scene.bank, alert(scene))
    scene.settle()

    refused(scene, scene.bank, new.authorization_q, Why.LOG_CONVICTED, [Alert])
    refused(scene, scene.bank, begun.authorization_q, Why.LOG_CONVICTED, [Alert])

    assert scene.books()["locked"] == PRICE, "what was begun before stands"
    scene.ask(scene.bank, authorized.authorization_q)
    scene.now = new.transaction.expiration + CLAIM_SECONDS
    refused(scene, scene.bank, new.authorization_q, Why.LOG_CONVICTED, [Alert])


def test_a_payment_that_was_taken_and_forgotten_is_never_said_to_be_unused(scene: Scene) -> None:
    """To a judge, who sees no time, `log-convicted` says that the bank does not use this payment."""
    deal = Deal.committed(scene)
    scene.ask(scene.bank, deal.outcome)
    scene.ask(scene.bank, alert(scene))
    scene.now = max(each.brand.ends for each in scene.minted) + BRAND_MARGIN_SECONDS + 1
    scene.bank.forget()
    assert not dump(scene.bank.store)["sale"]

    refused(scene, scene.bank, deal.authorization_q, Why.EXPIRED)


def test_a_sale_that_was_promised_before_is_credited(scene: Scene) -> None:
    deal = Deal.committed(scene)
    scene.ask(scene.bank, alert(scene))

    scene.ask(scene.bank, deal.outcome)

    assert scene.income == PRICE


def test_an_alert_that_proves_nothing_is_not_kept(scene: Scene) -> None:
    closed(scene, scene.bank, alert(scene, forked=False))

    assert forked_at(scene) == []
