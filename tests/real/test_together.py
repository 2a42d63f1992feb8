"""`anonnet up` and `anonnet demo`: whole networks under one command."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import Daemon

from anonnet.net.turns import Placement

from .processes import CURRENCY, DENOMINATIONS, SECONDS, anonnet, check_sentence, told

pytestmark = pytest.mark.real

COLUMNS = 80


async def test_up_runs_all_five_until_sigterm_and_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "n"
    with trio.fail_after(SECONDS):
        await found(Plan(home, CURRENCY, DENOMINATIONS))
        async with running("up", str(home)):
            await told(home, "wallet", "balance")
        for noun, verb in (("wallet", "balance"), ("bank", "books"), ("merchant", "sales"), ("log", "entries")):
            assert (await anonnet(home, noun, verb)).code == 69


async def test_up_runs_a_wallet_whose_seed_is_sealed(tmp_path: Path) -> None:
    home, secret = tmp_path / "n", tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    with trio.fail_after(SECONDS):
        await found(Plan(home, CURRENCY, DENOMINATIONS))
        await told(home, "wallet", "lock", "--passphrase-file", secret)
        without = await anonnet(home, "up", home)
        async with running("up", str(home), "--passphrase-file", str(secret)):
            await told(home, "wallet", "balance")

    assert without.code == 1
    assert "is sealed" in without.err


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[None]:
    """`anonnet up` for the time of the block, from the moment at which it says that it runs."""
    command = [sys.executable, "-P", "-m", "anonnet_daemons", *words]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        line = bytes(await process.stderr.receive_some())
        assert line.startswith(b"Running: bank, merchant, log, relay, consumer.")
        yield
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        process.kill()
        await process.stderr.aclose()  # type: ignore[attr-defined]


async def test_up_tells_which_daemon_could_not_start(tmp_path: Path) -> None:
    home = tmp_path / "n"
    await found(Plan(home, CURRENCY, DENOMINATIONS))
    (home / Kind.LOG / "identity.key").chmod(0o644)
    with trio.fail_after(SECONDS):
        ran = await anonnet(home, "up", home)

        shutil.rmtree(home / Kind.CONSUMER)
        missing = await anonnet(home, "up", home)

    assert ran.code == 1
    assert "log has ended at its start" in ran.err
    assert "chmod 600" in ran.err
    check_sentence(missing, 1, "consumer/party.json cannot be read")
    assert not (home / Kind.CONSUMER).exists()


async def test_up_does_not_take_another_daemon_on_a_folder_for_its_own(tmp_path: Path) -> None:
    home = tmp_path / "n"
    await found(Plan(home, CURRENCY, (1,)))
    other = Daemon(home / Kind.BANK, Kind.BANK)
    with trio.fail_after(SECONDS):
        try:
            await other.start()
            await other.ready()
            ran = await anonnet(home, "up", home)
            assert other.running
        finally:
            await other.end_now()

    check_sentence(ran, 1, f"another daemon runs on {other.folder}")
    assert other.log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("quorum", ["3-of-4", "none"])
async def test_the_demo_shows_every_step_and_everything_was_so(tmp_path: Path, quorum: str) -> None:
    with trio.fail_after(SECONDS):
        ran = await anonnet(tmp_path, "demo", "--quorum", quorum)

    assert ran.code == 0, ran.out + ran.err
    lines = ran.out.splitlines()
    assert not [line for line in lines if len(line) > COLUMNS]
    for step in ("W1", "W2", "P1", "P2", "P3", "P4", "P5a", "P5b"):
        assert any(line.strip().startswith(step) for line in lines), f"{step} is missing"
    assert ("certificate of the key has" in ran.out) == (quorum != "none")
    moments = r"^  pledge -> certificate (\d+) -> key (\d+) -> P5a (\d+) -> its certificate \d+ ms$"
    times = [[int(ms) for ms in each] for each in re.findall(moments, ran.out, re.MULTILINE)]
    assert len(times) == (quorum != "none")
    assert all(max(each) == each[-1] for each in times), "P5a comes last"
    assert "NOT SO" not in ran.out
    assert "\x1b" not in ran.out
    assert not os.listdir(tmp_path)


async def test_a_dispute_is_decided_from_the_consumer_s_file_alone(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        ran = await anonnet(tmp_path, "demo", "dispute")

    assert ran.code == 0, ran.out + ran.err
    assert not [line for line in ran.out.splitlines() if len(line) > COLUMNS]
    assert "is not what the contract names" in " ".join(ran.out.split())
    assert "ok  the judge finds against the merchant, and against nobody else" in ran.out
    assert "NOT SO" not in ran.out
    assert not os.listdir(tmp_path)


def commands() -> Iterator[bytes]:
    """The command lines of all processes; none where the system does not tell."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            yield path.read_bytes()


async def test_a_demo_that_is_stopped_leaves_nothing_running(tmp_path: Path) -> None:
    with trio.fail_after(SECONDS):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "anonnet_daemons", "demo"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert process.stdout is not None
        assert process.stderr is not None
        text = b""
        while b"9 processes run" not in text:
            text += bytes(await process.stdout.receive_some())
        (home,) = tmp_path.glob("anonnet-*/demo")
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
        said = bytes(await process.stderr.receive_some())
        await process.stdout.aclose()
        await process.stderr.aclose()

    assert (code, said) == (130, b"anonnet: stopped by a signal; every process has been ended\n")
    assert not home.exists()
    assert not [each for each in commands() if bytes(home) in each]


async def test_the_benchmarks_run_and_print_figures(tmp_path: Path) -> None:
    with trio.fail_after(3 * SECONDS):  # six commands, some forty processes, beside other tests
        bought = await told(tmp_path, "bench", "purchase", "--count", 2, "--clients", 2)
        turned = await told(tmp_path, "bench", "turns", "--clients", 4, "--count", 200)
        taken = await told(tmp_path, "bench", "withdraw", "--clients", 2, "--count", 64)
        given = await told(tmp_path, "bench", "exchange", "--clients", 2, "--count", 64)
        decided = await told(tmp_path, "bench", "commit", "--count", 64)
        spread = await told(tmp_path, "bench", "gossip", "--nodes", 2, "--count", 20, "--burst", 50)

    assert [(each["way"], each["clients"]) for each in bought["purchase"]] == [
        ("relay", 1),
        ("relay", 2),
        ("direct", 1),
        ("direct", 2),
    ]
    assert all(each["p50_ms"] > 0 and not each["refused"] for each in bought["purchase"])
    assert [each["flood"] for each in turned["turns"]] == [False] * len(Placement) + [True] * len(Placement)
    assert all(each["per_second"] > 0 and not each["refused"] for each in turned["turns"])
    assert all(each["ratio"] > 0 and not each["refused"] for each in (taken["withdraw"], given["exchange"]))
    assert [each["offered"] for each in decided["commit"]] == [0, 100]
    assert all(each["per_second"] > 0 and not each["refused"] for each in decided["commit"])
    ran = [(each["n"], each["rate"], each["stalled"]) for each in spread["gossip"]]
    assert ran == [(2, 100, 0), (2, 0, 0), (2, 0, 1)]
    assert all(each["coverage"] == 1 and each["p95_ms"] > 0 for each in spread["gossip"])
