"""Real processes for tests: a network of five daemons in a folder, and the `anonnet` command as a person runs it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import PROGRAM, LocalNetwork
from anonnet_daemons.owner import Owner
from anonnet_daemons.shopping import Wish, ended

from anonnet.protocol.local import Books, BooksOf, Purchase, Wallet, WalletOf

SECONDS = 90
"""Whatever a test waits for comes within this, or the test has failed."""
CURRENCY = "EUR"
DENOMINATIONS = (1, 2, 4, 8)
PRICE = 5
PAID_IN, WITHDRAWN = 50, 20
SMALL = 300_000
"""Bytes of the goods: some chunks."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its one object."""
        values = json.loads(self.out)
        assert isinstance(values, dict)
        return values


def check_sentence(ran: Ran, code: int, *words: str) -> None:
    """One line on standard error, nothing elsewhere."""
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert ran.err.count("\n") == 1, ran.err
    assert ran.err.startswith("anonnet: ")
    for each in words:
        assert each in ran.err


def command(*words: object) -> list[str]:
    """The command as the system starts it."""
    return [*PROGRAM, *map(str, words)]


def env(home: Path) -> dict[str, str]:
    """Where the command finds the network."""
    return {**os.environ, "ANONNET_HOME": str(home)}


async def anonnet(home: Path, *words: object) -> Ran:
    """Run the command in a process of its own."""
    done = await trio.run_process(
        command(*words),
        env=env(home),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


async def told(home: Path, *words: object) -> dict[str, Any]:
    """What a command that succeeds tells a program."""
    ran = await anonnet(home, *words, "--json")
    assert ran.code == 0, f"{words} ended with {ran.code}: {ran.out}{ran.err}"
    return ran.json


@asynccontextmanager
async def network(
    folder: Path,
    *,
    direct: bool = False,
    wallet: tuple[str, ...] = (),
    merged: Kind | None = None,
    denominations: tuple[int, ...] = DENOMINATIONS,
    mirrors: int = 0,
) -> AsyncIterator[LocalNetwork]:
    """A network that runs for the time of the block, which has a deadline. `wallet`: options of its daemon; `merged`:
    whose daemon the log's is too; `mirrors`: how many decide with it, all of them."""
    with trio.fail_after(SECONDS):
        await found(Plan(folder / "n", CURRENCY, denominations, merged=merged, mirrors=mirrors, quorum=mirrors))
        async with LocalNetwork.running(folder / "n", wallet=("--direct",) if direct else wallet) as local:
            yield local


async def open_shop(local: LocalNetwork, goods: bytes) -> None:
    """Accounts, money, tokens, and `goods` on sale as item "goods", all by the command."""
    home = local.home
    await told(home, "merchant", "open-account")
    account = (await told(home, "wallet", "open-account"))["account"]
    await told(home, "bank", "fund", account, PAID_IN, CURRENCY)
    await told(home, "wallet", "withdraw", WITHDRAWN, CURRENCY)
    path = home / "goods.bin"
    path.write_bytes(goods)
    await told(home, "merchant", "sell", path, "--price", PRICE, CURRENCY, "--item", "goods")


def wish(local: LocalNetwork, lead: int) -> Wish:
    """The goods, for their price."""
    merchant, bank, log = (local.peer(kind) for kind in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
    return Wish(merchant, "goods", CURRENCY, PRICE, bank, log, lead)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; the test's deadline ends it."""
    while not await condition():
        await trio.sleep(0.05)


async def outcome(local: LocalNetwork, purchase: bytes) -> Purchase:
    """How a purchase has ended."""
    async with local.owner(Kind.CONSUMER) as consumer:
        return await ended(consumer, purchase)


async def wallet_of(consumer: Owner) -> Wallet:
    return await consumer.ask(WalletOf(), Wallet)


async def check_money(local: LocalNetwork) -> None:
    """Wait until no sale holds money, then see that accounts and tokens are what was paid in, on both sides."""

    async def unbound() -> bool:
        async with local.owner(Kind.CONSUMER) as consumer, local.owner(Kind.BANK) as bank:
            tokens = (await wallet_of(consumer)).holdings
            books = {each.book: each.amount for each in (await bank.ask(BooksOf(), Books)).totals}
            return not books.get("locked") and {each.state for each in tokens} <= {"free", "spent", "void"}

    await until(unbound)
    books = (await told(local.home, "bank", "books"))["books"]
    assert sum(each["amount"] for each in books) == 0
    held = {each["book"]: each["amount"] for each in books}
    assert held["cash"] == -PAID_IN
    free = (await told(local.home, "wallet", "balance"))["free"].get(CURRENCY, 0)
    accounts = [(await told(local.home, noun, "statement"))["balances"] for noun in ("wallet", "merchant")]
    assert held.get("tokens", 0) == free
    assert free + sum(each.get(CURRENCY, 0) for each in accounts) == PAID_IN
