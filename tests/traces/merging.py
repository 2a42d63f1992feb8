"""Plays of merged parties, each beside the same sale between parties that are not: so many messages fewer pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anonnet.protocol.purchase import AuthorizationM
from anonnet.times import SETTLE_SECONDS
from tests.paper.scenes import LEAD, PRICE
from tests.traces.play import Play
from tests.traces.plays import PLAYS, curtain, play

__all__ = ["PLAYS"]


@play
def merged_bank_and_log(folder: Path) -> str:
    stage, apart = both(folder, "The bank runs the log", "bank")

    stage.act("She buys the song. What the log records, the bank has settled in the same transaction.")
    compare(stage, apart, sells)
    stage.hold()

    stage.act("She buys it again, and P4 is lost. The log gives the abort, and the bank frees the tokens with it.")
    compare(stage, apart, fails)
    stage.hold("bank", "consumer")
    return stage.over()


@play
def merged_merchant_and_log(folder: Path) -> str:
    stage, apart = both(folder, "The merchant runs the log", "merchant")

    stage.act("She buys the song. When the merchant has taken P3 in, the sale has committed: P4 and P5a never travel.")
    compare(stage, apart, sells)
    stage.hold()
    return stage.over()


def both(folder: Path, title: str, merged: str) -> tuple[Play, Play]:
    """A stage on which the log is merged with another party, and one on which it is not."""
    folders = folder / "merged", folder / "apart"
    for each in folders:
        each.mkdir()
    return curtain(folders[0], title, merged=merged), curtain(folders[1], title)


def compare(stage: Play, apart: Play, act: Callable[[Play], None]) -> None:
    """Act something out on both, and count the messages. The other one's transcript is not shown."""
    counts = []
    for each in (stage, apart):
        before = len(each.heard)
        act(each)
        counts.append(len(each.heard) - before)
    stage.aside(f"These are {counts[0]} messages. Where the log is a party of its own, they are {counts[1]}.")


def sells(stage: Play) -> None:
    stage.buy()
    stage.settle()


def fails(stage: Play) -> None:
    stage.silent = True
    stage.fund(stage.account(stage.consumer), PRICE)
    stage.withdraw(PRICE)
    stage.silent = False
    stage.lost = lambda line: line.kind is AuthorizationM
    sells(stage)
    stage.wait(LEAD + SETTLE_SECONDS + 1)
