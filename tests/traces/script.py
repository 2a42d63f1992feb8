"""How each message reads in a transcript: the paper's step name, and what it says with names in the place of keys.

`Cast` gives the names: B, M, L and C for the parties, R for a mirror, or R1 to R4, V1 to V3 for witnesses; c for an
account's key; q1, q2, ... for tokens' keys in the order of their first appearance, s1, s2, ... for the serials of
tokens that share one; n1, k1, ... for transaction numbers and their merchandise keys. Times are seconds after the
curtain rises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from anonnet.limits import ENTRIES_MAX
from anonnet.protocol.account import Claim, Credit, OpenAccount
from anonnet.protocol.breach import Alert
from anonnet.protocol.dispute import Dispute, Redress
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM, GoodsQ, Order
from anonnet.protocol.logbook import (
    CheckpointsSeen,
    Entries,
    Entry,
    EntryKind,
    Follow,
    OutcomeOf,
    Time,
    TimeOf,
    Undecided,
)
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate, CertificateOf, Pledge, Pledged, Receipt, transaction_of
from anonnet.protocol.recovery import State, Used, UsedOf
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.sealed import SealedM, Submission
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import Message, decode, decode_record
from anonnet.wire.signed import Signed
from tests.mirrors import MIRRORS
from tests.paper.scenes import Line, Scene, body_of
from tests.paper.stamping import WITNESSES
from tests.stage import key_of

PAPER_STEPS = {
    WithdrawC: "W1 withdraw_c",
    WithdrawB: "W2 withdraw_b",
    ExchangeQ: "E1 exchange_q",
    ExchangeB: "E2 exchange_b",
    GoodsM: "P1 goods_m",
    GoodsQ: "CD2 goods_q",
    AuthorizationQ: "P2 authorization_q",
    AuthorizationB: "P3 authorization_b",
    AuthorizationM: "P4 authorization_m",
    Submission: "P4 submission",
    Commit: "P5a commit",
    Abort: "P5b abort",
}


class Cast:
    """Who and what is called how."""

    def __init__(self, scene: Scene, curtain: int) -> None:
        self._scene, self._curtain = scene, curtain
        self._letters = {"bank": "B", "merchant": "M", "log": "L", "mirror": "R"}
        self._letters |= {name: f"R{at}" for at, name in enumerate(MIRRORS, 1)}
        self._letters |= {name: f"V{at}" for at, name in enumerate(WITNESSES, 1)}
        self._signers = {key_of(name).public: letter.lower() for name, letter in self._letters.items()}
        self._brands = {each.brand.id: each.brand.denomination for each in scene.minted}
        self._tokens: dict[bytes, str] = {}
        self._by_id: dict[bytes, str] = {}
        self._serials: dict[bytes, str] = {}
        self._numbers: dict[bytes, str] = {}
        self._entries: dict[bytes, str] = {}
        self._sales: dict[bytes, str] = {}

    def party(self, name: str) -> str:
        """B, M, L, R, R1 to R4, V1 to V3, or C for whoever is none of them."""
        return self._letters.get(name, "C")

    def brand(self, id: bytes) -> str:
        return f"brand {self._brands[id]}"

    def worth(self, id: bytes) -> int:
        return self._brands[id]

    def token(self, key: bytes) -> str:
        return self._tokens.setdefault(key, f"q{len(self._tokens) + 1}")

    def serial(self, serial: bytes) -> str:
        """s1, s2, ..., which tell tokens of one key apart; nothing where a key serves one token."""
        return " " + self._serials.setdefault(serial, f"s{len(self._serials) + 1}") if serial else ""

    def shown(self, token: Token) -> str:
        """A token by its key, and by its serial where the key serves several."""
        return self._by_id.setdefault(token.id, self.token(token.public_key) + self.serial(token.serial))

    def by_id(self, id: bytes) -> str:
        """One that has been shown, by its id."""
        return self._by_id[id]

    def number(self, number: bytes) -> str:
        return self._numbers.setdefault(number, f"n{len(self._numbers) + 1}")

    def entry(self, entry_key: bytes) -> str:
        """W1, W2, ..., the one-time keys of sealed entries; what they sign is signed by w1, w2, ..."""
        return self._entries.setdefault(entry_key, f"W{len(self._entries) + 1}")

    def sale(self, transaction: Transaction) -> str:
        """A sale by its n, or by its W where that is all that is shown of it."""
        name = self.number(transaction.number) if transaction.number else self.entry(transaction.entry_key)
        return self._sales.setdefault(transaction.outcome_key, name)

    def by_outcome_key(self, key: bytes) -> str:
        """A sale that has been shown, by its outcome key."""
        return self._sales[key]

    def key(self, merchant: bytes, key: bytes) -> str:
        return "k" + self.number(number_of(merchant, key))[1:]

    def time(self, seconds: int) -> str:
        """Since the curtain rose; 0 is the time of who has read nothing."""
        if not seconds:
            return "0"
        passed = seconds - self._curtain
        return f"+{passed // 3600}h" if passed and passed % 3600 == 0 else f"+{passed}s"

    def signer(self, key: bytes) -> str:
        """b, m, l; q1 for a token that has been seen; c for an account."""
        known = self._signers.get(key) or self._tokens.get(key) or self._entries.get(key, "c")
        return known.lower()


def step_name(kind: type[Message]) -> str:
    """The paper's name of a step, or ours where the paper has none."""
    return PAPER_STEPS.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def rendered(cast: Cast, said: Message | Signed) -> str:
    """What is said, with its signers: [...]_q1,q2."""
    body = body_of(said)
    if isinstance(body, GoodsQ) and isinstance(said, Signed):
        cast.token(said.signatures[0].signer)
    words = SAYS[type(body)](cast, body)
    if not isinstance(said, Signed):
        return words
    return f"[{words}]_{','.join(sorted(cast.signer(each.signer) for each in said.signatures))}"


def about(cast: Cast, paper: Signed) -> str:
    """A paper named by its step and its sale or its tokens, where it stands inside another message."""
    body: Any = decode(paper.body)
    if isinstance(body, ExchangeQ):
        return f"exchange_q of {' and '.join(cast.shown(each.token) for each in body.payments)}"
    if isinstance(body, Alert):
        return "the alert against L"
    if isinstance(body, State):
        return f"{cast.by_id(body.token)}: {body.remaining} remains"
    if isinstance(body, Certificate):
        return f"certificate of {cast.sale(transaction_of(body.recorded))}"
    inner: Any = decode(body.authorization_m.body) if isinstance(body, Commit) else body
    if isinstance(inner, SealedM):
        return f"commit of {cast.entry(inner.entry_key)}"
    return f"{step_name(type(body)).split()[-1]} of {cast.number(inner.transaction.number)}"  # type: ignore[attr-defined]


def counted(number: int, one: str, many: str) -> str:
    """3 entries, 1 entry, no entries."""
    return f"{number or 'no'} {one if number == 1 else many}"


def _transaction(cast: Cast, it: Transaction) -> str:
    """(n, expiration, M, L); where the entry is sealed with W among them, and to the log without n and M."""
    cast.sale(it)
    w = cast.entry(it.entry_key) if it.entry_key else ""
    whole = (
        f"{cast.number(it.number)}, {cast.time(it.expiration)}, M, L" if it.number else f"{cast.time(it.expiration)}, L"
    )
    return f"{whole}, {w}" if w else whole


def _withdraw_c(cast: Cast, it: WithdrawC) -> str:
    blinded = counted(len(it.blinded), "blinded message", "blinded messages")
    return f"B, {cast.brand(it.brand)}, {blinded}, until {cast.time(it.until)}"


def _exchange_q(cast: Cast, it: ExchangeQ) -> str:
    messages = [counted(len(each.blinded), "blinded message", "blinded messages") for each in it.wanted]
    wanted = [f"{some} of {cast.brand(each.brand)}" for some, each in zip(messages, it.wanted, strict=True)]
    return f"B, {_tokens(cast, it.payments)} for {' and '.join(wanted)}, until {cast.time(it.until)}"


def _amount(cast: Cast, payment: Payment) -> str:
    worth = cast.worth(payment.token.brand)
    return str(worth) if payment.amount == worth else f"{payment.amount} of {worth}"


def _tokens(cast: Cast, payments: tuple[Payment, ...]) -> str:
    tokens = [f"{cast.shown(each.token)} ({_amount(cast, each)})" for each in payments]
    return f"tokens {' and '.join(tokens)}"


def _authorization_q(cast: Cast, it: AuthorizationQ) -> str:
    return f"B, {_transaction(cast, it.transaction)}{_receiver(cast, it)}, {_tokens(cast, it.payments)}"


def _authorization_m(cast: Cast, it: AuthorizationM) -> str:
    return f"{_transaction(cast, it.transaction)}{_receiver(cast, it)}, {cast.key(it.transaction.merchant, it.key)}"


def _receiver(cast: Cast, it: AuthorizationQ | AuthorizationB | AuthorizationM) -> str:
    """Q of two-sided delivery, in capitals: who received the goods."""
    return f", {cast.token(it.receiver_key).upper()}" if it.receiver_key else ""


def _goods_m(cast: Cast, it: GoodsM) -> str:
    number, contract = cast.number(it.number), it.contract
    told = f'{number}, contract "{contract.item}" for {contract.price} {contract.currency}, E_k{number[1:]}(goods)'
    return f"{told}, {cast.entry(it.entry_key)}" if it.entry_key else told


def _entries(cast: Cast, it: Entries) -> str:
    return "; ".join(_entry(cast, index, each.entry) for index, each in enumerate(it.entries, it.start))


def _entry(cast: Cast, index: int, data: bytes) -> str:
    entry = decode_record(Entry, data)
    bare = entry.kind in (EntryKind.GENESIS, EntryKind.TICK, EntryKind.CLOSE)
    said = EntryKind(entry.kind).name.lower() if bare else rendered(cast, decode_record(Signed, entry.body))
    return f"entry {index}, at {cast.time(entry.time)}: {said}"


def _certificate(cast: Cast, it: Certificate) -> str:
    proof = LogProof.parse(it.proof)
    return f"{_entry(cast, proof.index, it.entry)}, cosigned by {_cosigners(cast, proof.checkpoint.note.encoded())}"


def _cosigners(cast: Cast, checkpoint: bytes) -> str:
    signatures = SignedCheckpoint.parse(checkpoint).note.signatures[1:]
    return ", ".join(sorted(cast.party(each.name).lower() for each in signatures))


def _certificate_of(cast: Cast, it: CertificateOf) -> str:
    return f"that of the {EntryKind(it.kind).name.lower()} of {cast.sale(it.transaction)}"


def _proofs_of(cast: Cast, it: ProofsOf) -> str:
    more = f", beyond the first {it.beyond}" if it.beyond else ""
    return f"L, those of entries {it.start} to {it.start + ENTRIES_MAX - 1}{more}"


def _proofs(cast: Cast, it: Proofs) -> str:
    last = it.start + len(it.leaves) - 1
    return f"entries {it.start} to {last}, by their hashes, cosigned by {_cosigners(cast, it.checkpoint)}"


def _sealed_m(cast: Cast, it: SealedM) -> str:
    inside = "pledge" if it.kind == EntryKind.SEALED_PLEDGE else "authorization_m"
    return f"{_transaction(cast, it.transaction)}, E_n({inside})"


def _dispute(cast: Cast, it: Dispute) -> str:
    return f"B, {it.claim}, for here is {' and '.join(about(cast, paper) for paper in it.papers)}"


def _refusal(cast: Cast, it: Refusal) -> str:
    detail = f" ({it.detail})" if it.detail else ""
    shown = " and ".join(about(cast, paper) for paper in it.evidence)
    return f"{it.why}{detail}" + (f", for here is {shown}" if shown else "")


def _checkpoints_seen(cast: Cast, it: CheckpointsSeen) -> str:
    sizes = (SignedCheckpoint.parse(note).body.size for note in it.checkpoints)
    return f"[L, {', '.join(counted(size, 'entry', 'entries') for size in sizes)}]_l"


SAYS: dict[type[Message], Callable[[Cast, Any], str]] = {
    OpenAccount: lambda cast, it: "B, an account",
    Noted: lambda cast, it: "taken in",
    Alert: lambda cast, it: "L, two checkpoints that no tree extends both",
    WithdrawC: _withdraw_c,
    WithdrawB: lambda cast, it: counted(len(it.signatures), "signature", "signatures"),
    ExchangeQ: _exchange_q,
    ExchangeB: lambda cast, it: counted(len(it.signatures), "signature", "signatures"),
    Order: lambda cast, it: f'M, "{it.item}", a fresh secret',
    GoodsM: _goods_m,
    GoodsQ: lambda cast, it: f"M, goods_m of {cast.number(it.number)}",
    ChunkOf: lambda cast, it: f"chunk {it.index} of {cast.number(it.number)}, with the secret",
    Chunk: lambda cast, it: f"chunk {it.index}, sealed",
    TimeOf: lambda cast, it: "L, what time is it?",
    Time: lambda cast, it: (
        f"L, {cast.time(it.time)}, {counted(sum(each.size for each in it.shards), 'entry', 'entries')}"
    ),
    CheckpointsSeen: _checkpoints_seen,
    Follow: lambda cast, it: f"L, from entry {it.start} on",
    Entries: _entries,
    AuthorizationQ: _authorization_q,
    AuthorizationB: lambda cast, it: (
        f"{_transaction(cast, it.transaction)}{_receiver(cast, it)}, {it.value} {it.currency}"
        + (", ticket" if it.ticket else "")
    ),
    AuthorizationM: _authorization_m,
    Commit: lambda cast, it: f"{rendered(cast, it.authorization_m)}, entry {it.index}",
    Abort: lambda cast, it: f"{_transaction(cast, it.transaction)}, failed",
    Pledge: lambda cast, it: f"{_transaction(cast, it.transaction)}{_receiver(cast, it)}",
    Pledged: lambda cast, it: f"{_transaction(cast, it.transaction)}, entry {it.index}",
    Receipt: lambda cast, it: f"P4 of {cast.by_outcome_key(it.outcome_key)}, here at {cast.time(it.time)}",
    CertificateOf: _certificate_of,
    Certificate: _certificate,
    ProofsOf: _proofs_of,
    Proofs: _proofs,
    SealedM: _sealed_m,
    Submission: lambda cast, it: f"{rendered(cast, it.sealed_m)} and [ticket for {cast.entry(it.said.entry_key)}]_b",
    OutcomeOf: lambda cast, it: _transaction(cast, it.transaction),
    Undecided: lambda cast, it: f"{_transaction(cast, it.transaction)}, undecided at {cast.time(it.time)}",
    Claim: lambda cast, it: f"{about(cast, it.authorization_b)} and {about(cast, it.commit)}",
    Credit: lambda cast, it: f"{_transaction(cast, it.transaction)}, {it.value} {it.currency}",
    UsedOf: lambda cast, it: f"B, {cast.brand(it.brand)}, which tokens are used?",
    Used: lambda cast, it: f"{counted(len(it.names), 'name', 'names')} of used tokens",
    Dispute: _dispute,
    Redress: lambda cast, it: f"done, for here is {' and '.join(about(cast, paper) for paper in it.papers)}",
    Refusal: _refusal,
}


def spoken(cast: Cast, line: Line, fate: str = "") -> str:
    """One line of a transcript."""
    who = f"{cast.party(line.sender)} -> {cast.party(line.receiver)}"
    step = "refused" if line.kind is Refusal else step_name(line.kind)
    if isinstance(line.body, Submission) and line.body.said.kind == EntryKind.SEALED_PLEDGE:
        step = "submission"  # P4 without k, which is no step of the paper
    return f"  {who:<8} {step:<20} {rendered(cast, line.said)}" + (f"   ({fate})" if fate else "")
