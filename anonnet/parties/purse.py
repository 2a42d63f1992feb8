"""The consumer's purse: tokens made from her seed, chosen for a price, and signed away.

It remembers no token: which tokens there are, and which are free, stands in her store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from anonnet.crypto.keys import SigningKey
from anonnet.limits import PAYMENTS_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.coins import exact_payment, to_break
from anonnet.protocol.ending import ENDING_MAX, Ending
from anonnet.protocol.exchange import ExchangeQ, Wanted
from anonnet.protocol.goods import Contract, GoodsQ
from anonnet.protocol.local import Holding
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.recovery import Restore
from anonnet.protocol.seed import Lane, TokenSecrets, account_key
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction, expired
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.store.recovery import Place
from anonnet.store.tokens import EXCHANGING, FREE, LOST, Held
from anonnet.wire.signed import Signed, Signer


@dataclass(frozen=True)
class Habits:
    """How a wallet pays, where its owner may choose: fewer requests, or less that the bank can link."""

    in_parts: bool = False
    """Pay with a part of a token where no tokens are worth the price exactly, instead of exchanging it first. The bank
    then sees the sale and the exchange of what remains as the doings of one token."""
    reused_keys: bool = False
    """Withdraw tokens of which several have one key, told apart by their serials (paper, "Reusable Customer Keys"): one
    signature pays with all of them. The bank can then "link repeated uses of the same key to each other"."""

    @property
    def lane(self) -> Lane:
        """Where tokens that are withdrawn have their places. What is exchanged has keys of its own in any case: an
        exchange is how an owner leaves behind what can be linked."""
        return Lane.REUSED if self.reused_keys else Lane.WITHDRAWAL


AS_EVER = Habits()


class Purse:
    """A seed, and the brands whose tokens are accepted."""

    def __init__(self, network: str, seed: bytes, brands: Iterable[Brand], habits: Habits = AS_EVER) -> None:
        self.network = network
        self.habits = habits
        self.brands = {brand.id: brand for brand in brands}
        self._seed = seed

    def learn(self, brand: Brand) -> None:
        """Accept the tokens of one more brand."""
        self.brands[brand.id] = brand

    def account(self, bank: bytes) -> SigningKey:
        """The key of the account at this bank."""
        return account_key(self._seed, bank)

    def signer(self, bank: bytes) -> Signer:
        """Signs what the bank may know of the account's owner."""
        return Signer(self.network, self.account(bank))

    def brands_at(self, bank: bytes) -> list[bytes]:
        """The ids of a bank's brands in all its currencies."""
        return [brand.id for brand in self.brands.values() if brand.bank == bank]

    def brands_of(self, bank: bytes, currency: str) -> list[bytes]:
        """The ids of a bank's brands in one currency."""
        return [brand.id for brand in self.brands.values() if (brand.bank, brand.currency) == (bank, currency)]

    def open_brands(self, bank: bytes, currency: str, now: int) -> dict[int, bytes]:
        """The brands from which can be withdrawn now, by denomination; of two, the one that is open longer."""
        named = [self.brands[id] for id in self.brands_of(bank, currency)]
        longest_last = sorted(named, key=lambda brand: brand.closes)
        return {brand.denomination: brand.id for brand in longest_last if brand.opens <= now <= brand.withdrawn_until}

    def is_left(self, brand: Brand, now: int) -> bool:
        """True while tokens of this brand are to be exchanged: its end is near, and another one of their denomination
        is open that ends later."""
        if not brand.renewed_from <= now <= brand.ends:
            return False
        newer = self.open_brands(brand.bank, brand.currency, now).get(brand.denomination)
        return newer is not None and self.brands[newer].ends > brand.ends

    def secrets(self, brand: bytes, lane: Lane, position: int) -> TokenSecrets:
        """The secrets of the token at one place."""
        return TokenSecrets(self._seed, self.brands[brand], lane, position)

    def _blinded(self, brand: bytes, lane: Lane, places: Iterable[int]) -> tuple[bytes, ...]:
        return tuple(self.secrets(brand, lane, place).blinded().blinded_message for place in places)

    def withdraw_c(self, brand: bytes, lane: Lane, places: Iterable[int], until: int) -> Signed:
        """W1 for the tokens at these places."""
        bank = self.brands[brand].bank
        blinded = self._blinded(brand, lane, places)
        return self.signer(bank).sign(WithdrawC(bank=bank, brand=brand, blinded=blinded, until=until))

    def restore(self, place: Place) -> Restore:
        """RESTORE: the token at this place, if the bank has signed it."""
        brand, lane, position = place
        (blinded,) = self._blinded(brand, lane, [position])
        return Restore(bank=self.brands[brand].bank, brand=brand, blinded=blinded)

    def exchange_q(
        self, bank: bytes, given: Sequence[Held], places: Mapping[bytes, Iterable[int]], until: int
    ) -> Signed:
        """E1: these tokens for new ones at these places."""
        wanted = [Wanted(brand=b, blinded=self._blinded(b, Lane.EXCHANGE, places[b])) for b in sorted(places)]
        order = ExchangeQ(bank=bank, payments=self._payments(given), wanted=tuple(wanted), until=until)
        return self.signer_of(given).sign(order)

    def is_whole(self, held: Held) -> bool:
        """True if this part is all of its token."""
        return held.amount == self.brands[held.brand].denomination

    def choose(self, free: Sequence[Held], contract: Contract) -> list[Held] | None:
        """Tokens that pay this contract's price exactly, or None; where it wants a receipt, one of them has its own key
        to sign it with."""
        chosen = self.paying(free, contract.price)
        unsigned = contract.receipt and not any(held.has_own_key for held in chosen or ())
        return None if unsigned else chosen

    def paying(self, free: Sequence[Held], price: int) -> list[Held] | None:
        """Tokens that are worth this price exactly, or None. If the owner pays in parts, the last one may be a part of
        what is free: what the others lack."""
        available, lacking = Counter(held.amount for held in free), 0
        payment = exact_payment(price, available)
        if payment is None and self.habits.in_parts and (broken := to_break(price, available)):
            amount, lacking = broken
            payment = Counter(exact_payment(price - lacking, available)) + Counter([amount])
        if payment is None or sum(payment.values()) > PAYMENTS_MAX:
            return None
        chosen = []
        for held in free:
            if payment.get(held.amount, 0):
                payment[held.amount] -= 1
                chosen.append(held)
        if lacking:
            last = max(at for at, held in enumerate(chosen) if held.amount == amount)
            chosen[last] = replace(chosen[last], amount=lacking)
        return chosen

    def authorization_q(
        self, bank: bytes, transaction: Transaction, chosen: Sequence[Held], receiver_key: bytes = b""
    ) -> Signed:
        """P2 over these tokens, signed with all their keys."""
        payments = self._payments(chosen)
        q = AuthorizationQ(bank=bank, transaction=transaction, receiver_key=receiver_key, payments=payments)
        return self.signer_of(chosen).sign(q)

    def goods_q(self, goods_m: Signed, merchant: bytes, number: bytes, chosen: Sequence[Held]) -> Signed:
        """CD2: the receipt for P1, signed with the key of one of these tokens, which serves it alone: merchant and log
        see it, and "only the bank can link repeated uses of the same key" (paper, Reusable Customer Keys)."""
        receiver = min((self._key(held) for held in chosen if held.has_own_key), key=lambda key: key.public)
        return Signer(self.network, receiver).sign(GoodsQ(merchant=merchant, number=number, goods_m=goods_m.hash))

    def _key(self, held: Held) -> SigningKey:
        return self.secrets(held.brand, held.lane, held.position).key

    def signer_of(self, tokens: Sequence[Held]) -> Signer:
        """Signs with every distinct q."""
        distinct = {key.public: key for key in map(self._key, tokens)}
        return Signer(self.network, *distinct.values())

    def _payments(self, tokens: Sequence[Held]) -> tuple[Payment, ...]:
        """One payment for each token, whatever parts of it go into it."""
        amounts: Counter[bytes] = Counter()
        for held in tokens:
            amounts[held.id] += held.amount
        by_id = {held.id: self._token(held) for held in tokens}
        return tuple(Payment(token=by_id[id], amount=amounts[id]) for id in sorted(by_id))

    def _token(self, held: Held) -> Token:
        assert held.signature is not None, "a token is complete before it is spent"
        secrets = self.secrets(held.brand, held.lane, held.position)
        public_key, serial = secrets.key.public, secrets.serial
        return Token(brand=held.brand, public_key=public_key, serial=serial, signature=held.signature)

    def holdings(self, rows: Iterable[tuple[bytes, str, int, int]], now: int) -> tuple[Holding, ...]:
        """What the owner is shown: whole tokens by their denomination, parts of others by the unit."""
        counts: Counter[tuple[bytes, str, int, str]] = Counter()
        for brand_id, state, amount, count in rows:
            if brand := self.brands.get(brand_id):
                whole = amount == brand.denomination
                shown = LOST if state == FREE and expired(brand.ends, now) else state
                counts[brand.bank, brand.currency, amount if whole else 1, shown] += count if whole else count * amount
        return tuple(
            Holding(bank=bank, currency=currency, denomination=each, state=state, count=count)
            for (bank, currency, each, state), count in counts.items()
        )

    def ending(self, rows: Iterable[tuple[bytes, str, int, int]], now: int) -> tuple[Ending, ...]:
        """What is free of brands that have ended, or not yet exchanged of those that are to be left."""
        amounts: Counter[tuple[int, bytes, str, int]] = Counter()
        for brand_id, state, amount, count in rows:
            brand = self.brands.get(brand_id)
            if brand is None or brand.renewed_from > now:
                continue
            if state == FREE or (state == EXCHANGING and not expired(brand.ends, now)):
                amounts[brand.ends, brand.bank, brand.currency, int(self.is_left(brand, now))] += amount * count
        return tuple(
            Ending(
                bank=bank, currency=currency, amount=amount, ends=ends, over=int(expired(ends, now)), renewed=renewed
            )
            for (ends, bank, currency, renewed), amount in sorted(amounts.items())[-ENDING_MAX:]
        )
