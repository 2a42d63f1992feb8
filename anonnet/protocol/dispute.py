"""Disputes between parties that run (paper, section "Correctness and Atomicity"): the accused has the evidence first.

Whoever holds papers shows them to whom they bind, with what he claims by them. What they prove is done without a judge,
and the answer holds the papers that show it: a credit, a commit and with it the merchandise key, what remains of a
token. What they do not prove is refused, with the reason and with what the accused has himself of the sale. Anybody may
bring a dispute: he gains nothing by it but what the papers say is owed to those whom they name.
"""

from __future__ import annotations

import enum
from typing import Annotated

from anonnet.errors import Malformed
from anonnet.limits import DISPUTE_BYTES_MAX, DISPUTE_PAPERS_MAX, EVIDENCE_MAX, FRAME_MAX, PAYMENTS_MAX
from anonnet.protocol.fields import Hash, Name
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Between, Message, message
from anonnet.wire.signed import Signed

REDRESS_PAPERS_MAX = PAYMENTS_MAX + EVIDENCE_MAX
"""A word on each token of a payment, and what shows their use."""


class Demand(enum.StrEnum):
    """What may be claimed of a party that runs, in the judge's words."""

    CREDIT = "credit"  # of a bank, by commit and authorization_b: credit the merchant
    SPENT = "spent"  # of a bank, by authorization_q: show what became of it, and with the commit the key; by
    # exchange_q: show what was made for it
    RELEASE = "release"  # of a bank, by abort and authorization_q: let the tokens go
    REFUSAL = "refusal"  # of a bank, by what it refused, and its refusal: show the evidence, or take it back
    DELIVERY = "delivery"  # of a merchant, by goods_m and authorization_b: the commit, and with it the key


@message(Step.DISPUTE, signed=True, frame_max=DISPUTE_BYTES_MAX)
class Dispute(Message):
    """Anyone who holds them -> whom they bind: these papers, and what is claimed by them.

    Signed by any key (a wallet draws one that serves for nothing else); where it is about tokens, by their keys: "The
    consumer can use abort and q to demand that the token be unlocked".
    """

    accused: Hash
    claim: Name
    papers: Annotated[tuple[Signed, ...], Between(1, DISPUTE_PAPERS_MAX)]

    def check(self) -> None:
        if self.claim not in set(Demand):
            raise Malformed(f"no such claim: {self.claim}")


@message(Step.REDRESS, signed=True, frame_max=FRAME_MAX)
class Redress(Message):
    """The accused -> who showed the papers: what they prove is done, as these papers of his show."""

    request: Hash
    papers: Annotated[tuple[Signed, ...], Between(1, REDRESS_PAPERS_MAX)]
