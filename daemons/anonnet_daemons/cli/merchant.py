"""`anonnet merchant`: the merchant's daemon, his shop and his account."""

from __future__ import annotations

import mimetypes
import time
from functools import partial
from pathlib import Path
from typing import Any

import click

from anonnet.errors import Malformed
from anonnet.protocol.local import Sales, SalesOf, Sell, Started
from anonnet.protocol.network import Peer, Role
from anonnet_daemons.cli import alerts, disputing, statements
from anonnet_daemons.cli.evidence import of_merchant
from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.cli.verbs import Found, amount, data_option, named, rows, timeout_option, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.shopping import in_plain_words, open_account, tills

DAY = 24 * 3600


@click.group()
def merchant() -> None:
    """Run the merchant, put files on sale, look at the sales.

    A merchant needs an account at the bank before anybody can pay him.
    """


for group in (of_merchant, disputing.of_merchant, alerts.of(Kind.MERCHANT), statements.of(Kind.MERCHANT)):
    for each in group.commands.values():
        merchant.add_command(each)


@verb(merchant, example="anonnet merchant run --data ~/try/merchant")
@data_option(Kind.MERCHANT)
def run(data: Path) -> None:
    """Be the merchant until SIGTERM or Ctrl-C."""
    from anonnet_daemons.merchant import run as run_merchant

    run_daemon(partial(run_merchant, data.absolute()))


@verb(merchant, example="anonnet merchant sell song.wav --price 5 EUR --description 'Three minutes of bells'")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--price", type=(click.IntRange(min=1), str), required=True, metavar="UNITS CURRENCY")
@click.option("--item", default="", help="Its name in the catalogue (otherwise the file's name).")
@click.option("--description", default="", help="What a judge can hold you to.")
@click.option("--media-type", default="", help="Such as audio/wav (otherwise guessed from the file's name).")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How long it is sold.")
@click.option("--receipt", is_flag=True, help="Only to who signs for the goods: then you can prove what she received.")
@click.option("--sealed", is_flag=True, help="The log records its sales without learning that they are yours.")
@click.option("--bank", "banks", multiple=True, help="A bank where it can be paid, once for each.")
@data_option(Kind.MERCHANT)
def sell(file: Path, price: tuple[int, str], banks: tuple[str, ...], days: int, data: Path, **about: Any) -> Found:
    """Put FILE on sale, or offer it anew. It must stay where it is, and stay as it is.

    It can be paid at banks that have tokens in the price's currency, and where you have an account.
    """
    units, currency = price

    async def work(owner: Owner) -> Found:
        paid_at, missing = await _paid_at(owner, currency, banks)
        command = _sell_command(file, price, days, [bank.key for bank in paid_at], **about)
        digest = (await owner.ask(command, Started)).subject
        names = [bank.name for bank in paid_at]
        values = {"item": command.item, "price": units, "currency": currency, "banks": names, "sha256": digest.hex()}
        words = [f"{command.item} is on sale for {amount(units, currency)}, paid at {', '.join(names)}."]
        return Found(values, words + missing)

    return with_owner(data, Kind.MERCHANT, work)


def _sell_command(
    file: Path,
    price: tuple[int, str],
    days: int,
    banks: list[bytes],
    *,
    item: str,
    description: str,
    media_type: str,
    receipt: bool,
    sealed: bool,
) -> Sell:
    units, currency = price
    try:
        return Sell(
            item=item or file.name,
            path=str(file.absolute()),
            description=description,
            media_type=media_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            currency=currency,
            price=units,
            valid_until=int(time.time()) + days * DAY,
            banks=tuple(banks),
            receipt=int(receipt),
            sealed=int(sealed),
        )
    except Malformed as why:
        raise Failed(f"this cannot be put on sale ({why}): shorten it or correct it") from why


async def _paid_at(owner: Owner, currency: str, names: tuple[str, ...]) -> tuple[list[Peer], list[str]]:
    """Those of the named banks, or of all, that have tokens in this currency and an account of this merchant; and why
    the others are left out.

    Raises Failed where a named one has not, or where there is none: who pays at such a bank would only be refused.
    """
    there = tills(owner.network)
    wanted = [named(owner.network, Role.BANK, name) for name in names]
    fitting = [bank for bank, each in there if each == currency and (bank in wanted or not wanted)]
    if not fitting or len(fitting) < len(set(names)):
        choices = ", ".join(f"{each} at {bank.name}" for bank, each in there) or "none"
        raise Failed(f"not every bank has tokens in {currency}; there are: {choices}: choose another price or bank")
    opened, why = [], list[str]()
    for bank in fitting:
        try:
            await owner.statement(bank)
            opened.append(bank)
        except Failed as failed:  # no account there, or not to be reached
            why.append(f"not at {bank.name}: {in_plain_words(owner, bank, failed)}")
    if not opened or (wanted and why):
        raise Failed(why[0])
    return opened, why


@verb(merchant, "open-account", example="anonnet merchant open-account")
@click.option("--bank", help="The bank's name, where there are several.")
@timeout_option(30)
@data_option(Kind.MERCHANT)
def open_account_(bank: str | None, timeout: float, data: Path) -> Found:
    """Open an account at the bank, and wait until it is there."""

    async def work(owner: Owner) -> Found:
        statement = await open_account(owner, named(owner.network, Role.BANK, bank), timeout)
        return Found({"account": statement.account.hex()}, [f"The account {statement.account.hex()} is open."])

    return with_owner(data, Kind.MERCHANT, work)


@verb(merchant, example="anonnet merchant sales")
@data_option(Kind.MERCHANT)
def sales(data: Path) -> Found:
    """Show the newest orders, and how many there are in each state."""

    async def work(owner: Owner) -> Found:
        found = await owner.ask(SalesOf(), Sales)
        lines = [(each.item, each.price, each.currency, each.state, each.number.hex()[:16]) for each in found.lines]
        counts = {each.state: each.count for each in found.counts}
        orders = [
            {"number": each.number.hex(), "item": each.item, "state": each.state, "opened": each.opened}
            | {"price": each.price, "currency": each.currency}
            for each in found.lines
        ]
        return Found({"counts": counts, "orders": orders}, rows(("item", "price", "currency", "state", "n"), lines))

    return with_owner(data, Kind.MERCHANT, work)
