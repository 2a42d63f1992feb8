"""The paper's section "Two-Sided Certified Delivery": goods_q, and Q from P2 to P5a."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.goods import GoodsQ
from anonnet.protocol.known_log import Theft
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.judge.court import Court
from tests.paper.receipts import SIGNED_FOR, goods_q, naming, offered, promised, signed_for
from tests.paper.scenes import LEAD, PRICE, Deal, Scene, by
from tests.paper.stamping import TRUSTED, all_at, backdated, stamp


def bought(scene: Scene) -> bytes:
    """A wallet buys what is sold against a receipt."""
    scene.sell(SIGNED_FOR, receipt=1)
    purchase = scene.buy(item=SIGNED_FOR, receipt=1)
    scene.settle()
    assert scene.purchase(purchase).state == "done"
    return purchase


def heard_by(scene: Scene, name: str) -> bytes:
    """Everything that a party was told, in one."""
    return b"".join(frame(line.said, 0).payload for line in scene.heard if line.receiver == name)


def paid_with(scene: Scene) -> set[bytes]:
    """The keys of the tokens that were paid with."""
    bodies = [line.body for line in scene.said(AuthorizationQ)]
    return {payment.token.public_key for body in bodies for payment in body.payments}  # type: ignore[attr-defined]


def test_both_parties_can_prove_exactly_what_was_delivered(scene: Scene) -> None:
    """Section "Introduction": two-sided delivery "provides proof of the delivery of specific contents to both"."""
    purchase = bought(scene)
    store, sale = scene.consumer.store.purchase(purchase), scene.said(GoodsQ)[0].body
    assert isinstance(sale, GoodsQ)
    his = scene.merchant.store.by_number(sale.number)

    receipt = scene.merchant.store.receipt(sale.number, his.receiver_key)
    merchants = Court(scene).judges([his.goods_m, receipt, his.authorization_b, his.outcome])
    consumers = Court(scene).judges([store.goods_m, store.outcome])

    (proof,) = merchants.of(Claim.RECEIPT)
    assert proof.ruling is Ruling.RIGHT
    assert proof.about["root"] == store.terms.root
    assert consumers.of(Claim.DELIVERY)


def test_the_merchant_can_prove_what_was_delivered_to_the_holder_of_q(scene: Scene) -> None:
    """ "If we provide the merchant with Q and {goods_m}_q": from goods_m, goods_q, P3, which says that Q pays, and the
    commit, and from no less."""
    deal = promised(offered(scene))
    receipt = signed_for(deal)
    scene.ask(scene.log, deal.authorization_m)
    papers = [deal.goods_m, receipt, deal.authorization_b, deal.outcome]

    proved = Court(scene).judges(papers)
    less = [Court(scene).judges([each for each in papers if each is not left]) for left in papers]

    (finding,) = proved.of(Claim.RECEIPT)
    assert finding.ruling is Ruling.RIGHT
    assert finding.towards is not None
    assert finding.towards.identity == deal.coins[0].token.public_key
    assert [each.ruling for verdict in less for each in verdict.of(Claim.RECEIPT)] == [Ruling.OPEN]  # without P3


def test_who_did_not_pay_received_nothing_by_her_signature(scene: Scene) -> None:
    """ "The merchant must additionally be able to prove that the holder of Q is the consumer for whom the transaction
    was processed." Who writes another Q into P4 than the bank has promised for has proved nothing, whether he shows
    the promise or keeps it back."""
    deal = promised(offered(scene))
    made_up = naming(deal, deal.coins[1])
    receipt = goods_q(deal, deal.coins[1])
    scene.ask(scene.log, made_up.authorization_m)
    papers = [deal.goods_m, receipt, deal.outcome]

    found = [Court(scene).judges(shown).of(Claim.RECEIPT) for shown in (papers, [*papers, deal.authorization_b])]

    assert [[finding.ruling for finding in each] for each in found] == [[Ruling.OPEN], [Ruling.OPEN]]


def test_no_key_goes_out_without_the_receipt(scene: Scene) -> None:
    """ "The new step, CD2, supplies the merchant with the signature by q of the goods description": before P4."""
    deal = promised(offered(scene))

    refusal = scene.refused(scene.merchant, deal.authorization_b)
    scene.send(scene.merchant, AuthorizationM)

    assert refusal.why == Why.NO_RECEIPT
    assert not scene.said(AuthorizationM)
    signed_for(deal)
    assert isinstance(scene.ask(scene.merchant, deal.authorization_b), Noted)


def test_a_receipt_under_another_key_than_the_promise_names_does_not_count(scene: Scene) -> None:
    """ "The inclusion of Q in P3 enables the merchant to link Q with the payment to be received." """
    deal = promised(offered(scene))
    signed_for(deal, deal.coins[1])

    refusal = scene.refused(scene.merchant, deal.authorization_b)

    assert refusal.why == Why.NO_RECEIPT


def test_the_log_records_q_with_the_completed_transaction(scene: Scene) -> None:
    """ "The logging of Q in CD5a associates Q with the completed transaction." """
    bought(scene)

    order, promise = scene.said(AuthorizationQ)[0].body, scene.said(AuthorizationB)[0].body
    commit = scene.paper(Commit)
    recorded = decode(decode(commit.body).authorization_m.body)  # type: ignore[attr-defined]

    assert order.receiver_key in paid_with(scene)  # type: ignore[attr-defined]
    assert promise.receiver_key == recorded.receiver_key == order.receiver_key  # type: ignore[attr-defined]


def test_a_time_stamp_keeps_q_with_the_transaction_when_the_log_is_corrupt(scene: Scene) -> None:
    """ "To increase the trustworthiness of this association in case of corruption by one or more parties, the
    cryptographic time-stamping variation described above should be employed": merchant, bank and who has the log's key
    may agree on any Q for a sale, but change nothing about what others saw before the theft."""
    deal = promised(offered(scene))
    receipt = signed_for(deal)
    scene.ask(scene.log, deal.authorization_m)
    theft, before, after = Theft(scene.now + 60, TRUSTED), all_at(scene.now), all_at(scene.now + 61)
    agreed = naming(deal, deal.coins[1])
    forged = by("log", Commit(authorization_m=agreed.authorization_m, index=0))

    def proved(sale: Deal, receipt: Signed, recorded: Signed, theft: Theft | None = theft) -> bool:
        papers = [sale.goods_m, receipt, sale.authorization_b, recorded]
        found = Court(scene).judges(papers, theft=theft).of(Claim.RECEIPT)
        return [finding.ruling for finding in found] == [Ruling.RIGHT]

    assert proved(deal, receipt, stamp(deal, before)), "others saw it before the theft"
    assert not proved(deal, receipt, deal.outcome), "no time-stamp tells it from what the thief wrote"
    other = goods_q(agreed, deal.coins[1])
    assert proved(agreed, other, forged, None), "this is what the key is good for"
    assert not proved(agreed, other, forged)
    assert not proved(agreed, other, backdated(agreed, after))


def test_the_consumer_signs_for_the_goods_when_she_has_them_and_before_she_pays(scene: Scene) -> None:
    """The steps of the protocol for certified delivery, in their order: CD1, the goods, CD2, CD3."""
    bought(scene)
    steps = [line.kind.__name__ for line in scene.heard]

    last_chunk = len(steps) - 1 - steps[::-1].index("Chunk")

    assert steps.index("GoodsM") < last_chunk < steps.index("GoodsQ") < steps.index("AuthorizationQ")


def test_in_one_sided_delivery_nobody_but_the_bank_learns_q(scene: Scene) -> None:
    """ "Our protocols provide one-sided certified delivery": only the bank sees Q, in P2."""
    scene.buy()
    scene.settle()

    keys = paid_with(scene)

    assert keys
    for name in ("merchant", "log"):
        assert not [key for key in keys if key in heard_by(scene, name)], f"Q was shown to the {name}"
    assert not any(signed.receiver_key for signed in _promises(scene)), "Q stands where nobody asked for it"


def _promises(scene: Scene) -> list[AuthorizationB]:
    return [line.body for line in scene.said(AuthorizationB) if isinstance(line.body, AuthorizationB)]


def test_a_merchant_takes_no_q_that_his_contract_does_not_ask_for(scene: Scene) -> None:
    """One-sided delivery stays so: Q would stand in the public log for nothing."""
    deal = promised(naming(plain := Deal.offered(scene), plain.coins[0]))

    refusal = scene.refused(scene.merchant, deal.authorization_b)

    assert refusal.why == Why.NO_RECEIPT


def test_a_wallet_signs_for_goods_only_if_its_owner_says_so(scene: Scene) -> None:
    """ "It does reveal some information about a cryptographic key used by the consumer" (section "Introduction")."""
    scene.sell(SIGNED_FOR, receipt=1)

    purchase = scene.buy(item=SIGNED_FOR)
    scene.settle()

    assert scene.purchase(purchase).state == "refused"
    assert not scene.said(GoodsQ)


def test_a_merchant_who_does_not_take_the_receipt_costs_no_token(scene: Scene) -> None:
    """CD2 may be lost, as every message: then no P2 follows, and the tokens come back with the expiration."""
    before = scene.tokens()
    scene.lost = lambda line: isinstance(line.body, GoodsQ)
    scene.sell(SIGNED_FOR, receipt=1)

    purchase = scene.buy(item=SIGNED_FOR, receipt=1)
    scene.settle()
    scene.to_expiration()

    assert scene.purchase(purchase).state == "aborted"
    assert not scene.said(AuthorizationQ)
    assert scene.tokens()["free"] == before["free"]


def test_tokens_come_back_when_merchant_and_log_are_gone_before_the_receipt_is_taken(scene: Scene) -> None:
    """Section "Data Management": claims have "a limited time of validity". Until it is over the bank hears of nothing;
    then nothing is promised over this P2 any more, so it goes without the receipt."""
    gone = {"merchant", "log"}
    scene.lost = lambda line: bool(scene.said(GoodsQ)) and bool(gone & {line.sender, line.receiver})
    scene.sell(SIGNED_FOR, receipt=1)
    purchase, before = scene.buy(item=SIGNED_FOR, receipt=1), scene.tokens()
    scene.settle()
    scene.pass_time(LEAD + CLAIM_SECONDS)
    assert scene.tokens()["locked"] == PRICE
    assert not scene.said(AuthorizationQ)

    scene.pass_time(LEAD)

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens() == before
    assert not scene.consumer.store.errands.about(purchase)
