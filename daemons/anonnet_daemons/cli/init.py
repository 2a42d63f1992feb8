"""`anonnet init`: a network on one machine."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from shlex import quote

import click
import trio

from anonnet.limits import (
    BRANDS_MAX,
    CURRENCY_MAX,
    MODULUS_BITS_MAX,
    MODULUS_BITS_MIN,
    POLICY_WITNESSES_MAX,
    UNITS_MAX,
)
from anonnet.protocol.goods import PARTIES_MAX as BANKS_MAX
from anonnet_daemons.branding import BRAND_BITS, DENOMINATIONS
from anonnet_daemons.cli.verbs import Found, check_currency, home, verb
from anonnet_daemons.config import MERGED, Kind
from anonnet_daemons.founding import PORT, REACHABLE, Plan, found

alone = click.Group()
SUBNET_NUMBERS = 3
NAME = re.compile("[a-z][a-z0-9-]{0,30}")
"""What a bank may be called."""


def check_subnet(_: click.Context, __: click.Parameter, value: str) -> str:
    """Three numbers that begin with 127."""
    parts = value.split(".")
    fine = len(parts) == SUBNET_NUMBERS and parts[0] == "127" and all(p.isdecimal() and int(p) < 256 for p in parts)
    if value and not fine:
        raise click.BadParameter("three numbers such as 127.20.30")
    return value


def check_denominations(_: click.Context, __: click.Parameter, value: str) -> tuple[int, ...]:
    """Different positive numbers; each divides the next, so that every price can be paid exactly."""
    try:
        numbers = sorted({int(each) for each in value.split(",")})
    except ValueError:
        numbers = []
    pairs = pairwise(numbers)
    if (
        not numbers
        or not 1 <= numbers[0] <= numbers[-1] <= UNITS_MAX
        or len(numbers) > BRANDS_MAX
        or any(high % low for low, high in pairs)
    ):
        raise click.BadParameter(f"at most {BRANDS_MAX} numbers, each a multiple of the one before, such as 1,2,4,8")
    return tuple(numbers)


def check_banks(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Names with currencies. A bank's name is that of its folder too."""
    banks: dict[str, tuple[str, ...]] = {}
    for value in values:
        name, _sign, listed = value.partition("=")
        currencies = tuple(dict.fromkeys(check_currency(each) for each in listed.split(",")))
        taken = name in {*REACHABLE, Kind.CONSUMER, *banks} or name.startswith(Kind.MIRROR)
        if not NAME.fullmatch(name) or taken:
            raise click.BadParameter(f"{name or value} cannot be a bank's name: choose another one of small letters")
        banks[name] = currencies
    if len(banks) > BANKS_MAX:
        raise click.BadParameter(f"at most {BANKS_MAX} banks: a contract names no more")
    return banks


@verb(alone, example="anonnet init ~/try --bank bank=EUR,USD --bank second=USD")
@click.argument("home_", metavar="[HOME]", type=click.Path(file_okay=False, path_type=Path), default=home)
@click.option(
    "--currency",
    default="EUR",
    show_default=True,
    callback=lambda _, __, value: check_currency(value),
    help=f"At most {CURRENCY_MAX} letters.",
)
@click.option(
    "--bank",
    "banks",
    multiple=True,
    callback=check_banks,
    metavar="NAME=CURRENCY,...",
    help="A bank and its currencies, once for each; otherwise one bank, with --currency.",
)
@click.option(
    "--denominations",
    default=",".join(map(str, DENOMINATIONS)),
    show_default=True,
    callback=check_denominations,
    help="What tokens are worth.",
)
@click.option(
    "--bits",
    type=click.Choice([str(bits) for bits in range(MODULUS_BITS_MIN, MODULUS_BITS_MAX + 1, 1024)]),
    default=str(BRAND_BITS),
    show_default=True,
    help="Size of the brands' RSA keys.",
)
@click.option(
    "--mirrors",
    type=click.IntRange(0, POLICY_WITNESSES_MAX),
    default=0,
    show_default=True,
    help="How many mirrors decide with the log; 0: the log decides alone, and must be trusted.",
)
@click.option(
    "--quorum",
    type=click.IntRange(1),
    default=None,
    help="How many of them are enough: more than half; by default so many that a third may lie.",
)
@click.option(
    "--merge-log",
    type=click.Choice([kind.value for kind in MERGED[Kind.LOG]]),
    default=None,
    help="Run the log in the daemon of the (first) bank, or of the merchant; otherwise in one of its own.",
)
@click.option("--subnet", default="", callback=check_subnet, help="A /24 such as 127.20.30 (otherwise random).")
@click.option(
    "--port", type=click.IntRange(1024, 65000), default=PORT, show_default=True, help="The first; each party has one."
)
def init(
    home_: Path,
    currency: str,
    banks: dict[str, tuple[str, ...]],
    denominations: tuple[int, ...],
    bits: str,
    mirrors: int,
    quorum: int | None,
    merge_log: str | None,
    subnet: str,
    port: int,
) -> Found:
    """Make a network on this machine, in HOME.

    A bank or more, a merchant, a log, a relay, a consumer, and mirrors if wanted, each with a data folder, keys and an
    address of its own.
    Keep HOME to yourself: whoever has the keys is the party.
    """
    enough = mirrors - max(0, mirrors - 1) // 3 if quorum is None else quorum
    if not (mirrors < 2 * enough <= 2 * mirrors or mirrors == enough == 0):
        raise click.UsageError("A quorum is more than half of the mirrors, and at most all of them.")
    if merge_log and mirrors:
        raise click.UsageError("A log that mirrors decide with is not merged: nothing that it records settles a sale.")
    merged = Kind(merge_log) if merge_log else None
    plan = Plan(home_.absolute(), currency, denominations, int(bits), subnet, port, banks, mirrors, enough, merged)
    for bank, currencies in plan.all_banks.items():
        if len(currencies) * len(denominations) > BRANDS_MAX:
            raise click.UsageError(f"{bank} would have more than {BRANDS_MAX} brands: choose fewer denominations.")
    network = trio.run(found, plan)
    parties = {peer.name: {"role": peer.role.value, "host": peer.host, "port": peer.port} for peer in network.peers}
    worths = ", ".join(map(str, denominations))
    words = [f"Made {network.name} in {plan.home}: {', '.join(plan.names)}."]
    words += [f"{bank} has tokens of {worths} {' and '.join(listed)}." for bank, listed in plan.all_banks.items()]
    words += [f"{enough} of {mirrors} mirrors decide with the log."] if mirrors else []
    words += [f"The log is run in the daemon of the {merged}: anonnet log run runs both."] if merged else []
    words += [f"Next: anonnet up {quote(str(plan.home))}"]
    return Found({"network": network.name, "home": str(plan.home), "parties": parties}, words)
