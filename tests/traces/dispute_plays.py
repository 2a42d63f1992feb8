"""Plays of disputes: what papers prove is done by whom they bind, and no judge is asked."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.account import Claim
from anonnet.protocol.dispute import Demand
from anonnet.protocol.local import Accuse
from anonnet.protocol.logbook import Entries
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.times import SETTLE_SECONDS
from tests.paper.scenes import LEAD
from tests.traces.plays import curtain, play


@play
def dispute(folder: Path) -> str:
    stage = curtain(folder, "A dispute that needs no judge")
    stage.lost = lambda line: line.kind is Claim or (line.receiver == "consumer" and line.kind in (Commit, Entries))

    stage.act("She buys the song. The log withholds the key from her, and the merchant's claim is lost.")
    purchase = stage.buy()
    stage.settle()
    stage.hold()

    stage.act("She asks the bank, under the keys of her tokens, to show that they are spent: there is the key.")
    stage.consumer.command(Accuse(subject=purchase, claim=Demand.SPENT.value))
    stage.settle()
    stage.hold("consumer")
    stage.lost = lambda line: line.kind is Claim

    stage.act("The merchant shows the bank its promise and the commit. Asked twice, it pays once.")
    (number,) = stage.merchant.store.numbers()
    for _ in range(2):
        stage.merchant.command(Accuse(subject=number, claim=Demand.CREDIT.value))
        stage.settle()
    stage.hold("bank", "merchant")
    return stage.over()


@play
def dispute_after_an_abort(folder: Path) -> str:
    stage = curtain(folder, "Tokens that a bank does not let go")
    stage.lost = lambda line: (
        line.kind is AuthorizationM or (line.kind is Abort and "bank" in (line.sender, line.receiver))
    )

    stage.act("She buys the song; the merchant's commitment is lost.")
    purchase = stage.buy()
    stage.settle()

    stage.act("She claims the tokens before there is an outcome: the bank has promised them.")
    stage.consumer.command(Accuse(subject=purchase, claim=Demand.SPENT.value))
    stage.settle()

    stage.act("The expiration passes. No abort gets to the bank.")
    stage.wait(LEAD + SETTLE_SECONDS + 1)
    stage.hold("bank", "consumer")

    stage.act("She shows it the abort in a dispute, signed with q.")
    stage.consumer.command(Accuse(subject=purchase, claim=Demand.RELEASE.value))
    stage.settle()
    stage.hold("bank", "consumer")
    return stage.over()
