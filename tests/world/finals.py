"""How a run must end: money, goods, nothing stuck, and each sale decided by the judge as the paper says.

The books of the bank are looked into here, as a cross-check against what was paid in and what the papers say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anonnet.parties.books import Audit
from anonnet.protocol.account import Credit
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.outcome import committed, is_commit
from anonnet.protocol.purchase import Abort, AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.transaction import Transaction
from anonnet.store.goods import SEALED_BYTES
from anonnet.store.ledger import ACCOUNT, EXPIRED, LOCKED, TOKENS
from anonnet.store.tokens import FREE, SPENT, VOID
from anonnet.store.wallet import ABORTED, DONE, REFUSED
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.stage import CURRENCY, NETWORK, key_of
from tests.world import checkers, snapshots, variations
from tests.world.certified import all_that_was_certified
from tests.world.council import LOG, MIRRORS
from tests.world.inspector import Inspector
from tests.world.judge_core import Judge, Verdict
from tests.world.tape import Tape, gist

if TYPE_CHECKING:
    from tests.world.world import World

Complaints = Iterator[str]
Outcomes = dict[Transaction, Signed | None]
"""What a log answered for each transaction that it was asked about."""
END_STATES = {DONE, ABORTED, REFUSED}
HONEST = ("alice", "alice-copy", "bob", "carol")
KNOWN_WALLETS = ("bob", "carol")
"""Consumers whose tokens nobody else holds: what their wallets say can be held against the bank's books."""


@dataclass
class Report:
    """What came of one run."""

    seed: int
    complaints: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    aborts: int = 0
    open_at_once: int = 0
    council: bool = False
    """Mirrors decide with one of the logs."""
    answers_not_taken: Counter[str] = field(default_factory=Counter)


def check(world: World) -> Report:
    """Everything that must hold after a run."""
    report = Report(world.seed, faults=world.faults, answers_not_taken=world.unsettled)
    report.council = world.council is not None
    tape = Tape(NETWORK, world.directory.logs).read(world.network.tape)
    inspector = Inspector(world)
    inspector.ask_all_again(tape)
    transactions = list(tape.promises() | tape.orders() | tape.aborts())
    inspector.read_logs({shard_of(each.expiration) for each in transactions})
    outcomes = inspector.ask_outcomes(transactions)
    report.complaints += nothing_is_stuck(world)
    report.complaints += every_sale_is_decided(outcomes, world.lying_log)
    tape.read(world.network.tape)
    ended = Ended(world, tape, outcomes | inspector.certificates_among(tape, outcomes))
    for final in (money_is_there, wallets_agree, goods_are_there, the_judge_decides, receipts_prove_delivery):
        report.complaints += final(ended)
    report.complaints += the_books_are_audited(world)
    report.complaints += credits_are_obtainable(ended, inspector)
    inspector.pass_retention()
    report.complaints += nothing_is_taken_back(world, outcomes, inspector.ask_outcomes(transactions))
    read = world.events.now
    inspector.read_logs({shard_of(each.expiration) for each in transactions} if world.council else set())
    report.complaints += all_that_was_said(world, tape.read(world.network.tape))
    report.faults["paid in part"] += checkers.payments_in_part(tape, world.denominations)
    report.faults["paid under a reused key"] += variations.payments_under_reused_keys(tape)
    report.complaints += all_that_was_certified(world, tape, read)
    report.complaints += forgetting_changes_no_money(world, inspector, tape)
    report.complaints += the_books_are_audited(world)
    states = [bought.state for bought in _sales(world)]
    report.commits, report.aborts = states.count(DONE), states.count(ABORTED)
    report.open_at_once = checkers.open_at_once(tape)
    return report


def _sales(world: World) -> Iterator[Any]:
    """Purchases of the wallets in which P2 was signed."""
    for node in world.consumers.values():
        for id in node.store.purchases(most=100):
            bought = node.store.purchase(id)
            if bought.authorization_q is not None:
                yield bought


def all_that_was_said(world: World, tape: Tape) -> Complaints:
    """The checkers of the tape."""
    known = world.directory.logs
    logs = {world.name_of(log): log for log in known if known[log].decides_alone}
    shown_to = {log: {world.name_of(each) for each in (log, *known[log].mirrors)} for log in known}
    yield from checkers.everything_said_holds(tape)
    yield from checkers.answers_stay(tape, world.liars)
    put_back = {LOG} if world.faults[snapshots.FAULT] else set[str]()
    yield from checkers.log_time_never_falls(tape, world.liars, put_back)
    yield from checkers.entries_are_one_list(tape, logs)
    yield from checkers.one_outcome(tape, logs, known)
    yield from checkers.late_stays_late(tape, world.liars)
    yield from checkers.one_authorization_m(tape)
    yield from checkers.keys_go_to_the_log(tape, shown_to)
    yield from checkers.no_promise_without_lock(tape)
    yield from checkers.no_token_is_used_beyond_its_worth(tape, world.denominations)
    yield from checkers.one_more(tape, world.denominations)
    yield from checkers.paid_after_the_goods(tape, HONEST)
    yield from variations.complaints(tape, ("stranger", "inspector"))


@dataclass
class Ended:
    """A run at its end: its tape, and how each transaction went."""

    world: World
    tape: Tape
    papers: Outcomes

    def __post_init__(self) -> None:
        promised = self.tape.promises()
        paid = [each for each, paper in self.papers.items() if paper and is_commit(paper) and each in promised]
        paid = [each for each in paid if self._opens(each)]  # of one place, by another n, nothing comes
        self.committed = {each: promised[each][0] for each in paid}
        """Transactions with a commit and a promise: the bank owes their value."""

    def _opens(self, transaction: Transaction) -> bool:
        paper, known = self.papers[transaction], self.world.directory.logs[transaction.log]
        return paper is not None and committed(NETWORK, known, paper, transaction) is not None

    def tokens_spent(self) -> set[bytes]:
        """The tokens that the papers say are spent for good, or exchanged."""
        orders = checkers.accepted_orders(self.tape)
        paid = [order.payments for each, (order, _) in orders.items() if each in self.committed]
        given = [order.payments for order, _ in checkers.exchanges(self.tape).values()]
        return {payment.token.id for payments in paid + given for payment in payments}

    def value_of(self, merchant: bytes) -> int:
        """What the papers say a merchant has earned."""
        return sum(said.body.value for each, said in self.committed.items() if each.merchant == merchant)


# Nothing half-done.


def nothing_is_stuck(world: World) -> Complaints:
    """Every purchase in a final state, every errand ended, every lock over."""
    for name, node in world.nodes.items():
        if world.council and name in world.council.parties:
            continue  # they ask each other for ever
        if world.lying_log and name.startswith("merchant"):
            continue  # some of his sales may have no outcome, and he asks for it as long as he keeps them
        for errand in node.store.errands.due(10**12, most=5):
            yield f"{name} still asks {world.name_of(errand.receiver)}: {type(errand.message).__name__}"
        if node.store.jobs():
            yield f"{name} still has work"
    for name, node in world.consumers.items():
        for id in node.store.purchases(most=100):
            bought = node.store.purchase(id)
            if bought.state not in END_STATES:
                yield f"{name} has a purchase that is {bought.state} {bought.detail}"
        for _, state, _, count in node.store.tokens.holdings():
            if state not in (FREE, SPENT, VOID):  # void: another copy of the wallet took the place first
                yield f"{name} has {count} tokens that are {state}"
    for name in () if world.lying_log else ("merchant-1", "merchant-2"):
        for state, count in world.nodes[name].store.states():
            if state in ("authorized", "released", "late", "committed"):
                yield f"{name} has {count} sales that are {state}"
    if any(book == LOCKED and amount for book, _, amount in world.nodes["bank"].store.ledger.totals()):
        yield "the bank still has locked money"


def every_sale_is_decided(outcomes: Outcomes, lying: bytes) -> Complaints:
    """One of commit and abort is obtainable, unless the log is the one that lies."""
    for transaction, paper in outcomes.items():
        decided = paper is not None and (is_commit(paper) or isinstance(decode(paper.body), Abort))
        if not decided and transaction.log != lying:
            yield "a log says neither commit nor abort"


def nothing_is_taken_back(world: World, before: Outcomes, after: Outcomes) -> Complaints:
    """After the retention delay a log says the same or nothing: "the log [does] not generate abort for any
    transaction with an expiration which has been exceeded by more than this delay period"."""
    for transaction, paper in after.items():
        earlier, alone = before[transaction], world.directory.logs[transaction.log].decides_alone
        if earlier is None and transaction.log == world.lying_log:
            continue
        same = paper is not None and earlier is not None and gist(paper) == gist(earlier)
        forgotten = paper is not None and isinstance(decode(paper.body), Refusal)
        if paper is None or (alone and isinstance(decode(paper.body), Abort)):
            yield "a log makes an abort, or says nothing, after the retention delay"
        elif not same and not forgotten:
            yield "a log says something else after the retention delay"


# Money.


def money_is_there(ended: Ended) -> Complaints:
    """Accounts, live tokens and locked money are what was paid in; each account is what the papers say."""
    world, ledger = ended.world, ended.world.nodes["bank"].store.ledger
    totals = {book: amount for book, _, amount in ledger.totals()}
    owners = sorted(world.paid_in)
    paid_in = sum(world.paid_in.values())
    if totals.get(ACCOUNT, 0) + totals.get(TOKENS, 0) + totals.get(LOCKED, 0) != paid_in:
        yield f"{paid_in} was paid in, and the books hold {totals}"
    withdrawn: Counter[bytes] = Counter()
    for brand, messages in checkers.debited(ended.tape).items():
        worth = world.denominations[brand]
        withdrawn.update({account: worth * n for account, n in Counter(messages.values()).items()})
    for name in owners:
        account = world.account(name)
        has, should = ledger.balance(ACCOUNT, account, CURRENCY), world.paid_in[name] - withdrawn[account]
        if has != should:
            yield f"{name} has {has} and should have {should}"
    earned = 0
    for name in ("merchant-1", "merchant-2"):
        key = key_of(name).public
        has, should = ledger.balance(ACCOUNT, key, CURRENCY), ended.value_of(key)
        earned += should
        if has != should:
            yield f"{name} has {has} and should have {should}"
    if totals.get(TOKENS, 0) != withdrawn.total() - earned:
        yield f"tokens of {totals.get(TOKENS, 0)} are live, and {withdrawn.total() - earned} should be"


def wallets_agree(ended: Ended) -> Complaints:
    """Who shares her seed with nobody finds in her wallet what the papers leave her: nothing acknowledged is lost."""
    world = ended.world
    gone = {SPENT} if world.council else {SPENT, VOID}  # where the world sleeps for hours an E1 may end unsigned: void
    for name in KNOWN_WALLETS:
        spent: Counter[bytes] = Counter()
        for transaction in ended.committed:
            bought = world.nodes[name].store.by_outcome_key(transaction.outcome_key)
            for payment in _order(bought).payments if bought else ():
                spent[payment.token.brand] += payment.amount
        shown: Counter[bytes] = Counter()
        for brand, state, amount, count in world.nodes[name].store.tokens.holdings():
            shown[brand] += amount * count if state in gone else 0
        if shown != spent:
            yield f"{name} believes {shown.total()} spent, and {spent.total()} are"
    for name in HONEST:
        node = world.nodes[name]
        held = [each for id in node.store.purchases(most=100) for each in node.store.tokens.bound_to(id)]
        if {each.id for each in held if each.state == SPENT} - ended.tokens_spent():
            yield f"{name} believes a token spent that is not"


def _order(bought: Any) -> AuthorizationQ:
    body = decode(bought.authorization_q.body)
    assert isinstance(body, AuthorizationQ)
    return body


def forgetting_changes_no_money(world: World, inspector: Inspector, tape: Tape) -> Complaints:
    """When all have forgotten what they may, what was not spent in time is the bank's, every account stands as it did,
    and no old request that comes again moves anything."""
    ledger = world.nodes["bank"].store.ledger
    before = {book: amount for book, _, amount in ledger.totals()}
    inspector.have_all_forget()
    for _ in range(2):
        after = {book: amount for book, _, amount in ledger.totals()}
        if after.get(EXPIRED, 0) != before.get(TOKENS, 0) or after.get(TOKENS, 0) or after.get(LOCKED, 0):
            yield f"the books held {before}, and hold {after} when all is forgotten"
        if after.get(ACCOUNT, 0) != before.get(ACCOUNT, 0):
            yield "an account changed when all was forgotten"
        inspector.ask_all_again(tape)


def the_books_are_audited(world: World) -> Complaints:
    """Every balance and every token's history follow from signed messages."""
    brands = [each.brand for each in world.directory.brands]
    audit = Audit(NETWORK, key_of("bank").public, world.directory.logs, brands)
    yield from audit.run(world.nodes["bank"].store.bookkeeping)


# Goods.


def goods_are_there(ended: Ended) -> Complaints:
    """A consumer whose sale committed has opened the goods; who has no commit has paid nothing."""
    world = ended.world
    for name, node in world.consumers.items():
        for id in node.store.purchases(most=100):
            bought = node.store.purchase(id)
            if bought.authorization_q is None:
                continue
            paid = bought.transaction in ended.committed
            if paid != (bought.state == DONE) and name in HONEST:
                yield f"{name}: a sale that {'has' if paid else 'has not'} committed is {bought.state}"
            if bought.state == DONE:
                goods = (world.folder / bought.buy.item).read_bytes()
                opened = world.folder / f"{name}-{id.hex()[:16]}.goods"
                if not opened.exists() or opened.read_bytes() != goods:
                    yield f"{name} has other goods than she paid for"


# The judge.


def the_judge_decides(ended: Ended) -> Complaints:
    """Each sale, from the papers that each party holds, as the paper says; no honest party is convicted."""
    world = ended.world
    brands = [each.brand for each in world.directory.brands]
    judge = Judge(NETWORK, key_of("bank").public, world.directory.logs, brands)
    for transaction in ended.tape.promises():
        pays = transaction in ended.committed
        sale = world.nodes["bank"].store.sale(transaction.outcome_key)
        if sale is None:
            yield "the bank has lost a sale that it promised"
            continue
        if ended.papers[transaction] is None:  # the log fell silent, and the claim time has ended it
            continue
        if sale.authorization_q is None:  # aborted: "the bank need keep only abort"
            if pays:
                yield "the bank has ended a sale that has committed"
            continue
        tokens = [payment.token.id for payment in sale.order.payments]
        justified = {judge.bank_justifies(token, sale.authorization_q, sale.proof) for token in tokens}
        if justified != {Verdict.TOKEN_IS_SPENT if pays else Verdict.NOTHING}:
            yield f"the bank's papers for tokens of a sale: {justified}"
        yield from _merchant_before(judge, ended, transaction, pays)
        yield from _consumer_before(judge, ended, transaction, pays)


def _merchant_before(judge: Judge, ended: Ended, transaction: Transaction, pays: bool) -> Complaints:
    node = ended.world.nodes[ended.world.name_of(transaction.merchant)]
    sale = node.store.by_number(transaction.number)
    verdict = judge.merchant_claims(sale.authorization_b, sale.outcome) if sale else Verdict.NOTHING
    mine = sale is not None and sale.authorization_b is not None
    mine = mine and decode(sale.authorization_b.body).transaction == transaction
    if pays and verdict is not Verdict.BANK_OWES_CREDIT and not _kept_from(ended, transaction, sale):
        yield "the merchant cannot prove what he is owed"
    if not pays and mine and verdict is not Verdict.NOTHING:
        yield "the merchant proves what he is not owed"


def _kept_from(ended: Ended, transaction: Transaction, sale: Any) -> bool:
    """True if a log that lies, and mirrors with it, have shown the merchant no outcome. That the bank, which had it
    from them, has credited him all the same the books must show."""
    both_lie = transaction.log == ended.world.lying_log and not ended.world.liars.isdisjoint(MIRRORS)
    return both_lie and sale is not None and sale.outcome is None


def _consumer_before(judge: Judge, ended: Ended, transaction: Transaction, pays: bool) -> Complaints:
    world = ended.world
    for name in HONEST:
        bought = world.nodes[name].store.by_outcome_key(transaction.outcome_key)
        if bought is None:
            continue
        for payment in _order(bought).payments:
            release = judge.consumer_demands_release(payment.token.id, bought.authorization_q, bought.outcome)
            if pays and release is not Verdict.NOTHING:
                yield f"{name} may demand back what she has spent"
            if not pays and release is not Verdict.BANK_MUST_RELEASE:
                yield f"{name} cannot demand back what she has not spent"
        path = world.folder / f"{name}-{bought.id.hex()[:16]}.sealed"
        data = path.read_bytes()
        sealed = [data[at : at + SEALED_BYTES] for at in range(0, len(data), SEALED_BYTES)]
        verdict = judge.consumer_proves_goods(bought.goods_m, bought.outcome, sealed, bought.authorization_q)
        if verdict is not (Verdict.GOODS_AS_DESCRIBED if pays else Verdict.NOTHING):
            yield f"{name} before the judge about her goods: {verdict}"
        other = ended.papers[transaction]
        for papers in ((bought.outcome, other), (other, bought.outcome)):
            if judge.anyone_accuses_log(*papers) is not Verdict.NOTHING:
                yield "the log is convicted"


def receipts_prove_delivery(ended: Ended) -> Complaints:
    """Where the contract wants a receipt, the merchant of a sale that has committed can show who received the goods."""
    brands = [each.brand for each in ended.world.directory.brands]
    judge = Judge(NETWORK, key_of("bank").public, ended.world.directory.logs, brands)
    for transaction, promise in ended.committed.items():
        receiver = promise.body.receiver_key
        store = ended.world.nodes[ended.world.name_of(transaction.merchant)].store
        sale = store.by_number(transaction.number)
        if _kept_from(ended, transaction, sale):
            continue
        receipt = store.receipt(transaction.number, receiver)
        verdict = judge.merchant_proves_delivery(sale.goods_m, receipt, sale.outcome, promise.signed)
        if verdict is not (Verdict.RECEIVED if receiver else Verdict.NOTHING):
            yield f"a merchant before the judge about who received the goods: {verdict}"


def credits_are_obtainable(ended: Ended, inspector: Inspector) -> Complaints:
    """The key is public if and only if the merchant can be paid: whoever shows the papers gets the bank's credit."""
    asked = {}
    for transaction, promise in ended.committed.items():
        commit = ended.papers[transaction]
        assert commit is not None
        assert ended.tape.opener().recorded(commit).transaction == transaction
        asked[transaction] = inspector.claim(promise.signed, commit)
    inspector.wait()
    for transaction, number in asked.items():
        answer = inspector.answer(number)
        if not isinstance(answer, Credit) or answer.transaction != transaction:
            yield f"the bank does not credit what its promise and the commit prove: {answer}"
