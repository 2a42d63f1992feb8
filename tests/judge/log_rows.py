"""Rows of the judge's table about logs: what their mirrors' papers, and their own, convict them of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Entry, EntryKind, form
from anonnet.protocol.purchase import Abort, AuthorizationB
from anonnet.protocol.quorum import Receipt
from anonnet.protocol.sealed import SealedM
from anonnet.protocol.transaction import Transaction
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.excerpt import Excerpt, Leaf
from anonnet.tlog.fork import Fork
from anonnet.wire.codec import decode, encode
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.judge.conduct_rows import JUSTIFIED, UNJUSTIFIED, refused, refusing
from tests.judge.court import Case, row
from tests.judge.money_rows import CREDIT_OWED, RELEASE_OWED
from tests.judge.sealed_rows import LIED
from tests.mirrors import KNOWN, MIRRORS, SHARD, Pen, certificate, entry, p4, pledge, released, sale, tick
from tests.paper.scenes import PRICE, Deal, Scene, by, tampered
from tests.stage import CURRENCY, NETWORK, NOON, key_of

SUPPRESSED = Claim.SUPPRESSED, Ruling.WRONG
FORKED = Claim.FORK, Ruling.WRONG
BROKEN = Claim.BROKEN_RULE, Ruling.WRONG
IN_TIME = sale().expiration + RELEASE_SECONDS - HANDED_SECONDS
"""The last second at which a receipt counts."""


def abort(transaction: Transaction, mirrors: Sequence[str] = MIRRORS[:3]) -> Signed:
    """Of a log under a quorum: signed by these mirrors."""
    return Signer(NETWORK, *map(key_of, mirrors)).sign(Abort(transaction=transaction))


def receipt(mirror: str, transaction: Transaction, time: int = NOON) -> Signed:
    """This mirror has had the key since then."""
    said = Receipt(authorization_m=p4(transaction).hash, outcome_key=transaction.outcome_key, time=time)
    return by(mirror, said)


def receipts(transaction: Transaction, *times: int) -> list[Signed]:
    """Of as many mirrors."""
    return [receipt(mirror, transaction, time) for mirror, time in zip(MIRRORS, times, strict=False)]


def sealed(transaction: Transaction) -> Callable[[EntryKind], Entry]:
    """Makes the entries of a sealed sale."""

    def made(kind: EntryKind) -> Entry:
        sealed_m = by("w", SealedM.of(kind, transaction, p4(transaction)))
        return entry(form(kind, transaction), body=encode(sealed_m), outcome_key=transaction.outcome_key)

    return made


def committed(transaction: Transaction) -> Pen:
    """The shard in which a sale's pledge and key stand."""
    pen = Pen(KNOWN, shard=SHARD)
    pen.write(pledge(transaction), released(transaction))
    return pen


# Keys that are not recorded.


@row(
    *(Claim.SUPPRESSED, "abort by the mirrors, their receipts for the key in good time, of more than may lie"),
    "the log has suppressed the key, or was out of their reach; the sale has failed all the same",
    SUPPRESSED,
)
def log_suppresses_a_key(scene: Scene) -> Case:
    return Case([abort(sale()), *receipts(sale(), NOON, IN_TIME)])


@row(
    *(Claim.SUPPRESSED, "the same, authorization_q, authorization_b"),
    "the same; the bank must let the tokens go, and owes the merchant nothing",
    *(SUPPRESSED, RELEASE_OWED),
)
def suppression_moves_no_money(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    transaction = replace(deal.transaction, log=KNOWN.identity)
    paid = replace(deal, transaction=transaction, authorization_q=deal.hand.pays(deal.coins, transaction))
    told = receipts(transaction, NOON, NOON, NOON)
    return Case([paid.authorization_q, paid.authorization_b, abort(transaction), *told])


@row(Claim.SUPPRESSED, "abort by the mirrors, receipts of no more of them than may lie", "nothing")
def too_few_receipts(scene: Scene) -> Case:
    return Case([abort(sale()), *receipts(sale(), NOON)])


@row(Claim.SUPPRESSED, "the same, and another receipt by the same mirror", "nothing")
def one_mirror_says_it_twice(scene: Scene) -> Case:
    return Case([abort(sale()), receipt(MIRRORS[0], sale()), receipt(MIRRORS[0], sale(), NOON + 1)])


@row(Claim.SUPPRESSED, "the same, and a receipt that came late", "nothing")
def late_receipt(scene: Scene) -> Case:
    return Case([abort(sale()), *receipts(sale(), NOON, IN_TIME + 1)])


@row(Claim.SUPPRESSED, "the same, and a receipt for the key of another sale", "nothing")
def receipt_for_another_sale(scene: Scene) -> Case:
    other = receipt(MIRRORS[1], replace(sale(), expiration=sale().expiration + 1))
    return Case([abort(sale()), receipt(MIRRORS[0], sale()), other])


@row(
    Claim.SUPPRESSED, "the same, and a receipt by who is no mirror of the log", "nothing; it is set aside", set_aside=1
)
def receipt_by_a_stranger(scene: Scene) -> Case:
    return Case([abort(sale()), receipt(MIRRORS[0], sale()), receipt("merchant", sale())])


@row(Claim.SUPPRESSED, "the same, and a receipt with a broken signature", "nothing; it is set aside", set_aside=1)
def broken_key_receipt(scene: Scene) -> Case:
    return Case([abort(sale()), receipt(MIRRORS[0], sale()), tampered(receipt(MIRRORS[1], sale()))])


@row(Claim.SUPPRESSED, "receipts of all mirrors, no abort", "nothing: the sale may still commit")
def receipts_alone(scene: Scene) -> Case:
    return Case(receipts(sale(), NOON, NOON, NOON, NOON))


@row(
    *(Claim.SUPPRESSED, "receipts of all mirrors, an abort that too few have signed"),
    *("nothing; the abort is set aside",),
    set_aside=1,
)
def receipts_and_no_quorum(scene: Scene) -> Case:
    return Case([*receipts(sale(), NOON, NOON, NOON, NOON), abort(sale(), MIRRORS[:2])])


@row(Claim.SUPPRESSED, "receipts of all mirrors, the certificate of the key", "nothing: it was recorded")
def key_was_recorded(scene: Scene) -> Case:
    return Case([*receipts(sale(), NOON, NOON, NOON, NOON), certificate(committed(sale()))])


# Both outcomes under a quorum.


@row(
    *(Claim.TWO_OUTCOMES, "certificate of a key, and abort of the sale by its mirrors"),
    "each mirror that has signed both has lied; of the log it shows nothing",
    *(LIED, LIED),
)
def mirrors_say_both(scene: Scene) -> Case:
    return Case([certificate(committed(sale())), abort(sale(), MIRRORS[1:])])


@row(
    *(Claim.TWO_OUTCOMES, "the same, and an abort by others of the mirrors"),
    "the same, of each once",
    *(LIED, LIED, LIED),
)
def mirrors_say_both_twice(scene: Scene) -> Case:
    return Case([certificate(committed(sale())), abort(sale(), MIRRORS[1:]), abort(sale())])


@row(
    *(Claim.TWO_OUTCOMES, "certificate of a sealed key, and abort by its mirrors, no paper that names n"),
    "each mirror that has signed both has lied",
    *(LIED, LIED),
    set_aside=1,
)
def mirrors_say_both_of_a_sealed_sale(scene: Scene) -> Case:
    transaction = replace(sale(), entry_key=key_of("w").public)
    pen = Pen(KNOWN, shard=SHARD)
    pen.write(*map(sealed(transaction), (EntryKind.PLEDGE, EntryKind.KEY)))
    return Case([certificate(pen), abort(transaction.public, MIRRORS[1:])])


@row(
    *(Claim.TWO_OUTCOMES, "certificate of a pledge, and abort of the sale by its mirrors"),
    "nothing: its key did not come; the certificate is set aside",
    set_aside=1,
)
def pledge_without_its_key(scene: Scene) -> Case:
    pen = Pen(KNOWN, shard=SHARD)
    pen.write(pledge(sale()))
    return Case([certificate(pen), abort(sale(), MIRRORS[1:])])


# Histories and entries that no honest log signs.


def fork(name: str = "log", *, forked: int = 1, shard: int = SHARD, known: KnownLog = KNOWN) -> Signed:
    """Two checkpoints of one size by this key, each of a tree with another tick, or twice the same."""
    pen = Pen(known, name, shard)
    branch = pen.copy()
    pen.write(tick(NOON))
    branch.write(tick(NOON + forked))
    one, other = (SignedCheckpoint.parse(each.notes[2]) for each in (pen, branch))
    return unsigned(Alert(log=known.identity, shard=SHARD, evidence=Fork(one, other).encoded())).signed


def excerpt(*entries: Entry) -> Signed:
    """The newest entry of a shard, shown to strangers."""
    pen = Pen(KNOWN, shard=SHARD)
    pen.write(*entries)
    leaf = Leaf(pen.size - 1, encode(pen.entries[-1]), tuple(pen.tree.inclusion(pen.size - 1, pen.size)))
    shown = Excerpt((leaf,), SignedCheckpoint.parse(pen.notes[pen.size]))
    return unsigned(Alert(log=KNOWN.identity, shard=SHARD, evidence=shown.encoded())).signed


@row(Claim.FORK, "a fork proof, signed by the log", "the log has lied", FORKED)
def log_forks(scene: Scene) -> Case:
    return Case([fork()])


@row(
    *(Claim.FORK, "the same, the certificate of a key, authorization_b"),
    "the log has lied; what is certified stands, and the bank must credit the merchant",
    *(FORKED, CREDIT_OWED),
)
def certified_before_a_fork(scene: Scene) -> Case:
    promise = AuthorizationB(transaction=sale(), currency=CURRENCY, value=PRICE)
    return Case([fork(), certificate(committed(sale())), by("bank", promise)])


@row(Claim.FORK, "two checkpoints of a log that agree", "nothing; it is set aside", set_aside=1)
def fork_that_is_none(scene: Scene) -> Case:
    return Case([fork(forked=0)])


@row(Claim.FORK, "a fork proof, signed by another", "nothing; it is set aside", set_aside=1)
def fork_by_another(scene: Scene) -> Case:
    return Case([fork("mallory")])


@row(Claim.FORK, "a fork proof of another shard than it is said to be of", "nothing; it is set aside", set_aside=1)
def fork_elsewhere(scene: Scene) -> Case:
    return Case([fork(shard=SHARD + 1)])


@row(Claim.FORK, "a fork proof, of a log whose rules are not shown", "nothing; it is set aside", set_aside=1)
def fork_of_an_unknown_log(scene: Scene) -> Case:
    alert = decode(fork().body)
    assert isinstance(alert, Alert)
    return Case([unsigned(replace(alert, log=bytes(32))).signed])


@row(Claim.BROKEN_RULE, "an entry under a log's signature that came too late", "the log has lied", BROKEN)
def log_breaks_a_rule(scene: Scene) -> Case:
    return Case([excerpt(pledge(sale(), sale().expiration + 1))])


@row(
    *(Claim.BROKEN_RULE, "an entry under a log's signature that keeps the rules", "nothing; it is set aside"),
    set_aside=1,
)
def lawful_entry(scene: Scene) -> Case:
    return Case([excerpt(pledge(sale(), sale().expiration))])


# Refusals because of it.


def refused_for_its_log(scene: Scene, deal: Deal) -> Signed:
    """P2 of this sale, at a bank that has heard of its log's fork."""
    alert = fork(known=scene.network.logs[scene.log_name])
    scene.say("mirror", scene.bank, decode(alert.body))
    return refused(scene, deal.authorization_q)


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (log-convicted) with the alert"),
    "the refusal is justified, and the tokens are free; the log has lied",
    *(JUSTIFIED, RELEASE_OWED, FORKED),
)
def log_of_the_sale_is_convicted(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    return Case([deal.authorization_q, refused_for_its_log(scene, deal)])


@row(
    *(Claim.REFUSAL, "the same, and the sale's commit: the log has recorded it all the same"),
    "the same; nothing is spent",
    *(JUSTIFIED, RELEASE_OWED, FORKED),
)
def convicted_log_goes_on(scene: Scene) -> Case:
    deal = Deal.offered(scene)
    refusal = refused_for_its_log(scene, deal)
    scene.ask(scene.log, deal.authorization_m)
    return Case([deal.authorization_q, deal.outcome, refusal])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (log-convicted) with an alert against another log"),
    "the bank has to take it, or show; the tokens are free by its word; that log has lied",
    *(UNJUSTIFIED, RELEASE_OWED, FORKED),
)
def another_log_is_convicted(scene: Scene) -> Case:
    asked = Deal.offered(scene).authorization_q
    return Case([asked, refusing(asked, Why.LOG_CONVICTED, [fork()])])


@row(
    *(Claim.REFUSAL, "authorization_q, its refusal (log-convicted) without evidence"),
    "the bank has to take it, or show; the tokens are free by its word",
    *(UNJUSTIFIED, RELEASE_OWED),
)
def log_is_convicted_by_word_alone(scene: Scene) -> Case:
    asked = Deal.offered(scene).authorization_q
    return Case([asked, refusing(asked, Why.LOG_CONVICTED)])
