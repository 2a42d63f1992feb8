"""The rules of a log's shard, and what a prefix of it has decided.

The log keeps these rules before it signs a checkpoint, and a mirror checks them before it cosigns one: a cosignature of
ours says that every entry below it was seen and kept them all. `sound` judges an entry by itself, `follows` its place
behind a prefix, and `decision` reads a transaction's outcome from a prefix. By the rules ONCE, IN_TIME, RELEASED and
FORWARD a prefix that has decided stays decided in every extension.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from anonnet.errors import Malformed
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN, KnownLog, shard_of
from anonnet.protocol.logbook import OUTCOME_KINDS, Entry, EntryKind
from anonnet.protocol.purchase import AuthorizationM, check_authorization_m
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.sealed import SEALED_KINDS, check_sealed_m
from anonnet.protocol.transaction import Transaction, expired
from anonnet.times import LEAD_SECONDS_MAX, RELEASE_SECONDS, SHARD_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.codec import Message, decode, decode_record
from anonnet.wire.signed import Checked, Signed, checked


class Rule(enum.IntEnum):
    """What each entry must keep."""

    ONCE = 1  # at most one commit or pledge, and one key, for each transaction
    IN_TIME = 2  # a commit or pledge comes by the expiration
    RELEASED = 3  # a key fits its pledge and comes by the expiration and RELEASE_SECONDS
    FORWARD = 4  # times never fall
    SIGNED = 5  # who must sign has signed, and names this log
    IN_SHARD = 6  # the kind and the expiration belong into this shard; the expiration is not too far ahead
    ENCODED = 7  # the one encoding, and a body where there is something to say
    BOUNDED = 8  # genesis first, nothing after close, no close before all is decided
    ONE_BRAND = 9  # one open brand of a bank in a currency and denomination


class Broken(Malformed):
    """An entry that breaks a rule."""

    def __init__(self, rule: Rule, why: str) -> None:
        super().__init__(f"rule {rule}: {why}")
        self.rule = rule


class Decision(enum.Enum):
    """What a prefix says of a transaction."""

    PAYS = "pays"
    FREES = "frees"
    UNDECIDED = "undecided"


class Prefix(Protocol):
    """What must be known of the first `size` entries of a shard to judge the next one."""

    @property
    def size(self) -> int: ...

    @property
    def last_time(self) -> int:
        """Of the newest entry; 0 without any."""

    @property
    def closed(self) -> bool: ...

    def standing(self, outcome_key: bytes) -> Sequence[Entry]:
        """The entries under this outcome key, in their order."""

    def brands(self) -> Iterable[Brand]:
        """All brands recorded here."""


_ALONE = frozenset({EntryKind.COMMIT, EntryKind.SEALED})
_RELEASES = frozenset({EntryKind.KEY, EntryKind.SEALED_KEY})
PLEDGES = frozenset({EntryKind.PLEDGE, EntryKind.SEALED_PLEDGE})
PAYING = _ALONE | _RELEASES
"""The kinds that decide for the merchant."""
_CHAIN_KINDS = frozenset({EntryKind.BRAND, EntryKind.ANCHOR})
_EMPTY_KINDS = frozenset({EntryKind.TICK, EntryKind.CLOSE})


def sound(network: str, known: KnownLog, shard: int, data: bytes) -> Entry:
    """The entry that these bytes are, after every check that needs no other entry. Raises Broken."""
    try:
        entry = decode_record(Entry, data)
    except Malformed as why:
        raise Broken(Rule.ENCODED, str(why)) from None
    _check_kind(known, shard, entry)
    if entry.kind in OUTCOME_KINDS:
        _check_outcome(shard, entry, _signed_transaction(network, known, entry))
    elif entry.kind == EntryKind.GENESIS:
        _demand(Rule.SIGNED, entry.body == known.origin(shard).encode(), "genesis names another shard")
    elif entry.kind in _EMPTY_KINDS:
        _demand(Rule.ENCODED, not entry.body, "a body that says nothing")
    else:
        _check_chained(network, known, entry)
    return entry


def follows(prefix: Prefix, entry: Entry) -> None:
    """Raise Broken unless this sound entry may come next."""
    _check_place(prefix.size, entry)
    _check_after(prefix.closed, prefix.last_time, entry)
    if entry.kind in OUTCOME_KINDS:
        standing = prefix.standing(entry.outcome_key)
        for each in standing:
            _check_beside(each, entry)
        _demand(Rule.RELEASED, bool(standing) or entry.kind not in _RELEASES, "a key without its pledge")
    elif entry.kind == EntryKind.BRAND:
        _check_brand(prefix.brands(), entry)


def check_excerpt(network: str, known: KnownLog, shard: int, shown: Sequence[tuple[int, bytes]]) -> None:
    """Raise Broken if no shard that keeps the rules has these entries at these indexes, whatever else is in it.

    That a key's pledge is missing, only the whole prefix shows.
    """
    earlier: list[Entry] = []
    for index, data in shown:
        entry = sound(network, known, shard, data)
        _check_place(index, entry)
        for each in earlier:
            _check_after(each.kind == EntryKind.CLOSE, each.time, entry)
            if entry.kind in OUTCOME_KINDS and each.outcome_key == entry.outcome_key:
                _check_beside(each, entry)
            elif entry.kind == each.kind == EntryKind.BRAND:
                _check_brand([recorded_brand(each)], entry)
        earlier.append(entry)


def decision(prefix: Prefix, transaction: Transaction) -> Decision:
    """What this prefix of the transaction's shard has decided, for every extension of it."""
    kinds = {entry.kind for entry in prefix.standing(transaction.outcome_key)}
    if kinds & PAYING:
        return Decision.PAYS  # what is sealed may open to nothing: who knows n sees that, and counts it as failed
    last = transaction.expiration + (RELEASE_SECONDS if kinds & PLEDGES else 0)
    return Decision.FREES if expired(last, prefix.last_time) else Decision.UNDECIDED


def decided_by(shard: int) -> int:
    """The last second at which an entry can still decide a transaction of this shard."""
    return shard * SHARD_SECONDS - 1 + RELEASE_SECONDS


def fits(pledge: Entry, key: Signed) -> bool:
    """True if this paper brings the key of this pledge; where it is sealed who does not know n cannot tell."""
    if pledge.kind == EntryKind.SEALED_PLEDGE:
        return True
    said, authorization_m = recorded(pledge), decode(key.body)
    assert isinstance(said, Pledge)
    return isinstance(authorization_m, AuthorizationM) and said.released_by(authorization_m)


def recorded(entry: Entry) -> Message:
    """What a sound commit, pledge, key or brand entry records, without its signature. Raises Malformed."""
    return decode(decode_record(Signed, entry.body).body)


def recorded_brand(entry: Entry) -> Brand:
    """What a sound brand entry records."""
    brand = recorded(entry)
    assert isinstance(brand, Brand)
    return brand


def _demand(rule: Rule, holds: bool, why: str) -> None:
    if not holds:
        raise Broken(rule, why)


def _check_kind(known: KnownLog, shard: int, entry: Entry) -> None:
    """Each kind has its shards, and its policies."""
    chained = entry.kind in _CHAIN_KINDS
    if entry.kind in OUTCOME_KINDS:
        alone = entry.kind in _ALONE
        _demand(Rule.SIGNED, alone == known.decides_alone, "a kind of entry that this log's policy does not know")
    _demand(Rule.IN_SHARD, not chained or shard == CHAIN, "brands and anchors stand in the chain")
    if entry.kind in OUTCOME_KINDS or entry.kind == EntryKind.CLOSE:
        _demand(Rule.IN_SHARD, shard != CHAIN, "the chain decides no sale and never ends")
    if entry.kind == EntryKind.CLOSE:
        _demand(Rule.BOUNDED, expired(decided_by(shard), entry.time), "a shard is closed before all is decided")


def _signed_transaction(network: str, known: KnownLog, entry: Entry) -> Transaction:
    """What this entry is about, signed by the merchant, or by W where it is sealed. Raises Broken."""
    try:
        said: Checked[Any]
        signed = decode_record(Signed, entry.body)
        if entry.kind in SEALED_KINDS:
            return _sealed_transaction(network, known, entry.kind, signed)
        if entry.kind == EntryKind.PLEDGE:
            said = checked(network, signed, Pledge)
        else:
            said = checked(network, signed, AuthorizationM)
            check_authorization_m(said)
        transaction: Transaction = said.body.transaction
        _demand(Rule.SIGNED, said.signer == transaction.merchant, "signed by another than M")
    except Broken:
        raise
    except Malformed as why:
        raise Broken(Rule.SIGNED, str(why)) from None
    _demand(Rule.SIGNED, transaction.log == known.identity, "a transaction of another log")
    _demand(Rule.SIGNED, not transaction.entry_key, "a sealed transaction in the open")
    return transaction


def _sealed_transaction(network: str, known: KnownLog, kind: int, signed: Signed) -> Transaction:
    """Raises Malformed."""
    sealed_m = check_sealed_m(network, signed)
    _demand(Rule.SIGNED, sealed_m.kind == kind, "sealed as another kind of entry")
    _demand(Rule.SIGNED, sealed_m.log == known.identity, "a transaction of another log")
    return sealed_m.transaction


def _check_outcome(shard: int, entry: Entry, transaction: Transaction) -> None:
    expiration = transaction.expiration
    _demand(Rule.ENCODED, entry.outcome_key == transaction.outcome_key, "another transaction's outcome key")
    _demand(Rule.IN_SHARD, shard_of(expiration) == shard, "a transaction of another shard")
    if entry.kind in _RELEASES:
        _demand(Rule.RELEASED, not expired(expiration + RELEASE_SECONDS, entry.time), "a key that comes too late")
    else:
        _demand(Rule.IN_TIME, not expired(expiration, entry.time), "recorded after the expiration")
        _demand(Rule.IN_SHARD, expiration <= entry.time + LEAD_SECONDS_MAX, "an expiration too far ahead")


def _check_chained(network: str, known: KnownLog, entry: Entry) -> None:
    """A brand signed by its bank, or a checkpoint of a shard signed by this log. Raises Broken."""
    try:
        if entry.kind == EntryKind.BRAND:
            brand = checked(network, decode_record(Signed, entry.body), Brand)
            _demand(Rule.SIGNED, brand.signer == brand.body.bank, "a brand signed by another than its bank")
            return
        shard = known.shard_called(SignedCheckpoint.parse(entry.body).body.origin)
        if shard is None or shard == CHAIN:
            raise Broken(Rule.SIGNED, "an anchor of another log, or of the chain")
        known.opened(shard, entry.body)
    except Broken:
        raise
    except Malformed as why:
        raise Broken(Rule.SIGNED, str(why)) from None


def _check_place(index: int, entry: Entry) -> None:
    _demand(Rule.BOUNDED, (entry.kind == EntryKind.GENESIS) == (index == 0), "genesis is the first entry alone")


def _check_after(closed: bool, time: int, entry: Entry) -> None:
    """Behind an earlier entry of this time, which has closed the shard or has not."""
    _demand(Rule.BOUNDED, not closed, "an entry after close")
    _demand(Rule.FORWARD, entry.time >= time, "a time falls")


def _check_brand(others: Iterable[Brand], entry: Entry) -> None:
    _demand(Rule.ONE_BRAND, not any(map(recorded_brand(entry).competes, others)), "two open brands")


def _check_beside(earlier: Entry, entry: Entry) -> None:
    """Behind an earlier entry under the same outcome key."""
    _demand(Rule.ONCE, entry.kind in _RELEASES, "a second commit or pledge")
    _demand(Rule.ONCE, earlier.kind not in _RELEASES, "a second key")
    _demand(Rule.RELEASED, fits(earlier, decode_record(Signed, entry.body)), "a key of another pledge")
