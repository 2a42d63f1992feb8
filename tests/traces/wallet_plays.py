"""Plays of a wallet: change, payments in part, keys that serve several tokens, an old copy or a seed in its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from anonnet.parties.consumer import Consumer
from anonnet.parties.purse import Habits
from anonnet.protocol.local import OpenAt, Recover
from anonnet.protocol.purchase import AuthorizationM
from anonnet.times import SETTLE_SECONDS
from tests.paper.scenes import LEAD, PRICE
from tests.traces.play import GOODS
from tests.traces.plays import curtain, play


@play
def change(folder: Path) -> str:
    stage = curtain(folder, "A price that needs change")
    stage.sell("jingle", GOODS, price=3)
    stage.hold("consumer")

    stage.act("She has 4 and 1, and buys a jingle for 3: the 4 is exchanged first.")
    stage.buy(item="jingle")
    stage.settle()
    stage.hold()
    return stage.over()


@play
def paid_in_part(folder: Path) -> str:
    stage = curtain(folder, "A token that pays in part")
    stage.sell("jingle", GOODS, price=3)
    assert isinstance(stage.consumer.party, Consumer)
    stage.consumer.party.purse.habits = Habits(in_parts=True)

    stage.act("She has 4 and 1, and buys a jingle for 3: the 4 pays it, and what is left of it is exchanged.")
    stage.buy(item="jingle")
    stage.settle()
    stage.hold()

    stage.act("Another one, for which M falls silent: what she has paid comes back, and is exchanged too.")
    stage.fund(stage.account(stage.consumer), 4)
    stage.withdraw(4)
    stage.lost = lambda line: line.kind is AuthorizationM
    stage.buy(item="jingle")
    stage.settle()
    stage.hold("bank", "consumer")
    stage.wait(LEAD + SETTLE_SECONDS + 1)
    stage.hold("bank", "consumer")
    return stage.over()


@play
def reused_keys(folder: Path) -> str:
    stage = curtain(folder, "A key that serves several tokens", prepared=False)
    stage.sell("jingle", GOODS, price=2, receipt=1)
    assert isinstance(stage.consumer.party, Consumer)
    stage.consumer.party.purse.habits = Habits(reused_keys=True)

    stage.act("She opens an account, and withdraws 7: one key for three tokens, each with a serial of its own.")
    stage.consumer.command(OpenAt(bank=stage.bank_key))
    stage.settle()
    stage.fund(stage.account(stage.consumer), 7)
    stage.withdraw(7)

    stage.act("She buys the song: one key signs for both tokens.")
    stage.buy()
    stage.settle()
    stage.hold("bank", "consumer")

    stage.act("And a jingle, for which M wants a receipt. M and L could know q1 again: she exchanges the token first.")
    stage.buy(item="jingle", receipt=1)
    stage.settle()
    stage.hold("bank", "consumer")
    return stage.over()


@play
def change_at_places_that_are_taken(folder: Path) -> str:
    stage = curtain(folder, "An old backup needs change")
    stage.fund(stage.account(stage.consumer), PRICE)
    stage.silent = True
    stage.withdraw(PRICE)
    copy = folder / "backup.db"
    with closing(sqlite3.connect(folder / "consumer.db")) as now, closing(sqlite3.connect(copy)) as then:
        now.backup(then)
    stage.sell("jingle", GOODS, price=3)
    stage.silent = False

    stage.act("She buys a jingle for 3, for which she exchanges a 4.")
    stage.buy(item="jingle")
    stage.settle()
    stage.hold("bank", "consumer")

    stage.act("Her machine breaks. A backup from before the purchase goes on, and buys another jingle.")
    stage.wait(10)
    stage.lose("consumer")
    stage.consumer.store.close()
    copy.rename(folder / "consumer.db")
    stage.build("consumer")
    stage.buy(item="jingle")
    stage.settle()
    found = (
        f"{sum(stage.places)} of the {len(stage.places)} places that were taken are signed: what stands there is hers"
    )
    stage.aside(f"{found}. She asked for them after the first refusal, each by itself.")
    stage.hold("bank", "consumer")
    return stage.over()


@play
def recovery(folder: Path) -> str:
    stage = curtain(folder, "A wallet from its seed")
    stage.fund(stage.account(stage.consumer), 2 * PRICE)

    stage.act("She has 5, withdraws 10 more under a key that serves several tokens, and buys the song.")
    assert isinstance(stage.consumer.party, Consumer)
    stage.consumer.party.purse.habits = Habits(reused_keys=True)
    stage.withdraw(2 * PRICE)
    stage.buy()
    stage.settle()
    stage.hold("bank", "consumer")

    stage.act("The wallet is lost. Another one is made from the seed, and recovers in haste.")
    stage.lose("consumer")
    stage.hold("consumer")
    stage.consumer.command(Recover(bank=stage.bank_key, fast=1))
    stage.settle(500)
    stage.aside(f"{len(stage.places)} places were asked for first, {sum(stage.places)} of them are signed.")
    stage.hold("bank", "consumer")
    return stage.over()
