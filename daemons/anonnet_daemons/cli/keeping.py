"""What `anonnet wallet` does with its seed: shows it in words, makes a wallet from them, seals it, recovers tokens."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import Any, TextIO

import click

from anonnet.protocol.local import Recovery, Wallet, WalletOf
from anonnet.protocol.network import Peer, Role
from anonnet.store.tokens import FREE
from anonnet.times import RESTORE_SPREAD_SECONDS
from anonnet_daemons import recovering
from anonnet_daemons.cli.progress import bar
from anonnet_daemons.cli.verbs import (
    Found,
    amount,
    as_json,
    data_option,
    named,
    timeout_option,
    verb,
    with_owner,
)
from anonnet_daemons.config import Kind, read_network, read_setup
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.seedfile import Passphrase, bare_seed, read_seed, seal_seed, sealed
from anonnet_daemons.shopping import worth
from anonnet_daemons.words import WORDS, seed_of, words_of

keeping = click.Group()
WAIT_SECONDS = 3 * RESTORE_SPREAD_SECONDS
"""Places are asked for over one spread, or over two where there are many, and tokens exchanged over another."""

FAST = (
    "Fast asks for everything at once: from that the bank can tell that all these tokens, the spent ones too, belong to"
    " one wallet; and with the account, whose it is."
)


def passphrase_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--passphrase-file and --passphrase-fd, given as one Passphrase."""

    @functools.wraps(function)
    def run(*args: Any, passphrase_file: Path | None, passphrase_fd: int | None, **options: Any) -> Any:
        return function(*args, passphrase=Passphrase(passphrase_file, passphrase_fd), **options)

    descriptor = click.option("--passphrase-fd", type=click.IntRange(min=0), help="Or from this open descriptor.")
    file = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        help="Read the passphrase from the first line of this file, not from the terminal.",
    )
    return file(descriptor(run))


@verb(keeping, example="anonnet wallet words")
@passphrase_options
@data_option(Kind.CONSUMER)
def words(passphrase: Passphrase, data: Path) -> Found:
    """Show the 24 words that this wallet can be made from again, and what they do not hold.

    Whoever reads the words has the wallet. Write them on paper; do not photograph them.
    """
    setup = read_setup(data.absolute(), Kind.CONSUMER)
    found = words_of(read_seed(data.absolute(), passphrase))
    missing = recovering.not_in_the_words(setup.network_path.resolve(), setup.network())
    lines = [" ".join(f"{place + 1:>2} {found[place]:<9}" for place in row).rstrip() for row in _rows()]
    lines += ["", "The words do not hold:", *(f"- {each}" for each in missing)]
    return Found({"words": found, "not_in_the_words": missing}, lines)


def _rows(columns: int = 6) -> list[range]:
    return [range(start, start + columns) for start in range(0, WORDS, columns)]


@verb(keeping, example="anonnet wallet restore --network ~/try/network.json --data ~/new")
@click.option(
    "--network", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The network file that you kept."
)
@click.option("--words-file", type=click.File("r"), help="Read the words from this file (-: from standard input).")
@click.option("--relay", help="The relay's name, where there are several.")
@data_option(Kind.CONSUMER)
def restore(network: Path, words_file: TextIO | None, relay: str | None, data: Path) -> Found:
    """Make a wallet in a new folder from its 24 words. Tokens come back by `wallet recover`."""
    path, folder = network.absolute(), data.absolute()
    peer = named(read_network(path), Role.RELAY, relay)
    if words_file is None and not sys.stdin.isatty():
        raise Failed("there is no terminal to ask for the words: give --words-file, or --words-file -")
    text = words_file.read() if words_file else click.prompt(f"The {WORDS} words, in one line", err=True)
    recovering.restore(folder, seed_of(text), path, peer)
    said = [
        f"Made a wallet in {folder}. It does not know yet what it has. Next:",
        f"  anonnet wallet run --data {quote(str(folder))}",
        f"  anonnet wallet recover --data {quote(str(folder))}",
    ]
    return Found({"folder": str(folder)}, said)


@verb(keeping, example="anonnet wallet recover --wait")
@click.option("--bank", help="Only at this bank.")
@click.option("--fast", is_flag=True, help=FAST)
@click.option("--wait", is_flag=True, help="Wait until it is over.")
@click.option("--status", is_flag=True, help="Begin nothing: only tell how far it is.")
@timeout_option(WAIT_SECONDS)
@data_option(Kind.CONSUMER)
def recover(bank: str | None, fast: bool, wait: bool, status: bool, timeout: float, data: Path) -> Found:
    """Find again what this wallet's seed has at its banks.

    The wallet asks for each place of its seed until 100 in a row are empty, compares what it finds with what the bank
    publishes as used, and exchanges the rest token by token; each question by itself, in no order, spread over an hour
    or more, so that the bank does not see which tokens belong together. Asked again with --fast, it makes haste.
    """
    if fast and not as_json():
        click.echo(FAST, err=True)

    async def work(owner: Owner) -> Found:
        banks = [named(owner.network, Role.BANK, bank)] if bank else list(owner.network.all(Role.BANK))
        far = []
        for peer in banks:
            if not status:
                await recovering.begin(owner, peer, fast=fast)
        for peer in banks:
            with bar(f"Asking {peer.name}") as told:
                waited = wait and await recovering.ended(owner, peer, timeout, told)
            far.append(waited or await recovering.progress(owner, peer))
        return _recovered(banks, far, await owner.ask(WalletOf(), Wallet))

    return with_owner(data, Kind.CONSUMER, work)


def _recovered(banks: list[Peer], far: list[Recovery], wallet: Wallet) -> Found:
    """How far it is at each bank, and what is free."""
    lines, values = [], []
    for peer, each in zip(banks, far, strict=True):
        free = dict(worth([held for held in wallet.holdings if held.bank == peer.key], FREE))
        over = recovering.over(each)
        values.append(
            {
                "bank": peer.name,
                "over": over,
                **{name: getattr(each, name) for name in ("places", "answered", "found", "comparing", "exchanging")},
                "free": free,
            }
        )
        lines.append(f"{peer.name}: {each.answered} of {each.places} places asked for, {each.found} tokens found.")
        lines += [f"{each.exchanging} tokens are being exchanged."] if each.exchanging else []
        lines += [f"{amount(units, currency)} are free to spend." for currency, units in free.items()]
        lines += ["It is over." if over else "The wallet goes on by itself: see wallet recover --status."]
    return Found({"banks": values, "over": all(each["over"] for each in values)}, lines)


@verb(keeping, example="anonnet wallet lock")
@passphrase_options
@data_option(Kind.CONSUMER)
def lock(passphrase: Passphrase, data: Path) -> Found:
    """Seal this wallet's seed under a passphrase.

    From then on `wallet run` asks for it. A wallet that runs goes on: it has the seed in its memory. If you forget the
    passphrase, only the words help.
    """
    folder = _wallet(data)
    if sealed(folder):
        raise Failed("this wallet's seed is sealed already: to change its passphrase, unlock it first")
    seal_seed(folder, passphrase)
    said = [
        "The seed is sealed. The file that held it has been overwritten; copies of it in backups and snapshots, and",
        "what the disk has put aside, cannot be reached from here. Purchases and their papers are not sealed.",
    ]
    return Found({"sealed": True}, said)


@verb(keeping, example="anonnet wallet unlock")
@passphrase_options
@data_option(Kind.CONSUMER)
def unlock(passphrase: Passphrase, data: Path) -> Found:
    """Put this wallet's seed back without a passphrase."""
    folder = _wallet(data)
    if not sealed(folder):
        raise Failed("this wallet's seed is not sealed: there is nothing to unlock")
    bare_seed(folder, passphrase)
    return Found({"sealed": False}, ["The seed is not sealed any more: whoever can read the folder has the wallet."])


def _wallet(data: Path) -> Path:
    """The folder, if there is a wallet in it. Raises BadStart."""
    read_setup(data.absolute(), Kind.CONSUMER)
    return data.absolute()
