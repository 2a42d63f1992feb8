"""The consumer: withdraws tokens and buys goods with them (paper, sections "Withdrawal and Exchange", "Purchase").

She is known to the bank when she withdraws and to nobody when she buys. She authorizes payment only when the whole
sealed goods have come, for the price and under the description that the merchant signed; her tokens come back unless
the log has published the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import (
    BLINDED_MAX,
    CARRY_SECONDS,
    CLAIM_SECONDS,
    ENTRIES_MAX,
    RETRY_SECONDS_MAX,
    SETTLE_SECONDS,
    WITHDRAW_PATIENCE_SECONDS,
)
from anonnet.parties.following import check_range, commits_among
from anonnet.parties.purse import Purse
from anonnet.parties.turn import Answer, Asked, From, Party, Turn, on
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.brand import Brand
from anonnet.protocol.coins import denominations_for
from anonnet.protocol.goods import GoodsM, Order, order_id
from anonnet.protocol.history import paid_by_another, spent_by
from anonnet.protocol.local import ROWS_MAX, Buy, OpenAt, PurchaseOf, Started, Wallet, WalletOf, Withdraw
from anonnet.protocol.logbook import Entries, Follow, OutcomeOf, Time, TimeOf, Undecided
from anonnet.protocol.network import Network, Role
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ, Commit, aborted, committed
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.transaction import Transaction, expired
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.store import wallet
from anonnet.store.wallet import Bought, Held, WalletStore
from anonnet.wire.codec import Message, decode
from anonnet.wire.signed import Signed, Signer

WalletTurn = Turn[WalletStore]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The daemon brings it: all sealed chunks are there, durable, and their root is the one that P1 signed."""

    purchase: bytes


@dataclass(frozen=True, slots=True)
class Unfetched:
    """The daemon brings it: the merchant does not hand out the goods."""

    purchase: bytes
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The daemon brings it: the goods are open at `path`; `as_described`: hash, root and size are the contract's."""

    purchase: bytes
    path: str
    as_described: bool


class Consumer(Party):
    """C. Holds the purse, which makes tokens from the wallet's seed, and the parties of her network."""

    def __init__(self, network: Network, seed: bytes, brands: Iterable[Brand]) -> None:
        super().__init__(Signer(network.name))
        self.parties = network
        self.logs = network.logs
        self.purse = Purse(network.name, seed, brands)

    def sign(self, said: Message) -> Signed:
        """Sign with the key of her account at the bank that is named; refusals to her owner with that of no bank."""
        return self.purse.signer(getattr(said, "bank", b"")).sign(said)

    # Withdrawal.

    @on(OpenAt, by=From.OWNER)
    def open_at(self, turn: WalletTurn, asked: Asked[OpenAt]) -> Answer:
        bank = asked.body.bank
        request = self.sign(OpenAccount(bank=bank))
        turn.store.errands.add(bank, request, subject=request.hash, due=turn.now)
        return Answer(Started(subject=request.hash))

    @on(Withdraw, by=From.OWNER)  # W1
    def withdraw(self, turn: WalletTurn, asked: Asked[Withdraw]) -> Answer:
        """Advance the lanes, then ask for signatures over what stands there."""
        wish = asked.body
        open_brands = {brand.denomination: brand for brand in self.purse.open_brands(wish, turn.now)}
        counts = denominations_for(wish.amount, list(open_brands))
        if counts is None:
            raise Refused(Why.NO_EXACT_AMOUNT, "the bank has no open brands that make up this amount")
        subject = b""
        for denomination, count in counts.items():
            for taken in range(0, count, BLINDED_MAX):
                batch = min(BLINDED_MAX, count - taken)
                subject = self._withdraw(turn, open_brands[denomination], batch)
        return Answer(Started(subject=subject))

    def _withdraw(self, turn: WalletTurn, brand: Brand, count: int) -> bytes:
        places = turn.store.advance(brand.id, Lane.WITHDRAWAL, count)
        secrets = [self.purse.secrets(brand.id, Lane.WITHDRAWAL, place) for place in places]
        request = self.purse.withdraw_c(brand, secrets, turn.now + WITHDRAW_PATIENCE_SECONDS)
        for place, each in zip(places, secrets, strict=True):
            turn.store.expect(brand.id, Lane.WITHDRAWAL, place, each.id, request.hash)
        turn.store.errands.add(brand.bank, request, subject=request.hash, due=turn.now)
        return request.hash

    @on(WithdrawB, by=From.ERRAND)  # W2
    def withdraw_b(self, turn: WalletTurn, asked: Asked[WithdrawB]) -> Answer:
        """Unblind: "C has Q*"."""
        assert asked.answers is not None
        expected = turn.store.withdrawn(asked.answers.hash)
        if len(expected) != len(asked.body.signatures):
            raise Malformed("withdraw_b has another number of signatures than withdraw_c asked for")
        for held, signature in zip(expected, asked.body.signatures, strict=True):
            token = self.purse.secrets(held.brand, held.lane, held.position).token(signature)
            turn.store.keep(held.id, token.signature)
        turn.store.errands.end(asked.answers.hash)
        return Answer()

    # Purchase: P1.

    @on(Buy, by=From.OWNER)
    def buy(self, turn: WalletTurn, asked: Asked[Buy]) -> Answer:
        """Order the item under a fresh download secret."""
        wish, secret = asked.body, asked.entropy
        known = [(wish.merchant, Role.MERCHANT), (wish.bank, Role.BANK), (wish.log, Role.LOG)]
        for identity, role in known:
            peer = self.parties.peer(identity)
            if peer is None or peer.role is not role:
                raise Refused(Why.UNKNOWN, f"no such {role} in this network")
        purchase = order_id(secret)
        turn.store.begin_purchase(purchase, wish, secret)
        order = Order(merchant=wish.merchant, item=wish.item, secret=secret)
        turn.store.errands.add(wish.merchant, order, subject=purchase, due=turn.now)
        return Answer(Started(subject=purchase))

    @on(GoodsM, by=From.ERRAND)  # P1
    def goods_m(self, turn: WalletTurn, asked: Asked[GoodsM]) -> Answer:
        """ "Upon receipt, the consumer verifies that the contract is acceptable" (paper, Purchase)."""
        bought = self._about(turn, asked)
        if asked.signer != bought.buy.merchant:
            raise Malformed("goods_m is signed by another than the merchant")
        turn.store.errands.end_all(bought.id)
        turn.store.keep_goods_m(bought.id, asked.signed)
        complaint = bought.buy.complaint(asked.body, turn.now)
        turn.store.move(bought.id, wallet.REFUSED if complaint else wallet.FETCHING, complaint)
        return Answer()

    @on(Fetched, by=From.OWNER)
    def fetched(self, turn: WalletTurn, asked: Asked[Fetched]) -> Answer:
        """The sealed goods are here: only now is paying considered. Expirations are chosen from the log's time."""
        bought = self._purchase(turn, asked.body.purchase)
        if bought.state == wallet.FETCHING:
            turn.store.move(bought.id, wallet.TIMING)
            log = bought.buy.log  # all purchases that wait for the time of one log share the errand
            turn.store.errands.add(log, TimeOf(log=log), subject=log, due=turn.now)
        return Answer()

    @on(Unfetched, by=From.OWNER)
    def unfetched(self, turn: WalletTurn, asked: Asked[Unfetched]) -> Answer:
        bought = self._purchase(turn, asked.body.purchase)
        if bought.state == wallet.FETCHING:
            turn.store.move(bought.id, wallet.REFUSED, asked.body.detail)
        return Answer()

    # Purchase: P2.

    @on(Time, by=From.ERRAND)
    def time(self, turn: WalletTurn, asked: Asked[Time]) -> Answer:
        """Choose tokens and expiration, bind them durably, then send P2: for every purchase that waits for it."""
        log = asked.body.log
        if self._request(asked) != TimeOf(log=log) or asked.signer != self.logs[log]:
            raise Malformed("a time of another log")
        for bought in turn.store.timing(log):
            self._pay(turn, bought, asked.body)
        return self._done(turn, asked)

    def _pay(self, turn: WalletTurn, bought: Bought, time: Time) -> None:
        wish = bought.buy
        free = turn.store.free_tokens(self.purse.brands_of(wish.bank, wish.currency))
        chosen = self.purse.choose(free, bought.terms.contract.price)
        if chosen is None:
            detail = "no exact amount: withdraw tokens that make up the price"
            turn.store.move(bought.id, wallet.REFUSED, detail)
            return
        self._authorize(turn, bought, chosen, time)

    def _authorize(self, turn: WalletTurn, bought: Bought, chosen: list[Held], time: Time) -> None:
        wish = bought.buy
        transaction = Transaction(
            number=bought.terms.number,
            expiration=time.time + wish.lead,
            merchant=wish.merchant,
            log=wish.log,
        )
        signed = self.purse.authorization_q(wish.bank, transaction, chosen)
        turn.store.lock([held.id for held in chosen], bought.id)
        turn.store.keep_authorization_q(bought.id, transaction.outcome_key, signed)
        turn.store.move(bought.id, wallet.AUTHORIZING)
        errands, settled = turn.store.errands, transaction.expiration + SETTLE_SECONDS + 1
        errands.add(wish.bank, signed, subject=bought.id, due=turn.now)
        errands.add(wish.log, OutcomeOf(transaction=transaction), subject=bought.id, due=settled)
        bundle = time.size - time.size % ENTRIES_MAX  # rounded down, so that the start is no cookie
        errands.add(wish.log, Follow(log=wish.log, start=bundle), subject=wish.log, due=turn.now)

    # Purchase: P3 and the outcome.

    @on(AuthorizationB, by=From.ERRAND)  # P3
    def authorization_b(self, turn: WalletTurn, asked: Asked[AuthorizationB]) -> Answer:
        """The bank has promised. If nothing comes of it soon, she takes the promise to the merchant herself."""
        bought = self._about(turn, asked)
        q = self._request(asked)
        assert isinstance(q, AuthorizationQ)
        promise = AuthorizationB.answering(q, bought.terms.contract.currency)
        if asked.signer != bought.buy.bank or asked.body != promise:
            raise Malformed("authorization_b does not answer this authorization_q")
        if bought.state == wallet.AUTHORIZING:
            turn.store.keep_authorization_b(bought.id, asked.signed)
            turn.store.move(bought.id, wallet.AUTHORIZED)
            due = turn.now + CARRY_SECONDS
            turn.store.errands.add(bought.buy.merchant, asked.signed, subject=bought.id, due=due)
        claims_end = promise.transaction.expiration + CLAIM_SECONDS  # whatever becomes of the log, P2 is asked then
        return self._later(turn, asked, max(claims_end + 1 - turn.now, RETRY_SECONDS_MAX))

    @on(Entries, by=From.ERRAND)
    def entries(self, turn: WalletTurn, asked: Asked[Entries]) -> Answer:
        """Find the commit among what the log publishes; follow on as long as a purchase waits."""
        follow = self._request(asked)
        assert isinstance(follow, Follow)
        check_range(asked.body, follow.start)
        known = turn.store.by_outcome_key
        for key, commit in commits_among(asked.body, self.logs[follow.log], lambda key: known(key) is not None):
            bought = known(key)
            assert bought is not None
            self._commit(turn, bought, commit)
        if not asked.body.entries and turn.store.waits_for(follow.log):
            return Answer()
        if turn.store.waits_for(follow.log):
            further = Follow(log=follow.log, start=follow.start + len(asked.body.entries))
            turn.store.errands.add(follow.log, further, subject=follow.log, due=turn.now)
        return self._done(turn, asked)

    @on(Commit, by=From.ERRAND)  # P5a
    def commit(self, turn: WalletTurn, asked: Asked[Commit]) -> Answer:
        self._commit(turn, self._about(turn, asked), asked.signed)
        return Answer()

    def _commit(self, turn: WalletTurn, bought: Bought, commit: Signed) -> None:
        recorded = committed(self.network, self.logs[bought.buy.log], commit)
        if recorded.transaction != bought.transaction:
            raise Malformed("the commit is of another transaction")
        if bought.state in (wallet.AUTHORIZING, wallet.AUTHORIZED):
            turn.store.keep_outcome(bought.id, commit)
            turn.store.move(bought.id, wallet.COMMITTED)
            turn.store.move_tokens(bought.id, wallet.SPENT)
            turn.store.errands.end_all(bought.id)

    @on(Opened, by=From.OWNER)
    def opened(self, turn: WalletTurn, asked: Asked[Opened]) -> Answer:
        bought = self._purchase(turn, asked.body.purchase)
        if bought.state == wallet.COMMITTED:
            turn.store.keep_path(bought.id, asked.body.path)
            detail = "" if asked.body.as_described else "the goods are not what the contract describes"
            turn.store.move(bought.id, wallet.DISPUTED if detail else wallet.DONE, detail)
        return Answer()

    @on(Abort, by=From.ERRAND)  # P5b
    def abort(self, turn: WalletTurn, asked: Asked[Abort]) -> Answer:
        """The sale has failed: show the bank, and only when it has noted that are the tokens free."""
        bought = self._about(turn, asked)
        if aborted(self.network, self.logs[bought.buy.log], asked.signed) != bought.transaction:
            raise Malformed("the abort is of another transaction")
        if bought.state in (wallet.AUTHORIZING, wallet.AUTHORIZED):
            turn.store.keep_outcome(bought.id, asked.signed)
            turn.store.move(bought.id, wallet.ABORTED)
            turn.store.move_tokens(bought.id, wallet.RELEASING)
            turn.store.errands.end_all(bought.id)
            turn.store.errands.add(bought.buy.bank, asked.signed, subject=bought.id, due=turn.now)
        return Answer()

    @on(Undecided, by=From.ERRAND)
    def undecided(self, turn: WalletTurn, asked: Asked[Undecided]) -> Answer:
        """The log's clock is behind ours: ask again when it should have passed the expiration."""
        behind = asked.body.transaction.expiration + SETTLE_SECONDS - asked.body.time
        return self._later(turn, asked, max(1, min(behind, RETRY_SECONDS_MAX)))

    @on(Noted, by=From.ERRAND)
    def noted(self, turn: WalletTurn, asked: Asked[Noted]) -> Answer:
        assert asked.answers is not None
        if asked.body.request != asked.answers.hash:
            raise Malformed("an acknowledgement of another request")
        if isinstance(self._request(asked), Abort):
            turn.store.move_tokens(asked.answers.subject, wallet.FREE)
        return self._done(turn, asked)

    # Refusals.

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Final with evidence, or past the request's own deadline; else "not now"."""
        assert asked.answers is not None
        if asked.body.request != asked.answers.hash:
            raise Malformed("a refusal of another request")
        request, refusal = self._request(asked), asked.body
        if isinstance(request, WithdrawC) and refusal.why == Why.EXPIRED and expired(request.until, turn.now):
            turn.store.give_up(asked.answers.hash)
            return self._done(turn, asked)
        if isinstance(request, Order) and refusal.why not in (Why.FULL, Why.INCIDENT):
            turn.store.move(asked.answers.subject, wallet.REFUSED, f"the merchant refused the order: {refusal.why}")
            return self._done(turn, asked)
        if isinstance(request, AuthorizationQ):
            return self._authorization_refused(turn, asked, request)
        if isinstance(request, Abort) and refusal.why == Why.UNKNOWN:
            turn.store.move_tokens(asked.answers.subject, wallet.FREE)  # P2 never reached the bank
            return self._done(turn, asked)
        return self._later(turn, asked, RETRY_SECONDS_MAX)

    def _authorization_refused(self, turn: WalletTurn, asked: Asked[Refusal], q: AuthorizationQ) -> Answer:
        """Proof that a token is spent for good, or that somebody else has paid, ends the purchase; while a token is but
        locked elsewhere, the bank might still take this P2. Where a log is gone, the end of the claim time ends it:
        then the bank's word is enough that it took no P2, or has let the tokens go."""
        bought, why = self._about(turn, asked), asked.body.why
        proven = spent_by(self.network, self.logs, asked.body.evidence)
        held = turn.store.tokens_of(bought.id)
        spent = {each.id for each in held if proven.get(each.id, q.transaction) != q.transaction}
        no_claims = expired(q.transaction.expiration + CLAIM_SECONDS, turn.now)
        if spent:
            end = wallet.REFUSED, "a token was spent before: is there another copy of this wallet?"
        elif paid_by_another(self.network, asked.body.evidence, q):
            end = wallet.REFUSED, "somebody else has paid for this sale"
        elif no_claims and why in (Why.EXPIRED, Why.TOO_LATE):
            end = wallet.ABORTED, "the log told no outcome while claims were valid"
        else:
            return self._later(turn, asked, 1)  # money waits for this answer
        for each in held:
            turn.store.move_token(each.id, wallet.SPENT if each.id in spent else wallet.FREE)
        turn.store.move(bought.id, *end)
        turn.store.errands.end_all(bought.id)
        return Answer()

    # What the owner asks.

    @on(WalletOf, by=From.OWNER)
    def wallet_of(self, turn: WalletTurn, asked: Asked[WalletOf]) -> Answer:
        bank = self.parties.all(Role.BANK)[0].identity
        return Answer(
            Wallet(
                account=self.purse.account(bank).public,
                holdings=tuple(self.purse.holding(*row) for row in turn.store.holdings()),
                withdrawals=turn.store.withdrawals(),
                purchases=tuple(turn.store.purchases(most=ROWS_MAX)),
            )
        )

    @on(PurchaseOf, by=From.OWNER)
    def purchase_of(self, turn: WalletTurn, asked: Asked[PurchaseOf]) -> Answer:
        bought = self._purchase(turn, asked.body.purchase)
        return Answer(bought.shown, hold=bought.state == asked.body.known)

    # Small things.

    def _request(self, asked: Asked[Any]) -> Message:
        assert asked.answers is not None
        return decode(asked.answers.request.body)

    def _purchase(self, turn: WalletTurn, id: bytes) -> Bought:
        bought = turn.store.purchase(id)
        if bought is None:
            raise Refused(Why.UNKNOWN, "no such purchase")
        return bought

    def _about(self, turn: WalletTurn, asked: Asked[Any]) -> Bought:
        """The purchase that the answered errand was about."""
        assert asked.answers is not None
        return self._purchase(turn, asked.answers.subject)

    def _done(self, turn: WalletTurn, asked: Asked[Any]) -> Answer:
        assert asked.answers is not None
        turn.store.errands.end(asked.answers.hash)
        return Answer()

    def _later(self, turn: WalletTurn, asked: Asked[Any], seconds: int) -> Answer:
        assert asked.answers is not None
        turn.store.errands.postpone(asked.answers.hash, turn.now + seconds)
        return Answer()
