"""`wallet dispute`, `merchant dispute`, `bank dispute`: what papers prove is done without a judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from anonnet.protocol.dispute import Demand
from anonnet.protocol.local import Purchase, PurchaseOf, Sales, SalesOf, Wallet, WalletOf
from anonnet.store.wallet import ABORTED, DISPUTED, DONE, REFUSED
from anonnet_daemons import evidence
from anonnet_daemons.cli.buying import purchase_found
from anonnet_daemons.cli.verbs import FAILED, Found, data_option, have_judged, timeout_option, verb, with_owner
from anonnet_daemons.config import Kind
from anonnet_daemons.disputing import Answered, disputed, met
from anonnet_daemons.owner import Failed, Owner

of_wallet, of_merchant, of_bank = click.Group(), click.Group(), click.Group()

USUAL = {ABORTED: Demand.RELEASE, REFUSED: Demand.REFUSAL, DISPUTED: Demand.DELIVERY}
"""What is claimed about a purchase that has ended so; of one that has not, what became of the payment."""

HERS = Demand.SPENT, Demand.RELEASE, Demand.REFUSAL, Demand.DELIVERY
OF_A_BANK = Demand.CREDIT, Demand.RELEASE, Demand.REFUSAL, Demand.SPENT

file_option = click.option(
    *("--to", "into"),
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where it is denied: write down what you can prove, for a judge.",
)


def claim_option(*demands: Demand, help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--claim: one of these."""
    return click.option("--claim", type=click.Choice([each.value for each in demands]), help=help)


@verb(of_wallet, "dispute", example="anonnet wallet dispute 3fa9 --to song.evidence")
@click.argument("purchase")
@claim_option(*HERS, help="Otherwise what its state suggests. delivery: ask the merchant for the key.")
@file_option
@timeout_option(60)
@data_option(Kind.CONSUMER)
def wallet_dispute(purchase: str, claim: str | None, into: Path | None, timeout: float, data: Path) -> Found:
    """Show the papers of one PURCHASE, named by its first digits, to whom they bind, and have him do what they prove.

    The bank has to show what became of your payment, and with the commit the key; after an abort, to let your tokens
    go; after a refusal, to justify it. It is reached through the relay, and learns nothing that it has not seen.

    Goods that are not what their contract says no program makes good: the merchant is shown what binds him, and what he
    says goes to the judge, in a file with the goods.
    """

    async def work(owner: Owner) -> Found:
        id = evidence.the_one(_starting((await owner.ask(WalletOf(), Wallet)).purchases, purchase), purchase)
        shown = await owner.ask(PurchaseOf(purchase=id), Purchase)
        if claim is None and shown.state == DONE:
            raise Failed("the goods are here, and are what their contract says: nobody owes you anything")
        demand = Demand(claim) if claim else USUAL.get(shown.state, Demand.SPENT)
        answer = await disputed(owner, id, demand, timeout)
        shown = await owner.ask(PurchaseOf(purchase=id), Purchase)
        found = _found(answer, demand, purchase_found(shown).words[:1])
        return Found({**found.values, "state": shown.state}, found.words, found.code)

    found = with_owner(data, Kind.CONSUMER, work)
    goods = found.values["state"] == DISPUTED
    return _exported(
        found, into, lambda to: evidence.of_purchase(data.absolute(), purchase, to, goods=goods, chunks=())
    )


@verb(of_merchant, "dispute", example="anonnet merchant dispute 81c2 --to sale.evidence")
@click.argument("number")
@file_option
@timeout_option(60)
@data_option(Kind.MERCHANT)
def merchant_dispute(number: str, into: Path | None, timeout: float, data: Path) -> Found:
    """Show the bank its promise and the commit of the sale with this NUMBER, and have it credit you."""

    async def work(owner: Owner) -> Found:
        sales = [each.number for each in (await owner.ask(SalesOf(), Sales)).lines]
        subject = evidence.the_one(_starting(sales, number), number)
        return _found(await disputed(owner, subject, Demand.CREDIT, timeout), Demand.CREDIT, [])

    found = with_owner(data, Kind.MERCHANT, work)
    return _exported(found, into, lambda to: evidence.of_sale(data.absolute(), number, to))


@verb(of_bank, "dispute", example="anonnet bank dispute sale.evidence --claim credit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@claim_option(*OF_A_BANK, help="What is claimed by it; otherwise a credit.")
@data_option(Kind.BANK)
def bank_dispute(file: Path, claim: str | None, data: Path) -> Found:
    """Have the bank do what a FILE of evidence proves that it owes, which came on another way than the network.

    It judges the file like a judge, and like a dispute that reaches its door; but what it shows, it shows to you.
    """
    demand = Demand(claim or Demand.CREDIT.value)

    async def work(owner: Owner) -> Found:
        return _found(await met(owner, file, demand), demand, [])

    return with_owner(data, Kind.BANK, work)


def _starting(ids: Any, digits: str) -> list[bytes]:
    return [id for id in ids if id.hex().startswith(digits.lower())]


def _found(answer: Answered | None, demand: Demand, more: list[str]) -> Found:
    if answer is None:
        return Found({"claim": demand.value, "met": None}, ["It has settled itself meanwhile.", *more])
    values = {"claim": demand.value, "met": not answer.denied, "papers": answer.names, "why": answer.denied}
    papers = ", ".join(answer.names)
    if answer.denied:
        shown = f"; its evidence: {papers}" if papers else ""
        return Found(values, [f"Denied: {answer.denied}{shown}.", *more], FAILED)
    return Found(values, [f"Done without a judge, as the papers show that were handed over: {papers}.", *more])


def _exported(found: Found, into: Path | None, export: Callable[[Path], evidence.Exported]) -> Found:
    """Where it was denied: the file for a judge, or how to get one."""
    if found.code != FAILED:
        return found
    if into is None:
        return Found(found.values, [*found.words, "For a judge: run it again with --to FILE."], found.code)
    path = export(into).path
    words = [*found.words, have_judged(path)]
    return Found({**found.values, "path": str(path)}, words, found.code)
