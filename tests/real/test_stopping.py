"""Daemons that are stopped and daemons that are killed: nothing acknowledged is lost, nothing stays stuck."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.shopping import ENDED, buy, until_state

from anonnet.limits import STOP_SECONDS
from anonnet.store.wallet import ABORTED, DONE

from .processes import SMALL, check_money, network, open_shop, outcome, told, wish

pytestmark = pytest.mark.real

LEAD = 30
GOODS = 4 * SMALL


async def test_sigterm_ends_each_daemon_properly_and_a_restart_goes_on(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        await open_shop(local, bytes(SMALL))
        for daemon in local.daemons.values():
            began = trio.current_time()
            assert await daemon.stop() == 0, daemon.last_words()
            assert trio.current_time() - began < STOP_SECONDS + 1
            await daemon.start()
            await daemon.ready()

        assert (await told(local.home, "wallet", "buy", "goods"))["outcome"] == "done"
        await check_money(local)
        assert set((await local.stop()).values()) == {0}


MOMENTS = [
    (Kind.CONSUMER, "fetching"),
    (Kind.RELAY, "fetching"),
    (Kind.MERCHANT, "fetching"),
    (Kind.BANK, "authorizing"),
    (Kind.LOG, "authorizing"),
    (Kind.CONSUMER, "authorizing"),
    (Kind.MERCHANT, "authorizing"),
]


@pytest.mark.parametrize(("victim", "state"), MOMENTS, ids=lambda value: str(value))
async def test_a_purchase_ends_although_a_daemon_is_killed_in_it(tmp_path: Path, victim: Kind, state: str) -> None:
    goods = os.urandom(GOODS)
    async with network(tmp_path) as local:
        await open_shop(local, goods)
        async with local.owner(Kind.CONSUMER) as consumer:
            purchase = await buy(consumer, wish(local, LEAD))
            await until_state(consumer, purchase, state, *ENDED)
        await local[victim].kill()
        await local[victim].start()
        await local[victim].ready()

        shown = await outcome(local, purchase)
        assert shown.state in (DONE, ABORTED), shown.detail
        if shown.state == DONE:
            assert Path(shown.path).read_bytes() == goods
        await check_money(local)
