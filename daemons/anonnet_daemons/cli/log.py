"""`anonnet log`: the log's daemon, and its entries."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from anonnet.protocol.local import Admit, Started
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow, Time, TimeOf
from anonnet.wire.codec import decode_record
from anonnet_daemons.cli import alerts, checking, evidence
from anonnet_daemons.cli.running import http_option, run_daemon
from anonnet_daemons.cli.verbs import Found, data_option, rows, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.table import KEY_BYTES


@click.group()
def log() -> None:
    """Run the log, look at its entries.

    The log decides each sale once, by its own clock, and publishes what it decided.
    """


for group in (checking.of_log, alerts.of(Kind.LOG), evidence.of_log):
    for each in group.commands.values():
        log.add_command(each)


@verb(log, example="anonnet log run --data ~/try/log")
@click.option("--trust-clock", is_flag=True, help="You have checked this machine's clock: believe it at this start.")
@http_option
@data_option(Kind.LOG)
def run(trust_clock: bool, http: tuple[str, int] | None, data: Path) -> None:
    """Be the log until SIGTERM or Ctrl-C.

    A log whose mirrors decide with it first asks them what they have of it, and waits for a quorum of them.
    """
    from anonnet_daemons.log import run as run_log

    run_daemon(partial(run_log, data.absolute(), trust_clock=trust_clock, http=http))


@verb(log, example="anonnet log admit 8f1c...e2")
@click.argument("merchant")
@data_option(Kind.LOG)
def admit(merchant: str, data: Path) -> Found:
    """Record the sales of MERCHANT, a signing key in hex, who does not stand in the network file.

    Those of the network file are admitted without this.
    """

    async def work(owner: Owner) -> Found:
        await owner.ask(Admit(merchant=key_in_hex(merchant)), Started)
        return Found({"merchant": merchant}, [f"The sales of {merchant} are recorded."])

    return with_owner(data, Kind.LOG, work)


def key_in_hex(text: str) -> bytes:
    """Raises Failed."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise Failed(f"{text} is not a key of {2 * KEY_BYTES} hex digits: check it")
    return key


@verb(log, example="anonnet log entries --from 100 --most 20")
@click.option("--shard", type=click.IntRange(min=0), default=None, help="One shard; else all that are kept.")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, show_default=True, help="The first index.")
@click.option("--most", type=click.IntRange(min=1), default=100, show_default=True, help="How many to show.")
@data_option(Kind.LOG)
def entries(shard: int | None, start: int, most: int, data: Path) -> Found:
    """Show what the log has recorded: of each sale its commit or, where mirrors decide with the log, its pledge and
    then its key, and ticks, which tell only the time.

    A shard holds the sales that expire in one week, behind its genesis; 0 is the chain, which holds the banks' brands
    and the last checkpoint of each shard.
    """

    async def work(owner: Owner) -> Found:
        peer = owner.setup.peer(owner.network)
        time = await owner.ask(TimeOf(log=peer.identity), Time)
        sizes = {each.shard: each.size for each in time.shards if shard in (None, each.shard)}
        found: list[dict[str, Any]] = []
        for each, size in sizes.items():
            at = start
            while at < size and len(found) < most:
                page = await owner.ask(Follow(log=peer.identity, shard=each, start=at), Entries)
                found += [_entry(each, index, one.entry) for index, one in enumerate(page.entries, at)]
                at += len(page.entries)
        shown = [(each["shard"], each["index"], each["kind"], each["time"], each["sale"][:32]) for each in found[:most]]
        heading = "shard", "index", "kind", "time", "sale"
        return Found({"sizes": sizes, "entries": found[:most]}, rows(heading, shown))

    return with_owner(data, Kind.LOG, work)


def _entry(shard: int, index: int, data: bytes) -> dict[str, Any]:
    entry = decode_record(Entry, data)
    kind, sale = EntryKind(entry.kind).name.lower(), entry.outcome_key.hex()
    return {"shard": shard, "index": index, "kind": kind, "time": entry.time, "sale": sale}
