"""Benchmarks of whole purchases: real daemons, durable storage, loopback. Figures are printed and never asserted.

The item is small and costs one token, so that what is measured is the protocol and not the disk's or the network's
throughput. All five processes, the clients and whatever else runs share this machine; its load is part of the figures.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trio

from anonnet.protocol.local import Fund, Sell, Started
from anonnet.store.wallet import DONE
from anonnet.times import RESTORE_GAP
from anonnet_daemons.benches.measuring import CURRENCY, PRICE, Times, cpu_seconds, load
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.shopping import Wish, buy, ended, open_account, withdraw

WAYS = ("relay", "direct")
ITEM = "note"
GOODS_BYTES = 1000
LEAD_SECONDS = 600
WARM_UP = 5
"""Purchases before the clock starts: connections, caches and imports are then there."""
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Purchases:
    """Figures of one run of purchases, from Buy to DONE."""

    way: str
    clients: int
    count: int
    times: Times
    per_second: float
    refused: int
    """How many have not ended in opened goods."""
    cpu_ms: dict[str, float]
    """CPU time of one purchase, by party; empty where the system does not tell."""
    load: float
    """The machine's load average when the run began."""

    @property
    def values(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values.pop("times"), **values, "server_cpu_ms_per_op": self.server_cpu_ms_per_op}

    @property
    def server_cpu_ms_per_op(self) -> float:
        """CPU time of one purchase over all processes, the consumer's daemon included."""
        return round(sum(self.cpu_ms.values()), 1)


async def purchases(clients: int, count: int, ways: Sequence[str] = WAYS) -> list[Purchases]:
    """Measure `count` purchases one after the other and from `clients` at once, through the relay and directly."""
    measured: list[Purchases] = []
    for way in ways:  # each with a log and a wallet of its own, since long ones cost more
        with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
            home = Path(folder) / "bench"
            await found(Plan(home, CURRENCY, denominations=(PRICE,)))
            async with LocalNetwork.running(home, wallet=("--direct",) if way == "direct" else ()) as local:
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
        for taken in range(0, money, RESTORE_GAP):  # a wallet asks for no more tokens of one kind at a time
            part = min(RESTORE_GAP, money - taken)
            await withdraw(consumer, bank, part, CURRENCY, PATIENCE_SECONDS, told=lambda done, total: None)


async def _measured(local: LocalNetwork, way: str, clients: int, count: int) -> Purchases:
    loaded, before, began = load(), cpu_seconds(local), time.perf_counter()
    times, refused = await _bought(local, clients, count)
    seconds, after = time.perf_counter() - began, cpu_seconds(local)
    return Purchases(
        way=way,
        clients=clients,
        count=len(times),
        times=Times.of(times),
        per_second=round(len(times) / seconds, 1),
        refused=refused,
        cpu_ms={name: round((after[name] - before[name]) * 1000 / len(times), 1) for name in before},
        load=loaded,
    )


async def _bought(local: LocalNetwork, clients: int, count: int) -> tuple[list[float], int]:
    """Buy `count` times, `clients` at a time; how long each took, and how many have not ended in opened goods."""
    times: list[float] = []
    refused = 0
    merchant, bank, log = (local.peer(kind) for kind in (Kind.MERCHANT, Kind.BANK, Kind.LOG))
    wish = Wish(merchant, ITEM, CURRENCY, PRICE, bank, log, LEAD_SECONDS)
    left = iter(range(count))

    async def client() -> None:
        nonlocal refused
        async with local.owner(Kind.CONSUMER) as consumer:
            for _ in left:
                began = time.perf_counter()
                shown = await ended(consumer, await buy(consumer, wish))
                times.append(time.perf_counter() - began)
                refused += shown.state != DONE

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)
    return times, refused
