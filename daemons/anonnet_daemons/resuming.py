"""A log under a quorum asks its mirrors what they have of it, and goes on when it knows (anonnet.parties.resuming).

Its port is closed meanwhile, and nothing is signed; its owner is told for whom it waits. Mirrors answer without the
log, so after a power cut all of them come up in any order; the log asks on until a quorum has answered.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import trio

from anonnet.errors import Malformed
from anonnet.limits import MIRROR_SECONDS, MIRRORS_SECONDS, RETRY_SECONDS_MIN
from anonnet.net.answering import Asker
from anonnet.net.channel import world
from anonnet.net.daemon import kept_until_the_end, serve_control
from anonnet.net.dialing import Direct
from anonnet.net.incidents import Incidents
from anonnet.net.serving import Server
from anonnet.parties.resuming import Resuming
from anonnet.protocol.forwarding import NotReady
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import NewestOf
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.refusal import DETAIL_MAX
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore
from anonnet.times import BEHIND_SECONDS
from anonnet.wire.codec import STEPS
from anonnet.wire.frames import Frame
from anonnet.wire.signed import received
from anonnet_daemons.owner import NotYet
from anonnet_daemons.serving import Reachable


@dataclass(frozen=True, slots=True)
class Waiting:
    """Answers the owner meanwhile, whatever he asks."""

    asking: Resuming

    async def admit(self) -> None:
        """There is always room."""

    def begin(self, _: Frame, asker: Asker) -> None:
        """Say for whom the log waits."""
        missing = ", ".join(self.asking.missing)
        asker.put(NotReady(why=f"it waits for its mirrors, and has no answer from {missing}"[:DETAIL_MAX]))
        asker.done()


async def resume(found: Reachable, known: KnownLog, store: LogStore, folder: Folder, now: int) -> None:
    """Return once a quorum has shown nothing that is not here, and each other mirror was asked. Raises BadStart where
    one has shown more, NotYet where too few answer, Fatal."""
    asking, dialer = Resuming(known, store, now), Direct(found.network, found.setup.bind)
    owners = Server(Incidents(folder.path, os.urandom))
    async with kept_until_the_end(dialer), trio.open_nursery() as nursery:
        await serve_control(owners, folder, Waiting(asking), nursery)
        with trio.move_on_after(MIRRORS_SECONDS) as waiting:
            await _until_it_may_go_on(asking, found.network, dialer)
        nursery.cancel_scope.cancel()
    if waiting.cancelled_caught:
        raise NotYet(f"{_told(asking)} within {MIRRORS_SECONDS} s. Start them, and the log again")


async def _until_it_may_go_on(asking: Resuming, network: Network, dialer: Direct) -> None:
    pause, told = RETRY_SECONDS_MIN, ""
    while True:
        async with trio.open_nursery() as nursery:
            for peer in filter(None, map(network.peer, asking.open)):
                for question in asking.open[peer.identity]:
                    nursery.start_soon(_ask, asking, network, dialer, peer, question)
        if asking.may_go_on():
            return
        if told != (told := _told(asking)):
            print(f"{told}: asking on", file=sys.stderr, flush=True)
        await trio.sleep(pause)
        pause = min(2 * pause, BEHIND_SECONDS)


async def _ask(asking: Resuming, network: Network, dialer: Direct, peer: Peer, question: NewestOf) -> None:
    """One try with one mirror; a later one follows where it fails."""
    try:
        with world(), trio.fail_after(MIRROR_SECONDS):
            reply = await dialer.ask(peer, question)
        asking.take(peer.identity, question, received(network.name, STEPS[reply.step], reply.payload))
    except (OSError, Malformed):  # it is not there, or not yet, or not honest
        pass


def _told(asking: Resuming) -> str:
    return (
        "the log signs nothing before a quorum of its mirrors has shown what they have of it, and there was no answer"
        f" from {', '.join(asking.missing)}"
    )
