"""The paper's section "Cryptographic Time-Stamps": what stands when a log's key is stolen."""

from __future__ import annotations

from dataclasses import replace

from anonnet.protocol.known_log import Theft
from tests.judge.money_rows import another
from tests.paper.scenes import Deal, Scene
from tests.paper.stamping import TRUSTED, all_at, backdated, stamp
from tests.stage import NETWORK
from tests.world.judge_core import Judge, Verdict


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
