"""The paper's variations in the world: which of them a seed plays, and what must hold of them.

They are drawn from a chance of their own, so that all else of a seed stays as it was before there were any.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterator
from typing import Any

from anonnet.parties.purse import Habits
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.refusal import Noted
from anonnet.protocol.sealed import Submission
from tests.world.tape import Tape

Complaints = Iterator[str]


class Variations:
    """What a seed draws."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._chance = random.Random(f"seed {seed}")
        self._receipts = self._chance.choice([0.0, 0.0, 0.5, 1.0])
        self._sealed = self._chance.choice([0.0, 0.0, 0.5, 1.0])

    def receipt(self) -> int:
        """Whether the next item is sold against a receipt."""
        return int(self._chance.random() < self._receipts)

    def sealed(self) -> int:
        """Whether the log shall not know whose its sales are."""
        return int(self._chance.random() < self._sealed)

    def habits(self, name: str) -> Habits:
        """How a consumer withdraws and pays."""
        chance = random.Random(f"{name} of {self._seed}")
        return Habits(in_parts=chance.random() < 0.5, reused_keys=chance.random() < 0.3)


def complaints(tape: Tape, strangers: Container[str]) -> Complaints:
    """Everything that must hold of them; `strangers` are told what parties are not."""
    yield from q_is_named_where_it_is_asked_for(tape)
    yield from no_key_without_the_receipt(tape)
    yield from a_key_that_others_see_serves_one_token(tape)
    yield from logs_learn_nothing_of_what_is_sealed(tape, strangers)


def q_is_named_where_it_is_asked_for(tape: Tape) -> Complaints:
    """In one-sided delivery the bank alone learns Q: neither P3 nor P4 names a key, unless she has named it herself to
    whoever reads P3."""
    wanted = {said.body.number: said.body.contract.receipt for said in _of(tape, GoodsM)}
    orders = [said for said in _of(tape, AuthorizationQ) if said.heard.sender == "greedy"]
    hers = {said.body.transaction for said in orders if said.body.receiver_key}
    promises = [said.body for said in _of(tape, AuthorizationB) if said.body.transaction not in hers]
    for body in (*promises, *(body for body, _ in _p4(tape))):
        number, named = body.transaction.number, bool(body.receiver_key)
        if named and not wanted.get(number):
            yield "Q was named in one-sided delivery"
        if isinstance(body, AuthorizationM) and wanted[number] and not named:
            yield "P4 names no Q where the contract wants a receipt"


def no_key_without_the_receipt(tape: Tape) -> Complaints:
    """A merchant says P4 with Q only when he has taken in goods_q by that key."""
    noted: dict[tuple[bytes, bytes], float] = {}
    for request, answer in tape.pairs:
        body: Any = request.body
        if isinstance(body, GoodsQ) and isinstance(answer.body, Noted):
            noted.setdefault((body.number, request.signed.signatures[0].signer), answer.time)
    for body, time in _p4(tape):
        key = body.transaction.number, body.receiver_key
        if body.receiver_key and noted.get(key, float("inf")) > time:
            yield "a merchant showed k without the receipt that his contract wants"


def a_key_that_others_see_serves_one_token(tape: Tape) -> Complaints:
    """Of keys that serve several tokens the bank alone may know, so that nobody else can link them."""
    greedy = {said.body.transaction for said in _of(tape, AuthorizationQ) if said.heard.sender == "greedy"}
    named = {said.body.receiver_key for said in _of(tape, AuthorizationB) if said.body.transaction not in greedy}
    serves: dict[bytes, set[bytes]] = {key: set() for key in named if key}
    for payment in (
        each for kind in (AuthorizationQ, ExchangeQ) for said in _of(tape, kind) for each in said.body.payments
    ):
        serves.get(payment.token.public_key, set()).add(payment.token.id)
    yield from ("a key in a receipt serves several tokens" for tokens in serves.values() if len(tokens) > 1)


def payments_under_reused_keys(tape: Tape) -> int:
    """How many orders pay with a token whose key serves several."""
    return sum(any(each.token.serial for each in said.body.payments) for said in _of(tape, AuthorizationQ))


def logs_learn_nothing_of_what_is_sealed(tape: Tape, strangers: Container[str]) -> Complaints:
    """Nothing that the parties say to a log or its mirrors, nor what these say, holds n, k or Q of a sealed sale."""
    opener, secrets = tape.opener(), dict[bytes, str]()
    for said in _of(tape, Submission):
        body = opener.p4(said.body)
        if body is None:
            continue
        secrets |= {body.transaction.number: "n", body.key: "k"}
        secrets |= {body.receiver_key: "Q"} if body.receiver_key else {}
    for transaction, orders in tape.orders().items():
        if not transaction.entry_key:  # greedy may name in the open what the merchant seals; and a copy of a wallet may
            secrets.pop(transaction.number, None)  # use Q in the open after a sealed sale of the other was aborted
            for order in orders:
                secrets.pop(order.body.receiver_key, None)
    for said in tape.said:
        ends = said.heard.sender, said.heard.receiver
        if any(end.startswith(("log", "mirror")) for end in ends) and not any(end in strangers for end in ends):
            told = [name for value, name in secrets.items() if value in said.heard.payload]
            yield from (f"a log learned {name} of a sealed sale" for name in told)


def _p4(tape: Tape) -> Iterator[tuple[AuthorizationM, float]]:
    """Every P4 that was said, open or sealed, and when."""
    opener = tape.opener()
    yield from ((body, said.time) for said in tape.said if (body := opener.p4(said.body)) is not None)


def _of(tape: Tape, kind: Any) -> Iterator[Any]:
    return tape.of(kind)
