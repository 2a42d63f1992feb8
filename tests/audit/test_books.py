"""The auditor of a bank: honest books agree with the papers, and whatever is moved by hand is found."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from anonnet_daemons.cli.main import main
from click.testing import CliRunner

from anonnet.parties.books import Audit
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.seed import Lane, TokenSecrets
from anonnet.store.bank import BankStore
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.codec import decode, encode
from tests.judge.folders import folders, seed_of
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene, by, exchange_q
from tests.stage import NETWORK

PAID_IN = 6 * PRICE + 5


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Everything that moves money: withdrawals, exchanges, sales that are locked, have committed, failed, lapsed."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    scene.prepare()
    scene.buy()
    scene.settle()
    lapsed = Deal.authorized(scene)
    hand = lapsed.hand
    scene.ask(scene.bank, exchange_q(hand.withdraw(1), hand.secrets(1)))
    scene.now = lapsed.transaction.expiration + CLAIM_SECONDS + 1
    scene.bank.remind()
    scene.sell()
    failed = Deal.authorized(scene, hand, lapsed.coins)
    scene.now = failed.transaction.expiration + 10
    scene.ask(scene.bank, failed.outcome)
    committed = Deal.committed(scene, hand, failed.coins)
    scene.ask(scene.bank, committed.outcome)
    scene.fund(hand.key.public, PRICE)
    Deal.authorized(scene, hand, hand.withdraw(4, 1))
    in_parts(scene, hand)
    under_one_key(scene)
    return scene


def in_parts(scene: Scene, hand: Hand) -> None:
    """One token pays a sale that commits and one that is locked; the rest is exchanged."""
    scene.fund(hand.key.public, 4)
    (coin,) = hand.withdraw(4)
    paid = Deal.committed(scene, hand, [coin.part(1)])
    scene.ask(scene.bank, paid.outcome)
    Deal.authorized(scene, hand, [coin.part(2)])
    scene.ask(scene.bank, exchange_q([coin.part(1)], hand.secrets(1)))


def under_one_key(scene: Scene) -> None:
    """Two tokens of a key pay a sale, the third one is exchanged."""
    hand = Hand(scene, "key ring", Lane.REUSED)
    hand.open(PRICE + 1)
    large, small, other = hand.withdraw(4, 1, 1)
    paid = Deal.committed(scene, hand, [large, small])
    scene.ask(scene.bank, paid.outcome)
    scene.ask(scene.bank, exchange_q([other], hand.secrets(1)))


@pytest.fixture
def bank(scene: Scene, tmp_path: Path) -> Path:
    """The bank's data folder."""
    return next(folder for kind, folder in folders(scene, tmp_path / "parties").items() if kind == "bank")


def audited(scene: Scene, store: BankStore) -> Audit:
    audit = Audit(NETWORK, scene.bank_key, scene.network.logs, [each.brand for each in scene.network.brands])
    audit.run(store.bookkeeping)
    return audit


def test_honest_books_are_what_the_papers_say(scene: Scene) -> None:
    audit = audited(scene, scene.bank.store)

    assert audit.complaints == []
    assert audit.paid_in == {"EUR": PAID_IN}
    states = {sale.state for sale in scene.bank.store.bookkeeping.sales()}
    assert states == {"locked", "committed", "aborted", "lapsed"}


BY_HAND = {
    "a balance": "update balance set amount = amount + 1 where book = 'account' and owner = :merchant",
    "a balance and its entry": (
        "update balance set amount = amount + 1 where book = 'account' and owner = :merchant;"
        "update posting set amount = amount + 1 where book = 'account' and owner = :merchant and position = 0"
    ),
    "from one account to another": (
        "insert into posting select 'account', owner, max(position) + 1, currency, -1, 'credit', :key, 0 from posting"
        " where book = 'account' and owner != :merchant group by owner, currency limit 1;"
        "insert into posting select 'account', owner, max(position) + 1, currency, 1, 'credit', :key, 0 from posting"
        " where book = 'account' and owner = :merchant group by owner, currency;"
        "update balance set amount = (select sum(amount) from posting where posting.book = balance.book"
        " and posting.owner = balance.owner and posting.currency = balance.currency)"
    ),
    "more paid in on an account than in cash": (
        "update posting set amount = amount + 1 where kind = 'fund' and book = 'account';"
        "update balance set amount = (select sum(amount) from posting where posting.book = balance.book"
        " and posting.owner = balance.owner and posting.currency = balance.currency)"
    ),
    "a lock and its release, both taken out": (
        "delete from posting where reference in (select outcome_key from sale where state = 'aborted')"
    ),
    "an entry that is taken out": "delete from posting where book = 'account' and owner = :merchant and position = 0",
    "a larger withdrawal": (
        "update posting set amount = amount * 2 where kind = 'withdrawal' and reference = :withdrawal;"
        "update balance set amount = (select sum(amount) from posting where posting.book = balance.book"
        " and posting.owner = balance.owner and posting.currency = balance.currency)"
    ),
    "a token that is free again": "delete from used where token = (select min(token) from used)",
    "a token that was never used": (
        "insert into used select zeroblob(32), user, brand, zeroblob(16), 1, null from used limit 1"
    ),
    "less of a token that is used": "update used set amount = amount - 1 where amount > 1",
    "a name that is another's": "update used set name = zeroblob(16) where token = (select min(token) from used)",
    "a blinded message of nobody": "insert into blinded select brand, zeroblob(256), origin from blinded limit 1",
    "a sale that has not failed": "update sale set state = 'aborted' where state = 'locked'",
    "a sale without its commit": "update sale set proof = null where state = 'committed'",
    "a promise of another sale": (
        "update sale set authorization_b = (select authorization_b from sale where state = 'locked')"
        " where state = 'committed'"
    ),
    "a withdrawal that is gone": "delete from withdrawal where hash = :withdrawal",
    "an exchange that is gone": "delete from exchange",
}


def moved(bank: Path, scene: Scene, sql: str) -> None:
    """Change the bank's database by hand."""
    with sqlite3.connect(bank / "bank.db") as db:
        (withdrawal,) = db.execute("select min(hash) from withdrawal").fetchone()
        names = {":merchant": scene.merchant_key, ":withdrawal": withdrawal, ":key": b"made up".ljust(32)}
        for name, value in names.items():
            sql = sql.replace(name, f"x'{value.hex()}'")
        before = db.total_changes
        db.executescript(sql)
        assert db.total_changes > before, "nothing was moved"
    db.close()


@pytest.mark.parametrize("what", BY_HAND)
def test_what_is_moved_by_hand_is_found(scene: Scene, bank: Path, what: str) -> None:
    moved(bank, scene, BY_HAND[what])
    store = BankStore(str(bank / "bank.db"), read_only=True)

    complaints = audited(scene, store).complaints

    store.close()
    assert complaints


def test_a_token_that_has_been_taken_twice_is_found(scene: Scene, bank: Path) -> None:
    """Its exchange moves nothing in the books, and the list of used tokens names its sale alone."""
    committed = next(sale for sale in scene.bank.store.bookkeeping.sales() if sale.state == "committed")
    assert committed.authorization_q is not None
    body = decode(committed.authorization_q.body)
    assert isinstance(body, AuthorizationQ)
    payment = body.payments[0]
    place = TokenSecrets(seed_of("seed of consumer"), scene.brand(payment.amount), Lane.WITHDRAWAL, 0)
    found = [Coin(each, payment.token) for each in _places(scene) if each.key.public == payment.token.public_key]
    taken = exchange_q(found, place)
    blinded = place.blinded().blinded_message
    with sqlite3.connect(bank / "bank.db") as db:
        db.execute("insert into exchange values(?, ?, 0)", (taken.hash, encode(taken)))
        db.execute("insert or replace into blinded values(?, ?, ?)", (place.brand.id, blinded, taken.hash))
    db.close()
    store = BankStore(str(bank / "bank.db"), read_only=True)

    complaints = audited(scene, store).complaints

    store.close()
    assert [each for each in complaints if "is used for more than it is worth" in each]


def _places(scene: Scene) -> list[TokenSecrets]:
    """The secrets of everything that the consumer and the hand may have drawn."""
    seeds = [seed_of("seed of consumer"), seed_of("seed of hand")]
    brands = [each.brand for each in scene.minted]
    return [TokenSecrets(s, b, Lane.WITHDRAWAL, i) for s in seeds for b in brands for i in range(9)]


def test_a_promise_that_another_has_signed_is_found(scene: Scene, bank: Path) -> None:
    committed = next(sale for sale in scene.bank.store.bookkeeping.sales() if sale.state == "committed")
    assert committed.authorization_b is not None
    forged = encode(by("mallory", decode(committed.authorization_b.body)))
    with sqlite3.connect(bank / "bank.db") as db:
        db.execute("update sale set authorization_b = ? where outcome_key = ?", (forged, committed.outcome_key))
    db.close()
    store = BankStore(str(bank / "bank.db"), read_only=True)

    complaints = audited(scene, store).complaints

    store.close()
    assert complaints


def test_the_command_tells_what_it_found(scene: Scene, bank: Path) -> None:
    honest = CliRunner().invoke(main, ["bank", "audit", "--data", str(bank), "--json"])
    moved(bank, scene, BY_HAND["a balance"])
    found = CliRunner().invoke(main, ["bank", "audit", "--data", str(bank)])

    assert (honest.exit_code, json.loads(honest.output)["complaints"]) == (0, [])
    assert found.exit_code == 1
    assert "WRONG: the balance of account" in found.output


def test_an_audit_changes_nothing(scene: Scene, bank: Path) -> None:
    before = (bank / "bank.db").read_bytes()
    store = BankStore(str(bank / "bank.db"), read_only=True)

    audited(scene, store)

    store.close()
    assert (bank / "bank.db").read_bytes() == before
