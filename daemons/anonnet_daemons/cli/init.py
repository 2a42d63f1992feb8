"""`anonnet init`: a network on one machine."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click
import trio

from anonnet.limits import BRANDS_MAX, CURRENCY_MAX, MODULUS_BITS_MAX, MODULUS_BITS_MIN
from anonnet_daemons.branding import BRAND_BITS, DENOMINATIONS
from anonnet_daemons.cli.verbs import Found, home, verb
from anonnet_daemons.founding import PORT, Plan, found

alone = click.Group()
SUBNET_NUMBERS = 3


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
    if not numbers or numbers[0] < 1 or len(numbers) > BRANDS_MAX or any(high % low for low, high in pairs):
        raise click.BadParameter(f"at most {BRANDS_MAX} numbers, each a multiple of the one before, such as 1,2,4,8")
    return tuple(numbers)


@verb(alone, example="anonnet init ~/try --currency EUR")
@click.argument("home_", metavar="[HOME]", type=click.Path(file_okay=False, path_type=Path), default=home)
@click.option("--currency", default="EUR", show_default=True, help=f"At most {CURRENCY_MAX} letters.")
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
@click.option("--subnet", default="", callback=check_subnet, help="A /24 such as 127.20.30 (otherwise random).")
@click.option("--port", type=click.IntRange(1024, 65000), default=PORT, show_default=True, help="The first of four.")
def init(home_: Path, currency: str, denominations: tuple[int, ...], bits: str, subnet: str, port: int) -> Found:
    """Make a network of five parties on this machine, in HOME.

    A bank, a merchant, a log, a relay and a consumer, each with a data folder, keys and an address of its own. Keep
    HOME to yourself: whoever has the keys is the party.
    """
    if not 0 < len(currency.encode()) <= CURRENCY_MAX:
        raise click.UsageError(f"A currency's name has 1 to {CURRENCY_MAX} letters.")
    plan = Plan(home_.absolute(), currency, denominations, int(bits), subnet, port)
    network = trio.run(found, plan)
    parties = {peer.name: {"role": peer.role.value, "host": peer.host, "port": peer.port} for peer in network.peers}
    words = [
        f"Made {network.name} in {plan.home}: bank, merchant, log, relay and consumer,",
        f"with tokens of {', '.join(map(str, denominations))} {currency}.",
        f"Next: anonnet up {plan.home}",
    ]
    return Found({"network": network.name, "home": str(plan.home), "parties": parties}, words)
