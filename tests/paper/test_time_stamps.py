"""The paper's section "Cryptographic Time-Stamps": when P4 came, and what stands if the log lies, or loses its key."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from anonnet.protocol.known_log import Theft
from anonnet.protocol.logbook import EntryKind, Undecided
from anonnet.protocol.quorum import Certificate, CertificateOf
from anonnet.times import BEHIND_SECONDS
from tests.judge.money_rows import another
from tests.mirrors import EXPIRATION, MIRRORS, Pen, Wall, pledge, sale, tick
from tests.paper.scenes import Deal, Scene, body_of
from tests.paper.stamping import TRUSTED, all_at, backdated, stamp
from tests.reading import commits
from tests.stage import NETWORK, NOON
from tests.world.judge_core import Judge, Verdict


def test_p4_is_stamped_with_the_second_of_its_arrival(scene: Scene) -> None:
    """ "An important function of the log is to time-stamp the arrival of P4": whoever reads the log sees when it came,
    which is neither when the sale was agreed upon nor when it would have expired."""
    deal = Deal.authorized(scene)
    scene.now += 7
    arrived = scene.now
    scene.ask(scene.log, deal.authorization_m)
    scene.now += 7

    (recorded,) = commits(partial(scene.ask, scene.log), scene.log_name)

    assert recorded.time == arrived < deal.transaction.expiration


def test_no_log_records_in_the_past_what_others_have_seen_without_it() -> None:
    """ "In order to reduce the trust that the parties must place in the log's honesty, cryptographic time-stamping may
    also be employed": the log waits until the sale has failed, and writes a pledge as if it had come in time. Mirrors
    that saw the log at the expiration do not stamp it; those that had not would."""
    pen = Pen()
    late = pen.copy()
    pen.write(tick(EXPIRATION + 1))
    late.write(pledge(sale(), NOON), tick(EXPIRATION + 2))
    stamped = {}
    for shown in (pen, late):
        wall = Wall(shown)
        wall.now = EXPIRATION + 1
        wall.settle()
        wall.pens = dict.fromkeys(wall.pens, late)
        wall.pass_time(BEHIND_SECONDS)
        question = CertificateOf(transaction=sale(), kind=int(EntryKind.PLEDGE))
        stamped[shown is pen] = {type(body_of(said)) for name in MIRRORS if (said := wall.ask(name, question))}

    assert stamped == {True: {Undecided}, False: {Certificate}}


def test_entries_made_before_the_log_was_compromised_may_still_be_trusted(scene: Scene) -> None:
    """ "Cryptographic time-stamping will give the additional property that if the log is compromised, the log entries
    made prior to the time of compromise may still be trusted" (Cryptographic Time-Stamps)."""
    deal, forged = Deal.committed(scene), Deal.authorized(scene, another(scene))
    before, stolen, after = (scene.now + seconds for seconds in (1, 60, 61))
    logs = {name: replace(log, theft=Theft(stolen, TRUSTED)) for name, log in scene.network.logs.items()}
    judge = Judge(NETWORK, scene.bank_key, logs, [each.brand for each in scene.network.brands])

    seen = judge.merchant_claims(deal.authorization_b, stamp(deal, all_at(before)))
    unseen = judge.merchant_claims(deal.authorization_b, deal.outcome)
    seen_late = judge.merchant_claims(deal.authorization_b, stamp(deal, all_at(after)))
    backdated_by_the_thief = judge.merchant_claims(forged.authorization_b, backdated(forged, all_at(after)))

    assert seen is Verdict.BANK_OWES_CREDIT, "made prior to the time of compromise, as others have seen"
    assert {unseen, seen_late, backdated_by_the_thief} == {Verdict.NOTHING}, "the thief may have made it"
