"""Merged parties: a log within the bank, or within a merchant (paper, section "Trust").

"If the merchant is assumed to trust the bank not to conspire with the consumer, the transaction protocol can be
simplified by merging the bank and the log"; "if the consumer is assumed to trust the merchant to make timely delivery
of the key [...], then the transaction protocol can be simplified by merging the merchant and the log".

Each keeps its own key, handlers and tables, so that nobody else need know. What they ask each other is asked and
answered behind the turns of a batch, in its transaction: what the log records and what its host does about it become
durable together, or not at all, and no message passes. Only a log that decides alone can be merged: where mirrors
decide with it, nothing that it records settles a sale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anonnet.errors import Malformed, Refused
from anonnet.limits import MERGED_QUESTIONS_MAX
from anonnet.parties.bank import Bank
from anonnet.parties.log import Log
from anonnet.parties.merchant import Merchant
from anonnet.parties.turn import ENTROPY_BYTES, Answer, Asked, Outcome, Party, Turns
from anonnet.parties.waiting import Waiting
from anonnet.store.errands import Errand
from anonnet.store.joint import Joint
from anonnet.store.log import LogStore
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.signed import Checked, Signed, payload, received

NO_ENTROPY = bytes(ENTROPY_BYTES)
"""For a question to the log and its answer: those who handle them choose nothing."""


class Merged:
    """The turns of a party and of the log that is merged with it."""

    def __init__(self, host: Turns[Any], log: Turns[LogStore]) -> None:
        assert isinstance(host.party, Bank | Merchant), "a log is merged with a bank or with a merchant"
        assert isinstance(log.party, Log), "only a log is merged with another party"
        assert log.party.known.decides_alone, "a log that does not decide alone is not merged"
        self.party = host.party
        identities = host.party.key, log.party.identity
        self.within = frozenset(identities)
        """Who is asked behind the turns, and not over the network."""
        self.store = Joint(host.store, log.store, identities)
        self._host = host
        self._log = log
        self._identity = log.party.identity
        self._waiting = Waiting()

    @property
    def parties(self) -> tuple[Party, ...]:
        """Whose turns are run."""
        return self._host.party, self._log.party

    def run_turns(self, batch: Sequence[Asked[Any]], now: int) -> list[Outcome]:
        """Run a batch in one transaction, which is left open, and with it whatever it leads to between the two."""
        self.store.begin()
        self._waiting.catch_up(self.store.errands, now)
        before = self.store.changes
        outcomes = [(self._log if asked.to is self._log.party else self._host).turn(asked, now) for asked in batch]
        if self.store.changes != before:
            self.store.advance(now)
        self._ask_among_themselves(now, before)
        return outcomes

    def _ask_among_themselves(self, now: int, before: int) -> None:
        """Until what there is to ask stays the same, or has been much: it is asked again with later batches."""
        asked, most = list[Errand](), MERGED_QUESTIONS_MAX
        while (questions := self.store.questions(now, most=most)) != asked:
            self.store.seal()
            for errand in questions:
                self._ask(errand, now, before)
            asked, most = questions, max(0, most - sum(each.subject != self._identity for each in questions))

    def _ask(self, errand: Errand, now: int, before: int) -> None:
        """Ask, and bring the answer home. One that could be held, since there is nothing new, only tells who does not
        wait any more that it need not: nothing is written for it in a batch that has written nothing (`before`)."""
        answer = self._heard(self._log if errand.receiver == self._identity else self._host, errand.said, now)
        if isinstance(answer, Answer) and (not answer.held or self.store.changes != before):
            assert answer.said is not None, "what they ask each other is answered in the turn"
            self._heard(self._host, answer.said, now, errand)

    def _heard(self, turns: Turns[Any], said: Message | Signed, now: int, errand: Errand | None = None) -> Outcome:
        """What comes of something that the one says to the other: it is checked as if a stranger had said it."""
        party = turns.party
        try:
            party.door(STEPS[said.step], owner=False, errand=errand is not None)
            checked: Checked[Message] = received(party.network, STEPS[said.step], payload(said))
            party.check(checked)
        except Malformed as malformed:
            return malformed
        except Refused as refused:
            return Answer(party.refusal(checked.signed, refused))
        return turns.turn(Asked(checked.body, now, NO_ENTROPY, checked, errand), now)
