"""What a consumer says to the relay (paper, section "Assumptions": "a fifth party, an anonymizer").

The relay joins the connection to a party of the network; from then on it carries bytes, which are a second channel from
end to end. It is told the party's identity, never an address.
"""

from __future__ import annotations

from anonnet.limits import KIB
from anonnet.protocol.fields import Hash
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Message, message


@message(Step.JOIN, signed=False, frame_max=KIB)
class Join(Message):
    """C -> relay: join this connection to that party."""

    party: Hash


@message(Step.JOINED, signed=False, frame_max=KIB)
class Joined(Message):
    """relay -> C: what follows on this connection is between you and that party."""

    party: Hash
