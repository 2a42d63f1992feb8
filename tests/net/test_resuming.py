"""How long a log asks its mirrors before it goes on or gives up, by a clock that jumps."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.owner import NotYet
from anonnet_daemons.resuming import resume
from anonnet_daemons.serving import reachable

from anonnet.limits import MIRROR_SECONDS, MIRRORS_SECONDS
from anonnet.net.connection import Reply
from anonnet.net.dialing import Direct
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import CheckpointIs, NewestOf
from anonnet.protocol.network import Peer
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore
from anonnet.wire.frames import frame
from tests.stage import NOON


async def resumed(home: Path) -> LogStore:
    """The store of a new log that asks its two mirrors, in its own folder."""
    await found(Plan(home, denominations=(1,), mirrors=2, quorum=2))
    log = reachable(home / Kind.LOG, Kind.LOG)
    known = KnownLog(log.peer.key, log.peer.policy)
    store = LogStore(seal=partial(known.sealed, log.setup.identity(log.peer)))
    with Folder(log.setup.folder) as folder:
        await resume(log, known, store, folder, NOON)
    return store


async def test_a_log_without_its_mirrors_gives_up_after_a_while(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotYet, match=rf"no answer from mirror-1, mirror-2 within {MIRRORS_SECONDS} s"):
        await resumed(tmp_path / "n")

    assert capsys.readouterr().err.count("\n") == 1  # said once, and again where fewer are missing


async def test_a_log_goes_on_though_its_mirrors_are_slow_and_busy(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They answer some of what it asks each time, and at the last moment."""
    answered: Counter[NewestOf] = Counter()

    async def ask(_: Direct, __: Peer, question: NewestOf) -> Reply:
        answered[question] += 1
        await trio.sleep(0.9 * MIRROR_SECONDS if answered[question] > question.shard % 4 else MIRROR_SECONDS + 1)
        said = frame(CheckpointIs(log=question.log, shard=question.shard, checkpoints=()), 1)
        return Reply(said.step, said.payload)

    monkeypatch.setattr(Direct, "ask", ask)
    store = await resumed(tmp_path / "n")

    assert store.sizes() == []
    assert len(answered) > 8
