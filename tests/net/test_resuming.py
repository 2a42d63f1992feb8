"""A log whose mirrors do not run asks on for a while, and then gives up: on sockets, by a clock that jumps."""

from __future__ import annotations

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

from anonnet.limits import MIRRORS_SECONDS
from anonnet.protocol.known_log import KnownLog
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore
from tests.stage import NOON


async def test_a_log_without_its_mirrors_gives_up_after_a_while(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    await found(Plan(tmp_path / "n", denominations=(1,), mirrors=2, quorum=2))
    log = reachable(tmp_path / "n" / Kind.LOG, Kind.LOG)
    known = KnownLog(log.peer.key, log.peer.policy)
    store = LogStore(seal=partial(known.sealed, log.setup.identity(log.peer)))

    says = rf"no answer from mirror-1, mirror-2 within {MIRRORS_SECONDS} s"
    with Folder(log.setup.folder) as folder, pytest.raises(NotYet, match=says):
        await resume(log, known, store, folder, NOON)

    assert capsys.readouterr().err.count("\n") == 1  # said once, and again where fewer are missing
    assert store.sizes() == []
