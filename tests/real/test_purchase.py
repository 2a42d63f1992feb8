"""Sales between five real processes, steered by the `anonnet` command: one commits, one aborts, one takes long."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.shopping import until_state

from anonnet.protocol.local import Purchase, PurchaseOf
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.steps import Step
from anonnet.store.wallet import TIMING
from anonnet.wire.codec import decode

from .processes import (
    CURRENCY,
    PRICE,
    SMALL,
    Ran,
    anonnet,
    check_money,
    check_sentence,
    command,
    env,
    network,
    open_shop,
    told,
    until,
    wallet_of,
)

pytestmark = pytest.mark.real


async def recorded(local: LocalNetwork) -> list[str]:
    """What the log has recorded of sales, in their order."""
    entries = (await told(local.home, "log", "entries"))["entries"]
    return [each["kind"] for each in entries if each["kind"] != "genesis"]


async def test_a_purchase_by_the_command_pays_five_as_four_and_one(tmp_path: Path) -> None:
    goods = os.urandom(SMALL)
    async with network(tmp_path) as local:
        await open_shop(local, goods)
        offers = (await told(local.home, "wallet", "catalogue", "merchant"))["offers"]
        for place in (tmp_path, tmp_path / "nowhere" / "copy"):
            nowhere = await anonnet(local.home, "wallet", "buy", "goods", "--to", place)
            check_sentence(nowhere, 1, "cannot be written", "nothing has been paid")
        bought = await told(local.home, "wallet", "buy", "goods", "--to", tmp_path / "copy")

        assert len((await told(local.home, "wallet", "purchases"))["purchases"]) == 1
        assert [(each["item"], each["price"], each["size"]) for each in offers] == [("goods", PRICE, SMALL)]
        assert (bought["outcome"], bought["price"], bought["currency"]) == ("done", PRICE, CURRENCY)
        assert {"P1", "P2", "P5A"} <= set(bought["papers"])
        assert (tmp_path / "copy").read_bytes() == goods
        async with local.owner(Kind.CONSUMER) as consumer:
            id = bytes.fromhex(bought["purchase"])
            shown = await consumer.ask(PurchaseOf(purchase=id), Purchase)
        q = next(decode(paper.body) for paper in shown.papers if paper.step == Step.P2)
        assert isinstance(q, AuthorizationQ)
        assert sorted(payment.amount for payment in q.payments) == [1, 4]

        async def credited() -> bool:
            return (await told(local.home, "merchant", "statement"))["balances"] == {CURRENCY: PRICE}

        await until(credited)
        assert (await told(local.home, "merchant", "sales"))["counts"] == {"credited": 1}
        assert await recorded(local) == ["commit"]
        await check_money(local)


async def test_a_merchant_who_dies_after_the_goods_leaves_the_tokens_free(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        await open_shop(local, bytes(SMALL))
        ran: list[Ran] = []

        async def buy() -> None:
            ran.append(await anonnet(local.home, "wallet", "buy", "goods", "--lead", 3, "--json"))

        local[Kind.LOG].pause()  # nobody can pay before the log has told the time
        async with trio.open_nursery() as nursery:
            nursery.start_soon(buy)
            await until_goods_are_there(local)
            await local[Kind.MERCHANT].kill()
            local[Kind.LOG].go_on()

        assert (ran[0].code, ran[0].json["outcome"], ran[0].json["state"]) == (1, "refused", "aborted")
        assert "P5B" in ran[0].json["papers"]
        assert await recorded(local) == []
        await local[Kind.MERCHANT].start()
        await local[Kind.MERCHANT].ready()
        await check_money(local)
        assert (await told(local.home, "wallet", "balance"))["free"] == {CURRENCY: 20}


async def test_who_does_not_wait_is_told_that_the_wallet_goes_on(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        await open_shop(local, bytes(SMALL))
        local[Kind.LOG].pause()
        ran = await anonnet(local.home, "wallet", "buy", "goods", "--timeout", 2)
        purchases = (await told(local.home, "wallet", "purchases"))["purchases"]
        local[Kind.LOG].go_on()

        assert ran.code == 75
        assert "Not known yet" in ran.out
        assert purchases[0]["outcome"] == "unknown"

        async def done() -> bool:
            show = await anonnet(local.home, "wallet", "show", purchases[0]["purchase"][:10], "--json")
            return bool(show.json["outcome"] == "done" and show.code == 0)

        await until(done)


async def test_who_interrupts_the_command_is_told_that_the_wallet_goes_on(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        await open_shop(local, bytes(SMALL))
        local[Kind.LOG].pause()
        words = command("wallet", "buy", "goods")
        buying = await trio.lowlevel.open_process(words, env=env(local.home), stderr=subprocess.PIPE)
        await until_goods_are_there(local)
        buying.send_signal(signal.SIGINT)
        assert buying.stderr is not None
        said = b"".join([each async for each in buying.stderr]).decode()
        code = await buying.wait()
        local[Kind.LOG].go_on()

        check_sentence(Ran(code, "", said), 130, "interrupted", "goes on by itself")

        async def done() -> bool:
            (purchase,) = (await told(local.home, "wallet", "purchases"))["purchases"]
            return bool(purchase["outcome"] == "done")

        await until(done)


async def test_a_wallet_waits_until_its_tokens_have_rested_unless_it_is_told_not_to(tmp_path: Path) -> None:
    async with network(tmp_path, wallet=("--dwell", "3600")) as local:
        await open_shop(local, bytes(SMALL))

        early = await anonnet(local.home, "wallet", "buy", "goods")
        bought = await told(local.home, "wallet", "buy", "goods", "--now")
        known = await told(local.home, "wallet", "privacy", "--ask")

        assert early.code == 1
        (sentence,) = early.err.splitlines()
        assert "rest after their withdrawal, for" in sentence
        assert "buy with --now, which shows the bank a withdrawal and a payment close together" in sentence
        assert bought["outcome"] == "done"
        assert any("may guess by the time" in each for each in known["parties"]["bank"])
        assert len(known["used"]) == 4  # brands; of the 4 and the 1 their bank tells when the day is over
        assert sorted(known["used"].values()) in ([0, 0, 0, 0], [0, 0, 1, 1])
        await buy_for_a_place_that_fails(local.home, tmp_path / "pipe")


async def buy_for_a_place_that_fails(home: Path, place: Path) -> None:
    """What is paid for is not lost where it cannot be copied: the command says where it is."""
    os.mkfifo(place)

    ran = await anonnet(home, "wallet", "buy", "goods", "--now", "--to", place, "--json")

    assert (ran.code, ran.err) == (1, "")
    assert ran.json["outcome"] == "done"
    assert f"cannot be copied to {place}" in ran.json["error"]
    assert Path(ran.json["path"]).read_bytes() == bytes(SMALL)


async def until_goods_are_there(local: LocalNetwork) -> None:
    """Wait until the newest purchase has its goods and asks the log for the time."""
    async with local.owner(Kind.CONSUMER) as consumer:

        async def begun() -> bool:
            return bool((await wallet_of(consumer)).purchases)

        await until(begun)
        await until_state(consumer, (await wallet_of(consumer)).purchases[0], TIMING)
