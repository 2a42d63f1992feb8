"""A log that is merged with the bank or with the merchant: what the two do about a sale is one transaction.

The paper's claims about it stand in tests/paper/test_merged.py; here is what a daemon relies on.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from anonnet.errors import BadStart, Fatal
from anonnet.parties import merging
from anonnet.parties.merging import Merged
from anonnet.parties.turn import Answer, Asked, Due, Turns
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.store import bank, log, merchant
from anonnet.store.bank import BankStore
from anonnet.store.database import Database
from anonnet.store.ledger import ACCOUNT
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.signed import Signed, checked
from tests.breaking import Breaking
from tests.paper.scenes import PRICE, Deal, Hand, Scene
from tests.stage import CURRENCY, NETWORK, log_store
from tests.traces.play import Play

WRITES_MIN = 20
"""So many writes P4 costs at least, in both stores and in the lock."""


@pytest.fixture
def deal(tmp_path: Path) -> Deal:
    """A sale that the bank has promised, on files; the log is merged with the bank."""
    stage = Play(tmp_path, merged="bank")
    stage.prepare()
    return Deal.authorized(stage)


def records(deal: Deal) -> Asked[Any]:
    """P4 as the log's turn sees it."""
    said = checked(NETWORK, deal.authorization_m, AuthorizationM)
    return Asked(body=said.body, arrival=deal.scene.now, entropy=bytes(32), checked=said, to=deal.scene.log.party)


def on_disk(folder: Path, deal: Deal) -> tuple[bool, int]:
    """Whether the log has recorded the sale, and what stands on the merchant's account."""
    ledger = BankStore(str(folder / "bank.db"), read_only=True)
    with closing(ledger), closing(Database(folder / "bank.db", version=log.VERSION, read_only=True)) as entries:
        key = deal.transaction.outcome_key
        recorded = entries.one("select 1 from outcome where outcome_key = ?", key) is not None
        return recorded, ledger.ledger.balance(ACCOUNT, deal.scene.merchant_key, CURRENCY)


def opened(deal: Deal, folder: Path, database: Callable[..., Database] = Database) -> Merged:
    """Bank and log of a sale on these files."""

    def report(bug: Exception, asked: Asked[Any]) -> str:
        raise AssertionError("a bug") from bug

    host = BankStore(str(folder / "bank.db"), database=database)
    store = log_store(path=str(folder / "log.db"), merged=host, database=database)
    return Merged(Turns(deal.scene.bank.party, host, report), Turns(deal.scene.log.party, store, report))


def test_nobody_sees_the_commit_without_the_credit(deal: Deal) -> None:
    turns = deal.scene.bank.turns

    turns.run_turns([records(deal)], deal.scene.now)
    before = on_disk(deal.scene.folder, deal)
    turns.store.commit()
    after = on_disk(deal.scene.folder, deal)

    assert (before, after) == ((False, 0), (True, PRICE))


@pytest.mark.slow
def test_whichever_write_fails_there_are_both_or_neither(deal: Deal, tmp_path: Path) -> None:
    """Also the lock, a file of its own that moves after the commit: what fails there has been said to nobody."""
    deal.scene.bank.turns.store.close()
    struck, number, seen = True, 0, set()
    while struck:
        number, struck = number + 1, False
        for kept in (False, True):
            folder = tmp_path / f"{number}-{kept}"
            folder.mkdir()
            for path in (*tmp_path.glob("bank.db*"), *tmp_path.glob("lock.db*")):
                shutil.copy(path, folder / path.name)
            broken = Breaking(number, kept)
            try:
                turns = opened(deal, folder, broken)
                turns.run_turns([records(deal)], deal.scene.now)
                turns.store.commit()
            except Fatal:
                struck = True
            for each in broken.made:
                each.close()
            seen.add(on_disk(folder, deal))

            turns = opened(deal, folder)
            (answer,) = turns.run_turns([records(deal)], deal.scene.now)
            turns.store.commit()
            turns.store.close()
            assert isinstance(answer, Answer)
            assert isinstance(answer.said, Signed)
            assert on_disk(folder, deal) == (True, PRICE)

    assert seen == {(False, 0), (True, PRICE)}
    assert number > WRITES_MIN


def test_a_batch_that_is_taken_back_leaves_nothing(deal: Deal) -> None:
    turns = deal.scene.bank.turns
    turns.run_turns([records(deal)], deal.scene.now)

    turns.store.rollback()

    assert on_disk(deal.scene.folder, deal) == (False, 0)
    assert isinstance(deal.scene.ask(deal.scene.log, deal.authorization_m), Commit)
    assert on_disk(deal.scene.folder, deal) == (True, PRICE)


def test_the_bank_asks_for_the_outcome_in_time_and_over_no_network(deal: Deal) -> None:
    """Its shell wakes when the log gives the abort; until then nothing is due, though an errand stands."""
    scene = deal.scene
    due = deal.transaction.expiration + SETTLE_SECONDS + 1

    assert scene.bank.turns.store.next_deadline() == due
    assert [errand.receiver for _, errand in scene.due()] == [scene.merchant_key]


def test_after_a_restart_what_stands_is_asked_once_and_then_waits(deal: Deal) -> None:
    turns = deal.scene.bank.turns
    turns.store.close()
    again = opened(deal, deal.scene.folder)
    woken = again.store.next_deadline()

    again.run_turns([Asked(body=Due(), arrival=deal.scene.now, entropy=bytes(32))], deal.scene.now)
    again.store.commit()
    rests = again.store.next_deadline()
    again.store.close()

    assert woken is not None
    assert woken <= deal.scene.now
    assert rests == deal.transaction.expiration + SETTLE_SECONDS + 1


def test_a_backlog_is_worked_off_in_several_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many sales at most are ended behind one batch, and the shell is woken for the others."""
    scene = Scene(tmp_path, merged="bank")
    scene.prepare()
    hand = Hand(scene)
    hand.open(3 * PRICE)
    deals = [Deal.authorized(scene, hand, hand.withdraw(4, 1)) for _ in range(3)]
    monkeypatch.setattr(merging, "MERGED_QUESTIONS_MAX", 1)
    locked = []

    scene.now = deals[0].transaction.expiration + SETTLE_SECONDS + 1
    while (deadline := scene.bank.turns.store.next_deadline()) and deadline <= scene.now:
        scene.bank.remind()
        locked.append(scene.books()["locked"])

    assert locked[:3] == [2 * PRICE, PRICE, 0] or locked
    assert len(locked) > 1
    assert locked == sorted(locked, reverse=True)
    assert locked[-1] == 0


def test_what_is_recorded_is_settled_whatever_else_is_due(
    tmp_path: Path, deal: Deal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MERGED_QUESTIONS_MAX", 0)
    turns = deal.scene.bank.turns

    turns.run_turns([records(deal)], deal.scene.now)
    turns.store.commit()

    assert on_disk(tmp_path, deal) == (True, PRICE)


def test_the_merchant_s_sale_commits_with_p3(tmp_path: Path) -> None:
    stage = Play(tmp_path, merged="merchant")
    stage.prepare()
    deal = Deal.authorized(stage)

    stage.say("bank", stage.merchant, deal.authorization_b)

    assert isinstance(deal.outcome, Signed)
    assert stage.merchant.store.by_number(deal.number).outcome == deal.outcome


@pytest.mark.parametrize("host", [bank, merchant])
def test_merged_stores_share_no_table_but_errands_and_alerts(host: ModuleType) -> None:
    """What each of them means by a row is the other's too: see anonnet.store.joint."""
    made = re.compile(r"create (?:table|index) if not exists (\w+)")
    shared = set(made.findall(host.SCHEMA)) & set(made.findall(log.SCHEMA))

    assert {name for name in shared if not name.startswith("errand_")} == {"errand", "alert"}


def test_each_store_is_found_in_the_file_by_its_own_version(deal: Deal, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unmerged bank goes on with its tables, and a program that writes another log.db does not touch this one."""
    scene = deal.scene
    scene.bank.turns.store.close()
    monkeypatch.setattr(log, "VERSION", log.VERSION + 1)

    host = BankStore(str(scene.folder / "bank.db"))
    with pytest.raises(BadStart, match="schema version"):
        log_store(path=str(scene.folder / "log.db"), merged=host)

    assert host.is_locked(deal.transaction.outcome_key)
    host.close()


def test_a_log_that_mirrors_decide_with_is_not_merged(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="decide alone"):
        Scene(tmp_path, merged="bank", mirrored_by=("m1", "m2", "m3", "m4"))
