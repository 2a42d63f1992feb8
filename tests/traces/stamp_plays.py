"""A play of cryptographic time-stamps: what witnesses had seen outlives the log's key."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.known_log import Theft
from anonnet.protocol.purchase import Commit
from anonnet.wire.signed import Signed
from tests.judge.court import Court
from tests.paper.scenes import PRICE, Deal, body_of, by
from tests.paper.stamping import TRUSTED, all_at, backdated, stamp
from tests.traces.play import Play
from tests.traces.plays import by_hand, play
from tests.traces.script import about, rendered

HOUR = 3600


@play
def time_stamp(folder: Path) -> str:
    stage, hand = by_hand(folder, "A time-stamp outlives the log's key", 2 * PRICE)

    stage.act("She buys the song, and the log records the sale.")
    sold = Deal.authorized(stage, hand)
    commit = stage.say("merchant", stage.log, sold.authorization_m)
    assert isinstance(commit, Signed)

    stage.act(
        "Ten seconds later three witnesses, V1 to V3, cosign the log's checkpoint. The merchant is given that, too."
    )
    stage.now += 10
    seen = stamp(sold, all_at(stage.now))
    stage.aside(f"The time-stamp: {rendered(stage.cast, body_of(seen))}.")

    stage.act("An hour later the log's key is stolen. Merchant and thief agree on a sale that the log never recorded.")
    stage.now += HOUR
    theft, stage.silent = Theft(stage.now, TRUSTED), True
    unsold = Deal.authorized(stage, hand)
    forged = by("log", Commit(authorization_m=unsold.authorization_m, index=2))
    late = backdated(unsold, all_at(stage.now))
    stage.silent = False
    stage.aside(f"The thief signs P5a: {rendered(stage.cast, forged)}.")
    written = rendered(stage.cast, body_of(late))
    stage.aside(f"He writes it into a tree of his own, as if it were old, and has it cosigned: {written}.")

    stage.act("The merchant brings his papers before a judge, who has not heard of the theft.")
    plead(stage, None, [sold.authorization_b, commit])
    plead(stage, None, [unsold.authorization_b, forged])

    stage.act(f"The judge is told: that key was stolen at {stage.cast.time(theft.at)}.")
    plead(stage, theft, [sold.authorization_b, commit])
    plead(stage, theft, [unsold.authorization_b, forged])
    plead(stage, theft, [unsold.authorization_b, late])
    plead(stage, theft, [sold.authorization_b, seen])
    return stage.over()


def plead(stage: Play, theft: Theft | None, papers: list[Signed]) -> None:
    """Somebody shows these to the judge; what he says."""
    names = {stage.bank_key: "B", stage.merchant_key: "M", stage.log_name: "L"}
    verdict = Court(stage).judges(papers, theft=theft)
    stage.told.append(f"  M shows {' and '.join(about(stage.cast, paper) for paper in papers)}.")
    for finding in verdict.findings:
        stage.aside(finding.told(finding.says, names))
    for reason in verdict.set_aside:
        stage.aside(f"Set aside: {reason}.")
