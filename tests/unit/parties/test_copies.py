"""Old backups, and several wallets of one seed: no token is burnt, nothing is debited twice, money is conserved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.limits import BLINDED_MAX, RETRY_SECONDS_MAX
from anonnet.parties import recovery
from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import ChunkOf
from anonnet.protocol.local import Recover, Recovery, RecoveryOf, Withdraw
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.recovery import Restore, UsedOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.times import BRAND_MARGIN_SECONDS, RESTORE_GAP
from anonnet.wire.codec import Message
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.dump import dump
from tests.paper.scenes import PRICE, Line
from tests.stage import CURRENCY, NETWORK, key_of, mint
from tests.unit.parties.copies import CHEAP, SEED, Copies, restart_bank

Act = Callable[[Copies, Actor], None]


def withdraws(scene: Copies, actor: Actor) -> None:
    actor.command(Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=PRICE))


def pays(scene: Copies, actor: Actor) -> None:
    """A purchase that the tokens pay exactly."""
    scene.buy(actor)


def changes(scene: Copies, actor: Actor) -> None:
    """A purchase that needs an exchange first."""
    scene.buy(actor, item=CHEAP)


def fails(scene: Copies, actor: Actor) -> None:
    """A purchase that aborts, whose tokens are then exchanged."""
    scene.lost = lambda line: line.kind is AuthorizationM
    scene.buy(actor)
    scene.settle()
    scene.to_expiration()
    scene.lost = lambda line: False


ACTS: list[Act] = [withdraws, pays, changes, fails]


def one_after_the_other(scene: Copies, first: Actor, second: Actor, acts: tuple[Act, Act]) -> None:
    for actor, act in zip((first, second), acts, strict=True):
        act(scene, actor)
        scene.settle()


def at_once(scene: Copies, first: Actor, second: Actor, acts: tuple[Act, Act]) -> None:
    scene.consumers = [first, second]
    for actor, act in zip((first, second), acts, strict=True):
        act(scene, actor)
    scene.settle()


ORDERS = [one_after_the_other, at_once]


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("later", [False, True], ids=["the old one first", "the copy first"])
@pytest.mark.parametrize("second", ACTS)
@pytest.mark.parametrize("first", ACTS)
def test_a_backup_and_its_wallet_both_go_on(
    tmp_path: Path, first: Act, second: Act, later: bool, order: Callable[..., None]
) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    pair = (copy, scene.consumer) if later else (scene.consumer, copy)

    order(scene, *pair, (first, second))
    scene.rest()

    scene.check()
    for actor in pair:
        changes(scene, actor)
        scene.settle()
    scene.rest()
    scene.check()


LOST: dict[str, tuple[type[Message], Act]] = {
    "a withdrawal": (WithdrawB, withdraws),
    "an exchange": (ExchangeB, changes),
    "a purchase": (AuthorizationB, pays),
    "a download": (ChunkOf, pays),
}


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("amid", LOST)
@pytest.mark.parametrize("later", [False, True], ids=["the old one first", "the copy first"])
def test_a_backup_taken_amid_something(tmp_path: Path, amid: str, act: Act, later: bool) -> None:
    kind, begin = LOST[amid]
    scene = Copies.opened(tmp_path, 2 * PRICE if act is fails else PRICE)
    scene.lost = lambda line: line.kind is kind
    begin(scene, scene.consumer)
    scene.settle()
    copy = scene.backup()
    scene.lost = lambda line: False
    scene.consumers = [copy, scene.consumer] if later else [scene.consumer, copy]
    scene.pass_time(61)

    act(scene, scene.consumers[0])
    scene.settle()
    scene.rest()

    scene.check()


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_the_wallet_is_gone_and_its_backup_recovers(tmp_path: Path, act: Act) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    act(scene, scene.consumer)
    scene.settle()
    scene.rest()
    scene.consumers = [copy]
    changes(scene, copy)
    scene.settle()
    scene.rest()

    copy.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle(500)

    scene.check()
    assert scene.recovered(copy)


# Exchanges at places that another copy has taken.


def refusals(scene: Copies, why: Why) -> list[Refusal]:
    return [line.body for line in scene.said(Refusal) if isinstance(line.body, Refusal) and line.body.why == why]


def with_other_tokens(folder: Path) -> tuple[Copies, Actor]:
    """A copy that holds the first tokens back, so that it exchanges others than the old one has at the same places."""
    scene = Copies.opened(folder, 2 * PRICE)
    copy = scene.backup()
    scene.lost = lambda line: line.kind is AuthorizationQ and line.sender == "copy"
    pays(scene, copy)
    scene.settle()
    changes(scene, scene.consumer)
    scene.settle()
    return scene, copy


def test_an_exchange_at_places_that_are_taken_goes_on_at_others(tmp_path: Path) -> None:
    scene, copy = with_other_tokens(tmp_path)
    purchase = scene.buy(copy, item=CHEAP)
    scene.lost = lambda line: line.kind is AuthorizationQ and line.sender == "copy"

    scene.settle()

    assert len(refusals(scene, Why.BAD_BLINDED)) == 1
    assert scene.purchase(purchase, copy).state == "authorizing"
    orders = [line.body for line in scene.said(ExchangeQ) if line.sender == "copy"]
    assert [order.payments for order in orders[1:]] == [orders[0].payments]  # type: ignore[attr-defined]
    taken = scene.consumer.store.tokens.expected(scene.said(ExchangeQ)[0].said.hash)  # type: ignore[union-attr]
    both = [(held, shared) for held in taken for shared in copy.store.tokens.at(held.place)]
    assert both
    assert all(shared.signature == held.signature for held, shared in both)
    scene.lost = lambda line: False
    scene.rest()
    scene.check()


def test_a_purchase_does_not_wait_for_change_that_no_exchange_makes(tmp_path: Path) -> None:
    scene, copy = with_other_tokens(tmp_path)
    purchase = scene.buy(copy, item=CHEAP)

    def full(line: Line) -> bool:
        """From the refusal on there is no room for more tokens that the bank could be asked for."""
        if isinstance(line.body, Refusal) and line.body.why == Why.BAD_BLINDED:
            copy.store.tokens.room = lambda *places, **more: 0
        return line.kind is AuthorizationQ and line.sender == "copy"

    scene.lost = full
    scene.settle()

    assert refusals(scene, Why.BAD_BLINDED)
    assert scene.purchase(purchase, copy).state == "authorizing"


def test_what_an_exchange_finds_restored_is_free_where_its_brand_has_been_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other wallet took the places of the exchange after this one had scanned them, and the bank's list of another
    brand is late."""
    monkeypatch.setattr(recovery, "RESTORE_GAP", 5)
    scene = Copies.opened(tmp_path, 2 * PRICE)
    copy, old, late = scene.backup(), scene.consumer, scene.brand(4).id
    scene.consumers = [copy]
    scene.lost = lambda line: line.kind is ExchangeQ or (isinstance(line.body, UsedOf) and line.body.brand == late)
    copy.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle(300)
    scene.consumers, scene.lost = [old], lambda line: False
    scene.buy(old, item=CHEAP)
    scene.settle()
    scene.consumers = [copy]
    scene.lost = lambda line: isinstance(line.body, UsedOf)
    scene.pass_time(RETRY_SECONDS_MAX + 1)
    scene.settle(300)
    assert refusals(scene, Why.BAD_BLINDED)

    scene.lost = lambda line: False
    scene.pass_time(RETRY_SECONDS_MAX + 1)
    scene.rest()

    assert "restored" not in scene.tokens(copy)


def test_tokens_of_an_aborted_sale_are_exchanged_in_spite_of_a_copy(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path, 2 * PRICE)
    copy = scene.backup()
    scene.lost = lambda line: line.kind is AuthorizationM
    pays(scene, copy)
    scene.settle()
    scene.lost = lambda line: line.kind is AuthorizationM or (line.kind is ExchangeQ and line.sender == "copy")
    scene.to_expiration()
    brands = [each.brand.id for each in scene.minted]
    given = {held.id for held in copy.store.tokens.in_state("exchanging", brands)}
    scene.consumer.store.begin()
    for held in scene.consumer.store.tokens.in_state("free", brands):  # the old one pays with others
        if held.id in given:
            scene.consumer.store.tokens.move(held, "spent")
    scene.consumer.store.commit()
    pays(scene, scene.consumer)
    scene.settle()
    scene.to_expiration()
    scene.lost = lambda line: False

    scene.rest()

    assert len(refusals(scene, Why.BAD_BLINDED)) == 1
    assert given <= {held.id for held in copy.store.tokens.in_state("exchanged", brands)}
    scene.check()


def test_a_bank_that_says_taken_and_then_unknown_is_asked_again_later(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    changes(scene, scene.consumer)
    scene.settle()
    scene.bank.store.begin()
    scene.bank.store._db.run("update blinded set brand = zeroblob(32) where origin in (select hash from exchange)")
    scene.bank.store.commit()
    scene.lost = lambda line: False

    changes(scene, copy)
    scene.settle()

    assert len(scene.said(ExchangeQ)) < 10


# Places that a recovery would not find.


def test_no_more_tokens_are_asked_for_than_a_recovery_would_find(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    scene.lost = lambda line: line.receiver == "bank"
    most = 4 * RESTORE_GAP - 4 * BLINDED_MAX

    scene.withdraw(most)
    refused = scene.consumer.command(Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=4 * BLINDED_MAX + 4))

    assert scene.consumer.command(Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=4 * BLINDED_MAX))
    assert "at a time" in str(refused)


@pytest.mark.slow
def test_places_of_withdrawals_that_came_to_nothing_are_taken_again(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    for _ in range(3):  # the account does not hold that
        scene.withdraw(4 * 60)
        scene.pass_time(25 * 3600)
        scene.pass_time(61)

    scene.withdraw(4)
    heir = scene.from_words()
    scene.settle(500)

    scene.check()
    assert scene.recovered(heir)


# A recovery.


@pytest.mark.slow
def test_a_sale_that_runs_while_the_wallet_is_restored(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path, 2 * PRICE)
    scene.lost = lambda line: line.kind is AuthorizationM
    pays(scene, scene.consumer)
    scene.settle()
    scene.consumers = []

    heir = scene.from_words()
    scene.settle(500)
    brands = [each.brand.id for each in scene.minted]
    bound = heir.store.tokens.in_state("exchanging", brands)
    scene.rest()

    assert sorted(held.amount for held in bound) == [1, 4]
    scene.check()
    assert scene.tokens(heir) == {"free": 2 * PRICE}


@pytest.mark.slow
def test_a_wallet_restored_while_the_old_one_goes_on(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path, 2 * PRICE)
    fails(scene, scene.consumer)
    heir = scene.from_words()
    scene.settle(1)

    for act in (withdraws, pays, changes):
        act(scene, scene.consumer)
        scene.settle(1)
    scene.settle(500)
    scene.rest()
    scene.check()

    scene.consumers = [heir]
    heir.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle(500)
    assert scene.recovered(heir)


@pytest.mark.slow
def test_haste_after_all(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    scene.consumers = []
    heir = scene.from_words(fast=0)
    scene.settle(500)
    slow = heir.command(RecoveryOf(bank=scene.bank_key))
    assert isinstance(slow, Recovery)
    assert slow.answered < slow.places

    heir.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle(500)

    over = heir.command(RecoveryOf(bank=scene.bank_key))
    assert isinstance(over, Recovery)
    assert (over.answered, over.comparing, over.exchanging, over.found) == (over.places, 0, 0, 2)
    asked = [line.body for line in scene.said(Restore)]
    assert len(asked) == len(set(asked))
    assert scene.recovered(heir)


@pytest.mark.slow
def test_a_wallet_made_from_its_words_withdraws_nothing_before_it_has_recovered(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    heir = scene.wallet("heir")
    heir.store.begin()
    heir.store.recovery.forget(scene.bank_key)
    heir.store.commit()
    wish = Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=PRICE)

    refused = heir.command(wish)
    heir.command(Recover(bank=scene.bank_key, fast=1))
    still = heir.command(wish)
    scene.settle(500)
    heir.command(wish)
    scene.settle()

    assert "run wallet recover first" in str(refused)
    assert "recovering" in str(still)
    scene.check()
    assert scene.tokens(heir) == {
        "free": 2 * PRICE,
    }


@pytest.mark.slow
@pytest.mark.parametrize("over", [False, True], ids=["ends before the answer", "is over before the question"])
def test_a_recovery_ends_where_the_bank_has_dropped_a_brand_that_is_over(tmp_path: Path, over: bool) -> None:
    scene = Copies.opened(tmp_path)
    old = {each.brand.id for each in scene.minted}
    scene.now = max(each.brand.ends for each in scene.minted) + BRAND_MARGIN_SECONDS + over
    new = mint(key_of("bank"), {1: "2048-a"}, now=scene.now)
    scene.minted += new
    heir = scene.from_words()
    scene.now += 1
    scene.bank.forget()
    scene.bank.party = Bank(Signer(NETWORK, key_of("bank")), scene.bank_key, new, scene.network.logs)
    scene.bank.__post_init__()

    scene.settle()
    scene.rest()
    far = heir.command(RecoveryOf(bank=scene.bank_key))
    asked = {line.body.brand for line in scene.said(Restore) if isinstance(line.body, Restore)}

    assert isinstance(far, Recovery)
    assert (far.comparing, far.exchanging) == (0, 0)
    assert not heir.store.errands.count()
    assert bool(old & asked) != over
    heir.command(Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=1))
    scene.settle()
    assert [held.amount for held in heir.store.tokens.free([new[0].brand.id])] == [1]


@pytest.mark.slow
def test_where_a_recovery_has_looked_is_forgotten_with_its_brands(tmp_path: Path) -> None:
    """But for the last one: by it the wallet knows that it was made from its words, and looks into later brands too."""
    scene = Copies.opened(tmp_path)
    first = len(scene.minted)
    heir = scene.from_words()
    scene.rest()
    scene.now = max(each.brand.ends for each in scene.minted) - 1
    scene.minted += mint(key_of("bank"), {1: "2048-a"}, now=scene.now)
    restart_bank(scene)
    before = {brand for brand, *_ in dump(heir.store)["scan"]}
    scene.now += BRAND_MARGIN_SECONDS + 2
    heir.forget()
    alone = {brand for brand, *_ in dump(heir.store)["scan"]}

    heir.party = Consumer(scene.network, SEED, [each.brand for each in scene.minted])
    heir.__post_init__()
    heir.command(Recover(bank=scene.bank_key, fast=1))
    scene.rest()
    heir.forget()

    assert (len(before), len(alone)) == (first, 1)
    assert {brand for brand, *_ in dump(heir.store)["scan"]} == {scene.minted[-1].brand.id}


def test_who_pays_with_what_a_copy_has_spent_pays_with_other_tokens_instead(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    scene.withdraw(PRICE)
    scene.buy(copy)
    scene.settle()

    purchase = scene.buy()  # the older tokens are those that the copy has spent
    scene.settle()
    poor = scene.buy()
    scene.settle()

    mine = [line.body for line in scene.said(AuthorizationQ) if line.sender == "consumer"]
    paid, paid_again = (each for each in mine if isinstance(each, AuthorizationQ))
    assert paid.transaction == paid_again.transaction, "one sale has one transaction"
    assert not {each.token.id for each in paid.payments} & {each.token.id for each in paid_again.payments}
    assert scene.purchase(purchase).state == "done"
    assert scene.purchase(poor).detail.startswith("the wallet has not enough free tokens")
    scene.rest()
    scene.check()


def test_who_has_spent_tokens_alone_is_refused(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    scene.buy(copy)
    scene.settle()
    purchase = scene.buy()
    scene.settle()

    shown = scene.purchase(purchase)
    assert (shown.state, shown.detail) == (
        "refused",
        "a token was spent before: is there another copy of this wallet?",
    )
    scene.rest()
    scene.check()


def test_a_sale_that_is_paid_otherwise_and_aborts_frees_what_it_held(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    copy = scene.backup()
    scene.withdraw(PRICE)
    scene.buy(copy)
    scene.settle()
    scene.lost = lambda line: line.kind is AuthorizationM
    purchase = scene.buy()
    scene.settle()
    scene.to_expiration()

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens() == {"free": PRICE, "spent": PRICE}
    scene.rest()
    scene.check()
