"""The paper's section "Trust": what each party must rely on, and what it need not."""

from __future__ import annotations

from dataclasses import replace

from anonnet.errors import Why
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.transaction import log_id
from anonnet.wire.codec import decode
from tests.paper.scenes import PRICE, Deal, Scene, by
from tests.stage import key_of


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
