"""Comparing what logs have shown: the desk of those who rely on logs and hold no copy of them, banks and merchants.

What a log has signed for them goes to the mirrors that follow it, who hold the whole tree. So a log that shows one
branch to one and another one to another is convicted by the two, also where more mirrors lie with it than may. No sale
waits for that: a checkpoint is shown COMPARE_SECONDS after it came, with the others that have come meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from anonnet.errors import Malformed, Why
from anonnet.limits import RELIED_MAX, RETRY_SECONDS_MAX, SEEN_MAX
from anonnet.parties.alerting import Alerting
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import CheckpointsSeen, Entries
from anonnet.protocol.outcome import Logs
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.store.relied import about
from anonnet.times import COMPARE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed


class Comparing:
    """Remembers the checkpoints that its party relies on, and shows them."""

    def __init__(self, logs: Logs, alerting: Alerting, beside: Collection[bytes] = ()) -> None:
        """`beside`: the network's mirrors, who all follow the logs that decide alone."""
        self._logs = logs
        self._alerting = alerting
        self._beside = tuple(beside)

    def rely_on(self, turn: Turn[Any], log: bytes, paper: Signed, *, settles: bool) -> None:
        """Remember under which checkpoint of this log a certificate has its entry; it has been checked. What a log that
        decides alone signs for a sale names no checkpoint.

        `settles`: the party acts on it. Of one sale there can be as many certificates as somebody likes; those that
        change nothing here push out no checkpoint that mirrors may not have seen yet.
        """
        certificate = decode(paper.body)
        if isinstance(certificate, Certificate):
            signed, known = LogProof.parse(certificate.proof).checkpoint, self._logs[log]
            shard = known.shard_called(signed.body.origin)
            assert shard is not None, "a certificate of the log is under one of its checkpoints"
            self._keep(turn, known, shard, signed, settles=settles)

    def read(self, turn: Turn[Any], log: bytes, entries: Entries) -> None:
        """Remember the newest checkpoint that a log which decides alone has shown with its entries. Raises Malformed
        where it has not signed that, or it ends elsewhere."""
        known = self._logs[log]
        for note in entries.checkpoints[-1:]:
            signed = known.opened(entries.shard, note)
            if not entries.start < signed.body.size <= entries.start + len(entries.entries):
                raise Malformed("a checkpoint that does not end among the entries that come with it")
            self._keep(turn, known, entries.shard, signed, settles=True)

    def _keep(self, turn: Turn[Any], known: KnownLog, shard: int, signed: SignedCheckpoint, *, settles: bool) -> None:
        """Remember a checkpoint, and have each mirror shown it that is not about to be shown others; two of one size
        convict the log here and now."""
        log, size, note = known.identity, signed.body.size, known.by_log(shard, signed)
        most = 1 if known.decides_alone else RELIED_MAX  # its word counts without one: the newest tells its branch
        kept = turn.store.relied.of_size(log, shard, size)
        if kept is None and (settles or turn.store.relied.count(log, shard) < most):
            turn.store.relied.keep(log, shard, size, note, most=most)
            seen, subject = CheckpointsSeen(log=log, shard=shard, checkpoints=(note,)), about(log, shard)
            mirrors = self._beside if known.decides_alone else known.mirrors
            idle = [each for each in mirrors if not turn.store.errands.waits_for(each, subject)]
            turn.store.errands.add_for_each(idle, seen, subject=subject, due=turn.now + COMPARE_SECONDS)
        elif kept and (other := SignedCheckpoint.parse(kept)).body.root != signed.body.root:
            evidence = Fork(other, SignedCheckpoint.parse(note)).encoded()
            self._alerting.take_in(turn, Alert(log=log, shard=shard, evidence=evidence))

    # Answers of mirrors.

    @on(Noted, by=From.ERRAND, to=(CheckpointsSeen,))
    def noted(self, turn: Turn[Any], asked: Asked[Noted]) -> Answer:
        """They are of the mirror's tree, or will be compared with it."""
        return self._show_on(turn, asked)

    @on(Alert, by=From.ERRAND, to=(CheckpointsSeen,))
    def convicted(self, turn: Turn[Any], asked: Asked[Alert]) -> Answer:
        self._alerting.take_in(turn, asked.body)
        return self._show_on(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(CheckpointsSeen,))
    def refused(self, turn: Turn[Any], asked: Asked[Refusal]) -> Answer:
        """A mirror that does not follow the shard, or not any more, has nothing to compare these with."""
        if asked.body.why not in (Why.FORGOTTEN, Why.WRONG_LOG):
            return later(turn, asked, RETRY_SECONDS_MAX)
        return self._show_on(turn, asked)

    def _show_on(self, turn: Turn[Any], asked: Asked[Any]) -> Answer:
        """Show this mirror what has come since, if anything."""
        done(turn, asked)
        seen = request(asked)
        assert isinstance(seen, CheckpointsSeen)
        notes = tuple(turn.store.relied.since(seen.log, seen.shard, seen.checkpoints[-1], most=SEEN_MAX))
        if notes:
            wait = 0 if len(notes) == SEEN_MAX else COMPARE_SECONDS
            question, errand = CheckpointsSeen(log=seen.log, shard=seen.shard, checkpoints=notes), answered(asked)
            turn.store.errands.add_for_each([errand.receiver], question, subject=errand.subject, due=turn.now + wait)
        return Answer()
