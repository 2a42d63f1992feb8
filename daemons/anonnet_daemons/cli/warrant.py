"""`anonnet bank warrant`: what somebody with a warrant can obtain from the bank."""

from __future__ import annotations

from pathlib import Path

import click

from anonnet.store.bank import BankStore
from anonnet_daemons.bank import STORE
from anonnet_daemons.cli.verbs import Found, data_option, verb
from anonnet_daemons.config import Kind, accepted_brands, read_setup
from anonnet_daemons.warrant import Look, Warrant

of_bank = click.Group()


@of_bank.group()
def warrant() -> None:
    """What a warrant can obtain from this bank about one account, one sale or one token.

    Only looks at the data folder, whether or not the bank runs. Each says what is recorded and what is not: no record
    joins an account with what was bought.
    """


def _obtained(data: Path, look: Look) -> Found:
    setup = read_setup(data.absolute(), Kind.BANK)
    network = setup.network()
    store = BankStore(str(setup.folder / STORE), read_only=True)
    try:
        return Found(*look(Warrant(store, network, {brand.id: brand for brand in accepted_brands(network)})))
    finally:
        store.close()


@verb(warrant, "account", example="anonnet bank warrant account 8f1c")
@click.argument("key")
@data_option(Kind.BANK)
def account(key: str, data: Path) -> Found:
    """The account whose KEY begins with these hex digits: what was paid in and out, what it has withdrawn."""
    return _obtained(data, lambda records: records.account(key))


@verb(warrant, "sale", example="anonnet bank warrant sale 90ab")
@click.argument("number")
@data_option(Kind.BANK)
def sale(number: str, data: Path) -> Found:
    """The sale whose NUMBER begins with these hex digits: who sold, when, for how much, paid with which tokens.

    The number of a sealed sale that has failed may be gone. Then it is found by its outcome key.
    """
    return _obtained(data, lambda records: records.sale(number))


@verb(warrant, "token", example="anonnet bank warrant token 4d2e")
@click.argument("id")
@data_option(Kind.BANK)
def token(id: str, data: Path) -> Found:
    """The token whose ID begins with these hex digits: in which sale, or for which new tokens, it was used."""
    return _obtained(data, lambda records: records.token(id))
