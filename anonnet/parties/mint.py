"""The bank's mint: brands, withdrawal (W1, W2), exchange (E1, E2), and what a wallet asks that has lost its memory.

A token is paid for before it is signed: the debit, or the use of the tokens given, is durable when the blind signature
is made. The unit of "asked again, answered again" is the blinded message, not the request: one that was signed before
is signed again for the same account, without a debit, however the requests around it were cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from anonnet.crypto.blind import SecretKey
from anonnet.errors import Refused, Why
from anonnet.limits import SIGNATURES_REMEMBERED, USED_MAX
from anonnet.parties.turn import Answer, Asked, Turn, on
from anonnet.protocol.brand import Brand, BrandOffer, Brands, BrandsOf, Terms
from anonnet.protocol.exchange import ExchangeB, ExchangeQ, check_exchange_q
from anonnet.protocol.recovery import Restore, State, StateOf, Used, UsedOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import expired
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store.bank import BankStore
from anonnet.times import BRAND_MARGIN_SECONDS, CLAIM_SECONDS, LEAD_SECONDS_MAX, USED_SECONDS
from anonnet.wire.signed import Checked, Signer

BankTurn = Turn[BankStore]


@dataclass(frozen=True)
class Minted:
    """A brand of this bank: what everybody may see, and the key that signs its tokens."""

    offer: BrandOffer
    brand: Brand
    secret: SecretKey


@dataclass(frozen=True, slots=True)
class BlindSign:
    """What remains to be done once a debit is durable: these signatures, each under its brand's key."""

    messages: tuple[tuple[bytes, bytes], ...]
    """(brand, blinded message)"""
    answer: type[WithdrawB | ExchangeB]


class Mint:
    """The desk for tokens. Holds the brands' secret keys."""

    def __init__(self, signer: Signer, key: bytes, minted: Iterable[Minted]) -> None:
        self._signer = signer
        self.bank = key
        self._minted = {each.brand.id: each for each in minted}
        self._signature = lru_cache(SIGNATURES_REMEMBERED)(self._sign)
        self._terms = signer.sign(Terms(bank=key, claim_seconds=CLAIM_SECONDS, lead_seconds=LEAD_SECONDS_MAX))

    @property
    def offers(self) -> list[BrandOffer]:
        """Its brands, as everybody may see them."""
        return [each.offer for each in self._minted.values()]

    def brand(self, brand: bytes) -> Brand:
        """A brand of this bank. Raises Refused."""
        if brand not in self._minted:
            raise Refused(Why.BAD_BRAND, "no such brand here")
        return self._minted[brand].brand

    def kept(self, brands: Iterable[bytes]) -> int:
        """Until when papers about tokens of these brands are kept: "some period following the expiration for the brand
        of token used" (paper, Data Management)."""
        return max(self.brand(brand).ends for brand in brands) + BRAND_MARGIN_SECONDS

    def over(self, now: int) -> dict[bytes, str]:
        """The brands about which nothing need be kept at `now`, with their currencies."""
        brands = [each.brand for each in self._minted.values()]
        return {brand.id: brand.currency for brand in brands if expired(brand.ends + BRAND_MARGIN_SECONDS, now)}

    def refuse_ended(self, turn: BankTurn, brand: bytes) -> None:
        """What was forgotten of a brand is never needed again, whatever the machine's clock says. Raises Refused."""
        if turn.store.has_ended(brand):
            raise Refused(Why.NOT_OPEN, "this brand has ended")

    def currency(self, payments: tuple[Payment, ...]) -> str:
        """The currency of a payment."""
        return self.brand(payments[0].token.brand).currency

    def worth(self, payments: tuple[Payment, ...]) -> dict[bytes, int]:
        """What tokens are worth of each brand of a payment."""
        return {payment.token.brand: self.brand(payment.token.brand).denomination for payment in payments}

    # Before the turn.

    def check(self, said: Checked[Any]) -> None:
        """What needs no memory. Raises Malformed, Refused."""
        body = said.body
        if isinstance(body, WithdrawC):
            body.check_for(self.brand(body.brand))
        elif isinstance(body, ExchangeQ):
            check_exchange_q(said)
            self.check_payments(body.payments)
            self._check_wanted(body)
        elif isinstance(body, StateOf):
            self._check_token(body.token)
            if said.signer != body.token.public_key:
                raise Refused(Why.WRONG_SIGNER, "a token's state is shown to its key")

    def check_payments(self, payments: tuple[Payment, ...]) -> None:
        """ "The bank must verify the validity of Q*" (paper, Purchase); reuse is checked in the turn."""
        for payment in payments:
            brand = self._check_token(payment.token)
            if brand.currency != self.currency(payments):
                raise Refused(Why.BAD_CURRENCY, "one payment has one currency")
            if payment.amount > brand.denomination:
                raise Refused(Why.BAD_AMOUNT, "more of a token than it is worth")

    def _check_token(self, token: Token) -> Brand:
        brand = self.brand(token.brand)
        if not token.holds(brand):
            raise Refused(Why.BAD_TOKEN)
        return brand

    def _check_wanted(self, order: ExchangeQ) -> None:
        value = 0
        for wanted in order.wanted:
            brand = self.brand(wanted.brand)
            wanted.check_for(brand)
            if brand.currency != self.currency(order.payments):
                raise Refused(Why.BAD_CURRENCY, "an exchange stays in one currency")
            value += brand.denomination * len(wanted.blinded)
        if value != order.value:
            raise Refused(Why.BAD_AMOUNT, "an exchange gives as much as it takes")

    # Brands.

    @on(BrandsOf)
    def brands_of(self, turn: BankTurn, asked: Asked[BrandsOf]) -> Answer:
        offers = [each.offer for each in self._minted.values() if not expired(each.brand.ends, asked.arrival)]
        return Answer(Brands(terms=self._terms, offers=tuple(offers)))

    # Withdrawal.

    @on(WithdrawC, keys=lambda asked: [asked.signer, *asked.body.blinded])  # W1 -> W2
    def withdraw_c(self, turn: BankTurn, asked: Asked[WithdrawC]) -> Answer:
        order, account = asked.body, asked.signer
        new = turn.store.take_blinded(account, order.brand, order.blinded)
        if new:
            turn.store.bookkeeping.keep(asked.signed, order.brand)
            if expired(order.until, asked.arrival):
                raise Refused(Why.EXPIRED)
            self._check_open(turn, order.brand, asked.arrival)
            turn.store.debit(account, self.brand(order.brand), new, asked.signed.hash, asked.arrival)
        messages = tuple((order.brand, blinded) for blinded in order.blinded)
        return Answer(finish=BlindSign(messages, WithdrawB))

    def _check_open(self, turn: BankTurn, brand: bytes, now: int) -> None:
        self.refuse_ended(turn, brand)
        if not self.brand(brand).opens <= now <= self.brand(brand).closes:
            raise Refused(Why.NOT_OPEN, "this brand is not open for withdrawal")

    # Exchange.

    @on(
        ExchangeQ,
        keys=lambda asked: [
            asked.signed.hash,
            *(payment.token.id for payment in asked.body.payments),
            *(blinded for wanted in asked.body.wanted for blinded in wanted.blinded),
        ],
    )  # E1 -> E2
    def exchange_q(self, turn: BankTurn, asked: Asked[ExchangeQ]) -> Answer:
        """Use the tokens, note the blinded messages; known ones are answered only to the request they came with.

        What is called late was never done, and never will be: a token's brand that has ended is looked at first, since
        what was done with it may have been forgotten."""
        order = asked.body
        given, wanted = [each.token.brand for each in order.payments], [each.brand for each in order.wanted]
        if turn.store.begin_exchange(asked.signed, self.kept([*given, *wanted])):
            for brand in given:
                self.refuse_ended(turn, brand)
                if expired(self.brand(brand).ends, asked.arrival):
                    raise Refused(Why.NOT_OPEN, "the token's brand has ended")
            first = order.payments[0]
            if expired(order.until, asked.arrival) or turn.store.exchanges.called_late(first, order.until):
                turn.store.exchanges.call_late(asked.signed, first, order.until)  # which stays written
                return Answer(self._signer.sign(Refusal.of(asked.signed, Refused(Why.EXPIRED))))
            for brand in wanted:
                self._check_open(turn, brand, asked.arrival)
            self._exchange(turn, asked)
        return Answer(finish=self.signing(order))

    def signing(self, order: ExchangeQ) -> BlindSign:
        """What makes exchange_b of an exchange that is done, now and whenever it has to be shown."""
        messages = tuple((wanted.brand, blinded) for wanted in order.wanted for blinded in wanted.blinded)
        return BlindSign(messages, ExchangeB)

    def _exchange(self, turn: BankTurn, asked: Asked[ExchangeQ]) -> None:
        order, hash = asked.body, asked.signed.hash
        for wanted in order.wanted:
            if turn.store.take_blinded(hash, wanted.brand, wanted.blinded) != len(wanted.blinded):
                raise Refused(Why.BAD_BLINDED, "signed before for another request")
        given = {wanted.brand: self.brand(wanted.brand).denomination * len(wanted.blinded) for wanted in order.wanted}
        worth, currency = self.worth(order.payments), self.currency(order.payments)
        turn.store.use_in_exchange(order.payments, worth, hash, given, currency, asked.arrival)

    # A wallet that has only its seed.

    @on(Restore, keys=lambda asked: [asked.body.blinded])
    def restore(self, turn: BankTurn, asked: Asked[Restore]) -> Answer:
        wanted = asked.body
        if not turn.store.knows_blinded(self.brand(wanted.brand).id, wanted.blinded):
            raise Refused(Why.UNKNOWN, "this bank has not signed that")
        return Answer(finish=BlindSign(((wanted.brand, wanted.blinded),), WithdrawB))

    @on(StateOf, keys=lambda asked: [asked.body.token.id])
    def state_of(self, turn: BankTurn, asked: Asked[StateOf]) -> Answer:
        token = asked.body.token
        if asked.body.channel != asked.channel:
            raise Refused(Why.WRONG_RECEIVER, "a state is asked for on the channel that the request names")
        turn.store.refuse_used(token.id, self.brand(token.brand).denomination)
        return Answer(self._signer.sign(self.state(turn, token, asked.arrival)))

    def state(self, turn: BankTurn, token: Token, now: int) -> State:
        """What can still be used of a token: nothing when its brand has ended."""
        brand = self.brand(token.brand)
        ended = expired(brand.ends, now) or turn.store.has_ended(token.brand)
        left = max(0, brand.denomination - turn.store.uses.taken(token.id))
        return State(token=token.id, remaining=0 if ended else left)

    @on(UsedOf)
    def used_of(self, turn: BankTurn, asked: Asked[UsedOf]) -> Answer:
        brand, after = self.brand(asked.body.brand), asked.body.after
        told = asked.arrival - asked.arrival % USED_SECONDS
        names = turn.store.uses.names(brand.id, after, worth=brand.denomination, before=told, most=USED_MAX + 1)
        return Answer(Used(names=tuple(names[:USED_MAX]), more=int(len(names) > USED_MAX)))

    # Outside the turn.

    def finish(self, job: object) -> WithdrawB | ExchangeB:
        """Sign blindly, after the debit is durable. The same messages have the same signatures."""
        assert isinstance(job, BlindSign)
        return job.answer(signatures=tuple(self._signature(brand, blinded) for brand, blinded in job.messages))

    def _sign(self, brand: bytes, blinded: bytes) -> bytes:
        return self._minted[brand].secret.sign(blinded)
