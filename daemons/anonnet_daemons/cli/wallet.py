"""`anonnet wallet`: the consumer's daemon, her money and her purchases."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from anonnet.limits import GOODS_BYTES_MAX
from anonnet.protocol.ending import Ending
from anonnet.protocol.local import Discard, Holding, Purchase, PurchaseOf, Started, Wallet, WalletOf
from anonnet.protocol.network import Role
from anonnet.store.tokens import FREE
from anonnet.times import DWELL_SECONDS
from anonnet_daemons.branding import day
from anonnet_daemons.cli import alerts, brands, disputing, habits, privacy, statements
from anonnet_daemons.cli.buying import Order, bought, order_from, payable_at, purchase_found
from anonnet_daemons.cli.evidence import of_wallet
from anonnet_daemons.cli.keeping import keeping, passphrase_options
from anonnet_daemons.cli.progress import bar
from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.cli.verbs import Found, amount, data_option, named, rows, till, timeout_option, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.seedfile import Passphrase
from anonnet_daemons.shopping import catalogue, funding, open_account, withdraw, worth

LEAD_SECONDS = 120
"""How long a sale may take by default: a merchant who falls silent holds the tokens for this long."""

bank_option = click.option("--bank", help="The bank's name, where there are several.")


@click.group()
def wallet() -> None:
    """Run the consumer's wallet, withdraw, buy.

    The bank knows you when you withdraw, and nobody knows you when you buy. What you begin goes on by itself while the
    wallet runs, and after a crash once it runs again.
    """


PROOFS = of_wallet, disputing.of_wallet, alerts.of(Kind.CONSUMER), statements.of(Kind.CONSUMER)

for group in (keeping, *PROOFS, brands.of_wallet, habits.of_wallet, privacy.of_wallet):
    for each in group.commands.values():
        wallet.add_command(each)


@verb(wallet, example="anonnet wallet run --data ~/try/consumer")
@click.option("--direct", is_flag=True, help="Without the relay: every party sees your address. For tests.")
@click.option(
    "--dwell",
    type=click.IntRange(min=0),
    default=DWELL_SECONDS,
    show_default=True,
    help="Seconds that tokens rest at least, and twice as many at most, before they are spent.",
)
@passphrase_options
@data_option(Kind.CONSUMER)
def run(direct: bool, dwell: int, passphrase: Passphrase, data: Path) -> None:
    """Be the wallet until SIGTERM or Ctrl-C. Asks for the passphrase if the seed is sealed."""
    from anonnet_daemons.consumer import run as run_consumer

    run_daemon(partial(run_consumer, data.absolute(), passphrase, direct=direct, dwell=dwell))


@verb(wallet, "open-account", example="anonnet wallet open-account")
@bank_option
@timeout_option(30)
@data_option(Kind.CONSUMER)
def open_account_(bank: str | None, timeout: float, data: Path) -> Found:
    """Open an account at the bank, and wait until it is there."""

    async def work(owner: Owner) -> Found:
        peer = named(owner.network, Role.BANK, bank)
        statement = await open_account(owner, peer, timeout)
        key = statement.account.hex()
        words = [f"The account {key} is open.", f"Have it funded: {funding(owner, peer, statement.account)}"]
        return Found({"account": key}, words)

    return with_owner(data, Kind.CONSUMER, work)


@verb(wallet, "withdraw", example="anonnet wallet withdraw 16 EUR")
@click.argument("units", type=click.IntRange(min=1))
@click.argument("currency", required=False)
@bank_option
@timeout_option(60)
@data_option(Kind.CONSUMER)
def withdraw_(units: int, currency: str | None, bank: str | None, timeout: float, data: Path) -> Found:
    """Withdraw UNITS of CURRENCY as tokens, and wait for them.

    Where there is one bank with one currency, neither need be named.
    """

    async def work(owner: Owner) -> Found:
        peer, unit = till(owner.network, bank, currency)
        with bar("Withdrawing tokens") as told:
            free = await withdraw(owner, peer, units, unit, timeout, told)
        total = worth(free, FREE)[unit]
        words = [f"Withdrew {amount(units, unit)} at {peer.name}; {amount(total, unit)} are free to spend there."]
        values = {"bank": peer.name, "withdrawn": units, "currency": unit, "free": total, "tokens": _tokens(free)}
        return Found(values, words)

    return with_owner(data, Kind.CONSUMER, work)


def _tokens(holdings: list[Holding]) -> list[dict[str, object]]:
    return [
        {"worth": each.denomination, "currency": each.currency, "state": each.state, "count": each.count}
        for each in holdings
    ]


@verb(wallet, example="anonnet wallet balance")
@data_option(Kind.CONSUMER)
def balance(data: Path) -> Found:
    """Show the accounts, the tokens and what they are worth, by bank and currency.

    Money of two banks, or in two currencies, cannot be put together for one purchase. Asks nobody; for what an account
    holds see `wallet statement`.
    """

    async def work(owner: Owner) -> Found:
        found = await owner.ask(WalletOf(), Wallet)
        held = list(found.holdings)
        banks, words = [], list[str]()
        for peer in owner.network.all(Role.BANK):
            tokens = [each for each in held if each.bank == peer.key]
            free, account = dict(worth(tokens, FREE)), found.account(peer.key).hex()
            banks.append({"bank": peer.name, "account": account, "free": free, "tokens": _tokens(tokens)})
            lines = [(each.denomination, each.currency, each.state, each.count) for each in tokens]
            words += [f"{peer.name}: account {account}"]
            words += rows(("worth", "currency", "state", "tokens"), lines) if lines else ["no tokens"]
            words += [f"free to spend: {amount(units, currency)}" for currency, units in free.items()]
            ending = [each for each in found.ending if each.bank == peer.key]
            banks[-1]["ending"] = [_ending(each) for each in ending]
            words += [what_ends(each) for each in ending]
        return Found({"free": dict(worth(held, FREE)), "banks": banks, "withdrawals": found.withdrawals}, words)

    return with_owner(data, Kind.CONSUMER, work)


def _ending(each: Ending) -> dict[str, object]:
    return {"worth": each.amount, "currency": each.currency, "ends": each.ends, "renewed": bool(each.renewed)}


def what_ends(each: Ending) -> str:
    """What becomes of tokens whose brand ends, or has ended."""
    worth, ends = amount(each.amount, each.currency), day(each.ends)
    if each.over:
        return f"lost: {worth} of brands that ended {ends} UTC"
    if each.renewed:
        return f"ending {ends} UTC: {worth}, to be exchanged before: leave the wallet running"
    return f"ending {ends} UTC: {worth}, with no later brand open to exchange them into: ask the bank for one"


@verb(wallet, "catalogue", example="anonnet wallet catalogue merchant")
@click.argument("merchant", required=False)
@data_option(Kind.CONSUMER)
def catalogue_(merchant: str | None, data: Path) -> Found:
    """Show what MERCHANT sells, asked through the relay."""

    async def work(owner: Owner) -> Found:
        peer = named(owner.network, Role.MERCHANT, merchant)
        offers = await catalogue(owner, peer)
        names = ("item", "price", "currency", "size", "media_type", "description", "receipt")
        at = [[bank.name for bank in payable_at(owner.network, each)] for each in offers]
        values = [
            {name: getattr(each, name) for name in names} | {"banks": banks}
            for each, banks in zip(offers, at, strict=True)
        ]
        lines = [
            (each.item, each.price, each.currency, " ".join(banks), each.size, each.media_type, "-+"[each.receipt])
            for each, banks in zip(offers, at, strict=True)
        ]
        header = ("item", "price", "currency", "paid at", "bytes", "kind", "receipt")
        words = rows(header, lines) if offers else ["Nothing is on sale."]
        return Found({"merchant": peer.name, "offers": values}, words)

    return with_owner(data, Kind.CONSUMER, work)


@verb(wallet, example="anonnet wallet buy song.wav --at-most 5 EUR --to ~/Music/song.wav")
@click.argument("item")
@click.option("--merchant", help="The merchant's name, where there are several.")
@click.option(
    "--at-most",
    "limit",
    type=(click.IntRange(min=1), str),
    default=None,
    metavar="UNITS CURRENCY",
    help="Otherwise the price in the catalogue.",
)
@click.option(
    "--size-at-most",
    "size",
    type=click.IntRange(0, GOODS_BYTES_MAX),
    default=None,
    metavar="BYTES",
    help="Otherwise the size in the catalogue; larger goods are not fetched.",
)
@bank_option
@click.option("--log", help="The log's name, where there are several.")
@click.option(
    "--lead",
    type=click.IntRange(min=3),
    default=LEAD_SECONDS,
    show_default=True,
    help="Seconds the sale may take once the goods are here; then the tokens come back.",
)
@click.option("--receipt", is_flag=True, help="Sign for the goods, under the key of a token, if the merchant wants it.")
@click.option("--to", type=click.Path(path_type=Path), default=None, help="Copy the goods to this file.")
@click.option("--now", "at_once", is_flag=True, help="Also with tokens that have only just been withdrawn.")
@timeout_option(300)
@data_option(Kind.CONSUMER)
def buy(data: Path, timeout: float, to: Path | None, **order: object) -> Found:
    """Buy ITEM, and wait for the outcome.

    It is done (exit code 0), refused or aborted with the tokens free again (1), or not known yet (75); then the wallet
    goes on by itself, and `wallet show` tells how it ended.

    Tokens rest for some hours after their withdrawal. With --now they need not: then the bank sees a withdrawal and a
    payment close together, and may guess that both are yours.
    """
    wanted = Order(**order)  # type: ignore[arg-type]

    async def work(owner: Owner) -> Found:
        return await bought(owner, data.absolute(), await order_from(owner, wanted), timeout, to)

    return with_owner(data, Kind.CONSUMER, work)


@verb(wallet, example="anonnet wallet purchases")
@click.option("--most", type=click.IntRange(1, 512), default=20, show_default=True, help="How many to show.")
@data_option(Kind.CONSUMER)
def purchases(most: int, data: Path) -> Found:
    """Show the newest purchases."""

    async def work(owner: Owner) -> Found:
        ids = (await owner.ask(WalletOf(), Wallet)).purchases[:most]
        found = [await owner.ask(PurchaseOf(purchase=id), Purchase) for id in ids]
        lines = [(each.purchase.hex()[:16], each.item, each.price, each.currency, each.state) for each in found]
        values = [purchase_found(each).values for each in found]
        return Found({"purchases": values}, rows(("purchase", "item", "price", "currency", "state"), lines))

    return with_owner(data, Kind.CONSUMER, work)


@verb(wallet, example="anonnet wallet show 3fa9")
@click.argument("purchase")
@data_option(Kind.CONSUMER)
def show(purchase: str, data: Path) -> Found:
    """Show one PURCHASE, named by its id or the first digits of it."""

    async def work(owner: Owner) -> Found:
        return purchase_found(await owner.ask(PurchaseOf(purchase=await _the_one(owner, purchase)), Purchase))

    return with_owner(data, Kind.CONSUMER, work)


@verb(wallet, example="anonnet wallet forget 3fa9")
@click.argument("purchase")
@data_option(Kind.CONSUMER)
def forget(purchase: str, data: Path) -> Found:
    """Discard one PURCHASE that is over, or not paid yet: its papers, and the goods in this wallet's folder.

    Afterwards you can prove nothing about it. A copy that was made with --to stays.
    """

    async def work(owner: Owner) -> Found:
        id = await _the_one(owner, purchase)
        await owner.ask(Discard(purchase=id), Started)
        return Found({"forgotten": id.hex()}, [f"The purchase {id.hex()[:16]} and its goods are discarded."])

    return with_owner(data, Kind.CONSUMER, work)


async def _the_one(owner: Owner, digits: str) -> bytes:
    """The id of the purchase that begins so. Raises Failed."""
    ids = (await owner.ask(WalletOf(), Wallet)).purchases
    fitting = [id for id in ids if id.hex().startswith(digits.lower())]
    if len(fitting) != 1:
        raise Failed(f"{len(fitting)} purchases begin with {digits}: see wallet purchases")
    return fitting[0]
