"""What must hold of a log that decides with its mirrors, judged from outside, whoever of them lies.

Cosignatures and shares of aborts are taken together wherever they were said: whatever anybody could put together of
them counts. Copies are what the mirrors that never lie hand out.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from anonnet.errors import Malformed
from anonnet.protocol.account import Claim
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import CheckpointIs, Entries, Entry, EntryKind, form
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.proofs import Proofs
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Certificate, Receipt, certified, pledge_certified, transaction_of
from anonnet.protocol.rules import PLEDGES
from anonnet.protocol.transaction import Transaction
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.tlog.note import Kind, Verifier
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import unsigned
from tests.stage import NETWORK, key_of
from tests.world.checkers import CLOCKS_APART, Complaints
from tests.world.convicted import a_lying_log_is_convicted, nobody_is_framed
from tests.world.council import LOG, Council
from tests.world.tape import KEYS, Tape

if TYPE_CHECKING:
    from tests.world.world import World


@dataclass
class Copy:
    """The entries of one shard, and the tree over them."""

    entries: list[Entry]

    @cached_property
    def tree(self) -> Tree:
        return Tree.from_leaves(b"".join(leaf_hash(encode(entry)) for entry in self.entries))

    def leads_to(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.size <= self.tree.size and self.tree.root(checkpoint.size) == checkpoint.root

    def of(self, transaction: Transaction, kind: EntryKind, size: int | None = None) -> list[Entry]:
        """Its entries of a kind, open or sealed, among the first `size`."""
        wanted = transaction.outcome_key, form(kind, transaction)
        return [each for each in self.entries[:size] if (each.outcome_key, each.kind) == wanted]


@dataclass
class Certified:
    """A run at its end, as far as it is about the log that has a council."""

    world: World
    tape: Tape
    council: Council
    read: float
    """When the copies were last read: what is cosigned later may not stand in them."""
    cosigned: dict[Checkpoint, dict[bytes, int]] = field(default_factory=lambda: defaultdict(dict))
    """The log's checkpoints, and which mirror has cosigned them at what time of its own."""

    def __post_init__(self) -> None:
        self.honest = {name: key_of(name).public for name in self.council.honest}
        notes: set[bytes] = set()
        for said in self.tape.said:
            if said.time > self.read:
                break
            if isinstance(said.body, Entries | CheckpointIs):
                notes.update(said.body.checkpoints)
            elif isinstance(said.body, Certificate):
                notes.add(LogProof.parse(said.body.proof).checkpoint.note.encoded())
            elif isinstance(said.body, Proofs) and said.body.checkpoint:
                notes.add(said.body.checkpoint)
        seen: set[tuple[str, bytes]] = set()
        for note in sorted(notes):
            self._take(SignedCheckpoint.parse(note), seen)
        for name, shard in self.copies:
            if name in self.honest:
                self._take_kept(name, shard, seen)

    def _take_kept(self, name: str, shard: int, seen: set[tuple[str, bytes]]) -> None:
        """What a mirror has cosigned of its copy and told nobody who asked: the newest is told first."""
        store = self.world.nodes[name].store
        kept = store.copy(self.known.identity, shard)
        for size in range(1, self.copy(name, shard).tree.size + 1):
            if kept is not None and (mark := store.shards.mark(kept.tree, size)) is not None:
                self._take(SignedCheckpoint.parse(mark.cosigned), seen)

    @cached_property
    def known(self) -> KnownLog:
        return next(each for each in self.world.directory.logs.values() if not each.decides_alone)

    def _take(self, signed: SignedCheckpoint, seen: set[tuple[str, bytes]]) -> None:
        """Keep what holds of a note, each line checked once."""
        shard = signed.body.origin.rpartition("/")[2]
        if signed.body.origin != self.known.origin(int(shard) if shard.isdecimal() else 0):
            return
        log = Verifier.of(signed.body.origin, Kind.ED25519, self.known.key)
        mirrors = {
            name.decode(): Verifier.of(name.decode(), Kind.COSIGNATURE, k) for k, name in self.known.mirrors.items()
        }
        for line in signed.note.signatures:
            key = mirrors.get(line.name, log)
            if (line.name, line.id) != (key.name, key.id) or (signed.note.text, line.value) in seen:
                continue
            seen.add((signed.note.text, line.value))
            try:
                time = key.time_of(signed.note.text, line.value)
            except Malformed:
                continue
            if key is not log and time:  # a cosignature without a time is none
                self.cosigned[signed.body].setdefault(key.public, time)

    @cached_property
    def copies(self) -> dict[tuple[str, int], Copy]:
        """What each honest mirror, and the log if it is honest, handed out of each shard."""
        found: dict[tuple[str, int], dict[int, Entry]] = defaultdict(dict)
        names = {*self.honest, LOG} - self.world.liars
        for sender, shard, index, entry, _ in self.tape.entries():
            if sender in names:
                before = found[sender, shard].setdefault(index, entry)
                assert before == entry, f"{sender} has two entries {index} in shard {shard}"
        return {key: Copy([entries[index] for index in range(len(entries))]) for key, entries in found.items()}

    def copy(self, name: str, shard: int) -> Copy:
        return self.copies.get((name, shard), Copy([]))

    @cached_property
    def certified(self) -> list[Checkpoint]:
        """Checkpoints that a quorum has cosigned, the largest last."""
        met = [checkpoint for checkpoint, signers in self.cosigned.items() if self.known.agreed(signers)]
        return sorted(met, key=lambda each: (each.size, each.root))

    def pays(self, transaction: Transaction) -> bool:
        """True if a certified prefix holds its key."""
        shard = shard_of(transaction.expiration)
        ends = [each for each in self.certified if each.origin == self.known.origin(shard)]
        copies = [self.copy(name, shard) for name in self.honest]
        return any(
            copy.of(transaction, EntryKind.KEY, end.size) for end in ends for copy in copies if copy.leads_to(end)
        )


def all_that_was_certified(world: World, tape: Tape, read: float) -> Complaints:
    """Everything here, for a run with a council; and of any run that only who has lied is convicted, and is."""
    yield from nobody_is_framed(world)
    if not world.council:
        return
    seen = Certified(world, tape, world.council, read)
    for checker in (
        one_branch_is_certified,
        mirrors_cosign_what_they_hold,
        proofs_hold,
        copies_keep_the_rules,
        certificates_hold,
        never_both_outcomes,
        shares_of_aborts_are_true,
        outcomes_that_are_relied_on_are_whole,
        no_key_before_its_certificate,
        who_is_unpaid_has_receipts,
        a_lying_log_is_convicted,
    ):
        yield from checker(seen)


# Checkpoints and copies.


def one_branch_is_certified(seen: Certified) -> Complaints:
    """What a quorum has cosigned is held by an honest mirror, and all of it is one history."""
    for each in seen.certified:
        shard = int(each.origin.rpartition("/")[2].replace("chain", "0"))
        holders = [seen.copy(name, shard) for name in seen.honest if seen.copy(name, shard).leads_to(each)]
        if not holders:
            yield "a checkpoint is certified that no honest mirror holds"
        smaller = [other for other in seen.certified if other.origin == each.origin and other.size <= each.size]
        if holders and not all(holders[0].leads_to(other) for other in smaller):
            yield "two histories of the log are certified"


def mirrors_cosign_what_they_hold(seen: Certified) -> Complaints:
    """An honest mirror cosigns along its own copy, and never below what it has cosigned."""
    for name, key in seen.honest.items():
        mine: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for checkpoint, times in seen.cosigned.items():
            if key not in times:
                continue
            shard = int(checkpoint.origin.rpartition("/")[2].replace("chain", "0"))
            if not seen.copy(name, shard).leads_to(checkpoint):
                yield f"{name} cosigned what it does not hold"
            mine[checkpoint.origin].append((checkpoint.size, times[key]))
        for marks in mine.values():
            latest = 0
            for _, time in sorted(marks):
                if time + seen.world.nodes[name].set_back < latest:
                    yield f"{name} cosigned a tree after a larger one"
                latest = max(latest, time)


def proofs_hold(seen: Certified) -> Complaints:
    """Of what an honest mirror tells of a bundle, the certificate of its first and of its last entry can be made."""
    for name, shard, body in dict.fromkeys(
        (said.heard.sender, said.body.shard, said.body) for said in seen.tape.of(Proofs) if said.time <= seen.read
    ):
        if name in seen.honest and body.checkpoint:
            entries = seen.copy(name, shard).entries
            for index in {body.start, body.start + len(body.leaves) - 1}:
                made = body.certificate(index, encode(entries[index]))
                try:
                    proof = LogProof.parse(made.proof)
                    proof.verified(leaf_hash(made.entry), seen.known.quorum, also=[seen.known.verifier(shard)])
                except Malformed as why:
                    yield f"{name} told proofs that do not hold: {why}"


def copies_keep_the_rules(seen: Certified) -> Complaints:
    """In what honest mirrors hold: times never fall; one pledge in time, one key after it and in time."""
    for (name, shard), copy in seen.copies.items():
        entries = copy.entries
        if any(one.time > other.time for one, other in pairwise(entries)):
            yield f"{name} holds a time that falls"
        taken: dict[tuple[bytes, int], Entry] = {}
        for entry in entries:
            if entry.kind not in (*PLEDGES, *KEYS):
                continue
            transaction = transaction_of(entry)
            last = transaction.expiration + (RELEASE_SECONDS if entry.kind in KEYS else 0)
            if taken.setdefault((entry.outcome_key, entry.kind), entry) is not entry:
                yield f"{name} holds two entries of a kind for one transaction"
            if entry.kind in KEYS and (entry.outcome_key, form(EntryKind.PLEDGE, transaction)) not in taken:
                yield f"{name} holds a key without its pledge"
            if entry.time > last or shard_of(transaction.expiration) != shard:
                yield f"{name} holds a pledge or key that comes late, or stands in another shard than its own"


def certificates_hold(seen: Certified) -> Complaints:
    """Whatever anybody who never lies shows as a certificate is one, to whoever has the log's key and its policy."""
    honest = [said for said in seen.tape.of(Certificate) if said.heard.sender not in seen.world.liars]
    for said in {said.heard.payload: said for said in honest}.values():
        body: Any = said.body
        try:
            certified(seen.known, body, EntryKind.PLEDGE if body.recorded.kind in PLEDGES else EntryKind.KEY)
        except Malformed as why:
            yield f"{said.heard.sender} shows a certificate that holds nowhere: {why}"


# Outcomes.


def never_both_outcomes(seen: Certified) -> Complaints:
    """No transaction has both, whoever puts signatures together."""
    for transaction in seen.tape.aborts():
        if transaction.log == seen.known.identity and seen.pays(transaction):
            yield "a transaction is certified both as committed and as aborted"


def shares_of_aborts_are_true(seen: Certified) -> Complaints:
    """An honest mirror signs no abort while the sale may commit by what it holds."""
    names = {key: name for name, key in seen.honest.items()}
    for said in seen.tape.of(Abort):
        transaction: Transaction = said.body.transaction  # type: ignore[attr-defined]
        for each in said.signed.signatures:
            if each.signer not in names or transaction.log != seen.known.identity:
                continue
            copy = seen.copy(names[each.signer], shard_of(transaction.expiration))
            pledged = copy.of(transaction, EntryKind.PLEDGE)
            first = transaction.expiration + (RELEASE_SECONDS if pledged else 0)
            if said.time + CLOCKS_APART < first:
                yield f"{names[each.signer]} signed an abort while the sale could commit"
            if copy.of(transaction, EntryKind.KEY):
                yield f"{names[each.signer]} signed an abort of a sale that it holds the key of"


def outcomes_that_are_relied_on_are_whole(seen: Certified) -> Complaints:
    """Bank, merchants and consumers take nothing for an outcome that a quorum has not signed."""
    servers = (*seen.council.parties, "stranger", "inspector")
    for said in seen.tape.said:
        if said.heard.sender in servers or said.heard.is_reply:
            continue
        try:
            if isinstance(said.body, Abort) and said.body.transaction.log == seen.known.identity:
                aborted(NETWORK, seen.known, said.signed)
            elif isinstance(said.body, Claim) and isinstance(decode(said.body.commit.body), Certificate):
                named = seen.tape.opener().recorded(said.body.commit).transaction
                committed(NETWORK, seen.known, said.body.commit, named)
            elif isinstance(said.body, Claim) and seen.tape.is_hint(said.body.commit):
                yield f"{said.heard.sender} claims by a hint"
        except Malformed:
            yield f"{said.heard.sender} relies on an outcome that is none"


def no_key_before_its_certificate(seen: Certified) -> Complaints:
    """The merchant shows k to nobody, in no message, before somebody has shown him that his pledge is certified."""
    opener = seen.tape.opener()
    shown = [p4 for said in seen.tape.said if (p4 := opener.p4(said.body)) is not None]
    hidden = {p4.transaction.public: p4.key for p4 in shown if p4.transaction.log == seen.known.identity}
    for said in seen.tape.said:
        body: Any = said.body
        if said.heard.sender.startswith("merchant"):
            p4 = opener.p4(body)
            early = p4 is not None and p4.transaction.public in hidden
            if early or any(key in said.heard.payload for key in hidden.values()):
                yield f"{said.heard.sender} showed a key before its pledge was certified"
        elif isinstance(body, Certificate) and said.heard.receiver.startswith("merchant"):
            transaction = transaction_of(body.recorded)
            with suppress(Malformed):
                pledge_certified(seen.known, unsigned(body), transaction)
                hidden.pop(transaction, None)


def who_is_unpaid_has_receipts(seen: Certified) -> Complaints:
    """A key that the merchant showed in good time is recorded, or more mirrors than may lie say when they had it."""
    shown: dict[Transaction, float] = {}
    receipts: dict[bytes, set[bytes]] = defaultdict(set)
    opener = seen.tape.opener()
    for said in seen.tape.said:
        body: Any = said.body
        if said.heard.sender.startswith("merchant") and (p4 := opener.p4(body)) is not None:
            shown.setdefault(p4.transaction.public, said.time)
        elif isinstance(body, Receipt):
            receipts[body.outcome_key].add(said.signed.signatures[0].signer)
    for transaction in seen.tape.aborts():
        last = transaction.expiration + RELEASE_SECONDS
        if transaction.log != seen.known.identity or shown.get(transaction.public, last) > last - HANDED_SECONDS:
            continue
        if not seen.council.log_lie:
            yield "an honest log did not record a key"
        elif len(receipts[transaction.outcome_key]) < 2:
            yield "a merchant is unpaid, and cannot show that the log suppressed his key"
