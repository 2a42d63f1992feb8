"""`anonnet demo`: sales between five processes, and a dispute about one."""

from __future__ import annotations

import click
import trio
from rich.console import Console

from anonnet_daemons.cli.verbs import FAILED, Found, as_json, verb

alone = click.Group()
STYLES = {"title": "bold", "step": "cyan", "good": "green", "bad": "bold red"}


@verb(alone, example="anonnet demo")
@click.argument("play", type=click.Choice(["sales", "dispute"]), default="sales")
def demo(play: str) -> Found:
    """Two sales between five processes on this machine, step by step, in under half a minute.

    A consumer buys a file from a merchant through a relay; then she buys again, and the merchant dies before he can
    commit. At the end all money is counted. With `dispute`, another merchant sells garbage under his contract, and a
    judge decides from the consumer's file of evidence alone.
    """
    from anonnet_daemons.demo import Demo, Play
    from anonnet_daemons.dispute import CHEAT, Dispute
    from anonnet_daemons.network import ended_by_signals

    console = Console(stderr=as_json(), highlight=False, markup=False, soft_wrap=True)

    def say(text: str, style: str) -> None:
        console.print(text, style=STYLES.get(style))

    plays = {"sales": Demo(say, Play), "dispute": Demo(say, Dispute, CHEAT)}

    async def run() -> list[str]:
        async with ended_by_signals():
            return await plays[play].run()

    failures = trio.run(run)
    words = ["", "Not everything was as it should be." if failures else "Everything was as it should be."]
    return Found({"failures": failures}, words, FAILED if failures else 0)
