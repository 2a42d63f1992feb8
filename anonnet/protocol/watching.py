"""Watching a party's steps as they happen, over its owner's control socket. Local: never said between parties.

What is told: which step, between whom (by the names of the network file), how large, how long it took. No addresses, no
keys, no amounts.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import KIB, NAME_MAX
from anonnet.protocol.fields import Name
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Between, Message, message

Count = Annotated[int, Between(0, 2**53)]
NameOrNobody = Annotated[str, Between(0, NAME_MAX)]
"""Empty for who is not known: whoever opened a connection to us."""


@message(Step.WATCH, signed=False, frame_max=KIB)
class Watch(Message):
    """Owner -> daemon: tell me every step from now on. Answered by any number of Happened."""


@message(Step.HAPPENED, signed=False, frame_max=KIB)
class Happened(Message):
    """Daemon -> owner: one message has been said and taken in, `milliseconds` after its exchange began."""

    time_ms: Count
    step: Name
    sender: NameOrNobody
    receiver: NameOrNobody
    bytes: Count
    milliseconds: Count
