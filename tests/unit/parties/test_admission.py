"""Whose sales a log records, and how many."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.parties.admission import HOUR
from anonnet.parties.log import Log
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.local import Admit, Started
from anonnet.protocol.purchase import Commit
from anonnet.protocol.quorum import Pledged
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.transaction import NO_POLICY
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.circle import Circle
from tests.mirrors import KNOWN, sale
from tests.paper.scenes import Deal, Scene, body_of
from tests.stage import NETWORK, key_of
from tests.unit.parties.refusing import refused
from tests.unit.parties.test_certifying import pledge, why

MERCHANT = key_of("merchant").public
OTHER = key_of("other").public


def knows(scene: Scene, *merchants: bytes) -> None:
    """The log's network file has these merchants."""
    known = KnownLog(key_of("log").public, NO_POLICY)
    scene.log.party = Log(Signer(NETWORK, key_of("log")), known, (), merchants)
    scene.log.__post_init__()


def test_a_log_records_the_sales_of_whom_it_knows(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    knows(scene, OTHER)

    refused(scene, scene.log, deal.authorization_m, Why.UNKNOWN)
    assert isinstance(scene.log.command(Admit(merchant=MERCHANT)), Started)
    assert isinstance(scene.ask(scene.log, deal.authorization_m), Commit)


def test_nobody_but_its_owner_admits(scene: Scene) -> None:
    assert scene.log.takes(frame(Admit(merchant=MERCHANT), 1)) is None
    assert scene.log.closed


def test_no_key_that_is_none_is_admitted(scene: Scene) -> None:
    refusal = body_of(scene.log.command(Admit(merchant=bytes(32))))

    assert isinstance(refusal, Refusal)
    assert refusal.why == Why.WRONG_SIGNER
    assert not scene.log.store.admissions.admitted(bytes(32))


def test_one_merchant_has_so_many_entries_in_an_hour(scene: Scene) -> None:
    knows(scene, MERCHANT)
    scene.log.party.admission.most = 1
    scene.now += HOUR - scene.now % HOUR
    first, second = Deal.authorized(scene), Deal.offered(scene)

    commit = scene.ask(scene.log, first.authorization_m)
    again = scene.ask(scene.log, first.authorization_m)
    refused(scene, scene.log, second.authorization_m, Why.FULL)
    scene.now += HOUR
    third = Deal.offered(scene)

    assert isinstance(commit, Commit)
    assert again == commit
    assert isinstance(scene.ask(scene.log, third.authorization_m), Commit)


def test_pledges_are_admitted_alike() -> None:
    circle = Circle()
    circle.log.party = Log(Signer(NETWORK, key_of("log")), KNOWN, (), [OTHER])
    circle.log.__post_init__()

    assert why(circle.ask(pledge(sale()))) == Why.UNKNOWN
    circle.log.command(Admit(merchant=MERCHANT))
    assert isinstance(circle.ask(pledge(sale())), Pledged)
