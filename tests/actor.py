"""One party with its store, under what the daemon's shell does around it: checks, turns, commits, what finishes them,
answers to its errands, deadlines and forgetting; without a network, and on a clock and a source of chance of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anonnet.errors import Malformed, Refused
from anonnet.parties.merging import Merged
from anonnet.parties.turn import Again, Answer, Asked, Due, Forget, Party, Turns
from anonnet.store.errands import Errand
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.frames import Frame, frame
from anonnet.wire.signed import Signed, received

Said = Message | Signed
"""What one party says to another."""


@dataclass
class Actor:
    """One party with its store, as the shell runs it."""

    name: str
    party: Party
    store: Any
    clock: Callable[[], int]
    entropy: Callable[[], bytes]
    rerun: bool = True
    closed: list[str] = field(default_factory=list)
    """Why connections to this actor were closed: the Malformed it met."""

    def __post_init__(self) -> None:
        self.turns: Turns[Any] | Merged = Turns(self.party, self.store, self._report, rerun=self.rerun)

    def _report(self, bug: Exception, asked: Asked[Any]) -> str:
        raise AssertionError(f"{self.name} met a bug at {type(asked.body).__name__}") from bug

    def takes(self, frame: Frame, *, owner: bool = False, answers: Errand | None = None) -> Said | None:
        """Take a frame as it comes from a connection; give what is replied, or None if nothing is."""
        try:
            kind = STEPS[frame.step]
            checked = received(self.party.network, kind, frame.payload)
            self.party.door(kind, owner=owner, errand=answers is not None)
            try:
                self.party.check(checked)
            except Refused as refused:
                return None if answers else self.party.refusal(checked.signed, refused)
            asked = Asked(
                body=checked.body,
                arrival=self.clock(),
                entropy=self.entropy(),
                checked=checked,
                answers=answers,
                owner=owner,
                channel=bytes(32),
                to=self.party,
            )
            return self.run(asked)
        except Malformed as malformed:
            self.closed.append(str(malformed))
            return None

    def run(self, asked: Asked[Any]) -> Said | None:
        """One turn with its commit, and what finishes it. Raises Malformed."""
        (outcome,) = self.turns.run_turns([asked], self.clock())
        self.turns.store.commit()
        if isinstance(outcome, Malformed):
            raise outcome
        return self.finish(outcome, asked)

    def finish(self, outcome: Answer, asked: Asked[Any]) -> Said | None:
        """What stands between a durable turn and its reply."""
        if outcome.finish is None:
            return outcome.said
        hash(outcome.finish)  # the shell makes it once for all who wait for the same
        try:
            made = self.party.finish(outcome.finish)
        except Refused as refused:
            return self.party.refusal(asked.signed, refused)
        if not isinstance(made, Again):
            return made
        return self.run(
            Asked(body=made.body, arrival=asked.arrival, entropy=self.entropy(), checked=asked.checked, owner=True)
        )

    def command(self, body: Message) -> Any:
        """A command of the owner, and its answer."""
        return self.takes(frame(body, 0), owner=True)

    def inform(self, body: object) -> None:
        """What the daemon itself brings to its party."""
        self.run(Asked(body=body, arrival=self.clock(), entropy=self.entropy(), owner=True, to=self.party))

    def remind(self) -> None:
        """Let deadlines that have passed be met."""
        deadline = self.turns.store.next_deadline()
        if deadline is not None and deadline <= self.clock():
            self.inform(Due())

    def forget(self, pieces: int | None = None) -> None:
        """Drop what need not be kept any more, piece by piece, as the shell has it done once a day; or so many."""
        more = True
        while more and pieces != 0:
            pieces = None if pieces is None else pieces - 1
            asked = Asked(body=Forget(), arrival=self.clock(), entropy=self.entropy(), owner=True, to=self.party)
            (outcome,) = self.turns.run_turns([asked], self.clock())
            self.turns.store.commit()
            assert isinstance(outcome, Answer), outcome
            more = outcome.more

    def merge(self, log: Actor) -> None:
        """From now on this actor and a log, whose store is in this one's database, have their turns together."""
        assert isinstance(self.turns, Turns)
        assert isinstance(log.turns, Turns)
        self.turns = log.turns = Merged(self.turns, log.turns)
