"""Exchange (paper, section "Withdrawal and Exchange"): E1 and E2.

    E1.  C -> B   [B, tokens with amounts, brands and blinded messages, until]_q   exchange_q
    E2.  B -> C   the signatures                                                   exchange_b

"A token may be anonymously exchanged for a new token in a similar fashion by replacing the consumer's public key with
the token's single-use key." The paper leaves the token outside the signature; here everything is inside, so that a key
that serves several tokens cannot be made to give up another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

from anonnet.crypto.blind import check_blinded, is_blind_signature
from anonnet.errors import Malformed
from anonnet.limits import BLINDED_MAX, BRANDS_MAX, KIB, PAYMENTS_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.fields import Hash, Key, Modulus, Seconds
from anonnet.protocol.steps import Step
from anonnet.protocol.token import Payment, check_payments, signers_of, value_of
from anonnet.wire.codec import Between, Message, Record, message, record
from anonnet.wire.signed import Checked


@record
class Wanted(Record):
    """New tokens of one brand: the blinded messages that the bank shall sign."""

    brand: Hash
    blinded: Annotated[tuple[Modulus, ...], Between(1, BLINDED_MAX)]

    def check_for(self, brand: Brand) -> None:
        """Raise Malformed unless the bank may sign every blinded message under this brand's key."""
        for blinded in self.blinded:
            check_blinded(brand.public_key, blinded)


@message(Step.E1, signed=True, frame_max=96 * KIB)
class ExchangeQ(Message):
    """E1, C -> B, signed by every token's q: take these tokens and sign these. After `until` a refusal is final."""

    bank: Key
    payments: Annotated[tuple[Payment, ...], Between(1, PAYMENTS_MAX)]
    wanted: Annotated[tuple[Wanted, ...], Between(1, BRANDS_MAX)]
    until: Seconds

    def check(self) -> None:
        check_payments(self.payments)
        if any(left.brand >= right.brand for left, right in pairwise(self.wanted)):
            raise Malformed("brands do not stand in ascending order")
        messages = [(each.brand, blinded) for each in self.wanted for blinded in each.blinded]
        if len(set(messages)) != len(messages):
            raise Malformed("one blinded message twice")
        if len(messages) > BLINDED_MAX:
            raise Malformed(f"more than {BLINDED_MAX} blinded messages")

    @property
    def signers(self) -> tuple[bytes, ...]:
        """Who must sign: every distinct q, in ascending order."""
        return signers_of(self.payments)

    @property
    def value(self) -> int:
        """What is given in all."""
        return value_of(self.payments)


@message(Step.E2, signed=False, frame_max=24 * KIB)
class ExchangeB(Message):
    """E2, B -> C: the blind signatures, in the order of the brands and of their blinded messages."""

    signatures: Annotated[tuple[Modulus, ...], Between(1, BLINDED_MAX)]

    def answers(self, order: ExchangeQ, brands: Mapping[bytes, Brand]) -> bool:
        """True if this is all that was asked for, under these brands of its bank. Of what a wallet has blinded nobody
        else can make it, and nobody else can use it."""
        wanted = [(brands.get(each.brand), blinded) for each in order.wanted for blinded in each.blinded]
        return len(wanted) == len(self.signatures) and all(
            brand is not None and brand.bank == order.bank and is_blind_signature(brand.public_key, blinded, made)
            for (brand, blinded), made in zip(wanted, self.signatures, strict=True)
        )


def check_exchange_q(asked: Checked[ExchangeQ]) -> None:
    """Raise Malformed unless exactly the tokens' keys have signed, over everything."""
    if asked.signers != asked.body.signers:
        raise Malformed("exchange_q is signed by exactly the tokens' keys")
