"""`anonnet bench`: figures of this machine. They are printed, with its load, and nothing depends on them."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click
import trio

from anonnet_daemons.cli.progress import bar
from anonnet_daemons.cli.verbs import Found, rows, verb
from anonnet_daemons.network import ended_by_signals

if TYPE_CHECKING:
    from anonnet_daemons.benches.mint import Rate


@click.group()
def bench() -> None:
    """Measure on this machine, with real processes and durable storage."""


Option = Callable[[Callable[..., Any]], Callable[..., Any]]


def clients_option(default: int, help: str, *, most: int = 64) -> Option:
    """--clients: how many at the same time."""
    return click.option("--clients", type=click.IntRange(1, most), default=default, show_default=True, help=help)


def count_option(default: int, help: str, *, least: int = 1, most: int = 100_000) -> Option:
    """--count: how often."""
    return click.option("--count", type=click.IntRange(least, most), default=default, show_default=True, help=help)


@verb(bench, example="anonnet bench purchase --clients 8 --count 200 --direct")
@clients_option(8, "How many at the same time.")
@count_option(100, "Purchases in each run.", most=2000)
@click.option("--direct", is_flag=True, help="Without the relay only.")
def purchase(clients: int, count: int, direct: bool) -> Found:
    """How long a purchase takes from the order to the opened goods, and what it costs in CPU time.

    Through the relay and without it; one after the other and CLIENTS at once.
    """
    from anonnet_daemons.benches.purchase import WAYS, Purchases, purchases

    async def run() -> list[Purchases]:
        async with ended_by_signals():
            with bar("Buying"):
                return await purchases(clients, count, ("direct",) if direct else WAYS)

    found = trio.run(run)
    lines = [
        (
            *(each.way, each.clients, each.count, each.times.p50_ms, each.times.p99_ms, each.per_second),
            *(each.refused, each.server_cpu_ms_per_op, each.load),
        )
        for each in found
    ]
    header = ("way", "clients", "purchases", "p50 ms", "p99 ms", "per s", "refused", "CPU ms each", "load")
    words = rows(header, [tuple(_rounded(cell) for cell in line) for line in lines])
    parties = [(each.way, each.clients, *(_rounded(cpu) for cpu in each.cpu_ms.values())) for each in found]
    words += ["", "CPU ms of a purchase, by party:"]
    words += rows(("way", "clients", *found[0].cpu_ms), parties)
    return Found({"cpus": os.cpu_count(), "purchase": [each.values for each in found]}, words)


@verb(bench, example="anonnet bench turns --clients 64")
@clients_option(64, "How many ask.", most=512)
@count_option(10_000, "Turns in each run.")
def turns(clients: int, count: int) -> Found:
    """How many durable turns a second a bank's daemon does, by where turns and COMMIT run.

    Quiet, and under a flood of connections that send bytes which are no handshake.
    """
    from anonnet_daemons.benches.turns import Rate as Turned
    from anonnet_daemons.benches.turns import turns as measure

    async def run() -> list[Turned]:
        async with ended_by_signals():
            with bar("Turning"):
                return await measure(clients, count)

    found = trio.run(run)
    lines = [
        (
            *(each.placement, "flood" if each.flood else "quiet", each.clients, _rounded(each.per_second)),
            *(each.turns_per_commit, each.times.p50_ms, each.times.p99_ms, each.refused),
            *(each.server_cpu_ms_per_op, each.load),
        )
        for each in found
    ]
    header = ("placement", "", "clients", "turns/s", "per commit", "p50 ms", "p99 ms", "refused", "CPU ms", "load")
    return Found({"cpus": os.cpu_count(), "turns": [each.values for each in found]}, rows(header, lines))


@verb(bench, example="anonnet bench commit --count 20000")
@count_option(20_000, "Outcomes that are asked for as fast as they come.")
def commit(count: int) -> Found:
    """How many sales a second the log's daemon decides, each once and durably, and how long one takes.

    With 512 requests on their way all the time, and with 100 requests a second.
    """
    from anonnet_daemons.benches.commit import Rate as Committed
    from anonnet_daemons.benches.commit import commits

    async def run() -> list[Committed]:
        async with ended_by_signals():
            with bar("Committing"):
                return await commits(count)

    found = trio.run(run)
    lines = [
        (
            *(each.offered or "all", each.count, each.per_second, each.times.p50_ms, each.times.p99_ms, each.refused),
            *(each.per_commit, each.server_cpu_ms_per_op, each.client_cpu_ms_per_op, each.load),
        )
        for each in found
    ]
    header = (
        "offered",
        "sales",
        "per s",
        "p50 ms",
        "p99 ms",
        "refused",
        "per commit",
        "CPU ms: log",
        "clients",
        "load",
    )
    return Found({"cpus": os.cpu_count(), "commit": [each.values for each in found]}, rows(header, lines))


@verb(bench, example="anonnet bench gossip --nodes 20 --rate 100")
@click.option("--nodes", type=click.IntRange(1, 32), default=20, show_default=True, help="Mirrors that follow the log.")
@click.option("--rate", type=click.IntRange(1, 1000), default=100, show_default=True, help="Entries a second.")
@count_option(1000, "Entries at that rate.", most=20_000)
@click.option("--burst", type=click.IntRange(1, 20_000), default=10_000, show_default=True, help="Entries at once.")
def gossip(nodes: int, rate: int, count: int, burst: int) -> Found:
    """How soon what the log has recorded is checked and kept by every node that follows it, and what that costs.

    At a steady rate; and as fast as the log takes entries, without and with a peer that asks for everything and never
    reads.
    """
    from anonnet_daemons.benches.gossip import Spread
    from anonnet_daemons.benches.gossip import gossip as measure

    async def run() -> list[Spread]:
        async with ended_by_signals():
            with bar("Spreading"):
                return await measure(nodes, rate, count, burst)

    found = [each.values for each in trio.run(run)]
    return Found(
        {"cpus": os.cpu_count(), "gossip": found}, rows(tuple(found[0]), [tuple(each.values()) for each in found])
    )


at_bank_option = clients_option(16, "Each on a connection of its own.")
tokens_option = count_option(3000, "Requests of all clients.")


@verb(bench, example="anonnet bench withdraw --clients 16 --count 3000")
@at_bank_option
@tokens_option
def withdraw(clients: int, count: int) -> Found:
    """How many withdrawals of one token a second, and their CPU time beside that of their cryptography alone."""
    from anonnet_daemons.benches.mint import withdrawals

    return _minted(withdrawals, clients, count)


@verb(bench, example="anonnet bench exchange --clients 16 --count 3000")
@at_bank_option
@tokens_option
def exchange(clients: int, count: int) -> Found:
    """How many exchanges of one token for another a second, and their CPU time beside their cryptography's."""
    from anonnet_daemons.benches.mint import exchanges

    return _minted(exchanges, clients, count)


def _minted(measure: Callable[[int, int], Awaitable[Rate]], clients: int, count: int) -> Found:
    async def run() -> Rate:
        async with ended_by_signals():
            with bar("Minting"):
                return await measure(clients, count)

    found = trio.run(run)
    return Found(
        {"cpus": os.cpu_count(), found.what: found.values}, rows(("figure", "value"), list(found.values.items()))
    )


@verb(bench, example="anonnet bench sign --count 20000")
@clients_option(2, "Threads that sign at the same time, after one alone.")
@count_option(10_000, "Signatures in each thread.", least=100)
def sign(clients: int, count: int) -> Found:
    """How many blind signatures a second the bank's key makes, beside OpenSSL's bare private operation.

    The latter is what `openssl speed` says, if it is installed; both take turns.
    """
    from anonnet_daemons.benches.sign import run

    with bar("Signing"):
        found = run(count, clients)
    return Found({"cpus": os.cpu_count(), "sign": found}, rows(("figure", "value"), list(found.items())))


def _rounded(cell: object) -> object:
    """Figures beyond ten need no fraction."""
    return round(cell) if isinstance(cell, float) and cell >= 10 else cell
