"""Benchmarks of whole purchases: real daemons, durable storage, loopback. Figures are printed and never asserted.

The item is small and costs one token, so that what is measured is the protocol and not the disk's or the network's
throughput. All five processes, the clients and whatever else runs share this machine; its load is part of the figures.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trio

from anonnet.protocol.local import Fund, Sell, Started
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.owner import Failed
from anonnet_daemons.shopping import DONE, Wish, buy, ended, open_account, withdraw

CURRENCY, ITEM, PRICE = "EUR", "note", 1
GOODS_BYTES = 1000
LEAD_SECONDS = 600
WARM_UP = 5
"""Purchases before the clock starts: connections, caches and imports are then there."""
PATIENCE_SECONDS = 600.0
LOAD_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Times:
    """How long each of several things took."""

    p50_ms: float
    p99_ms: float
    slowest_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        ordered = sorted(seconds)
        p50, p99 = (ordered[min(len(ordered) - 1, len(ordered) * each // 100)] for each in (50, 99))
        return cls(round(p50 * 1000, 1), round(p99 * 1000, 1), round(ordered[-1] * 1000, 1))


@dataclass(frozen=True, slots=True)
class Purchases:
    """Figures of one run of purchases, from Buy to DONE."""

    way: str
    clients: int
    count: int
    times: Times
    per_second: float
    cpu_ms: dict[str, float]
    """CPU time of one purchase, by party; empty where the system does not tell."""
    load: float
    """The machine's load average when the run began."""

    @property
    def values(self) -> dict[str, Any]:
        return {**asdict(self), "cpu_ms_all": round(sum(self.cpu_ms.values()), 1)}


async def purchases(clients: int, count: int) -> list[Purchases]:
    """Measure `count` purchases one after the other and from `clients` at once, through the relay and directly."""
    measured: list[Purchases] = []
    for way in ("relay", "direct"):  # each with a log and a wallet of its own, since long ones cost more
        with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
            home = Path(folder) / "bench"
            await found(Plan(home, CURRENCY, denominations=(PRICE,)))
            async with LocalNetwork.running(home, direct=way == "direct") as local:
                await _shop(local, PRICE * 2 * (count + WARM_UP))
                for at_once in sorted({1, clients}):
                    await _bought(local, 1, WARM_UP)
                    measured.append(await _measured(local, way, at_once, count))
    return measured


async def _shop(local: LocalNetwork, money: int) -> None:
    """Accounts, tokens, and something to buy."""
    bank = local.peer(Kind.BANK)
    path = local.home / ITEM
    path.write_bytes(os.urandom(GOODS_BYTES))
    sell = Sell(
        item=ITEM,
        path=str(path),
        description="",
        media_type="text/plain",
        currency=CURRENCY,
        price=PRICE,
        valid_until=int(time.time()) + 24 * 3600,
    )
    async with local.owner(Kind.MERCHANT) as merchant:
        await open_account(merchant, bank, PATIENCE_SECONDS)
        await merchant.ask(sell, Started)
    async with local.owner(Kind.CONSUMER) as consumer, local.owner(Kind.BANK) as owner:
        account = (await open_account(consumer, bank, PATIENCE_SECONDS)).account
        fund = Fund(account=account, currency=CURRENCY, amount=money, reference=bytes(32))
        await owner.ask(fund, Started)
        await withdraw(consumer, bank, money, CURRENCY, PATIENCE_SECONDS, told=lambda done, total: None)


async def _measured(local: LocalNetwork, way: str, clients: int, count: int) -> Purchases:
    load, before, began = os.getloadavg()[0], cpu_seconds(local), time.perf_counter()
    times = await _bought(local, clients, count)
    seconds, after = time.perf_counter() - began, cpu_seconds(local)
    return Purchases(
        way=way,
        clients=clients,
        count=len(times),
        times=Times.of(times),
        per_second=round(len(times) / seconds, 1),
        cpu_ms={name: round((after[name] - before[name]) * 1000 / len(times), 1) for name in before},
        load=round(load, 1),
    )


async def _bought(local: LocalNetwork, clients: int, count: int) -> list[float]:
    """Buy `count` times, `clients` at a time; how long each took."""
    times: list[float] = []
    merchant, bank, log = (local.peer(kind) for kind in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
    wish = Wish(merchant, ITEM, CURRENCY, PRICE, bank, log, LEAD_SECONDS)
    left = iter(range(count))

    async def client() -> None:
        async with local.owner(Kind.CONSUMER) as consumer:
            for _ in left:
                began = time.perf_counter()
                shown = await ended(consumer, await buy(consumer, wish), lambda shown: None)
                times.append(time.perf_counter() - began)
                if shown.state != DONE:
                    raise Failed(f"a purchase has ended as {shown.state} ({shown.detail}): run the benchmark again")

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)
    return times


def cpu_seconds(local: LocalNetwork) -> dict[str, float]:
    """CPU time that each process has used so far, in user and system mode; empty where /proc does not tell."""
    used: dict[str, float] = {}
    for daemon in local.daemons.values():
        path = Path(f"/proc/{daemon.pid if daemon.running else 'none'}/stat")
        if path.exists():
            user, system = path.read_text().rpartition(")")[2].split()[11:13]
            used[daemon.name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return used


@asynccontextmanager
async def bank_alone(placement: str) -> AsyncIterator[LocalNetwork]:
    """A bank's daemon by itself, its turns run in this placement."""
    with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
        home = Path(folder) / "bench"
        await found(Plan(home, CURRENCY, denominations=(PRICE,)))
        local = LocalNetwork(home)
        bank = local[Kind.BANK]
        bank.options = ("--placement", placement)
        try:
            await bank.start()
            await bank.ready()
            yield local
            await bank.stop()
        finally:
            await bank.end_now()
