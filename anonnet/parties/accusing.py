"""Accusing: the desk at which wallet and merchant bring disputes before whom their papers bind.

A dispute is an errand like any other, so a crash loses none; what the accused says is kept, and what it has done is
taken in like what it would have said by itself. What it denies, its owner takes to a judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.limits import DISPUTE_BYTES_MAX, RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.dispute import Dispute, Redress
from anonnet.protocol.local import Accusation, AccusationOf, Accuse, Started, fitting
from anonnet.protocol.refusal import NOT_NOW, Refusal
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signed

Draw = Callable[[Turn[Any], Accuse, bytes], tuple[bytes, Signed]]
"""Makes the dispute, given fresh entropy: who is accused, and what is said. Raises Refused."""

Met = Callable[[Turn[Any], bytes, Sequence[Signed]], None]
"""Takes in what the accused has done about the subject, by papers of which nothing is checked yet."""


class Accusing:
    """The desk for accusations."""

    def __init__(self, draw: Draw, met: Met) -> None:
        self._draw = draw
        self._met = met

    @on(Accuse, by=From.OWNER)
    def accuse(self, turn: Turn[Any], asked: Asked[Accuse]) -> Answer:
        return Answer(Started(subject=self.begin(turn, asked.body, asked.entropy)))

    def begin(self, turn: Turn[Any], wish: Accuse, entropy: bytes) -> bytes:
        """Bring a dispute before the accused; return its hash. Raises Refused."""
        accused, dispute = self._draw(turn, wish, entropy)
        if len(encode(dispute)) > DISPUTE_BYTES_MAX:
            raise Refused(Why.FULL, "these papers are too many for a dispute: take them to a judge")
        turn.store.answered.begin_dispute(wish.subject)
        turn.store.errands.add(accused, dispute, subject=wish.subject, due=turn.now)
        return dispute.hash

    @on(AccusationOf, by=From.OWNER)
    def accusation_of(self, turn: Turn[Any], asked: Asked[AccusationOf]) -> Answer:
        subject = asked.body.subject
        answer = turn.store.answered.to_dispute(subject)
        if answer and not _answers(answer, asked.body.dispute):
            answer = None  # it is what somebody else was asked about the same
        stands = turn.store.errands.stands(asked.body.dispute)
        shown = fitting([answer])
        if answer and not shown:
            raise Refused(Why.FULL, "the answer is too long to be shown here: write down the evidence")
        return Answer(Accusation(answers=shown, stands=int(stands)), hold=subject if stands and not answer else b"")

    @on(Redress, by=From.ERRAND)
    def redressed(self, turn: Turn[Any], asked: Asked[Redress]) -> Answer:
        self._keep(turn, asked)
        self._met(turn, answered(asked).subject, asked.body.papers)
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Dispute,))
    def denied(self, turn: Turn[Any], asked: Asked[Refusal]) -> Answer:
        """For a judge, with what the accused has shown."""
        if asked.body.why in NOT_NOW:
            return later(turn, asked, RETRY_SECONDS_MAX)
        self._keep(turn, asked)
        return done(turn, asked)

    def _keep(self, turn: Turn[Any], asked: Asked[Any]) -> None:
        subject = answered(asked).subject
        turn.store.answered.end_dispute(subject, asked.signed)
        turn.store.news.add(subject)


def _answers(answer: Signed, dispute: bytes) -> bool:
    """True if this is about that dispute; it was checked when it came."""
    said = decode(answer.body)
    assert isinstance(said, Redress | Refusal)
    return said.request == dispute
