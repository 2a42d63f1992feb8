"""`wallet statement` and `merchant statement`: what the bank has signed of an account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from anonnet.protocol.account import Statement
from anonnet.protocol.network import Role
from anonnet.wire.signed import Signed
from anonnet_daemons import evidence
from anonnet_daemons.cli.verbs import Found, amount, data_option, have_judged, named, rows, verb, with_owner
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.owner import Owner, noun


def of(kind: Kind) -> click.Group:
    """The verb, for one kind of party."""
    group, command = click.Group(), noun(kind)

    @verb(group, "statement", example=f"anonnet {command} statement --to account.evidence")
    @click.option("--bank", help="The bank's name, where there are several.")
    @click.option("--from", "start", type=click.IntRange(min=0), default=0, help="The first entry.")
    @click.option(
        *("--to", "into"),
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write the statement of the whole account down for a judge; only you can read the file.",
    )
    @data_option(kind)
    def statement(bank: str | None, start: int, into: Path | None, data: Path) -> Found:
        """Show the bank's signed statement of your account.

        What it has taken from the account the bank must be able to show your signature for. Whoever reads the file that
        --to writes learns everything that ever moved on the account, and not what was bought.
        """

        async def work(owner: Owner) -> tuple[Statement, list[Signed]]:
            peer = named(owner.network, Role.BANK, bank)
            return await owner.statement(peer, start), await owner.statements(peer) if into else []

        stated, pages = with_owner(data, kind, work)
        found = _found(stated)
        if into is None:
            return found
        evidence.of_statements(read_setup(data.absolute(), kind), pages, into)
        return replace(
            found,
            values={**found.values, "path": str(into)},
            words=[*found.words, have_judged(into)],
        )

    return group


def _found(statement: Statement) -> Found:
    """A bank's statement, for an account's owner."""
    balances = {each.currency: each.amount for each in statement.balances}
    entries = [
        {"kind": each.kind, "amount": each.amount, "currency": each.currency, "time": each.time}
        for each in statement.entries
    ]
    lines = rows(
        ("index", "what", "amount", "currency"),
        [
            (index, each.kind, each.amount, each.currency)
            for index, each in enumerate(statement.entries, statement.start)
        ],
    )
    words = [f"account {statement.account.hex()}"]
    words += [f"holds {amount(units, currency)}" for currency, units in balances.items()] or ["is empty"]
    values = {"account": statement.account.hex(), "time": statement.time, "balances": balances, "entries": entries}
    return Found(values, words + (lines if entries else []))
