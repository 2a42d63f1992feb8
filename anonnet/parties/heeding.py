"""The consumer's desk for alerts: she hears which logs are convicted, and pays by none of them.

She asks every mirror for all the alerts that it keeps, each on a circuit of its own, at the wallet's start, once a day
and when she orders something: no log is named, so nobody is shown by which one she pays. What a mirror says is believed
only as far as it proves itself; she tells nobody. What she has bound to a sale already ends as ever.
"""

from __future__ import annotations

from anonnet.errors import Malformed, Why
from anonnet.limits import ALERTS_PAGE, ALERTS_READ_MAX
from anonnet.parties.alerting import SUBJECT
from anonnet.parties.errands import answered, done, request
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.breach import Alert, Alerts, AlertsOf, breach
from anonnet.protocol.network import Network, Role
from anonnet.protocol.refusal import Refusal
from anonnet.store.wallet import WalletStore
from anonnet.wire.codec import decode

WalletTurn = Turn[WalletStore]


class Heeding:
    """The desk for alerts."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._logs = network.logs
        self._mirrors = [peer.identity for peer in network.all(Role.MIRROR)]

    def ask(self, turn: WalletTurn) -> None:
        """Have one question at each mirror: what convicts anybody?"""
        turn.store.errands.add_for_each(self._mirrors, AlertsOf(start=0), subject=SUBJECT, due=turn.now)

    def complaint(self, turn: WalletTurn, log: bytes) -> str:
        """Why no new sale is to rest on this log, in words; empty if nothing speaks against it."""
        if not turn.store.alerts.against(log):
            return ""
        name = self._network.called(log)
        return f"{name} is convicted of having forked or broken a rule (see wallet alerts): pay by another log"

    def shown(self, turn: WalletTurn, refusal: Refusal, log: bytes) -> bool:
        """Take in the alerts that a refusal carries; true if it refuses because of one against this log. Raises
        Malformed."""
        alerts = [decode(paper.body) for paper in refusal.evidence if paper.step == Alert.step]
        for alert in alerts:
            assert isinstance(alert, Alert)
            self._take_in(turn, alert)
        return refusal.why == Why.LOG_CONVICTED and any(isinstance(each, Alert) and each.log == log for each in alerts)

    def _take_in(self, turn: WalletTurn, alert: Alert) -> None:
        """Keep an alert against a log of this network. Raises Malformed where it convicts nobody."""
        known = self._logs.get(alert.log)
        if known is not None:
            breach(self._network.name, known, alert.shard, alert.evidence)
            turn.store.alerts.keep(alert.log, alert.shard, alert.evidence, turn.now)

    @on(Alerts, by=From.ERRAND)
    def alerts(self, turn: WalletTurn, asked: Asked[Alerts]) -> Answer:
        """Take them in; where there may be more of them, ask on."""
        said, question = asked.body, request(asked)
        assert isinstance(question, AlertsOf)
        if said.start != question.start:
            raise Malformed("alerts from another place than was asked for")
        for alert in said.alerts:
            self._take_in(turn, alert)
        start = said.start + len(said.alerts)
        if len(said.alerts) == ALERTS_PAGE and start < ALERTS_READ_MAX:
            mirror = answered(asked).receiver
            turn.store.errands.add_for_each([mirror], AlertsOf(start=start), subject=SUBJECT, due=turn.now)
        return done(turn, asked)
