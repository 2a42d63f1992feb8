"""What all verbs of the `anonnet` command share: help with an example, JSON, and telling exit codes.

A verb returns what it found, once as one JSON object and once in words; it prints nothing itself. What goes wrong is
said in one sentence on standard error (with --json: as one object on standard output), and by the exit code:
0 done, 1 refused or failed, 2 wrong use, 69 the daemon is not running, 74 a daemon's storage has failed, 75 not known
yet, timed out, or a log whose mirrors do not run, 130 interrupted.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn, TextIO, TypeVar

import click
import trio

from anonnet.errors import BadStart, Fatal
from anonnet.limits import CURRENCY_MAX
from anonnet.protocol.network import Network, Peer, Role
from anonnet_daemons.config import Kind
from anonnet_daemons.network import Interrupted
from anonnet_daemons.owner import Failed, NoDaemon, NotYet, Owner, owner_of
from anonnet_daemons.shopping import tills

DONE, FAILED, UNAVAILABLE, STORAGE, NOT_YET, INTERRUPTED = 0, 1, 69, 74, 75, 130
"""Exit codes: EX_UNAVAILABLE, EX_IOERR and EX_TEMPFAIL are of sysexits.h, the last is what shells give for Ctrl-C."""

HOME_VARIABLE = "ANONNET_HOME"
CODES: dict[type[Exception], int] = {
    Failed: FAILED,
    BadStart: FAILED,
    Fatal: STORAGE,
    NoDaemon: UNAVAILABLE,
    NotYet: NOT_YET,
    Interrupted: INTERRUPTED,
}

INTERRUPTION = "interrupted; what a daemon has been asked for goes on by itself: look before you ask again"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What a verb has found: for programs, and for people. `code` is the exit code."""

    values: dict[str, Any]
    words: list[str] = field(default_factory=list)
    code: int = DONE


def home() -> Path:
    """Where a network is unless a command says otherwise."""
    return Path(os.environ.get(HOME_VARIABLE) or Path.home() / ".anonnet")


def verb(group: click.Group, name: str | None = None, *, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function a verb: --json, an example in its help, one sentence and an exit code for what goes wrong."""

    def register(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(*args: Any, as_json: bool, **options: Any) -> NoReturn:
            try:
                found = function(*args, **options)
            except tuple(CODES) as problem:
                complain(problem, as_json)
            except KeyboardInterrupt:
                complain(Interrupted(INTERRUPTION), as_json)
            except BaseExceptionGroup as group:
                complain(known_in(group), as_json)
            show(found or Found({}), as_json)

        flag = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of words.")
        return group.command(name, epilog=f"Example: {example}")(flag(run))

    return register


def as_json() -> bool:
    """True if the verb that runs was asked for JSON."""
    return bool(click.get_current_context().params.get("as_json"))


def show(found: Found, as_json: bool) -> NoReturn:
    """Print what was found, and end."""
    try:
        for line in [json.dumps(found.values)] if as_json else map(plain, found.words):
            click.echo(line)
    except OSError as why:
        if why.errno == errno.EPIPE:  # who reads has enough
            raise
        _silence(sys.stdout)
        unsaid = f"what there is to say cannot be written ({why.strerror}): look before you ask again"
        complain(Failed(unsaid), as_json=False)
    sys.exit(found.code)


def complain(problem: Exception, as_json: bool) -> NoReturn:
    """Say what went wrong, and end."""
    code = CODES[type(problem)]
    line = json.dumps({"error": str(problem), "exit": code}) if as_json else f"anonnet: {plain(str(problem))}"
    try:
        click.echo(line, err=not as_json)
    except OSError:  # a full disk, perhaps the very one that is complained of: the code still says it
        _silence(sys.stdout if as_json else sys.stderr)
    sys.exit(code)


def _silence(stream: TextIO) -> None:
    """Nothing more is written there: at its end Python would try once more, and exit with a code of its own."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def plain(line: str) -> str:
    """A line that only shows: what other parties write (names, descriptions, reasons) cannot steer the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def known_in(group: BaseExceptionGroup[BaseException]) -> Exception:
    """What nurseries have wrapped up, if it is one of those above; else the group goes on."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            return known_in(each)
        if isinstance(each, KeyboardInterrupt):
            return Interrupted(INTERRUPTION)
        if type(each) in CODES:
            assert isinstance(each, Exception)
            return each
    raise group


def data_option(kind: Kind) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--data: the party's data folder."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        default=lambda: home() / kind.value,
        help=f"The {kind}'s data folder (otherwise ${HOME_VARIABLE}/{kind}, or ~/.anonnet/{kind}).",
    )


def timeout_option(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--timeout: how long to wait."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=seconds,
        show_default=True,
        help="Seconds to wait; what was begun goes on by itself afterwards.",
    )


def with_owner(data: Path, kind: Kind, work: Callable[[Owner], Awaitable[T]]) -> T:
    """Do something with the daemon on a data folder. Raises what `work` raises, and NoDaemon, BadStart."""

    async def run() -> T:
        async with owner_of(data.absolute(), kind) as owner:
            return await work(owner)

    return trio.run(run)


def named(network: Network, role: Role, name: str | None) -> Peer:
    """The party with this name, or the only one of its role. Wrong use otherwise."""
    peers = network.all(role)
    if name is None and len(peers) == 1:
        return peers[0]
    found = next((peer for peer in peers if peer.name == name), None)
    if found is None:
        names = ", ".join(peer.name for peer in peers) or "none"
        missing = f"The network file has no {role} {name}" if name else f"Name the {role}"
        raise click.UsageError(f"{missing}; there are: {names}.")
    return found


def till(network: Network, bank: str | None, currency: str | None) -> tuple[Peer, str]:
    """The bank and the currency that are named, or the only ones there are. Wrong use otherwise; it lists them."""
    there = tills(network)
    fitting = [(peer, each) for peer, each in there if bank in (None, peer.name) and currency in (None, each)]
    if len(fitting) == 1:
        return fitting[0]
    choices = ", ".join(f"{each} at {peer.name}" for peer, each in fitting or there) or "none"
    if fitting:
        raise click.UsageError(f"Name the currency, and the bank by --bank; there are: {choices}.")
    raise click.UsageError(f"There are no tokens{_of(currency)}{_at(bank)}; there are: {choices}.")


def _of(currency: str | None) -> str:
    return f" in {currency}" if currency else ""


def _at(bank: str | None) -> str:
    return f" at {bank}" if bank else ""


def check_currency(name: str) -> str:
    """A currency's name as an owner chooses it. Wrong use where people could not tell it from another one."""
    if not 0 < len(name.encode()) <= CURRENCY_MAX or not name.isprintable() or " " in name:
        raise click.BadParameter(f"a currency's name has 1 to {CURRENCY_MAX} letters, without blanks")
    return name


def have_judged(path: Path) -> str:
    """What to do with a file of evidence."""
    return f"Have it judged: anonnet judge {quote(str(path))}"


def amount(units: int, currency: str) -> str:
    """An amount in words."""
    return f"{units} {currency}"


def rows(header: tuple[str, ...], lines: list[tuple[Any, ...]]) -> list[str]:
    """A plain table; numbers stand to the right."""
    table = [tuple(map(str, line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(header, *table, strict=True)]
    right = [bool(lines) and all(isinstance(line[index], int) for line in lines) for index in range(len(header))]

    def shown(line: tuple[str, ...]) -> str:
        cells = zip(line, widths, right, strict=True)
        return "  ".join(text.rjust(width) if number else text.ljust(width) for text, width, number in cells).rstrip()

    return [shown(header), *map(shown, table)]
