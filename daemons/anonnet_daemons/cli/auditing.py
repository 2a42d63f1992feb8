"""`anonnet bank audit`: the bank's books, recomputed from signed messages."""

from __future__ import annotations

from pathlib import Path

import click

from anonnet.parties.books import Audit
from anonnet.store.bank import BankStore
from anonnet_daemons.bank import STORE
from anonnet_daemons.cli.verbs import FAILED, Found, amount, data_option, verb
from anonnet_daemons.config import Kind, read_setup

of_bank = click.Group()


@verb(of_bank, "audit", example="anonnet bank audit")
@data_option(Kind.BANK)
def audit(data: Path) -> Found:
    """Recompute all balances and every token's history from signed messages, and compare them with the books.

    Only looks at the data folder, whether or not the bank runs. What nobody signs is named: what was paid in rests on
    the bank's word. Exit code 1 where something does not agree.
    """
    setup = read_setup(data.absolute(), Kind.BANK)
    network = setup.network()
    store = BankStore(str(setup.folder / STORE), read_only=True)
    auditor = Audit(network.name, setup.peer(network).key, network.logs, [offer.brand for offer in network.brands])
    try:
        complaints = auditor.run(store.bookkeeping)
    finally:
        store.close()
    paid_in = ", ".join(amount(units, currency) for currency, units in sorted(auditor.paid_in.items()))
    words = [f"Checked {auditor.papers} signed messages. Paid in, by the bank's word: {paid_in or 'nothing'}."]
    words += [f"WRONG: {complaint}." for complaint in complaints] or ["The books are what these messages say."]
    values = {"papers": auditor.papers, "paid_in": dict(auditor.paid_in), "complaints": complaints}
    return Found(values, words, FAILED if complaints else 0)
