"""The consumer's purse: tokens made from her seed, chosen for a price, and signed away.

Stateless: which tokens there are, and which are free, stands in her store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from anonnet.crypto.keys import SigningKey
from anonnet.limits import PAYMENTS_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.coins import exact_payment
from anonnet.protocol.local import Holding, Withdraw
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.seed import Lane, TokenSecrets, account_key
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.store.wallet import Held
from anonnet.wire.signed import Signed, Signer


class Purse:
    """A seed, and the brands whose tokens are accepted."""

    def __init__(self, network: str, seed: bytes, brands: Iterable[Brand]) -> None:
        self.network = network
        self.brands = {brand.id: brand for brand in brands}
        self._seed = seed

    def account(self, bank: bytes) -> SigningKey:
        """The key of the account at this bank."""
        return account_key(self._seed, bank)

    def signer(self, bank: bytes) -> Signer:
        """Signs what the bank may know of the account's owner."""
        return Signer(self.network, self.account(bank))

    def brands_of(self, bank: bytes, currency: str) -> list[bytes]:
        """The ids of a bank's brands in one currency."""
        return [brand.id for brand in self.brands.values() if (brand.bank, brand.currency) == (bank, currency)]

    def open_brands(self, wish: Withdraw, now: int) -> list[Brand]:
        """The brands from which can be withdrawn now."""
        named = [self.brands[id] for id in self.brands_of(wish.bank, wish.currency)]
        return [brand for brand in named if brand.opens <= now <= brand.closes]

    def secrets(self, brand: bytes, lane: Lane, position: int) -> TokenSecrets:
        """The secrets of the token at one place."""
        return TokenSecrets.at(self._seed, self.brands[brand], lane, position)

    def withdraw_c(self, brand: Brand, secrets: Sequence[TokenSecrets], until: int) -> Signed:
        """W1 for these tokens."""
        blinded = tuple(each.blinded().blinded_message for each in secrets)
        order = WithdrawC(bank=brand.bank, brand=brand.id, blinded=blinded, until=until)
        return self.signer(brand.bank).sign(order)

    def worth(self, held: Held) -> int:
        """The denomination of a token."""
        return self.brands[held.brand].denomination

    def choose(self, free: Sequence[Held], price: int) -> list[Held] | None:
        """Tokens that pay this price exactly, or None."""
        payment = exact_payment(price, Counter(self.worth(held) for held in free))
        if payment is None or sum(payment.values()) > PAYMENTS_MAX:
            return None
        chosen = []
        for held in free:
            if payment.get(self.worth(held), 0):
                payment[self.worth(held)] -= 1
                chosen.append(held)
        return chosen

    def authorization_q(self, bank: bytes, transaction: Transaction, chosen: Sequence[Held]) -> Signed:
        """P2 over these tokens, signed with all their keys."""
        payments = sorted((self._payment(held) for held in chosen), key=lambda payment: payment.token.id)
        keys = [self.secrets(held.brand, held.lane, held.position).key for held in chosen]
        q = AuthorizationQ(bank=bank, transaction=transaction, payments=tuple(payments))
        return Signer(self.network, *keys).sign(q)

    def _payment(self, held: Held) -> Payment:
        assert held.signature is not None, "a token is complete before it is spent"
        public = self.secrets(held.brand, held.lane, held.position).key.public
        token = Token(brand=held.brand, public_key=public, signature=held.signature)
        return Payment(token=token, amount=self.worth(held))

    def holding(self, brand_id: bytes, state: str, count: int) -> Holding:
        """One line of what the owner is shown."""
        brand = self.brands[brand_id]
        return Holding(
            bank=brand.bank, currency=brand.currency, denomination=brand.denomination, state=state, count=count
        )
