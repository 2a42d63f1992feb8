"""A consumer's daemon removes the files of a purchase that its owner has discarded."""

from __future__ import annotations

from pathlib import Path

import trio

from anonnet.net.dialing import Direct
from anonnet.net.incidents import Incidents
from anonnet.net.jobs import Jobs
from anonnet.net.trace import Tracer
from anonnet.parties.consumer import Consumer
from anonnet.store.folder import Folder
from anonnet.store.wallet import WalletStore

from .parties import Counting, network_of, queue_of

SECONDS = 20
GONE, KEPT = b"\1" * 32, b"\2" * 32


async def test_the_files_of_a_discarded_purchase_are_removed(tmp_path: Path) -> None:
    """As after a crash between the turn and the removal; of a second one, there are no files any more."""
    store = WalletStore()
    store.begin()
    store.discarding.discard(GONE)
    store.discarding.discard(b"\3" * 32)
    store.commit()
    for purchase in (GONE, KEPT):
        (tmp_path / "w" / "goods" / purchase.hex()[:16]).mkdir(parents=True)
        (tmp_path / "w" / "goods" / purchase.hex()[:16] / "poem").write_text("roses")
    (tmp_path / "w").chmod(0o700)
    network = network_of()
    queue = queue_of(Consumer(network, bytes(32), []), store, tmp_path)

    with trio.fail_after(SECONDS), Folder(tmp_path / "w") as folder:
        incidents = Incidents(folder.path, Counting())
        work = Jobs(
            *(queue, store),
            network=network,
            dialer=Direct(network, "127.0.0.1"),
            folder=folder,
            incidents=incidents,
            tracer=Tracer("consumer"),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(queue.run)
            await nursery.start(work.run)
            while store.discarding.jobs():
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    assert [path.name for path in (tmp_path / "w" / "goods").iterdir()] == [KEPT.hex()[:16]]
    assert incidents.count == 0
