"""A play of a log that has forked: everyone is told, and no new sale rests on it."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.refusal import Refusal
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from tests.mirrors import Pen, tick
from tests.paper.scenes import PRICE, body_of
from tests.traces.play import Play
from tests.traces.plays import curtain, play
from tests.unit.parties.test_resting import wish


def forked(stage: Play) -> Alert:
    """Two histories of one shard, both signed by the log."""
    known = stage.network.logs[stage.log_name]
    pen = Pen(known, shard=shard_of(stage.now), begun=stage.now)
    branch = pen.copy()
    pen.write(tick(stage.now))
    branch.write(tick(stage.now + 1))
    one, other = (SignedCheckpoint.parse(each.notes[2]) for each in (pen, branch))
    return Alert(log=known.identity, shard=pen.shard, evidence=Fork(one, other).encoded())


@play
def convicted_log(folder: Path) -> str:
    stage = curtain(folder, "A log that has forked")
    stage.silent = True
    stage.fund(stage.account(stage.consumer), PRICE)
    stage.withdraw(PRICE)
    stage.silent = False

    stage.act("The consumer buys a song. The log records the sale.")
    stage.buy()
    stage.settle()

    stage.act("A mirror brings the bank two histories that the log has signed. Each tells each other one, once.")
    stage.say("mirror", stage.bank, forked(stage))
    stage.settle()
    stage.hold()

    stage.act("She has not heard of it, and buys another one. The bank shows her why not, and her tokens are free.")
    stage.buy()
    stage.settle()
    stage.hold("bank", "consumer")

    stage.act("She tries again.")
    refusal = body_of(stage.consumer.command(wish(stage)))
    assert isinstance(refusal, Refusal)
    stage.aside(f"Her wallet asks nobody, and says: {refusal.detail}.")
    return stage.over()
