"""The consumer: whom she believes what, and that nothing else moves her money or her purchases."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.limits import ENTRIES_MAX, FRAME_MAX, KIB, RETRY_SECONDS_MAX
from anonnet.parties.consumer import Consumer, Fetched
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.goods import GoodsM, Order
from anonnet.protocol.local import Buy, OpenAt, Purchase, PurchaseOf, Started, Withdraw
from anonnet.protocol.logbook import Entries, Follow, OutcomeOf, Recorded, Time, TimeOf, Undecided
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store.errands import Errand
from anonnet.times import (
    BRAND_MARGIN_SECONDS,
    CLAIM_SECONDS,
    LEAD_SECONDS_MAX,
    LOG_CLOCK_SECONDS_MAX,
    WITHDRAW_PATIENCE_SECONDS,
)
from anonnet.wire.codec import STEPS, Message, decode, encode
from anonnet.wire.frames import Frame, frame
from anonnet.wire.signed import Signed
from tests.actor import Actor, Said
from tests.dump import dump
from tests.paper.author import Author
from tests.paper.scenes import ITEM, LEAD, PRICE, SIZE_MAX, Deal, Hand, Scene, by
from tests.stage import CURRENCY, key_of
from tests.unit.parties.answering import answer, errand, later, refusal, stopped, unmoved

OTHER = key_of("other").public


def transaction_of(scene: Scene) -> Transaction:
    body = decode(scene.paper(AuthorizationQ).body)
    assert isinstance(body, AuthorizationQ)
    return body.transaction


# Answers.


def test_an_answer_must_be_one_to_what_was_asked(scene: Scene) -> None:
    deal = Deal.committed(scene)
    stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    papers: list[Said] = [deal.goods_m, deal.outcome, deal.authorization_q, Noted(request=asked.hash)]

    unmoved(
        scene,
        asked,
        *papers,
        WithdrawB(signatures=(bytes(256),)),
        Entries(shard=1, start=0, entries=(), checkpoints=()),
    )
    unmoved(scene, errand(scene, OutcomeOf), deal.goods_m, deal.authorization_b, Noted(request=asked.hash))
    unmoved(scene, errand(scene, Follow), deal.outcome, by("log", Time(log=scene.log_name, time=0, shards=())))


def test_a_refusal_counts_from_who_was_asked_about_what_was_asked(scene: Scene) -> None:
    stopped(scene, GoodsM)
    asked = errand(scene, Order)
    another = by("merchant", Refusal(request=OTHER, why=Why.UNKNOWN.value, detail="", evidence=()))

    unmoved(scene, asked, refusal("other", asked, Why.UNKNOWN), refusal("bank", asked, Why.UNKNOWN), another)


def test_an_answer_that_comes_twice_counts_once(scene: Scene) -> None:
    answered: list[tuple[Errand, Frame]] = []
    take = scene.consumer.takes

    def remember(frame: Frame, *, owner: bool = False, answers: Errand | None = None) -> Said | None:
        if answers:
            answered.append((answers, frame))
        return take(frame, owner=owner, answers=answers)

    scene.consumer.takes = remember  # type: ignore[method-assign]
    scene.fund(scene.account(scene.consumer), 1)
    scene.withdraw(1)
    purchase = scene.buy()
    scene.settle()
    assert scene.purchase(purchase).state == "done"
    before = dump(scene.consumer.store)

    for asked, said in answered:
        take(said, answers=asked)

    assert dump(scene.consumer.store) == before
    assert not scene.consumer.closed
    assert {GoodsM, Time, AuthorizationB, WithdrawB, Entries} <= {STEPS[said.step] for _, said in answered}


# Withdrawal.


def test_signatures_that_are_none_of_the_bank_are_not_kept(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is WithdrawB
    scene.fund(scene.account(scene.consumer), 3)
    scene.withdraw(1)
    asked = errand(scene, WithdrawC)
    reply = scene.bank.takes(frame(asked.request, 1))
    assert isinstance(reply, WithdrawB)
    (good,) = reply.signatures

    wrong = [good[:-1] + bytes([good[-1] ^ 1]), bytes(256), b"\xff" * 256, b"\0" + good]
    unmoved(scene, asked, *(WithdrawB(signatures=(each,)) for each in wrong), WithdrawB(signatures=(good, good)))
    answer(scene, asked, reply)
    assert scene.tokens() == {"free": 2 * PRICE + 1}


def test_a_withdrawal_is_given_up_only_when_its_time_is_over(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is WithdrawB
    scene.fund(scene.account(scene.consumer), 1)
    scene.withdraw(1)
    asked = errand(scene, WithdrawC)

    later(scene, asked, refusal("bank", asked, Why.EXPIRED))
    later(scene, asked, refusal("bank", asked, Why.OVERDRAFT))
    scene.now += WITHDRAW_PATIENCE_SECONDS
    later(scene, asked, refusal("bank", asked, Why.EXPIRED))
    scene.now += 1
    answer(scene, asked, refusal("bank", asked, Why.EXPIRED))

    assert scene.tokens() == {"free": 2 * PRICE, "void": 1}
    assert scene.consumer.store.errands.get(asked.hash) is None


def test_a_withdrawal_is_given_up_when_the_bank_may_have_dropped_the_brand(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is WithdrawB
    scene.fund(scene.account(scene.consumer), 1)
    scene.withdraw(1)
    asked = errand(scene, WithdrawC)

    scene.now = scene.brand(1).ends + BRAND_MARGIN_SECONDS
    later(scene, asked, refusal("bank", asked, Why.BAD_BRAND))
    scene.now += 1
    answer(scene, asked, refusal("bank", asked, Why.BAD_BRAND))

    assert scene.tokens() == {"lost": 2 * PRICE, "void": 1}
    assert scene.consumer.store.errands.get(asked.hash) is None


# P1.


OFFERS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "another item": lambda scene: {"item": "noise"},
    "a higher price": lambda scene: {"price": PRICE + 1},
    "another currency": lambda scene: {"currency": "USD"},
    "another bank": lambda scene: {"banks": (OTHER,)},
    "another log": lambda scene: {"logs": (OTHER,)},
    "larger goods": lambda scene: {"size": SIZE_MAX + 1},
    "no longer valid": lambda scene: {"valid_until": scene.now - 1},
}


@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_that_is_not_what_she_wants(scene: Scene, name: str) -> None:
    purchase = stopped(scene, GoodsM)
    asked = errand(scene, Order)
    scene.merchant.takes(frame(asked.message, 1))
    heard = scene.merchant.takes(frame(asked.message, 1))
    assert isinstance(heard, Signed)
    terms = decode(heard.body)
    assert isinstance(terms, GoodsM)
    changes = OFFERS[name](scene)
    changed = replace(terms, contract=replace(terms.contract, **changes))

    unmoved(scene, asked, by("other", changed), by("bank", terms))
    answer(scene, asked, by("merchant", changed))

    assert scene.purchase(purchase).state == "refused"
    assert scene.tokens() == {"free": 2 * PRICE}
    assert not scene.consumer.store.jobs()


def test_of_two_orders_that_a_merchant_gave_one_number_one_is_paid(scene: Scene) -> None:
    """In the same second by the same log: one outcome would be that of both."""
    first: list[GoodsM] = []
    say = scene.say

    def numbered_alike(sender: str, receiver: Actor, said: Said) -> Said | None:
        answer = say(sender, receiver, said)
        if not isinstance(said, Order) or not isinstance(answer, Signed):
            return answer
        terms = decode(answer.body)
        assert isinstance(terms, GoodsM)
        first.append(terms)
        return by("merchant", replace(terms, number=first[0].number))

    scene.say = numbered_alike  # type: ignore[method-assign]
    scene.lost = lambda line: line.kind is TimeOf
    purchases = scene.buy(), scene.buy()
    scene.settle()
    for purchase in purchases:
        scene.consumer.inform(Fetched(purchase))

    scene.lost = lambda line: line.kind is AuthorizationQ
    scene.settle()

    assert sorted(scene.purchase(each).state for each in purchases) == ["authorizing", "refused"]


@pytest.mark.parametrize(
    ("why", "state"), [(Why.FULL, "ordering"), (Why.INCIDENT, "ordering"), (Why.UNKNOWN, "refused")]
)
def test_an_order_that_is_refused(scene: Scene, why: Why, state: str) -> None:
    purchase = stopped(scene, GoodsM)
    asked = errand(scene, Order)

    answer(scene, asked, refusal("merchant", asked, why))

    assert scene.purchase(purchase).state == state
    assert (scene.consumer.store.errands.get(asked.hash) is not None) == (state == "ordering")


def test_what_no_exchange_can_change_holds_up_no_other_purchase(tmp_path: Path) -> None:
    """40 of a token of 50, with nothing between that and 1: forty tokens, which are too many for one exchange."""
    scene = Scene(tmp_path, denominations={1: "2048-a", 50: "2048-b"})
    scene.prepare(1)
    scene.fund(scene.account(scene.consumer), 50)
    scene.withdraw(50)
    scene.withdraw(1)
    scene.sell("dear", price=40)
    scene.sell("cheap", price=1)

    dear, cheap = (scene.buy(item=item, price_max=price) for item, price in (("dear", 40), ("cheap", 1)))
    scene.settle()

    assert (scene.purchase(dear).state, scene.purchase(cheap).state) == ("refused", "done")


# P2 and P3.


def test_a_promise_is_hers_or_nobodys(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationB)
    asked, transaction = errand(scene, AuthorizationQ), transaction_of(scene)
    promise = AuthorizationB(transaction=transaction, currency=CURRENCY, value=PRICE)
    changed = [
        replace(promise, value=PRICE - 1),
        replace(promise, currency="USD"),
        replace(promise, receiver_key=OTHER),
        replace(promise, transaction=replace(transaction, expiration=transaction.expiration + 1)),
    ]

    unmoved(scene, asked, by("other", promise), by("merchant", promise), *(by("bank", each) for each in changed))
    answer(scene, asked, by("bank", promise))
    assert scene.purchase(purchase).state == "authorized"


@pytest.mark.parametrize(
    ("ahead", "state"), [(LOG_CLOCK_SECONDS_MAX, "authorizing"), (LOG_CLOCK_SECONDS_MAX + 1, "refused")]
)
def test_a_log_that_lives_in_another_time_binds_no_tokens(scene: Scene, ahead: int, state: str) -> None:
    purchase = stopped(scene, TimeOf)
    time = by("log", Time(log=scene.log_name, time=scene.now + ahead, shards=()))

    answer(scene, errand(scene, TimeOf), time)

    assert scene.purchase(purchase).state == state


def test_a_refusal_without_proof_frees_nothing(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    purchase = stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)

    for why in (Why.EXPIRED, Why.BAD_TOKEN, Why.TOKEN_USED, Why.SALE_ABORTED, Why.INCIDENT):
        later(scene, asked, refusal("bank", asked, why))
    papers = [deal.authorization_q], [deal.authorization_b], [by("log", Abort(transaction=deal.transaction))]
    for evidence in papers:
        later(scene, asked, refusal("bank", asked, Why.TOKEN_USED, *evidence))

    assert scene.purchase(purchase).state == "authorizing"
    assert scene.tokens() == {"free": PRICE, "locked": PRICE}


@pytest.mark.parametrize("why", [Why.EXPIRED, Why.WRONG_LOG, Why.TOKEN_USED, Why.SALE_AUTHORIZED])
def test_once_claims_are_over_a_refusal_needs_no_proof(scene: Scene, why: Why) -> None:
    """For whatever reason the bank refuses: it has not taken her payment, or has let the tokens go."""
    purchase = stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    scene.now = transaction_of(scene).expiration + CLAIM_SECONDS
    later(scene, asked, refusal("bank", asked, why))

    scene.now += 1
    answer(scene, asked, refusal("bank", asked, why))

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens() == {"free": 2 * PRICE}
    assert not scene.consumer.store.errands.about(purchase)


def test_a_bank_that_did_not_look_at_the_payment_ends_nothing(scene: Scene) -> None:
    """It may have been paid, and find that out. A brand that it misses it may find again until it may drop it."""
    purchase = stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    dropped = min(each.brand.ends for each in scene.minted) + BRAND_MARGIN_SECONDS
    for now in (transaction_of(scene).expiration + CLAIM_SECONDS + 1, dropped):
        scene.now = now
        for why in (Why.FULL, Why.INCIDENT, Why.BAD_BRAND):
            later(scene, asked, refusal("bank", asked, why))

    scene.now += 1
    for why in (Why.FULL, Why.INCIDENT):
        later(scene, asked, refusal("bank", asked, why))
    answer(scene, asked, refusal("bank", asked, Why.BAD_BRAND))

    assert scene.purchase(purchase).state == "aborted"
    assert not scene.consumer.store.errands.about(purchase)


def twice(scene: Scene) -> tuple[Errand, Signed, Transaction]:
    """P2 of a purchase, and another P2 over the same tokens, signed by their keys: another copy of the wallet."""
    stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    bought = scene.consumer.store.by_outcome_key(transaction_of(scene).outcome_key)
    purse, held = scene.consumer.party.purse, scene.consumer.store.tokens.bound_to(bought.id)
    order = Hand(scene, "copy").order()[0]
    terms = decode(order.body)
    assert isinstance(terms, GoodsM)
    other = replace(transaction_of(scene), number=terms.number)
    return asked, purse.authorization_q(scene.bank_key, other, held), other


def commit_of(scene: Scene, transaction: Transaction, log: str = "log") -> Signed:
    key = scene.merchant.store.by_number(transaction.number).key
    return by(log, Commit(authorization_m=by("merchant", AuthorizationM(transaction=transaction, key=key)), index=3))


def test_a_token_is_spent_when_the_bank_proves_it(scene: Scene) -> None:
    asked, earlier, transaction = twice(scene)
    commit = commit_of(scene, transaction)
    forged = Signed(body=earlier.body, signatures=by("other", decode(earlier.body)).signatures)

    later(scene, asked, refusal("bank", asked, Why.TOKEN_USED, earlier))
    later(scene, asked, refusal("bank", asked, Why.TOKEN_USED, commit))
    later(scene, asked, refusal("bank", asked, Why.TOKEN_USED, earlier, by("log", Abort(transaction=transaction))))
    unmoved(
        scene,
        asked,
        refusal("bank", asked, Why.TOKEN_USED, forged, commit),
        refusal("bank", asked, Why.TOKEN_USED, earlier, commit_of(scene, transaction, "other")),
        refusal("bank", asked, Why.TOKEN_USED, Signed(body=b"\x91", signatures=earlier.signatures)),
    )
    answer(scene, asked, refusal("bank", asked, Why.TOKEN_USED, earlier, commit))

    assert scene.tokens() == {"locked": PRICE, "spent": PRICE}, "the same sale is paid with others"


def test_locked_tokens_are_asked_for_every_second_only_while_the_sale_can_be_promised(scene: Scene) -> None:
    asked, earlier, transaction = twice(scene)
    said, errands = refusal("bank", asked, Why.TOKEN_USED, earlier), scene.consumer.store.errands
    for now, wait in ((transaction.expiration, 1), (transaction.expiration + 1, RETRY_SECONDS_MAX)):
        scene.now = now
        later(scene, asked, said)
        early, due = (errands.due(now + seconds, most=99) for seconds in (wait - 1, wait))

        assert asked.hash not in {each.hash for each in early}
        assert asked.hash in {each.hash for each in due}


def test_her_own_payment_and_its_commit_prove_nothing_against_her(scene: Scene) -> None:
    stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    commit = commit_of(scene, transaction_of(scene))

    later(scene, asked, refusal("bank", asked, Why.TOKEN_USED, asked.request, commit))
    later(scene, asked, refusal("bank", asked, Why.SALE_AUTHORIZED, asked.request))


def test_when_somebody_else_has_paid_her_tokens_are_free(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationQ)
    asked, rival = errand(scene, AuthorizationQ), Hand(scene, "rival")
    assert isinstance(asked.message, AuthorizationQ)
    scene.lost = lambda line: False
    rival.open(PRICE)
    paid = rival.pays(rival.withdraw(4, 1), asked.message.transaction)
    scene.ask(scene.bank, paid)

    scene.settle()

    assert scene.purchase(purchase).state == "refused"
    assert scene.tokens() == {"free": 2 * PRICE}
    assert scene.consumer.store.errands.get(asked.hash) is None


def test_an_abort_that_the_bank_alone_has_frees_her_tokens_once_claims_are_over(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is AuthorizationM or (line.receiver == "consumer" and line.kind is Abort)
    purchase = scene.buy()
    scene.to_expiration()
    asked = errand(scene, AuthorizationQ)
    own = Abort(transaction=transaction_of(scene))
    elsewhere = by("log", replace(own, transaction=replace(own.transaction, number=OTHER)))
    forged = Signed(body=by("log", own).body, signatures=elsewhere.signatures)
    later(scene, asked, refusal("bank", asked, Why.SALE_ABORTED, elsewhere))
    later(scene, asked, refusal("bank", asked, Why.SALE_ABORTED, forged))
    assert (scene.purchase(purchase).state, scene.tokens()["locked"]) == ("authorized", PRICE)

    scene.now = transaction_of(scene).expiration + CLAIM_SECONDS + 1
    scene.settle()

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens() == {"free": 2 * PRICE}


@pytest.mark.parametrize("promised", [True, False])
def test_who_was_told_an_abort_of_a_sale_that_was_paid_has_the_goods_and_both_papers(
    scene: Scene, promised: bool
) -> None:
    """By a log that decides alone, and told the bank the commit."""
    told = {Follow, OutcomeOf, *([] if promised else [AuthorizationB])}
    scene.lost = lambda line: line.kind in told and "consumer" in (line.sender, line.receiver)
    purchase = scene.buy()
    scene.settle()
    transaction = scene.consumer.store.purchase(purchase).transaction
    abort = by("log", Abort(transaction=transaction))
    answer(scene, errand(scene, OutcomeOf), abort)
    asked = errand(scene, Abort)
    wrong = by("log", Commit(authorization_m=by("other", AuthorizationM(transaction=transaction, key=OTHER)), index=3))
    later(scene, asked, refusal("bank", asked, Why.SALE_AUTHORIZED, wrong, abort))
    assert (scene.purchase(purchase).state, scene.tokens()["releasing"]) == ("aborted", PRICE)

    scene.lost = lambda line: False
    scene.pass_time(RETRY_SECONDS_MAX)

    assert scene.purchase(purchase).state == "done"
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}
    assert abort in scene.consumer.store.answered.of(purchase), "beside the commit it convicts the log"


def test_a_commit_does_not_say_whose_payment_it_was(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationQ)
    asked, rival = errand(scene, AuthorizationQ), Hand(scene, "rival")
    assert isinstance(asked.message, AuthorizationQ)
    scene.lost = lambda line: line.kind is AuthorizationQ and line.sender == "consumer"
    rival.open(PRICE)
    scene.ask(scene.bank, rival.pays(rival.withdraw(4, 1), asked.message.transaction))
    scene.settle()
    assert scene.purchase(purchase).state == "done", "the key is public, whoever paid"
    assert scene.tokens() == {"free": PRICE, "locked": PRICE}

    scene.lost = lambda line: False
    scene.pass_time(RETRY_SECONDS_MAX)

    assert scene.tokens() == {"free": 2 * PRICE}


# Outcomes.


def test_an_outcome_is_believed_from_the_log_about_her_sale(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationB, Entries)
    transaction = transaction_of(scene)
    asked = errand(scene, OutcomeOf)
    other = replace(transaction, expiration=transaction.expiration + 1)

    unmoved(
        scene,
        asked,
        by("other", Abort(transaction=transaction)),
        by("bank", Abort(transaction=transaction)),
        by("log", Abort(transaction=other)),
        commit_of(scene, transaction, "other"),
        commit_of(scene, other),
    )
    assert scene.tokens() == {"free": PRICE, "locked": PRICE}
    later(scene, asked, by("log", Undecided(transaction=transaction, time=scene.now)))
    answer(scene, asked, commit_of(scene, transaction))
    assert scene.purchase(purchase).state == "committed"


def test_entries_are_read_from_where_they_were_asked_for(scene: Scene) -> None:
    stopped(scene, Commit, Entries)
    asked = errand(scene, Follow)
    entries = scene.log.takes(frame(asked.message, 1))
    assert isinstance(entries, Entries)
    _, recorded = entries.entries
    forged = Recorded(entry=recorded.entry, signature=bytes(64))
    broken = Recorded(entry=recorded.entry + b"\0", signature=recorded.signature)

    unmoved(
        scene,
        asked,
        replace(entries, start=entries.start + 1),
        replace(entries, entries=(forged,)),
        replace(entries, entries=(broken,)),
        replace(entries, entries=(recorded, broken)),
    )
    answer(scene, asked, entries)
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (lambda asked: Noted(request=asked.hash), "exchanging"),
        (lambda asked: refusal("bank", asked, Why.UNKNOWN), "exchanging"),
        (lambda asked: refusal("bank", asked, Why.SALE_ABORTED), "exchanging"),
        (lambda asked: refusal("bank", asked, Why.INCIDENT), "releasing"),
        (lambda asked: refusal("bank", asked, Why.SALE_AUTHORIZED), "releasing"),
    ],
)
def test_after_an_abort_tokens_are_exchanged_when_the_bank_knows(
    scene: Scene, reply: Callable[[Errand], Said], state: str
) -> None:
    stopped(scene, AuthorizationB)
    scene.lost = lambda line: line.receiver in ("bank", "merchant") or line.kind is Entries
    scene.to_expiration()
    asked = errand(scene, Abort)
    assert scene.tokens() == {"free": PRICE, "releasing": PRICE}

    answer(scene, asked, reply(asked))

    others = {"exchanging": PRICE, "withdrawing": PRICE} if state == "exchanging" else {"releasing": PRICE}
    assert scene.tokens() == {"free": PRICE, **others}


@pytest.mark.parametrize("why", [Why.TOO_LATE, Why.WRONG_LOG])
def test_once_claims_are_over_tokens_are_exchanged_whatever_the_bank_says_of_an_abort(scene: Scene, why: Why) -> None:
    """The lock has ended with the claim time; the bank may have forgotten the sale, or have dropped its log."""
    stopped(scene, AuthorizationB)
    scene.lost = lambda line: line.receiver in ("bank", "merchant") or line.kind is Entries
    scene.to_expiration()
    asked = errand(scene, Abort)
    scene.now = transaction_of(scene).expiration + CLAIM_SECONDS
    later(scene, asked, refusal("bank", asked, why))

    scene.now += 1
    for other in (Why.FULL, Why.INCIDENT, Why.SALE_AUTHORIZED):
        later(scene, asked, refusal("bank", asked, other))
    answer(scene, asked, refusal("bank", asked, why))

    assert scene.tokens() == {"free": PRICE, "exchanging": PRICE, "withdrawing": PRICE}
    assert scene.consumer.store.errands.get(asked.hash) is None


def exchanging(scene: Scene) -> Errand:
    """The exchange of what a sale that has failed gave back; nothing reaches the bank."""
    stopped(scene, AuthorizationB)
    scene.lost = lambda line: line.receiver in ("bank", "merchant") or line.kind is Entries
    scene.to_expiration()
    released = errand(scene, Abort)
    answer(scene, released, Noted(request=released.hash))
    return errand(scene, ExchangeQ)


@pytest.mark.parametrize("why", [Why.EXPIRED, Why.NOT_OPEN])
def test_an_exchange_is_given_up_only_when_its_time_is_over(scene: Scene, why: Why) -> None:
    """A bank that has closed a token's brand says so, and never that an exchange of it came too late. Before the brand
    has ended that word binds it to nothing."""
    asked = exchanging(scene)
    order = asked.message
    assert isinstance(order, ExchangeQ)

    scene.now = order.until
    if why == Why.NOT_OPEN:
        scene.now = scene.brand(4).ends
    later(scene, asked, refusal("bank", asked, why))
    scene.now += 1
    later(scene, asked, refusal("bank", asked, Why.FULL))
    answer(scene, asked, refusal("bank", asked, why))

    back = "free" if why == Why.EXPIRED else "lost"  # whose brand has ended
    assert scene.tokens() == {back: 2 * PRICE, "void": PRICE}
    assert scene.consumer.store.errands.get(asked.hash) is None
    ((kept, refusals),) = scene.consumer.store.unexchanged.all()
    assert kept == asked.request
    assert refusals == [refusal("bank", asked, each) for each in sorted((why, Why.FULL))], "of each reason one"


def test_what_was_said_against_an_exchange_goes_when_it_is_done(scene: Scene) -> None:
    asked = exchanging(scene)
    later(scene, asked, refusal("bank", asked, Why.FULL))
    kept = scene.consumer.store.unexchanged.all()
    scene.lost = lambda line: False
    scene.settle()  # the bank hears of the abort

    scene.run_errand(scene.consumer, asked)

    assert len(kept) == 1
    assert scene.tokens() == {"free": 2 * PRICE}
    assert scene.consumer.store.unexchanged.all() == []


# Her owner.


def test_wishes_that_cannot_be_granted(scene: Scene) -> None:
    wish = Buy(
        merchant=scene.merchant_key,
        item=ITEM,
        currency=CURRENCY,
        price_max=PRICE,
        bank=scene.bank_key,
        log=scene.log_name,
        lead=LEAD,
    )
    wishes: list[tuple[Message, Why]] = [
        (replace(wish, merchant=scene.bank_key), Why.UNKNOWN),
        (replace(wish, bank=OTHER), Why.UNKNOWN),
        (replace(wish, log=scene.bank_key), Why.UNKNOWN),
        (replace(wish, lead=LEAD_SECONDS_MAX + 1), Why.TOO_LATE),
        (PurchaseOf(purchase=OTHER), Why.UNKNOWN),
        (Withdraw(bank=OTHER, currency=CURRENCY, amount=1), Why.NOT_OPEN),
        (Withdraw(bank=scene.bank_key, currency="USD", amount=1), Why.NOT_OPEN),
    ]
    before = dump(scene.consumer.store)

    for asked, why in wishes:
        said = scene.consumer.command(asked)
        assert decode(said.body).why == why
        assert dump(scene.consumer.store) == before
    assert isinstance(scene.consumer.command(wish), Started)


def test_nobody_but_her_owner_commands_her(scene: Scene) -> None:
    before = dump(scene.consumer.store)

    transaction = Transaction(number=OTHER, expiration=1, merchant=OTHER, log=OTHER)
    abort = by("log", Abort(transaction=transaction))
    for said in (OpenAt(bank=OTHER), PurchaseOf(purchase=OTHER), Noted(request=OTHER), abort):
        assert scene.consumer.takes(frame(said, 1)) is None
    assert dump(scene.consumer.store) == before
    assert len(scene.consumer.closed) == 4


def test_a_purchase_as_it_is_shown_fits_its_frame(scene: Scene) -> None:
    shown = scene.purchase(stopped(scene))

    assert isinstance(shown, Purchase)
    assert len(encode(shown)) < Purchase.frame_max
    assert [decode(paper.body).step for paper in shown.papers] == [17, 18, 19, 21]


def test_where_she_begins_to_follow_is_where_many_begin(scene: Scene) -> None:
    """An exact place in the log would tell it which of her connections belong together."""
    author, starts = Author(scene), []
    for entries in (3, ENTRIES_MAX):
        author.writes(entries, scene.now + LEAD)
        stopped(scene, Entries)
        starts.append(started(scene)[-1])
        scene.lost = lambda line: False
        scene.settle()  # what is bought ends, and with it her following

    assert starts == [0, ENTRIES_MAX]


def test_two_purchases_that_wait_at_once_follow_once(scene: Scene) -> None:
    stopped(scene, Entries)
    Author(scene).writes(3, scene.now + LEAD)
    scene.buy()
    scene.settle()

    assert set(started(scene)) == {0}
    assert len(follows(scene)) == 1


def started(scene: Scene) -> list[int]:
    """From where the consumer has asked for entries."""
    return [line.body.start for line in scene.said(Follow) if line.sender == "consumer"]  # type: ignore[attr-defined]


def follows(scene: Scene) -> list[Errand]:
    """Her errands that follow a log."""
    return [each for each in scene.consumer.store.errands.due(scene.now, most=100) if isinstance(each.message, Follow)]


def test_a_refusal_that_is_padded_does_not_hide_the_purchase(scene: Scene) -> None:
    purchase = stopped(scene, AuthorizationB)
    asked = errand(scene, AuthorizationQ)
    assert isinstance(asked.message, AuthorizationQ)
    promise = by("bank", AuthorizationB.answering(asked.message, CURRENCY))
    padding = Signed(body=encode(TimeOf(log=scene.log_name)) + bytes(FRAME_MAX - 8 * KIB), signatures=())

    answer(scene, asked, refusal("bank", asked, Why.SALE_AUTHORIZED, promise, padding))

    shown = scene.purchase(purchase)
    assert shown.state == "refused"
    assert len(encode(shown)) < Purchase.frame_max
    assert [decode(paper.body).step for paper in shown.papers] == [17, 18]


def test_tokens_of_a_brand_that_has_left_the_network_file_are_not_shown(scene: Scene) -> None:
    seed = hashlib.sha256(b"seed of consumer").digest()
    scene.consumer.party = Consumer(scene.network, seed, [scene.brand(4)])
    scene.consumer.__post_init__()

    assert scene.tokens() == {"free": 8}
