"""What a paper claims to be, as whoever brings it says it: nothing is checked here."""

from __future__ import annotations

from anonnet.errors import Malformed
from anonnet.protocol.account import Credit, Statement
from anonnet.protocol.brand import Brand
from anonnet.protocol.breach import Alert
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import GoodsM, GoodsQ
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.outcome import is_commit
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate, Receipt
from anonnet.protocol.recovery import State, StateOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.signed import Signed

NAMES: dict[type[Message], str] = {
    GoodsM: "goods_m",
    GoodsQ: "goods_q",
    AuthorizationQ: "authorization_q",
    AuthorizationB: "authorization_b",
    Abort: "abort",
    ExchangeQ: "exchange_q",
    ExchangeB: "exchange_b",
    StateOf: "state_of",
    State: "state",
    Refusal: "refusal",
    Credit: "credit",
    Statement: "statement",
    WithdrawC: "withdraw_c",
    Brand: "brand",
    Receipt: "receipt",
    Alert: "alert",
}
"""What a judge reads, under the paper's names and ours; and commits, whatever their form."""


def identity_of(signed: Signed) -> tuple[bytes, ...]:
    """What makes two papers one: the same words by the same signers."""
    return signed.body, *(each.signer for each in signed.signatures)


def order_of(signed: Signed) -> int:
    """When its turn comes to be checked against others: brands first, commits and exchange_b last."""
    if any(claims_to_be(signed, kind) for kind in (Commit, Certificate, ExchangeB)):
        return 1 if is_anchor(signed) else 2
    return 0 if claims_to_be(signed, Brand) else 1


def is_anchor(signed: Signed) -> bool:
    """True for an entry of a log's chain that holds the last checkpoint of a shard."""
    try:
        said = decode(signed.body) if signed.step == Certificate.step else None
        return isinstance(said, Certificate) and said.recorded.kind == EntryKind.ANCHOR
    except Malformed:
        return False


def claims_to_be(signed: Signed, kind: type[Message]) -> bool:
    """True if it is of this kind's step."""
    try:
        return signed.step == kind.step
    except Malformed:
        return False


def name_of(signed: Signed) -> str:
    """What it is called."""
    try:
        if is_anchor(signed):
            return "anchor"
        if is_commit(signed):
            return "commit"
        return NAMES.get(STEPS[signed.step], STEPS[signed.step].__name__)
    except (Malformed, KeyError):
        return "bytes"
