"""The bank's desk for its next brands: they are brought to the logs some while before they open, which publish them.

A wallet takes no brand that it does not find there, unless the network file has it: so a bank cannot give one customer
a brand of her own.
"""

from __future__ import annotations

from collections.abc import Iterable

from anonnet.errors import Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.brand import Brand, BrandOffer
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.store.bank import BankStore
from anonnet.wire.signed import said_in

BankTurn = Turn[BankStore]


class Announcing:
    """The desk for what is to be published."""

    def __init__(self, offers: Iterable[BrandOffer], logs: Iterable[bytes]) -> None:
        self._offers = tuple(offers)
        self._logs = tuple(logs)

    def announce(self, turn: BankTurn) -> None:
        """Bring each brand that can still stand there long enough to every log that has not answered yet."""
        for offer in self._offers:
            brand = said_in(offer.brand, Brand)
            if brand.announced_in_time(turn.now):
                lacking = [log for log in self._logs if turn.store.announced.answer(brand.id, log) is None]
                turn.store.errands.add_for_each(lacking, offer.brand, subject=brand.id, due=turn.now)

    @on(Noted, by=From.ERRAND, to=(Brand,))
    def recorded(self, turn: BankTurn, asked: Asked[Noted]) -> Answer:
        return self._keep(turn, asked, "")

    @on(Refusal, by=From.ERRAND, to=(Brand,))
    def refused(self, turn: BankTurn, asked: Asked[Refusal]) -> Answer:
        """Too late, or beside another one: that does not change any more, and the owner is shown it."""
        if asked.body.why not in (Why.TOO_LATE, Why.BAD_BRAND):
            return later(turn, asked, RETRY_SECONDS_MAX)
        return self._keep(turn, asked, asked.body.why)

    def _keep(self, turn: BankTurn, asked: Asked[Noted] | Asked[Refusal], why: str) -> Answer:
        brand = request(asked)
        assert isinstance(brand, Brand)
        turn.store.announced.keep(brand.id, answered(asked).receiver, why)
        return done(turn, asked)
