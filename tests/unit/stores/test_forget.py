"""What each store drops, and when: one test for each row of docs/data.md that has an end.

Each looks at the last second at which the row must be there, and at the first at which it must be gone.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.limits import FORGET_ROWS_MAX, ORDER_SECONDS
from anonnet.parties.bank import Bank
from anonnet.parties.brands import SUBJECT as LOOK
from anonnet.parties.consumer import Consumer, Opened
from anonnet.parties.purse import Purse
from anonnet.parties.turn import Asked, Forget
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM, Order
from anonnet.protocol.known_log import expirations_of, shard_of
from anonnet.protocol.local import Discard, PurchaseOf
from anonnet.protocol.logbook import Follow, OutcomeOf, Time
from anonnet.protocol.proofs import Proofs
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.recovery import Restore, State, StateOf
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store.errands import Errand
from anonnet.store.jobs import RemoveFiles
from anonnet.store.tokens import FREE, LOCKED, SPENT
from anonnet.store.wallet import WalletStore
from anonnet.times import (
    BRAND_MARGIN_SECONDS,
    CLAIM_SECONDS,
    LEAD_SECONDS_MAX,
    RESTORE_GAP,
    RESTORE_SPREAD_SECONDS,
    RETENTION_SECONDS,
    SETTLE_SECONDS,
    WITHDRAW_LIFE_SECONDS_MIN,
)
from anonnet.wire.codec import Message, decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.dump import dump
from tests.paper.author import Author
from tests.paper.scenes import ITEM, LEAD, PRICE, Coin, Deal, Hand, Scene, by, exchange_q
from tests.quorum import QuorumScene
from tests.stage import CURRENCY, NETWORK, key_of, mint

DAY = 24 * 3600


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Accounts open, ten units of tokens in the wallet, goods for five on sale."""
    scene = Scene(tmp_path)
    scene.prepare()
    return scene


def at(scene: Scene, actor: Actor, second: int) -> None:
    """Have one party forget at this second; nobody else sees time pass."""
    scene.now = second
    actor.remind()
    actor.forget()


def rows(actor: Actor, table: str) -> int:
    return len(dump(actor.store)[table])


def over(scene: Scene, denomination: int = 4) -> int:
    """The last second at which the bank keeps what is about tokens of this brand."""
    return scene.brand(denomination).ends + BRAND_MARGIN_SECONDS


def settled(deal: Deal) -> Deal:
    """A sale that has committed and been paid, or aborted."""
    deal.scene.settle()
    return deal


def aborted(scene: Scene) -> Deal:
    """A sale whose key never reached the log."""
    deal = Deal.authorized(scene)
    scene.lost = lambda line: "merchant" in (line.sender, line.receiver)
    scene.to_expiration()
    scene.lost = lambda line: False
    assert scene.refused(scene.bank, deal.authorization_q).why == Why.SALE_ABORTED
    return deal


def claim(deal: Deal, commit: Signed) -> Claim:
    return Claim(bank=deal.scene.bank_key, authorization_b=deal.authorization_b, commit=commit)


# The bank.


def test_an_aborted_sale_shrinks_at_once_and_goes_with_the_claim_time(scene: Scene) -> None:
    deal = aborted(scene)
    (sale,) = dump(scene.bank.store)["sale"]
    assert deal.authorization_q.signatures[0].signature not in b"".join(each for each in sale if type(each) is bytes)

    at(scene, scene.bank, deal.transaction.expiration + CLAIM_SECONDS)
    last = scene.refused(scene.bank, deal.authorization_q)
    kept = rows(scene.bank, "sale")
    at(scene, scene.bank, scene.now + 1)

    assert (last.why, kept, rows(scene.bank, "sale")) == (Why.SALE_ABORTED, 1, 0)
    assert scene.refused(scene.bank, deal.authorization_q).why == Why.EXPIRED


def test_a_second_payment_of_an_aborted_sale_is_shown_the_abort(scene: Scene) -> None:
    deal = aborted(scene)
    other = Hand(scene, "other")
    other.open(PRICE)

    refusal = scene.refused(scene.bank, other.pays(other.withdraw(4, 1), deal.transaction))

    assert (refusal.why, refusal.evidence) == (Why.SALE_ABORTED, (deal.outcome,))


def test_a_lapsed_sale_goes_with_its_lock(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    at(scene, scene.bank, deal.transaction.expiration + CLAIM_SECONDS)
    locked, kept = scene.books()["locked"], rows(scene.bank, "sale")

    at(scene, scene.bank, scene.now + 1)

    assert (locked, kept) == (PRICE, 1)
    assert (scene.books()["locked"], rows(scene.bank, "sale")) == (0, 0)
    assert deal.transaction.outcome_key not in [each.subject for each in scene.bank.store.errands.due(2**50, most=99)]
    assert scene.refused(scene.bank, deal.authorization_q).why == Why.EXPIRED


def test_a_committed_sale_is_kept_until_its_brands_are_over(scene: Scene) -> None:
    deal = settled(Deal.committed(scene))
    commit, income = deal.outcome, scene.income
    at(scene, scene.bank, over(scene))
    again, kept = scene.ask(scene.bank, claim(deal, commit)), rows(scene.bank, "sale")
    promised = scene.ask(scene.bank, deal.authorization_q)

    at(scene, scene.bank, scene.now + 1)

    assert isinstance(again, Credit)
    assert isinstance(promised, AuthorizationB)
    assert (kept, rows(scene.bank, "sale")) == (1, 0)
    assert scene.refused(scene.bank, claim(deal, commit)).why == Why.TOO_LATE
    assert scene.refused(scene.bank, commit).why == Why.TOO_LATE
    assert scene.refused(scene.bank, deal.authorization_q).why == Why.EXPIRED
    assert scene.income == income == PRICE


def test_used_tokens_are_known_until_their_brand_is_over(scene: Scene) -> None:
    deal = settled(Deal.committed(scene))
    four = next(coin for coin in deal.coins if coin.worth == 4)
    asked = by_token(scene, four)
    at(scene, scene.bank, over(scene))
    last, kept = scene.refused(scene.bank, asked), rows(scene.bank, "used")

    at(scene, scene.bank, scene.now + 1)

    assert (last.why, last.evidence) == (Why.TOKEN_USED, (deal.authorization_q, commit_of(last)))
    assert (kept, rows(scene.bank, "used")) == (2, 0)
    state = scene.ask(scene.bank, asked)
    assert isinstance(state, State)
    assert state.remaining == 0


def by_token(scene: Scene, coin: Coin) -> Signed:
    return Signer(NETWORK, coin.secrets.key).sign(StateOf(bank=scene.bank_key, token=coin.token, channel=bytes(32)))


def commit_of(refusal: Refusal) -> Signed:
    return refusal.evidence[1]


def test_blinded_messages_are_answered_until_their_brand_is_over(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(PRICE)
    secrets = hand.secrets(4)
    order = hand.signer.sign(hand.withdraw_c(secrets))
    first = scene.ask(scene.bank, order)
    restore = Restore(bank=scene.bank_key, brand=secrets.brand.id, blinded=secrets.blinded().blinded_message)
    at(scene, scene.bank, over(scene))
    again, restored = scene.ask(scene.bank, order), scene.ask(scene.bank, restore)
    signed = list(scene.bank.store.bookkeeping.withdrawals())

    at(scene, scene.bank, scene.now + 1)

    assert order in signed
    assert isinstance(first, WithdrawB)
    assert first == again == restored
    assert scene.refused(scene.bank, order).why == Why.EXPIRED
    assert scene.refused(scene.bank, restore).why == Why.UNKNOWN
    assert hand.balance == 1
    assert (rows(scene.bank, "blinded"), rows(scene.bank, "withdrawal")) == (0, 0)


def two_generations(scene: Scene) -> None:
    """A bank with a brand of one that ends a day later than its others."""
    (later,) = mint(key_of("bank"), {2: "2048-b"}, ends=scene.brand(4).ends + 24 * 3600)
    scene.minted = [each for each in scene.minted if each.brand.denomination != 2] + [later]
    scene.bank.party = type(scene.bank.party)(scene.bank.party.signer, scene.bank_key, scene.minted, scene.network.logs)
    scene.bank.__post_init__()


def test_an_exchange_is_answered_as_long_as_what_it_gave_can_be_spent(scene: Scene) -> None:
    two_generations(scene)
    hand = Hand(scene)
    hand.open(4)
    order = exchange_q(hand.withdraw(4), hand.secrets(2), hand.secrets(2))
    first = scene.ask(scene.bank, order)
    at(scene, scene.bank, over(scene) + 1)
    used, again = rows(scene.bank, "used"), scene.ask(scene.bank, order)
    at(scene, scene.bank, over(scene, 2))
    kept = rows(scene.bank, "exchange")

    at(scene, scene.bank, scene.now + 1)

    assert isinstance(first, ExchangeB)
    assert (first, used, kept) == (again, 0, 1)
    assert rows(scene.bank, "exchange") == 0
    assert scene.refused(scene.bank, order).why == Why.NOT_OPEN, "it was done: nobody is told that it came too late"


def test_that_an_exchange_was_late_is_known_until_the_brand_given_is_over(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(4)
    given = hand.withdraw(4)
    order = exchange_q(given, hand.secrets(2), hand.secrets(2), until=scene.now)
    late = exchange_q(given, *(hand.secrets(1) for _ in range(4)), until=scene.now + 1)
    scene.now += 2
    first = scene.refused(scene.bank, late)
    scene.now -= 2

    earlier, again = scene.refused(scene.bank, order), scene.refused(scene.bank, late)
    at(scene, scene.bank, over(scene))
    kept = rows(scene.bank, "overdue")
    at(scene, scene.bank, scene.now + 1)

    assert first.why == earlier.why == Why.EXPIRED
    assert again == first
    assert (kept, rows(scene.bank, "overdue"), rows(scene.bank, "exchange")) == (1, 0, 0)
    assert scene.refused(scene.bank, late).why == Why.NOT_OPEN


def test_what_is_left_of_an_ended_brand_is_the_banks_income(scene: Scene) -> None:
    settled(Deal.committed(scene))
    at(scene, scene.bank, over(scene))
    before = scene.books()
    at(scene, scene.bank, scene.now + 1)
    after = scene.books()
    scene.bank.forget()

    assert before.get("expired", 0) == 0
    assert after["expired"] == before["tokens"] > 0
    assert after["tokens"] == 0
    assert sum(after.values()) == sum(before.values()) == 0
    assert scene.books() == after


def test_a_brand_does_not_end_while_a_sale_holds_some_of_it(scene: Scene) -> None:
    """A bank that was away: what has lapsed meanwhile is freed first, and is income with the rest."""
    Deal.authorized(scene)
    before = scene.books()
    scene.now = over(scene) + 1

    scene.bank.forget()

    assert before["locked"] == PRICE
    assert (scene.books()["locked"], scene.books()["expired"]) == (0, before["tokens"] + PRICE)


def test_a_store_closes_no_brand_of_which_something_is_locked(scene: Scene) -> None:
    """More sales may have lapsed than one turn frees: then the brand waits for a later one."""
    Deal.authorized(scene)
    before = scene.books()
    store = scene.bank.store
    store.begin()
    store.begin_turn()

    store.forget(over(scene) + 1, {scene.brand(4).id: CURRENCY}, most=FORGET_ROWS_MAX)

    store.end_turn()
    store.commit()
    assert scene.books() == before
    assert rows(scene.bank, "ended") == 0
    assert rows(scene.bank, "used") == 2


def test_a_clock_that_falls_back_revives_no_token(scene: Scene) -> None:
    """Who has an old wallet, or an old database of the bank's, finds no second at which a forgotten token counts."""
    now = scene.now
    deal = settled(Deal.committed(scene))
    spent, free = deal.coins, deal.hand.withdraw(4, 1)
    scene.sell()
    payment = Deal.offered(scene, deal.hand, spent).authorization_q
    unspent = Deal.offered(scene, deal.hand, free).authorization_q
    exchange = exchange_q(spent[:1], *(deal.hand.secrets(1) for _ in range(spent[0].worth)))
    withdrawal = deal.hand.signer.sign(deal.hand.withdraw_c(deal.hand.secrets(1)))
    at(scene, scene.bank, over(scene) + 1)

    scene.now = now

    for said in (payment, unspent, exchange, withdrawal):
        assert scene.refused(scene.bank, said).why == Why.NOT_OPEN
    state = scene.ask(scene.bank, by_token(scene, spent[0]))
    assert isinstance(state, State)
    assert state.remaining == 0


def test_an_abort_of_a_forgotten_sale_frees_the_wallet(scene: Scene) -> None:
    deal = aborted(scene)
    abort = deal.outcome
    assert isinstance(scene.ask(scene.bank, abort), Noted)
    at(scene, scene.bank, deal.transaction.expiration + CLAIM_SECONDS + 1)

    assert scene.refused(scene.bank, abort).why == Why.UNKNOWN


def test_a_forgetting_turn_is_bounded_and_the_next_goes_on(scene: Scene) -> None:
    hand = Hand(scene)
    hand.open(FORGET_ROWS_MAX + 40)
    for _ in range(FORGET_ROWS_MAX // 32 + 1):
        order = hand.withdraw_c(*(hand.secrets(1) for _ in range(32)))
        scene.ask(scene.bank, hand.signer.sign(order))
    before = rows(scene.bank, "blinded")
    scene.now = over(scene) + 1

    scene.bank.run(Asked(body=Forget(), arrival=scene.now, entropy=bytes(32), owner=True))
    left = rows(scene.bank, "blinded")
    scene.bank.forget()

    assert left == before - FORGET_ROWS_MAX
    assert rows(scene.bank, "blinded") == 0


def test_a_brand_that_is_over_is_announced_no_more(scene: Scene) -> None:
    settled(Deal.committed(scene))
    announced = [scene.bank.party.mint.offers[0].brand]
    scene.bank.store.begin()
    subject = decode(announced[0].body).id
    scene.bank.store.errands.add(bytes(32), announced[0], subject=subject, due=scene.now)  # to a log that is gone
    scene.bank.store.commit()

    at(scene, scene.bank, over(scene) + 1)

    assert not scene.bank.store.errands.about(subject)


def test_the_bank_keeps_its_books_and_its_place_in_the_log(scene: Scene) -> None:
    settled(Deal.committed(scene))
    tables = ("account", "funding")
    before = {table: dump(scene.bank.store)[table] for table in tables}
    lines = dump(scene.bank.store)["posting"]

    at(scene, scene.bank, over(scene) + 1)

    assert {table: dump(scene.bank.store)[table] for table in tables} == before
    assert set(lines) <= set(dump(scene.bank.store)["posting"])
    assert rows(scene.bank, "ended") == len(scene.minted)


# The merchant.


def unknown(scene: Scene, deal: Deal, *papers: Signed) -> None:
    """The merchant knows nothing of this sale, and signs and hands out nothing."""
    chunk = ChunkOf(merchant=scene.merchant_key, number=deal.number, secret=deal.secret, index=0)
    before = dump(scene.merchant.store)
    for said in (chunk, deal.authorization_b, *papers):
        assert scene.refused(scene.merchant, said).why == Why.UNKNOWN
    assert dump(scene.merchant.store) == before


def test_an_unpaid_order_goes_after_its_time(scene: Scene) -> None:
    deal = Deal.offered(scene)
    last = scene.now + ORDER_SECONDS
    at(scene, scene.merchant, last)
    kept = rows(scene.merchant, "sale")

    at(scene, scene.merchant, last + 1)

    assert (kept, rows(scene.merchant, "sale")) == (1, 0)
    unknown(scene, deal)


def test_an_unpaid_order_stays_as_long_as_its_goods_are_fetched(scene: Scene) -> None:
    """They may be large, and the line slow."""
    deal = Deal.offered(scene)
    for _ in range(3):
        at(scene, scene.merchant, scene.now + ORDER_SECONDS)
        assert len(deal.chunks()) == 3
    last = scene.now + ORDER_SECONDS
    at(scene, scene.merchant, last)
    kept = rows(scene.merchant, "sale")

    at(scene, scene.merchant, last + 1)

    assert (kept, rows(scene.merchant, "sale")) == (1, 0)
    unknown(scene, deal)


def test_a_forgotten_order_is_answered_with_another_number(scene: Scene) -> None:
    """No number is ever drawn twice, so none can be signed for twice."""
    deal = Deal.offered(scene)
    at(scene, scene.merchant, scene.now + ORDER_SECONDS + 1)
    order = Order(merchant=scene.merchant_key, item=ITEM, secret=deal.secret)

    again = scene.ask(scene.merchant, order)

    assert isinstance(again, GoodsM)
    assert again.number != deal.number


def test_a_sale_without_an_outcome_goes_when_the_log_keeps_none_any_more(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)
    scene.ask(scene.merchant, deal.authorization_b)
    at(scene, scene.merchant, deal.transaction.expiration + RETENTION_SECONDS + 1)
    unanswered = rows(scene.merchant, "sale"), rows(scene.merchant, "errand")

    scene.lost = lambda line: False
    scene.settle()
    at(scene, scene.merchant, scene.now)

    assert unanswered == (1, 1)
    assert (rows(scene.merchant, "sale"), rows(scene.merchant, "errand")) == (0, 0)
    unknown(scene, deal)


def unpaid(scene: Scene) -> Deal:
    """A sale that has committed, and whose claim the bank has not heard."""
    deal = Deal.authorized(scene)
    scene.lost = lambda line: line.kind is Claim or (line.sender, line.receiver) == ("log", "bank")
    scene.settle()
    (sale,) = dump(scene.merchant.store)["sale"]
    assert "committed" in sale
    return deal


def test_an_unpaid_claim_is_kept_until_the_bank_says_that_it_is_late(scene: Scene) -> None:
    deal = unpaid(scene)
    last = deal.transaction.expiration + RETENTION_SECONDS
    at(scene, scene.merchant, last + 1)
    unanswered = rows(scene.merchant, "sale"), rows(scene.merchant, "errand")
    scene.lost = lambda line: False
    scene.bank.remind()
    scene.settle()

    at(scene, scene.merchant, last)
    kept = rows(scene.merchant, "sale")
    at(scene, scene.merchant, last + 1)

    assert (unanswered, kept) == ((1, 1), 1)
    assert (rows(scene.merchant, "sale"), rows(scene.merchant, "errand")) == (0, 0)


def test_a_clock_far_ahead_takes_no_claim_from_a_merchant(scene: Scene) -> None:
    unpaid(scene)
    right, income = scene.now, scene.income
    at(scene, scene.merchant, right + 90 * DAY)

    scene.now, scene.lost = right, lambda line: (line.sender, line.receiver) == ("log", "bank")
    scene.settle()

    (sale,) = dump(scene.merchant.store)["sale"]
    assert "credited" in sale
    assert scene.income == income + PRICE


def test_what_a_clock_far_ahead_has_put_off_is_asked_when_it_is_right_again(scene: Scene) -> None:
    deal, income = Deal.authorized(scene), scene.income
    scene.lost = lambda line: (line.sender, line.receiver) in (("log", "merchant"), ("log", "bank"))
    scene.ask(scene.merchant, deal.authorization_b)
    scene.settle()
    right = scene.now
    at(scene, scene.merchant, right + 30 * DAY)
    assert not scene.merchant.store.errands.due(scene.now - 1, most=99)

    scene.now, scene.lost = right, lambda line: (line.sender, line.receiver) == ("log", "bank")
    at(scene, scene.merchant, right)
    scene.settle()

    assert scene.income == income + PRICE


def test_a_credited_sale_goes_with_its_key_after_the_claim_time(scene: Scene) -> None:
    deal = settled(Deal.authorized(scene))
    commit = deal.outcome
    at(scene, scene.merchant, deal.transaction.expiration + CLAIM_SECONDS)
    kept = len(deal.chunks()), rows(scene.merchant, "answered")

    at(scene, scene.merchant, scene.now + 1)

    assert scene.income == PRICE
    assert (kept, rows(scene.merchant, "sale"), rows(scene.merchant, "answered")) == ((3, 1), 0, 0)
    unknown(scene, deal, commit)


def test_a_failed_sale_goes_after_the_claim_time(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)
    scene.ask(scene.merchant, deal.authorization_b)
    scene.now = deal.transaction.expiration + 3
    scene.lost = lambda line: False
    scene.settle()
    (sale,) = dump(scene.merchant.store)["sale"]
    at(scene, scene.merchant, deal.transaction.expiration + CLAIM_SECONDS)
    kept = rows(scene.merchant, "sale")

    at(scene, scene.merchant, scene.now + 1)

    assert "failed" in sale
    assert (kept, rows(scene.merchant, "sale")) == (1, 0)
    unknown(scene, deal)


def test_the_merchant_keeps_what_is_on_sale(scene: Scene) -> None:
    at(scene, scene.merchant, scene.now + RETENTION_SECONDS)

    assert rows(scene.merchant, "item") == 1


# The log.


def transaction_of(authorization_m: Signed) -> Transaction:
    body = decode(authorization_m.body)
    assert isinstance(body, AuthorizationM)
    return body.transaction


def test_a_shard_goes_when_all_that_can_stand_in_it_are_past_the_delay(scene: Scene) -> None:
    author, last = Author(scene), expirations_of(shard_of(scene.now)).stop - 1
    first = author.written(scene.now + 60)
    author.writes(FORGET_ROWS_MAX, scene.now + 60)
    other = author.written(last + 1)
    at(scene, scene.log, last + RETENTION_SECONDS)
    kept = rows(scene.log, "entry"), rows(scene.log, "outcome")
    commit = scene.ask(scene.log, OutcomeOf(transaction=transaction_of(first)))

    at(scene, scene.log, scene.now + 1)

    assert kept == (
        FORGET_ROWS_MAX + 2 + 4 + 3,
        FORGET_ROWS_MAX + 2,
    )  # each shard's ends; the chain's genesis, two anchors
    assert isinstance(commit, Commit)
    assert (rows(scene.log, "entry"), rows(scene.log, "outcome")) == (3 + 3, 1)
    dropped = Follow(log=scene.log_name, shard=shard_of(last), start=0)
    assert scene.refused(scene.log, dropped).why == Why.FORGOTTEN
    assert isinstance(scene.ask(scene.log, OutcomeOf(transaction=transaction_of(other))), Commit)


def test_what_the_log_has_dropped_is_neither_committed_again_nor_aborted(scene: Scene) -> None:
    """Not even where the machine's clock falls back behind the expiration."""
    author, start = Author(scene), scene.now
    dropped = author.written(start + 60)
    at(scene, scene.log, expirations_of(shard_of(start + 60)).stop + RETENTION_SECONDS)
    assert rows(scene.log, "entry") == 2  # the chain's genesis, and an anchor

    for second in (scene.now, start):
        scene.now = second
        asked = OutcomeOf(transaction=transaction_of(dropped))
        assert scene.refused(scene.log, asked).why == Why.FORGOTTEN
        assert scene.refused(scene.log, dropped).why == Why.EXPIRED


def test_a_bank_reads_no_more_of_a_shard_that_the_log_has_dropped(scene: Scene) -> None:
    Deal.authorized(scene)
    (asked,) = (each for each in scene.bank.store.errands.due(scene.now, most=9) if isinstance(each.message, Follow))
    busy, forgotten = (
        by("log", Refusal(request=asked.hash, why=why.value, detail="", evidence=()))
        for why in (Why.FULL, Why.FORGOTTEN)
    )

    scene.bank.takes(frame(busy, 1), answers=asked)
    waiting = scene.bank.store.errands.get(asked.hash)
    scene.bank.takes(frame(forgotten, 1), answers=asked)

    assert waiting is not None
    assert scene.bank.store.errands.get(asked.hash) is None


def test_how_far_a_bank_has_read_goes_when_nothing_of_the_shard_can_be_claimed(scene: Scene) -> None:
    deal = settled(Deal.committed(scene))
    shard = shard_of(deal.transaction.expiration)
    assert dump(scene.bank.store)["followed"] == [(scene.log_name, shard, 2)]
    end = expirations_of(shard).stop + CLAIM_SECONDS

    at(scene, scene.bank, end - 1)
    kept = rows(scene.bank, "followed")
    at(scene, scene.bank, end)

    assert kept == 1
    assert rows(scene.bank, "followed") == 0


def test_a_wallet_that_was_away_asks_for_the_outcome_instead(scene: Scene) -> None:
    scene.lost = lambda line: line.kind in (Follow, OutcomeOf)
    scene.buy()
    scene.settle()
    errands = scene.consumer.store.errands
    (asked,) = (each for each in errands.due(scene.now, most=9) if isinstance(each.message, Follow))
    busy, forgotten = (
        by("log", Refusal(request=asked.hash, why=why.value, detail="", evidence=()))
        for why in (Why.FULL, Why.FORGOTTEN)
    )

    scene.consumer.takes(frame(busy, 1), answers=asked)
    waiting = errands.get(asked.hash)
    scene.consumer.takes(frame(forgotten, 1), answers=asked)

    assert waiting is not None
    assert errands.get(asked.hash) is None
    assert [each.message for each in errands.due(2**50, most=9) if isinstance(each.message, OutcomeOf)]


# The wallet.


def files(scene: Scene) -> list[str]:
    return sorted(path.suffix for path in scene.folder.glob("consumer-*"))


def test_a_finished_purchase_goes_when_its_owner_says_so(scene: Scene) -> None:
    purchase = scene.buy()
    scene.settle()
    had = files(scene)
    scene.consumer.store.answered.keep(purchase, Why.TOKEN_USED, scene.paper(GoodsM))
    scene.consumer.store.replaced.keep(purchase, scene.paper(AuthorizationQ), scene.paper(GoodsM))

    done = scene.consumer.command(Discard(purchase=purchase))
    scene.settle()

    assert had == [".goods", ".map", ".sealed"]
    assert (done.subject, files(scene)) == (purchase, [])
    assert (rows(scene.consumer, "purchase"), rows(scene.consumer, "discarded")) == (0, 0)
    assert not any(purchase in row for table in dump(scene.consumer.store).values() for row in table)
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}
    assert decode(scene.consumer.command(PurchaseOf(purchase=purchase)).body).why == Why.UNKNOWN
    assert decode(scene.consumer.command(Discard(purchase=purchase)).body).why == Why.UNKNOWN


def test_files_of_a_discarded_purchase_are_removed_after_a_restart(scene: Scene) -> None:
    purchase = scene.buy()
    scene.settle()

    scene.consumer.command(Discard(purchase=purchase))

    assert scene.consumer.store.jobs() == [RemoveFiles(purchase)]


@pytest.mark.parametrize(("lost", "state"), [(GoodsM, "ordering"), (Chunk, "fetching"), (Time, "timing")])
def test_a_purchase_that_is_not_paid_yet_is_given_up_when_its_owner_says_so(
    scene: Scene, lost: type[Message], state: str
) -> None:
    scene.lost = lambda line: line.kind is lost
    purchase = scene.buy()
    scene.settle()
    assert scene.purchase(purchase).state == state

    scene.consumer.command(Discard(purchase=purchase))
    scene.lost = lambda line: False
    scene.pass_time(60)

    assert (rows(scene.consumer, "purchase"), files(scene)) == (0, [])
    assert not scene.consumer.store.errands.about(purchase)
    assert scene.tokens() == {"free": 2 * PRICE}


def test_a_purchase_whose_tokens_the_bank_still_holds_is_kept(scene: Scene) -> None:
    scene.lost = lambda line: line.kind is AuthorizationM or (line.kind is Abort and line.receiver == "bank")
    purchase = scene.buy()
    scene.settle()
    running = decode(scene.consumer.command(Discard(purchase=purchase)).body)
    scene.to_expiration()
    before = dump(scene.consumer.store)
    aborted = scene.purchase(purchase).state
    releasing = decode(scene.consumer.command(Discard(purchase=purchase)).body)

    assert (running.why, aborted, releasing.why) == (Why.UNDECIDED, "aborted", Why.UNDECIDED)
    assert dump(scene.consumer.store) == before
    scene.lost = lambda line: False
    scene.pass_time(60)
    assert scene.consumer.command(Discard(purchase=purchase)).subject == purchase


def test_a_disputed_purchase_is_kept(scene: Scene) -> None:
    """Its papers are the consumer's evidence."""
    purchase = scene.buy()
    scene.lost = lambda line: False
    scene.open = lambda actor, id: actor.inform(Opened(id, "", as_described=False))  # type: ignore[method-assign]
    scene.settle()

    refusal = decode(scene.consumer.command(Discard(purchase=purchase)).body)

    assert scene.purchase(purchase).state == "disputed"
    assert refusal.why == Why.UNDECIDED
    assert len(scene.purchase(purchase).papers) == 4


def test_the_entry_of_a_sale_goes_with_its_certificate(tmp_path: Path) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.lost = lambda line: line.kind is Proofs
    purchase = scene.buy()
    scene.settle()
    scene.wait(3)
    at(scene, scene.consumer, scene.now)
    kept = rows(scene.consumer, "unproven")

    scene.lost = lambda line: False
    scene.settle()

    assert (kept, rows(scene.consumer, "unproven")) == (1, 0)
    assert scene.purchase(purchase).state == "done"


def test_used_up_tokens_go_when_their_brand_is_over_and_lost_ones_stay(scene: Scene) -> None:
    scene.buy()
    scene.settle()
    at(scene, scene.consumer, over(scene))
    kept = scene.tokens()

    at(scene, scene.consumer, scene.now + 1)

    assert kept == {"lost": PRICE, "spent": PRICE}
    assert scene.tokens() == {"lost": PRICE}
    assert rows(scene.consumer, "lane") == 2


def test_of_a_token_that_is_spent_in_part_the_free_part_stays_too(scene: Scene) -> None:
    """And no more rows go than may: a negative limit would be none."""
    coin, brand, store = bytes(32), scene.minted[0].brand.id, WalletStore()
    store.begin()
    store.tokens.expect((brand, Lane.WITHDRAWAL, 0), coin, 4, b"w1")
    store.tokens.keep(*store.tokens.expected(b"w1"), b"signature")
    for amount in (1, 2):
        (whole,) = store.tokens.free([brand])
        store.tokens.bind([replace(whole, amount=amount)], LOCKED, b"purchase")
    store.tokens.settle(b"purchase", SPENT)

    gone = store.discarding.drop_tokens(brand, [SPENT], most=1)
    left = [(held.state, held.amount) for held in store.tokens.known([coin])]
    store.commit()

    assert gone == 1
    assert left in ([(SPENT, 1), (FREE, 1)], [(SPENT, 2), (FREE, 1)])


def next_brands(scene: Scene) -> None:
    """The bank has made its next brands, and everybody has read the new network file."""
    closes = scene.brand(4).closes
    older = [replace(each) for each in scene.minted]
    newer = mint(key_of("bank"), {1: "2048-a", 4: "2048-c"}, now=closes + 3601, ends=scene.brand(4).ends + 30 * DAY)
    scene.minted = older + newer
    scene.bank.party = Bank(scene.bank.party.signer, scene.bank_key, scene.minted, scene.network.logs)
    seed = hashlib.sha256(b"seed of consumer").digest()
    scene.consumer.party = Consumer(scene.network, seed, [each.brand for each in scene.minted])
    for actor in (scene.bank, scene.consumer):
        actor.__post_init__()


def test_a_wallet_knows_a_brand_as_long_as_tokens_of_it_are_under_way(scene: Scene) -> None:
    """Else what becomes of them could not be taken in: a purchase would never end."""
    brand, offer, store = scene.minted[0].brand, scene.minted[0].offer, WalletStore()
    over, request = brand.ends + BRAND_MARGIN_SECONDS + 1, b"w1"
    store.begin()
    store.listing.accept(brand, offer)
    store.tokens.expect((brand.id, Lane.EXCHANGE, 0), bytes(32), 1, request)
    store.listing.forget(over)
    assert store.listing.accepted() == [offer]

    store.tokens.give_up(request)
    store.listing.forget(over)
    assert store.listing.accepted() == []
    store.commit()


def exchanging(scene: Scene, now: int) -> list[Errand]:
    """The consumer's errands that are due by then, beside that she looks which brands there are."""
    return [each for each in scene.consumer.store.errands.due(now, most=99) if each.subject != LOOK]


def test_free_tokens_are_exchanged_one_by_one_before_their_brand_ends(scene: Scene) -> None:
    next_brands(scene)
    old = {each.brand.id for each in scene.minted[:3]}
    start = scene.brand(4).renewed_from
    at(scene, scene.consumer, start - 1)
    before = exchanging(scene, start)
    at(scene, scene.consumer, start)
    errands = exchanging(scene, start + RESTORE_SPREAD_SECONDS)
    scene.heard.clear()

    scene.pass_time(RESTORE_SPREAD_SECONDS)

    assert not before
    assert [type(each.message) for each in errands] == [ExchangeQ] * 4
    assert all(len(each.message.payments) == 1 for each in errands)
    assert len({scene.consumer.store.errands.get(each.hash) for each in errands}) == 1  # all are answered
    assert scene.tokens() == {"free": 2 * PRICE}
    brands = {brand for brand, state, _, _ in scene.consumer.store.tokens.holdings() if state == "free"}
    assert not brands & old


def test_exchanges_that_came_to_nothing_leave_room_for_others(scene: Scene) -> None:
    """As many as a lane has room for; and change for three needs a token of two."""
    store, purse, request = scene.consumer.store, scene.consumer.party.purse, bytes(32)
    store.begin()
    for position in store.tokens.advance(scene.brand(2).id, Lane.EXCHANGE, RESTORE_GAP):
        place = scene.brand(2).id, Lane.EXCHANGE, position
        store.tokens.expect(place, purse.secrets(*place).id, 2, request)
    store.tokens.give_up(request)
    store.commit()

    scene.sell(price=3)
    purchase = scene.buy()
    scene.settle()

    assert scene.purchase(purchase).state == "done"
    assert scene.tokens()["spent"] == 3


def test_the_papers_of_a_refused_exchange_go_when_its_brands_are_over(scene: Scene) -> None:
    next_brands(scene)
    at(scene, scene.consumer, scene.brand(4).renewed_from)
    asked, *_ = exchanging(scene, scene.now + RESTORE_SPREAD_SECONDS)
    refusal = by("bank", Refusal(request=asked.hash, why=Why.FULL.value, detail="", evidence=()))
    scene.consumer.takes(frame(refusal, 1), answers=asked)

    at(scene, scene.consumer, max(each.brand.ends for each in scene.minted) + BRAND_MARGIN_SECONDS)
    kept = rows(scene.consumer, "unexchanged")
    at(scene, scene.consumer, scene.now + 1)

    assert (kept, rows(scene.consumer, "unexchanged")) == (2, 0)


def test_a_purchase_is_not_begun_with_tokens_that_no_bank_takes_any_more(scene: Scene) -> None:
    scene.now = scene.brand(4).pays_until - LEAD
    scene.sell()
    first = scene.buy()
    scene.settle()
    scene.now += 1
    second = scene.buy()
    scene.settle()

    assert scene.purchase(first).state == "done"
    assert (scene.purchase(second).state, scene.tokens()["free"]) == ("refused", PRICE)


def test_nothing_is_renewed_where_no_newer_brand_is_open(scene: Scene) -> None:
    at(scene, scene.consumer, scene.brand(4).ends - 1)

    assert not exchanging(scene, scene.now + RESTORE_SPREAD_SECONDS)


def test_a_wallet_withdraws_from_no_brand_whose_end_is_near(scene: Scene) -> None:
    (near,) = mint(key_of("bank"), {8: "2048-a"}, ends=scene.now + 31 * DAY)
    brand = near.brand
    purse = Purse(NETWORK, bytes(32), [brand])
    last = brand.ends - WITHDRAW_LIFE_SECONDS_MIN

    opened = [purse.open_brands(brand.bank, brand.currency, second) for second in (brand.opens - 1, last, last + 1)]

    assert opened == [{}, {8: brand.id}, {}]
    assert last < brand.closes


def test_the_delays_stand_in_this_order() -> None:
    assert RETENTION_SECONDS > CLAIM_SECONDS + LEAD_SECONDS_MAX
    assert BRAND_MARGIN_SECONDS > LEAD_SECONDS_MAX
    assert CLAIM_SECONDS > SETTLE_SECONDS
