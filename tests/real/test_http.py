"""Daemons with `--http`: a log and its mirror show the same tree; a mirror witnesses foreign logs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.witnessing import POLICY_FILE

from anonnet.net.daemon import wall_clock
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import OutcomeOf, Undecided
from anonnet.protocol.transaction import Transaction
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.note import Note, Signature, Verifier
from anonnet.tlog.witness import Request
from tests.real.processes import CURRENCY, DENOMINATIONS, SECONDS, anonnet, told, until
from tests.unit.tlog.making import LOG_KEY, entries, signed, tree
from tests.web.serving import Got, get_now

pytestmark = pytest.mark.real

MIRROR = "mirror-1"
PORT = 8080


async def test_a_log_and_its_mirror_show_the_same_and_a_busy_port_is_told(tmp_path: Path) -> None:
    await found(Plan(tmp_path / "n", CURRENCY, DENOMINATIONS, mirrors=1, quorum=1))
    local = LocalNetwork(tmp_path / "n")
    hosts = {name: local.peer(name).host for name in (Kind.LOG, MIRROR)}
    (known,) = local.network.logs.values()
    over = Transaction(number=bytes(32), expiration=wall_clock() - 60, merchant=bytes(32), log=known.identity)
    shard = shard_of(over.expiration)
    origin = known.origin(shard)

    async def get(name: str, path: str) -> Got:
        return await trio.to_thread.run_sync(partial(get_now, hosts[name], PORT, path))

    async def certified(name: str) -> bool:
        """What a quorum needs stands under the checkpoint that is shown there."""
        try:
            got = await get(name, f"/{origin}/checkpoint")
        except ConnectionRefusedError:  # it is ready for its owner a little sooner
            return False
        if got.status != 200:
            return False
        return known.quorum.evaluate(SignedCheckpoint.parse(got.body), [known.verifier(shard)]).met

    try:
        with trio.fail_after(SECONDS):
            for name in (Kind.LOG, MIRROR):
                local[name].options = ("--http", f"{hosts[name]}:{PORT}")
            for name in (Kind.LOG, MIRROR):
                await local[name].start()
            for name in (Kind.LOG, MIRROR):
                await local[name].ready()
            async with local.owner(Kind.LOG) as log:
                await log.ask(OutcomeOf(transaction=over), Undecided)  # lets the log note how late it is
            for name in (Kind.LOG, MIRROR):
                await until(partial(certified, name))
                assert f'href="/{origin}/"' in (await get(name, "/")).body.decode()
            same = [await get(name, f"/{origin}/tile/entries/000.p/1") for name in (Kind.LOG, MIRROR)]
            assert same[0].body == same[1].body

            assert await local[Kind.LOG].stop() == 0
            ran = await anonnet(local.home, "log", "run", "--http", f"{hosts[MIRROR]}:{PORT}")
            assert ran.code == 1
            assert f"cannot listen on {hosts[MIRROR]} port {PORT}" in ran.err
    finally:
        await local.end_now()


async def test_a_mirror_witnesses_foreign_logs_under_another_key_than_its_own(tmp_path: Path) -> None:
    await found(Plan(tmp_path / "n", CURRENCY, DENOMINATIONS, mirrors=1, quorum=1))
    local = LocalNetwork(tmp_path / "n")
    peer, policy = local.peer(MIRROR), local.home / MIRROR / POLICY_FILE
    key = Verifier.parse((await told(local.home, "mirror", "witness", "--data", policy.parent))["vkey"])
    said = signed(1, tree(entries(1)).root(1))

    policy.write_text("log nothing\nquorum none\n")
    ran = await anonnet(local.home, "mirror", "run", "--data", policy.parent)
    assert ran.code == 1
    assert "write a line `log VKEY` for each log" in ran.err

    policy.write_text(f"log {LOG_KEY.vkey}\nquorum none\n")
    mirror = local[MIRROR]
    mirror.options = ("--http", f"{peer.host}:{PORT}")
    post = partial(get_now, peer.host, PORT, "/add-checkpoint", "POST", Request(0, (), said).encoded())

    async def serves() -> bool:
        try:
            return (await trio.to_thread.run_sync(get_now, peer.host, PORT, "/")).status == 200
        except ConnectionRefusedError:
            return False

    try:
        with trio.fail_after(SECONDS):
            await mirror.start()
            await until(serves)
            got = await trio.to_thread.run_sync(post)
    finally:
        await local.end_now()

    assert got.status == 200, got
    note = Note(said.note.text, tuple(Signature.parse(line) for line in got.body.decode().splitlines()))
    assert [each.key for each in note.opened([key])] == [key]
    assert key.public != peer.key
