"""What a mirror says yes to: it takes in a log's entries, checks them, cosigns, and compares with what others saw.

A cosignature of ours means: I hold every entry below this checkpoint, all keep the rules, and none is later than my
clock. It is made in the turn that keeps the entries, and never for a tree that is not larger than the last. A fork, or
an entry that breaks a rule, is kept as evidence for ever and freezes the shard: nothing more of it is taken in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Why
from anonnet.limits import ENTRIES_MAX, RETRY_SECONDS_MAX
from anonnet.parties.alerting import Alerting
from anonnet.parties.convicting import AuditTurn, Convicting
from anonnet.parties.errands import answered, as_it_stands, done, later, request
from anonnet.parties.following import bundle_start, check_range, read_to
from anonnet.parties.turn import Answer, Asked, From, on
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import (
    CheckpointIs,
    CheckpointOf,
    CheckpointsSeen,
    Entries,
    Entry,
    EntryKind,
    Follow,
    NewestOf,
    Recorded,
)
from anonnet.protocol.outcome import Logs
from anonnet.protocol.quorum import cosignatures, places
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.rules import Broken, decided_by, follows, sound
from anonnet.protocol.transaction import expired
from anonnet.store.errands import Errand
from anonnet.store.mirror import Copy, Growing
from anonnet.times import BEHIND_SECONDS, CLAIM_SECONDS, CLOCK_TOLERANCE_SECONDS, COMPARE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.note import Signer
from anonnet.wire.codec import decode_record


class Auditing:
    """The desk of a mirror that reads."""

    def __init__(
        self, network: str, key: SigningKey, logs: Logs, alerting: Alerting, beside: Collection[bytes] = ()
    ) -> None:
        """`beside`: the mirrors with whom to compare what a log that decides alone has shown."""
        self._alerting = alerting
        self._convicting = Convicting(logs, alerting)
        self._beside = sorted(beside)
        self._network = network
        self._key = key
        self._logs = logs

    def watch(self, turn: AuditTurn, copy: Copy, start: int | None = None, wait: int = 0) -> None:
        """Follow this shard, from where the copy ends or from `start`, as long as a sale of it may be decided or
        claimed; compare it once there is something."""
        if not self._watched(turn, copy):
            return
        if not self._follows(turn, copy, [copy.log]):
            follow = Follow(log=copy.log, shard=copy.shard, start=copy.size if start is None else start, onward=1)
            turn.store.errands.add(copy.log, follow, subject=copy.log, due=turn.now + wait)
        if copy.size:
            self.compare(turn, copy)

    def _watched(self, turn: AuditTurn, copy: Copy) -> bool:
        """True while more of this shard may come that somebody needs."""
        over = copy.shard != CHAIN and expired(decided_by(copy.shard) + CLAIM_SECONDS, turn.now)
        return not (copy.closed or copy.frozen or over)

    def _follows(self, turn: AuditTurn, copy: Copy, receivers: Iterable[bytes]) -> list[Errand]:
        """What these have been asked to follow this shard."""
        asked = [errand for receiver in receivers for errand in turn.store.errands.of(receiver)]
        found = [(errand, errand.message) for errand in asked]
        return [
            errand
            for errand, follow in found
            if isinstance(follow, Follow) and (follow.log, follow.shard) == (copy.log, copy.shard)
        ]

    def leave(self, turn: AuditTurn, copy: Copy) -> None:
        """Ask nothing more of this shard."""
        if copy.log not in self._logs:
            return
        known = self._logs[copy.log]
        turn.store.errands.end_all(known.origin(copy.shard).encode())
        turn.store.errands.end_all(_shown(known.origin(copy.shard)))
        for errand in self._follows(turn, copy, [copy.log, *self._peers(known)]):
            turn.store.errands.end(errand.hash)

    def compare(self, turn: AuditTurn, copy: Copy, wait: int = 0) -> None:
        """Have one question at each other mirror: what is there beyond what I have?"""
        if not self._open(turn, copy):
            return
        known, question = self._logs[copy.log], self._question(turn, copy)
        about = known.origin(copy.shard).encode()
        for place, peer in enumerate(self._peers(known)):
            if not turn.store.errands.waits_for(peer, about):
                later = COMPARE_SECONDS + place if known.decides_alone else wait  # one after the other
                turn.store.errands.add_for_each([peer], question, subject=about, due=turn.now + later)

    def _open(self, turn: AuditTurn, copy: Copy) -> bool:
        """True while others may tell what somebody needs: where nothing more is taken in, until a quorum has cosigned
        what is here. A log that convicts itself once it has a key must not take the certificate from the merchant."""
        if not (copy.closed or copy.frozen):
            return self._watched(turn, copy)
        mark, known = turn.store.shards.mark(copy.tree, copy.size), self._logs[copy.log]
        return mark is not None and not (known.decides_alone or known.agreed(mark.cosignatures))

    def _show(self, turn: AuditTurn, copy: Copy, peers: Iterable[bytes]) -> None:
        """Have these mirrors of the log's policy shown soon what the copy has grown to: who has more looks whether that
        is of his history, and tells larger ones alone to who asks him. Lone logs are compared in both ways."""
        about = _shown(self._logs[copy.log].origin(copy.shard))
        idle = [each for each in peers if each != self._key.public and not turn.store.errands.waits_for(each, about)]
        newest = turn.store.shards.mark(copy.tree, copy.size) if idle else None
        if newest is not None:
            seen = CheckpointsSeen(log=copy.log, shard=copy.shard, checkpoints=(newest.note,))
            turn.store.errands.add_for_each(idle, seen, subject=about, due=turn.now + COMPARE_SECONDS)

    def _question(self, turn: AuditTurn, copy: Copy) -> CheckpointOf | NewestOf:
        if self._logs[copy.log].decides_alone:  # no cosignature is news here: whoever has less says so, too
            return NewestOf(log=copy.log, shard=copy.shard)
        newest = turn.store.shards.mark(copy.tree, copy.size)
        cosigned = places(self._logs[copy.log], newest.cosignatures) if newest else 0
        return CheckpointOf(log=copy.log, shard=copy.shard, size=copy.size, cosigned=cosigned)

    def _peers(self, known: KnownLog) -> list[bytes]:
        return [key for key in (self._beside if known.decides_alone else known.mirrors) if key != self._key.public]

    # Entries.

    @on(Entries, by=From.ERRAND)
    def entries(self, turn: AuditTurn, asked: Asked[Entries]) -> Answer:
        """Take in what leads to a checkpoint of the log and keeps its rules, and follow on."""
        follow, said = request(asked), asked.body
        assert isinstance(follow, Follow)
        check_range(said, follow)
        copy = turn.store.copy(follow.log, follow.shard)
        if copy is None:  # it has been forgotten meanwhile
            return done(turn, asked)
        assert said.start <= copy.size, "it was asked for from there, and no copy shrinks"
        grown, parted = (copy, False) if copy.frozen else self._taken(turn, copy, said)
        if grown.size > copy.size:
            self._show(turn, grown, self._logs[copy.log].mirrors)
            start = grown.size
        elif parted and said.start >= bundle_start(copy.size):
            start = bundle_start(max(0, copy.size - ENTRIES_MAX))
        else:  # a new connection begins where a bundle begins: the log may have another history since
            start = read_to(said, copy.size)
        if answered(asked).receiver == copy.log:
            return self._follow_on(turn, asked, copy, grown, start)
        done(turn, asked)
        if said.start != start < grown.size:
            self._ask_beside(turn, grown, answered(asked).receiver, start)
        self.watch(turn, grown)
        return Answer()

    def _follow_on(self, turn: AuditTurn, asked: Asked[Entries], copy: Copy, grown: Copy, start: int) -> Answer:
        """Ask the log what comes from there on."""
        follow, said = request(asked), asked.body
        assert isinstance(follow, Follow)
        if self._watched(turn, grown):
            if grown.size > copy.size and bundle_start(start) == bundle_start(said.start):
                if not copy.size:
                    self.compare(turn, grown)
                return Answer(then=replace(follow, start=start))
            if start == said.start:
                if said.entries:
                    return later(turn, asked, BEHIND_SECONDS)
                if as_it_stands(asked):
                    return Answer()
        done(turn, asked)
        self.watch(turn, grown, start, COMPARE_SECONDS if start < said.start else 0)
        return Answer()

    def _ask_beside(self, turn: AuditTurn, copy: Copy, mirror: bytes, start: int) -> None:
        """Ask another mirror, soon, what comes from there on, one thing at a time; nothing that the copy has left far
        behind meanwhile."""
        if copy.frozen or start < copy.size - 2 * ENTRIES_MAX or self._follows(turn, copy, [mirror]):
            return
        follow = Follow(log=copy.log, shard=copy.shard, start=start)
        turn.store.errands.add_for_each([mirror], follow, subject=mirror, due=turn.now + BEHIND_SECONDS)

    @on(Refusal, by=From.ERRAND, to=(Follow,))
    def follow_refused(self, turn: AuditTurn, asked: Asked[Refusal]) -> Answer:
        """A shard that is over is not asked for again. A log has no say in when that is: else one word of its would
        keep everybody from reading what it does."""
        follow = request(asked)
        assert isinstance(follow, Follow)
        copy = turn.store.copy(follow.log, follow.shard)
        over = copy is None or not self._watched(turn, copy)
        if asked.body.why == Why.FORGOTTEN and (over or answered(asked).receiver != follow.log):
            return done(turn, asked)
        return later(turn, asked, RETRY_SECONDS_MAX)

    def _taken(self, turn: AuditTurn, copy: Copy, said: Entries) -> tuple[Copy, bool]:
        """The copy with what these entries add to it, up to the last checkpoint that they lead to. True if they come
        with one to which the copy does not lead, and do not prove it: the log's trees part further back, or whoever
        hands these out is wrong."""
        frontier = turn.store.trees.frontier(copy.tree, copy.size)
        last_vouches_for_all = self._logs[copy.log].decides_alone  # else others may cosign one that we had left out
        for note in said.checkpoints[-1:] if last_vouches_for_all else said.checkpoints:
            signed = self._opened(copy, note)
            end = signed.body.size - said.start
            if end > len(said.entries):
                raise Malformed("a checkpoint beyond the entries that come with it")
            if signed.body.size <= copy.size:
                if not self._leads_to(turn, copy, signed):
                    self._convicting.forked(turn, copy, signed)
                    break
                continue
            piece = said.entries[copy.size - said.start : end]
            completed = [frontier.append(leaf_hash(each.entry)) for each in piece]
            if frontier.size != signed.body.size or frontier.root() != signed.body.root:
                proved = self._convicting.parted(turn, copy, said, signed)
                return self._again(turn, copy), not proved
            audited = self._audited(turn, copy, signed, piece, completed)
            if audited.size != signed.body.size:
                return audited, False
            self._keep(turn, audited, signed)
            self._hold_against_anchors(turn, audited, piece)
            self._hold_against_ahead(turn, audited)
            copy = self._again(turn, audited)
            if copy.frozen:  # the same answer may lead on
                break
        return self._again(turn, copy), False

    def _again(self, turn: AuditTurn, copy: Copy) -> Copy:
        """The copy as it stands now."""
        found = turn.store.copy(copy.log, copy.shard)
        assert found is not None, "no turn forgets what it works on"
        return found

    def _audited(
        self,
        turn: AuditTurn,
        copy: Copy,
        signed: SignedCheckpoint,
        piece: Sequence[Recorded],
        completed: Sequence[Sequence[bytes]],
    ) -> Copy:
        """The copy with this piece, which leads to this checkpoint and completes this in the tree; as it was, or
        frozen, where not all is lawful."""
        known, grown = self._logs[copy.log], Growing(copy)
        for each in piece:
            try:
                entry = sound(self._network, known, copy.shard, each.entry)
                follows(grown, entry)
            except Broken:
                with turn.store.unkept(grown, completed) as longer:
                    excerpts = self._convicting.excerpts(turn, longer, each.entry, signed)
                self._convicting.report(turn, copy, excerpts)
                return self._again(turn, copy)
            if expired(turn.now + CLOCK_TOLERANCE_SECONDS, entry.time):
                return copy  # a log that runs ahead would end sales before their time
            grown.take(entry, each)
        return turn.store.extend(grown, completed)

    def _hold_against_anchors(self, turn: AuditTurn, copy: Copy, piece: Sequence[Recorded]) -> None:
        """What the chain calls the end of a shard is what our copy of it leads to; else the log has forked the shard.
        Looked at when the anchor comes, and when the shard ends, whichever is later."""
        if copy.shard == CHAIN:
            entries = [decode_record(Entry, each.entry) for each in piece]
            anchors = [entry.body for entry in entries if entry.kind == EntryKind.ANCHOR]
        else:
            anchors = turn.store.anchors(copy.log) if copy.closed else []
        for anchor in map(SignedCheckpoint.parse, anchors):
            shard = self._logs[copy.log].shard_called(anchor.body.origin)
            ended = None if shard is None else turn.store.copy(copy.log, shard)
            if ended and 0 < anchor.body.size <= ended.size and not self._leads_to(turn, ended, anchor):
                self._convicting.forked(turn, ended, anchor)

    def _hold_against_ahead(self, turn: AuditTurn, copy: Copy) -> None:
        """The copy has grown as far as checkpoints that others were shown before."""
        for signed in map(SignedCheckpoint.parse, turn.store.reached(copy.tree, copy.size)):
            if not self._leads_to(turn, copy, signed):
                self._convicting.forked(turn, copy, signed)

    def _leads_to(self, turn: AuditTurn, copy: Copy, signed: SignedCheckpoint) -> bool:
        """True if a checkpoint of no more entries than the copy has is one of its tree."""
        return turn.store.trees.root(copy.tree, signed.body.size) == signed.body.root

    # Checkpoints.

    def _opened(self, copy: Copy, data: bytes) -> SignedCheckpoint:
        """A checkpoint of this shard that the log has signed, of one entry at least. Raises Malformed."""
        signed = self._logs[copy.log].opened(copy.shard, data)
        if not signed.body.size:
            raise Malformed("a checkpoint of no entries")
        return signed

    def _keep(self, turn: AuditTurn, copy: Copy, signed: SignedCheckpoint) -> None:
        """Keep a checkpoint that the copy leads to, with the cosignatures that hold; cosign it where it is the newest.

        Raises Malformed for a cosignature of a mirror that does not hold."""
        known, size, text = self._logs[copy.log], signed.body.size, signed.note.text
        turn.store.keep_checkpoint(copy.tree, size, known.by_log(copy.shard, signed))
        for mirror, signature in cosignatures(known, signed.note).items():
            turn.store.keep_cosignature(copy.tree, size, mirror, signature.line)
        name = known.mirrors.get(self._key.public)
        if name is not None and size == copy.size and turn.store.raise_mark(copy.tree, size):
            own = Signer(name.decode(), self._key).cosign(text, turn.now)
            turn.store.keep_cosignature(copy.tree, size, self._key.public, own.line)
        if not known.decides_alone:
            mark = turn.store.shards.mark(copy.tree, size)
            assert mark is not None
            if known.agreed(mark.cosignatures):
                turn.store.shards.call_met(copy.tree, size)

    @on(CheckpointIs, by=From.ERRAND)
    def checkpoints(self, turn: AuditTurn, asked: Asked[CheckpointIs]) -> Answer:
        """Compare what another has seen with our copy: take its cosignatures, or convict the log."""
        question, said = request(asked), asked.body
        assert isinstance(question, CheckpointOf | NewestOf)
        if (said.log, said.shard) != (question.log, question.shard):
            raise Malformed("checkpoints of another shard than was asked for")
        copy, ahead = turn.store.copy(said.log, said.shard), False
        if copy is None:
            return done(turn, asked)
        if not said.checkpoints and isinstance(question, CheckpointOf) and question.size == copy.size:
            return Answer() if self._open(turn, copy) else done(turn, asked)  # nothing new on either side
        done(turn, asked)
        for note in said.checkpoints:
            signed = self._opened(copy, note)
            if signed.body.size > copy.size:
                ahead = True
            elif not self._leads_to(turn, copy, signed):
                self._convicting.forked(turn, copy, signed)
                return Answer()
            else:
                self._keep(turn, copy, signed)
        if ahead:  # the log may be slower to tell us than to tell others; or it does not tell us
            self._ask_beside(turn, copy, answered(asked).receiver, copy.size)
        # Who has told nothing new is not asked again at once: it might never end.
        self.compare(turn, copy, BEHIND_SECONDS if self._question(turn, copy) == question else 0)
        return Answer()

    @on(Noted, by=From.ERRAND, to=(CheckpointsSeen,))
    def shown(self, turn: AuditTurn, asked: Asked[Noted]) -> Answer:
        """Another mirror has nothing against it: show it what has come since, if anything."""
        seen, peer = request(asked), answered(asked).receiver
        assert isinstance(seen, CheckpointsSeen)
        done(turn, asked)
        copy = turn.store.copy(seen.log, seen.shard)
        if copy and SignedCheckpoint.parse(seen.checkpoints[-1]).body.size < copy.size:
            self._show(turn, copy, [peer])
        return Answer()

    @on(Alert, by=From.ERRAND, to=(CheckpointsSeen,))
    def convicted(self, turn: AuditTurn, asked: Asked[Alert]) -> Answer:
        """It is of another history than that one's copy."""
        self._alerting.take_in(turn, asked.body)
        return done(turn, asked)

    def hold_against(self, turn: AuditTurn, copy: Copy, notes: Collection[bytes]) -> bool:
        """Compare with the copy checkpoints that the log has signed for others: now, or once it has grown so far. False
        where there is no room for one till then."""
        ahead, room = False, True
        for signed in map(SignedCheckpoint.parse, notes):
            if signed.body.size > copy.size:
                ahead, room = True, self._keep_ahead(turn, copy, signed) and room
            elif not self._leads_to(turn, copy, signed):
                self._convicting.forked(turn, copy, signed)
        if ahead and not copy.frozen:  # others may have what leads there
            self.compare(turn, copy)
        return room

    def _keep_ahead(self, turn: AuditTurn, copy: Copy, signed: SignedCheckpoint) -> bool:
        own = SignedCheckpoint.parse(self._logs[copy.log].by_log(copy.shard, signed))
        kept = turn.store.keep_ahead(copy.tree, own.body.size, own.note.encoded())
        if kept and (other := SignedCheckpoint.parse(kept)).body.root != own.body.root:
            self._convicting.two_trees(turn, copy, Fork(other, own))
        return kept is not None


def _shown(origin: str) -> bytes:
    """The subject of what another mirror is shown of a shard: what it is asked about it waits on beside that."""
    return b"shown of " + origin.encode()


def freeze(turn: AuditTurn, alert: Alert) -> None:
    """What a mirror does with a shard against which there is an alert."""
    turn.store.freeze(alert.log, alert.shard)
