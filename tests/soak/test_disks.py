"""Disks that are full, that fail, and that lose power: a daemon then ends unanswered, and its next start goes on.

A disk that fails makes the process end with one sentence and the exit code 74; nobody is told what is not durable. What
was told before holds afterwards: the same checks from outside as after kills.
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from anonnet_daemons.cli.verbs import STORAGE
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LOG_FILE, PROGRAM, Daemon, LocalNetwork

from . import disks
from .checks import check_all
from .load import Load
from .shop import DEEP, LOOK_SECONDS, SEED, Shop, shop_in

pytestmark = [pytest.mark.real, pytest.mark.slow]

KILLABLE, HURRIED = (Path(__file__).with_name(name) for name in ("killable.py", "hurried.py"))
SECONDS = 180
ROOM = "64m"
SYNCS = {"-wal": 20, ".db": 3}
"""Up to which sync of a database's file it may be that fails."""
WAL_BYTES = 64 * 1024
"""So that the WAL goes into the database often enough for a test."""
FAULTS = 1 if not DEEP else 10
BLACKOUTS = 2 if not DEEP else 40
SALES = 3
"""What must have been sold between one fault and the next."""


@asynccontextmanager
async def under_load(shop: Shop) -> AsyncIterator[Load]:
    """Purchases go on for the time of the block; those that have begun then are waited for."""
    load = Load(shop, random.Random(SEED))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(load.run)
        yield load
        load.enough = True


async def some_sales(load: Load) -> None:
    """Wait until some more purchases have ended."""
    before = load.ended
    while load.ended < before + SALES:
        await trio.sleep(LOOK_SECONDS)


async def start_and_fail(daemon: Daemon) -> None:
    """Start a daemon on what is going to fail, and see that it ends, saying why in one sentence."""
    await daemon.kill()
    log = daemon.folder.parent / f"{daemon.name}.log"  # where its disk's faults do not reach
    log.write_bytes(b"")
    (daemon.folder / LOG_FILE).unlink()
    (daemon.folder / LOG_FILE).symlink_to(log)
    await daemon.start()
    assert daemon.process is not None
    code = await daemon.process.wait()
    said = log.read_text()
    assert said.count("\n") == 1, said
    assert code == STORAGE, said
    assert said.startswith("anonnet: storage failed: "), said


# Full.


@pytest.fixture
def small_disks() -> None:
    disks.require("daemons on a full disk")


@pytest.mark.root
@pytest.mark.usefixtures("small_disks")
@pytest.mark.parametrize(("victim", "size"), [(Kind.BANK, "2m"), (Kind.LOG, "1m")], ids=str)
async def test_a_full_disk_ends_the_daemon_and_room_lets_it_go_on(tmp_path: Path, victim: Kind, size: str) -> None:
    with ExitStack() as stack:

        def prepare(local: LocalNetwork) -> None:
            stack.enter_context(disks.small(local[victim].folder, size))

        async with shop_in(tmp_path, seconds=SECONDS, prepare=prepare) as shop, under_load(shop) as load:
            daemon = shop.local[victim]
            await start_and_fail(daemon)
            disks.enlarge(daemon.folder, ROOM)
            await daemon.start()
            await some_sales(load)
            load.enough = True
            await check_all(shop)


# Failing.


Program = Callable[[], tuple[str, ...]]


@pytest.fixture(params=["-wal", ".db"], ids=["WAL", "database"])
def failing_sync(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """The `anonnet` command with one sync that fails, of one of its database's files: a commit's, or a checkpoint's."""
    library, ending, chance = disks.failing_sync(tmp_path), request.param, random.Random(SEED)

    def program() -> tuple[str, ...]:
        number = chance.randint(1, SYNCS[ending])
        faults = f"LD_PRELOAD={library}", f"FAILING_SYNC={ending}", f"FAILING_SYNC_NUMBER={number}"
        return ("env", *faults, sys.executable, "-P", str(HURRIED), f"WAL_BYTES_MAX={WAL_BYTES}", "--")

    return program


async def test_an_fsync_that_fails_ends_the_daemon_unanswered(tmp_path: Path, failing_sync: Program) -> None:
    await fail_and_go_on(tmp_path, (Kind.BANK, Kind.LOG, Kind.MERCHANT, Kind.CONSUMER), failing_sync)


async def test_a_write_that_fails_ends_the_daemon_unanswered(tmp_path: Path) -> None:
    chance = random.Random(SEED)

    def failing() -> tuple[str, ...]:
        number, way = chance.randint(1, 40), chance.choice(("lost", "kept"))
        return (sys.executable, "-P", str(KILLABLE), str(number), way)

    await fail_and_go_on(tmp_path, (Kind.BANK, Kind.LOG, Kind.MERCHANT), failing)


async def fail_and_go_on(folder: Path, victims: tuple[Kind, ...], program: Program) -> None:
    """Run daemons on a disk that fails, then on a good one, several times."""
    async with shop_in(folder, seconds=SECONDS * FAULTS) as shop:
        async with under_load(shop) as load:
            for victim in victims * FAULTS:
                daemon = shop.local[victim]
                daemon.program = program()
                await start_and_fail(daemon)
                daemon.program = PROGRAM
                await daemon.start()
                await some_sales(load)
        await check_all(shop)


# Without power.


@pytest.fixture
def images() -> None:
    disks.require("loss of power", "mkfs.ext4", "losetup")


@asynccontextmanager
async def shop_with_power(folder: Path, seconds: float) -> AsyncIterator[Shop]:
    """A shop whose daemons share a machine that can lose its power."""
    with ExitStack() as stack:

        def prepare(local: LocalNetwork) -> None:
            stack.enter_context(disks.image(local.home))

        async with shop_in(folder, seconds=seconds, prepare=prepare) as shop:
            yield shop


async def lose_power(local: LocalNetwork) -> None:
    """All of it is gone that was not durable, and then all daemons start again."""
    for daemon in local.daemons.values():
        if daemon.running:
            daemon.pause()  # a machine without power says nothing more
    disks.cut_power(local.home)
    for daemon in local.daemons.values():
        await daemon.kill()
    disks.power_again(local.home)
    await local.start()


@pytest.mark.root
@pytest.mark.usefixtures("images")
async def test_what_was_told_before_a_power_loss_is_there_after_it(tmp_path: Path) -> None:
    async with shop_with_power(tmp_path, SECONDS * BLACKOUTS) as shop:
        async with under_load(shop) as load:
            for _ in range(BLACKOUTS):
                await some_sales(load)
                await lose_power(shop.local)
        await check_all(shop)


@pytest.mark.root
@pytest.mark.usefixtures("images")
async def test_nobody_was_told_what_a_failed_fsync_has_lost(tmp_path: Path, failing_sync: Program) -> None:
    """What was to be synced is really gone, as on a disk that failed."""
    async with shop_with_power(tmp_path, SECONDS * BLACKOUTS) as shop:
        async with under_load(shop) as load:
            for victim in (Kind.BANK, Kind.LOG) * (BLACKOUTS // 2):
                await some_sales(load)
                daemon = shop.local[victim]
                daemon.program = failing_sync()
                await start_and_fail(daemon)
                daemon.program = PROGRAM
                await lose_power(shop.local)
        await check_all(shop)
