"""Rows of the judge's table about a log whose key was stolen: what others have seen before stands."""

from __future__ import annotations

from anonnet.parties.judge.verdict import Claim
from anonnet.protocol.known_log import CHAIN, Theft, shard_of
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import Abort, AuthorizationB
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.rules import decided_by
from anonnet.times import RELEASE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, unsigned
from tests.judge.court import Case, row
from tests.judge.log_rows import SUPPRESSED, abort, committed, fork, receipts
from tests.judge.money_rows import CREDIT_OWED, another
from tests.judge.sealed_rows import committed as sealed_sale
from tests.mirrors import certificate, sale
from tests.paper.scenes import PRICE, Deal, Scene, by
from tests.paper.sealing import authorization_b
from tests.paper.stamping import TRUSTED, WITNESSES, all_at, backdated, newest, stamp
from tests.stage import CURRENCY, NOON

STOLEN = NOON + 3600
TOLD = Theft(STOLEN, TRUSTED)


@row(
    *(Claim.CREDIT, "commit, authorization_b; the log's key was stolen"),
    "nothing: the thief may have signed it; it is set aside",
    set_aside=1,
)
def commit_of_a_stolen_key(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.outcome, deal.authorization_b], theft=TOLD)


@row(
    *(Claim.CREDIT, "commit with a time-stamp of witnesses before the theft, authorization_b"),
    "the bank must credit the merchant; P5a itself is set aside",
    CREDIT_OWED,
    set_aside=1,
)
def stamped_before_the_theft(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.outcome, stamp(deal, all_at(STOLEN - 1)), deal.authorization_b], theft=TOLD)


@row(
    *(Claim.CREDIT, "time-stamp of a sealed commit before the theft, authorization_b"),
    *("the bank must credit the merchant", CREDIT_OWED),
)
def sealed_and_stamped_before_the_theft(scene: Scene) -> Case:
    deal = sealed_sale(scene)
    return Case([stamp(deal, all_at(STOLEN - 1)), authorization_b(deal)], theft=TOLD)


@row(
    *(Claim.CREDIT, "time-stamp of a commit in the second of the theft, authorization_b"),
    *("nothing; it is set aside",),
    set_aside=1,
)
def stamped_after_the_theft(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([stamp(deal, all_at(STOLEN)), deal.authorization_b], theft=TOLD)


@row(
    *(
        Claim.CREDIT,
        "time-stamp of a commit before the theft, by fewer witnesses than the reader wants, authorization_b",
    ),
    *("nothing; it is set aside",),
    set_aside=1,
)
def stamped_by_one_witness(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    times = {**all_at(STOLEN), WITNESSES[0]: NOON}
    return Case([stamp(deal, times), deal.authorization_b], theft=TOLD)


@row(
    *(Claim.CREDIT, "time-stamp of a commit before the theft, authorization_b, for a reader who trusts no witness"),
    *("nothing; it is set aside",),
    set_aside=1,
)
def stamped_by_strangers(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([stamp(deal, all_at(NOON)), deal.authorization_b], theft=Theft(STOLEN))


@row(
    *(Claim.CREDIT, "time-stamp of an entry that the thief has backdated, cosigned when he showed it, authorization_b"),
    *("nothing; it is set aside",),
    set_aside=1,
)
def backdated_by_the_thief(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    return Case([backdated(deal, {**all_at(STOLEN + 1), WITNESSES[0]: NOON}), deal.authorization_b], theft=TOLD)


@row(
    *(Claim.CREDIT, "an entry that the thief has backdated, under the path and checkpoint of a true time-stamp"),
    *("nothing; it is set aside",),
    set_aside=1,
)
def backdated_under_another_proof(scene: Scene) -> Case:
    deal, other = Deal.committed(scene), Deal.authorized(scene, another(scene))
    true, forged = (decoded(each) for each in (stamp(deal, all_at(NOON)), backdated(other, all_at(NOON))))
    mixed = unsigned(Certificate(entry=forged.entry, proof=true.proof)).signed
    return Case([mixed, other.authorization_b], theft=TOLD)


@row(
    *(Claim.CREDIT, "time-stamp of a commit in a shard whose last checkpoint the chain had before the theft"),
    *("the bank must credit the merchant", CREDIT_OWED),
)
def anchored_before_the_theft(scene: Scene) -> Case:
    deal, anchor, theft = anchored(scene, before=1)
    return Case([stamped_at_the_end(deal), anchor, deal.authorization_b], theft=theft)


@row(
    *(Claim.CREDIT, "the same, but the chain was seen so only after the theft"),
    *("nothing; both are set aside",),
    set_aside=2,
)
def anchored_after_the_theft(scene: Scene) -> Case:
    deal, anchor, theft = anchored(scene, before=0)
    return Case([stamped_at_the_end(deal), anchor, deal.authorization_b], theft=theft)


@row(
    *(Claim.CREDIT, "certificate of a key, authorization_b; the key of the log under a quorum was stolen before"),
    *("the bank must credit the merchant: its mirrors vouch for it, not its key", CREDIT_OWED),
)
def certified_after_the_theft(scene: Scene) -> Case:
    promise = AuthorizationB(transaction=sale(), currency=CURRENCY, value=PRICE)
    return Case([certificate(committed(sale()), time=STOLEN + 1), by("bank", promise)], theft=TOLD)


@row(
    *(Claim.RELEASE, "abort, authorization_q; the log's key was stolen"),
    "nothing: the thief may have signed it; it is set aside",
    set_aside=1,
)
def abort_of_a_stolen_key(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    return Case([by("log", Abort(transaction=deal.transaction)), deal.authorization_q], theft=TOLD)


@row(
    *(Claim.TWO_OUTCOMES, "commit with a time-stamp before the theft of the log's key, and abort; authorization_b"),
    "nothing against the log, and the bank must credit the merchant; the abort is set aside",
    CREDIT_OWED,
    set_aside=1,
)
def thief_says_the_other_thing(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    both = by("log", Abort(transaction=deal.transaction))
    return Case([stamp(deal, all_at(NOON)), both, deal.authorization_b], theft=TOLD)


@row(Claim.FORK, "a fork proof, by a key that was stolen", "nothing; it is set aside", set_aside=1)
def thief_forks(scene: Scene) -> Case:
    return Case([fork()], theft=TOLD)


@row(Claim.SUPPRESSED, "abort, and receipts; the log's key was stolen before the sale was over", "nothing")
def key_stolen_before_the_key_was_due(scene: Scene) -> Case:
    return Case([abort(sale()), *receipts(sale(), NOON, NOON)], theft=Theft(sale().expiration + RELEASE_SECONDS))


@row(*(Claim.SUPPRESSED, "the same, but it was stolen later"), "the log has suppressed the key", SUPPRESSED)
def key_stolen_after_the_key_was_due(scene: Scene) -> Case:
    return Case([abort(sale()), *receipts(sale(), NOON, NOON)], theft=Theft(sale().expiration + RELEASE_SECONDS + 1))


def decoded(said: Signed) -> Certificate:
    body = decode(said.body)
    assert isinstance(body, Certificate)
    return body


def anchored(scene: Scene, before: int) -> tuple[Deal, Signed, Theft]:
    """A sale whose shard has ended; the anchor, in a chain that all witnesses cosign so long before the theft."""
    deal = Deal.committed(scene)
    scene.now = decided_by(shard_of(deal.transaction.expiration)) + 1
    for _ in range(2):  # closed, then anchored
        scene.log.forget()
    return deal, newest(scene, CHAIN, all_at(scene.now)), Theft(scene.now + before, TRUSTED)


def stamped_at_the_end(deal: Deal) -> Signed:
    """The sale's entry, with its path to the last checkpoint of its shard, which nobody has cosigned."""
    store, shard = deal.scene.log.store, shard_of(deal.transaction.expiration)
    size, (index, recorded) = (
        store.heads.size(shard),
        store.recorded(shard, deal.transaction.outcome_key, EntryKind.COMMIT),
    )
    path = tuple(store.heads.trees.inclusion(shard, index, size))
    proof = LogProof(index, path, SignedCheckpoint.parse(store.heads.mark(shard, size).note))
    return unsigned(Certificate(entry=recorded.entry, proof=proof.encoded())).signed
