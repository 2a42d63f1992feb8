"""`anonnet merchant`: the merchant's daemon, his shop and his account."""

from __future__ import annotations

import mimetypes
import time
from functools import partial
from pathlib import Path

import click

from anonnet.errors import Malformed
from anonnet.protocol.local import Sales, SalesOf, Sell, Started
from anonnet.protocol.network import Role
from anonnet_daemons.cli.bank import statement_found
from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.cli.verbs import Found, amount, data_option, named, rows, timeout_option, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.shopping import open_account

DAY = 24 * 3600


@click.group()
def merchant() -> None:
    """Run the merchant, put files on sale, look at the sales.

    A merchant needs an account at the bank before anybody can pay him.
    """


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
@data_option(Kind.MERCHANT)
def sell(
    file: Path, price: tuple[int, str], item: str, description: str, media_type: str, days: int, data: Path
) -> Found:
    """Put FILE on sale, or offer it anew. It must stay where it is, and stay as it is."""
    units, currency = price
    try:
        command = Sell(
            item=item or file.name,
            path=str(file.absolute()),
            description=description,
            media_type=media_type or mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            currency=currency,
            price=units,
            valid_until=int(time.time()) + days * DAY,
        )
    except Malformed as why:
        raise Failed(f"this cannot be put on sale ({why}): shorten it or correct it") from why

    async def work(owner: Owner) -> Found:
        digest = (await owner.ask(command, Started)).subject
        values = {"item": command.item, "price": units, "currency": currency, "sha256": digest.hex()}
        return Found(values, [f"{command.item} is on sale for {amount(units, currency)}."])

    return with_owner(data, Kind.MERCHANT, work)


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


@verb(merchant, example="anonnet merchant statement")
@click.option("--bank", help="The bank's name, where there are several.")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first entry.")
@data_option(Kind.MERCHANT)
def statement(bank: str | None, start: int, data: Path) -> Found:
    """Show the bank's signed statement of the merchant's account."""

    async def work(owner: Owner) -> Found:
        return statement_found(await owner.statement(named(owner.network, Role.BANK, bank), start))

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
