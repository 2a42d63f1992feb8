"""`anonnet demo`: sales between processes, and a dispute about one."""

from __future__ import annotations

import click
import trio
from rich.console import Console

from anonnet_daemons.cli.verbs import FAILED, Found, as_json, verb

alone = click.Group()
STYLES = {"title": "bold", "step": "cyan", "good": "green", "bad": "bold red"}


@verb(alone, example="anonnet demo")
@click.argument("play", type=click.Choice(["sales", "dispute"]), default="sales")
@click.option(
    "--quorum",
    type=click.Choice(["3-of-4", "none"]),
    default="3-of-4",
    show_default=True,
    help="Who decides a sale: three of four mirrors by what the log records, or the log alone, as in the paper.",
)
def demo(play: str, quorum: str) -> Found:
    """Two sales between processes on this machine, step by step, in under half a minute.

    A consumer buys a file from a merchant through a relay; then she buys again, and the merchant dies before he can
    commit. At the end all money is counted. With `dispute`, another merchant sells garbage under his contract, and a
    judge decides from the consumer's file of evidence alone.
    """
    from anonnet_daemons.demo import MIRRORS, Demo, Play
    from anonnet_daemons.dispute import CHEAT, Dispute
    from anonnet_daemons.network import ended_by_signals

    console = Console(stderr=as_json(), highlight=False, markup=False, soft_wrap=True)

    def say(text: str, style: str) -> None:
        console.print(text, style=STYLES.get(style))

    mirrors = 0 if quorum == "none" else MIRRORS
    plays = {"sales": Demo(say, Play, mirrors), "dispute": Demo(say, Dispute, mirrors, CHEAT)}

    async def run() -> list[str]:
        async with ended_by_signals():
            return await plays[play].run()

    failures = trio.run(run)
    words = ["", "Not everything was as it should be." if failures else "Everything was as it should be."]
    return Found({"failures": failures}, words, FAILED if failures else 0)
