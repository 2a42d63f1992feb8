"""Alerts against logs: the desk of everyone who relies on logs and can be reached.

An alert stands for itself, whoever brings it. It is kept, and passed on once to others. A log that is convicted gets no
new sale; what has its certificate, or its outcome, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.limits import ALERTS_PAGE
from anonnet.parties.errands import done
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.breach import Alert, Alerts, AlertsOf, breach
from anonnet.protocol.outcome import Logs
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.wire.signed import unsigned

SUBJECT = b"alerts"
"""What the errands of this desk are about."""

Convicted = Callable[[Turn[Any], Alert], None]
"""Called in the turn with an alert that convicts its log."""


def nothing_more(turn: Turn[Any], alert: Alert) -> None:
    """An alert is kept and passed on; this party has no copy of the log to freeze."""


class Alerting:
    """Takes alerts against these logs in, and tells these parties."""

    def __init__(self, network: str, logs: Logs, told: Collection[bytes], convicted: Convicted = nothing_more) -> None:
        self._network = network
        self._logs = logs
        self._told = tuple(told)
        self._convicted = convicted

    def refuse_convicted(self, turn: Turn[Any], log: bytes) -> None:
        """Raise Refused where nothing new may rest on this log."""
        alert = self.against(turn, log)
        if alert:
            raise Refused(Why.LOG_CONVICTED, "it has forked, or broken a rule", evidence=[unsigned(alert).signed])

    def against(self, turn: Turn[Any], log: bytes) -> Alert | None:
        """What convicts this log, as far as it is known here."""
        found = turn.store.alerts.against(log)
        return Alert(log=log, shard=found[0], evidence=found[1]) if found else None

    def take_in(self, turn: Turn[Any], alert: Alert) -> None:
        """Keep an alert and pass it on. Raises Malformed where it convicts nobody, Refused."""
        known = self._logs.get(alert.log)
        if known is None:
            raise Refused(Why.WRONG_LOG, "a log that is not known here")
        breach(self._network, known, alert.shard, alert.evidence)
        if turn.store.alerts.keep(alert.log, alert.shard, alert.evidence, turn.now):
            turn.store.errands.add_for_each(self._told, alert, subject=SUBJECT, due=turn.now)
        self._convicted(turn, alert)

    @on(Alert)
    def alert(self, turn: Turn[Any], asked: Asked[Alert]) -> Answer:
        self.take_in(turn, asked.body)
        return Answer(Noted(request=asked.signed.hash))

    @on(AlertsOf)
    def alerts(self, turn: Turn[Any], asked: Asked[AlertsOf]) -> Answer:
        """Whoever asks is told of every log alike."""
        start = asked.body.start
        kept = turn.store.alerts.proven(start, most=ALERTS_PAGE)
        alerts = tuple(Alert(log=log, shard=shard, evidence=evidence) for log, shard, evidence in kept)
        return Answer(Alerts(start=start, alerts=alerts))

    @on(Noted, by=From.ERRAND, to=(Alert,))
    def noted(self, turn: Turn[Any], asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Alert,))
    def not_wanted(self, turn: Turn[Any], asked: Asked[Refusal]) -> Answer:
        """It does not know this log."""
        return done(turn, asked)
