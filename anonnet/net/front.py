"""From a frame to a turn and back: decoding and checking before it, saying after it.

Malformed goes to whoever runs the connection, which is then closed. What the party refuses before the turn is signed
and said like any other refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import trio

from anonnet.errors import Malformed, Refused
from anonnet.net.answering import Asker
from anonnet.net.trace import NOBODY, Tracer
from anonnet.net.turns import TurnQueue, Waiting
from anonnet.parties.turn import Asked, Outcome, Party
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.frames import HEADER, Frame
from anonnet.wire.signed import Checked, Signed, received


@dataclass(frozen=True, slots=True)
class Front:
    """Answers the requests of one connection."""

    queue: TurnQueue
    tracer: Tracer
    channel: bytes
    """Hash of the connection's handshake; empty on the control socket."""
    owner: bool = False
    to: Party | None = None
    """Which of two merged parties is asked; None where there is but one."""

    @property
    def party(self) -> Party:
        """Who is asked."""
        return self.to or self.queue.party

    async def admit(self) -> None:
        """Wait for a slot in the queue of turns."""
        await self.queue.admit()

    def begin(self, request: Frame, asker: Asker) -> None:
        """Check a request and have it decided; the answer is said when it is durable. Raises Malformed."""
        began = trio.current_time()
        asked = self._checked(request)
        if isinstance(asked, Signed):
            self._say(request, asker, began, asked)
            asker.done()
        else:
            self.queue.begin(asked, lambda waiting: asker.soon(partial(self._decided, request, asker, began, waiting)))

    def _decided(self, request: Frame, asker: Asker, began: float, waiting: Waiting) -> None:
        """Its turn is durable."""
        if waiting.settled:
            self._say(request, asker, began, _said(waiting.asked, waiting.outcome))
            asker.done()
        else:
            asker.later(partial(self._awaited, request, asker, began, waiting))

    async def _awaited(self, request: Frame, asker: Asker, began: float, waiting: Waiting) -> None:
        self._say(request, asker, began, _said(waiting.asked, await self.queue.said_of(waiting)))

    def _say(self, request: Frame, asker: Asker, began: float, said: Message | Signed) -> None:
        size = asker.put(said)
        asked = (request.step, HEADER.size + len(request.payload))
        self.tracer.exchanged(NOBODY, self.tracer.name, asked=asked, replied=(said.step, size), began=began)

    def _checked(self, request: Frame) -> Asked[Message] | Signed:
        """The request as the turn will see it, or its refusal. Gives the slot back unless there will be a turn."""
        party = self.party
        asked: Asked[Message] | None = None
        try:
            kind = STEPS[request.step]
            party.door(kind, owner=self.owner, errand=False)
            checked: Checked[Message] = received(party.network, kind, request.payload)
            try:
                party.check(checked)
            except Refused as refused:
                return party.refusal(checked.signed, refused)
            asked = self.queue.request(
                checked.body, checked=checked, owner=self.owner, channel=self.channel, to=self.to
            )
            return asked
        finally:
            if asked is None:
                self.queue.leave()


def _said(asked: Asked[Message], outcome: Outcome | None) -> Message | Signed:
    """Raises Malformed."""
    if isinstance(outcome, Malformed):
        raise outcome
    said = outcome.said if outcome else None
    assert said is not None, f"{type(asked.body).__name__} was left without an answer"
    return said
