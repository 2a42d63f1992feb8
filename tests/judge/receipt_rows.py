"""Rows of the judge's table about receipts: what a merchant can prove of who received the goods."""

from __future__ import annotations

from dataclasses import replace

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.judge.court import Case, row
from tests.judge.goods_rows import UNDECIDED, chunks, lie
from tests.paper.receipts import goods_q, naming, offered, promised
from tests.paper.scenes import Deal, Scene, by, tampered
from tests.stage import key_of

RECEIVED = Claim.RECEIPT, Ruling.RIGHT
BY_WHOM = Claim.RECEIPT, Ruling.OPEN
CREDIT_OWED = Claim.CREDIT, Ruling.OWES
AS_NAMED = Claim.DELIVERY, Ruling.RIGHT


def committed(deal: Deal) -> Deal:
    """The log has recorded P4, with the Q that P2 names."""
    deal.scene.ask(deal.scene.log, deal.authorization_m)
    return deal


def naming_another(deal: Deal) -> Signed:
    """The bank's promise with the key of another coin as Q, signed by somebody else."""
    words = decode(deal.authorization_b.body)
    return by("stranger", replace(words, receiver_key=deal.coins[1].token.public_key))  # type: ignore[call-arg]


@row(
    Claim.RECEIPT,
    "commit, authorization_b, goods_m, goods_q by the key that both name",
    "the merchant has proved what the holder of that key received",
    *(RECEIVED, CREDIT_OWED, UNDECIDED),
)
def merchant_proves_delivery(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    return Case([deal.goods_m, goods_q(deal), deal.authorization_b, deal.outcome])


@row(
    Claim.RECEIPT,
    "the same, the encrypted goods",
    "the same, and that it is what his contract names",
    *(RECEIVED, CREDIT_OWED, AS_NAMED),
)
def merchant_proves_delivery_whole(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    return Case([deal.goods_m, goods_q(deal), deal.authorization_b, deal.outcome], chunks(deal))


@row(
    Claim.RECEIPT,
    "the same, and authorization_b that names another key, signed by who is no bank of the contract",
    "the merchant has proved it; whoever signed that owes what he promised",
    *(RECEIVED, CREDIT_OWED, CREDIT_OWED, AS_NAMED),
)
def receiver_denied_by_a_made_up_promise(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    papers = [deal.goods_m, goods_q(deal), naming_another(deal), deal.authorization_b, deal.outcome]
    return Case(papers, chunks(deal))


@row(
    Claim.RECEIPT,
    "commit, authorization_b, goods_m, goods_q by the key that both name, authorization_b of another bank of the"
    " contract that names another key",
    "the merchant has proved it: that somebody else has paid too takes nothing from that",
    *(RECEIVED, CREDIT_OWED, CREDIT_OWED, UNDECIDED),
)
def paid_twice(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    deal = replace(deal, goods_m=lie(deal, banks=(scene.bank_key, key_of("stranger").public)))
    return Case([deal.goods_m, goods_q(deal), naming_another(deal), deal.authorization_b, deal.outcome])


@row(
    Claim.RECEIPT,
    "commit, goods_m, goods_q by the key that the commit names",
    "who signed is not shown to be who paid: the merchant may have made that key up",
    *(BY_WHOM, UNDECIDED),
)
def receiver_by_the_merchant_s_word(scene: Scene) -> Case:
    deal = promised(offered(scene))
    committed(naming(deal, deal.coins[1]))
    return Case([deal.goods_m, goods_q(deal, deal.coins[1]), deal.outcome])


@row(
    Claim.RECEIPT,
    "the same, authorization_b that names it too, signed by who is no bank of the contract",
    "the same; whoever signed that owes what he promised",
    *(BY_WHOM, CREDIT_OWED, UNDECIDED),
)
def receiver_by_a_made_up_promise(scene: Scene) -> Case:
    deal = promised(offered(scene))
    committed(naming(deal, deal.coins[1]))
    return Case([deal.goods_m, goods_q(deal, deal.coins[1]), naming_another(deal), deal.outcome])


@row(
    Claim.RECEIPT,
    "commit, authorization_b, goods_m, goods_q by another key than they name",
    "who signed is not shown to be who paid",
    *(BY_WHOM, CREDIT_OWED, UNDECIDED),
)
def receipt_of_somebody_else(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    return Case([deal.goods_m, goods_q(deal, deal.coins[1]), deal.authorization_b, deal.outcome])


@row(
    Claim.RECEIPT,
    "commit that names another key than authorization_b, goods_m, goods_q by the key in the commit",
    "the same: the merchant wrote that key himself",
    *(BY_WHOM, CREDIT_OWED, UNDECIDED),
)
def receiver_made_up(scene: Scene) -> Case:
    deal = promised(offered(scene))
    committed(naming(deal, deal.coins[1]))
    return Case([deal.goods_m, goods_q(deal, deal.coins[1]), deal.authorization_b, deal.outcome])


@row(
    Claim.RECEIPT,
    "commit, goods_m and goods_q of a sale that names no key",
    "the same",
    *(BY_WHOM, UNDECIDED),
)
def receipt_in_one_sided_delivery(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, goods_q(deal), deal.outcome])


@row(
    Claim.RECEIPT,
    "commit, another goods_m of the same number, goods_q",
    "nothing: she has not signed for that",
    UNDECIDED,
)
def receipt_for_another_contract(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    return Case([lie(deal, description="something else"), goods_q(deal), deal.outcome])


@row(
    Claim.RECEIPT,
    "commit, goods_m, goods_q with a broken signature",
    "nothing; it is set aside",
    UNDECIDED,
    set_aside=1,
)
def broken_receipt(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    return Case([deal.goods_m, tampered(goods_q(deal)), deal.outcome])


@row(Claim.RECEIPT, "goods_m, goods_q, no commit", "nothing: no sale")
def receipt_without_a_sale(scene: Scene) -> Case:
    deal = promised(offered(scene))
    return Case([deal.goods_m, goods_q(deal)])


@row(
    Claim.RECEIPT,
    "commit, authorization_b, goods_m, goods_q, a later authorization_q over other tokens that names another key",
    "the merchant has proved it: what a consumer writes afterwards changes nothing",
    *(RECEIVED, CREDIT_OWED, UNDECIDED),
    (Claim.SPENT, Ruling.RIGHT),
)
def receiver_denied(scene: Scene) -> Case:
    deal = committed(promised(offered(scene)))
    other = replace(deal, coins=deal.hand.withdraw(4, 1))
    late = naming(other, other.coins[0]).authorization_q
    return Case([deal.goods_m, goods_q(deal), late, deal.authorization_b, deal.outcome])
