"""Sends the errands that the store says are due, and brings their answers back as turns.

Errands are rows: what is lost here, on a stop or a crash, is sent again after the next start. Only pauses are kept in
memory: after the world has failed, or a peer has babbled, they double from RETRY_SECONDS_MIN to RETRY_SECONDS_MAX, for
the receiver as a whole where it could not be reached. What waits for news at its receiver (a follow, a question about
a checkpoint) is asked again and again: it takes none of the room of the others, and questions of outcomes, which
anybody can have asked without end, none of its room. Logs are followed on connections that are held.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from enum import Enum, auto
from itertools import islice

import trio

from anonnet.errors import Malformed, Refused
from anonnet.limits import (
    ERRANDS_AT_ONCE_MAX,
    ERRANDS_PER_RECEIVER_MAX,
    HELD_PER_RECEIVER_MAX,
    OUTCOMES_PER_RECEIVER_MAX,
)
from anonnet.net.connection import Reply
from anonnet.net.dialing import Dialer
from anonnet.net.following import Following, Reading
from anonnet.net.incidents import Incidents
from anonnet.net.pauses import Pauses
from anonnet.net.trace import Tracer
from anonnet.net.turns import TurnQueue, seconds_until
from anonnet.parties.turn import Answer
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.steps import Step
from anonnet.store.errands import Errand, Errands
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.frames import HEADER
from anonnet.wire.signed import Checked, Signed, payload, received, unsigned

HELD = frozenset({Step.CHECKPOINT_OF, Step.PROOFS_OF, Step.CERTIFICATE_OF})
"""What mirrors hold until there is news."""


class Room(Enum):
    """Which part of the room at its receiver an errand takes."""

    BRIEF = auto()
    HELD = auto()
    OUTCOMES = auto()


ROOM = {
    Room.BRIEF: ERRANDS_PER_RECEIVER_MAX,
    Room.HELD: HELD_PER_RECEIVER_MAX,
    Room.OUTCOMES: OUTCOMES_PER_RECEIVER_MAX,
}
"""How many errands have it at a time."""

Taken = Counter[tuple[bytes, Room]]
"""How many have it now, by receiver."""


class Runner:
    """The errands of one daemon."""

    def __init__(
        self,
        queue: TurnQueue,
        errands: Errands,
        *,
        network: Network,
        dialer: Dialer,
        incidents: Incidents,
        tracer: Tracer,
    ) -> None:
        self._queue = queue
        self._errands = errands
        self._peers = {peer.identity: peer for peer in network.peers if peer.identity not in queue.within}
        self._dialer = dialer
        self._incidents = incidents
        self._tracer = tracer
        self._following = Following(dialer)
        self._under_way: dict[bytes, Errand] = {}
        self._errand_pauses = Pauses[bytes]()
        self._receiver_pauses = Pauses[bytes]()
        self._answered: list[bytes] = []  # since the store was last looked at
        self._stirred = True  # something here may let an errand start that could not when the store was looked at
        self._looked_at = -1  # the errands' changes, when they were
        self._pause_over = self._due = math.inf  # then, by trio's clock and by the machine's, it is looked at again
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run errands until it is cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._queue.looks.append(self._look)
            self._stir()
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._queue.looks.remove(self._look)
                with trio.CancelScope(shield=True):
                    await self._following.aclose()

    def _look(self, now: int) -> float:
        """Between batches: start what is due, say in how many seconds to look again.

        One reading of the clock for all: a pause that ended between two would be over for neither.
        """
        assert self._nursery is not None
        clock = trio.current_time()
        still = not self._stirred and self._errands.changes == self._looked_at
        if still and clock < self._pause_over and now < self._due:
            return self._seconds_left(now, clock)
        self._stirred, self._looked_at = False, self._errands.changes
        self._end_pauses()
        for errand in self._startable(now, clock):
            self._under_way[errand.hash] = errand
            self._nursery.start_soon(self._one, errand)
        for log in self._following.logs:
            if not self._errands.about(log):
                self._nursery.start_soon(self._following.release(log).aclose)
        self._pause_over = min(self._errand_pauses.next_over(clock), self._receiver_pauses.next_over(clock))
        due = self._errands.next_due_after(now)
        self._due = math.inf if due is None else due
        return self._seconds_left(now, clock)

    def _seconds_left(self, now: int, clock: float) -> float:
        return min(self._pause_over - clock, seconds_until(self._due, now))

    def _stir(self) -> None:
        """Have the store looked at again."""
        self._stirred = True
        self._queue.ring()

    def _end_pauses(self) -> None:
        """An errand that its answer has ended needs no pause: the same request, made anew, is sent at once."""
        for hash in self._answered:
            if not self._errands.stands(hash):
                self._errand_pauses.end(hash)
        self._answered.clear()

    def _startable(self, now: int, clock: float) -> list[Errand]:
        """Due, not under way, not paused, and with room for it: first what was never tried, then what was longest ago.
        What its receiver may hold has room of its own, or it would leave none to the others."""
        taken = Taken((each.receiver, _room(each)) for each in self._under_way.values())
        ready = [each for receiver in self._peers for each in self._due_for(receiver, now, clock, taken)]
        chosen = []
        for _, _, hash in sorted((self._errand_pauses.since(hash), due, hash) for due, hash in ready):
            errand = self._errands.get(hash)
            if errand is not None and self._has_room(errand, taken):
                taken[errand.receiver, _room(errand)] += 1
                chosen.append(errand)
        return chosen

    def _has_room(self, errand: Errand, taken: Taken) -> bool:
        room = _room(errand)
        if room is not Room.BRIEF:
            return taken[errand.receiver, room] < ROOM[room]
        most = 1 if self._receiver_pauses.failing(errand.receiver) else ROOM[room]
        brief = sum(count for (_, each), count in taken.items() if each is room)
        return taken[errand.receiver, room] < most and brief < ERRANDS_AT_ONCE_MAX

    def _due_for(self, receiver: bytes, now: int, clock: float, taken: Taken) -> set[tuple[int, bytes]]:
        """(due, hash) of what may go to one receiver: what has been due for longest, and what has just become due, for
        which there may be room where all the former has none. Asked for each peer by itself: errands that one receiver
        does not take, or that go to nobody in the network file, never stand before those of the others."""
        if not self._receiver_pauses.over(receiver, clock):
            return set()
        room = sum(ROOM.values())
        if self._receiver_pauses.failing(receiver):
            room = 0 if taken[receiver, Room.BRIEF] else 1  # one tries for all, or two of different kinds
        most = room + len(self._under_way) + len(self._errand_pauses)
        chosen: set[tuple[int, bytes]] = set()
        for some in (self._errands.waiting_for, self._errands.latest_for):
            free = (
                (due, hash)
                for due, hash in some(receiver, now, most=most)
                if hash not in self._under_way and self._errand_pauses.over(hash, clock)
            )
            chosen.update(islice(free, room))
        return chosen

    async def _one(self, errand: Errand) -> None:
        """One try of one errand, with all that its answers lead on to, confined: a failure of any kind leads to a pause
        and another try."""
        settled, began = False, trio.current_time()

        async def run() -> None:
            nonlocal settled
            settled = await self._tried(errand)

        try:
            await self._incidents.confine(run)
        finally:
            del self._under_way[errand.hash]
            if settled:
                self._errand_pauses.shortest(errand.hash, began)
                self._answered.append(errand.hash)
            else:
                self._errand_pauses.lengthen(errand.hash, began)
            self._stir()

    async def _tried(self, errand: Errand) -> bool:
        """Send, check, bring back, and ask on where the answer leads on. True if all was taken in; False, or an error,
        where the pause must grow."""
        peer = self._peers[errand.receiver]
        with self._following.reading(peer) as reading:
            while True:
                began = trio.current_time()
                try:
                    asked, reply = await self._reply(peer, errand, reading)
                except OSError:
                    self._receiver_pauses.lengthen(errand.receiver, began)
                    return False
                if self._receiver_pauses.failing(errand.receiver):
                    self._receiver_pauses.end(errand.receiver)
                    self._stir()
                answer = self._checked(reply)
                outcome = await self._queue.ask(self._queue.request(answer.body, checked=answer, answers=asked))
                self._trace(peer, asked, reply, began)
                if isinstance(outcome, Malformed) or _is_refusal(outcome):
                    return False
                if outcome.then is None:
                    return True
                self._errand_pauses.end(errand.hash)  # it has worked, however long it may go on
                reading.heard(asked, answer.body)
                errand = replace(errand, request=unsigned(outcome.then).signed)

    async def _reply(self, peer: Peer, errand: Errand, reading: Reading) -> tuple[Errand, Reply]:
        """The errand as it was asked, and its reply. Raises OSError."""

        def reached() -> None:
            """Further errands need not wait for the answer to this one, which may be held."""
            if self._receiver_pauses.failing(peer.identity):
                self._receiver_pauses.end(peer.identity)
                self._stir()

        if _is_follow(errand):
            return await reading.next(errand, reached)
        return errand, await self._dialer.ask(peer, errand.said, reached)

    def _checked(self, reply: Reply) -> Checked[Message]:
        """The answer as its turn will see it. Raises Malformed."""
        party = self._queue.party
        kind = STEPS[reply.step]
        party.door(kind, owner=False, errand=True)
        checked: Checked[Message] = received(party.network, kind, reply.payload)
        try:
            party.check(checked)
        except Refused as refused:
            raise Malformed(f"an answer that would have to be refused: {refused}") from None
        return checked

    def _trace(self, peer: Peer, errand: Errand, reply: Reply, began: float) -> None:
        if not self._tracer.watched:
            return
        asked = (errand.request.step, HEADER.size + len(payload(errand.said)))
        replied = (reply.step, HEADER.size + len(reply.payload))
        self._tracer.exchanged(self._tracer.name, peer.name, asked=asked, replied=replied, began=began)


def _is_follow(errand: Errand) -> bool:
    """It is followed on, and may be held for long at the other end. What is read once in a while, or from another than
    the log, is an errand like any other, with a connection of its own."""
    return errand.request.step == Step.FOLLOW and errand.subject == errand.receiver


def _room(errand: Errand) -> Room:
    if errand.request.step == Step.OUTCOME_OF:
        return Room.OUTCOMES
    return Room.HELD if _is_follow(errand) or errand.request.step in HELD else Room.BRIEF


def _is_refusal(outcome: Answer) -> bool:
    """Our own party refused to take the answer in, so the errand stands and the same would happen at once again."""
    return isinstance(outcome.said, Signed) and outcome.said.step == Step.REFUSED
