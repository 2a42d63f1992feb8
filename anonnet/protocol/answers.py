"""Which answer each request may have, and whose refusal of it counts.

A party takes as the answer to its request only what stands here: else whoever is asked could put any step it likes in
the place of an answer, and move a sale that it was not asked about.
"""

from __future__ import annotations

from typing import Any

from anonnet.errors import Malformed
from anonnet.protocol.account import Claim, Credit, OpenAccount, Statement, StatementOf
from anonnet.protocol.brand import Brand, Brands, BrandsOf
from anonnet.protocol.breach import Alert, Alerts, AlertsOf
from anonnet.protocol.dispute import Dispute, Redress
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import Catalogue, CatalogueOf, Chunk, ChunkOf, GoodsM, GoodsQ, Order
from anonnet.protocol.logbook import (
    CheckpointIs,
    CheckpointOf,
    CheckpointsSeen,
    Entries,
    Follow,
    NewestOf,
    OutcomeOf,
    Time,
    TimeOf,
    Undecided,
)
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, Pledge, Pledged, Receipt
from anonnet.protocol.recovery import Restore, State, StateOf, Used, UsedOf
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.relaying import Join, Joined
from anonnet.protocol.sealed import Submission
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Checked, Signed

ANSWERS: dict[type[Message], tuple[type[Message], ...]] = {
    WithdrawC: (WithdrawB,),
    ExchangeQ: (ExchangeB,),
    Restore: (WithdrawB,),
    StateOf: (State,),
    UsedOf: (Used,),
    AuthorizationQ: (AuthorizationB,),
    AuthorizationB: (Noted,),
    AuthorizationM: (Commit, Receipt),
    Pledge: (Pledged,),
    Submission: (Commit, Pledged, Receipt),
    CertificateOf: (Certificate, Undecided),
    ProofsOf: (Proofs,),
    Commit: (Noted,),
    Certificate: (Noted,),
    Abort: (Noted,),
    OpenAccount: (Noted,),
    StatementOf: (Statement,),
    BrandsOf: (Brands,),
    Brand: (Noted,),
    Claim: (Credit,),
    Dispute: (Redress,),
    CatalogueOf: (Catalogue,),
    Order: (GoodsM,),
    ChunkOf: (Chunk,),
    GoodsQ: (Noted,),
    OutcomeOf: (Commit, Certificate, Abort, Undecided),
    Follow: (Entries,),
    CheckpointOf: (CheckpointIs,),
    NewestOf: (CheckpointIs,),
    CheckpointsSeen: (Noted, Alert),
    TimeOf: (Time,),
    Alert: (Noted,),
    AlertsOf: (Alerts,),
    Join: (Joined,),
}
"""Every request between parties, and what may be said to it; a signed refusal may be said to each but `Join`."""


def check_answer(request: Signed, key: bytes, answer: Checked[Any]) -> None:
    """Raise Malformed unless this may answer the request that we sent to the party which signs with this key."""
    asked, said = decode(request.body), answer.body
    if isinstance(said, Refusal | Redress):
        if answer.signer != key:
            raise Malformed(f"a {type(said).__name__.lower()} by another party than was asked")
    if not isinstance(said, Refusal) and type(said) not in ANSWERS.get(type(asked), ()):
        raise Malformed(f"{type(said).__name__} is no answer to {type(asked).__name__}")
    if isinstance(said, Refusal | Noted | Redress) and said.request != request.hash:
        raise Malformed("an answer to another request")
