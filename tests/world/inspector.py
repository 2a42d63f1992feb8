"""Somebody who, when all is quiet, asks the parties again what they have said: it must still be so.

All that is asked and answered here stands on the tape too, where the checkers see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anonnet.limits import BRAND_MARGIN_SECONDS, RETENTION_SECONDS
from anonnet.protocol.account import Claim
from anonnet.protocol.logbook import Follow, OutcomeOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import Message, decode, decode_record
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed
from tests.world.node import Said
from tests.world.tape import Tape

if TYPE_CHECKING:
    from tests.world.world import World

AGAIN = {Step.W1, Step.E1, Step.P2, Step.P3, Step.P4, Step.ORDER, Step.CLAIM, Step.P5A, Step.P5B, Step.OPEN_ACCOUNT}
AGAIN |= {Step.SUBMISSION}
AGAIN_MAX = 40
DAY = 24 * 3600


class Inspector:
    """Asks in the calm, and reads what is answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.world.network.listeners.clear()
        self.answers: dict[int, bytes] = {}
        self._asked = 0

    def ask(self, receiver: str, said: Said) -> int:
        """Say something; the answer comes with the next `wait`."""
        return self._send(receiver, bytes(frame(said, 1)))

    def _send(self, receiver: str, data: bytes) -> int:
        self._asked += 1
        number = self._asked

        def taken(reply: bytes) -> None:
            (answer,) = Frames().feed(reply)
            self.answers[number] = answer.payload

        self.world.network.ask("inspector", receiver, data, taken, lambda: None)
        return number

    def wait(self) -> None:
        """Let everything be answered."""
        self.world.events.run(self.world.events.now + 3.0)

    def ask_all_again(self, tape: Tape) -> None:
        """Repeat requests that were answered with more than a refusal."""
        answered = {
            (answer.heard.sender, request.heard.step, request.heard.payload): None
            for request, answer in tape.pairs
            if request.heard.step in AGAIN and not isinstance(answer.body, Refusal)
        }
        chosen = self.world.chance.sample(list(answered), min(AGAIN_MAX, len(answered)))
        for receiver, step, payload in chosen:
            self._send(receiver, bytes(Frame(step, 1, payload)))
        self.wait()

    def ask_outcomes(self, transactions: list[Transaction]) -> dict[Transaction, Signed | None]:
        """What the log says of each: a commit, an abort, or a refusal that is signed too."""
        asked = {
            each: self.ask(self.world.name_of(each.log), OutcomeOf(transaction=each.public))
            for each in transactions
            if each.log in self.world.directory.logs
        }
        self.wait()
        return {each: self._signed(number) for each, number in asked.items()}

    def answer(self, number: int) -> Message | None:
        """What was answered, without its signatures."""
        signed = self._signed(number)
        return decode(signed.body) if signed else None

    def _signed(self, number: int) -> Signed | None:
        data = self.answers.get(number)
        return decode_record(Signed, data) if data else None

    def read_logs(self, shards: set[int]) -> None:
        """Follow every log from its first entry, in every shard of a transaction that somebody spoke of."""
        for name in self.world.servers:
            if name.startswith("log"):
                log = next(peer.identity for peer in self.world.directory.peers if peer.name == name)
                for shard in sorted(shards):
                    self.ask(name, Follow(log=log, shard=shard, start=0))
        self.wait()

    def claim(self, promise: Signed, commit: Signed) -> int:
        """Have the bank credit what promise and commit prove."""
        bank = promise.signatures[0].signer
        return self.ask(self.world.name_of(bank), Claim(bank=bank, authorization_b=promise, commit=commit))

    def have_all_forget(self) -> None:
        """Let the time pass after which nobody need keep anything, and have everybody forget."""
        self.world.events.jump(RETENTION_SECONDS + BRAND_MARGIN_SECONDS)
        for node in self.world.nodes.values():
            node.forget()
        self.wait()

    def pass_retention(self) -> None:
        """Let the time pass after which a log may have forgotten."""
        self.world.events.jump(RETENTION_SECONDS + DAY)
