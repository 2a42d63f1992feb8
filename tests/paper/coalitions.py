"""Coalitions that do their worst to whoever is not in them; each act ends with whether that party has been robbed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from anonnet.crypto.sealing import Sealer
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.account import Claim as ClaimOf
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.refusal import Refusal
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.judge.court import Court
from tests.paper.scenes import GOODS, PRICE, Deal, Scene, by

ACTS: dict[str, Callable[[Scene], bool]] = {}


def coalition(act: Callable[[Scene], bool]) -> Callable[[Scene], bool]:
    """Put an act on the list, under the names of those who conspire."""
    ACTS[act.__name__.replace("_", " ")] = act
    return act


def ruled(scene: Scene, papers: Iterable[Signed], claim: Claim) -> list[Ruling]:
    """What the judge says of this claim, by these papers alone."""
    return [finding.ruling for finding in Court(scene).judges(papers).of(claim)]


def goods_with(deal: Deal, key: bytes) -> bytes:
    """The goods, as who has this key opens them."""
    terms = decode(deal.goods_m.body)
    assert isinstance(terms, GoodsM)
    sealer, chunks = Sealer(key), deal.chunks()
    return b"".join(sealer.open(index, index + 1 == terms.contract.chunks, chunk) for index, chunk in enumerate(chunks))


def unrecorded(scene: Scene) -> tuple[Deal, bytes, Signed]:
    """A sale whose P4 has come to a log that does not record it: its k, and the abort that the log signs in the end."""
    deal = Deal.authorized(scene)
    shown = decode(deal.authorization_m.body)
    assert isinstance(shown, AuthorizationM)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS + 1
    return deal, shown.key, deal.outcome


@coalition
def log_and_consumer(scene: Scene) -> bool:
    """The merchant's word against theirs: they have k, and he has no commit."""
    deal, key, abort = unrecorded(scene)
    scene.ask(scene.bank, abort)
    papers = [deal.goods_m, deal.authorization_b, deal.authorization_m, abort]
    unpaid = Ruling.OWES not in ruled(scene, papers, Claim.CREDIT)
    return unpaid and scene.books()["locked"] == 0 and goods_with(deal, key) == GOODS


@coalition
def bank_and_consumer(scene: Scene) -> bool:
    """The merchant is promised tokens that were never locked."""
    deal = Deal.offered(scene)
    scene.ask(scene.log, deal.authorization_m)
    return Ruling.OWES not in ruled(scene, [deal.authorization_b, deal.outcome], Claim.CREDIT)


@coalition
def merchant_and_consumer(scene: Scene) -> bool:
    """The bank is asked for one credit twice, and for another promise over tokens that have paid."""
    deal = Deal.committed(scene)
    for _ in range(2):
        claim = ClaimOf(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
        scene.ask(scene.bank, claim)
    again = Deal.offered(scene, deal.hand, deal.coins)
    return scene.income != PRICE or not isinstance(scene.ask(scene.bank, again.authorization_q), Refusal)


@coalition
def merchant_and_log(scene: Scene) -> bool:
    """The consumer is to pay for a commit with a key that opens nothing."""
    deal = Deal.authorized(scene)
    locked = by("merchant", AuthorizationM(transaction=deal.transaction, key=bytes(32)))
    commit = by("log", Commit(authorization_m=locked, index=0))
    scene.say("merchant", scene.bank, commit)
    return scene.income > 0 or Ruling.RIGHT in ruled(scene, [deal.authorization_q, commit], Claim.SPENT)


@coalition
def merchant_and_bank_and_log(scene: Scene) -> bool:
    """The consumer is told that her tokens are spent: only a commit shows that, even one made late, and k is in it."""
    deal, key, abort = unrecorded(scene)
    commit = by("log", Commit(authorization_m=deal.authorization_m, index=0))
    attempts = [[], [abort], [deal.authorization_b, deal.authorization_m], [commit]]
    *bare, shown = (Ruling.RIGHT in ruled(scene, [deal.authorization_q, *more], Claim.SPENT) for more in attempts)
    return any(bare) or (shown and goods_with(deal, key) != GOODS)


@coalition
def consumer_and_merchant_and_log(scene: Scene) -> bool:
    """The bank is shown both outcomes of one sale: commit first, and of another: abort first."""
    paid = Deal.committed(scene)
    failed = Deal.authorized(scene, paid.hand, paid.hand.withdraw(4, 1))
    scene.ask(scene.bank, paid.outcome)
    scene.now = failed.transaction.expiration + SETTLE_SECONDS + 1
    scene.ask(scene.bank, failed.outcome)
    late = by("log", Commit(authorization_m=failed.authorization_m, index=1))
    lies = [
        by("log", Abort(transaction=paid.transaction)),
        ClaimOf(bank=scene.bank_key, authorization_b=failed.authorization_b, commit=late),
    ]
    refused = [isinstance(scene.ask(scene.bank, lie), Refusal) for lie in lies]
    return scene.income != PRICE or not all(refused)
