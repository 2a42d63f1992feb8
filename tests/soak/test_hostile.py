"""Peers that are slow, silent, flooding, oversized, never reading or senseless, beside honest ones, on real daemons.

Whatever they do, honest purchases end, and memory, files and connections of each daemon stay bounded. The daemons run
with shortened limits, so that deadlines come within seconds. Honest requests are timed without and with the flood.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

from anonnet.errors import Why
from anonnet.limits import CONNECTIONS_MAX
from anonnet.net.dialing import Direct
from anonnet.protocol.brand import BrandsOf
from anonnet.protocol.goods import CatalogueOf, GoodsM, Order
from anonnet.protocol.logbook import TimeOf
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import STEPS
from anonnet.wire.signed import received

from .checks import check_all, peak_memory
from .load import LEAD, Load
from .shop import DEEP, LOOK_SECONDS, SEED, Shop, shop_in

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"),
        reason="NOT TESTED: hostile peers beside honest ones; it needs Linux, for addresses of their own and /proc",
    ),
]

HURRIED, HOSTILE = (Path(__file__).with_name(name) for name in ("hurried.py", "hostile.py"))
LIMITS = {
    "HANDSHAKE_SECONDS": 2,
    "FRAME_SECONDS": 3,
    "IDLE_SECONDS": 4,
    "SEND_SECONDS": 3,
    "FOLLOW_SECONDS": 2,
    "RETRY_SECONDS_MAX": 2,
}
SLACK_SECONDS = 6.0
"""What a machine of two processors that are both taken may be late with a deadline."""
LIVES = {  # conduct -> how long one connection of it may last
    **dict.fromkeys(("silent", "slow_handshake", "garbage", "handshakes"), LIMITS["HANDSHAKE_SECONDS"]),
    "idle": LIMITS["IDLE_SECONDS"],
    "slow_frame": LIMITS["FRAME_SECONDS"],
    **dict.fromkeys(("oversized", "nonsense"), LIMITS["FRAME_SECONDS"]),
}
FLOOD_SECONDS = 12.0 if not DEEP else 120.0
QUIET_SECONDS = 3.0
MEMORY_MAX = 160 * 1024 * 1024
"""A daemon that has just started has about 50 MiB."""
FILES_MAX = CONNECTIONS_MAX + 64
CONNECTIONS_AT_REST = 24
HOSTILE_MIN = 400
"""Hostile connections at the same time, over all daemons: over 100 for each that is a party, fewer for the relay."""
REACHED = (Kind.BANK, Kind.MERCHANT, Kind.LOG, Kind.RELAY)
SECONDS = 150 + 3 * FLOOD_SECONDS


def hurry(**more: int) -> Callable[[LocalNetwork], None]:
    """Have all daemons run with shortened limits."""
    settings = [f"{name}={number}" for name, number in {**LIMITS, **more}.items()]

    def prepare(local: LocalNetwork) -> None:
        for daemon in local.daemons.values():
            daemon.program = (sys.executable, "-P", str(HURRIED), *settings, "--")

    return prepare


class Eyes:
    """What can be seen of the daemons from outside, at its worst."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.files: Counter[Kind] = Counter()
        self.memory: Counter[Kind] = Counter()
        self.connections = 0

    async def watch(self) -> None:
        """Look all the time."""
        while True:
            self.connections = max(self.connections, sum([await self.connections_of(kind) for kind in REACHED]))
            for kind in REACHED:
                pid = self.shop.local[kind].pid
                self.files[kind] = max(self.files[kind], len(os.listdir(f"/proc/{pid}/fd")))
                self.memory[kind] = peak_memory(pid)
            await trio.sleep(LOOK_SECONDS)

    async def connections_of(self, kind: Kind) -> int:
        async with self.shop.local.owner(kind) as owner:
            return (await owner.health()).connections


async def timed(shop: Shop, seconds: float) -> list[float]:
    """How long honest requests take that are asked one after the other: a time, brands, a catalogue."""
    bank, merchant, log = (shop.local.peer(kind) for kind in (Kind.BANK, Kind.MERCHANT, Kind.LOG))
    asked = (log, TimeOf(log=log.identity)), (bank, BrandsOf(bank=bank.key)), (merchant, _catalogue(merchant.key))
    times = []
    dialer = Direct(shop.local.network)
    with trio.move_on_after(seconds):
        while True:
            for peer, request in asked:
                began = time.perf_counter()
                await dialer.ask(peer, request)
                times.append((time.perf_counter() - began) * 1000)
    await dialer.aclose()
    return sorted(times)


def _catalogue(merchant: bytes) -> CatalogueOf:
    return CatalogueOf(merchant=merchant, after="")


def shown(times: list[float]) -> str:
    """Percentiles of times in milliseconds, in words."""
    p50, p99 = (times[len(times) * each // 100] for each in (50, 99))
    return f"{len(times)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms"


@asynccontextmanager
async def attacked(shop: Shop) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Hostile peers attack for the time of the block, or until they have had enough. They end with it."""
    command = [sys.executable, "-P", str(HOSTILE), str(shop.local.home), str(FLOOD_SECONDS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_honest_purchases_end_beside_hostile_peers(tmp_path: Path, reached: Callable[[str], None]) -> None:
    async with shop_in(tmp_path, seconds=SECONDS, prepare=hurry()) as shop:
        load, eyes = Load(shop, random.Random(SEED)), Eyes(shop)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.run)
            quiet, quiet_sales = await timed(shop, QUIET_SECONDS), load.ended
            async with attacked(shop) as process, trio.open_nursery() as watching:
                watching.start_soon(eyes.watch)
                flood = await timed(shop, FLOOD_SECONDS)
                said, _ = await trio.to_thread.run_sync(process.communicate)
                watching.cancel_scope.cancel()
            flood_sales = load.ended - quiet_sales
            load.enough = True
        counts = await check_all(shop)
        for kind in REACHED:
            while (left := await eyes.connections_of(kind)) > CONNECTIONS_AT_REST:
                await trio.sleep(LOOK_SECONDS)
            assert left <= CONNECTIONS_AT_REST

    told = json.loads(said)
    rate = {"quiet": quiet_sales / QUIET_SECONDS, "flood": flood_sales / FLOOD_SECONDS}
    files = max(eyes.files.values())
    memory = {kind.value: size >> 20 for kind, size in eyes.memory.items()}
    reached(f"without hostile peers: {shown(quiet)}, {rate['quiet']:.1f} purchases a second")
    reached(f"with {eyes.connections} connections: {shown(flood)}, {rate['flood']:.1f} purchases a second")
    reached(f"hostile requests: {told['asked']}; connections, and the longest in seconds: {told['conducts']}")
    reached(f"MiB at most: {memory}; files at most: {files}")
    assert counts["done"]
    assert flood_sales
    assert eyes.connections >= HOSTILE_MIN
    assert max(eyes.memory.values()) < MEMORY_MAX
    assert files < FILES_MAX
    assert told["asked"]
    for conduct, seconds in LIVES.items():
        count, longest = told["conducts"][conduct]
        assert count, f"{conduct} was never cut off"
        assert longest <= seconds + SLACK_SECONDS, f"{conduct} lasted {longest} s"


CAP, UNPAID_SECONDS = 32, 6


async def test_unpaid_orders_are_capped_and_make_room_again(tmp_path: Path) -> None:
    prepare = hurry(UNPAID_ORDERS_MAX=CAP, ORDER_SECONDS=UNPAID_SECONDS)
    async with shop_in(tmp_path, seconds=SECONDS, prepare=prepare) as shop:
        await shop.pay_in(20)
        await shop.withdraw(20)
        await shop.withdrawn()
        merchant = shop.local.peer(Kind.MERCHANT)
        async with await Direct(shop.local.network).connect(merchant) as stranger:

            async def order() -> GoodsM | Refusal:
                wanted = Order(merchant=merchant.key, item="note", secret=os.urandom(32))
                reply = await stranger.ask(wanted)
                body = received(shop.local.network.name, STEPS[reply.step], reply.payload).body
                assert isinstance(body, GoodsM | Refusal)
                return body

            orders = [await order() for _ in range(CAP)]
            assert {type(each) for each in orders} == {GoodsM}
            one_more = await order()
            assert isinstance(one_more, Refusal)
            assert one_more.why == Why.FULL

        purchase = await shop.begin(shop.wish("note", LEAD))
        assert purchase is not None
        assert (await shop.ended(purchase)).state == "done"
        await check_all(shop)
