"""Refusals and acknowledgements.

A refusal names the request by its hash and carries what justifies it. It is final when its evidence shows that the
request can never be granted, or when the request's own deadline has passed; else it means "not now". NOT_NOW is never
final.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import EVIDENCE_MAX, FRAME_MAX, KIB
from anonnet.protocol.fields import Hash, Name
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Between, Message, message
from anonnet.wire.signed import Signed

NOT_NOW = Why.FULL, Why.INCIDENT
"""Reasons that say nothing of the request, nor of what was done with it before: only that it was not looked at."""
DETAIL_MAX = 200
"""Characters of what is said beside the reason, for people."""


@message(Step.REFUSED, signed=True, frame_max=FRAME_MAX)
class Refusal(Message):
    """Signed by the party that refuses: which request, why, and the signed messages that justify it."""

    request: Hash
    why: Name
    detail: Annotated[str, Between(0, 4 * DETAIL_MAX)]
    evidence: Annotated[tuple[Signed, ...], Between(0, EVIDENCE_MAX)]

    def check(self) -> None:
        if self.why not in set(Why):
            raise Malformed(f"no such reason: {self.why}")

    @classmethod
    def of(cls, request: Signed, refused: Refused) -> Refusal:
        """What a party says when it has refused a request."""
        detail = refused.detail[:DETAIL_MAX]
        return cls(request=request.hash, why=refused.why.value, detail=detail, evidence=refused.evidence)


@message(Step.NOTED, signed=False, frame_max=KIB)
class Noted(Message):
    """The request with this hash has been taken in durably; nothing else is to be said."""

    request: Hash
