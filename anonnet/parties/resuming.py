"""What a log under a quorum asks its mirrors before it signs anything: have you seen more of me than I have?

In a snapshot of a disk log.db and lock.db are both old, and fit each other. Put back, they would have the log sign a
second history, and only who was shown the first can tell. What a quorum has cosigned, an honest mirror of every other
quorum has, and whatever it has it tells at once: so a log goes on when a quorum has answered, and each other mirror was
asked. An empty log asks as well: its folder may have been copied before its first entry.
"""

from __future__ import annotations

from typing import Any

from anonnet.errors import Malformed, Why
from anonnet.protocol.answers import check_answer
from anonnet.protocol.known_log import CHAIN, KnownLog, shard_of
from anonnet.protocol.logbook import CheckpointIs, NewestOf
from anonnet.protocol.refusal import Refusal
from anonnet.store.log import LogStore
from anonnet.times import LEAD_SECONDS_MAX, RETENTION_SECONDS
from anonnet.wire.signed import Checked, unsigned


class Resuming:
    """The questions of a log that is about to go on, and what mirrors have answered."""

    def __init__(self, known: KnownLog, store: LogStore, now: int) -> None:
        self._known = known
        self._store = store
        questions = [NewestOf(log=known.identity, shard=shard) for shard in self._shards(now)]
        self.open = dict.fromkeys(known.mirrors, questions)
        """What each mirror is asked, and has not answered."""

    def _shards(self, now: int) -> list[int]:
        """Whatever is not dropped yet: mirrors keep it as long as the log, and a repair puts all of it back."""
        oldest, newest = shard_of(max(0, now - RETENTION_SECONDS)), shard_of(now + LEAD_SECONDS_MAX)
        shards = {CHAIN, *range(oldest, newest + 1), *(head.shard for head in self._store.heads.all())}
        return sorted(shard for shard in shards if not self._store.is_dropped(shard))

    @property
    def missing(self) -> list[str]:
        """The names of the mirrors that have not answered everything."""
        return [name.decode() for mirror, name in self._known.mirrors.items() if self.open[mirror]]

    def may_go_on(self) -> bool:
        """True if enough have answered. Raises BadStart where they have shown what is not here."""
        self._store.check_shown()
        return self._known.agreed({mirror for mirror, questions in self.open.items() if not questions})

    def take(self, mirror: bytes, question: NewestOf, answer: Checked[Any]) -> None:
        """What a mirror said to one of the questions. Raises Malformed where that is no answer to it, and Fatal.

        What it has shown stays, whatever comes of the others: the log has signed it.
        """
        check_answer(unsigned(question).signed, mirror, answer)
        if isinstance(answer.body, CheckpointIs):
            self._compare(question, answer.body)
        elif isinstance(answer.body, Refusal) and answer.body.why != Why.FORGOTTEN:
            raise Malformed(f"a refusal to say what is there: {answer.body.why}")
        self.open[mirror] = [each for each in self.open[mirror] if each != question]

    def _compare(self, question: NewestOf, said: CheckpointIs) -> None:
        if (said.log, said.shard) != (question.log, question.shard):
            raise Malformed("checkpoints of another shard than was asked for")
        for note in said.checkpoints:
            signed = self._known.opened(said.shard, note)
            self._store.answers_for(said.shard, self._known.by_log(said.shard, signed))
