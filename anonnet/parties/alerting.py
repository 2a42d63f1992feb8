"""Alerts against logs: the desk that bank and merchant share. A log that has forked gets no new sale from them.

An alert stands for itself, whoever brings it. It is kept, and passed on once to everyone else who relies on logs. What
has its certificate, or its outcome, stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from anonnet.errors import Malformed, Refused, Why
from anonnet.parties.errands import done
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.outcome import Logs
from anonnet.protocol.quorum import Alert
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.tlog.fork import Fork


class Alerting:
    """Takes alerts against these logs in, and tells these parties."""

    def __init__(self, logs: Logs, told: Collection[bytes]) -> None:
        self._logs = logs
        self._told = told

    def refuse_forked(self, turn: Turn[Any], log: bytes) -> None:
        """Raise Refused where nothing new may rest on this log."""
        if turn.store.alerts.against(log):
            raise Refused(Why.WRONG_LOG, "this log has forked")

    @on(Alert)
    def alert(self, turn: Turn[Any], asked: Asked[Alert]) -> Answer:
        """Raises Malformed where it convicts nobody."""
        said = asked.body
        known = self._logs.get(said.log)
        if known is None:
            raise Refused(Why.WRONG_LOG, "a log that is not accepted here")
        if not Fork.parse(said.fork).convicts(known.origin(said.shard), [known.verifier(said.shard)]):
            raise Malformed("a fork proof that proves nothing")
        if turn.store.alerts.keep(said.log, said.shard, said.fork, turn.now):
            turn.store.errands.add_for_each(self._told, said, subject=said.log, due=turn.now)
        return Answer(Noted(request=asked.signed.hash))

    @on(Noted, by=From.ERRAND, to=(Alert,))
    def noted(self, turn: Turn[Any], asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Alert,))
    def not_wanted(self, turn: Turn[Any], asked: Asked[Refusal]) -> Answer:
        """It does not rely on this log."""
        return done(turn, asked)
