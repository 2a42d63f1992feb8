"""A log that is gone for good holds nobody's money for ever (paper, "Data Management": claims have "a limited time of
validity"; design, invariant 4: every lock ends by commit, abort or the end of the claim time, without a human).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from anonnet.protocol.local import Buy, Fund, OpenAt, Sell, Withdraw
from anonnet.protocol.logbook import Follow, TimeOf
from anonnet.store import wallet
from anonnet.store.errands import Errand
from anonnet.store.ledger import LOCKED
from anonnet.store.tokens import FREE
from anonnet.times import CLAIM_SECONDS
from tests.actor import Actor
from tests.stage import CURRENCY, NOON, Stage

LEAD = 60
PRICE = 3


def shop(stage: Stage) -> None:
    """A poem is for sale, and the consumer has tokens and wishes to buy it."""
    goods = stage.folder / "poem"
    goods.write_bytes(b"a poem")
    bank = stage.by_name["bank"]
    stage.merchant.command(OpenAt(bank=bank))
    stage.consumer.command(OpenAt(bank=bank))
    stage.settle()
    account = stage.consumer.party.purse.account(bank).public  # type: ignore[attr-defined]
    stage.bank.command(Fund(account=account, currency=CURRENCY, amount=10, reference=bytes(32)))
    stage.consumer.command(Withdraw(bank=bank, currency=CURRENCY, amount=PRICE))
    sell = Sell(
        item="poem",
        path=str(goods),
        description="a poem",
        media_type="text/plain",
        currency=CURRENCY,
        price=PRICE,
        valid_until=NOON + 3600,
    )
    stage.merchant.command(sell)
    stage.settle()
    wish = Buy(
        merchant=stage.by_name["merchant"],
        item="poem",
        currency=CURRENCY,
        price_max=PRICE,
        bank=bank,
        log=stage.by_name["log"],
        lead=LEAD,
    )
    stage.consumer.command(wish)


def losing(stage: Stage, *whose: str) -> set[str]:
    """Names of parties that are gone: nothing reaches them (of `whose`, where these are named), except that a log has
    told its time."""
    gone: set[str] = set()
    run = stage.run_errand

    def unless_gone(actor: Actor, errand: Errand) -> None:
        lost = stage.identities[errand.receiver] in gone and (not whose or actor.name in whose)
        if not lost or isinstance(errand.message, TimeOf):
            run(actor, errand)

    stage.run_errand = unless_gone  # type: ignore[method-assign]
    return gone


@pytest.mark.parametrize("lost", [("log",), ("log", "bank")], ids=["P2 was answered", "P2 was lost"])
def test_tokens_come_back_when_the_log_is_gone(tmp_path: Path, lost: tuple[str, ...]) -> None:
    """The claim time runs out: the bank frees the tokens, and the wallet finds that out by itself."""
    stage = Stage(tmp_path)
    shop(stage)
    gone = losing(stage)
    gone |= {*lost}
    stage.settle()
    gone &= {"log"}
    (purchase,) = stage.consumer.store.purchases(most=1)
    assert stage.consumer.store.purchase(purchase).state in (wallet.AUTHORIZED, wallet.AUTHORIZING)

    for _ in range(3):
        stage.pass_time(LEAD + CLAIM_SECONDS // 2)

    assert stage.consumer.store.purchase(purchase).state == wallet.ABORTED
    assert {state for _, state, _, _ in stage.consumer.store.tokens.holdings()} == {FREE}
    left = stage.consumer.store.errands.due(10**12, most=9)
    assert {type(errand.message) for errand in left} <= {Follow}  # which ends with the first answer
    assert {book: amount for book, _, amount in stage.bank.store.ledger.totals()}.get(LOCKED, 0) == 0


def test_a_wallet_that_never_hears_of_the_commit_has_the_bank_show_it(tmp_path: Path) -> None:
    """The claim time is over and the bank still promises: it has paid, and must show by what, and so the key."""
    stage = Stage(tmp_path)
    shop(stage)
    gone = losing(stage, "consumer")
    gone |= {"log"}
    stage.settle()
    (purchase,) = stage.consumer.store.purchases(most=1)
    assert stage.consumer.store.purchase(purchase).state == wallet.AUTHORIZED

    for _ in range(3):
        stage.pass_time(LEAD + CLAIM_SECONDS // 2)

    assert stage.consumer.store.purchase(purchase).state == wallet.DONE
    assert FREE not in {state for _, state, _, _ in stage.consumer.store.tokens.holdings()}
