"""`anonnet ... alerts`: the logs that are convicted, as far as a party knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from anonnet_daemons import evidence
from anonnet_daemons.alerts import Kept, kept
from anonnet_daemons.cli.verbs import FAILED, Found, data_option, have_judged, verb
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.owner import noun

into_option = click.option(
    *("--to", "into"),
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the proofs down for a judge; only you can read the file.",
)


def of(kind: Kind) -> click.Group:
    """The verb, for one kind of party."""
    group, command = click.Group(), noun(kind)

    @verb(group, "alerts", example=f"anonnet {command} alerts --to log.evidence")
    @into_option
    @data_option(kind)
    def alerts(into: Path | None, data: Path) -> Found:
        """Show which logs are convicted of having forked or broken a rule, with what proves it. Asks nobody.

        No new sale is begun by such a log; what has its certificate stays valid. Exit code 1 where there is one.
        """
        return _found(data.absolute(), kind, into)

    return group


def _found(data: Path, kind: Kind, into: Path | None) -> Found:
    setup = read_setup(data, kind)
    all_of_them = kept(setup)
    words = [f"{each.says}." for each in all_of_them]
    if into is not None:
        evidence.of_alerts(setup, [each.alert for each in all_of_them if each.breach], into)
        words.append(have_judged(into))
    values = {"alerts": [_values(each) for each in all_of_them], "path": str(into) if into else None}
    return Found(values, words or ["No log is convicted, as far as is known here."], FAILED if all_of_them else 0)


def _values(each: Kept) -> dict[str, Any]:
    return {
        "log": each.name,
        "identity": each.alert.log.hex(),
        "shard": each.alert.shard,
        "kind": each.breach.kind if each.breach else None,
        "says": each.breach.says if each.breach else "only the whole copy shows it",
        "evidence": each.alert.evidence.decode("utf-8"),
    }
