"""What must hold at the end of every run with faults, seen from outside: by the owners' reports and the bank's word."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path

import trio
from anonnet_daemons.config import Kind

from anonnet.protocol.local import Books, BooksOf, Sales, SalesOf, Wallet
from anonnet.store.tokens import FREE
from anonnet.store.wallet import ABORTED, DONE, REFUSED

from .shop import LOOK_SECONDS, Shop

AT_REST = {"free", "spent", "void"}
"""States of tokens that nothing is under way for."""
NOT_AT_REST = ("authorized", "committed")
"""States of a merchant's sale that something is under way for; before these an order is forgotten if nobody pays."""


async def settled(shop: Shop) -> None:
    """Wait until every purchase has ended and no token is bound, on both sides; the test's deadline ends it."""
    shop.told.heard_of((await shop.wallet()).purchases)
    for id in shop.told.running:
        await shop.ended(id)
    while (stuck := await unsettled(shop)) and trio.current_effective_deadline() > trio.current_time() + 1:
        await trio.sleep(LOOK_SECONDS)
    assert not stuck, f"still not settled: {stuck}"


async def unsettled(shop: Shop) -> str:
    """What is still under way, in words."""
    wallet, books, sales = await reports(shop)
    tokens = {each.state: each.count for each in wallet.holdings if each.state not in AT_REST}
    under_way = {each.state: each.count for each in sales.counts if each.state in NOT_AT_REST}
    words = {"tokens": tokens, "withdrawals": wallet.withdrawals, "locked": books.get("locked", 0), "sales": under_way}
    return ", ".join(f"{what}: {value}" for what, value in words.items() if value)


async def reports(shop: Shop) -> tuple[Wallet, dict[str, int], Sales]:
    """What the wallet holds, what the books say, how the merchant's sales stand."""
    wallet = await shop.wallet()
    totals = (await shop.insist(Kind.BANK, BooksOf(), Books)).totals
    sales = await shop.insist(Kind.MERCHANT, SalesOf(), Sales)
    return wallet, {each.book: each.amount for each in totals}, sales


async def check_all(shop: Shop) -> Counter[str]:
    """Money, goods, what was told, and incidents; returns how many purchases ended in which state."""
    await settled(shop)
    counts = await check_purchases(shop)
    await check_money(shop)
    assert not incidents(shop), f"incidents: {incidents(shop)}"
    return counts


async def check_purchases(shop: Shop) -> Counter[str]:
    """Every purchase has ended, as it was told; goods that are open are the merchant's files."""
    counts: Counter[str] = Counter()
    for id in tuple(shop.told.purchases):
        shown = await shop.purchase(id)
        counts[shown.state] += 1
        assert shown.state in (DONE, ABORTED, REFUSED), f"{shown.state}: {shown.detail}"
        if shown.state == DONE:
            with Path(shown.path).open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").digest()
            assert found == shop.goods[shown.item], "the goods are not the merchant's file"
    return counts


async def check_money(shop: Shop) -> None:
    """Books, wallet and statements are what was paid in, and the merchant has what was sold."""
    wallet, books, sales = await reports(shop)
    free = sum(each.count * each.denomination for each in wallet.holdings if each.state == FREE)
    account = {kind: await _account(shop, kind) for kind in (Kind.CONSUMER, Kind.MERCHANT)}

    assert sum(books.values()) == 0
    assert books["cash"] == -shop.told.paid_in
    assert not books.get("locked")
    assert books.get("tokens", 0) == free
    assert books["account"] == sum(account.values())
    assert free + sum(account.values()) == shop.told.paid_in
    assert account[Kind.MERCHANT] == sum(shop.told.prices.values())
    entries = await shop.seen(shop.look_at_log)
    commits = [each for each in entries if each.signature]
    assert len(commits) == {each.state: each.count for each in sales.counts}.get("credited", 0)


async def _account(shop: Shop, kind: Kind) -> int:
    """What an account holds: the bank's signed balance, which is the sum of its signed entries."""
    account = await shop.seen(partial(shop.look_at_account, kind))
    assert account.held == sum(each.amount for each in account.entries)
    return account.held


def peak_memory(pid: int) -> int:
    """The most bytes of memory that a process has ever had at once. Raises OSError where there is none."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def incidents(shop: Shop) -> list[str]:
    """What incident files say."""
    return [path.read_text() for path in sorted(shop.local.home.glob("*/incidents/*"))]
