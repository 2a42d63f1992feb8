"""A log whose folder comes back from a snapshot, lock and all, and one that starts before its mirrors, as processes."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LOG_FILE, Daemon, LocalNetwork
from anonnet_daemons.owner import NoDaemon, NotYet, owner_of

from anonnet.store.checking import Kept

from .processes import CURRENCY, SECONDS, SMALL, anonnet, check_money, network, open_shop, told, until
from .test_errors import check_sentence

pytestmark = pytest.mark.real

MIRRORS = 2
FAILED, NOT_YET = 1, 75


def signed(log: Daemon) -> list[bytes]:
    """The newest checkpoint of each shard."""
    kept = Kept(log.folder / "log.db", mirrored=False)
    try:
        return [each.note for each in kept.shards(b"")]
    finally:
        kept.close()


async def test_a_log_put_back_from_a_snapshot_signs_nothing_until_it_is_repaired(tmp_path: Path) -> None:
    async with network(tmp_path, direct=True, denominations=(1, 4), mirrors=MIRRORS) as local:
        home, log = local.home, local[Kind.LOG]
        await open_shop(local, bytes(SMALL))
        await log.stop()
        shutil.copytree(log.folder, tmp_path / "snapshot", ignore=shutil.ignore_patterns("*.sock"))
        await log.start()
        await log.ready()
        assert (await told(home, "wallet", "buy", "goods"))["outcome"] == "done"
        await log.kill()
        shutil.rmtree(log.folder)
        shutil.copytree(tmp_path / "snapshot", log.folder)
        before = signed(log)

        check_sentence(await anonnet(home, "log", "run"), FAILED, "signed by this log", "anonnet log repair")
        assert signed(log) == before
        await told(home, "log", "repair")
        await log.start()
        await log.ready()

        assert len(signed(log)) > len(before)
        assert (await told(home, "wallet", "buy", "goods"))["outcome"] == "done"
        assert (await told(home, "mirror", "alerts", "--data", home / "mirror-1"))["alerts"] == []
        await check_money(local)


async def test_a_log_that_starts_before_its_mirrors_waits_for_a_quorum_of_them(tmp_path: Path) -> None:
    """As after a power cut; and as a new network begins."""
    with trio.fail_after(SECONDS):
        await found(Plan(tmp_path / "n", CURRENCY, (1,), mirrors=MIRRORS, quorum=MIRRORS))
        local = LocalNetwork(tmp_path / "n")
        log, *mirrors = (local[name] for name in (Kind.LOG, "mirror-1", "mirror-2"))

        async def waits() -> bool:
            """True once it has said so; its owner hears nothing else meanwhile."""
            with suppress(NoDaemon), pytest.raises(NotYet):
                async with owner_of(log.folder, Kind.LOG) as owner:
                    await owner.health()
            return "no answer from" in log.last_words()

        try:
            await log.start()
            await until(waits)
            asked = await anonnet(local.home, "log", "entries")
            check_sentence(asked, NOT_YET, "log cannot be asked yet", "no answer from mirror-1, mirror-2")
            assert await log.stop() == 0
            (log.folder / LOG_FILE).unlink()
            await log.start()
            await mirrors[0].start()
            await mirrors[0].ready()
            await until(waits)
            assert log.running
            await mirrors[1].start()
            await log.ready()
            assert await log.stop() == 0
        finally:
            await local.end_now()
