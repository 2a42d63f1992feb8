"""Withdrawal (paper, section "Withdrawal and Exchange"): W1 and W2.

W1.  C -> B   [B, brand, blinded messages, until]_c   withdraw_c
W2.  B -> C   the signatures                          withdraw_b
"""

from __future__ import annotations

from typing import Annotated

from anonnet.crypto.blind import check_blinded
from anonnet.errors import Malformed
from anonnet.limits import BLINDED_MAX, KIB
from anonnet.protocol.brand import Brand
from anonnet.protocol.fields import Hash, Key, Modulus, Seconds
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Between, Message, message


@message(Step.W1, signed=True, frame_max=24 * KIB)
class WithdrawC(Message):
    """W1, C -> B, signed by the account key: debit my account and sign these. After `until` a refusal is final."""

    bank: Key
    brand: Hash
    blinded: Annotated[tuple[Modulus, ...], Between(1, BLINDED_MAX)]
    until: Seconds

    def check(self) -> None:
        if len(set(self.blinded)) != len(self.blinded):
            raise Malformed("one blinded message twice")

    def check_for(self, brand: Brand) -> None:
        """Raise Malformed unless the bank may sign every blinded message under this brand's key."""
        for blinded in self.blinded:
            check_blinded(brand.public_key, blinded)


@message(Step.W2, signed=False, frame_max=24 * KIB)
class WithdrawB(Message):
    """W2, B -> C: the blind signatures, in the order of the blinded messages."""

    signatures: Annotated[tuple[Modulus, ...], Between(1, BLINDED_MAX)]
