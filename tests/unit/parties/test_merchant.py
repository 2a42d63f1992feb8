"""The merchant's refusals, one by one, and the seconds at which the answers change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.limits import CATALOGUE_MAX, ORDER_SECONDS, RECEIPTS_MAX, RETRY_SECONDS_MAX, TEXT_MAX
from anonnet.parties import delivering
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.goods import Catalogue, CatalogueOf, Chunk, ChunkOf, GoodsM, Order
from anonnet.protocol.local import Sell, Started
from anonnet.protocol.logbook import OutcomeOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, Commit
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.times import MERCHANT_MARGIN_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.actor import Said
from tests.dump import dump
from tests.paper.receipts import goods_q, offered
from tests.paper.scenes import GOODS, ITEM, LEAD, PRICE, Deal, Scene, by
from tests.stage import CURRENCY, NETWORK, key_of
from tests.unit.parties.refusing import closed, refused

OTHER = key_of("other").public
SECRET = bytes(range(32))


def order(scene: Scene, item: str = ITEM, secret: bytes = SECRET) -> Order:
    return Order(merchant=scene.merchant_key, item=item, secret=secret)


def wait(scene: Scene, seconds: int) -> None:
    scene.now += seconds


# Orders.


def test_orders_that_are_not_taken(scene: Scene) -> None:
    scene.sell("other")
    assert isinstance(decode(scene.expect(scene.say("c", scene.merchant, order(scene))).body), GoodsM)

    refused(scene, scene.merchant, order(scene, "nothing", OTHER), Why.UNKNOWN)
    refused(scene, scene.merchant, order(scene, "other"), Why.UNKNOWN)
    wait(scene, 24 * 3600)
    scene.ask(scene.merchant, order(scene, secret=b"\1" * 32))
    wait(scene, 1)
    refused(scene, scene.merchant, order(scene, secret=b"\2" * 32), Why.EXPIRED)


def test_one_order_has_one_offer(scene: Scene) -> None:
    first = scene.say("c", scene.merchant, order(scene))
    before = dump(scene.merchant.store)

    assert scene.say("c", scene.merchant, order(scene)) == first
    assert dump(scene.merchant.store) == before
    assert scene.say("c", scene.merchant, order(scene, secret=OTHER)) != first


def test_unpaid_orders_are_bounded_and_make_room_in_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "UNPAID_ORDERS_MAX", 2)
    for number in (1, 2):
        assert isinstance(scene.ask(scene.merchant, order(scene, secret=bytes([number]) * 32)), GoodsM)

    refused(scene, scene.merchant, order(scene), Why.FULL)
    wait(scene, ORDER_SECONDS)
    refused(scene, scene.merchant, order(scene), Why.FULL)
    wait(scene, 1)
    assert isinstance(scene.ask(scene.merchant, order(scene)), GoodsM)


def shorten(path: Path) -> None:
    path.write_bytes(GOODS[: 65536 + 100])  # its second chunk is no longer a whole one


CHANGES: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "shorter": shorten,
    "longer": lambda path: path.write_bytes(GOODS + b"."),
    "another byte": lambda path: path.write_bytes(b"." + GOODS[1:]),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_goods_that_are_no_longer_what_was_put_on_sale(scene: Scene, name: str) -> None:
    path = scene.folder / f"{ITEM}.goods"
    deal = Deal.offered(scene)
    chunk = ChunkOf(merchant=scene.merchant_key, number=deal.number, secret=deal.secret, index=0)
    served = scene.ask(scene.merchant, chunk)
    kept = shutil.copy(path, scene.folder / "kept")

    CHANGES[name](path)

    said = scene.ask(scene.merchant, order(scene))
    assert isinstance(said, Refusal)
    assert said.why == Why.BAD_GOODS
    if name not in ("shorter", "longer"):  # there the first chunk is what it was
        refused(scene, scene.merchant, chunk, Why.BAD_GOODS)
    last = refused(scene, scene.merchant, replace(chunk, index=2), Why.BAD_GOODS) if name != "another byte" else None
    assert last is None or str(path) not in last.detail
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copy(kept, path)
    assert scene.ask(scene.merchant, chunk) == served


@pytest.mark.parametrize("path", ["missing", ".", "/dev/null"])  # who reads a device may read for ever
def test_a_file_that_cannot_be_sold(scene: Scene, path: str) -> None:
    sell = Sell(
        item="no",
        path=str(scene.folder / path),
        description="",
        media_type="text/plain",
        currency=CURRENCY,
        price=1,
        valid_until=scene.now,
    )

    assert decode(scene.merchant.command(sell).body).why == Why.BAD_GOODS
    refused(scene, scene.merchant, order(scene, "no"), Why.UNKNOWN)


# Chunks.


def test_chunks_are_for_who_ordered(scene: Scene) -> None:
    deal = Deal.committed(scene)
    mine = ChunkOf(merchant=scene.merchant_key, number=deal.number, secret=deal.secret, index=2)
    assert isinstance(scene.ask(scene.merchant, mine), Chunk)

    for changes in ({"secret": OTHER}, {"secret": deal.key}, {"number": OTHER}, {"index": 3}):
        refused(scene, scene.merchant, replace(mine, **changes), Why.UNKNOWN)


def test_a_page_of_long_descriptions_fits_in_a_frame(scene: Scene) -> None:
    path = scene.folder / f"{ITEM}.goods"
    about = {"description": "€" * (TEXT_MAX // 3), "media_type": "a" * 128, "currency": CURRENCY, "price": 1}
    for number in range(CATALOGUE_MAX + 1):
        sell = Sell(item=f"{number:03}" + "i" * 125, path=str(path), valid_until=scene.now, **about)
        assert isinstance(scene.merchant.command(sell), Started)

    page = scene.ask(scene.merchant, CatalogueOf(merchant=scene.merchant_key, after=""))
    assert isinstance(page, Catalogue)
    rest = scene.ask(scene.merchant, CatalogueOf(merchant=scene.merchant_key, after=page.offers[-1].item))
    assert isinstance(rest, Catalogue)

    assert (len(page.offers), page.more, rest.more) == (CATALOGUE_MAX, 1, 0)
    assert [offer.item for offer in rest.offers][-1] == ITEM
    frame(page, 1)


def test_so_many_keys_may_sign_for_the_same_goods_and_no_more(scene: Scene) -> None:
    receipt = decode(goods_q(offered(scene)).body)
    keys = [key_of(f"Q {number}") for number in range(RECEIPTS_MAX + 1)]
    *some, one_more = (Signer(NETWORK, key).sign(receipt) for key in keys)
    for each in some:
        assert isinstance(scene.ask(scene.merchant, each), Noted)

    refused(scene, scene.merchant, one_more, Why.FULL)

    assert isinstance(scene.ask(scene.merchant, some[0]), Noted), "who has signed may say so again"


# P3.

PROMISES: dict[str, tuple[Why, Callable[[AuthorizationB, Scene], AuthorizationB]]] = {
    "too little": (Why.WRONG_PRICE, lambda b, scene: replace(b, value=PRICE - 1)),
    "too much": (Why.WRONG_PRICE, lambda b, scene: replace(b, value=PRICE + 1)),
    "another currency": (Why.WRONG_PRICE, lambda b, scene: replace(b, currency="USD")),
    "another log": (Why.WRONG_LOG, lambda b, scene: replace(b, transaction=replace(b.transaction, log=OTHER))),
    "another W": (
        Why.UNKNOWN,
        lambda b, scene: replace(b, transaction=replace(b.transaction, entry_key=OTHER), ticket=bytes(64)),
    ),
    "two-sided delivery": (Why.NO_RECEIPT, lambda b, scene: replace(b, receiver_key=OTHER)),
    "another number": (Why.UNKNOWN, lambda b, scene: replace(b, transaction=replace(b.transaction, number=OTHER))),
    "no time left": (
        Why.TOO_SOON,
        lambda b, scene: replace(
            b, transaction=replace(b.transaction, expiration=scene.now + MERCHANT_MARGIN_SECONDS - 1)
        ),
    ),
    "another merchant": (
        Why.WRONG_RECEIVER,
        lambda b, scene: replace(b, transaction=replace(b.transaction, merchant=OTHER)),
    ),
}


def promise(deal: Deal) -> AuthorizationB:
    body = decode(deal.authorization_b.body)
    assert isinstance(body, AuthorizationB)
    return body


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_that_is_not_taken(scene: Scene, name: str) -> None:
    why, change = PROMISES[name]
    deal = Deal.offered(scene)

    refused(scene, scene.merchant, by("bank", change(promise(deal), scene)), why)

    assert isinstance(scene.ask(scene.merchant, deal.authorization_b), Noted)


def test_a_promise_of_another_bank(scene: Scene) -> None:
    deal = Deal.offered(scene)

    refused(scene, scene.merchant, by("other", promise(deal)), Why.WRONG_SIGNER)


def test_the_last_second_in_which_a_promise_is_taken(scene: Scene) -> None:
    deal = Deal.offered(scene)
    last = replace(deal.transaction, expiration=scene.now + MERCHANT_MARGIN_SECONDS)

    assert isinstance(scene.ask(scene.merchant, by("bank", replace(promise(deal), transaction=last))), Noted)


def test_one_number_has_one_sale(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.ask(scene.merchant, deal.authorization_b)
    before = dump(scene.merchant.store)
    later = replace(deal.transaction, expiration=deal.transaction.expiration + 1)

    refused(scene, scene.merchant, by("bank", replace(promise(deal), transaction=later)), Why.NUMBER_USED)
    assert isinstance(scene.ask(scene.merchant, deal.authorization_b), Noted)
    assert dump(scene.merchant.store) == before

    scene.lost = lambda line: line.kind is AuthorizationM
    scene.to_expiration()
    refused(scene, scene.merchant, by("bank", replace(promise(deal), transaction=later)), Why.NUMBER_USED)


def test_a_promise_before_the_offer(scene: Scene) -> None:
    deal = Deal.offered(scene)
    (scene.folder / f"{ITEM}.goods").unlink()
    scene.ask(scene.merchant, order(scene))  # refused: the order stands without an offer
    ((number,),) = scene.merchant.store._db.all("select number from sale where goods_m is null")
    early = replace(promise(deal), transaction=replace(deal.transaction, number=number))

    refused(scene, scene.merchant, by("bank", early), Why.UNKNOWN)


# Outcomes.


def test_an_outcome_is_believed_from_the_log_alone(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.ask(scene.merchant, deal.authorization_b)
    foreign = replace(deal.transaction, log=OTHER)

    closed(scene, scene.merchant, by("bank", Abort(transaction=deal.transaction)))
    refused(scene, scene.merchant, by("log", Abort(transaction=foreign)), Why.WRONG_LOG)
    closed(scene, scene.merchant, by("other", Commit(authorization_m=deal.authorization_m, index=0)))
    closed(scene, scene.merchant, by("log", Commit(authorization_m=by("bank", p4(deal)), index=0)))
    closed(scene, scene.merchant, by("log", Commit(authorization_m=by("merchant", p4(deal, key=OTHER)), index=0)))


def p4(deal: Deal, **changes: Any) -> AuthorizationM:
    return replace(AuthorizationM(transaction=deal.transaction, key=deal.key), **changes)


def test_p4_is_not_sent_after_the_expiration(scene: Scene) -> None:
    """The log would record nothing, and know the key."""
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.receiver == "log"
    scene.ask(scene.merchant, deal.authorization_b)
    scene.pass_time(LEAD)
    assert AuthorizationM in asked_of_log(scene)

    scene.heard.clear()
    scene.pass_time(1)
    scene.lost = lambda line: line.kind is AuthorizationM
    scene.pass_time(RETRY_SECONDS_MAX)

    assert AuthorizationM not in [line.kind for line in scene.heard if line.sender == "merchant"]
    assert scene.merchant.store.by_number(deal.number).state == "failed"


def asked_of_log(scene: Scene) -> list[type]:
    return [type(errand.message) for errand in scene.merchant.store.errands.due(2**40, most=9)]


def test_a_log_that_calls_p4_late_is_asked_for_the_outcome(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.ask(scene.merchant, deal.authorization_b)
    wait(scene, LEAD + 1)
    scene.send(scene.merchant, AuthorizationM)
    assert scene.merchant.store.by_number(deal.number).state == "late"
    assert asked_of_log(scene) == [OutcomeOf]

    commit = by("log", Commit(authorization_m=deal.authorization_m, index=0))
    assert isinstance(scene.ask(scene.merchant, commit), Noted)
    (claim,) = (errand.message for errand in scene.merchant.store.errands.due(scene.now, most=9))
    assert isinstance(claim, Claim)


def test_a_credit_over_another_value_ends_no_claim(scene: Scene) -> None:
    deal = Deal.committed(scene)
    scene.ask(scene.merchant, deal.authorization_b)
    scene.ask(scene.merchant, deal.outcome)
    (errand,) = scene.merchant.store.errands.due(scene.now, most=9)
    credit = Credit(transaction=deal.transaction, currency=CURRENCY, value=PRICE)
    wrong: list[Signed] = [
        by("bank", replace(credit, value=PRICE - 1)),
        by("bank", replace(credit, currency="XXX")),
        by("bank", replace(credit, transaction=replace(deal.transaction, expiration=0))),
        by("other", credit),
    ]

    for said in wrong:
        assert scene.merchant.takes(frame(said, 1), answers=errand) is None
        assert scene.merchant.store.errands.get(errand.hash)
    scene.merchant.takes(frame(by("bank", credit), 1), answers=errand)

    assert scene.merchant.store.by_number(deal.number).state == "credited"
    assert len(scene.merchant.closed) == len(wrong)


# Who is asked.


def test_every_step_that_names_another_merchant(scene: Scene) -> None:
    deal = Deal.offered(scene)
    steps: list[Said] = [
        CatalogueOf(merchant=OTHER, after=""),
        Order(merchant=OTHER, item=ITEM, secret=SECRET),
        ChunkOf(merchant=OTHER, number=deal.number, secret=deal.secret, index=0),
        by("bank", replace(promise(deal), transaction=replace(deal.transaction, merchant=OTHER))),
    ]

    for said in steps:
        refused(scene, scene.merchant, said, Why.WRONG_RECEIVER)
    for taken_by_others in (deal.authorization_q, deal.goods_m, deal.authorization_m):
        closed(scene, scene.merchant, taken_by_others)


def test_an_answer_of_another_kind_moves_nothing(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.ask(scene.merchant, deal.authorization_b)
    (errand,) = scene.merchant.store.errands.due(scene.now, most=9)
    assert isinstance(errand.message, AuthorizationM)
    before = dump(scene.merchant.store)
    late = Refusal(request=errand.hash, why=Why.EXPIRED.value, detail="", evidence=())

    for said in (Noted(request=errand.hash), by("other", late), by("log", replace(late, request=OTHER))):
        scene.merchant.takes(frame(said, 1), answers=errand)
        assert dump(scene.merchant.store) == before
    assert len(scene.merchant.closed) == 3
