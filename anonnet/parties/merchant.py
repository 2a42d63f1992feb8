"""The merchant: P1 with the sealed goods, P3 in, P4 out, and the claim (paper, section "Purchase").

He shows the merchandise key to nobody but the log, in one P4 for each n, and only against a promise of a bank that he
accepts, over the whole price, with time enough to reach the log. He learns what is sold and never to whom.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Refused, Why
from anonnet.limits import FORGET_ROWS_MAX, RETRY_SECONDS_MAX, TURNS_BATCH_MAX
from anonnet.parties.accused import Accused, Case, Judging, unproven
from anonnet.parties.accusing import Accusing
from anonnet.parties.alerting import Alerting
from anonnet.parties.comparing import Comparing
from anonnet.parties.delivering import Delivering, SealChunk, SealGoods, sale_of
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.settling import Settling
from anonnet.parties.shop import Measure, Shop
from anonnet.parties.turn import Again, Answer, Asked, Due, Forget, From, Party, Turn, on
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.dispute import Demand, Dispute
from anonnet.protocol.goods import Chunk
from anonnet.protocol.local import Accuse
from anonnet.protocol.logbook import EntryKind, OutcomeOf
from anonnet.protocol.outcome import Logs, aborted_in, committed, recorded_in
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, Commit
from anonnet.protocol.quorum import CertificateOf, Pledge, Pledged, Receipt
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.sealed import SealedM, Submission, ticket_of
from anonnet.protocol.transaction import Transaction, expired
from anonnet.store.merchant import (
    AUTHORIZED,
    COMMITTED,
    CREDITED,
    FAILED,
    LATE,
    OFFERED,
    RELEASED,
    MerchantSale,
    MerchantStore,
)
from anonnet.times import BEHIND_SECONDS, MERCHANT_MARGIN_SECONDS, RELEASE_SECONDS, RETENTION_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Checked, Signed, Signer, checked, said_in

MerchantTurn = Turn[MerchantStore]


class Merchant(Party):
    """M. Accepts promises of these banks and sends keys to these logs."""

    def __init__(
        self, signer: Signer, key: bytes, banks: Collection[bytes], logs: Logs, told: Collection[bytes] = ()
    ) -> None:
        """`told`: who else relies on logs, and hears of one that is convicted."""
        self.logs = self.known_logs = dict(sorted(logs.items()))
        self.settling = Settling(
            signer.network, self.logs, commit=self._committed, abort=self._aborted, pledge=self._pledged
        )
        self.alerting = Alerting(signer.network, self.logs, told)
        self.comparing = Comparing(self.logs, self.alerting)
        delivering = Delivering(signer, key, self.logs)
        accused = Accused(signer, key, self.logs, {Demand.DELIVERY: self._hand_over})
        accusing = Accusing(self._dispute, self._met)
        relying = self.settling, self.alerting, self.comparing
        super().__init__(signer, Shop(signer, banks), delivering, *relying, accused, accusing)
        self.key = key
        self.banks = tuple(sorted(banks))

    def check(self, said: Checked[Any]) -> None:
        body = said.body
        if getattr(body, "merchant", self.key) != self.key:
            raise Refused(Why.WRONG_RECEIVER, "this is another merchant")
        if isinstance(body, AuthorizationB):
            self._check_promise(said)

    def _check_promise(self, said: Checked[AuthorizationB]) -> None:
        if said.body.transaction.merchant != self.key:
            raise Refused(Why.WRONG_RECEIVER, "this is another merchant")
        if said.signer not in self.banks:
            raise Refused(Why.WRONG_SIGNER, "not a bank that this merchant accepts")

    # Purchase.

    @on(AuthorizationB, keys=lambda asked: [asked.body.transaction.number])  # P3 -> P4
    def authorization_b(self, turn: MerchantTurn, asked: Asked[AuthorizationB]) -> Answer:
        """ "The merchant verifies the transaction number is correct and that the token value, log identity, and
        expiration time are acceptable" (paper, Purchase)."""
        promise, transaction = asked.body, asked.body.transaction
        sale = sale_of(turn, transaction.number)
        if sale.authorization_b is None:
            self.alerting.refuse_convicted(turn, transaction.log)
            self._check_acceptable(sale, asked)
            if promise.receiver_key and turn.store.receipt(sale.number, promise.receiver_key) is None:
                raise Refused(Why.NO_RECEIPT, "nobody has signed for the goods with this key")
            authorization_m = self.sign(AuthorizationM.answering(promise, sale.key))
            turn.store.authorize(sale.number, asked.signed, authorization_m, transaction)
            if self.logs[transaction.log].decides_alone:
                said = self._to_log(sale, asked.signed, authorization_m, EntryKind.COMMIT)
                turn.store.errands.add(transaction.log, said, subject=sale.number, due=turn.now)
            else:
                said = self._to_log(sale, asked.signed, self.sign(Pledge.answering(promise)), EntryKind.PLEDGE)
                turn.store.errands.add(transaction.log, said, subject=sale.number, due=turn.now)
                self._await_pledge(turn, sale.number, transaction)
        elif sale.authorization_b.body != asked.signed.body:
            raise Refused(Why.NUMBER_USED, "this number has its transaction")
        return Answer(Noted(request=asked.signed.hash))

    def _to_log(self, sale: MerchantSale, promise: Signed, paper: Signed, kind: EntryKind) -> Signed | Submission:
        """P4 or the pledge as the log gets it: as it is, or sealed, with the ticket that came with P3."""
        body = said_in(promise, AuthorizationB)
        transaction = body.transaction
        if not transaction.entry_key:
            return paper
        sealed_m = Signer(self.network, SigningKey(sale.entry_seed)).sign(SealedM.of(kind, transaction, paper))
        return Submission(sealed_m=sealed_m, ticket=ticket_of(promise.signatures[0].signer, transaction, body.ticket))

    def _check_acceptable(self, sale: MerchantSale, asked: Asked[AuthorizationB]) -> None:
        promise, transaction = asked.body, asked.body.transaction
        if sale.state != OFFERED:
            raise Refused(Why.UNKNOWN, "this order has no offer yet")
        contract = sale.terms.contract
        if asked.signer not in contract.banks:
            raise Refused(Why.WRONG_SIGNER, "not a bank that the contract accepts")
        if (promise.currency, promise.value) != (contract.currency, contract.price):
            raise Refused(Why.WRONG_PRICE)
        if transaction.log not in contract.logs:
            raise Refused(Why.WRONG_LOG)
        if transaction.entry_key != sale.terms.entry_key:
            raise Refused(Why.UNKNOWN, "another W than P1 names")
        if bool(promise.receiver_key) != bool(contract.receipt):
            raise Refused(Why.NO_RECEIPT, "the contract wants a receipt, or wants none")
        if expired(transaction.expiration, asked.arrival + MERCHANT_MARGIN_SECONDS):
            raise Refused(Why.TOO_SOON, "no time is left to reach the log")

    # Under a quorum: pledge, certificate, and only then the key.

    def _await_pledge(self, turn: MerchantTurn, number: bytes, transaction: Transaction) -> None:
        self.settling.await_certificate(turn, transaction, EntryKind.PLEDGE, subject=number)

    def _pledged(self, turn: MerchantTurn, number: bytes, certificate: Signed) -> None:
        """Show k to the log and to all mirrors, unless it could come too late to be recorded."""
        sale = sale_of(turn, number)
        transaction = self._signed_for(sale)
        self.comparing.rely_on(turn, transaction.log, certificate, settles=sale.state in (AUTHORIZED, LATE))
        last = transaction.expiration + RELEASE_SECONDS
        if sale.state not in (AUTHORIZED, LATE) or expired(last, turn.now + MERCHANT_MARGIN_SECONDS):
            return
        assert sale.authorization_m is not None
        assert sale.authorization_b is not None
        turn.store.release(number)
        said = self._to_log(sale, sale.authorization_b, sale.authorization_m, EntryKind.KEY)
        receivers = [transaction.log, *self.logs[transaction.log].mirrors]
        turn.store.errands.add_for_each(receivers, said, subject=number, due=turn.now)
        self.settling.await_certificate(turn, transaction, EntryKind.KEY, subject=number)
        self.settling.await_outcome(turn, transaction, subject=number)

    @on(Pledged, by=From.ERRAND)
    def pledge_taken(self, turn: MerchantTurn, asked: Asked[Pledged]) -> Answer:
        """The log's word, which the certificate must bear out."""
        return done(turn, asked)

    @on(Receipt, by=From.ERRAND)
    def received(self, turn: MerchantTurn, asked: Asked[Receipt]) -> Answer:
        """A mirror has the key, and says since when: enough of these convict a log that will not record it."""
        errand, about = answered(asked), request(asked)
        assert isinstance(about, AuthorizationM | Submission)
        if (asked.signer, asked.body.outcome_key) != (errand.receiver, about.transaction.outcome_key):
            raise Malformed("a receipt by another mirror, or for another key")
        turn.store.answered.keep(errand.subject, f"receipt {asked.signer.hex()}", asked.signed)
        return done(turn, asked)

    # Outcomes.

    @on(Commit, by=From.ERRAND, to=(AuthorizationM, Submission, OutcomeOf))
    def recorded(self, turn: MerchantTurn, asked: Asked[Commit]) -> Answer:
        """P5a; under a quorum it is a hint, and the certificate will follow."""
        about = request(asked)
        assert isinstance(about, AuthorizationM | Submission | OutcomeOf)
        if not self.logs[about.transaction.log].decides_alone:
            return done(turn, asked)
        return self.commit(turn, asked)

    @on(Commit)  # P5a
    def commit(self, turn: MerchantTurn, asked: Asked[Commit]) -> Answer:
        """Claim what the commit and the promise prove that the bank owes."""
        place = recorded_in(self.network, self.logs, asked.signed)
        self._committed(turn, self._in_place(turn, place).number, asked.signed)
        return Answer(Noted(request=asked.signed.hash))

    def _committed(self, turn: MerchantTurn, number: bytes, commit: Signed) -> None:
        sale = sale_of(turn, number)
        if sale.state in (AUTHORIZED, LATE, RELEASED, FAILED):
            promise, transaction = sale.authorization_b, self._signed_for(sale)
            assert promise is not None
            if committed(self.network, self.logs[transaction.log], commit, transaction) is None:
                raise Malformed("W has signed an entry that is not ours")
            self.comparing.rely_on(turn, transaction.log, commit, settles=True)
            turn.store.commit_sale(sale.number, commit)
            bank = promise.signatures[0].signer
            claim = Claim(bank=bank, authorization_b=promise, commit=commit)
            turn.store.errands.add(bank, claim, subject=sale.number, due=turn.now)
        elif sale.state not in (COMMITTED, CREDITED):
            raise Refused(Why.UNKNOWN, "no such transaction")

    @on(Abort)  # P5b
    def abort(self, turn: MerchantTurn, asked: Asked[Abort]) -> Answer:
        place = aborted_in(self.network, self.logs, asked.signed)
        self._aborted(turn, self._in_place(turn, place).number, asked.signed)
        return Answer(Noted(request=asked.signed.hash))

    def _aborted(self, turn: MerchantTurn, number: bytes, abort: Signed) -> None:
        sale, transaction = sale_of(turn, number), aborted_in(self.network, self.logs, abort)
        if self._signed_for(sale).public != transaction:
            return
        turn.store.answered.keep(sale.number, "abort", abort)  # beside a commit, or receipts, it convicts
        if sale.state in (AUTHORIZED, LATE, RELEASED):
            turn.store.fail_sale(sale.number)

    @on(Due)
    def expire(self, turn: MerchantTurn, asked: Asked[Due]) -> Answer:
        """Where P4 has met no answer by the expiration, ask for the outcome: sent later, it would only show the key."""
        for sale in turn.store.overdue(turn.now, most=TURNS_BATCH_MAX):
            self._ask_outcome(turn, sale)
        return Answer()

    def _ask_outcome(self, turn: MerchantTurn, sale: MerchantSale) -> None:
        transaction = self._signed_for(sale)
        turn.store.stop_sending(sale.number)
        self.settling.await_outcome(turn, transaction, subject=sale.number)
        if not self.logs[transaction.log].decides_alone:  # the pledge may stand, and its certificate come late
            self._await_pledge(turn, sale.number, transaction)

    def _in_place(self, turn: MerchantTurn, place: Transaction) -> MerchantSale:
        """The sale of a transaction that is named as the log knows it. Raises Refused."""
        sale = turn.store.by_outcome_key(place.outcome_key)
        if sale is None:
            raise Refused(Why.UNKNOWN, "no such transaction")
        return sale

    def _signed_for(self, sale: MerchantSale) -> Transaction:
        return said_in(sale.authorization_m, AuthorizationM).transaction

    # Disputes.

    def _hand_over(self, turn: MerchantTurn, case: Case) -> list[Signed]:
        """Of a sale that a bank has promised to pay: the outcome, and with a commit the key. What the goods are worth
        that he delivered no program makes good."""
        promises = [each.body.transaction for each in case.papers.promises if each.signer in self.banks]
        found = [turn.store.by_number(each.number) for each in promises if each.merchant == self.key]
        sales = [sale for sale in found if sale and sale.authorization_b]
        outcomes = [paper for sale in sales for paper in self._outcomes(turn, sale)]
        if case.papers.commits or not sales:
            raise unproven(case, outcomes)
        if not outcomes:
            raise Refused(Why.UNDECIDED, "the log has told no outcome")
        return outcomes

    def _outcomes(self, turn: MerchantTurn, sale: MerchantSale) -> list[Signed]:
        aborts = [each for each in turn.store.answered.of(sale.number) if each.step == Abort.step]
        return [sale.outcome] if sale.outcome else aborts

    def _dispute(self, turn: MerchantTurn, wish: Accuse, entropy: bytes) -> tuple[bytes, Signed]:
        """ "The merchant can use commit and authorization_b to prove that the bank should credit" (paper)."""
        sale = sale_of(turn, wish.subject)
        if wish.claim != Demand.CREDIT or sale.authorization_b is None or sale.outcome is None:
            raise Refused(Why.UNDECIDED, "a bank owes a credit for a sale that has committed, and nothing else")
        bank = sale.authorization_b.signatures[0].signer
        papers = sale.authorization_b, sale.outcome
        return bank, self.sign(Dispute(accused=bank, claim=wish.claim, papers=papers))

    def _met(self, turn: MerchantTurn, number: bytes, papers: Sequence[Signed]) -> None:
        """A credit that comes in a dispute is one like any other."""
        promise = sale_of(turn, number).authorization_b
        assert promise is not None
        for paper in papers:
            with suppress(Malformed, Refused):
                said = checked(self.network, paper, Credit)
                if said.signer == promise.signatures[0].signer:
                    self._credited(turn, said.body, said.signed)

    @on(Forget, by=From.OWNER)
    def forget(self, turn: MerchantTurn, asked: Asked[Forget]) -> Answer:
        """ "Once the bank has issued the credit, the merchant may discard all data on the transaction" (paper)."""
        return Answer(more=turn.store.forget(turn.now, most=FORGET_ROWS_MAX) == FORGET_ROWS_MAX)

    # Answers to errands.

    @on(Credit, by=From.ERRAND)
    def credit(self, turn: MerchantTurn, asked: Asked[Credit]) -> Answer:
        """The bank's performance: nothing of this sale is needed any more."""
        if asked.signer != answered(asked).receiver:
            raise Malformed("a credit of another bank")
        self._credited(turn, asked.body, asked.signed)
        return Answer()

    def _credited(self, turn: MerchantTurn, credit: Credit, paper: Signed) -> None:
        sale = sale_of(turn, credit.transaction.number)
        promised = decode(sale.authorization_b.body) if sale.authorization_b else None
        credited = credit.transaction, credit.currency, credit.value
        if not isinstance(promised, AuthorizationB) or credited != promised.credit:
            raise Malformed("a credit that is not what the bank promised")
        if sale.state == COMMITTED:
            turn.store.credit(sale.number, paper)

    @on(Noted, by=From.ERRAND)
    def noted(self, turn: MerchantTurn, asked: Asked[Noted]) -> Answer:
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(AuthorizationM, Pledge, Submission))
    def authorization_m_refused(self, turn: MerchantTurn, asked: Asked[Refusal]) -> Answer:
        """A log that calls P4 or the pledge late is asked for the abort."""
        sale = sale_of(turn, answered(asked).subject)
        if asked.body.why == Why.NOT_PLEDGED:  # a mirror that has not read so far, or never will: its copy is frozen
            in_time = not expired(self._signed_for(sale).expiration, turn.now)
            return later(turn, asked, BEHIND_SECONDS if in_time else RETRY_SECONDS_MAX)
        if asked.body.why != Why.EXPIRED:
            return later(turn, asked, RETRY_SECONDS_MAX)
        if sale.state != AUTHORIZED:
            return done(turn, asked)
        self._ask_outcome(turn, sale)
        return Answer()

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: MerchantTurn, asked: Asked[Refusal]) -> Answer:
        """A bank that calls a claim late ends the claim; what it says of one is kept for a judge. A log that keeps an
        outcome no more ends the question, where this clock agrees: the sale goes with it."""
        said = request(asked)
        if isinstance(said, OutcomeOf | CertificateOf):
            kept_until = said.transaction.expiration + RETENTION_SECONDS
            over = asked.body.why == Why.FORGOTTEN and expired(kept_until, turn.now)
            return done(turn, asked) if over else later(turn, asked, RETRY_SECONDS_MAX)
        if isinstance(said, Claim):
            turn.store.answered.keep(answered(asked).subject, asked.body.why, asked.signed)
            return done(turn, asked) if asked.body.why == Why.TOO_LATE else later(turn, asked, RETRY_SECONDS_MAX)
        return later(turn, asked, RETRY_SECONDS_MAX)

    # Outside the turn.

    def finish(self, job: object) -> Chunk | Again:
        if isinstance(job, SealChunk):
            return job.run()
        assert isinstance(job, SealGoods | Measure | Judging)
        return Again(job.run())
