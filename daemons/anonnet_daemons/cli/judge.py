"""`anonnet judge`: who owes whom what, from files of evidence alone."""

from __future__ import annotations

from pathlib import Path

import click

from anonnet_daemons.cli.verbs import Found, verb
from anonnet_daemons.config import read_network
from anonnet_daemons.judging import Judgement, judged

alone = click.Group()
BY_KEYS = "Parties are named by their keys; give --network with a network file that you trust to see their names."


@verb(alone, example="anonnet judge song.evidence --network network.json --extract ./review")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--network",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A network file that you trust: names for keys, and a warning where a key is not in it.",
)
@click.option(
    "--extract",
    type=click.Path(file_okay=False, path_type=Path),
    help="Open the goods into this new folder, for a human to look at.",
)
def judge(files: tuple[Path, ...], network: Path | None, extract: Path | None) -> Found:
    """Decide what the FILES, taken together, prove: who owes whom what, and which further paper would change it.

    Nobody is asked and nobody is believed: only signatures count. Papers that do not hold are set aside, with the
    reason. Whether goods fit their description is not for a program to say: extract them, and look.
    """
    return _found(judged(files, read_network(network) if network else None, extract))


def _found(judgement: Judgement) -> Found:
    verdict, names = judgement.verdict, judgement.names
    words = [f"Network {verdict.network}.", *verdict.words(names)]
    words += [f"Not in the network file: {each.named({})}. Whose key is that?" for each in judgement.strangers]
    words += [] if names else [BY_KEYS]
    words += [f"The goods, and the contract to hold them against, are in {path}" for path in judgement.extracted]
    strangers = [party.identity.hex() for party in judgement.strangers]
    more = {"strangers": strangers, "extracted": [str(path) for path in judgement.extracted]}
    return Found({**verdict.values(names), **more}, words)
