"""What shows that a token is used for good: authorization_q together with its commit, or exchange_q.

"The bank can use commit and authorization_q to justify (to the consumer) marking the token spent" (paper, section
"Correctness and Atomicity"). Authorization_q alone shows only that the token is locked: its sale may still abort.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from anonnet.errors import Malformed, Refused
from anonnet.protocol.exchange import ExchangeQ, check_exchange_q
from anonnet.protocol.outcome import Logs, committed, is_commit, recorded_in
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ, check_authorization_q
from anonnet.protocol.transaction import Transaction
from anonnet.wire.signed import Signed, checked

Uses = dict[Transaction | bytes, int]
"""How much of a token is used for good: by the sale that it paid for, or by the hash of the exchange that took it."""


def used_by(network: str, logs: Logs, papers: Iterable[Signed]) -> dict[bytes, Uses]:
    """The uses that these papers prove, by token. `logs` are those that count. Raises Malformed where a paper does not
    hold."""
    used: dict[bytes, Uses] = defaultdict(dict)
    locked: dict[bytes, AuthorizationQ] = {}
    for paper in papers:
        if paper.step == AuthorizationQ.step:
            order = checked(network, paper, AuthorizationQ)
            check_authorization_q(order)
            locked[order.body.transaction.outcome_key] = order.body
        elif paper.step == ExchangeQ.step:
            exchange = checked(network, paper, ExchangeQ)
            check_exchange_q(exchange)
            for payment in exchange.body.payments:
                used[payment.token.id][paper.hash] = payment.amount
        elif is_commit(paper):
            q = locked.get(_recorded(network, logs, paper).outcome_key)
            if q and committed(network, logs[q.transaction.log], paper, q.transaction):
                for payment in q.payments:
                    used[payment.token.id][q.transaction] = payment.amount
    return dict(used)


def paid_by_another(network: str, bank: bytes, papers: Iterable[Signed], transaction: Transaction) -> bool:
    """True if these papers hold the bank's promise for this transaction; in a refusal of P2 it is for another payment.

    The refusal itself, signed over the hash of that P2, shows that the bank has not taken it. Raises Malformed where a
    paper does not hold.
    """
    promises = [checked(network, paper, AuthorizationB) for paper in papers if paper.step == AuthorizationB.step]
    return any(each.signer == bank and each.body.transaction.public == transaction.public for each in promises)


def _recorded(network: str, logs: Logs, commit: Signed) -> Transaction:
    try:
        return recorded_in(network, logs, commit)
    except Refused as refused:
        raise Malformed(f"a commit that does not count: {refused}") from None
