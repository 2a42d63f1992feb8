"""`anonnet wallet habits`: how a wallet withdraws and pays, and what a bank can link by it."""

from __future__ import annotations

from pathlib import Path

import click

from anonnet.parties.purse import Habits
from anonnet.protocol.seed import KEY_TOKENS
from anonnet_daemons.cli.verbs import Found, data_option, verb
from anonnet_daemons.config import Keys, Kind, Pays, change_party, read_setup

of_wallet = click.Group()

PAYS = {
    Pays.EXACTLY: "Where no tokens are worth a price exactly, one is exchanged first; what comes of it is not linked.",
    Pays.IN_PARTS: (
        "Where no tokens are worth a price exactly, a part of one pays, and what is left is exchanged. By it the "
        "bank can link the sale, its time, price and merchant, with the exchange of what is left."
    ),
}
KEYS = {
    Keys.SINGLE_USE: "Each token has a key of its own: the bank cannot link two, unless they pay together.",
    Keys.REUSED: (
        f"Up to {KEY_TOKENS} tokens of each worth that are withdrawn have one key, which signs for all of them. By it "
        "the bank can link every sale that they pay, its time, price and merchant, and every exchange of them. Taken "
        "together these may fit only one withdrawal, and then the bank knows whose they are. Nobody else sees such a "
        "key, unless you hand out evidence. What tokens are exchanged for has keys of its own."
    ),
}
"""What each word of party.json means, and what the bank can link by it."""


@verb(of_wallet, "habits", example="anonnet wallet habits --keys single-use")
@click.option(
    "--pays",
    type=click.Choice([each.value for each in Pays]),
    help="What pays a price that no tokens are worth exactly.",
)
@click.option(
    "--keys", type=click.Choice([each.value for each in Keys]), help="Whether tokens that are withdrawn share keys."
)
@data_option(Kind.CONSUMER)
def habits(data: Path, **words: str | None) -> Found:
    """Show, or change, how this wallet withdraws and pays, and what a bank can link by it.

    By default the bank can link no two sales. A change holds from the next start of the wallet on; of --keys, for
    tokens that are withdrawn then: those that are there keep the keys they have.
    """
    chosen = {key: word for key, word in words.items() if word is not None}
    folder = data.absolute()
    setup = change_party(folder, Kind.CONSUMER, chosen) if chosen else read_setup(folder, Kind.CONSUMER)
    pays, keys = _words(setup.habits)
    told = [f"Pays {pays}. {PAYS[pays]}", f"Keys: {keys}. {KEYS[keys]}"]
    told += ["It holds from the next start of the wallet on."] if chosen else []
    return Found({"pays": pays, "keys": keys, "linked": {"pays": PAYS[pays], "keys": KEYS[keys]}}, told)


def _words(habits: Habits) -> tuple[Pays, Keys]:
    """As party.json has them."""
    pays = Pays.IN_PARTS if habits.in_parts else Pays.EXACTLY
    return pays, Keys.REUSED if habits.reused_keys else Keys.SINGLE_USE
