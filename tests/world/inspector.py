"""Somebody who, when all is quiet, asks the parties again what they have said: it must still be so.

All that is asked and answered here stands on the tape too, where the checkers see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from anonnet.errors import Malformed
from anonnet.protocol.account import Claim
from anonnet.protocol.known_log import CHAIN, shard_of
from anonnet.protocol.logbook import Follow, OutcomeOf
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.times import BRAND_MARGIN_SECONDS, CLAIM_SECONDS, RETENTION_SECONDS
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed, received, unsigned
from tests.stage import NETWORK
from tests.world.council import MIRRORS
from tests.world.node import Said
from tests.world.tape import Tape

if TYPE_CHECKING:
    from tests.world.world import World

AGAIN = {Step.W1, Step.E1, Step.P2, Step.P3, Step.P4, Step.ORDER, Step.CLAIM, Step.P5A, Step.P5B, Step.PLEDGE}
AGAIN |= {Step.OPEN_ACCOUNT, Step.SUBMISSION}
AGAIN_MAX = 40
ROUNDS = 4
DAY = 24 * 3600


class Inspector:
    """Asks in the calm, and reads what is answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.world.network.listeners.clear()
        self.answers: dict[int, Signed] = {}
        self._asked = 0

    def ask(self, receiver: str, said: Said) -> int:
        """Say something; the answer comes with the next `wait`."""
        return self._send(receiver, bytes(frame(said, 1)))

    def _send(self, receiver: str, data: bytes) -> int:
        self._asked += 1
        number = self._asked

        def taken(reply: bytes) -> None:
            (answer,) = Frames().feed(reply)
            self.answers[number] = received(NETWORK, STEPS[answer.step], answer.payload).signed

        self.world.network.ask("inspector", receiver, data, taken, lambda: None)
        return number

    def wait(self) -> None:
        """Let everything be answered."""
        self.world.events.run(self.world.events.now + 3.0)

    def ask_all_again(self, tape: Tape) -> None:
        """Repeat requests that were answered with more than a refusal."""
        answered = {
            (answer.heard.sender, request.heard.step, request.heard.payload): None
            for request, answer in tape.pairs
            if request.heard.step in AGAIN and not isinstance(answer.body, Refusal)
        }
        chosen = self.world.chance.sample(list(answered), min(AGAIN_MAX, len(answered)))
        for receiver, step, payload in chosen:
            self._send(receiver, bytes(Frame(step, 1, payload)))
        self.wait()

    def ask_outcomes(self, transactions: list[Transaction]) -> dict[Transaction, Signed | None]:
        """What the log, or its mirrors together, say of each: a commit, an abort, or a refusal that is signed too."""
        alone = [each for each in transactions if self._decides_alone(each)]
        asked = {each: self.ask(self.world.name_of(each.log), OutcomeOf(transaction=each.public)) for each in alone}
        self.wait()
        outcomes = {each: self.answers.get(number) for each, number in asked.items()}
        together = [each for each in transactions if self._decides_alone(each) is False]
        return outcomes | self._ask_mirrors(together)

    def _decides_alone(self, transaction: Transaction) -> bool | None:
        known = self.world.directory.logs.get(transaction.log)
        return known.decides_alone if known else None

    def _ask_mirrors(self, transactions: list[Transaction]) -> dict[Transaction, Signed | None]:
        """Ask all of them of each transaction, several times where the log's time has to pass first."""
        found: dict[Transaction, Signed | None] = dict.fromkeys(transactions)
        for _ in range(ROUNDS):
            waiting = [each for each, paper in found.items() if paper is None]
            asked = {each: [self.ask(name, OutcomeOf(transaction=each.public)) for name in MIRRORS] for each in waiting}
            if waiting:
                self.wait()
            for each, numbers in asked.items():
                found[each] = self._put_together(each, [self.answers[it] for it in numbers if it in self.answers])
        return found

    def certificates_among(
        self, tape: Tape, papers: Mapping[Transaction, Signed | None]
    ) -> dict[Transaction, Signed | None]:
        """Of what nobody decides any more, the commits that somebody was shown, or could make of proofs: one mirror can
        have had what the others did not put together before they froze a lying log's shard, and it counts from
        whomever it is, unless liars alone have seen it. None for what decides nothing, as a liar's cosignature
        completed it when no claim was taken any more."""
        liars = self.world.liars
        told = [said for said in tape.of(Certificate) if not {said.heard.sender, said.heard.receiver} <= liars]
        shown = [unsigned(said.body).signed for said in told]
        found: dict[Transaction, Signed | None] = {}
        for transaction in (each for each, paper in papers.items() if paper is None or self._is_late(each, paper)):
            known = self.world.directory.logs[transaction.log]
            found[transaction] = None
            for paper in (*shown, *tape.provable(transaction.outcome_key)):
                with suppress(Malformed):
                    opens = committed(NETWORK, known, paper, transaction) is not None
                    if opens and not self._is_late(transaction, paper):
                        found[transaction] = paper
        return found

    def _is_late(self, transaction: Transaction, paper: Signed) -> bool:
        """True for a certificate that no quorum had cosigned by the time at which claims were over."""
        body = decode(paper.body)
        if not isinstance(body, Certificate):
            return False
        known = self.world.directory.logs[transaction.log]
        verifier = known.verifier(shard_of(transaction.expiration))
        time = known.quorum.evaluate(LogProof.parse(body.proof).checkpoint, also=[verifier]).time
        return time is None or time > transaction.expiration + CLAIM_SECONDS

    def _put_together(self, transaction: Transaction, papers: list[Signed]) -> Signed | None:
        """A certificate, which may come from anyone; an abort if enough have signed it; a refusal of as many."""
        known = self.world.directory.logs[transaction.log]
        shares: dict[type, list[Signed]] = {Abort: [], Refusal: []}
        for paper in papers:
            body = decode(paper.body)
            if isinstance(body, Certificate):
                with suppress(Malformed):  # else the checkers say what is wrong with it
                    committed(NETWORK, known, paper, transaction)
                    return paper
            if type(body) in shares:
                shares[type(body)].append(paper)
        if known.agreed([paper.signatures[0].signer for paper in shares[Refusal]]):
            return shares[Refusal][0]
        signatures = sorted((paper.signatures[0] for paper in shares[Abort]), key=lambda each: each.signer)
        if known.agreed([each.signer for each in signatures]):
            return Signed(body=shares[Abort][0].body, signatures=tuple(signatures))
        return None

    def answer(self, number: int) -> Message | None:
        """What was answered, without its signatures."""
        signed = self.answers.get(number)
        return decode(signed.body) if signed else None

    def read_logs(self, shards: set[int]) -> None:
        """Follow every log from its first entry, in every shard of a transaction that somebody spoke of; and the copies
        of its mirrors."""
        for log, known in self.world.directory.logs.items():
            for name in (self.world.name_of(log), *map(self.world.name_of, known.mirrors)):
                for shard in sorted(shards | ({CHAIN} if known.mirrors else set())):
                    self.ask(name, Follow(log=log, shard=shard, start=0))
        self.wait()

    def claim(self, promise: Signed, commit: Signed) -> int:
        """Have the bank credit what promise and commit prove."""
        bank = promise.signatures[0].signer
        return self.ask(self.world.name_of(bank), Claim(bank=bank, authorization_b=promise, commit=commit))

    def have_all_forget(self) -> None:
        """Let the time pass after which nobody need keep anything, and have everybody forget."""
        self.world.events.jump(RETENTION_SECONDS + BRAND_MARGIN_SECONDS)
        for node in self.world.nodes.values():
            node.forget()
        self.wait()

    def pass_retention(self) -> None:
        """Let the time pass after which a log may have forgotten."""
        self.world.events.jump(RETENTION_SECONDS + DAY)
