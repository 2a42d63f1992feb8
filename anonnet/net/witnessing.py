"""From what was posted to a mirror's web server to a turn of the mirror, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anonnet.net.turns import TurnQueue
from anonnet.parties.turn import Answer
from anonnet.protocol.witnessing import AddCheckpoint, CheckpointAdded

Witness = Callable[[bytes], Awaitable[CheckpointAdded]]
"""Given the body of an add-checkpoint request, what it is to be answered."""

INCIDENT = CheckpointAdded(status=500, media_type="text/plain; charset=utf-8", answer=b"a bug: it was written down\n")


def witness_of(queue: TurnQueue) -> Witness:
    """Have the mirror decide in a turn: what it answers is durable."""

    async def ask(request: bytes) -> CheckpointAdded:
        outcome = await queue.ask(queue.request(AddCheckpoint(request=request), owner=True))
        said = outcome.said if isinstance(outcome, Answer) else None
        return said if isinstance(said, CheckpointAdded) else INCIDENT

    return ask
