"""Plays under a quorum: four mirrors, R1 to R4, decide with the log, and three of them are enough."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anonnet.protocol.breach import Alerts, AlertsOf
from anonnet.protocol.purchase import AuthorizationB
from anonnet.times import SETTLE_SECONDS
from tests.mirrors import MIRRORS
from tests.paper.scenes import LEAD, Line
from tests.traces.play import GOODS, Play
from tests.traces.plays import curtain, play


@dataclass
class QuorumPlay(Play):
    """A play with mirrors. What they say to each other and to the log, they say all the time, and a wallet asks them
    again and again whether a log is convicted: neither is told, nor what is lost a second time."""

    mirrored_by: tuple[str, ...] = MIRRORS

    def _tell(self, line: Line, fate: str = "") -> None:
        among_themselves = {line.sender, line.receiver} <= {"log", *MIRRORS}
        again = fate == "lost" and line in self.heard
        if not (among_themselves or again or line.kind in (AlertsOf, Alerts)):
            super()._tell(line, fate)


def mirrored(folder: Path, title: str, **sale: int) -> Play:
    """A stage on which the mirrors have begun to follow the log."""
    stage = curtain(folder, title, kind=QuorumPlay)
    stage.silent = True
    stage.sell(goods=GOODS, **sale)
    stage.pass_time(0)
    stage.silent = False
    return stage


def sells(stage: Play) -> str:
    """A sale from P1 to the credit."""
    stage.act("She buys the song. M pledges P4, and shows k to nobody.")
    stage.buy()
    stage.settle()
    stage.hold()

    stage.act(
        "A second later the pledge is certified. M shows k to the log and the mirrors; the key's certificate is P5a."
    )
    stage.pass_time(1)
    stage.hold("bank", "consumer")

    stage.act("Another second later M has it, too, and claims.")
    stage.pass_time(1)
    stage.hold()
    return stage.over()


@play
def quorum(folder: Path) -> str:
    return sells(mirrored(folder, "A purchase under a quorum"))


@play
def quorum_sealed(folder: Path) -> str:
    return sells(mirrored(folder, "A purchase that neither the log nor its mirrors can read", sealed=1))


@play
def quorum_abort(folder: Path) -> str:
    stage = mirrored(folder, "A sale that fails under a quorum")
    stage.lost = lambda line: line.kind is AuthorizationB and line.receiver == "merchant"

    stage.act("She buys the song; P3 does not get to the merchant.")
    stage.buy()
    stage.settle()

    stage.act("The expiration passes. Who asks makes the log write down that it has.")
    stage.pass_time(LEAD + SETTLE_SECONDS + 1)

    stage.act("The mirrors have read it. Each signs the abort by itself, and three such signatures are an abort.")
    stage.pass_time(1)
    stage.hold()
    return stage.over()
