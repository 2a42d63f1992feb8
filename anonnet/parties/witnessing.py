"""What a mirror does for logs that are none of its network's: it cosigns their checkpoints as a witness.

Such a cosignature says that this tree extends every tree of that log that was cosigned here before. It does not say
that anybody has looked at the entries; so it is made with a key of its own, which stands in no policy of a log of ours.
"""

from __future__ import annotations

from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.witnessing import AddCheckpoint, CheckpointAdded
from anonnet.store.mirror import MirrorStore
from anonnet.tlog.note import Signer
from anonnet.tlog.policy import Policy
from anonnet.tlog.witness import add_checkpoint


class Witnessing:
    """The desk of a mirror that witnesses."""

    def __init__(self, cosigner: Signer, foreign: Policy) -> None:
        """`foreign` lists the logs whose checkpoints are cosigned."""
        self._cosigner = cosigner
        self._logs = {
            log.key.name: [each.key for each in foreign.logs if each.key.name == log.key.name] for log in foreign.logs
        }

    @on(AddCheckpoint, by=From.OWNER)
    def add_checkpoint(self, turn: Turn[MirrorStore], asked: Asked[AddCheckpoint]) -> Answer:
        """Compare and keep in one turn, so that no slow request takes back what a later one has grown."""
        witnessed = turn.store.witnessed
        decided = add_checkpoint(asked.body.request, self._logs, witnessed.state, [self._cosigner], turn.now)
        if decided.state is not None:
            witnessed.keep(decided.origin, decided.state)
        said = CheckpointAdded(status=decided.status, media_type=decided.content_type, answer=decided.body)
        return Answer(said)
