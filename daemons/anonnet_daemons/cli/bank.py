"""`anonnet bank`: the bank's daemon, and what its owner does with it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from anonnet.limits import UNITS_MAX
from anonnet.net.turns import Placement
from anonnet.protocol.brand import Brand
from anonnet.protocol.local import Books, BooksOf, Fund, Started
from anonnet_daemons.branding import ANNOUNCED_SECONDS, BRAND_DAYS, Plate, day
from anonnet_daemons.cli import alerts, auditing, disputing, evidence, warrant
from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.cli.verbs import Found, amount, check_currency, data_option, rows, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner

KEY_HEX = 64
BOOKS = {
    "cash": "paid in",
    "account": "accounts",
    "tokens": "tokens, not yet spent",
    "locked": "tokens in a sale",
    "expired": "tokens of ended brands: the bank's income",
}
"""What the ledger's books are, for people; others stand under their own name."""


@click.group()
def bank() -> None:
    """Run the bank, make its brands, fund accounts, look at its books.

    The bank holds all accounts and signs tokens blindly. It has no bridge to money outside: who funds an account here
    says that somebody has paid.
    """


GROUPS = evidence.of_bank, disputing.of_bank, auditing.of_bank, warrant.of_bank, alerts.of(Kind.BANK)

for group in GROUPS:
    for each in group.commands.values():
        bank.add_command(each)


@verb(bank, example="anonnet bank run --data ~/try/bank")
@click.option(
    "--placement",
    type=click.Choice([each.value for each in Placement]),
    default=Placement.COMMIT_BY_DISK.value,
    hidden=True,
    help="Where turns run; for benchmarks.",
)
@data_option(Kind.BANK)
def run(placement: str, data: Path) -> None:
    """Be the bank until SIGTERM or Ctrl-C."""
    from anonnet_daemons.bank import run as run_bank

    run_daemon(partial(run_bank, data.absolute(), placement=Placement(placement)))


@verb(bank, example="anonnet bank fund 8f1c...e2 100 EUR --reference 'cash, 12 May, desk 3'")
@click.argument("account")
@click.argument("units", type=click.IntRange(1, UNITS_MAX))
@click.argument("currency")
@click.option("--reference", default="", help="What tells this payment from others: the same one counts once.")
@data_option(Kind.BANK)
def fund(account: str, units: int, currency: str, reference: str, data: Path) -> Found:
    """Note that UNITS of CURRENCY were paid in for ACCOUNT.

    ACCOUNT is the account's key in hex (wallet balance shows it), or a merchant's name.
    """

    async def work(owner: Owner) -> Found:
        key = _account(owner, account)
        _check_has(Plate.of(data.absolute()), currency)  # else nobody could withdraw it, and it would stay in the books
        identity = reference.encode() or os.urandom(32)
        command = Fund(account=key, currency=currency, amount=units, reference=hashlib.sha256(identity).digest())
        await owner.ask(command, Started)
        values = {"account": key.hex(), "amount": units, "currency": currency, "reference": command.reference.hex()}
        return Found(values, [f"{amount(units, currency)} are on the account {key.hex()[:16]}..."])

    return with_owner(data, Kind.BANK, work)


def _check_has(plate: Plate, currency: str, otherwise: str = "") -> None:
    """Refuse a currency that the bank has not, as a slip of the hand would. Raises Failed."""
    if currency not in plate.currencies:
        has = ", ".join(plate.currencies) or "none"
        raise Failed(f"{plate.setup.name} has no tokens in {currency}: choose one of {has}{otherwise}")


def _account(owner: Owner, account: str) -> bytes:
    peer = owner.network.named(account)
    if peer is not None:
        return peer.key
    try:
        key = bytes.fromhex(account)
    except ValueError:
        key = b""
    if len(key) * 2 != KEY_HEX:
        raise Failed(f"{account} is neither a party's name nor an account's key of {KEY_HEX} hex digits: check it")
    return key


@verb(bank, example="anonnet bank books")
@data_option(Kind.BANK)
def books(data: Path) -> Found:
    """Show what the books hold, added up; together they are zero in each currency."""

    async def work(owner: Owner) -> Found:
        totals = (await owner.ask(BooksOf(), Books)).totals
        values = [{"book": each.book, "currency": each.currency, "amount": each.amount} for each in totals]
        lines = [(BOOKS.get(each.book, each.book), each.amount, each.currency) for each in totals]
        return Found({"books": values}, rows(("book", "amount", "currency"), lines))

    return with_owner(data, Kind.BANK, work)


@bank.group()
def brand() -> None:
    """The kinds of token that this bank gives out.

    A brand is open for withdrawal for some time, and its tokens can be spent for some weeks more. Have the next one
    ready before one closes. Wallets accept the brands of the network file, and those that have stood in every log for a
    day before they open. Both are the same for everybody, so that no customer can be given a brand of her own.
    """


@verb(brand, example="anonnet bank brand create EUR --days 30")
@click.argument("currency")
@click.option(
    "--worth", "worths", type=click.IntRange(1, UNITS_MAX), multiple=True, help="Denominations; else all there are."
)
@click.option("--opens", type=click.DateTime(), default=None, help="UTC; else when the last one of its kind closes.")
@click.option("--days", type=click.IntRange(1, 366), default=BRAND_DAYS, show_default=True, help="How long it is open.")
@click.option("--pin", is_flag=True, help="Into the network file, which everybody needs anew; they may open at once.")
@click.option("--new", is_flag=True, help="CURRENCY is one that this bank has no brands in yet.")
@data_option(Kind.BANK)
def create(
    currency: str, worths: tuple[int, ...], opens: datetime | None, days: int, pin: bool, new: bool, data: Path
) -> Found:
    """Make the next brands of CURRENCY.

    Start the bank anew within a day: it takes them to the logs, and wallets find them there. With --pin, brands that
    came too late for the logs are put into the network file, and no others are made beside them.
    """
    now = int(time.time())
    start = None if opens is None else int(opens.replace(tzinfo=UTC).timestamp())
    with Plate.engraving(data.absolute()) as plate:
        if new:
            check_currency(currency)
        else:
            _check_has(plate, currency, ", or add --new if it is to have them")
        made = plate.pin_missed(currency, worths, now) if pin and start is None else []
        if not made:
            soonest = now if pin else now + ANNOUNCED_SECONDS
            wishes = plate.next_wishes(currency, worths, start, days, now, soonest)
            made = plate.pin(wishes, now) if pin else plate.create(wishes)
    found = brands_found(made, now)
    todo = (
        f"They stand in {plate.setup.network_path}: hand it out anew."
        if pin
        else "Start the bank anew: it publishes them."
    )
    return Found(found.values, [*found.words, todo])


@verb(brand, "list", example="anonnet bank brand list")
@data_option(Kind.BANK)
def list_(data: Path) -> Found:
    """Show this bank's brands, and where they stand. Asks nobody."""
    plate, now = Plate.of(data.absolute()), int(time.time())
    found, todo = brands_found(plate.brands, now, plate.published(now)), plate.warnings(now)
    return Found({**found.values, "todo": todo}, [*found.words, *todo])


def brands_found(brands: Iterable[Brand], now: int, stands: Mapping[bytes, str] | None = None) -> Found:
    """Brands, for people; `stands`: where each of them stands."""
    where = stands or {}
    ordered = sorted(brands, key=lambda each: (each.currency, each.denomination, each.opens))
    names = ("currency", "denomination", "method", "opens", "closes", "ends")
    values = [
        {name: getattr(each, name) for name in names}
        | {"id": each.id.hex(), "state": _state(each, now), "stands": where.get(each.id, "")}
        for each in ordered
    ]
    lines = [
        (
            each.denomination,
            each.currency,
            _state(each, now),
            *map(day, _times(each)),
            each.id.hex()[:16],
            where.get(each.id, ""),
        )
        for each in ordered
    ]
    return Found(
        {"brands": values}, rows(("worth", "currency", "now", "opens", "closes", "ends", "brand", "stands in"), lines)
    )


def _times(brand: Brand) -> tuple[int, int, int]:
    return brand.opens, brand.closes, brand.ends


def _state(brand: Brand, now: int) -> str:
    if now < brand.opens:
        return "not open yet"
    if now <= brand.closes:
        return "open"
    return "closed" if now <= brand.ends else "ended"
