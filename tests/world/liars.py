"""Who lies about a log under a quorum: a mirror that says what suits it, and a log that breaks what it promised.

Liars keep their own store in order, so that they can tell of it what helps the lie; they hear the whole network, and
the merchants hand them every paper. What they cannot do is sign with another's key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anonnet.limits import ALERTS_PAGE, CHECKPOINTS_MAX, ENTRIES_MAX
from anonnet.protocol.breach import Alert, Alerts
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import CheckpointIs, CheckpointOf, Entries, Entry, EntryKind, NewestOf, Undecided, form
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.sealed import SealedM, Submission
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction, expired
from anonnet.times import RELEASE_SECONDS, SETTLE_SECONDS
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.fork import Fork
from anonnet.tlog.note import Note
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed
from tests.mirrors import entry, tick, timed
from tests.stage import NOON
from tests.world.network import Heard
from tests.world.node import Node

if TYPE_CHECKING:
    from tests.world.world import World

Reply, HangUp = Callable[[bytes], None], Callable[[], None]
SILENT = object()
"""In place of an answer: none."""
ANYTHING, ABORTS, WITHHOLDS, FRAMES = "cosigns anything", "aborts at will", "withholds", "frames the log"
MIRROR_LIES = (ANYTHING, ABORTS, WITHHOLDS, FRAMES)
FORKS, LATE_PLEDGE, TIME_FALLS, TWO_PLEDGES = "forks", "records a pledge late", "lets time fall", "records two pledges"
LATE_KEY, SUPPRESSES, HINTS = "records a key late", "suppresses keys", "says P5a and records nothing"
EXTENDS = "signs one tree under several texts"
LOG_LIES = (FORKS, LATE_PLEDGE, TIME_FALLS, TWO_PLEDGES, LATE_KEY, SUPPRESSES, HINTS, EXTENDS)
FROZEN_BEFORE = (FORKS, LATE_PLEDGE, TIME_FALLS, TWO_PLEDGES)
"""Lies after which honest mirrors take nothing more from the log, long before a key's time is over."""
FORK_SEEN = "two honest mirrors saw the fork"
RULES_BROKEN = (LATE_PLEDGE, TIME_FALLS, TWO_PLEDGES, LATE_KEY)
SUPPRESSED_MAX = 2
"""Sales whose keys are not recorded: each that waits for the end of its time costs many questions."""


class LyingMirror(Node):
    """Lies from some moment on."""

    def __init__(self, lie: str, begins: float, world: World, *more: Any) -> None:
        super().__init__(world, *more)
        self._lie, self._from = lie, NOON + begins
        self._told: dict[tuple[str, int], dict[str, SignedCheckpoint]] = defaultdict(dict)
        """The log's checkpoints that somebody has been told of a shard, by their text."""
        if lie in (ANYTHING, FRAMES):
            world.network.listeners.append(self.hears)

    @property
    def _log(self) -> bytes:
        """The log that it follows."""
        party: Any = self.party
        (log,) = party.logs
        return bytes(log)

    def hears(self, heard: Heard) -> None:
        """Note the checkpoints in the log's answer."""
        if heard.step != Step.ENTRIES or heard.sender != self.world.name_of(self._log):
            return
        entries = decode(heard.payload)
        assert isinstance(entries, Entries)
        for note in entries.checkpoints:
            signed = SignedCheckpoint.parse(note)
            self._told[heard.receiver, entries.shard][signed.note.text] = signed
            self._told["", entries.shard][signed.note.text] = signed

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        (request,) = Frames().feed(data)
        said = self._lie_about(sender, request) if self.up and self.events.now >= self._from else None
        if said is None:
            super().arrives(sender, data, reply, hang_up)
            return
        self.faults[self._lie] += 1
        if said is not SILENT:
            reply(bytes(frame(said, request.request_id)))

    def _lie_about(self, sender: str, request: Frame) -> Any:
        """The lie in answer to this; None where it has none."""
        if self._lie == ABORTS and request.step == Step.OUTCOME_OF:
            return self.party.sign(Abort(transaction=decode(request.payload).transaction))  # type: ignore[attr-defined]
        if self._lie == WITHHOLDS and request.step in WITHHELD:
            return self._nothing(request)
        if self._lie in (ANYTHING, FRAMES) and request.step in COMPARED and self.chance.random() < 0.3:
            question = decode(request.payload)
            assert isinstance(question, CheckpointOf | NewestOf)
            return self._cosigned(sender, question) if self._lie == ANYTHING else self._framing(question)
        if self._lie == ANYTHING and request.step == Step.PROOFS_OF and self.chance.random() < 0.3:
            asked = decode(request.payload)
            assert isinstance(asked, ProofsOf)
            return self._uncertified(asked)
        if self._lie == FRAMES and request.step == Step.ALERTS_OF and self.chance.random() < 0.6:
            known = {shard: told for (asker, shard), told in self._told.items() if not asker}
            alerts = tuple(self._alert(shard, told) for shard, told in known.items())
            return Alerts(start=0, alerts=alerts[:ALERTS_PAGE])
        return None

    def _nothing(self, request: Frame) -> Any:
        body: Any = decode(request.payload) if request.step not in (Step.P4, Step.SUBMISSION) else None
        if body is None or self.chance.random() < 0.3:
            return SILENT
        if isinstance(body, CheckpointOf | NewestOf):
            return CheckpointIs(log=body.log, shard=body.shard, checkpoints=())
        if isinstance(body, ProofsOf):
            return Proofs(shard=body.shard, start=body.start)
        return self.party.sign(Undecided(transaction=body.transaction, time=self.clock()))

    def _known(self, sender: str, question: CheckpointOf | NewestOf) -> list[SignedCheckpoint]:
        """Of the branch that the asker sees, whichever that is; of an honest log also what the asker has passed."""
        if not self.world.lying_log:
            told = list(self._told.get(("", question.shard), {}).values())
            fits = self.chance.sample(told, min(len(told), CHECKPOINTS_MAX))
        else:
            branch = self._told.get((sender, question.shard)) or self._told.get(("", question.shard), {})
            passed = question.size if isinstance(question, CheckpointOf) else 0
            fits = [each for each in branch.values() if each.body.size >= passed]
        return sorted(fits, key=lambda each: each.body.size)[:CHECKPOINTS_MAX]

    def _cosigned(self, sender: str, question: CheckpointOf | NewestOf) -> CheckpointIs | None:
        """All of them with our cosignature, though we have read nothing of some, and larger ones were cosigned."""
        notes = tuple(self._by_us(each) for each in self._known(sender, question))
        return CheckpointIs(log=question.log, shard=question.shard, checkpoints=notes) if notes else None

    def _by_us(self, signed: SignedCheckpoint) -> bytes:
        """A checkpoint of the log with our cosignature alone, which may say no time: such a one counts for nobody."""
        line = timed(self.name, signed.note.text, self.chance.choice([0, self.clock()]))
        return Note(signed.note.text, (signed.note.signatures[0], line)).encoded()

    def _uncertified(self, question: ProofsOf) -> Proofs | None:
        """Proofs of a bundle under a checkpoint that we alone have cosigned, from our copy if that is so long."""
        least, start = max(question.start, question.beyond), question.start
        told = [each for each in self._told.get(("", question.shard), {}).values() if each.body.size > least]
        if not told:
            return None
        signed = self.chance.choice(told)
        size, end = signed.body.size, min(start + ENTRIES_MAX, signed.body.size)
        copy, trees = self.store.copy(question.log, question.shard), self.store.trees
        held = copy is not None and copy.size >= size
        leaves = trees.leaves(copy.tree, start, end) if held else (bytes(32),) * (end - start)
        nodes = tuple(trees.subtree(copy.tree, start, end, size)) if held else ()
        return Proofs(shard=question.shard, start=start, checkpoint=self._by_us(signed), leaves=leaves, nodes=nodes)

    def _framing(self, question: CheckpointOf | NewestOf) -> CheckpointIs | None:
        """A checkpoint that the log never signed; and an alert that proves nothing goes to everybody."""
        known = self._told.get(("", question.shard))
        if known is None:
            return None
        alert = bytes(frame(self._alert(question.shard, known), 1))
        for name in self.world.servers:
            if name != self.name:
                self.world.network.ask(self.name, name, alert, lambda reply: None, lambda: None)
        one = next(iter(known.values()))
        forged = Checkpoint(one.body.origin, one.body.size + 1, one.body.root).text
        note = Note(forged, (one.note.signatures[0],)).encoded()
        return CheckpointIs(log=question.log, shard=question.shard, checkpoints=(note,))

    def _alert(self, shard: int, known: dict[str, SignedCheckpoint]) -> Alert:
        """Two checkpoints that one tree leads to, called a fork."""
        lower, upper = (each(known.values(), key=lambda told: told.body.size) for each in (min, max))
        return Alert(log=self._log, shard=shard, evidence=Fork(lower, upper, (lower.body.root,)).encoded())


COMPARED = Step.CHECKPOINT_OF, Step.NEWEST_OF
WITHHELD = (Step.OUTCOME_OF, Step.CERTIFICATE_OF, Step.PROOFS_OF, *COMPARED, Step.P4, Step.SUBMISSION)


# Logs.


class LyingLog(Node):
    """A log that lies from some moment on."""

    def __init__(self, lie: str, begins: float, world: World, *more: Any) -> None:
        super().__init__(world, *more)
        self._lie, self._from = lie, NOON + begins

    @property
    def known(self) -> KnownLog:
        """The log as others know it."""
        party: Any = self.party
        known: KnownLog = party.known
        return known

    def write(self, *entries: Entry) -> None:
        """Put these behind the entries of a sale's shard, lawful or not."""
        self.faults[self._lie] += 1
        self.world.note(f"{self.name} {self._lie}")
        written(self, *entries)

    def last_time(self) -> int:
        """Of the newest entry there."""
        time: int = self.store.last_time(shard_of(int(self.events.now)))
        return time


def written(log: Node, *entries: Entry) -> None:
    """Put these behind what a log has of the shard of now, which begins with its genesis."""
    shard, store = shard_of(int(log.events.now)), log.store
    party: Any = log.party
    store.begin()
    if not store.size(shard):
        store.append(shard, 0, entry(EntryKind.GENESIS, entries[0].time, party.known.origin(shard).encode()))
    for each in entries:
        store.append(shard, store.size(shard), each)
    store.commit()
    log._wake_followers(changed=True)


class BreakingLog(LyingLog):
    """Breaks a rule with the first pledge that comes once it lies, such that the sale could end in both ways."""

    def __init__(self, *more: Any) -> None:
        super().__init__(*more)
        self._victim: Signed | None = None

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        (request,) = Frames().feed(data)
        pledge = _brought(request, Step.PLEDGE, EntryKind.SEALED_PLEDGE)
        if self.up and pledge is not None and self.events.now >= self._from:
            if self._victim is None:
                self._victim = pledge
                self._plan(pledge)
            if pledge == self._victim and self._lie != TWO_PLEDGES:
                return  # nobody may see it before its time is over
        super().arrives(sender, data, reply, hang_up)

    def _plan(self, pledge: Signed) -> None:
        seconds = 3.0
        if self._lie != TWO_PLEDGES:
            seconds += max(0.0, _transaction(pledge).expiration + SETTLE_SECONDS - self.clock())
        self.events.after(seconds, lambda: self._break(pledge))

    def _break(self, pledge: Signed) -> None:
        transaction = _transaction(pledge)
        if self._lie == TWO_PLEDGES:  # the first may have been lost in a crash
            shard, kind = shard_of(transaction.expiration), form(EntryKind.PLEDGE, transaction)
            ready = self.store.recorded(shard, transaction.outcome_key, kind) is not None
        else:
            ready = expired(transaction.expiration, self.clock())  # it may have been set back
        if not self.up or not ready:
            self.events.after(1.0, lambda: self._break(pledge))
            return
        now = max(self.clock(), self.last_time())
        time = transaction.expiration if self._lie == TIME_FALLS else now
        bad = [entry(form(EntryKind.PLEDGE, transaction), time, encode(pledge), transaction.outcome_key)]
        if self._lie != TWO_PLEDGES and not transaction.entry_key:  # what is sealed the log cannot read, nor make
            authorization_m = self._authorization_m(transaction)
            if authorization_m is None:
                return
            bad.append(entry(EntryKind.KEY, time, encode(authorization_m), transaction.outcome_key))
        self.write(tick(now), *bad)

    def _authorization_m(self, transaction: Transaction) -> Signed | None:
        """P4, which its merchant has shown to this log alone, unless he has forgotten the sale by now."""
        sale = self.world.nodes[self.world.name_of(transaction.merchant)].store.by_number(transaction.number)
        signed: Signed | None = sale.authorization_m if sale else None
        return signed


class DeafLog(LyingLog):
    """Does not record the keys of some sales, and says nothing, or that it has; or records them late."""

    def __init__(self, *more: Any) -> None:
        super().__init__(*more)
        self._victims: set[bytes] = set()

    def arrives(self, sender: str, data: bytes, reply: Reply, hang_up: HangUp) -> None:
        (request,) = Frames().feed(data)
        signed = _brought(request, Step.P4, EntryKind.SEALED_KEY)
        if self.up and signed is not None and self.events.now >= self._from and self._is_victim(signed):
            self._suppress(signed, request, reply)
            return
        super().arrives(sender, data, reply, hang_up)

    def _is_victim(self, signed: Signed) -> bool:
        """The first ones to come."""
        transaction = _transaction(signed)
        if not self.world.decided_by_council(transaction):
            return False  # a stranger has brought another log's
        key, shard = transaction.outcome_key, shard_of(transaction.expiration)
        known = self.store.recorded(shard, key, form(EntryKind.KEY, transaction))
        if known is None and len(self._victims) < SUPPRESSED_MAX and key not in self._victims:
            self._victims.add(key)
            if self._lie == LATE_KEY:
                self._when_late(signed)
        return key in self._victims

    def _suppress(self, signed: Signed, request: Frame, reply: Reply) -> None:
        self.faults[SUPPRESSES] += 1
        if self._lie == HINTS:
            self.faults[HINTS] += 1
            reply(bytes(frame(self.party.sign(Commit(authorization_m=signed, index=1)), request.request_id)))

    def _when_late(self, signed: Signed) -> None:
        """Look now and then whether the world has slept until then."""
        transaction = _transaction(signed)
        if self.clock() > transaction.expiration + RELEASE_SECONDS and self.up:
            now = max(self.clock(), self.last_time())
            self.write(entry(form(EntryKind.KEY, transaction), now, encode(signed), transaction.outcome_key))
        else:
            self.events.after(5.0, lambda: self._when_late(signed))


def _transaction(signed: Signed) -> Transaction:
    body = decode(signed.body)
    assert isinstance(body, Pledge | AuthorizationM | SealedM)
    return body.transaction


def _brought(request: Frame, step: Step, sealed: EntryKind) -> Signed | None:
    """What a request of this step, or a submission of this kind, brings to be recorded."""
    if request.step == step:
        return decode_record(Signed, request.payload)
    body = decode(request.payload) if request.step == Step.SUBMISSION else None
    return body.sealed_m if isinstance(body, Submission) and body.said.kind == sealed else None
