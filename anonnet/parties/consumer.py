"""The consumer: withdraws tokens and buys goods with them (paper, sections "Withdrawal and Exchange", "Purchase").

She is known to the bank when she withdraws and to nobody when she buys. She authorizes payment only when the whole
sealed goods have come, for the price and under the description that the merchant signed; her tokens come back unless
the log has published the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from anonnet.errors import Malformed, Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.accusing import Accusing
from anonnet.parties.brands import BrandList
from anonnet.parties.complaining import Complaining
from anonnet.parties.discarding import Discarding
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.heeding import Heeding
from anonnet.parties.ordering import Ordering, about, purchase_of
from anonnet.parties.paying import Paying
from anonnet.parties.purse import AS_EVER, Habits, Purse
from anonnet.parties.reading import Reading
from anonnet.parties.recovery import Recovery
from anonnet.parties.resting import Resting
from anonnet.parties.settling import Settling
from anonnet.parties.tokens import Tokens, ask_time
from anonnet.parties.turn import Answer, Asked, From, Party, Turn, on
from anonnet.protocol.brand import Brand
from anonnet.protocol.dispute import Demand
from anonnet.protocol.goods import GoodsM, Order
from anonnet.protocol.history import paid_by_another
from anonnet.protocol.local import Accuse, PurchaseOf
from anonnet.protocol.network import Network
from anonnet.protocol.outcome import committed, is_commit
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import NOT_NOW, Noted, Refusal
from anonnet.protocol.transaction import expired
from anonnet.store import wallet
from anonnet.store.tokens import RELEASING, SPENT
from anonnet.store.wallet import Bought, WalletStore
from anonnet.times import BEHIND_SECONDS, CARRY_SECONDS, CLAIM_SECONDS
from anonnet.wire.codec import Message
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
    """C. Holds the purse, which makes tokens from the wallet's seed, and the logs of her network."""

    def __init__(
        self, network: Network, seed: bytes, brands: Iterable[Brand], dwell: int = 0, habits: Habits = AS_EVER
    ) -> None:
        """`dwell`: how many seconds her tokens rest at least."""
        self.logs = self.known_logs = network.logs
        self.purse = Purse(network.name, seed, brands, habits)
        self.resting = Resting(self.purse, dwell)
        self.tokens = Tokens(network, self.purse, self.resting)
        recovery = Recovery(self.purse, self.tokens)
        self.brand_list = BrandList(network, self.purse, recovery)
        self.settling = Settling(network.name, self.logs, commit=self._certified, abort=self._aborted)
        self.heeding = Heeding(network)
        ordering = Ordering(network, self.purse, self.resting, self.heeding)
        discarding = Discarding(self.purse, self.tokens, self.brand_list, self.heeding)
        self.complaining = Complaining(network, self.purse, self.tokens, commit=self._certified, abort=self._aborted)
        self.accusing = Accusing(self.complaining.draw, self.complaining.met)
        self.reading = Reading(self.logs, self.settling, commit=self._certified, chain=self.brand_list.entries)
        self.paying = Paying(network, self.purse, self.resting, self.tokens, self.settling, self.reading, self.heeding)
        desks = ordering, self.tokens, recovery, self.brand_list, discarding, self.settling, self.heeding, self.accusing
        super().__init__(Signer(network.name), *desks, self.reading, self.paying)

    def sign(self, said: Message) -> Signed:
        """Sign with the key of her account at the bank that is named; refusals to her owner with that of no bank."""
        return self.purse.signer(getattr(said, "bank", b"")).sign(said)

    # Purchase: P1.

    @on(GoodsM, by=From.ERRAND)  # P1
    def goods_m(self, turn: WalletTurn, asked: Asked[GoodsM]) -> Answer:
        """ "Upon receipt, the consumer verifies that the contract is acceptable" (paper, Purchase)."""
        bought = about(turn, asked)
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
        bought = purchase_of(turn, asked.body.purchase)
        if bought.state == wallet.FETCHING:
            ask_time(turn, bought)
        return Answer()

    @on(Unfetched, by=From.OWNER)
    def unfetched(self, turn: WalletTurn, asked: Asked[Unfetched]) -> Answer:
        bought = purchase_of(turn, asked.body.purchase)
        if bought.state == wallet.FETCHING:
            turn.store.move(bought.id, wallet.REFUSED, asked.body.detail)
        return Answer()

    # Purchase: P3 and the outcome.

    @on(AuthorizationB, by=From.ERRAND)  # P3
    def authorization_b(self, turn: WalletTurn, asked: Asked[AuthorizationB]) -> Answer:
        """The bank has promised. If nothing comes of it soon, she takes the promise to the merchant herself."""
        bought, q = about(turn, asked), request(asked)
        assert isinstance(q, AuthorizationQ)
        promise = AuthorizationB.answering(q, bought.terms.contract.currency, asked.body.ticket)
        if asked.signer != bought.buy.bank or asked.body != promise:
            raise Malformed("authorization_b does not answer this authorization_q")
        self.tokens.renew_rests(turn, bought.id)
        if bought.state not in (wallet.AUTHORIZING, wallet.AUTHORIZED):  # the commit was here first: she has paid
            turn.store.tokens.settle(bought.id, SPENT)
            return done(turn, asked)
        if bought.state == wallet.AUTHORIZING:
            turn.store.keep_authorization_b(bought.id, asked.signed)
            turn.store.move(bought.id, wallet.AUTHORIZED)
            due = turn.now + CARRY_SECONDS
            turn.store.errands.add(bought.buy.merchant, asked.signed, subject=bought.id, due=due)
        claims_end = promise.transaction.expiration + CLAIM_SECONDS  # whatever becomes of the log, P2 is asked then
        if expired(claims_end, turn.now):  # it has been claimed, then; the bank must show by what
            self.accusing.begin(turn, Accuse(subject=bought.id, claim=Demand.SPENT.value), asked.entropy)
        return later(turn, asked, max(claims_end + 1 - turn.now, RETRY_SECONDS_MAX))

    @on(Commit, by=From.ERRAND)  # P5a
    def commit(self, turn: WalletTurn, asked: Asked[Commit]) -> Answer:
        self._commit(turn, about(turn, asked), asked.signed)
        return Answer()

    def _commit(self, turn: WalletTurn, bought: Bought, commit: Signed) -> None:
        if committed(self.network, self.logs[bought.buy.log], commit, bought.transaction) is None:
            self._aborted(turn, bought.id, commit)  # sealed, and no P4: nothing else can come in its place
            return
        if bought.state in (wallet.AUTHORIZING, wallet.AUTHORIZED):
            self._paid(turn, bought, commit)

    def _paid(self, turn: WalletTurn, bought: Bought, commit: Signed) -> None:
        """The key is here. Whether it was her P2 that paid, the bank has to say where it has promised nothing."""
        turn.store.keep_outcome(bought.id, commit)
        turn.store.move(bought.id, wallet.COMMITTED)
        self._end_questions(turn, bought)
        if bought.authorization_b:
            turn.store.tokens.settle(bought.id, SPENT)
        else:
            assert bought.authorization_q is not None
            turn.store.errands.add(bought.buy.bank, bought.authorization_q, subject=bought.id, due=turn.now)

    @on(Opened, by=From.OWNER)
    def opened(self, turn: WalletTurn, asked: Asked[Opened]) -> Answer:
        bought = purchase_of(turn, asked.body.purchase)
        if bought.state == wallet.COMMITTED:
            turn.store.keep_path(bought.id, asked.body.path)
            detail = "" if asked.body.as_described else "the goods are not what the contract describes"
            turn.store.move(bought.id, wallet.DISPUTED if detail else wallet.DONE, detail)
        return Answer()

    def _certified(self, turn: WalletTurn, purchase: bytes, commit: Signed) -> None:
        self._commit(turn, purchase_of(turn, purchase), commit)

    def _aborted(self, turn: WalletTurn, purchase: bytes, abort: Signed) -> None:
        """The sale has failed: show the bank, and only when it has noted that are the tokens free."""
        bought = purchase_of(turn, purchase)
        if bought.state in (wallet.AUTHORIZING, wallet.AUTHORIZED):
            turn.store.keep_outcome(bought.id, abort)
            turn.store.move(bought.id, wallet.ABORTED)
            turn.store.tokens.settle(bought.id, RELEASING)
            self._end_questions(turn, bought)
            turn.store.errands.add(bought.buy.bank, abort, subject=bought.id, due=turn.now)

    def _end_questions(self, turn: WalletTurn, bought: Bought) -> None:
        """The outcome is here: nobody needs to be asked any more."""
        turn.store.errands.end_all(bought.id)
        self.reading.end(turn, bought.id)

    # What becomes of errands.

    @on(Noted, by=From.ERRAND, to=(AuthorizationB,))
    def noted(self, turn: WalletTurn, asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    @on(Noted, by=From.ERRAND, to=(Abort, Commit, Certificate))
    def abort_noted(self, turn: WalletTurn, asked: Asked[Noted]) -> Answer:
        return self._released(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Abort, Commit, Certificate))
    def abort_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """A bank that P2 never reached does not know the sale, one that had the abort before has freed the tokens, and
        one that has paid shows by what. When claims are over, any other holds nothing for it any more."""
        bought, refusal = about(turn, asked), asked.body
        turn.store.answered.keep(bought.id, refusal.why, asked.signed)
        commit = next(filter(partial(self._pays, bought), refusal.evidence), None)
        if refusal.why == Why.SALE_AUTHORIZED and commit:
            self._overruled(turn, bought, commit)
            return Answer()
        over = refusal.why in (Why.UNKNOWN, Why.SALE_ABORTED)
        if expired(bought.transaction.expiration + CLAIM_SECONDS, turn.now):
            over = refusal.why not in (*NOT_NOW, Why.SALE_AUTHORIZED)
        return self._released(turn, asked) if over else later(turn, asked, RETRY_SECONDS_MAX)

    def _pays(self, bought: Bought, paper: Signed) -> bool:
        """True for a commit that holds P4 of this purchase."""
        try:
            log = self.logs[bought.buy.log]
            return is_commit(paper) and committed(self.network, log, paper, bought.transaction) is not None
        except Malformed:
            return False

    def _overruled(self, turn: WalletTurn, bought: Bought, commit: Signed) -> None:
        """The log has told the bank a commit and her an abort, and both convict it: the money is gone, the key hers."""
        assert bought.outcome is not None
        turn.store.answered.keep(bought.id, "abort", bought.outcome)
        turn.store.tokens.lock_again(bought.id)
        self._paid(turn, bought, commit)

    def _released(self, turn: WalletTurn, asked: Asked[Any]) -> Answer:
        self.tokens.release(turn, answered(asked).subject)
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Order,))
    def order_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        if asked.body.why in NOT_NOW:
            return later(turn, asked, RETRY_SECONDS_MAX)
        turn.store.move(answered(asked).subject, wallet.REFUSED, f"the merchant refused the order: {asked.body.why}")
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(AuthorizationQ,))
    def authorization_q_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Proof that a token is spent for good, or that somebody else has paid, ends the purchase: while a token is
        only locked elsewhere, the bank might still take this P2. The abort ends it too, which the bank may have from
        mirrors that tell her nothing. Where a log is gone, the end of the claim time ends it: then the bank's word is
        enough, for whatever reason, that it took no P2, or has let the tokens go."""
        q, bought, refusal = request(asked), about(turn, asked), asked.body
        assert isinstance(q, AuthorizationQ)
        spent = self.tokens.proven_spent(refusal, q.payments, q.transaction)
        convicted = self.heeding.shown(turn, refusal, q.transaction.log)
        turn.store.answered.keep(bought.id, refusal.why, asked.signed)
        if refusal.why == Why.SALE_ABORTED:
            self.complaining.met(turn, bought.id, refusal.evidence)
            if purchase_of(turn, bought.id).state != bought.state:
                return Answer()
        no_claims = expired(q.transaction.expiration + CLAIM_SECONDS, turn.now)
        brands = (payment.token.brand for payment in q.payments)
        missed = refusal.why == Why.BAD_BRAND and not self.tokens.dropped(brands, turn.now)  # it may be found again
        if spent:
            end = wallet.REFUSED, "a token was spent before: is there another copy of this wallet?"
        elif paid_by_another(self.network, q.bank, refusal.evidence, q.transaction):
            end = wallet.REFUSED, "somebody else has paid for this sale"
        elif convicted and bought.state == wallet.AUTHORIZING:  # begun before, the bank would have given its promise
            end = wallet.REFUSED, self.heeding.complaint(turn, q.transaction.log)
        elif no_claims and refusal.why not in NOT_NOW and not missed:
            end = wallet.ABORTED, "the log told no outcome while claims were valid"
        else:
            in_time = not expired(q.transaction.expiration, turn.now)  # tokens locked elsewhere may be free soon
            return later(turn, asked, BEHIND_SECONDS if in_time else RETRY_SECONDS_MAX)
        turn.store.tokens.let_go(bought.id, spent)
        self.tokens.renew_rests(turn, bought.id)
        if spent and bought.state == wallet.AUTHORIZING and self.paying.pay_otherwise(turn, bought, q.transaction):
            turn.store.replaced.keep(bought.id, answered(asked).request, asked.signed)
            return done(turn, asked)
        if bought.state in (wallet.AUTHORIZING, wallet.AUTHORIZED):
            turn.store.keep_outcome(bought.id, asked.signed)  # signed over this P2: it will not be used
            turn.store.move(bought.id, *end)
        self._end_questions(turn, bought)
        turn.store.parts.drop(q.transaction.outcome_key)
        return Answer()

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Everything else: not now."""
        return later(turn, asked, RETRY_SECONDS_MAX)

    # What the owner asks.

    @on(PurchaseOf, by=From.OWNER)
    def purchase_of(self, turn: WalletTurn, asked: Asked[PurchaseOf]) -> Answer:
        bought = purchase_of(turn, asked.body.purchase)
        return Answer(bought.shown, hold=bought.id if bought.state in asked.body.known else b"")
