"""Watching a daemon, over its owner's control socket: its steps as they happen, its health. Never said between parties.

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
    step_name: Name
    sender: NameOrNobody
    receiver: NameOrNobody
    size: Count
    milliseconds: Count


@message(Step.HEALTH_OF, signed=False, frame_max=KIB)
class HealthOf(Message):
    """Owner -> daemon: how are you?"""


@message(Step.HEALTH, signed=False, frame_max=KIB)
class Health(Message):
    """Daemon -> owner: counts since it started, and connections (of a relay: circuits) that are open now.

    A daemon with incidents needs someone to look at the files in its folder `incidents`.
    """

    incidents: Count
    turns: Count
    commits: Count
    connections: Count
