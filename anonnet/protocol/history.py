"""What shows that a token is used for good: authorization_q together with its commit, or exchange_q.

"The bank can use commit and authorization_q to justify (to the consumer) marking the token spent" (paper, section
"Correctness and Atomicity"). Authorization_q alone shows only that the token is locked: its sale may still abort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from anonnet.protocol.exchange import ExchangeQ, check_exchange_q
from anonnet.protocol.purchase import AuthorizationB, AuthorizationQ, Commit, check_authorization_q, committed
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction
from anonnet.wire.signed import Signed, checked


def spent_by(network: str, logs: Mapping[bytes, bytes], papers: Iterable[Signed]) -> dict[bytes, Transaction | None]:
    """Tokens that these papers prove spent, with the transaction that they paid for (None: they were exchanged).

    `logs` are the signing keys of the logs that count. Raises Malformed where a paper does not hold.
    """
    spent: dict[bytes, Transaction | None] = {}
    locked: dict[Transaction, tuple[Payment, ...]] = {}
    for paper in papers:
        if paper.step == AuthorizationQ.step:
            order = checked(network, paper, AuthorizationQ)
            check_authorization_q(order)
            locked[order.body.transaction] = order.body.payments
        elif paper.step == ExchangeQ.step:
            exchange = checked(network, paper, ExchangeQ)
            check_exchange_q(exchange)
            spent |= {payment.token.id: None for payment in exchange.body.payments}
        elif paper.step == Commit.step:
            transaction = _recorded(network, logs, paper)
            spent |= {payment.token.id: transaction for payment in locked.get(transaction, ())}
    return spent


def paid_by_another(network: str, bank: bytes, papers: Iterable[Signed], transaction: Transaction) -> bool:
    """True if these papers hold the bank's promise for this transaction; in a refusal of P2 it is for another payment.

    The refusal itself, signed over the hash of that P2, shows that the bank has not taken it. Raises Malformed where a
    paper does not hold.
    """
    promises = [checked(network, paper, AuthorizationB) for paper in papers if paper.step == AuthorizationB.step]
    return any(each.signer == bank and each.body.transaction == transaction for each in promises)


def _recorded(network: str, logs: Mapping[bytes, bytes], commit: Signed) -> Transaction:
    signers = {each.signer for each in commit.signatures}
    key = next((key for key in logs.values() if key in signers), b"")
    return committed(network, key, commit).transaction
