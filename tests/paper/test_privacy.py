"""The paper's section "Privacy": Table 1, by what each party was sent and what its store holds.

What the paper calls "None" is looked for, as bytes, in everything that a party received and in its database; a control
beside it shows that it is found where the table says "Full".
"""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest
from anonnet_daemons.warrant import Warrant

from anonnet.crypto.blind import encode as encoded
from anonnet.crypto.blind import verify
from anonnet.crypto.integers import inverse, power, product
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store.bank import BankStore
from anonnet.store.merchant import MerchantStore
from anonnet.wire.codec import encode
from tests.actor import Actor
from tests.paper.scenes import ITEM, PRICE, Hand, Scene
from tests.reading import commits
from tests.stage import log_store

STORES = {"bank": BankStore, "merchant": MerchantStore, "log": partial(log_store, "log")}


@pytest.fixture
def bought(tmp_path: Path) -> Scene:
    """A whole purchase from the first account on, with the parties' stores in files."""
    scene = Scene(tmp_path)
    for name, kind in STORES.items():
        actor = getattr(scene, name)
        store = kind(str(tmp_path / f"{name}.db"))
        setattr(scene, name, Actor(name, actor.party, store, actor.clock, actor.entropy))
    scene.prepare()
    scene.buy()
    scene.settle()
    assert scene.income == PRICE
    for name in STORES:
        getattr(scene, name).store.close()
    return scene


def known_to(scene: Scene, name: str) -> bytes:
    """All that a party was sent and all that its store holds."""
    sent = b"".join(encode(line.said) for line in scene.heard if line.receiver == name)
    database = sqlite3.connect(scene.folder / f"{name}.db")
    tables = [table for (table,) in database.execute("select name from sqlite_master where type = 'table'")]
    rows = [value for table in tables for row in database.execute(f"select * from {table}") for value in row]
    database.close()
    return sent + b"".join(value if isinstance(value, bytes) else str(value).encode() for value in rows)


def order_of(scene: Scene) -> AuthorizationQ:
    (line,) = scene.said(AuthorizationQ)
    assert isinstance(line.body, AuthorizationQ)
    return line.body


def test_the_merchant_does_not_know_the_consumer(bought: Scene) -> None:
    """Section "Privacy", Table 1: Merchant, Consumer: None."""
    known = known_to(bought, "merchant")

    assert bought.account(bought.consumer) not in known
    for payment in order_of(bought).payments:
        assert payment.token.public_key not in known
        assert payment.token.signature not in known
    assert ITEM.encode() in known


def test_the_merchant_knows_amount_and_item(bought: Scene) -> None:
    """Section "Privacy", Table 1: Merchant, Date, Amount, Item: Full."""
    known = known_to(bought, "merchant")

    assert ITEM.encode() in known
    assert order_of(bought).transaction.number in known


def test_the_bank_does_not_know_the_item(bought: Scene) -> None:
    """Section "Privacy", Table 1: Bank, Item: None."""
    known = known_to(bought, "bank")

    assert ITEM.encode() not in known
    assert b"audio/la" not in known
    assert bought.merchant_key in known


def test_the_bank_knows_merchant_and_amount(bought: Scene) -> None:
    """Section "Privacy", Table 1: Bank, Merchant, Date, Amount: Full."""
    known = known_to(bought, "bank")

    assert bought.merchant_key in known
    assert encode(order_of(bought).payments[0]) in known


def test_the_log_knows_neither_consumer_nor_amount_nor_item(bought: Scene) -> None:
    """Section "Privacy", Table 1: Transaction Log, Consumer, Amount, Item: None."""
    known = known_to(bought, "log")

    assert bought.account(bought.consumer) not in known
    assert ITEM.encode() not in known
    assert b"EUR" not in known
    for payment in order_of(bought).payments:
        assert payment.token.public_key not in known
        assert payment.token.brand not in known


def test_the_log_knows_the_merchant_and_publishes_him(bought: Scene) -> None:
    """Section "Privacy": "the transaction log is publicly readable, and thus an observer can also obtain full
    information about the merchant's identity"."""
    bought.log.store = log_store("log", str(bought.folder / "log.db"))
    bought.log = Actor("log", bought.log.party, bought.log.store, bought.log.clock, bought.log.entropy)

    (entry,) = commits(partial(bought.ask, bought.log), bought.log_name)

    bought.log.store.close()
    assert bought.merchant_key in entry.body


def test_the_consumer_knows_everything(bought: Scene) -> None:
    """Section "Privacy", Table 1: Consumer, Merchant, Date, Amount, Item: Full."""
    (purchase,) = bought.consumer.store.purchases(most=2)

    shown = bought.purchase(purchase)

    assert (shown.item, shown.price, shown.state) == (ITEM, PRICE, "done")
    assert order_of(bought).transaction.merchant == bought.merchant_key


def test_the_bank_is_not_told_who_spends(bought: Scene) -> None:
    """Section "Privacy", Table 1: Bank, Consumer: None. What the purchase shows the bank names no account of hers."""
    account = bought.account(bought.consumer)

    at = [line.kind for line in bought.heard].index(AuthorizationQ)
    shown = b"".join(encode(line.said) for line in bought.heard[at:] if "bank" in (line.sender, line.receiver))

    assert account not in shown
    assert bought.merchant_key in shown


def test_what_the_bank_blindly_signed_shares_nothing_with_the_tokens_it_is_paid(bought: Scene) -> None:
    """Section "Assumptions": "knowledge of a token which the issuer can not specifically identify"."""
    at_withdrawal = b"".join(encode(line.said) for kind in (WithdrawC, WithdrawB) for line in bought.said(kind))

    for payment in order_of(bought).payments:
        token = payment.token
        for part in (token.public_key, token.id, token.signature, token.signature[:32], token.signature[-32:]):
            assert part not in at_withdrawal


def test_every_withdrawal_of_a_brand_fits_every_token_of_it(scene: Scene) -> None:
    """Section "Assumptions": "the issuer does not know which token [from the range of valid tokens] was obtained".

    For each pair of a withdrawal and a token there is exactly one blinding factor r with z = x r^e, where x = s^e is
    what the token's signature s opens to. It is computed here for all pairs, as the bank could: z's own signature
    divided by s. So the bank's records are as they would be if any of them belonged together.
    """
    hand = Hand(scene)
    hand.open(12)
    public = scene.brand(4).public_key
    secrets = [hand.secrets(4) for _ in range(3)]
    withdrawals = []
    for each in secrets:
        request = hand.withdraw_c(each)
        answer = scene.ask(scene.bank, hand.signer.sign(request))
        assert isinstance(answer, WithdrawB)
        withdrawals.append((request.blinded[0], answer.signatures[0]))
    tokens = [each.token(answer) for each, (_, answer) in zip(secrets, withdrawals, strict=True)]

    factors = {}
    for left, (blinded, answer) in enumerate(withdrawals):
        for right, token in enumerate(tokens):
            unsigned = inverse(int.from_bytes(token.signature, "big"), public.modulus)
            assert unsigned is not None
            factor = product(int.from_bytes(answer, "big"), unsigned, public.modulus)
            opened = power(int.from_bytes(token.signature, "big"), public.exponent, public.modulus)
            fitting = product(opened, power(factor, public.exponent, public.modulus), public.modulus)
            assert fitting == int.from_bytes(blinded, "big")
            factors[left, right] = factor

    assert len(set(factors.values())) == len(factors)
    assert all(0 < factor < public.modulus for factor in factors.values())
    assert all(verify(public, token.id, token.signature) for token in tokens)
    assert encoded(public, tokens[0].id, bytes(48)) != encoded(public, tokens[1].id, bytes(48))


def test_a_warrant_finds_the_sale_at_the_bank_and_the_item_at_the_merchant_alone(scene: Scene) -> None:
    """Section "Privacy": "The information for law enforcement with warrant assumes record-keeping on the part of the
    bank, and law enforcement's knowledge of the item is dependent on merchant records"."""
    scene.buy()
    scene.settle()
    (number,) = scene.merchant.store.numbers()

    bank = Warrant(scene.bank.store, scene.network, {each.brand.id: each.brand for each in scene.minted})
    values, lines = bank.sale(number.hex())

    contract = scene.merchant.store.by_number(number).terms.contract
    assert (values["amount"], values["merchant"]) == (PRICE, scene.merchant_key.hex())
    for said in (contract.item, contract.description, contract.hash.hex()):
        assert said not in repr(values) + " ".join(lines)
    assert (contract.item, contract.price) == (ITEM, PRICE)
