"""`anonnet judge`: who owes whom what, from files of evidence alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from anonnet.errors import Malformed
from anonnet.protocol.known_log import NOBODY, Theft
from anonnet.tlog.policy import Policy
from anonnet_daemons.cli.verbs import Found, verb
from anonnet_daemons.config import read_network
from anonnet_daemons.judging import Judgement, judged
from anonnet_daemons.owner import Failed
from anonnet_daemons.table import KEY_BYTES

alone = click.Group()
THEFT = re.compile(f"([0-9a-f]{{{2 * KEY_BYTES}}})@([0-9]{{1,12}})")
BY_KEYS = "Parties are named by their keys; give --network with a network file that you trust to see their names."


def check_stolen(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[bytes, int]:
    """Keys, each with the second of its theft."""
    stolen = {}
    for value in values:
        found = THEFT.fullmatch(value)
        if found is None:
            raise click.BadParameter(f"a key of {2 * KEY_BYTES} hex digits, @, and whole seconds since 1970")
        stolen[bytes.fromhex(found[1])] = int(found[2])
    return stolen


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
@click.option(
    *("--compromised", "stolen"),
    callback=check_stolen,
    multiple=True,
    metavar="KEY@TIME",
    help="A log's signing key in hex, and the second since 1970 from which on somebody else may have signed with it.",
)
@click.option(
    "--witnesses",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A tlog-policy file: the witnesses by whose cosignatures you believe what stood in such a log before.",
)
def judge(
    files: tuple[Path, ...],
    network: Path | None,
    extract: Path | None,
    stolen: dict[bytes, int],
    witnesses: Path | None,
) -> Found:
    """Decide what the FILES, taken together, prove: who owes whom what, and which further paper would change it.

    Nobody is asked and nobody is believed: only signatures count. Papers that do not hold are set aside, with the
    reason. Whether goods fit their description is not for a program to say: extract them, and look.

    If the key of a log that decides alone was stolen, only what your witnesses had cosigned before still counts.
    """
    policy = _policy(witnesses) if witnesses else NOBODY
    thefts = {key: Theft(at, policy) for key, at in stolen.items()}
    return _found(judged(files, read_network(network) if network else None, extract, thefts), stolen)


def _policy(path: Path) -> Policy:
    """Raises Failed."""
    try:
        return Policy.parse(path.read_bytes())
    except (OSError, Malformed) as why:
        raise Failed(f"{path} cannot be read as a tlog-policy ({why}): correct it") from why


def _found(judgement: Judgement, stolen: dict[bytes, int]) -> Found:
    verdict, names = judgement.verdict, judgement.names
    words = [f"Network {verdict.network}.", *verdict.words(names)]
    words += [f"As you say, the log's key {key.hex()[:16]} was stolen in second {at}." for key, at in stolen.items()]
    words += [f"Not in the network file: {each.named({})}. Whose key is that?" for each in judgement.strangers]
    words += [] if names else [BY_KEYS]
    words += [f"The goods, and the contract to hold them against, are in {path}" for path in judgement.extracted]
    strangers = [party.identity.hex() for party in judgement.strangers]
    more: dict[str, Any] = {"strangers": strangers, "extracted": [str(path) for path in judgement.extracted]}
    more["compromised"] = {key.hex(): at for key, at in stolen.items()}
    return Found({**verdict.values(names), **more}, words)
