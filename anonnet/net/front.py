"""From a frame to a turn and back: decoding and checking before it, saying after it.

Malformed goes to whoever runs the connection, which is then closed. What the party refuses before the turn is signed
and said like any other refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from anonnet.errors import Malformed, Refused
from anonnet.net.answering import Asker
from anonnet.net.inbox import Waiting
from anonnet.net.trace import NOBODY, Tracer
from anonnet.net.turns import TurnQueue
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
        exchange = _Exchange(self, request, asker, trio.current_time())
        asked = self._checked(request)
        if isinstance(asked, Signed):
            exchange.say(asked)
            asker.done()
        else:
            waiting = self.queue.begin(asked, lambda: asker.soon(partial(exchange.decided, waiting)))

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
            asked = self.request(checked.body, checked)
            return asked
        finally:
            if asked is None:
                self.queue.leave()

    def request(self, body: Message, checked: Checked[Any] | None) -> Asked[Any]:
        """What a turn decides for who has said `checked`: that, or what he would ask next."""
        return self.queue.request(body, checked=checked, owner=self.owner, channel=self.channel, to=self.to)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request, from its frame to its reply."""

    front: Front
    request: Frame
    asker: Asker
    began: float

    def decided(self, waiting: Waiting) -> None:
        """Its turn is durable. Raises Malformed."""
        if not waiting.settled:
            self.asker.later(partial(self.awaited, waiting))
        elif further := self.answer(waiting, waiting.outcome):
            self.asker.later(partial(self.go_on, waiting, further))
        else:
            self.asker.done()

    async def awaited(self, waiting: Waiting) -> None:
        """Wait for what is still missing. Raises Malformed."""
        await self.go_on(waiting, self.answer(waiting, await self.front.queue.said_of(waiting)))

    async def go_on(self, said: Waiting, further: Asked[Any] | None) -> None:
        """Say what is to be said after the first answer, each as it comes. Raises Malformed."""
        while further is not None:
            await self.asker.paced()
            said = await self.front.queue.go_on(said, further)
            further = self.answer(said, said.outcome)

    def answer(self, waiting: Waiting, outcome: Outcome | None) -> Asked[Any] | None:
        """Say what came of it; return what is to be decided next for the same asker. Raises Malformed."""
        if isinstance(outcome, Malformed):
            raise outcome
        said = outcome.said if outcome else None
        assert said is not None, f"{type(waiting.asked.body).__name__} was left without an answer"
        self.say(said)
        return self.front.request(outcome.onward, waiting.asked.checked) if outcome and outcome.onward else None

    def say(self, said: Message | Signed) -> None:
        """Reply, and show the exchange to who watches."""
        size, tracer = self.asker.put(said), self.front.tracer
        asked = (self.request.step, HEADER.size + len(self.request.payload))
        tracer.exchanged(NOBODY, tracer.name, asked=asked, replied=(said.step, size), began=self.began)
