"""The bank: the promise (P2, P3), and what a sale's outcome does to its money. It has two desks: the mint makes tokens
(W1, W2, E1, E2), the teller keeps accounts.

It signs a promise only over locked tokens; it lets them go only on an abort of the log that the consumer named, or when
the claim time has run out; it credits the merchant on a commit. It learns the withdrawing account and, at P2, a token,
and cannot join the two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.limits import FORGET_ROWS_MAX, RETRY_SECONDS_MAX, TURNS_BATCH_MAX
from anonnet.parties.accused import Accused, Judging, Redressing
from anonnet.parties.alerting import Alerting
from anonnet.parties.announcing import Announcing
from anonnet.parties.comparing import Comparing
from anonnet.parties.errands import done, later, request
from anonnet.parties.following import check_range, commits_among
from anonnet.parties.liable import Liable
from anonnet.parties.mint import Mint, Minted
from anonnet.parties.settling import Settling
from anonnet.parties.teller import Teller
from anonnet.parties.turn import Again, Answer, Asked, Due, Forget, From, Party, Turn, on
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.exchange import ExchangeB
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import Entries, Follow
from anonnet.protocol.outcome import Logs, aborted_in, committed, is_commit, recorded_in
from anonnet.protocol.purchase import (
    Abort,
    AuthorizationB,
    AuthorizationQ,
    Commit,
    check_authorization_q,
)
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.sealed import Ticket
from anonnet.protocol.transaction import Transaction, expired
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store.bank import BankStore
from anonnet.store.sales import ABORTED, COMMITTED, LAPSED, LOCKED_SALE, Sale
from anonnet.times import CLAIM_SECONDS, LEAD_SECONDS_MAX
from anonnet.wire.signed import Checked, Signed, Signer, checked

BankTurn = Turn[BankStore]
NO_CLAIMS = "the claim time has run out"


class Bank(Party):
    """B. Holds its signing key, its mint and the logs it accepts; all money is in its store."""

    def __init__(
        self,
        signer: Signer,
        key: bytes,
        minted: Iterable[Minted],
        logs: Logs,
        told: Collection[bytes] = (),
        beside: Collection[bytes] = (),
    ) -> None:
        """`told`: who else relies on logs, and hears of one that is convicted. `beside`: the network's mirrors, who all
        follow the logs that decide alone, and compare what the bank was shown."""
        self.key = key
        self.logs = self.known_logs = dict(logs)
        self.mint = Mint(signer, key, minted)
        self.announcing = Announcing(self.mint.offers, self.logs)
        self.settling = Settling(signer.network, self.logs, commit=self._committed, abort=self._aborted)
        self.alerting = Alerting(signer.network, self.logs, told)
        self.comparing = Comparing(self.logs, self.alerting, beside)
        remedies = Liable(signer, self.mint, credit=self._credit, end=self._end).remedies
        brands = tuple(offer.brand for offer in self.mint.offers)
        self.accused = accused = Accused(signer, key, self.logs, remedies, brands)
        relying = self.settling, self.alerting, self.comparing
        super().__init__(signer, self.mint, Teller(signer), self.announcing, *relying, accused)

    # Before the turn: what needs no memory.

    def check(self, said: Checked[Any]) -> None:
        body = said.body
        if getattr(body, "bank", self.key) != self.key:
            raise Refused(Why.WRONG_RECEIVER, "this is another bank")
        self.mint.check(said)
        if isinstance(body, AuthorizationQ):
            check_authorization_q(said)
            self.mint.check_payments(body.payments)
        elif isinstance(body, Commit):
            recorded_in(self.network, self.logs, said.signed)

    def finish(self, job: object) -> WithdrawB | ExchangeB | Again | Signed:
        """Sign blindly, after the debit is durable; or judge a dispute, or show what was signed blindly."""
        if isinstance(job, Redressing):
            return self.accused.finish(job, self.mint.finish)
        return Again(job.run()) if isinstance(job, Judging) else self.mint.finish(job)

    # Purchase.

    @on(
        AuthorizationQ,
        keys=lambda asked: [
            asked.body.transaction.outcome_key,
            asked.body.transaction.merchant,
            *(payment.token.id for payment in asked.body.payments),
        ],
    )  # P2 -> P3
    def authorization_q(self, turn: BankTurn, asked: Asked[AuthorizationQ]) -> Answer:
        q, currency = asked.body, self.mint.currency(asked.body.payments)
        promise = self.sign(AuthorizationB.answering(q, currency, self._ticket(q.transaction)))
        kept = self.mint.kept(payment.token.brand for payment in q.payments)
        is_new = turn.store.begin_sale(asked.signed, q.transaction, promise, currency, kept)
        sale = self._sale(turn, q.transaction)
        sale.refuse_another(q.transaction)
        self._refuse_ended(sale)
        assert sale.authorization_q is not None
        if sale.authorization_q.body != asked.signed.body:
            raise Refused(Why.SALE_AUTHORIZED, evidence=[sale.authorization_b])  # who paid is nobody else's business
        if is_new:
            self._check_new_sale(turn, asked)
            turn.store.lock(q, self.mint.worth(q.payments), currency, asked.arrival)
            self._await_outcome(turn, q.transaction, promise)
        return Answer(sale.authorization_b)

    def _ticket(self, transaction: Transaction) -> bytes:
        """What admits a sealed entry to its log: it is said only once the tokens are locked."""
        if not transaction.entry_key:
            return b""
        return self.sign(Ticket.admitting(transaction)).signatures[0].signature

    def _check_new_sale(self, turn: BankTurn, asked: Asked[AuthorizationQ]) -> None:
        transaction = asked.body.transaction
        if expired(transaction.expiration + CLAIM_SECONDS, asked.arrival):
            raise Refused(Why.EXPIRED)  # it may have been taken and forgotten: nothing is said against that
        if transaction.log not in self.logs:
            raise Refused(Why.WRONG_LOG, "this bank does not follow that log")
        self.alerting.refuse_convicted(turn, transaction.log)
        if not turn.store.has_account(transaction.merchant):
            raise Refused(Why.UNKNOWN, "the merchant has no account here")
        if expired(transaction.expiration, asked.arrival):
            raise Refused(Why.EXPIRED)
        if transaction.expiration > asked.arrival + LEAD_SECONDS_MAX:
            raise Refused(Why.TOO_LATE, "the expiration is too far ahead")
        for payment in asked.body.payments:
            if transaction.expiration > self.mint.brand(payment.token.brand).pays_until:
                raise Refused(Why.NOT_OPEN, "the sale could outlive the token's brand")
            self.mint.refuse_ended(turn, payment.token.brand)

    def _await_outcome(self, turn: BankTurn, transaction: Transaction, promise: Signed) -> None:
        """Take P3 to the merchant, follow a log that decides alone, and ask for the outcome when the sale has expired.
        Under a quorum a commit is a certificate, which comes with the merchant's claim or as that outcome."""
        subject, now = transaction.outcome_key, turn.now
        turn.store.errands.add(transaction.merchant, promise, subject=subject, due=now)
        self.settling.await_outcome(turn, transaction, subject=subject)
        if self.logs[transaction.log].decides_alone:
            self._follow(turn, transaction.log, shard_of(transaction.expiration))

    def _follow(self, turn: BankTurn, log: bytes, shard: int) -> None:
        start = turn.store.follows_from(log, shard)
        turn.store.errands.add(log, Follow(log=log, shard=shard, start=start), subject=log, due=turn.now)

    def _sale(self, turn: BankTurn, transaction: Transaction) -> Sale:
        sale = turn.store.sale(transaction.outcome_key)
        if sale is None:
            raise Refused(Why.UNKNOWN, "no such transaction here")
        return sale

    def _refuse_ended(self, sale: Sale) -> None:
        if sale.state == ABORTED:
            assert sale.proof is not None
            raise Refused(Why.SALE_ABORTED, evidence=[sale.proof])
        if sale.state == LAPSED:
            raise Refused(Why.TOO_LATE, NO_CLAIMS)

    # Outcomes.

    @on(Commit, by=From.EITHER)  # P5a
    def commit(self, turn: BankTurn, asked: Asked[Commit]) -> Answer:
        self._settle(turn, asked.signed)
        return Answer(Noted(request=asked.signed.hash))

    @on(Claim)
    def claim(self, turn: BankTurn, asked: Asked[Claim]) -> Answer:
        """ "The merchant can use commit and authorization_b to prove that the bank should credit" (paper)."""
        promise = checked(self.network, asked.body.authorization_b, AuthorizationB)
        if promise.signer != self.key:
            raise Refused(Why.WRONG_SIGNER, "this bank did not sign that promise")
        if recorded_in(self.network, self.logs, asked.body.commit) != promise.body.transaction.public:
            raise Refused(Why.UNKNOWN, "the commit is of another transaction")
        try:
            credit = self._credit(turn, promise.body, asked.body.commit)
        except Refused as refused:
            return self._refuse_compared(asked, refused)
        if credit is None:  # what has freed the tokens stays written
            proof = self._sale(turn, promise.body.transaction).proof
            return Answer(self.refusal(asked.signed, Refused(Why.SALE_ABORTED, evidence=[proof] if proof else [])))
        return Answer(self.sign(credit))

    def _credit(self, turn: BankTurn, promise: AuthorizationB, commit: Signed) -> Credit | None:
        """Pay what this promise and this commit demand, once. None: the sale has failed. Raises Refused."""
        transaction = self._settle(turn, commit)
        if transaction is None:
            return None
        if transaction != promise.transaction:
            raise Refused(Why.UNKNOWN, "the commit is of another transaction")
        return Credit(transaction=transaction, currency=promise.currency, value=promise.value)

    def _end(self, turn: BankTurn, outcome: Signed) -> None:
        """Do what an outcome demands, once."""
        if is_commit(outcome):
            self._settle(turn, outcome)
        else:
            self._release(turn, aborted_in(self.network, self.logs, outcome), outcome)

    def _settle(self, turn: BankTurn, commit: Signed) -> Transaction | None:
        """Do what a commit demands, once. None: what it records is sealed and holds no P4, so the sale has failed."""
        place = recorded_in(self.network, self.logs, commit)
        sale = turn.store.sale(place.outcome_key)
        if sale is None and expired(place.expiration + CLAIM_SECONDS, turn.now):
            raise Refused(Why.TOO_LATE, NO_CLAIMS)  # it may have been forgotten
        sale = self._sale(turn, place)
        self.comparing.rely_on(turn, place.log, commit, settles=sale.state == LOCKED_SALE)
        if sale.state == ABORTED and sale.proof and is_commit(sale.proof):
            return None
        self._refuse_ended(sale)
        transaction = sale.order.transaction
        if committed(self.network, self.logs[transaction.log], commit, transaction) is None:
            self._release(turn, place, commit)
            return None
        if sale.state == LOCKED_SALE:
            turn.store.commit_sale(sale, commit, turn.now)
        return transaction

    @on(Certificate)
    def certificate(self, turn: BankTurn, asked: Asked[Certificate]) -> Answer:
        """A commit under a quorum, without a claim: what is sealed may free the tokens."""
        try:
            self._settle(turn, asked.signed)
        except Refused as refused:
            return self._refuse_compared(asked, refused)
        return Answer(Noted(request=asked.signed.hash))

    def _refuse_compared(self, asked: Asked[Any], refused: Refused) -> Answer:
        """A refusal that takes nothing back: the checkpoint over a certificate may convict the log, whatever the
        certificate is good for here."""
        return Answer(self.refusal(asked.signed, refused))

    @on(Abort)  # P5b
    def abort(self, turn: BankTurn, asked: Asked[Abort]) -> Answer:
        """ "The consumer can use abort and q to demand that the token be unlocked" (paper, Correctness)."""
        self._end(turn, asked.signed)
        return Answer(Noted(request=asked.signed.hash))

    def _release(self, turn: BankTurn, transaction: Transaction, abort: Signed) -> None:
        """Do what an abort demands, once."""
        sale = self._sale(turn, transaction)
        if sale.state == COMMITTED:
            assert sale.proof is not None
            raise Refused(Why.SALE_AUTHORIZED, "the sale has committed", evidence=[sale.proof])
        if sale.state == LOCKED_SALE:
            turn.store.abort_sale(sale, abort, turn.now)

    def _committed(self, turn: BankTurn, subject: bytes, commit: Signed) -> None:
        self._settle(turn, commit)

    def _aborted(self, turn: BankTurn, subject: bytes, abort: Signed) -> None:
        self._end(turn, abort)

    @on(Due)
    def lapse(self, turn: BankTurn, asked: Asked[Due]) -> Answer:
        """ "Transaction claims by the merchant should have a limited time of validity" (paper, Data Management)."""
        self._lapse(turn)
        return Answer()

    def _lapse(self, turn: BankTurn) -> int:
        """Free what the sales hold whose claim time has run out; return how many there were."""
        lapsing = turn.store.sales.lapsing(turn.now, most=TURNS_BATCH_MAX)
        for sale in lapsing:
            turn.store.lapse_sale(sale, turn.now)
        return len(lapsing)

    @on(Forget, by=From.OWNER)
    def forget(self, turn: BankTurn, asked: Asked[Forget]) -> Answer:
        """What docs/data.md says; first the locks that are over, since a brand ends when nothing holds it any more.
        And once a day the next brands are taken to where they are published."""
        self.announcing.announce(turn)
        lapsed = self._lapse(turn)
        gone = turn.store.forget(turn.now, self.mint.over(turn.now), most=FORGET_ROWS_MAX)
        return Answer(more=gone == FORGET_ROWS_MAX or lapsed == TURNS_BATCH_MAX)

    # Answers to errands.

    @on(Entries, by=From.ERRAND)
    def entries(self, turn: BankTurn, asked: Asked[Entries]) -> Answer:
        """Settle by what the log has published; follow on as long as a sale waits for it."""
        follow = request(asked)
        assert isinstance(follow, Follow)
        check_range(asked.body, follow)
        self.comparing.read(turn, follow.log, asked.body)
        for _, commit in commits_among(asked.body, self.logs[follow.log].key, turn.store.is_locked):
            self._settle(turn, commit)
        turn.store.followed_to(follow.log, follow.shard, follow.start + len(asked.body.entries))
        waits = turn.store.sales.waits_for(follow.log, follow.shard)
        if asked.body.entries or not waits:
            done(turn, asked)
        if waits:
            self._follow(turn, follow.log, follow.shard)
        return Answer()

    @on(Refusal, by=From.ERRAND, to=(Follow,))
    def follow_refused(self, turn: BankTurn, asked: Asked[Refusal]) -> Answer:
        """A log that has dropped this shard: the claim time of all that expired in it has long run out."""
        return done(turn, asked) if asked.body.why == Why.FORGOTTEN else later(turn, asked, RETRY_SECONDS_MAX)

    @on(Noted, by=From.ERRAND)
    def noted(self, turn: BankTurn, asked: Asked[Noted]) -> Answer:
        """The merchant has P3."""
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: BankTurn, asked: Asked[Refusal]) -> Answer:
        """A merchant who will not sell after all, or a log that makes no statement: the lock ends as for silence."""
        said = request(asked)
        if isinstance(said, AuthorizationB) and expired(said.transaction.expiration, turn.now):
            return done(turn, asked)
        return later(turn, asked, RETRY_SECONDS_MAX)
