"""What a repair reads from mirrors of which one takes its time, by a clock that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import trio
import trio.testing
from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.repairing import OTHERS_SECONDS, Old, copied
from anonnet_daemons.serving import reachable

from anonnet.limits import REPLY_SECONDS
from anonnet.net.connection import Reply
from anonnet.net.dialing import Direct
from anonnet.parties.repair import Lost
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Follow
from anonnet.protocol.network import Peer
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.frames import frame
from tests.mirrors import SHARD, Pen, tick
from tests.stage import NOON

ENTRIES = 1000


class Mirrors:
    """Dials mirrors of which one brings each answer at the last moment."""

    def __init__(self, pen: Pen, slow: Peer) -> None:
        self.pen, self.slow = pen, slow

    async def ask(self, mirror: Peer, follow: Follow) -> Reply:
        said = self.pen.answer(follow)
        if mirror == self.slow:
            await trio.sleep(REPLY_SECONDS - 1)
        reply = frame(said, 1)
        return Reply(reply.step, reply.payload)


async def test_a_mirror_that_takes_its_time_does_not_hold_up_a_repair(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    await found(Plan(tmp_path / "n", denominations=(1,), mirrors=3, quorum=2))
    log = reachable(tmp_path / "n" / Kind.LOG, Kind.LOG)
    known = KnownLog(log.peer.key, log.peer.policy)
    mirrors = list(filter(None, map(log.network.peer, known.mirrors)))
    pen = Pen(known)
    pen.write(*[tick(NOON)] * (ENTRIES - 1))
    note = pen.notes[ENTRIES]
    wanted = Lost(SHARD, SignedCheckpoint.parse(note).body, note, None)
    old = Old(tmp_path / "no log.db", known)
    began = trio.current_time()

    copies = await copied(cast(Direct, Mirrors(pen, mirrors[0])), log.network, mirrors, known, wanted, old)

    assert trio.current_time() - began <= OTHERS_SECONDS
    assert [len(each.entries) for each in copies][1:] == [ENTRIES, ENTRIES]
