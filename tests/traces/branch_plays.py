"""A play of a log that has another branch certified for the bank alone, with more mirrors that lie than may."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import CheckpointsSeen, EntryKind
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM
from anonnet.protocol.quorum import Certificate
from anonnet.store.errands import Errand
from anonnet.times import COMPARE_SECONDS
from anonnet.wire.codec import decode, encode
from tests.mirrors import MIRRORS, Pen, certificate, entry
from tests.paper.scenes import PRICE, by
from tests.stage import key_of
from tests.traces.play import Play
from tests.traces.plays import play
from tests.traces.quorum_plays import mirrored


@play
def two_branches(folder: Path) -> str:
    stage = mirrored(folder, "A log that shows the bank another branch")

    stage.act("She buys the song under a quorum, and the bank credits it by the key's certificate.")
    stage.silent = True
    stage.buy()
    stage.settle()
    stage.pass_time(1)
    stage.pass_time(1)
    stage.silent = False
    stage.hold("bank", "log")

    stage.act("Ten seconds later the bank shows each mirror under which checkpoint that was.")
    stage.now += COMPARE_SECONDS
    for errand in shown(stage):
        stage.run_errand(stage.bank, errand)

    stage.act(
        "The log records nothing of a second sale. But it signs a branch for the bank alone, as three mirrors do."
    )
    stage.say("log", stage.bank, certified_apart(stage))
    stage.hold("bank", "log")

    stage.act("Ten seconds later the bank shows that, too. The mirror has another tree, and both are signed.")
    stage.now += COMPARE_SECONDS
    stage.run_errand(stage.bank, shown(stage)[0])
    stage.silent = True
    stage.settle()
    stage.silent = False
    knowing = [actor.name for actor in stage.actors if actor.store.alerts.against(stage.log_name)]
    stage.aside(f"Each tells each other one. The proof is with {', '.join(map(stage.cast.party, knowing))}.")
    return stage.over()


def shown(stage: Play) -> list[Errand]:
    """What the bank has to show now, to the mirrors in their order."""
    errands = [each for each in stage.bank.store.errands.due(stage.now, most=99) if _shows(each)]
    order = [key_of(name).public for name in MIRRORS]
    return sorted(errands, key=lambda each: order.index(each.receiver))


def _shows(errand: Errand) -> bool:
    return isinstance(errand.message, CheckpointsSeen)


def certified_apart(stage: Play) -> Certificate:
    """The commit of a sale that is promised now, in a tree which holds nothing else."""
    stage.silent = True
    stage.lost = lambda line: line.receiver == "merchant" and line.kind is AuthorizationB
    stage.fund(stage.account(stage.consumer), PRICE)
    stage.withdraw(PRICE)
    stage.buy()
    stage.settle()
    stage.silent = False
    promise = decode(stage.paper(AuthorizationB).body)
    assert isinstance(promise, AuthorizationB)
    transaction = promise.transaction
    sale = stage.merchant.store.by_number(transaction.number)
    p4 = by("merchant", AuthorizationM.answering(promise, sale.key))
    pen = Pen(stage.network.logs[stage.log_name], shard=shard_of(transaction.expiration), begun=stage.now)
    pen.write(entry(EntryKind.KEY, stage.now, encode(p4), transaction.outcome_key))
    said = decode(certificate(pen).body)
    assert isinstance(said, Certificate)
    return said
