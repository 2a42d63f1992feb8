"""Deciding with a quorum of mirrors: pledge, key, and the certificates that both get.

    M -> L   [n, expiration, M, L]_m     pledge: P4 without k, by the expiration
    M -> L   P4                          its key, once the pledge is certified, by the expiration and RELEASE_SECONDS

The outcome is a function of a prefix of the log. A prefix pays if it holds the key; it frees if it holds a later entry
than the expiration and no pledge, or a later one than the expiration and RELEASE_SECONDS and no key. Entries' times
never fall, so a prefix that has decided stays decided in every extension; two quorums share an honest mirror, so no two
certified prefixes decide differently. The merchant shows k to nobody before the pledge is certified: from then on no
honest mirror ever signs the abort unless he withholds the key.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

from anonnet.errors import Malformed
from anonnet.limits import CERTIFICATE_BYTES_MAX, ENTRY_BYTES_MAX, KIB, SMALL_FRAME_MAX
from anonnet.protocol.fields import Hash, Index, KeyOrNone, Seconds
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import Entry, EntryKind, form
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM
from anonnet.protocol.sealed import SealedM
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction, check_key_or_none
from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.note import Note, Signature
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import Between, Message, decode, decode_record, message
from anonnet.wire.signed import Checked, Signed


@message(Step.PLEDGE, signed=True, frame_max=SMALL_FRAME_MAX)
class Pledge(Message):
    """M -> L, signed by the merchant: P4 without k."""

    transaction: Transaction
    receiver_key: KeyOrNone = b""

    def check(self) -> None:
        self.transaction.check_whole()
        check_key_or_none(self.receiver_key, "receiver_key")

    @classmethod
    def answering(cls, promise: AuthorizationB) -> Pledge:
        """The merchant's pledge that answers P3 where the log has a quorum."""
        return cls(transaction=promise.transaction, receiver_key=promise.receiver_key)

    def released_by(self, authorization_m: AuthorizationM) -> bool:
        """True if this P4 brings the key of this pledge."""
        return (authorization_m.transaction, authorization_m.receiver_key) == (self.transaction, self.receiver_key)


@message(Step.PLEDGED, signed=True, frame_max=KIB)
class Pledged(Message):
    """L -> M, signed by the log: the pledge stands at this index of its shard. A hint: only a certificate counts."""

    transaction: Transaction
    index: Index

    def check(self) -> None:
        self.transaction.check_public()


@message(Step.RECEIPT, signed=True, frame_max=KIB)
class Receipt(Message):
    """Mirror -> M, signed by the mirror: at this time of mine I had P4 with this hash.

    It moves no money; receipts in time of more mirrors than may lie convict a log that suppressed the key.
    """

    authorization_m: Hash
    outcome_key: Hash
    time: Seconds


@message(Step.CERTIFICATE_OF, signed=False, frame_max=KIB)
class CertificateOf(Message):
    """Anyone -> L or a mirror: the certificate of this transaction's pledge, or of its key. Held a while where there is
    none, then answered with Undecided."""

    transaction: Transaction
    kind: Annotated[int, Between(int(EntryKind.PLEDGE), int(EntryKind.KEY))]

    def check(self) -> None:
        self.transaction.check_public()


@message(Step.CERTIFICATE, signed=False, frame_max=CERTIFICATE_BYTES_MAX + 2 * ENTRY_BYTES_MAX)
class Certificate(Message):
    """An entry and its C2SP tlog-proof: in a shard of the log, under a checkpoint that a quorum has cosigned.

    It bears the signatures of those who count inside, so nobody signs it as a whole.
    """

    entry: Annotated[bytes, Between(1, ENTRY_BYTES_MAX)]
    proof: Annotated[bytes, Between(1, CERTIFICATE_BYTES_MAX)]

    @property
    def recorded(self) -> Entry:
        """The entry, nothing checked. Raises Malformed."""
        return decode_record(Entry, self.entry)

    @property
    def origin(self) -> str:
        """Whose tree it says the entry is in, nothing checked. Raises Malformed."""
        return LogProof.parse(self.proof).checkpoint.body.origin


def certified(known: KnownLog, certificate: Certificate, kind: EntryKind) -> Entry:
    """The entry of this kind, open or sealed, that a certificate shows to be in a shard of this log. Raises Malformed.

    That auditors saw it kept the rules of the log is what their cosignatures say; here only the place is checked.
    """
    entry = entry_of_kind(certificate, kind)
    verifier = known.verifier(shard_of(transaction_of(entry).expiration))
    proof = LogProof.parse(certificate.proof)
    if proof.checkpoint.body.extensions:  # as in `KnownLog.opened`: whoever compares checkpoints takes none with them
        raise Malformed("a certificate under a checkpoint with extension lines")
    proof.verified(leaf_hash(certificate.entry), known.quorum, also=[verifier])
    return entry


def entry_of_kind(certificate: Certificate, kind: EntryKind) -> Entry:
    """The entry, which is of this kind, open or sealed, and under its own outcome key; its place is not checked. Raises
    Malformed."""
    entry = certificate.recorded
    transaction = transaction_of(entry)
    if entry.kind != form(kind, transaction):
        raise Malformed("a certificate of an entry of another kind")
    if entry.outcome_key != transaction.outcome_key:
        raise Malformed("an entry under another transaction's outcome key")
    return entry


def transaction_of(entry: Entry) -> Transaction:
    """The transaction that a commit, pledge or key entry is about, as the log knows it. Raises Malformed."""
    body = decode(decode_record(Signed, entry.body).body)
    if not isinstance(body, Pledge | AuthorizationM | SealedM):
        raise Malformed("an entry that is about no transaction")
    return body.transaction


def pledge_certified(known: KnownLog, said: Checked[Certificate], transaction: Transaction) -> None:
    """Raise Malformed unless this certificate is that of the transaction's pledge."""
    if transaction_of(certified(known, said.body, EntryKind.PLEDGE)) != transaction.public:
        raise Malformed("a certificate of another transaction's pledge")


def cosigners(known: KnownLog, certificate: Signed) -> frozenset[bytes]:
    """The mirrors of this log by whose cosignatures a certificate holds. Raises Malformed where it is none."""
    said = decode(certificate.body)
    if type(said) is not Certificate:
        raise Malformed("not a certificate")
    return frozenset(cosignatures(known, LogProof.parse(said.proof).checkpoint.note))


def places(known: KnownLog, mirrors: Collection[bytes]) -> int:
    """Which of the log's mirrors these are: bit i stands for the i-th key in ascending order."""
    return sum(1 << place for place, key in enumerate(sorted(known.mirrors)) if key in mirrors)


def cosignatures(known: KnownLog, note: Note) -> dict[bytes, Signature]:
    """The mirrors' cosignatures of a checkpoint by which a certificate under it would hold, by mirror. Raises Malformed
    where one does not hold."""
    if known.decides_alone:
        return {}
    keys = {name: key for key, name in known.mirrors.items()}
    return {keys[name]: each.signature for name, each in known.quorum.cosigned(note).items()}
