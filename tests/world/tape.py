"""The tape of a run, read: every signed message checked again, requests joined with the answers that were said to them.

The checkers see a run through this alone; what a party thinks does not matter here, only what it said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from anonnet.errors import Malformed
from anonnet.protocol.logbook import Entries, Entry, EntryKind
from anonnet.protocol.outcome import Logs
from anonnet.protocol.proofs import Proofs
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.sealed import SealedM, Submission
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import STEPS, Message, decode, decode_record, encode
from anonnet.wire.signed import Signed, received, unsigned
from tests.world.network import Heard

KEYS = frozenset({EntryKind.KEY, EntryKind.SEALED_KEY})


@dataclass(frozen=True)
class Said:
    """One frame: when, by whom, to whom, what, and with which signatures."""

    heard: Heard
    body: Message
    signed: Signed

    @property
    def time(self) -> float:
        return self.heard.time


@dataclass
class Tape:
    """What was said in one run."""

    network: str
    logs: Logs
    said: list[Said] = field(default_factory=list)
    pairs: list[tuple[Said, Said]] = field(default_factory=list)
    """(request, answer) in the order in which the answers were said."""
    unsound: list[str] = field(default_factory=list)
    _known: dict[bytes, Any] = field(default_factory=dict)
    _requests: dict[int, Said] = field(default_factory=dict)
    _read: int = 0

    def read(self, heard: Sequence[Heard]) -> Tape:
        """Decode and check every frame that is new on the tape, each content once."""
        for each in heard[self._read :]:
            if each.payload not in self._known:
                self._known[each.payload] = self._checked(each)
            checked = self._known[each.payload]
            if checked is None:
                continue
            said = Said(each, checked.body, checked.signed)
            self.said.append(said)
            if each.is_reply:
                self.pairs.append((self._requests[each.exchange], said))
            else:
                self._requests[each.exchange] = said
        self._read = len(heard)
        return self

    def _checked(self, heard: Heard) -> Any:
        try:
            return received(self.network, STEPS[heard.step], heard.payload)
        except Malformed as why:
            self.unsound.append(f"{heard.sender} said what does not hold: {STEPS[heard.step].__name__}: {why}")
            return None

    def of(self, kind: type[Message]) -> Iterator[Said]:
        """All messages of one kind, in the order in which they were said."""
        return (said for said in self.said if type(said.body) is kind)

    def promises(self) -> dict[Transaction, list[Said]]:
        """P3 by transaction."""
        return self._by_transaction(AuthorizationB)

    def orders(self) -> dict[Transaction, list[Said]]:
        """P2 by transaction."""
        return self._by_transaction(AuthorizationQ)

    def aborts(self) -> dict[Transaction, list[Said]]:
        """P5b by transaction; of a sealed one, which it names as the log knows it, by each that it may mean. Under a
        quorum from the moment on in which enough mirrors have signed it, whoever put their signatures together."""
        sealed = self._sealed()
        found: dict[Transaction, list[Said]] = defaultdict(list)
        for public, papers in self._by_transaction(Abort).items():
            for transaction in sealed.get(public, (public,)):
                found[transaction] += self._whole(public, papers)
        return {transaction: papers for transaction, papers in found.items() if papers}

    def _whole(self, transaction: Transaction, papers: list[Said]) -> list[Said]:
        known = self.logs.get(transaction.log)
        if known is None or known.decides_alone:
            return papers
        signers: set[bytes] = set()
        for place, said in enumerate(papers):
            signers |= {each.signer for each in said.signed.signatures}
            if known.agreed(signers):
                return papers[place:]
        return []

    def _sealed(self) -> dict[Transaction, set[Transaction]]:
        """The whole transactions that were named, by what a log knows of them, where that is less."""
        found: dict[Transaction, set[Transaction]] = defaultdict(set)
        for transaction in (*self.orders(), *self.promises()):
            if transaction.entry_key:
                found[transaction.public].add(transaction)
        return found
        return found

    def _by_transaction(self, kind: type[Message]) -> dict[Transaction, list[Said]]:
        found: dict[Transaction, list[Said]] = defaultdict(list)
        for said in self.of(kind):
            body: Any = said.body
            found[body.transaction].append(said)
        return found

    def commits(self) -> dict[Transaction, list[tuple[Signed, Said]]]:
        """What commits by transaction, wherever it was shown: P5a of a log that decides alone, and certificates."""
        opener = self.opener()
        found: dict[Transaction, list[tuple[Signed, Said]]] = defaultdict(list)
        for said in self.said:
            body: Any = said.body
            shown = isinstance(body, Commit) or (isinstance(body, Certificate) and _is_of_key(body))
            commit = said.signed if shown else getattr(body, "commit", None)
            if commit is not None and not self.is_hint(commit):
                found[opener.recorded(commit).transaction].append((commit, said))
        return found

    def provable(self, outcome_key: bytes) -> Iterator[Signed]:
        """The certificates of a key that somebody could make of proofs of bundles. Nothing is verified."""
        keys = {
            (shard, index, encode(entry))
            for _, shard, index, entry, _ in self.entries()
            if entry.outcome_key == outcome_key and entry.kind in KEYS
        }
        for said in self.of(Proofs):
            for shard, index, entry in sorted(keys):
                if isinstance(said.body, Proofs) and said.body.shard == shard and said.body.shows(index, entry):
                    yield unsigned(said.body.certificate(index, entry)).signed

    def is_hint(self, commit: Signed) -> bool:
        """True for the P5a of a log under a quorum: it moves nothing."""
        body = _decoded(commit)
        known = self.logs.get(_decoded(body.authorization_m).transaction.log) if isinstance(body, Commit) else None
        return known is not None and not known.decides_alone

    def opener(self) -> Opener:
        """Opens what is sealed, by the transactions that were named so far."""
        return Opener(self.network, self._sealed())

    def entries(self) -> Iterator[tuple[str, int, int, Entry, bytes]]:
        """(log, shard, index, entry, its bytes and its signature)."""
        for said in self.of(Entries):
            body: Any = said.body
            for index, each in enumerate(body.entries, body.start):
                entry = decode_record(Entry, each.entry)
                yield said.heard.sender, body.shard, index, entry, each.entry + each.signature


@dataclass
class Opener:
    """Reads P4 where it was recorded, or is to be: in the open, or sealed."""

    network: str
    sealed: dict[Transaction, set[Transaction]]
    _opened: dict[bytes, AuthorizationM] = field(default_factory=dict)

    def p4(self, body: Message) -> AuthorizationM | None:
        """The P4 that somebody brings to be recorded, open or sealed. None: it is something else, or a pledge."""
        if isinstance(body, Submission) and body.said.kind != EntryKind.SEALED_PLEDGE:
            return self.opened(body.sealed_m)
        return body if isinstance(body, AuthorizationM) else None

    def recorded(self, commit: Signed) -> AuthorizationM:
        """The P4 in a commit, or in the certificate of its entry."""
        said = _decoded(commit)
        if isinstance(said, Certificate):
            return self.opened(decode_record(Signed, said.recorded.body))
        return self.opened(said.authorization_m)

    def opened(self, entry: Signed) -> AuthorizationM:
        """The P4 in an entry: no merchant of the world seals anything else."""
        if entry.body not in self._opened:
            body = _decoded(entry)
            if isinstance(body, SealedM):
                named = self.sealed[body.transaction]
                (body,) = [said for each in named if (said := body.opened(self.network, each)) is not None]
            assert isinstance(body, AuthorizationM)
            self._opened[entry.body] = body
        return self._opened[entry.body]


def gist(paper: Signed) -> bytes:
    """What a paper says; of a certificate its entry, since other cosignatures may stand under it each time."""
    body = decode(paper.body)
    return body.entry if isinstance(body, Certificate) else paper.body


def _is_of_key(certificate: Certificate) -> bool:
    return certificate.recorded.kind in KEYS


def _decoded(signed: Signed) -> Any:
    return decode(signed.body)
