"""The paper's variations in the world: which of them a seed plays, and what must hold of them.

They are drawn from a chance of their own, so that all else of a seed stays as it was before there were any.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM
from anonnet.protocol.refusal import Noted
from tests.world.tape import Tape

Complaints = Iterator[str]


class Variations:
    """What a seed draws."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"seed {seed}")
        self._receipts = self._chance.choice([0.0, 0.0, 0.5, 1.0])

    def receipt(self) -> int:
        """Whether the next item is sold against a receipt."""
        return int(self._chance.random() < self._receipts)


def q_is_named_where_it_is_asked_for(tape: Tape) -> Complaints:
    """In one-sided delivery the bank alone learns Q: neither P3 nor P4 names a key."""
    wanted = {said.body.number: said.body.contract.receipt for said in _of(tape, GoodsM)}
    for said in (*_of(tape, AuthorizationB), *_of(tape, AuthorizationM)):
        number, named = said.body.transaction.number, bool(said.body.receiver_key)
        if named and not wanted.get(number):
            yield "Q was named in one-sided delivery"
        if isinstance(said.body, AuthorizationM) and wanted[number] and not named:
            yield "P4 names no Q where the contract wants a receipt"


def no_key_without_the_receipt(tape: Tape) -> Complaints:
    """A merchant says P4 with Q only when he has taken in goods_q by that key."""
    noted: dict[tuple[bytes, bytes], float] = {}
    for request, answer in tape.pairs:
        body: Any = request.body
        if isinstance(body, GoodsQ) and isinstance(answer.body, Noted):
            noted.setdefault((body.number, request.signed.signatures[0].signer), answer.time)
    for said in _of(tape, AuthorizationM):
        key = said.body.transaction.number, said.body.receiver_key
        if said.body.receiver_key and noted.get(key, float("inf")) > said.time:
            yield "a merchant showed k without the receipt that his contract wants"


def _of(tape: Tape, kind: Any) -> Iterator[Any]:
    return tape.of(kind)
