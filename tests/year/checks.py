"""What an owner of money expects of a year, looked at from outside: each week, and at its end.

Money is held against the owners' own account of what they have bought, and the wallets against the bank's books.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from anonnet.parties.books import Audit
from anonnet.parties.fsck import Fsck
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.seed import account_key
from anonnet.store.checking import Kept
from anonnet.store.ledger import EXPIRED, LOCKED, TOKENS
from anonnet.store.tokens import EXCHANGED, FREE, SPENT, VOID
from anonnet.times import LEAD_SECONDS_MAX, RETENTION_SECONDS, SHARD_SECONDS
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.dump import dump
from tests.stage import NETWORK, key_of
from tests.year.calendar import BRAND_SECONDS, DAY, Habit
from tests.year.stage import EVER, YearStage, seed_of
from tests.year.year import ENDED, FUNDED, Owner, Year, year_of

Complaints = Iterator[str]
Rows = dict[str, Counter[str]]
"""How many rows each party's tables have."""

RENEWING_CHANCES = 3
"""A wallet that could begin so often to renew a brand loses nothing of it: at first it may have to learn of the next
brand, and what is begun may go out when it runs again."""
ERRAND_DAYS = 16
"""So many days may an errand stand while both sides run: a token that is asked for may be locked for the claim time."""
AT_REST = {FREE, SPENT, EXCHANGED, VOID}

OVER_WEEKS = 13
"""After the last sale: the last brands that paid for one have ended, and their margin is over."""
QUIET_DAY = 17
"""Of each generation of brands: no wallet renews then, and none is being forgotten."""
OVER = {
    "bank": ("sale", "abort_part"),
    "merchant": ("sale", "receipt", "answered", "abort_part"),
    "log": ("outcome", "late"),
    **{f"mirror-{i}": ("outcome", "released", "ahead") for i in range(4)},
}
"""What is empty when sales have ended for long (docs/data.md)."""
FOR_EVER = {
    "bank": {"account", "balance", "funding", "ended", "exchange", "used", "blinded", "withdrawal"},
    "log": {"entry", "node", "checkpoint", "cosignature", "final"},
    "mirror": {"copy", "entry", "node", "checkpoint", "cosignature"},
    "merchant": set(),
    "wallet": {"lane"},
}
"""What grows by some rows with each brand and each shard, since a brand or a shard leaves something for good."""
ROWS_MORE = 54
"""Of such a table, in two generations of brands."""
ODD_ROWS = 2
"""Of any table of a wallet, which may have been off when the others forgot."""


@dataclass
class Report:
    """What came of one year, so far as it got."""

    seed: int
    weeks: int
    active: int
    days: int = 0
    complaints: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def rerun_line(self) -> str:
        """What to type to see it again, and what it was."""
        said = "; ".join(dict.fromkeys(self.complaints))
        return f".venv/bin/python -m tests.year.year {self.seed} {self.weeks} {self.active}   # {said}"


def looked_at(seed: int, weeks: int, active: int) -> Report:
    """A year from its beginning to its end, or to the first week in which something is wrong."""
    report = Report(seed, weeks, active)
    try:
        with year_of(seed, weeks, active) as year:
            report.complaints += watched(year, report)
            report.counts = year.counts
    except Exception as why:  # whatever it is: the report names the seed that shows it again
        cause = f" from {why.__cause__!r}" if why.__cause__ else ""
        report.complaints.append(f"day {report.days}: {type(why).__name__}: {why}{cause}")
    return report


def watched(year: Year, report: Report) -> list[str]:
    """What is wrong in the first week in which something is, or at the end."""
    ages, stage, wrong = Ages(), year.stage, list[str]()
    first, last = quiet_days(report.weeks)
    before: Rows = {}
    for report.days in year.run():
        wrong += ages.note(stage)
        if report.days == first >= 7 * (report.active + OVER_WEEKS):
            before = rows(stage)
        if report.days == last and before:
            wrong += nothing_grows(before, stage)
        if report.days % 7 == 0:
            wrong += [*nobody_was_cut_off(stage), *money_is_there(year), *books_balance(year)]
        if wrong:
            return [f"day {report.days}: {each}" for each in wrong]
    wrong += [*money_is_there(year), *books_balance(year), *nobody_was_cut_off(stage), *the_bank_agrees(year)]
    wrong += [f"{owner.name} is not at rest" for owner in year.owners.values() if not owner_rests(year, owner)]
    wrong += the_log_is_right(year, stage.folder)
    if report.weeks >= report.active + OVER_WEEKS:
        wrong += all_is_over(stage)
    return wrong


# Money.


def money_is_there(year: Year) -> Complaints:
    """Withdrawn = spent + can be spent + lost, for each wallet at rest; and nothing is lost that can be renewed."""
    for owner in year.owners.values():
        wallet = year.stage.wallet(owner.name)
        held = amounts(wallet)
        if not owner_rests(year, owner):
            continue
        year.counts["wallets looked at"] += 1
        signer = Signer(NETWORK, account_key(seed_of(owner.name), year.stage.bank_key))
        withdrawn = FUNDED - year.stage.balance(signer)
        free = Counter({brand: amount for (brand, state), amount in held.items() if state == FREE})
        if withdrawn != owner.spent + free.total():
            yield f"{owner.name} has withdrawn {withdrawn}, spent {owner.spent} and holds {free.total()}"
        brands = {each.brand.id: each.brand for each in year.stage.minted}
        for brand, amount in free.items():
            chances = year.chances(owner, brands[brand])
            if brands[brand].ends < year.stage.now and chances >= RENEWING_CHANCES:
                yield f"{owner.name} has lost {amount} of a brand that it could have renewed on {chances} occasions"


def amounts(wallet: Actor) -> Counter[tuple[bytes, str]]:
    """What a wallet holds, by brand and state, in units."""
    held: Counter[tuple[bytes, str]] = Counter()
    for brand, state, amount, count in wallet.store.tokens.holdings():
        held[brand, state] += amount * count
    return held


def owner_rests(year: Year, owner: Owner) -> bool:
    """Nothing of hers is under way."""
    wallet = year.stage.wallet(owner.name)
    recovery = wallet.store.recovery
    brands = [each.brand.id for each in year.stage.minted]
    over = {state for _, state in amounts(wallet)} <= AT_REST and set(owner.states.values()) <= set(ENDED)
    return over and not recovery.under_way(brands) and not recovery.forgotten(year.stage.bank_key)


def books_balance(year: Year) -> Complaints:
    """Every balance and every token's history follow from signed messages."""
    logs, brands = year.stage.network.logs, [each.offer.brand for each in year.stage.minted]
    yield from Audit(NETWORK, key_of("bank").public, logs, brands).run(year.stage.bank.store.bookkeeping)


def the_bank_agrees(year: Year) -> Complaints:
    """At rest, the bank owes the merchant what was spent, and wallets what they hold; its income is what they lost."""
    stage = year.stage
    ended = {each.brand.id for each in stage.minted if stage.bank.store.has_ended(each.brand.id)}
    free: Counter[bool] = Counter()
    for owner in year.owners.values():
        for (brand, state), amount in amounts(stage.wallet(owner.name)).items():
            free[brand in ended] += amount if state == FREE else 0
    books = stage.books()
    spent = sum(owner.spent for owner in year.owners.values())
    for name, found, due in (
        ("merchant's account", stage.income, spent),
        (TOKENS, books.get(TOKENS, 0), free[False]),
        (EXPIRED, books.get(EXPIRED, 0), free[True]),
        (LOCKED, books.get(LOCKED, 0), 0),
    ):
        if found != due:
            yield f"{name}: the bank has {found}, and it should be {due}"


# Nothing stands for ever.


class Ages:
    """For how many days each errand has stood while both sides ran."""

    def __init__(self) -> None:
        self.days: Counter[tuple[str, bytes]] = Counter()

    def note(self, stage: YearStage) -> Complaints:
        """Once a day."""
        standing = set()
        for actor in stage.actors:
            for errand in actor.store.errands.due(stage.now + 1000 * DAY, most=actor.store.errands.count()):
                standing.add((actor.name, errand.hash))
                if not {actor.name, stage.identities[errand.receiver]} & stage.away:
                    self.days[actor.name, errand.hash] += 1
                message, days = errand.message, self.days[actor.name, errand.hash]
                if days == 1 + (days_of(message.shard, stage.now) if isinstance(message, EVER) else ERRAND_DAYS):
                    receiver, kind = stage.identities[errand.receiver], type(message).__name__
                    yield f"{actor.name} has asked {receiver} for {days} days: {kind}"
        self.days = Counter({key: days for key, days in self.days.items() if key in standing})


def days_of(shard: int, now: int) -> int:
    """How long somebody may ask about a shard: as long as it is kept; then some days more, as all forget once a day."""
    kept = shard * SHARD_SECONDS + SHARD_SECONDS + LEAD_SECONDS_MAX + RETENTION_SECONDS
    return 10**6 if shard == CHAIN or now < kept else 2


def rows(stage: YearStage) -> Rows:
    return {actor.name: Counter({name: len(all) for name, all in dump(actor.store).items()}) for actor in stage.actors}


def all_is_over(stage: YearStage) -> Complaints:
    """What has an end is gone."""
    for party, counts in rows(stage).items():
        for table in OVER.get(party, ()):
            if counts[table]:
                yield f"{party} still has {counts[table]} rows of {table}"


def quiet_days(weeks: int) -> tuple[int, int]:
    """The last such day of a year, and the one two generations of brands before."""
    days = [day for day in range(7 * weeks) if day * DAY % BRAND_SECONDS // DAY == QUIET_DAY]
    return days[-3], days[-1]


def nothing_grows(before: Rows, stage: YearStage) -> Complaints:
    """While the network is idle: what comes with a generation of brands goes with the one that is over."""
    for party, counts in rows(stage).items():
        kind = "mirror" if party.startswith("mirror") else "wallet" if party in Habit.__members__ else party
        for table, count in counts.items():
            growth = count - before[party][table]
            allowed = ROWS_MORE if table in FOR_EVER[kind] else ODD_ROWS if kind == "wallet" else 0
            if party == Habit.WEEKS.name:  # off then, she has a third generation beside the two that are always there
                allowed = max(allowed, before[party][table] // 2)
            if growth > allowed and table != "posting":
                yield f"{party} has {growth} more rows of {table} after two idle generations of brands, {count} in all"


# The log.


def the_log_is_right(year: Year, folder: Path) -> Complaints:
    """What log and mirrors have on their disks passes fsck; and nobody is convicted, as nobody has lied."""
    stage = year.stage
    known = stage.network.logs[stage.log_name]
    for name, disk in stage.disks.items():
        files = [folder / f"{name}.db", folder / "lock.db"]
        for file, content in zip(files, disk.content(), strict=False):
            file.write_bytes(content)
        kept = Kept(files[0], mirrored=name != "log")
        whose = {"log": known.identity} if name == "log" else {"mirror": key_of(name).public}
        for fault in Fsck(NETWORK, {known.identity: known}, kept, **whose).faults():
            yield f"{name}: {fault}"
        kept.close()
    for actor in stage.actors:
        if actor.store.alerts.all():
            yield f"{actor.name} holds an honest log convicted"


def nobody_was_cut_off(stage: YearStage) -> Complaints:
    """No connection was closed over something malformed."""
    for actor in stage.actors:
        for why in actor.closed:
            yield f"{actor.name} closed a connection: {why}"
        actor.closed.clear()
