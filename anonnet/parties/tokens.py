"""The consumer's desk for tokens: withdrawal (W1, W2) and exchange (E1, E2); what the bank proves of their use.

An index is taken durably before anything made from it is sent, and never again. Exchange makes change where no exact
payment is there, and gives new tokens for those that the bank has seen with a sale that aborted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import BLINDED_MAX, RENEW_MAX, RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.moments import moment
from anonnet.parties.purse import Purse
from anonnet.parties.resting import Resting
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.brand import Brand
from anonnet.protocol.coins import denominations_for, to_break
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.history import used_by
from anonnet.protocol.local import ROWS_MAX, Account, OpenAt, Started, Wallet, WalletOf, Withdraw
from anonnet.protocol.logbook import TimeOf
from anonnet.protocol.network import Network, Role
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.token import Payment
from anonnet.protocol.transaction import Transaction, expired
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store import wallet
from anonnet.store.recovery import Place
from anonnet.store.tokens import EXCHANGED, EXCHANGING, FREE, RESTORED, VOID, Held
from anonnet.store.wallet import Bought, WalletStore
from anonnet.times import (
    BRAND_MARGIN_SECONDS,
    EXCHANGE_PATIENCE_SECONDS,
    FOLLOWING_SECONDS,
    RESTORE_SPREAD_SECONDS,
    SETTLE_SECONDS,
    WITHDRAW_PATIENCE_SECONDS,
)
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed

WalletTurn = Turn[WalletStore]


def ask_time(turn: WalletTurn, bought: Bought) -> None:
    """The goods are here, and perhaps change: expirations are chosen from the log's time. One errand for each log."""
    turn.store.move(bought.id, wallet.TIMING)
    log = bought.buy.log
    turn.store.errands.add(log, TimeOf(log=log), subject=log, due=turn.now)


class Tokens:
    """The desk for tokens."""

    def __init__(self, network: Network, purse: Purse, resting: Resting) -> None:
        self._network = network
        self._purse = purse
        self._resting = resting

    # Withdrawal.

    @on(OpenAt, by=From.OWNER)
    def open_at(self, turn: WalletTurn, asked: Asked[OpenAt]) -> Answer:
        bank = asked.body.bank
        order = self._purse.signer(bank).sign(OpenAccount(bank=bank))
        turn.store.errands.add(bank, order, subject=order.hash, due=turn.now)
        return Answer(Started(subject=order.hash))

    @on(Noted, by=From.ERRAND, to=(OpenAccount,))
    def account_opened(self, turn: WalletTurn, asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    @on(Withdraw, by=From.OWNER)  # W1
    def withdraw(self, turn: WalletTurn, asked: Asked[Withdraw]) -> Answer:
        """Advance the lanes, then ask for signatures over what stands there."""
        wish = asked.body
        if turn.store.recovery.under_way(self._purse.brands_at(wish.bank)):
            raise Refused(Why.FULL, "the wallet is recovering: withdraw when it knows what it has there")
        if turn.store.recovery.forgotten(wish.bank):
            raise Refused(Why.FULL, "the wallet does not know what its seed has there: run wallet recover first")
        open_brands = self._purse.open_brands(wish.bank, wish.currency, turn.now)
        if not open_brands:
            raise Refused(Why.NOT_OPEN, f"the bank has no brand in {wish.currency} open, by this machine's clock")
        counts = denominations_for(wish.amount, open_brands)
        if counts is None:
            raise Refused(Why.NO_EXACT_AMOUNT, "the bank has no open brands that make up this amount")
        subject = b""
        for denomination, count in counts.items():
            for taken in range(0, count, BLINDED_MAX):
                subject = self._withdraw(turn, open_brands[denomination], min(BLINDED_MAX, count - taken))
        return Answer(Started(subject=subject))

    def _withdraw(self, turn: WalletTurn, brand: bytes, count: int) -> bytes:
        lane = self._purse.habits.lane
        places = turn.store.tokens.advance(brand, lane, count)
        until = turn.now + WITHDRAW_PATIENCE_SECONDS
        order = self._purse.withdraw_c(brand, lane, places, until)
        self._expect(turn, order, lane, {brand: places})
        bank = self._purse.brands[brand].bank
        turn.store.errands.add(bank, order, subject=order.hash, due=turn.now)
        return order.hash

    def _expect(self, turn: WalletTurn, order: Signed, lane: Lane, places: Mapping[bytes, Sequence[int]]) -> None:
        for brand, positions in places.items():
            for position in positions:
                token, worth = self._purse.secrets(brand, lane, position).id, self._purse.brands[brand].denomination
                turn.store.tokens.expect((brand, lane, position), token, worth, order.hash)

    @on(WithdrawB, by=From.ERRAND, to=(WithdrawC,))  # W2
    def withdraw_b(self, turn: WalletTurn, asked: Asked[WithdrawB]) -> Answer:
        """Unblind: "C has Q*"."""
        hash = answered(asked).hash
        self._resting.withdrawn(turn, turn.store.tokens.expected(hash), asked.entropy)
        self._keep(turn, hash, asked.body.signatures)
        return done(turn, asked)

    def _keep(self, turn: WalletTurn, source: bytes, signatures: Sequence[bytes]) -> None:
        expected = turn.store.tokens.expected(source)
        if len(expected) != len(signatures):
            raise Malformed("another number of signatures than was asked for")
        for held, signature in zip(expected, signatures, strict=True):
            token = self._purse.secrets(held.brand, held.lane, held.position).token(signature)
            turn.store.tokens.keep(held, token.signature)

    @on(Refusal, by=From.ERRAND, to=(WithdrawC,))
    def withdrawal_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Final past the request's own deadline; else not now. A bank that has dropped the brand looks no further."""
        order, why = request(asked), asked.body.why
        assert isinstance(order, WithdrawC)
        dropped = why == Why.BAD_BRAND and self.dropped([order.brand], turn.now)
        if not (why == Why.EXPIRED or dropped) or not expired(order.until, turn.now):
            return later(turn, asked, RETRY_SECONDS_MAX)
        turn.store.tokens.give_up(answered(asked).hash)
        return done(turn, asked)

    # Exchange.

    def change(self, turn: WalletTurn, bought: Bought, free: Sequence[Held]) -> bool:
        """Begin the exchange of one token so that the price can be paid exactly, and signed for under a key that serves
        nothing else; False if nothing helps."""
        wish, price = bought.buy, bought.terms.contract.price
        if broken := to_break(price, Counter(held.amount for held in free)):
            worth, missing = broken
            given, parts = next(held for held in free if held.amount == worth), [missing, worth - missing]
        elif chosen := self._purse.paying(free, price):
            given, parts = chosen[0], [chosen[0].amount]
        else:
            return False
        wanted = self._making(turn, wish.bank, wish.currency, parts)
        return bool(wanted) and self._exchange_for(turn, [given], wanted, subject=bought.id)

    def renew(self, turn: WalletTurn, seen: Sequence[Held], *, wait: int = 0) -> None:
        """Exchange what is free and belongs together in the bank's eyes for tokens of the same amounts."""
        for start in range(0, len(seen), BLINDED_MAX):
            batch = seen[start : start + BLINDED_MAX]
            brand = self._purse.brands[batch[0].brand]
            wanted = self._making(turn, brand.bank, brand.currency, [held.amount for held in batch])
            if wanted:
                self._exchange_for(turn, batch, wanted, wait=wait)

    def _making(self, turn: WalletTurn, bank: bytes, currency: str, amounts: Sequence[int]) -> Counter[bytes]:
        """How many tokens of which open brands make each of these amounts by itself; none where one cannot be made."""
        open_brands = self._purse.open_brands(bank, currency, turn.now)
        counts: Counter[bytes] = Counter()
        for amount in amounts:
            made = denominations_for(amount, open_brands)
            if made is None:
                return Counter()
            counts.update({open_brands[each]: count for each, count in made.items()})
        return counts

    def leave(self, turn: WalletTurn, brand: Brand, entropy: bytes) -> None:
        """Exchange what is free of a brand that is to be left: token by token, RENEW_MAX at a time, and another one
        when one has been answered."""
        if not self._purse.is_left(brand, turn.now):
            return
        if turn.store.recovery.under_way(self._purse.brands_at(brand.bank)):
            return
        more = RENEW_MAX - len(turn.store.tokens.in_state(EXCHANGING, [brand.id]))
        for held in turn.store.tokens.free([brand.id])[: max(0, more)]:
            self.renew(turn, [held], wait=moment(entropy + held.id, RESTORE_SPREAD_SECONDS))

    def renew_rests(self, turn: WalletTurn, bound: bytes) -> None:
        """What is left of tokens that have paid in part: the bank has seen them."""
        self.renew(turn, [held for held in turn.store.tokens.rests(bound) if not self._purse.is_whole(held)])

    def release(self, turn: WalletTurn, purchase: bytes) -> None:
        """The sale has failed, and the bank knows: what it held is free. The bank has seen it with a sale, so it is
        exchanged for others."""
        released = turn.store.tokens.release(purchase)
        self.renew(turn, [held for held in released if self._purse.is_whole(held)])
        self.renew_rests(turn, purchase)

    def _exchange_for(
        self,
        turn: WalletTurn,
        given: Sequence[Held],
        counts: Mapping[bytes, int],
        *,
        subject: bytes = b"",
        wait: int = 0,
    ) -> bool:
        """Begin an exchange for so many tokens of each brand; False if one cannot be for so many, or too many of a
        brand are awaited already."""
        if sum(counts.values()) > BLINDED_MAX:
            return False
        if any(turn.store.tokens.room(brand, Lane.EXCHANGE) < count for brand, count in counts.items()):
            return False
        places = {brand: turn.store.tokens.advance(brand, Lane.EXCHANGE, counts[brand]) for brand in sorted(counts)}
        until = self._done_until(given[0].brand, places) if len(given) == 1 and not subject else 0
        self._exchange(turn, given, places, subject=subject, wait=wait, until=until)
        return True

    def _exchange(
        self,
        turn: WalletTurn,
        given: Sequence[Held],
        places: Mapping[bytes, Sequence[int]],
        *,
        subject: bytes = b"",
        wait: int,
        until: int = 0,
    ) -> None:
        """`subject`: the purchase that waits for it, if there is one. `until`: late no sooner than that."""
        bank = self._purse.brands[given[0].brand].bank
        until = max(until, turn.now + wait + EXCHANGE_PATIENCE_SECONDS)
        order = self._purse.exchange_q(bank, given, places, until)
        self._expect(turn, order, Lane.EXCHANGE, places)
        turn.store.tokens.bind(given, EXCHANGING, order.hash)
        turn.store.errands.add(bank, order, subject=subject or order.hash, due=turn.now + wait)

    def _done_until(self, given: bytes, wanted: Iterable[bytes]) -> int:
        """As long as the bank exchanges a token of one brand for these: what nobody waits for is late no sooner, though
        the wallet be off. The second is the same for all wallets. After it another brand may be open."""
        return min(self._purse.brands[given].ends, *(self._purse.brands[each].closes for each in wanted))

    @on(ExchangeB, by=From.ERRAND)  # E2
    def exchange_b(self, turn: WalletTurn, asked: Asked[ExchangeB]) -> Answer:
        hash = answered(asked).hash
        given = turn.store.tokens.bound_to(hash)
        self._resting.exchanged(turn, given, turn.store.tokens.expected(hash))
        self._keep(turn, hash, asked.body.signatures)
        turn.store.tokens.move_all(hash, EXCHANGED)
        turn.store.unexchanged.drop(hash)
        for brand in sorted({held.brand for held in given}):
            self.leave(turn, self._purse.brands[brand], asked.entropy)
        return self._resume(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(ExchangeQ,))
    def exchange_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Final with evidence and past the deadline, by a word that binds the bank or where a brand given has ended, or
        is over and dropped. A token that a sale still locks may come free with its end."""
        order, hash, why = request(asked), answered(asked).hash, asked.body.why
        assert isinstance(order, ExchangeQ)
        turn.store.unexchanged.keep(answered(asked).request, why, asked.signed, self._kept(order))
        spent = self.proven_spent(asked.body, order.payments)
        given = [payment.token.brand for payment in order.payments]
        ended = why == Why.NOT_OPEN and expired(min(self._ends(given)), turn.now)
        dropped = why == Why.BAD_BRAND and self.dropped(given, turn.now)
        over = (why == Why.EXPIRED or ended or dropped) and expired(order.until, turn.now)
        if not spent and why == Why.BAD_BLINDED:
            return self._recall(turn, asked)
        if not spent and not over:
            return later(turn, asked, _seconds_locked(asked.body, turn.now))
        turn.store.tokens.let_go(hash, spent)
        turn.store.tokens.give_up(hash)
        if spent:
            self.renew(turn, [held for held in turn.store.tokens.bound_to(hash) if held.state == FREE])
        return self._resume(turn, asked)

    def _kept(self, order: ExchangeQ) -> int:
        """Until when the bank can show what it has done with an exchange; so long its refusal is worth something."""
        given, wanted = [each.token.brand for each in order.payments], [each.brand for each in order.wanted]
        return max(self._ends([*given, *wanted])) + BRAND_MARGIN_SECONDS

    def _ends(self, brands: Iterable[bytes]) -> list[int]:
        """When these brands end."""
        return [self._purse.brands[brand].ends for brand in brands]

    def dropped(self, brands: Iterable[bytes], now: int) -> bool:
        """True if their bank may have dropped one of these brands. One that it misses before, it may find again."""
        return expired(min(self._ends(brands)) + BRAND_MARGIN_SECONDS, now)

    def _recall(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Another copy of this wallet has taken some of these places: ask which, while the tokens given stay bound."""
        hash = answered(asked).hash
        turn.store.tokens.give_up(hash)
        for held in turn.store.tokens.expected(hash):
            self.ask_for(turn, held.place, due=turn.now)
        return done(turn, asked)

    def ask_for(self, turn: WalletTurn, place: Place, *, due: int) -> None:
        """RESTORE what stands at this place."""
        errand = self._purse.restore(place)
        turn.store.recovery.ask(turn.store.errands.add(errand.bank, errand, subject=errand.brand, due=due), place)

    def recalled(self, turn: WalletTurn, source: bytes) -> None:
        """When all places of a refused exchange have been asked for: what stands there is this wallet's too, and the
        exchange is done at the others, and at new ones in place of those taken."""
        given = [held for held in turn.store.tokens.bound_to(source) if held.state == EXCHANGING]
        expected = turn.store.tokens.expected(source)
        if not given or turn.store.errands.get(source) or any(map(turn.store.recovery.waits_for, places_of(expected))):
            return
        for held in given:
            turn.store.tokens.move(held, FREE)
        taken = Counter(held.brand for held in expected if held.state != VOID)
        for held in expected:  # where its brand is recovered, it is compared first, like all others
            if held.state == RESTORED and not turn.store.recovery.under_way([held.brand]):
                turn.store.tokens.move(held, FREE)
        places: dict[bytes, list[int]] = {brand: [] for brand in sorted({held.brand for held in expected})}
        for held in expected:
            places[held.brand] += [held.position] if held.state == VOID else []
        tokens, lane = turn.store.tokens, Lane.EXCHANGE
        if all(tokens.room(brand, lane, but=places[brand]) >= count for brand, count in taken.items()):
            places = {b: sorted(at + tokens.advance(b, lane, taken[b], but=at)) for b, at in places.items()}
            self._exchange(turn, given, places, wait=0 if taken else RETRY_SECONDS_MAX)
        else:
            self._look_again(turn)

    def _resume(self, turn: WalletTurn, asked: Asked[ExchangeB] | Asked[Refusal]) -> Answer:
        answer = done(turn, asked)
        self._look_again(turn)
        return answer

    def _look_again(self, turn: WalletTurn) -> None:
        """Purchases that waited for change look again at what is there, unless theirs is still on its way."""
        for bought in turn.store.changing():
            if not turn.store.errands.about(bought.id):
                ask_time(turn, bought)

    def proven_spent(
        self, refusal: Refusal, payments: tuple[Payment, ...], sale: Transaction | None = None
    ) -> dict[bytes, int]:
        """The tokens among `payments` of which so much is used for good, by the evidence and otherwise than in `sale`,
        that less remains than is asked for; and how much. Raises Malformed.

        One that is locked elsewhere, and no more, may still come free: that is "not now".
        """
        used = used_by(self._network.name, self._network.logs, refusal.evidence)
        left = {}
        for payment in payments:
            taken = sum(amount for user, amount in used.get(payment.token.id, {}).items() if user != sale)
            remaining = self._purse.brands[payment.token.brand].denomination - taken
            if payment.amount > remaining:
                left[payment.token.id] = max(0, remaining)
        return left

    # What the owner asks.

    @on(WalletOf, by=From.OWNER)
    def wallet_of(self, turn: WalletTurn, asked: Asked[WalletOf]) -> Answer:
        """Tokens of brands that have left the network file, long after their end, are not shown any more."""
        banks = [peer.identity for peer in self._network.all(Role.BANK)[:ROWS_MAX]]
        held = turn.store.tokens.holdings()
        return Answer(
            Wallet(
                accounts=tuple(Account(bank=bank, key=self._purse.account(bank).public) for bank in banks),
                holdings=self._purse.holdings(held, turn.now),
                withdrawals=turn.store.tokens.withdrawals(),
                purchases=tuple(turn.store.purchases(most=ROWS_MAX)),
                ending=self._purse.ending(held, turn.now),
            )
        )


def places_of(tokens: Iterable[Held]) -> list[Place]:
    """Where these tokens stand."""
    return [held.place for held in tokens]


def _seconds_locked(refusal: Refusal, now: int) -> int:
    """How long a token is locked by the sale that the evidence shows; where that should be over, a usual pause."""
    sales = [decode(paper.body) for paper in refusal.evidence if paper.step == AuthorizationQ.step]
    ends = max((sale.transaction.expiration for sale in sales if isinstance(sale, AuthorizationQ)), default=0)
    seconds = ends + SETTLE_SECONDS + FOLLOWING_SECONDS - now
    return seconds if seconds > 0 else RETRY_SECONDS_MAX
