"""The relay's daemon. It has no store: it keeps and writes nothing of whom it joins with whom."""

from __future__ import annotations

from pathlib import Path

from anonnet.net.daemon import run_relay
from anonnet.store.folder import Folder
from anonnet_daemons.config import Kind
from anonnet_daemons.serving import reachable


async def run(path: Path) -> None:
    """Run until SIGTERM. Raises BadStart."""
    found = reachable(path, Kind.RELAY)
    with Folder(path) as folder:
        await run_relay(
            *(found.network, found.peer),
            static_secret=found.static_secret,
            folder=folder,
            bind_host=found.setup.bind,
        )
