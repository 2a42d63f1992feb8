"""What a party's owner has its daemon ask others, and what he hears where there is no answer.

As in `local`, no step of these is ever taken from the network. What answers them is not the party: they are about the
outside.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import FRAME_MAX, KIB
from anonnet.protocol.fields import Hash, Key, Units
from anonnet.protocol.local import Local
from anonnet.protocol.refusal import DETAIL_MAX
from anonnet.wire.codec import Between, Message, message


@message(Local.FORWARD, signed=False, frame_max=FRAME_MAX)
class Forward(Message):
    """Owner of a wallet: ask this party this, on a connection of its own, and give me the answer."""

    receiver: Hash
    request: Annotated[bytes, Between(1, 16 * KIB)]


@message(Local.FORWARDED, signed=False, frame_max=FRAME_MAX)
class Forwarded(Message):
    """The answer's step, and what stood in its frame."""

    answer_step: Annotated[int, Between(1, 2**16 - 1)]
    answer: Annotated[bytes, Between(1, FRAME_MAX - KIB)]


@message(Local.UNREACHED, signed=False, frame_max=KIB)
class Unreached(Message):
    """The party that was to be asked has not answered; `why` is for people. It may have got the request."""

    why: Annotated[str, Between(0, 4 * DETAIL_MAX)]


@message(Local.NOT_READY, signed=False, frame_max=KIB)
class NotReady(Message):
    """The daemon cannot be asked yet; `why` is for people."""

    why: Annotated[str, Between(0, 4 * DETAIL_MAX)]


@message(Local.STATEMENT_AT, signed=False, frame_max=KIB)
class StatementAt(Message):
    """Owner of an account: get my bank's signed statement from this entry on."""

    bank: Key
    start: Units
