"""The consumer's desk for paying: which tokens pay for goods that have come, until when, and P2 over them.

    CD2.  C -> M   [goods_m]_q                                  goods_q, where the contract wants a receipt
    P2.   C -> B   [B, n, expiration, M, L, payments]_q         authorization_q

The tokens are bound durably before anything is sent over them; a sale that has begun keeps its transaction.
"""

from __future__ import annotations

from anonnet.errors import Malformed
from anonnet.parties.errands import done, request
from anonnet.parties.heeding import Heeding
from anonnet.parties.ordering import about
from anonnet.parties.purse import Purse
from anonnet.parties.reading import Reading
from anonnet.parties.resting import Resting
from anonnet.parties.settling import Settling
from anonnet.parties.tokens import Tokens
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.goods import GoodsQ
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import Time, TimeOf
from anonnet.protocol.network import Network
from anonnet.protocol.refusal import Noted
from anonnet.protocol.transaction import Transaction, expired
from anonnet.store import wallet
from anonnet.store.tokens import LOCKED, Held
from anonnet.store.wallet import Bought, WalletStore
from anonnet.times import CLAIM_SECONDS, LOG_CLOCK_SECONDS_MAX

WalletTurn = Turn[WalletStore]


class Paying:
    """The desk for P2."""

    def __init__(
        self,
        network: Network,
        purse: Purse,
        resting: Resting,
        tokens: Tokens,
        settling: Settling,
        reading: Reading,
        heeding: Heeding,
    ) -> None:
        self._network = network
        self._logs = network.logs
        self._purse = purse
        self._resting = resting
        self._tokens = tokens
        self._settling = settling
        self._reading = reading
        self._heeding = heeding

    @on(Time, by=From.ERRAND)
    def time(self, turn: WalletTurn, asked: Asked[Time]) -> Answer:
        """Choose tokens and expiration, bind them durably, then send P2: for every purchase that waits for it."""
        log = asked.body.log
        if request(asked) != TimeOf(log=log) or asked.signer != self._logs[log].key:
            raise Malformed("a time of another log")
        for bought in turn.store.timing(log):
            self._pay(turn, bought, asked.body)
        return done(turn, asked)

    def _pay(self, turn: WalletTurn, bought: Bought, time: Time) -> None:
        wish = bought.buy
        if complaint := self._heeding.complaint(turn, wish.log):
            turn.store.move(bought.id, wallet.REFUSED, complaint)
            return
        if abs(time.time - turn.now) > LOG_CLOCK_SECONDS_MAX:
            turn.store.move(bought.id, wallet.REFUSED, "the log's clock and this machine's are too far apart")
            return
        free = self._resting.free(turn, bought, time.time + wish.lead)
        chosen = self._purse.choose(free, bought.terms.contract)
        if chosen is not None:
            self._authorize(turn, bought, chosen, time)
        elif self._tokens.change(turn, bought, free):
            turn.store.move(bought.id, wallet.CHANGING)
        else:
            bank = self._network.called(wish.bank)
            lack = f"the wallet has not enough free tokens in {wish.currency} of {bank}: withdraw more"
            turn.store.move(bought.id, wallet.REFUSED, self._resting.lack(turn, bought) or lack)

    def _authorize(self, turn: WalletTurn, bought: Bought, chosen: list[Held], time: Time) -> None:
        wish = bought.buy
        transaction = Transaction(
            number=bought.terms.number,
            expiration=time.time + wish.lead,
            merchant=wish.merchant,
            log=wish.log,
            entry_key=bought.terms.entry_key,
        )
        if turn.store.by_outcome_key(transaction.outcome_key):  # one outcome would end both
            turn.store.move(bought.id, wallet.REFUSED, "the merchant gave another order the same number")
            return
        self._reading.begin(turn, transaction, time.size(shard_of(transaction.expiration)))
        self._lock(turn, bought, transaction, chosen)
        turn.store.move(bought.id, wallet.AUTHORIZING)
        self._settling.await_outcome(turn, transaction, subject=bought.id)

    def _lock(self, turn: WalletTurn, bought: Bought, transaction: Transaction, chosen: list[Held]) -> None:
        """Bind the tokens durably, then send P2 over them; where the contract wants a receipt, that first.

        Where the merchant is gone, and the log too, only the bank can end it: it is asked when claims are over. What P2
        tells it then is no more than in any sale, and nothing comes of it."""
        wish, offer, due = bought.buy, bought.goods_m, turn.now
        assert offer is not None
        if bought.terms.contract.receipt:
            goods_q = self._purse.goods_q(offer, wish.merchant, transaction.number, chosen)
            signed = self._purse.authorization_q(wish.bank, transaction, chosen, goods_q.signatures[0].signer)
            turn.store.errands.add(wish.merchant, goods_q, subject=bought.id, due=turn.now)
            due = transaction.expiration + CLAIM_SECONDS + 1  # or as soon as the receipt is noted
        else:
            signed = self._purse.authorization_q(wish.bank, transaction, chosen)
        turn.store.errands.add(wish.bank, signed, subject=bought.id, due=due)
        turn.store.tokens.bind(chosen, LOCKED, bought.id)
        turn.store.keep_authorization_q(bought.id, transaction.outcome_key, signed)

    @on(Noted, by=From.ERRAND, to=(GoodsQ,))  # CD2
    def goods_q_noted(self, turn: WalletTurn, asked: Asked[Noted]) -> Answer:
        """The merchant has his receipt, without which he would take no P3."""
        bought = about(turn, asked)
        assert bought.authorization_q is not None
        turn.store.errands.add(bought.buy.bank, bought.authorization_q, subject=bought.id, due=turn.now)
        return done(turn, asked)

    def pay_otherwise(self, turn: WalletTurn, bought: Bought, transaction: Transaction) -> bool:
        """Pay the same transaction with other tokens, if there are some. No bank can ever take the P2 before: a token
        of it is spent."""
        free = self._resting.free(turn, bought, transaction.expiration)
        chosen = self._purse.choose(free, bought.terms.contract)
        late = expired(transaction.expiration, turn.now)
        if chosen is None or late or self._heeding.complaint(turn, transaction.log):
            return False
        self._lock(turn, bought, transaction, chosen)
        return True
