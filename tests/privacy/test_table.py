"""The paper's Table 1 comes out of a run: what everybody stored and received is searched for what he must not know.

docs/privacy.md has the table as it came out. To write it anew: `.venv/bin/python -m tests.privacy.test_table`, from the
checkout.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from anonnet_daemons.config import Kind, brand_file

from anonnet.crypto.blind import SecretKey
from anonnet.crypto.integers import inverse, power, product
from anonnet.protocol.brand import Brand
from anonnet.protocol.goods import Order
from anonnet.protocol.purchase import AuthorizationM
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.privacy.pieces import CHANNEL, Piece, View, frame_piece, row_piece
from tests.privacy.sale import ITEM, PRICE, WITHDRAWN, Facts, Taken, taken
from tests.privacy.table import COLUMNS, OBSERVER, OURS, PAPER, SEALED_LOG, Extent, known, rendered, rows

pytestmark = pytest.mark.real

DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"
MADE = re.compile(r"(?<=<!-- made: table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


@pytest.fixture(scope="module")
def sale() -> Taken:
    made = taken()
    if len(set(made.facts.addresses.values())) < len(made.facts.addresses):
        pytest.skip("NOT TESTED: who knows what; each party needs an address of its own, which this system has not")
    return made


def extents(taken: Taken, name: str) -> str:
    """One row, as the tables of tests.privacy.table write it."""
    return " ".join(cell.extent for cell in known(taken.facts, name, rows(taken)[name]).values())


def test_the_run_has_every_way_that_a_sale_can_go(sale: Taken) -> None:
    """What is not in the run is not searched."""
    doors = {name: {piece.where.removeprefix("frame ") for piece in view.pieces} for name, view in sale.views.items()}

    assert doors[Kind.BANK] >= {"WithdrawC", "AuthorizationQ", "ExchangeQ", "Abort", "Claim", "Dispute"}
    assert doors[Kind.MERCHANT] >= {"Order", "GoodsQ", "AuthorizationB", "Dispute"}
    assert doors[Kind.LOG] >= {"AuthorizationM", "Submission"}
    assert doors[Kind.CONSUMER] >= {"GoodsM", "Abort", "ExchangeB", "Redress"}


@pytest.mark.parametrize("name", OURS)
def test_each_row_comes_out_of_the_run(sale: Taken, name: str) -> None:
    assert extents(sale, name) == OURS[name]


def test_the_document_has_the_table_of_the_run(sale: Taken) -> None:
    (written,) = MADE.findall(DOCUMENT.read_text("utf-8"))

    assert written == f"\n{rendered(sale)}\n\n", "see the docstring of this file"


def test_what_differs_from_the_paper_is_told() -> None:
    differing = {
        f"{name}, {column}"
        for name, entries in PAPER.items()
        for column, paper, ours in zip(COLUMNS, entries.split(), OURS[name].split(), strict=True)
        if paper != ours
    }

    told = set(re.findall(r"^\*\*(.+?)\*\*", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert differing <= told


# Planted leaks.


def heard(said: Order | Signed, channel: bytes = bytes(32)) -> Piece:
    """A frame at somebody's door."""
    return frame_piece(channel, frame(said, 1))


def account_in_the_order(facts: Facts, view: View) -> None:
    """P1's order under the account's key for its secret."""
    view.pieces.append(heard(Order(merchant=facts.order.transaction.merchant, item=ITEM, secret=facts.account)))


def address_in_a_log_line(facts: Facts, view: View) -> None:
    """A daemon that writes who has called."""
    line = f"a connection from {facts.addresses[Kind.CONSUMER]}:51234\n"
    view.pieces.append(Piece("file daemon.log", line.encode()))


def item_in_p2(facts: Facts, view: View) -> None:
    """P2 with the item's name in the field of another key."""
    name = ITEM.encode().ljust(32, b".")
    body = replace(facts.order, transaction=replace(facts.order.transaction, entry_key=name))
    view.pieces.append(heard(Signed(body=encode(body), signatures=facts.authorization_q.signatures)))


def account_beside_the_sale(facts: Facts, view: View) -> None:
    """A row that names the account with the sale."""
    view.pieces.append(row_piece("note", (facts.order.transaction.outcome_key, facts.account)))


def account_beside_a_token(facts: Facts, view: View) -> None:
    """A row that names a withdrawal with a token."""
    view.pieces.append(row_piece("note", (facts.order.payments[0].token.id, facts.blinded[0])))


def one_channel_for_both(facts: Facts, view: View) -> None:
    """The withdrawal and P2 come on one channel."""
    (withdraw_c, *_) = [each for each in view.pieces if each.where == "frame WithdrawC"]
    (channel,) = [value for value in withdraw_c.values if value.startswith(CHANNEL)]
    view.pieces.append(heard(facts.authorization_q, channel.removeprefix(CHANNEL)))


def merchant_beside_a_sealed_sale(facts: Facts, view: View) -> None:
    """A row that names the merchant with the place of a sealed sale."""
    view.pieces.append(row_piece("note", (*facts.sealed_seeds, facts.order.transaction.merchant)))


def price_in_p4(facts: Facts, view: View) -> None:
    """P4 with the price for its expiration."""
    body = encode(AuthorizationM(transaction=replace(facts.order.transaction, expiration=PRICE), key=bytes(32)))
    view.pieces.append(heard(Signed(body=body, signatures=facts.authorization_q.signatures[:1])))


def item_in_hex(facts: Facts, view: View) -> None:
    """A file that has the item's name in hex digits."""
    view.pieces.append(Piece("file notes", ITEM.encode().hex().encode()))


def item_in_clear(facts: Facts, view: View) -> None:
    """A line that is not enciphered."""
    view.lines.append(replace(view.lines[0], data=b"GET /" + ITEM.encode()))


PLANTS: list[tuple[Callable[[Facts, View], None], str, str]] = [
    (account_in_the_order, Kind.MERCHANT, "consumer"),
    (address_in_a_log_line, Kind.MERCHANT, "consumer"),
    (address_in_a_log_line, Kind.BANK, "consumer"),
    (address_in_a_log_line, Kind.LOG, "consumer"),
    (item_in_p2, Kind.BANK, "item"),
    (account_beside_the_sale, Kind.BANK, "consumer"),
    (account_beside_a_token, Kind.BANK, "consumer"),
    (one_channel_for_both, Kind.BANK, "consumer"),
    (price_in_p4, Kind.LOG, "amount"),
    (merchant_beside_a_sealed_sale, SEALED_LOG, "merchant"),
    (item_in_hex, Kind.MIRROR, "item"),
    (item_in_clear, OBSERVER, "item"),
]


@pytest.mark.parametrize(("plant", "name", "column"), PLANTS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_a_planted_leak_is_found(sale: Taken, plant: Callable[[Facts, View], None], name: str, column: str) -> None:
    view = copy.deepcopy(rows(sale)[name])
    before = known(sale.facts, name, view)[column]

    plant(sale.facts, view)

    after = known(sale.facts, name, view)[column]
    assert after.extent is not Extent.NONE
    assert set(after.by) > set(before.by) or after.extent != before.extent


# Blinding.


def brands(sale: Taken) -> list[tuple[Brand, SecretKey]]:
    """The bank's brands with their keys, from its files."""
    found = [decode(offer.brand.body) for offer in sale.facts.network.brands]
    files = {piece.where: piece.data for piece in sale.views[Kind.BANK].pieces}
    return [
        (each, SecretKey.from_bytes(files[f"file {brand_file(each)}"])) for each in found if isinstance(each, Brand)
    ]


def order_of_units(secret: SecretKey) -> int:
    """phi(n), from the primes as the key's file has them."""
    _, _, primes = secret.to_bytes().partition(b"\n")
    half = len(primes) // 2
    p, q = (int.from_bytes(each, "big") for each in (primes[:half], primes[half:]))
    assert p * q == secret.public.modulus
    return (p - 1) * (q - 1)


def test_one_blinding_factor_joins_every_withdrawal_with_every_token(sale: Taken) -> None:
    """With all that the bank has, its secret keys too: for each blinded message z and each token that was paid with,
    there is an r with z = x r^e, and no second one, since x -> x^e is one to one where e and phi(n) share nothing."""
    for brand, secret in brands(sale):
        public = brand.public_key
        blinded = [
            int.from_bytes(value, "big")
            for row in sale.views[Kind.BANK].pieces
            if row.where == "table blinded" and brand.id in row.values
            for value in row.values
            if len(value) == public.size
        ]
        payments = [payment for order in sale.facts.orders.values() for payment in order.payments]
        tokens = [payment.token for payment in payments if payment.token.brand == brand.id]
        assert (len(blinded), len(tokens)) == (WITHDRAWN // PRICE + 1, len(sale.facts.orders))  # one in exchange

        assert math.gcd(public.exponent, order_of_units(secret)) == 1
        factors = set()
        for token in tokens:
            signature = int.from_bytes(token.signature, "big")
            encoded = power(signature, public.exponent, public.modulus)
            for z in blinded:
                unsigned = inverse(signature, public.modulus)
                assert unsigned is not None
                factor = product(secret.root(z), unsigned, public.modulus)
                assert product(encoded, power(factor, public.exponent, public.modulus), public.modulus) == z
                factors.add(factor)
        assert len(factors) == len(blinded) * len(tokens)


def main() -> None:
    """Write the table anew."""
    DOCUMENT.write_text(MADE.sub(lambda _: f"\n{rendered(taken())}\n\n", DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
