"""The mirror: one of those who make a log's word count (docs/decisions.md: a quorum of mirrors).

It answers for its own copy of a log: what stands there, what a quorum has certified, and, once its prefix has freed a
transaction, its own signature under the abort. It takes keys that merchants hand over after their pledges, so that no
log can suppress them unseen. It learns what the log publishes, and those keys; never who bought.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import ENTRIES_MAX, RETRY_SECONDS_MAX
from anonnet.parties.alerting import Alerting
from anonnet.parties.auditing import Auditing, freeze
from anonnet.parties.errands import done, later, request
from anonnet.parties.following import followed
from anonnet.parties.turn import Answer, Asked, Due, Forget, From, Party, Turn, on
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import CHAIN, shard_of
from anonnet.protocol.logbook import (
    CheckpointIs,
    CheckpointOf,
    CheckpointsSeen,
    Entries,
    EntryKind,
    Follow,
    NewestOf,
    OutcomeOf,
    Undecided,
    form,
)
from anonnet.protocol.outcome import Logs
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, Receipt, places
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.rules import Decision, decision, fits
from anonnet.protocol.sealed import Submission, check_recordable
from anonnet.protocol.transaction import Transaction, expired
from anonnet.store.mirror import Copy, MirrorStore
from anonnet.times import BEHIND_SECONDS, CLAIM_SECONDS, LEAD_SECONDS_MAX, SHARD_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import encode
from anonnet.wire.signed import Checked, Signed, Signer

MirrorTurn = Turn[MirrorStore]


class Mirror(Party):
    """Keeps copies of logs, and cosigns for those whose policy names it."""

    alike = frozenset({Follow})

    def __init__(
        self,
        signer: Signer,
        key: SigningKey,
        logs: Logs,
        told: Collection[bytes] = (),
        *desks: object,
        others: Logs | None = None,
        beside: Collection[bytes] = (),
    ) -> None:
        """`told`: who hears of a log that is convicted, beside the other mirrors of `logs`. `others`: logs of which
        alerts are taken, too. `desks`: what else this one does. `beside`: the network's mirrors, who all follow the
        logs that decide alone, and compare what they were shown."""
        self.logs = dict(sorted(logs.items()))
        self.known_logs = {**(others or {}), **self.logs}
        mirrors = [*beside, *(mirror for known in self.logs.values() for mirror in known.mirrors)]
        told = dict.fromkeys(each for each in [*mirrors, *told] if each != key.public)
        self.alerting = Alerting(signer.network, self.known_logs, told, freeze)
        self.auditing = Auditing(signer.network, key, self.logs, self.alerting, beside)
        super().__init__(signer, self.auditing, self.alerting, *desks)

    def check(self, said: Checked[Any]) -> None:
        body = said.body
        log = body.transaction.log if hasattr(body, "transaction") else getattr(body, "log", None)
        if log is not None and log not in self.logs and not isinstance(body, Alert):
            raise Refused(Why.WRONG_LOG, "this mirror does not follow that log")
        if isinstance(body, AuthorizationM | Submission):
            check_recordable(self.network, said)
        elif isinstance(body, CheckpointsSeen):
            for note in body.checkpoints:
                self._check_signed(body, note)

    def _check_signed(self, seen: CheckpointsSeen, note: bytes) -> None:
        """Raise Malformed for what the log has not signed: it says nothing about the log."""
        if not self.logs[seen.log].opened(seen.shard, note).body.size:
            raise Malformed("nobody relies on a tree without entries")

    @on(Due)
    def look(self, turn: MirrorTurn, asked: Asked[Due]) -> Answer:
        """Follow the chain, and each shard in which a sale may still be decided, or claimed."""
        newest = shard_of(turn.now + LEAD_SECONDS_MAX)
        for log in self.logs:
            for shard in (CHAIN, *range(shard_of(max(0, turn.now - CLAIM_SECONDS)), newest + 1)):
                if copy := turn.store.open_copy(log, shard):
                    self.auditing.watch(turn, copy)
        turn.store.look_again(newest * SHARD_SECONDS - LEAD_SECONDS_MAX)
        return Answer()

    @on(Forget, by=From.OWNER)
    def forget(self, turn: MirrorTurn, asked: Asked[Forget]) -> Answer:
        """A shard at once, so that nothing is said or asked of it any more; then its rows, in pieces."""
        for copy in turn.store.forget(turn.now):
            self.auditing.leave(turn, copy)
        if turn.store.next_deadline() > turn.now + SHARD_SECONDS:  # by a clock that has been set back since
            turn.store.look_again(turn.now)
        return Answer(more=turn.store.sweep())

    # What stands in a copy.

    @on(Follow)
    def follow(self, turn: MirrorTurn, asked: Asked[Follow]) -> Answer:
        """As a log answers it, without a word of its own."""
        copy, start = self._copy(turn, asked.body.log, asked.body.shard), asked.body.start
        entries = turn.store.shards.entries(copy.tree, start, copy.size)
        marks = turn.store.marks(copy.tree, start + 1, start + len(entries))
        checkpoints = tuple(mark.cosigned for mark in marks)
        said = Entries(shard=copy.shard, start=start, entries=entries, checkpoints=checkpoints)
        return followed(asked.body, said, copy.size, copy.news)

    @on(CheckpointOf)
    def checkpoint(self, turn: MirrorTurn, asked: Asked[CheckpointOf]) -> Answer:
        """What is here beyond what the asker has."""
        question, copy = asked.body, self._copy(turn, asked.body.log, asked.body.shard)
        known, news = self.logs[copy.log], []
        for mark in turn.store.marks(copy.tree, question.size, copy.size):
            if mark.size > question.size or places(known, mark.cosignatures) & ~question.cosigned:
                news.append(mark.cosigned)
        said = CheckpointIs(log=copy.log, shard=copy.shard, checkpoints=tuple(news))
        return Answer(said, hold=b"" if news else copy.news)

    @on(NewestOf)
    def newest(self, turn: MirrorTurn, asked: Asked[NewestOf]) -> Answer:
        """What it has may be less than the asker has, and of another history."""
        copy = self._copy(turn, asked.body.log, asked.body.shard)
        mark = turn.store.shards.mark(copy.tree, copy.size)
        checkpoints = [mark.cosigned] if mark else []
        checkpoints += turn.store.furthest(copy.tree)
        return Answer(CheckpointIs(log=copy.log, shard=copy.shard, checkpoints=tuple(checkpoints)))

    @on(CheckpointsSeen)
    def seen(self, turn: MirrorTurn, asked: Asked[CheckpointsSeen]) -> Answer:
        """Who holds no copy has the log's checkpoints compared here, and is told what convicts the log."""
        copy = self._copy(turn, asked.body.log, asked.body.shard)
        room = self.auditing.hold_against(turn, copy, asked.body.checkpoints)
        if alert := self.alerting.against(turn, copy.log):
            return Answer(alert)
        if not room:  # an answer, and nothing raised: what there was room for stays
            return Answer(self.refusal(asked.signed, Refused(Why.FULL, "show those beyond this copy again")))
        return Answer(Noted(request=asked.signed.hash))

    def _copy(self, turn: MirrorTurn, log: bytes, shard: int) -> Copy:
        copy = turn.store.copy(log, shard)
        if copy is None:
            raise Refused(Why.FORGOTTEN, "this shard is not followed here, or not any more")
        return copy

    @on(ProofsOf)
    def proofs(self, turn: MirrorTurn, asked: Asked[ProofsOf]) -> Answer:
        """Under the newest checkpoint that a quorum has cosigned, whoever asks: none is chosen to fit an entry."""
        shard, start = asked.body.shard, asked.body.start
        copy = self._waited_for(turn, asked.body.log, shard)
        mark = turn.store.shards.certified(copy.tree, max(start, asked.body.beyond))
        if mark is None:
            return Answer(Proofs(shard=shard, start=start), hold=copy.news)
        end = min(start + ENTRIES_MAX, mark.size)
        leaves = turn.store.trees.leaves(copy.tree, start, end)
        nodes = tuple(turn.store.trees.subtree(copy.tree, start, end, mark.size))
        return Answer(Proofs(shard=shard, start=start, checkpoint=mark.cosigned, leaves=leaves, nodes=nodes))

    def _waited_for(self, turn: MirrorTurn, log: bytes, shard: int) -> Copy:
        """The copy of a shard that somebody waits for: others may have more of it."""
        if self.logs[log].decides_alone:
            raise Refused(Why.WRONG_LOG, "that log decides alone: no mirror speaks for it")
        copy = self._copy(turn, log, shard)
        self.auditing.compare(turn, copy)
        return copy

    # What it says of a transaction.

    @on(CertificateOf)
    def certificate(self, turn: MirrorTurn, asked: Asked[CertificateOf]) -> Answer:
        transaction = asked.body.transaction
        copy = self._about(turn, transaction)
        found = self._certificate(turn, copy, transaction, asked.body.kind)
        return Answer(found) if found else self._undecided(copy, transaction)

    @on(OutcomeOf)
    def outcome(self, turn: MirrorTurn, asked: Asked[OutcomeOf]) -> Answer:
        """ "The transaction log will eventually produce exactly one of commit or abort" (paper): what the prefix here
        has decided. Undecided, though it has expired: the log is asked, so that its time passes."""
        transaction = asked.body.transaction
        copy = self._about(turn, transaction)
        decided = decision(copy, transaction)
        if decided is Decision.FREES:
            return Answer(self.sign(Abort(transaction=transaction)))
        found = self._certificate(turn, copy, transaction, EntryKind.KEY)
        if found:
            return Answer(found)
        if _waits_for_time(copy, transaction, turn.now):
            self._ask_for_time(turn, copy, transaction)
        return self._undecided(copy, transaction)

    def _ask_for_time(self, turn: MirrorTurn, copy: Copy, transaction: Transaction) -> None:
        """Have one such question for each shard: the entry that answers it decides all that wait for time there, and
        who asks may have made sales up without end."""
        about = self.logs[copy.log].origin(copy.shard).encode()
        if not turn.store.errands.waits_for(copy.log, about):
            turn.store.errands.add(copy.log, OutcomeOf(transaction=transaction), subject=about, due=turn.now)

    def _about(self, turn: MirrorTurn, transaction: Transaction) -> Copy:
        return self._waited_for(turn, transaction.log, shard_of(transaction.expiration))

    def _undecided(self, copy: Copy, transaction: Transaction) -> Answer:
        return Answer(self.sign(Undecided(transaction=transaction, time=copy.last_time)), hold=copy.news)

    def _certificate(self, turn: MirrorTurn, copy: Copy, transaction: Transaction, kind: int) -> Certificate | None:
        """That of the transaction's entry of this kind, if it stands here under a checkpoint with a quorum."""
        standing = turn.store.standing(copy.tree, transaction.outcome_key)
        wanted = form(EntryKind(kind), transaction)
        found = next(((index, entry) for index, entry in standing if entry.kind == wanted), None)
        mark = turn.store.shards.certifying(copy.tree, found[0]) if found else None
        if found is None or mark is None:
            return None
        index, entry = found
        path = tuple(turn.store.trees.inclusion(copy.tree, index, mark.size))
        proof = LogProof(index, path, SignedCheckpoint.parse(mark.cosigned))
        return Certificate(entry=encode(entry), proof=proof.encoded())

    # Keys that merchants hand over.

    @on(AuthorizationM)  # P4
    def authorization_m(self, turn: MirrorTurn, asked: Asked[AuthorizationM]) -> Answer:
        return self._released(turn, asked, asked.signed)

    @on(Submission)
    def submission(self, turn: MirrorTurn, asked: Asked[Submission]) -> Answer:
        """The same, sealed; a pledge is the log's alone to take."""
        if asked.body.said.kind != EntryKind.SEALED_KEY:
            raise Refused(Why.WRONG_RECEIVER, "only keys are handed to mirrors")
        return self._released(turn, asked, asked.body.sealed_m)

    def _released(self, turn: MirrorTurn, asked: Asked[AuthorizationM] | Asked[Submission], said: Signed) -> Answer:
        """Keep the key of a pledge, take it to the log, and say when it came. One for each pledge: W can sign any
        number of sealed ones, and any number of tickets can stand beside one."""
        transaction = asked.body.transaction
        copy, key = self._about(turn, transaction), transaction.outcome_key
        standing = copy.standing(key)
        kinds = [entry.kind for entry in standing]
        if form(EntryKind.PLEDGE, transaction) not in kinds or not fits(standing[0], said):
            raise Refused(Why.NOT_PLEDGED, "no pledge of this key stands here yet")
        kept, time = turn.store.released(key) or (None, asked.arrival)
        if kept is None:
            turn.store.keep_released(copy.tree, key, said, time)
            if form(EntryKind.KEY, transaction) not in kinds:
                turn.store.errands.add(transaction.log, asked.signed, subject=key, due=turn.now)
        elif kept != said:
            raise Refused(Why.UNKNOWN, "another key of this pledge was handed over before")
        return Answer(self.sign(Receipt(authorization_m=said.hash, outcome_key=key, time=time)))

    # Answers of the log, which count for nothing here: its entries do.

    @on(Commit, by=From.ERRAND)
    def commit(self, turn: MirrorTurn, asked: Asked[Commit]) -> Answer:
        return self._ask_on(turn, asked)

    @on(Certificate, by=From.ERRAND)
    def certified(self, turn: MirrorTurn, asked: Asked[Certificate]) -> Answer:
        return self._ask_on(turn, asked)

    @on(Abort, by=From.ERRAND)
    def aborted(self, turn: MirrorTurn, asked: Asked[Abort]) -> Answer:
        return self._ask_on(turn, asked)

    @on(Undecided, by=From.ERRAND)
    def undecided(self, turn: MirrorTurn, asked: Asked[Undecided]) -> Answer:
        return self._ask_on(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(OutcomeOf, AuthorizationM, Submission))
    def not_taken(self, turn: MirrorTurn, asked: Asked[Refusal]) -> Answer:
        return self._ask_on(turn, asked)

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: MirrorTurn, asked: Asked[Refusal]) -> Answer:
        """A shard that is not kept there any more is not asked for again."""
        return done(turn, asked) if asked.body.why == Why.FORGOTTEN else later(turn, asked, RETRY_SECONDS_MAX)

    @on(Noted, by=From.ERRAND)
    def noted(self, turn: MirrorTurn, asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    def _ask_on(self, turn: MirrorTurn, asked: Asked[Any]) -> Answer:
        """Until the prefix here has decided: soon where the log's time has to pass, seldom where a key has to come."""
        about = request(asked)
        assert isinstance(about, OutcomeOf | AuthorizationM | Submission)
        copy = turn.store.copy(about.transaction.log, shard_of(about.transaction.expiration))
        if copy is None or copy.frozen or decision(copy, about.transaction) is not Decision.UNDECIDED:
            return done(turn, asked)
        if isinstance(about, OutcomeOf) and not _waits_for_time(copy, about.transaction, turn.now):
            return done(turn, asked)  # its pledge has come, or its time is over: another sale may ask
        passed = expired(about.transaction.expiration, copy.last_time)
        return later(turn, asked, RETRY_SECONDS_MAX if passed else BEHIND_SECONDS)


def _waits_for_time(copy: Copy, transaction: Transaction, now: int) -> bool:
    """True if nothing but a later entry is missing to free this sale, and somebody may still need that."""
    if decision(copy, transaction) is not Decision.UNDECIDED or expired(transaction.expiration + CLAIM_SECONDS, now):
        return False
    return decision(replace(copy, last_time=now), transaction) is Decision.FREES
