"""What a wallet asks that has only its seed left (design: the wallet is a seed).

RESTORE asks for a blind signature that the bank has made before: whoever asks needs the blinding factor to use the
answer, so nobody has to say who she is, and nothing is debited. STATE asks what became of one token, and shows its
history to its key alone. USED tells everybody which tokens are gone, so that most of a wallet's questions need not be
asked one by one; a day's together (USED_SECONDS), since one by one they would tell each sale's amount (paper, Table 1).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from anonnet.crypto.hashing import H, Label
from anonnet.errors import Malformed
from anonnet.limits import FRAME_MAX, KIB, USED_MAX
from anonnet.protocol.fields import Flag, Hash, Key, Modulus, Units
from anonnet.protocol.steps import Step
from anonnet.protocol.token import Token
from anonnet.wire.codec import Between, Message, message

USED_NAME_BYTES = 16
"""A used token's published name: enough that no two are alike, and of no use to who does not know the token."""

UsedName = Annotated[bytes, Between(USED_NAME_BYTES, USED_NAME_BYTES)]


@message(Step.RESTORE, signed=False, frame_max=KIB)
class Restore(Message):
    """C -> B, by nobody in particular: the signature of this blinded message, if you have made it before.

    The answer is withdraw_b with one signature. It never debits.
    """

    bank: Key
    brand: Hash
    blinded: Modulus


@message(Step.STATE_OF, signed=True, frame_max=2 * KIB)
class StateOf(Message):
    """C -> B, signed by the token's q: what remains of it? `channel` is the hash of the handshake it is asked on."""

    bank: Key
    token: Token
    channel: Hash


@message(Step.STATE, signed=True, frame_max=KIB)
class State(Message):
    """B -> C, signed by the bank: this much of the token can still be spent. A used one is a refusal with evidence."""

    token: Hash
    remaining: Units


@message(Step.USED_OF, signed=False, frame_max=KIB)
class UsedOf(Message):
    """Anyone -> B: which tokens of this brand are used, from the name after `after` on (empty: from the first)?

    What was used today (UTC) is told tomorrow.
    """

    bank: Key
    brand: Hash
    after: Annotated[bytes, Between(0, USED_NAME_BYTES)]


@message(Step.USED, signed=False, frame_max=FRAME_MAX)
class Used(Message):
    """B -> anyone: a page of used tokens' names in ascending order; more follow if `more` is 1."""

    names: Annotated[tuple[UsedName, ...], Between(0, USED_MAX)]
    more: Flag

    def check(self) -> None:
        if any(left >= right for left, right in pairwise(self.names)):
            raise Malformed("names do not stand in ascending order")
        if self.more and not self.names:
            raise Malformed("an empty page, and more to come")

    def check_after(self, asked: UsedOf) -> None:
        """Raise Malformed unless this page follows the name that was asked after: pages come to an end."""
        if self.names and self.names[0] <= asked.after:
            raise Malformed("a page of names that were not asked for")


def used_name(token: bytes) -> bytes:
    """The published name of a used token: the first bytes of H("anonnet used", token id)."""
    return H(Label.USED, token)[:USED_NAME_BYTES]
