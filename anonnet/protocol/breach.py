"""Breaches: that a log has broken its word, shown to a stranger who has the log's key and believes nobody.

    fork       two checkpoints that no tree extends both (anonnet.tlog.fork)
    rule       entries under one checkpoint that the rules forbid, whatever else the tree holds (anonnet.tlog.excerpt)

An alert brings one of them. It stands for itself, so it may come from anybody; an honest log is convicted by none.
What an excerpt cannot show: that something is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from anonnet.errors import Malformed
from anonnet.limits import ALERTS_PAGE, BREACH_BYTES_MAX, FRAME_MAX, KIB
from anonnet.protocol.fields import Hash, Index, Shard
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.rules import Broken, check_excerpt
from anonnet.protocol.steps import Step
from anonnet.protocol.theft import Stolen
from anonnet.tlog import excerpt, fork
from anonnet.tlog.excerpt import Excerpt
from anonnet.tlog.fork import Fork
from anonnet.wire.codec import Between, Message, message


@message(Step.ALERT, signed=False, frame_max=BREACH_BYTES_MAX + KIB)
class Alert(Message):
    """Anyone -> whoever relies on logs: a fork proof, or an excerpt, against this shard of the log. It stands for
    itself."""

    log: Hash
    shard: Shard
    evidence: Annotated[bytes, Between(1, BREACH_BYTES_MAX)]


@message(Step.ALERTS_OF, signed=False, frame_max=KIB)
class AlertsOf(Message):
    """Anyone -> whoever keeps alerts: all of them, from this one on. No log is named: what somebody relies on is
    nobody's business."""

    start: Index


@message(Step.ALERTS, signed=False, frame_max=FRAME_MAX)
class Alerts(Message):
    """The answer: alerts in the order of their coming. As many as one answer holds: there may be more behind them."""

    start: Index
    alerts: Annotated[tuple[Alert, ...], Between(0, ALERTS_PAGE)]


FORK = "fork"
"""The kind of breach that a fork proof shows; all others are called as their rule."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What a log is convicted of: in a word, and in a few."""

    kind: str
    says: str


def is_proof(data: bytes) -> bool:
    """True if these bytes begin as a fork proof or an excerpt does; nothing is checked."""
    return data.startswith((fork.HEADER.encode(), excerpt.HEADER.encode()))


def alert_of(logs: Iterable[KnownLog], evidence: bytes) -> Alert:
    """The alert that brings this evidence, against the log whose shard it names. Raises Malformed, also where that is
    none of these logs."""
    forked = evidence.startswith(fork.HEADER.encode())
    origin = (Fork.parse(evidence).upper if forked else Excerpt.parse(evidence).checkpoint).body.origin
    for known in logs:
        shard = known.shard_called(origin)
        if shard is not None:
            return Alert(log=known.identity, shard=shard, evidence=evidence)
    raise Malformed(f"it is about {origin}, which is no shard of a log that is known here")


def breach(network: str, known: KnownLog, shard: int, evidence: bytes) -> Breach:
    """What this evidence convicts the log of. Raises Malformed where that is nothing."""
    if known.theft is not None:
        raise Stolen(known.theft)
    origin, keys = known.origin(shard), [known.verifier(shard)]
    if evidence.startswith(fork.HEADER.encode()):
        if not Fork.parse(evidence).convicts(origin, keys):
            raise Malformed("a fork proof that proves nothing")
        return Breach(FORK, "it has signed two histories")
    shown = Excerpt.parse(evidence)
    if not shown.holds(origin, keys):
        raise Malformed("an excerpt that the log has not signed for")
    try:
        check_excerpt(network, known, shard, [(leaf.index, leaf.entry) for leaf in shown.leaves])
    except Broken as broken:
        return Breach(broken.rule.name.lower().replace("_", "-"), f"it has broken {broken}")
    raise Malformed("an excerpt that breaks no rule by itself")
