"""How long an errand may wait, and what becomes of those that a clock which stood ahead has put off for longer.

`due` is a second of the party's own clock. Where that stood weeks ahead, as before a time server was heard, and is set
right, whatever was asked meanwhile would sleep for these weeks: a claim until it is late, say.
"""

from __future__ import annotations

import math

from anonnet.protocol.logbook import OutcomeOf
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.store.errands import Errands
from anonnet.times import CLAIM_SECONDS, CLOCK_TOLERANCE_SECONDS, RESTORE_SPREAD_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import Message

WAIT_SECONDS_MAX = RESTORE_SPREAD_SECONDS
"""What is spread waits for so long at most, and a usual pause is shorter. A token that a sale locks may be asked about
once too often."""


def due_by(request: Message, now: int) -> int:
    """The last second that a right clock, at `now`, may have put this request off to."""
    named = 0
    if isinstance(request, OutcomeOf):
        named = request.transaction.expiration + SETTLE_SECONDS + 1
    elif isinstance(request, AuthorizationQ):  # sent no sooner: without a receipt it would lock tokens for nothing
        named = request.transaction.expiration + CLAIM_SECONDS + 1
    return max(named, now + WAIT_SECONDS_MAX)


class Waiting:
    """Looks after the errands of one party at its start, and whenever its clock has fallen."""

    def __init__(self) -> None:
        self._newest = math.inf

    def catch_up(self, errands: Errands, now: int) -> None:
        """In an open transaction: what no right clock has put off so far is due now."""
        if now + CLOCK_TOLERANCE_SECONDS < self._newest:
            self._newest = now
            for due, hash in errands.due_after(now + WAIT_SECONDS_MAX):
                errand = errands.get(hash)
                if errand is not None and due > due_by(errand.message, now):
                    errands.postpone(hash, now)
        self._newest = max(self._newest, now)
