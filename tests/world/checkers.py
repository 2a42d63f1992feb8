"""What must hold after every run, judged from outside: by the tape, by papers, and by the bank's books against them.

Each checker yields one sentence for each thing that is wrong. What they check is named in design.md, "What everything
must satisfy", 1 to 4, and in the paper's section "Correctness and Atomicity".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator
from math import inf
from typing import Any

from anonnet.errors import Malformed
from anonnet.protocol.breach import Alert
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import Entry, EntryKind, Time, Undecided
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.sealed import SealedM, Submission
from anonnet.protocol.transaction import Transaction
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.times import CLAIM_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.signed import Signed, checked
from tests.world.node import SKEWS
from tests.world.tape import Said, Tape, gist

Complaints = Iterator[str]
GROWS = ("Entries", "Time", "Statement", "Brands", "Catalogue", "CheckpointIs", "Certificate", "Proofs", "Alerts")
CLOCKS_APART = 4
"""Clocks of the world are at most 3 seconds wrong, and whole seconds hide one more."""


def everything_said_holds(tape: Tape) -> Complaints:
    yield from tape.unsound


def answers_stay(tape: Tape, liars: Container[str]) -> Complaints:
    """Asked again, answered again, byte for byte; state moves one way. The same said under another key is another
    request: so many keys may sign for the same goods, and no more."""
    last: dict[tuple[str, bytes], tuple[int, bytes]] = {}
    for request, answer in tape.pairs:
        rank = _rank(answer)
        if rank is None or answer.heard.sender in liars:
            continue
        key = answer.heard.sender, request.heard.payload
        before = last.get(key, (0, b""))
        what = f"{answer.heard.sender} to {type(request.body).__name__}"
        if rank < before[0]:
            yield f"{what}: went back to {_shown(answer)}"
        if rank == before[0] and rank > 0 and answer.heard.payload != before[1]:
            yield f"{what}: answered in two ways: {_shown(answer)}"
        if rank >= before[0]:
            last[key] = rank, answer.heard.payload


def _rank(answer: Said) -> int | None:
    """How far the state had moved: 0 not yet, 1 done, 2 proven over. None: the answer grows by its nature."""
    if isinstance(answer.body, Refusal):
        return 2 if answer.body.why in ("sale-aborted", "forgotten", "too-late") else 0
    if isinstance(answer.body, Undecided):
        return 0
    if isinstance(answer.body, Alert):  # what a mirror has noted may convict its log later
        return 2
    return None if type(answer.body).__name__ in GROWS else 1


def _shown(answer: Said) -> str:
    name = type(answer.body).__name__
    return f"{name} {answer.body.why}" if isinstance(answer.body, Refusal) else name


# The log.


def log_time_never_falls(tape: Tape, liars: Container[str], put_back: Container[str]) -> Complaints:
    """In what a log says of its time; and a mirror of that of each shard, as far as its copy goes.

    A log that was put back from a snapshot has forgotten what it has said since, and only its entries bind it: its time
    falls by as much as its clock has been set.
    """
    last: dict[tuple[str, int | None], int] = defaultdict(int)
    for asked, said in tape.pairs:
        if isinstance(said.body, Time | Undecided) and said.heard.sender not in liars:
            about: Any = asked.body
            shard = shard_of(about.transaction.expiration) if isinstance(said.body, Undecided) else None
            clock = said.heard.sender, shard
            may_fall = max(SKEWS) - min(SKEWS) if said.heard.sender in put_back else 0
            if said.body.time + may_fall < last[clock]:
                yield f"{said.heard.sender} said {said.body.time} after {last[clock]}"
            last[clock] = max(last[clock], said.body.time)


def entries_are_one_list(tape: Tape, logs: dict[str, bytes]) -> Complaints:
    """Of logs that decide alone: each place has one entry, with times that do not fall, each a commit that was in time
    and of this log."""
    known: dict[tuple[str, int, int], tuple[bytes, Entry]] = {}
    for log, shard, index, entry, data in tape.entries():
        if log not in logs:
            continue
        if known.setdefault((log, shard, index), (data, entry))[0] != data:
            yield f"{log} has two entries {index} in shard {shard}"
    outcomes: Counter[tuple[str, bytes]] = Counter()
    for (log, shard, index), (_, entry) in sorted(known.items(), key=lambda each: each[0]):
        before = known.get((log, shard, index - 1))
        if before and before[1].time > entry.time:
            yield f"{log}: entry {index} of shard {shard} is earlier than the one before it"
        if (entry.kind == EntryKind.GENESIS) != (index == 0):
            yield f"{log}: entry {index} of shard {shard} is a genesis, or is none"
        if entry.kind == EntryKind.GENESIS:
            continue
        body = decode(decode_record(Signed, entry.body).body)
        assert isinstance(body, AuthorizationM | SealedM)
        if body.transaction.log != logs[log]:
            yield f"{log} recorded a transaction of another log"
        if shard_of(body.transaction.expiration) != shard:
            yield f"{log} recorded a transaction in another shard than its own"
        if entry.time > body.transaction.expiration:
            yield f"{log} committed after the expiration"
        outcomes[log, entry.outcome_key] += 1
    yield from (f"{log} has two entries for one transaction" for (log, _), n in outcomes.items() if n > 1)


def one_outcome(tape: Tape, logs: dict[str, bytes], known: dict[bytes, KnownLog]) -> Complaints:
    """Never both a commit and an abort; one commit only; each of the log that the transaction names."""
    aborts, commits = tape.aborts(), tape.commits()
    for transaction, shown in commits.items():
        if transaction in aborts:
            yield "a transaction has both a commit and an abort"
        if len({gist(commit) for commit, _ in shown}) > 1:
            yield "a transaction has two commits"
        for commit in {commit.body: commit for commit, _ in shown}.values():
            try:
                committed(tape.network, known[transaction.log], commit, transaction)
            except (KeyError, Malformed):
                yield "a commit of another log than the transaction names"
    for transaction, papers in aborts.items():
        if papers[0].time + CLOCKS_APART < transaction.expiration + SETTLE_SECONDS:
            yield "an abort was granted before the expiration had passed"
        alone = transaction.log not in known or known[transaction.log].decides_alone
        if alone and papers[0].heard.is_reply and logs.get(papers[0].heard.sender) != transaction.log:
            yield "an abort by another log"


def late_stays_late(tape: Tape, liars: Container[str]) -> Complaints:
    """A log that has refused P4 as late records it no more; one that forks has two minds about it."""
    late: set[Transaction] = set()
    for request, answer in tape.pairs:
        if not isinstance(request.body, AuthorizationM | Submission) or answer.heard.sender in liars:
            continue
        if isinstance(answer.body, Refusal) and answer.body.why == "expired":
            late.add(request.body.transaction)
        elif isinstance(answer.body, Commit) and request.body.transaction in late:
            yield "a log recorded what it had refused as late"


# The merchant.


def one_authorization_m(tape: Tape) -> Complaints:
    """At most one P4 for each n, ever; and its key goes to the log that it names and to nobody else."""
    for number, bodies in _by_number(tape).items():
        if len(bodies) > 1:
            yield f"the merchant signed {len(bodies)} P4 for {number.hex()[:8]}"


def _by_number(tape: Tape) -> dict[bytes, set[bytes]]:
    found: dict[bytes, set[bytes]] = defaultdict(set)
    opener = tape.opener()
    for said in tape.said:
        if (body := opener.p4(said.body)) is not None:
            found[body.transaction.number].add(encode(body))
    for shown in tape.commits().values():
        for commit, _ in shown:
            body = opener.recorded(commit)
            found[body.transaction.number].add(encode(body))
    return found


def keys_go_to_the_log(tape: Tape, shown_to: dict[bytes, set[str]]) -> Complaints:
    """Before P5a the merchandise key is said to the one log that P3 named, and to its mirrors, against a promise of the
    price."""
    prices = {said.body.number: said.body.contract.price for said in tape.of(GoodsM)}  # type: ignore[attr-defined]
    values: dict[Transaction, int] = {}
    opener = tape.opener()
    for said in tape.said:
        if isinstance(said.body, AuthorizationB):
            values[said.body.transaction] = said.body.value
        p4 = opener.p4(said.body)
        if p4 is not None and said.heard.sender.startswith("merchant"):
            transaction = p4.transaction
            if said.heard.receiver not in shown_to[transaction.log]:
                yield f"{said.heard.sender} told a key to {said.heard.receiver}"
            if values.get(transaction) != prices.get(transaction.number):
                yield f"{said.heard.sender} sent P4 without a promise of the price"


# The bank.


def no_promise_without_lock(tape: Tape) -> Complaints:
    """Each P3 answers a P2 that was said before, over its value; one P2 for each tuple; one P3."""
    seen: dict[Transaction, set[int]] = defaultdict(set)
    for said in tape.said:
        if isinstance(said.body, AuthorizationQ):
            seen[said.body.transaction].add(said.body.value)
        if isinstance(said.body, AuthorizationB) and said.body.value not in seen[said.body.transaction]:
            yield "a P3 without a P2 of its value"
    for papers in tape.promises().values():
        if len({said.signed.body for said in papers}) > 1:
            yield "two promises for one transaction"
    accepted: dict[Transaction, set[bytes]] = defaultdict(set)
    for request, answer in tape.pairs:
        if isinstance(request.body, AuthorizationQ) and isinstance(answer.body, AuthorizationB):
            accepted[request.body.transaction].add(request.signed.body)
    yield from ("two P2 were answered by one P3" for bodies in accepted.values() if len(bodies) > 1)


def accepted_orders(tape: Tape) -> dict[Transaction, tuple[AuthorizationQ, float]]:
    """The P2 that the bank took for each transaction that it promised, and when the promise was first said.

    Where several P2 were said for one transaction and none was answered, it cannot be told: left out.
    """
    first = {transaction: papers[0].time for transaction, papers in tape.promises().items()}
    answered: dict[Transaction, Any] = {}
    for request, answer in tape.pairs:
        if isinstance(request.body, AuthorizationQ) and isinstance(answer.body, AuthorizationB):
            answered.setdefault(request.body.transaction, request.body)
    for transaction, papers in tape.orders().items():
        bodies = {said.signed.body: said.body for said in papers}
        if transaction in first and len(bodies) == 1:
            answered.setdefault(transaction, next(iter(bodies.values())))
    return {transaction: (q, first[transaction]) for transaction, q in answered.items() if transaction in first}


def exchanges(tape: Tape) -> dict[bytes, tuple[ExchangeQ, float]]:
    """E1 that the bank took, each once, and when it first said so."""
    found: dict[bytes, tuple[ExchangeQ, float]] = {}
    for request, answer in tape.pairs:
        if isinstance(request.body, ExchangeQ) and isinstance(answer.body, ExchangeB):
            found.setdefault(request.signed.hash, (request.body, answer.time))
    return found


def no_token_is_used_beyond_its_worth(tape: Tape, denominations: dict[bytes, int]) -> Complaints:
    """What sales that are open or have committed, and exchanges, take of a token is never more than it is worth. What a
    sale has taken comes free when the log has aborted it, or its claim time is over, whichever is first."""
    taken: dict[bytes, list[tuple[float, float, int]]] = defaultdict(list)
    worth: dict[bytes, int] = {}
    undecided = tape.orders().keys() - tape.commits().keys()
    over: dict[Transaction, float] = {each: each.expiration + CLAIM_SECONDS for each in undecided}
    for each, papers in tape.aborts().items():
        over[each] = min(papers[0].time, over.get(each, inf))
    uses = [(order, time, over.get(each, inf)) for each, (order, time) in accepted_orders(tape).items()]
    for order, time, until in [*uses, *((each, time, inf) for each, time in exchanges(tape).values())]:
        for payment in order.payments:
            worth[payment.token.id] = denominations[payment.token.brand]
            taken[payment.token.id].append((time, until, payment.amount))
    for token, each in taken.items():
        for now in (time for time, until, _ in each if time < until):
            if sum(amount for time, until, amount in each if time <= now < until) > worth[token]:
                yield "a token was promised or given for more than it is worth"


def one_more(tape: Tape, denominations: dict[bytes, int]) -> Complaints:
    """Tokens accepted are at most the signatures debited or given in exchange, for each brand."""
    signed: Counter[bytes] = Counter({brand: len(messages) for brand, messages in debited(tape).items()})
    taken: dict[bytes, set[bytes]] = defaultdict(set)
    for exchange, _ in exchanges(tape).values():
        signed.update({wanted.brand: len(wanted.blinded) for wanted in exchange.wanted})
        worth = sum(denominations[wanted.brand] * len(wanted.blinded) for wanted in exchange.wanted)
        if worth != sum(payment.amount for payment in exchange.payments):
            yield "an exchange gave another amount than it took"
    for order in [order for order, _ in (*accepted_orders(tape).values(), *exchanges(tape).values())]:
        for payment in order.payments:
            taken[payment.token.brand].add(payment.token.id)
    for brand, tokens in taken.items():
        if len(tokens) > signed[brand] or brand not in denominations:
            yield f"{len(tokens)} tokens for {signed[brand]} signatures"


def debited(tape: Tape) -> dict[bytes, dict[bytes, bytes]]:
    """The blinded messages that the bank signed, by brand, with the account that asked."""
    found: dict[bytes, dict[bytes, bytes]] = defaultdict(dict)
    for request, answer in tape.pairs:
        if isinstance(request.body, WithdrawC) and isinstance(answer.body, WithdrawB):
            account = checked(tape.network, request.signed, WithdrawC).signer
            for message in request.body.blinded:
                found[request.body.brand].setdefault(message, account)
    return found


# The consumer.


def paid_after_the_goods(tape: Tape, honest: Container[str]) -> Complaints:
    """A wallet says P2 only when every chunk of the goods has been said to it."""
    chunks: dict[tuple[str, bytes], set[int]] = defaultdict(set)
    counts: dict[bytes, int] = {}
    asked: dict[int, bytes] = {}
    for said in tape.said:
        if isinstance(said.body, GoodsM):
            counts[said.body.number] = said.body.contract.chunks
        elif isinstance(said.body, ChunkOf):
            asked[said.heard.exchange] = said.body.number
        elif isinstance(said.body, Chunk):
            chunks[said.heard.receiver, asked[said.heard.exchange]].add(said.body.index)
        elif isinstance(said.body, AuthorizationQ) and said.heard.sender in honest:
            number = said.body.transaction.number
            if len(chunks[said.heard.sender, number]) != counts[number]:
                yield f"{said.heard.sender} paid before the goods were there"


def open_at_once(tape: Tape) -> int:
    """How many sales were open at the same time, from P2 to the first word of their outcome."""
    ends: dict[Transaction, float] = {each: papers[0].time for each, papers in tape.aborts().items()}
    ends |= {each: shown[0][1].time for each, shown in tape.commits().items()}
    moments = []
    for transaction, papers in tape.orders().items():
        if transaction in ends:
            moments += [(papers[0].time, 1), (ends[transaction], -1)]
    most = now = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most


def payments_in_part(tape: Tape, denominations: dict[bytes, int]) -> int:
    """How many sales took less of a token than it is worth."""
    orders = [order for order, _ in accepted_orders(tape).values()]
    return sum(any(p.amount < denominations[p.token.brand] for p in order.payments) for order in orders)
