"""Showing a log over HTTP beside a daemon, where its owner wants that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing

import trio

from anonnet.net.daemon import Beside, Running
from anonnet.net.serving import listen
from anonnet.net.turns import TurnQueue
from anonnet.net.witnessing import Witness
from anonnet.protocol.known_log import KnownLog
from anonnet.store.published import Shelf

Address = tuple[str, int]
"""A host and a port."""


def showing(
    http: Address | None,
    shelf: Callable[[], Shelf],
    logs: Mapping[bytes, KnownLog],
    *works: Callable[[], Awaitable[None]],
    witness: Callable[[TurnQueue], Witness] | None = None,
) -> Beside:
    """What a daemon does beside its turns: these works, and, if there is an address, HTTP. Raises BadStart there.

    `witness`: who decides on checkpoints of foreign logs, which are then taken there.
    """

    async def beside(running: Running) -> None:
        async with trio.open_nursery() as nursery:
            for work in works:
                nursery.start_soon(work)
            if http is not None:
                from anonnet.web.serving import serve_http  # most daemons start without it, and sooner

                asked = witness(running.queue) if witness else None
                with closing(shelf()) as opened:
                    await serve_http(await listen(*http), opened, logs, running.incidents, asked)

    return beside
