"""A log on its files, batch by batch, and somebody who holds it to every word that it has said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from anonnet.errors import Why
from anonnet.parties.log import Log
from anonnet.parties.turn import Answer, Asked, Forget, Turns
from anonnet.protocol.known_log import CHAIN, KnownLog, expirations_of, shard_of
from anonnet.protocol.logbook import Entries, Follow
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.store.database import Database
from anonnet.store.log import LogStore
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash, verify_consistency
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.signed import Signed, Signer, checked, unsigned
from tests.stage import NETWORK, NOON, key_of

KNOWN = KnownLog(key_of("log").public)
MERCHANT = key_of("merchant")
LAST = expirations_of(shard_of(NOON)).stop - 1
SHARDS = shard_of(LAST), shard_of(LAST) + 1


def p4(number: int, expiration: int = LAST) -> Signed:
    k = number.to_bytes(32, "big")
    transaction = Transaction(
        number=number_of(MERCHANT.public, k), expiration=expiration, merchant=MERCHANT.public, log=KNOWN.identity
    )
    return Signer(NETWORK, MERCHANT).sign(AuthorizationM(transaction=transaction, key=k))


def size_of(note: bytes) -> int:
    return SignedCheckpoint.parse(note).body.size


def between(number: int) -> int:
    """An expiration in one of the two shards, by turns."""
    return LAST + number % 2


@dataclass
class Observer:
    """Who keeps all that a log has ever said, and insists that it stays true."""

    commits: dict[bytes, Signed] = field(default_factory=dict)
    checkpoints: dict[tuple[int, int], bytes] = field(default_factory=dict)
    noted: set[bytes] = field(default_factory=set)
    """Brands that stand in the chain, as the log has said."""
    late: set[bytes] = field(default_factory=set)
    """P4 that came too late, as the log has said."""

    def told(self, asked: Message | Signed, said: object) -> None:
        body = decode(said.body) if isinstance(said, Signed) else said
        if isinstance(said, Signed) and isinstance(body, Commit):
            assert self.commits.setdefault(body.authorization_m.hash, said) == said, "a commit has changed"
        elif isinstance(asked, Signed) and isinstance(body, Noted):
            self.noted.add(asked.body)
        elif isinstance(asked, Signed) and isinstance(body, Refusal) and body.why == Why.EXPIRED:
            self.late.add(asked.body)

    def reads(self, log: Machine) -> None:
        """All entries and checkpoints that are not dropped: they extend what was seen before, and hold every commit and
        every brand that was noted once, and nothing that was called late."""
        kept = list[bytes]()
        for shard in (CHAIN, *SHARDS):
            if log.store.is_dropped(shard):
                continue
            entries, checkpoints = log.read(shard)
            tree = Tree.from_leaves(b"".join(map(leaf_hash, entries)))
            for note in checkpoints:
                self._checkpoint(shard, note, tree)
            assert not entries or size_of(checkpoints[-1]) == len(entries)
            kept += entries
        for commit in self.commits.values():
            body = decode(commit.body)
            assert isinstance(body, Commit)
            p4 = decode(body.authorization_m.body)
            assert isinstance(p4, AuthorizationM)
            found = [each for each in kept if body.authorization_m.body in each]
            times = 0 if log.store.is_dropped(shard_of(p4.transaction.expiration)) else 1
            assert len(found) == times, f"a commit that was said stands {len(found)} times in the log"
        for brand in self.noted:
            assert sum(brand in each for each in kept) == 1, "a brand that was noted does not stand once"
        for p4_body in self.late:
            assert not any(p4_body in each for each in kept), "a P4 that was called late stands in the log"

    def _checkpoint(self, shard: int, note: bytes, tree: Tree) -> None:
        signed = SignedCheckpoint.parse(note)
        signed.note.opened([KNOWN.verifier(shard)])
        body = signed.body
        assert body.root == tree.root(body.size), "a checkpoint is not over the entries"
        assert self.checkpoints.setdefault((shard, body.size), body.root) == body.root, "two roots of one size"
        for (other, size), root in self.checkpoints.items():
            if other == shard and size <= body.size:
                path = tree.consistency(size, body.size)
                assert verify_consistency(size, body.size, root, body.root, path), "the log has forked"


@dataclass
class Machine:
    """A log on its files, run batch by batch as its daemon runs it."""

    path: Path
    observer: Observer = field(default_factory=Observer)
    database: Callable[..., Database] = Database

    def __post_init__(self) -> None:
        self.now = NOON
        seal = partial(KNOWN.sealed, key_of("log"))
        self.store = LogStore(str(self.path / "log.db"), seal=seal, database=self.database)
        log = Log(Signer(NETWORK, key_of("log")), KNOWN, [key_of("bank").public])
        self.turns = Turns(log, self.store, self._report)

    def _report(self, bug: Exception, asked: Asked[Any]) -> str:
        raise AssertionError("a bug") from bug

    def batch(self, requests: Sequence[Message | Signed]) -> list[Any]:
        known = [checked(NETWORK, it, STEPS[it.step]) if isinstance(it, Signed) else unsigned(it) for it in requests]
        asked = [Asked(body=it.body, arrival=self.now, entropy=bytes(32), checked=it) for it in known]
        outcomes = self.turns.run_turns(asked, self.now)
        self.store.commit()
        said = [each.said for each in outcomes if isinstance(each, Answer)]
        for request, each in zip(requests, said, strict=True):
            self.observer.told(request, each)
        return said

    def ask(self, request: Message | Signed) -> Any:
        (said,) = self.batch([request])
        return decode(said.body) if isinstance(said, Signed) else said

    def read(self, shard: int) -> tuple[list[bytes], list[bytes]]:
        """All entries of a shard, and the checkpoints that come with them."""
        entries, checkpoints = list[bytes](), list[bytes]()
        while page := self.page(shard, len(entries)).entries:
            checkpoints += self.page(shard, len(entries)).checkpoints
            entries += [each.entry for each in page]
        return entries, checkpoints

    def page(self, shard: int, start: int = 0) -> Entries:
        page = self.ask(Follow(log=KNOWN.identity, shard=shard, start=start))
        assert isinstance(page, Entries)
        return page

    def forget(self) -> bool:
        asked = Asked(body=Forget(), arrival=self.now, entropy=bytes(32), owner=True)
        (outcome,) = self.turns.run_turns([asked], self.now)
        self.store.commit()
        assert isinstance(outcome, Answer)
        return outcome.more
