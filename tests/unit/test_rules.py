"""The rules of a log's shard, each broken once, and that what is decided stays decided."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN, KnownLog, mirror_policy, shard_of
from anonnet.protocol.logbook import ENTRY_VERSION, SEALED_AS, Entry, EntryKind
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.rules import Broken, Decision, Rule, decided_by, decision, follows, recorded, sound
from anonnet.protocol.sealed import SealedM
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.times import BRAND_WINDOW_SECONDS_MIN, LEAD_SECONDS_MAX, RELEASE_SECONDS, SHARD_SECONDS
from anonnet.tlog.checkpoint import Checkpoint
from anonnet.tlog.note import Note
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.wire.codec import Message, encode
from anonnet.wire.signed import Signed, Signer
from tests.stage import NETWORK, NOON, key_of, mint

MERCHANT, LOG = key_of("merchant"), key_of("log")
POLICY = mirror_policy({f"mirror-{i}": key_of(f"mirror-{i}").public for i in range(4)}, 3)
ALONE, QUORUM = KnownLog(LOG.public), KnownLog(LOG.public, POLICY)
EXPIRATION = NOON + 60
SHARD = shard_of(EXPIRATION)


@dataclass
class Kept:
    """A prefix of a shard in memory."""

    known: KnownLog = QUORUM
    shard: int = SHARD
    entries: list[Entry] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.entries)

    @property
    def last_time(self) -> int:
        return self.entries[-1].time if self.entries else 0

    @property
    def closed(self) -> bool:
        return bool(self.entries) and self.entries[-1].kind == EntryKind.CLOSE

    def standing(self, outcome_key: bytes) -> Sequence[Entry]:
        return [entry for entry in self.entries if entry.outcome_key == outcome_key]

    def brands(self) -> Iterable[Brand]:
        said = (recorded(entry) for entry in self.entries if entry.kind == EntryKind.BRAND)
        return [brand for brand in said if isinstance(brand, Brand)]

    def add(self, *entries: Entry) -> Kept:
        """Take what is lawful. Raises Broken."""
        for entry in entries:
            follows(self, sound(NETWORK, self.known, self.shard, encode(entry)))
            self.entries.append(entry)
        return self


def entry(kind: EntryKind, time: int = NOON, body: bytes = b"", outcome_key: bytes = b"") -> Entry:
    return Entry(version=ENTRY_VERSION, kind=int(kind), time=time, outcome_key=outcome_key, body=body)


def genesis(known: KnownLog = QUORUM, shard: int = SHARD) -> Entry:
    return entry(EntryKind.GENESIS, body=known.origin(shard).encode())


def key(i: int) -> bytes:
    return hashlib.sha256(b"key %d" % i).digest()


def sale(i: int = 0, expiration: int = EXPIRATION, log: KnownLog = QUORUM) -> Transaction:
    number = number_of(MERCHANT.public, key(i))
    return Transaction(number=number, expiration=expiration, merchant=MERCHANT.public, log=log.identity)


def by(name: str, said: Message) -> Signed:
    return Signer(NETWORK, key_of(name)).sign(said)


def about(kind: EntryKind, transaction: Transaction, said: Signed, time: int = NOON) -> Entry:
    return entry(kind, time, encode(said), transaction.outcome_key)


def pledge(transaction: Transaction, time: int = NOON, name: str = "merchant") -> Entry:
    return about(EntryKind.PLEDGE, transaction, by(name, Pledge(transaction=transaction)), time)


def released(transaction: Transaction, i: int = 0, time: int = NOON, kind: EntryKind = EntryKind.KEY) -> Entry:
    return about(kind, transaction, by("merchant", AuthorizationM(transaction=transaction, key=key(i))), time)


def brand(opens: int = NOON) -> Entry:
    signed = Signer(NETWORK, key_of("bank")).sign(
        replace(mint(key_of("bank"), {1: "2048-a"})[0].brand, opens=opens, closes=opens + BRAND_WINDOW_SECONDS_MIN)
    )
    return entry(EntryKind.BRAND, body=encode(signed))


def anchor(name: str = "log", shard: int = SHARD) -> Entry:
    checkpoint = Checkpoint(QUORUM.origin(shard), 7, bytes(32))
    signature = NoteSigner(checkpoint.origin, key_of(name)).sign(checkpoint.text)
    return entry(EntryKind.ANCHOR, body=Note(checkpoint.text, (signature,)).encoded())


def lawful_shard() -> Kept:
    close = entry(EntryKind.CLOSE, decided_by(SHARD) + 1)
    return Kept().add(genesis(), pledge(sale()), entry(EntryKind.TICK), released(sale(), time=NOON + 1), close)


def lawful_chain() -> Kept:
    later = brand(NOON + BRAND_WINDOW_SECONDS_MIN + 1)
    return Kept(shard=CHAIN).add(genesis(shard=CHAIN), brand(), anchor(), later)


def test_lawful_entries_are_taken() -> None:
    assert lawful_shard().closed
    assert len(list(lawful_chain().brands())) == 2
    commit = released(sale(log=ALONE), kind=EntryKind.COMMIT, time=EXPIRATION)
    assert Kept(ALONE).add(genesis(ALONE), commit).size == 2


def begun(*entries: Entry) -> Kept:
    return Kept().add(genesis(), *entries)


def chain(*entries: Entry) -> Kept:
    return Kept(shard=CHAIN).add(genesis(shard=CHAIN), *entries)


W = SigningKey(bytes(32))


def hidden() -> Transaction:
    """A sale whose entries are sealed."""
    return replace(sale(), entry_key=W.public)


def sealed(kind: EntryKind, time: int = NOON, signer: SigningKey = W, told: EntryKind | None = None) -> Entry:
    """P4 of the hidden sale, sealed; `told`: the kind that W has signed, where it is another."""
    p4 = by("merchant", AuthorizationM(transaction=hidden(), key=key(0)))
    sealed_m = Signer(NETWORK, signer).sign(SealedM.of(told or kind, hidden(), p4))
    return about(SEALED_AS[kind], hidden(), sealed_m, time)


LATE_KEY = EXPIRATION + RELEASE_SECONDS + 1
FAR = NOON + LEAD_SECONDS_MAX + 1
BREACHES: dict[str, tuple[Rule, Callable[[], tuple[Kept, Entry]]]] = {
    "a second pledge": (Rule.ONCE, lambda: (begun(pledge(sale())), pledge(sale(), NOON + 1))),
    "a pledge after the key": (Rule.ONCE, lambda: (begun(pledge(sale()), released(sale())), pledge(sale()))),
    "a second key": (Rule.ONCE, lambda: (begun(pledge(sale()), released(sale())), released(sale()))),
    "a second commit": (
        Rule.ONCE,
        lambda: (
            Kept(ALONE).add(genesis(ALONE), released(sale(log=ALONE), kind=EntryKind.COMMIT)),
            released(sale(log=ALONE), kind=EntryKind.COMMIT),
        ),
    ),
    "a late pledge": (Rule.IN_TIME, lambda: (begun(), pledge(sale(), EXPIRATION + 1))),
    "a key without pledge": (Rule.RELEASED, lambda: (begun(), released(sale()))),
    "a late key": (Rule.RELEASED, lambda: (begun(pledge(sale())), released(sale(), time=LATE_KEY))),
    "a key with Q for a pledge without": (
        Rule.RELEASED,
        lambda: (
            begun(pledge(sale())),
            about(
                EntryKind.KEY,
                sale(),
                by("merchant", AuthorizationM(transaction=sale(), receiver_key=MERCHANT.public, key=key(0))),
            ),
        ),
    ),
    "a sealed pledge that W did not sign": (
        Rule.SIGNED,
        lambda: (begun(), sealed(EntryKind.PLEDGE, signer=MERCHANT)),
    ),
    "a sealed key in the place of a pledge": (
        Rule.SIGNED,
        lambda: (begun(), sealed(EntryKind.PLEDGE, told=EntryKind.KEY)),
    ),
    "a sealed commit without its quorum": (Rule.SIGNED, lambda: (begun(), sealed(EntryKind.COMMIT))),
    "a second sealed pledge": (
        Rule.ONCE,
        lambda: (begun(sealed(EntryKind.PLEDGE)), sealed(EntryKind.PLEDGE, NOON + 1)),
    ),
    "a sealed key without pledge": (Rule.RELEASED, lambda: (begun(), sealed(EntryKind.KEY))),
    "a late sealed pledge": (Rule.IN_TIME, lambda: (begun(), sealed(EntryKind.PLEDGE, EXPIRATION + 1))),
    "a hidden sale in the open": (Rule.SIGNED, lambda: (begun(), pledge(hidden()))),
    "time that falls": (Rule.FORWARD, lambda: (begun(entry(EntryKind.TICK, NOON + 5)), entry(EntryKind.TICK, NOON))),
    "a stranger's pledge": (Rule.SIGNED, lambda: (begun(), pledge(sale(), name="stranger"))),
    "another log's pledge": (Rule.SIGNED, lambda: (begun(), pledge(sale(log=ALONE)))),
    "a wrong key": (Rule.SIGNED, lambda: (begun(pledge(sale())), released(sale(), 1))),
    "a commit without its quorum": (Rule.SIGNED, lambda: (begun(), released(sale(), kind=EntryKind.COMMIT))),
    "a genesis of another shard": (Rule.SIGNED, lambda: (Kept(), genesis(shard=SHARD + 1))),
    "an anchor that the log did not sign": (Rule.SIGNED, lambda: (chain(), anchor("stranger"))),
    "a sale of another shard": (Rule.IN_SHARD, lambda: (begun(), pledge(sale(expiration=NOON + SHARD_SECONDS)))),
    "a sale too far ahead": (
        Rule.IN_SHARD,
        lambda: (Kept(shard=shard_of(FAR)).add(genesis(shard=shard_of(FAR))), pledge(sale(expiration=FAR))),
    ),
    "a brand among sales": (Rule.IN_SHARD, lambda: (begun(), brand())),
    "the end of the chain": (Rule.IN_SHARD, lambda: (chain(), entry(EntryKind.CLOSE, LATE_KEY))),
    "a tick that says something": (Rule.ENCODED, lambda: (begun(), entry(EntryKind.TICK, body=b"x"))),
    "another sale's outcome key": (Rule.ENCODED, lambda: (begun(), replace(pledge(sale()), outcome_key=bytes(32)))),
    "no genesis": (Rule.BOUNDED, lambda: (Kept(), pledge(sale()))),
    "a second genesis": (Rule.BOUNDED, lambda: (begun(), genesis())),
    "an entry after close": (Rule.BOUNDED, lambda: (lawful_shard(), entry(EntryKind.TICK, decided_by(SHARD) + 2))),
    "a close before all is decided": (Rule.BOUNDED, lambda: (begun(), entry(EntryKind.CLOSE, decided_by(SHARD)))),
    "two open brands": (Rule.ONE_BRAND, lambda: (chain(brand()), brand(NOON + BRAND_WINDOW_SECONDS_MIN))),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_broken_rule_is_named(breach: str) -> None:
    rule, made = BREACHES[breach]
    kept, broken = made()
    with pytest.raises(Broken) as found:
        kept.add(broken)
    assert found.value.rule == rule


def test_every_rule_is_broken_once() -> None:
    assert {rule for rule, _ in BREACHES.values()} == set(Rule)


def test_bytes_that_are_no_entry_break_the_encoding() -> None:
    with pytest.raises(Broken, match="rule 7"):
        sound(NETWORK, QUORUM, SHARD, encode(entry(EntryKind.TICK)) + b"\0")


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([], Decision.UNDECIDED),
        ([entry(EntryKind.TICK, EXPIRATION)], Decision.UNDECIDED),
        ([entry(EntryKind.TICK, EXPIRATION + 1)], Decision.FREES),
        ([pledge(sale()), entry(EntryKind.TICK, LATE_KEY - 1)], Decision.UNDECIDED),
        ([pledge(sale()), entry(EntryKind.TICK, LATE_KEY)], Decision.FREES),
        ([pledge(sale()), released(sale(), time=LATE_KEY - 1), entry(EntryKind.TICK, LATE_KEY)], Decision.PAYS),
    ],
)
def test_a_prefix_decides_by_its_entries_alone(entries: list[Entry], says: Decision) -> None:
    assert decision(begun(*entries), sale()) is says


def test_a_prefix_decides_a_sealed_sale_by_its_place() -> None:
    pledged = begun(sealed(EntryKind.PLEDGE), entry(EntryKind.TICK, EXPIRATION + 1))
    alone = replace(hidden(), log=ALONE.identity)

    assert decision(pledged, hidden().public) is Decision.UNDECIDED
    assert decision(pledged, sale()) is Decision.FREES, "the same sale in the open is another"
    assert decision(pledged.add(sealed(EntryKind.KEY, EXPIRATION + 2)), hidden().public) is Decision.PAYS
    assert alone.outcome_key != hidden().outcome_key


def random_entry(chance: random.Random, kept: Kept, sales: list[Transaction]) -> Entry:
    """Any entry, lawful or not, about some of few sales, with a time not far from the seconds that matter."""
    i = chance.randrange(len(sales))
    edges = [kept.last_time, sales[i].expiration, sales[i].expiration + RELEASE_SECONDS]
    time = max(NOON, chance.choice(edges) + chance.choice([-1, 0, 0, 1]))
    kind = chance.choice([*SEALED_AS, EntryKind.TICK])
    if kind == EntryKind.TICK:
        return entry(kind, time)
    return pledge(sales[i], time) if kind == EntryKind.PLEDGE else released(sales[i], i, time, kind)


def test_what_is_decided_stays_decided() -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    seen: set[Decision] = set()
    for known in [ALONE, QUORUM] * 20:
        sales = [sale(i, EXPIRATION + 10 * i, known) for i in range(3)]
        kept, decided = Kept(known).add(genesis(known)), dict.fromkeys(sales, Decision.UNDECIDED)
        for _ in range(60):
            try:
                kept.add(random_entry(chance, kept, sales))
            except Broken:
                continue
            for each, before in decided.items():
                now = decision(kept, each)
                assert before in (Decision.UNDECIDED, now), f"seed {seed}"
                decided[each] = now
        seen |= set(decided.values())
    assert {Decision.PAYS, Decision.FREES} <= seen, f"seed {seed}"
