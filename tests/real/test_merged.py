"""A log that is run in another party's daemon, between real processes, with a kill. The bank's: tests/soak."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.shopping import buy

from anonnet.store.wallet import ABORTED, DONE

from .processes import SMALL, anonnet, check_money, network, open_shop, outcome, told, wish

pytestmark = pytest.mark.real

LEAD_SECONDS = 10
KILL_AFTER_SECONDS = 0.3
"""Somewhere within a sale."""


async def test_a_sale_in_a_network_with_merged_parties(tmp_path: Path) -> None:
    host = Kind.MERCHANT
    goods = os.urandom(SMALL)
    async with network(tmp_path, merged=host) as local:
        await open_shop(local, goods)
        await told(local.home, "wallet", "buy", "goods", "--to", tmp_path / "copy")
        alone = await anonnet(local.home, host, "run")
        entries = (await told(local.home, "log", "entries"))["entries"]

        assert set(local.daemons) == {*Kind} - {host, Kind.MIRROR}
        assert (tmp_path / "copy").read_bytes() == goods
        assert [each["kind"] for each in entries if each["shard"]] == ["genesis", "commit"]
        assert alone.code == 1
        assert f"this {host} is merged with the log in" in alone.err
        await check_money(local)

        async with local.owner(Kind.CONSUMER) as consumer:
            second = await buy(consumer, wish(local, LEAD_SECONDS))
        await trio.sleep(KILL_AFTER_SECONDS)
        await local[Kind.LOG].kill()
        await local[Kind.LOG].start()
        await local[Kind.LOG].ready()
        ended = await outcome(local, second)
        await check_money(local)
        await local[Kind.LOG].stop()
        checked = await anonnet(local.home, "log", "fsck")

        assert ended.state in (DONE, ABORTED)
        assert checked.code == 0, checked.out
