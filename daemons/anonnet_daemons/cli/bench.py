"""`anonnet bench`: figures of this machine. They are printed, with its load, and nothing depends on them."""

from __future__ import annotations

import os

import click
import trio

from anonnet_daemons.cli.progress import bar
from anonnet_daemons.cli.verbs import Found, rows, verb
from anonnet_daemons.network import ended_by_signals


@click.group()
def bench() -> None:
    """Measure on this machine, with real processes and durable storage."""


clients_option = click.option(
    "--clients", type=click.IntRange(1, 64), default=8, show_default=True, help="How many at the same time."
)


@verb(bench, example="anonnet bench purchase --clients 8 --count 200")
@clients_option
@click.option("--count", type=click.IntRange(1, 2000), default=100, show_default=True, help="Purchases in each run.")
def purchase(clients: int, count: int) -> Found:
    """How long a purchase takes from the order to the opened goods, and what it costs in CPU time.

    Through the relay and without it; one after the other and CLIENTS at once.
    """
    from anonnet_daemons.bench import Purchases, purchases

    async def run() -> list[Purchases]:
        async with ended_by_signals():
            with bar("Buying"):
                return await purchases(clients, count)

    found = trio.run(run)
    lines = [
        (
            *(each.way, each.clients, each.count, each.times.p50_ms, each.times.p99_ms, each.per_second),
            *(sum(each.cpu_ms.values()), each.load),
        )
        for each in found
    ]
    header = ("way", "clients", "purchases", "p50 ms", "p99 ms", "per s", "CPU ms each", "load")
    words = rows(header, [tuple(_rounded(cell) for cell in line) for line in lines])
    parties = [(each.way, each.clients, *(_rounded(cpu) for cpu in each.cpu_ms.values())) for each in found]
    words += ["", "CPU ms of a purchase, by party:"]
    words += rows(("way", "clients", *found[0].cpu_ms), parties)
    return Found({"cpus": os.cpu_count(), "purchase": [each.values for each in found]}, words)


@verb(bench, example="anonnet bench turns --clients 64")
@click.option("--clients", type=click.IntRange(1, 512), default=64, show_default=True, help="How many ask.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="For each run.")
def turns(clients: int, seconds: float) -> Found:
    """How many durable turns a second a bank's daemon does, by where turns and COMMIT run.

    Quiet, and under a flood of connections that send bytes which are no handshake.
    """
    from anonnet_daemons.turnbench import Rate
    from anonnet_daemons.turnbench import turns as measure

    async def run() -> list[Rate]:
        async with ended_by_signals():
            with bar("Turning"):
                return await measure(clients, seconds)

    found = trio.run(run)
    lines = [
        (
            *(each.placement, "flood" if each.flood else "quiet", each.clients, _rounded(each.per_second)),
            *(each.turns_per_commit, each.times.p50_ms, each.times.p99_ms, each.cpu_share, each.load),
        )
        for each in found
    ]
    header = ("placement", "", "clients", "turns/s", "per commit", "p50 ms", "p99 ms", "CPU", "load")
    return Found({"cpus": os.cpu_count(), "turns": [each.values for each in found]}, rows(header, lines))


@verb(bench, example="anonnet bench sign --count 20000")
@click.option("--count", type=click.IntRange(100), default=10000, show_default=True, help="Signatures in each thread.")
def sign(count: int) -> Found:
    """How many blind signatures a second the bank's key makes, beside OpenSSL's bare private operation.

    The latter is what `openssl speed` says, if it is installed; both take turns.
    """
    from anonnet_daemons.benches.sign import run

    with bar("Signing"):
        found = run(count)
    return Found({"cpus": os.cpu_count(), "sign": found}, rows(("figure", "value"), list(found.items())))


def _rounded(cell: object) -> object:
    """Figures beyond ten need no fraction."""
    return round(cell) if isinstance(cell, float) and cell >= 10 else cell
