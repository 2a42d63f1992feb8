"""The few kinds of error that anonnet itself raises.

Malformed: these bytes are not our protocol; whoever sent them loses the connection.
Refused:   a party understood the request and will not do it, for a reason, with what evidence there is.
Fatal:     what is stored can no longer be trusted to be what was said; the daemon ends at once and answers nobody.
BadStart:  a daemon's configuration, keys or data folder do not allow it to start; one sentence that says what to do.

Everything else is either the world (OSError, trio's own; only `net` sees those) or a bug.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any


class Malformed(Exception):
    """These bytes, or these values, are not a message of this protocol."""


class BadStart(Exception):
    """The daemon cannot start as it is set up; the text says what to do next."""


class Fatal(Exception):
    """Storage failed, or the ledger does not sum to zero. Nothing that is not yet said may be said."""


class Why(enum.StrEnum):
    """Reasons of a refusal, as they stand on the wire. What each one means for the asker is in docs/wire.md."""

    WRONG_RECEIVER = "wrong-receiver"
    WRONG_SIGNER = "wrong-signer"
    UNKNOWN = "unknown"  # no such account, item, order or transaction here
    EXPIRED = "expired"
    TOO_SOON = "too-soon"  # the expiration leaves no time to act
    TOO_LATE = "too-late"  # the expiration, or a claim, lies beyond what is served
    UNDECIDED = "undecided"  # neither commit nor abort can be given yet
    FORGOTTEN = "forgotten"  # past the retention delay: no statement is made any more
    OVERDRAFT = "overdraft"
    NOT_OPEN = "not-open"  # the brand's withdrawal or spending window is closed
    BAD_BRAND = "bad-brand"
    BAD_TOKEN = "bad-token"
    BAD_BLINDED = "bad-blinded"  # a blinded message the bank may not sign, or one that it already signed for another
    BAD_AMOUNT = "bad-amount"
    BAD_CURRENCY = "bad-currency"
    TOKEN_USED = "token-used"  # evidence: the earlier authorization_q, and the commit where there is one
    SALE_AUTHORIZED = "sale-authorized"  # evidence: the promise over another payment; or the commit
    SALE_ABORTED = "sale-aborted"  # evidence: the abort
    NOT_PLEDGED = "not-pledged"  # the key of a sale whose pledge does not stand here yet
    NUMBER_USED = "number-used"
    BAD_KEY = "bad-key"  # the merchandise key is not the one that the transaction number promised
    BAD_GOODS = "bad-goods"
    WRONG_PRICE = "wrong-price"
    NO_RECEIPT = "no-receipt"  # the contract wants goods_q, and it is not here; or it wants none, and Q is named
    WRONG_LOG = "wrong-log"
    LOG_CONVICTED = "log-convicted"  # evidence: the alert
    NO_EXACT_AMOUNT = "no-exact-amount"
    FULL = "full"  # a named limit is reached; ask again later
    UNPROVEN = "unproven"  # the papers of a dispute do not prove the claim; evidence: what this party has of the sale
    INCIDENT = "incident"  # a fault of this party; the detail names its incident file


class Refused(Exception):
    """A party will not do what was asked. `evidence` holds the signed messages (wire.signed.Signed) that justify it."""

    def __init__(self, why: Why, detail: str = "", *, evidence: Sequence[Any] = ()) -> None:
        super().__init__(f"{why.value}{': ' if detail else ''}{detail}")
        self.why = why
        self.detail = detail
        self.evidence = tuple(evidence)
