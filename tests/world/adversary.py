"""Who wishes the parties ill: a stranger who hears every frame and repeats it where it hurts, and a greedy consumer.

They break no signature. The stranger uses what was said; the greedy consumer signs with her own tokens' keys what her
wallet never would. Honest merchants who fall silent, or send P4 at the last second, are here too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from anonnet.protocol.account import Claim
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.logbook import EntryKind, OutcomeOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.sealed import Submission
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import Transaction
from anonnet.store.errands import Errand
from anonnet.times import RELEASE_SECONDS
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.frames import Frame, frame
from anonnet.wire.signed import Signed
from tests.world.network import Heard
from tests.world.node import Said

if TYPE_CHECKING:
    from tests.world.world import World

REPLAYED = {Step.W1, Step.E1, Step.CD2, Step.P2, Step.P3, Step.P4, Step.P5A, Step.P5B, Step.ORDER, Step.CLAIM}
REPLAYED |= {Step.SUBMISSION, Step.PLEDGE}
LATE_KEY = "key at its edge"


class Stranger:
    """Hears all, says again what was said, and claims with papers that are not hers."""

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self.spite = world.chance.choice([0.0, 0.03, 0.1])
        self._promises: dict[Transaction, Signed] = {}
        self._commits: dict[Transaction, Signed] = {}

    def hears(self, heard: Heard) -> None:
        """Take a frame from the wire."""
        if heard.sender == "stranger" or heard.receiver == "stranger" or not self.world.stormy:
            return
        if not heard.is_reply and self.chance.random() < self._spite_for(heard.step):
            self._repeat(heard)
        if heard.step in (Step.P2, Step.P3, Step.P4, Step.P5A, Step.P5B):
            signed = decode_record(Signed, heard.payload)
            self._learns(signed, decode(signed.body))

    def _spite_for(self, step: int) -> float:
        return 4 * self.spite if step in (Step.P4, Step.SUBMISSION) else self.spite if step in REPLAYED else 0.0

    def _repeat(self, heard: Heard) -> None:
        data = bytes(Frame(heard.step, 1, heard.payload))
        receiver = heard.receiver
        if self.chance.random() < 0.5:
            receiver = self.chance.choice(self._like(receiver) or self.world.servers)
        self.world.faults["said to another" if receiver != heard.receiver else "said again"] += 1
        self._later(receiver, data, self.chance.choice([0.0, 0.05, 1.0, 8.0, 40.0]))

    def _like(self, receiver: str) -> list[str]:
        """The others who do the same work: another log, another merchant."""
        role = receiver.partition("-")[0]
        return [name for name in self.world.servers if name != receiver and name.partition("-")[0] == role]

    def _learns(self, signed: Signed, body: object) -> None:
        if isinstance(body, AuthorizationQ) and self.chance.random() < self.spite:
            self._ask_early(body.transaction)
        elif isinstance(body, AuthorizationB):
            self._promises.setdefault(body.transaction.public, signed)
        elif isinstance(body, Commit):
            self._claim(signed)
        elif isinstance(body, Abort) and self.chance.random() < self.spite:
            self.world.faults["abort shown by a stranger"] += 1
            for receiver in self.world.servers:
                self._later(receiver, bytes(frame(signed, 1)), self.chance.uniform(0.01, 2))

    def _ask_early(self, transaction: Transaction) -> None:
        """Have an abort made of a transaction that nobody agreed to, or of the real one too early."""
        self.world.faults["bogus expiration"] += 1
        bogus = replace(transaction, expiration=int(self.world.events.now) - self.chance.choice([-1, 0, 3, 60]))
        for asked in (transaction, bogus):
            receiver = self.world.name_of(asked.log)
            self._later(receiver, bytes(frame(OutcomeOf(transaction=asked.public), 1)), self.chance.uniform(0.01, 5))

    def _claim(self, commit: Signed) -> None:
        transaction = decode(decode(commit.body).authorization_m.body).transaction
        promise = self._promises.get(transaction)
        if transaction in self._commits or promise is None or self.chance.random() > 3 * self.spite:
            return
        self._commits[transaction] = commit
        self.world.faults["claim by a stranger"] += 1
        bank = promise.signatures[0].signer
        other = self.chance.choice(list(self._promises.values()))
        for paper in (promise, other):
            claim = Claim(bank=bank, authorization_b=paper, commit=commit)
            self._later(self.world.name_of(bank), bytes(frame(claim, 1)), self.chance.uniform(0.01, 3))
        merchant = decode(promise.body).transaction.merchant
        self._later(self.world.name_of(merchant), bytes(frame(commit, 1)), self.chance.uniform(0.0, 3))

    def _later(self, receiver: str, data: bytes, seconds: float) -> None:
        network = self.world.network
        self.world.events.after(
            seconds, lambda: network.ask("stranger", receiver, data, lambda reply: None, lambda: None)
        )


MODES = (
    "same tokens, other expiration",
    "same tokens, other number",
    "same tokens, other amounts",
    "same transaction",
)


class Greedy:
    """A consumer whose wallet is honest while she herself signs a second P2 beside each that it sends."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.chance, self.name = world, world.chance, name
        self._terms: list[GoodsM] = []
        self._answered: set[Transaction] = set()

    def hears(self, heard: Heard) -> None:
        """See what her own wallet says and gets."""
        if self.name not in (heard.sender, heard.receiver) or not self.world.stormy:
            return
        if heard.step == Step.P1:
            self._terms.append(decode(decode_record(Signed, heard.payload).body))
        elif heard.step == Step.P2 and not heard.is_reply:
            q = decode(decode_record(Signed, heard.payload).body)
            if q.transaction not in self._answered:
                self._answered.add(q.transaction)
                self._double(q)

    def _double(self, q: AuthorizationQ) -> None:
        store, transaction = self.world.nodes[self.name].store, q.transaction
        bought = store.by_outcome_key(transaction.outcome_key)
        chosen = store.tokens.bound_to(bought.id)
        receiver_key = q.receiver_key
        mode = self.chance.choice(MODES)
        if mode == "same tokens, other expiration":
            transaction = replace(transaction, expiration=transaction.expiration + self.chance.choice([-2, -1, 1, 5]))
        elif mode == "same tokens, other number":
            transaction = replace(transaction, number=self.chance.choice(self._terms).number)
        elif mode == "same tokens, other amounts":
            last = max(chosen, key=lambda held: held.amount)
            chosen = [replace(held, amount=max(1, held.amount - (held is last))) for held in chosen]
        else:
            purse = self.world.nodes[self.name].party.purse
            free = store.tokens.free(purse.brands_of(q.bank, bought.buy.currency))
            other = purse.paying(free, bought.terms.contract.price)
            chosen, receiver_key = (other, b"") if other else (chosen, receiver_key)
        self._answered.add(transaction)
        self.world.faults[f"greedy: {mode}"] += 1
        signed = self.world.nodes[self.name].party.purse.authorization_q(q.bank, transaction, chosen, receiver_key)
        receiver = self.world.name_of(q.bank)
        for _ in range(2):
            self._say(receiver, signed, self.chance.choice([0.0, 0.0, 0.05, 2.0]))

    def _say(self, receiver: str, said: Said, seconds: float) -> None:
        network = self.world.network
        self.world.events.after(
            seconds,
            lambda: network.ask(self.name, receiver, bytes(frame(said, 1)), lambda reply: None, lambda: None),
        )


def _brings_key(message: AuthorizationM | Submission | Pledge) -> bool:
    """True of P4 with a pledge before it, open or sealed."""
    sealed_key = isinstance(message, Submission) and message.said.kind == EntryKind.SEALED_KEY
    return isinstance(message, AuthorizationM) or sealed_key


class Mood:
    """How a merchant behaves in each sale: as agreed, silent from some step on, or at the last second."""

    KINDS = ("as agreed", "silent after P1", "silent after P3", "P4 at the edge")

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self._weights = world.chance.choice([(1, 0, 0, 0), (14, 1, 1, 2), (6, 2, 2, 2)])
        self._kinds_here = self.KINDS
        if world.council:
            self._kinds_here, self._weights = (*self.KINDS, LATE_KEY), (*self._weights, self._weights[1])
        self._kinds: dict[bytes, str] = {}
        self._edges: dict[bytes, float] = {}
        self._key_edges: dict[bytes, float] = {}

    def of(self, sale: bytes) -> str:
        """How the merchant of this sale behaves, which is named by its outcome key."""
        if sale not in self._kinds:
            (kind,) = self.chance.choices(self._kinds_here, self._weights)
            if kind == LATE_KEY and self.world.faults[LATE_KEY]:
                kind = self.KINDS[0]  # one is enough, for which the world has to wait
            self._kinds[sale] = kind
            self.world.faults[kind] += 1
        return self._kinds[sale]

    def deaf_to(self, request: Frame) -> bool:
        """Silent after P1: P3 is dropped unread."""
        if request.step != Step.P3:
            return False
        promise = decode(decode_record(Signed, request.payload).body)
        return self.of(promise.transaction.outcome_key) == "silent after P1"

    def withholds(self, errand: Errand) -> float:
        """Silent after P3: P4, or the pledge, is sent when it is long too late. At the edge: within a second of the
        expiration. With a council the key, once pledged, is shown as late as it may be, or later."""
        message = errand.message
        if not isinstance(message, AuthorizationM | Submission | Pledge):
            return 0.0
        sale, expiration = message.transaction.outcome_key, message.transaction.expiration
        kind = self.of(sale)
        if _brings_key(message) and self.world.decided_by_council(message.transaction):
            edge = self._key_edges.setdefault(sale, self.chance.choice([-4.0, -1.0, 0.0, 1.0, 30.0]))
            return expiration + RELEASE_SECONDS + edge if kind == LATE_KEY else 0.0
        if kind == "silent after P3":
            return expiration + 30.0
        if kind == "P4 at the edge":
            skew = self.world.nodes[self.world.name_of(message.transaction.log)].skew
            edge = self._edges.setdefault(sale, self.chance.choice([-1.0, -0.06, 0.0, 0.9, 1.0, 1.5]))
            return expiration - skew + edge
        return 0.0
