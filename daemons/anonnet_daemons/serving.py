"""What the daemons of all parties that can be reached share: from a data folder to a running party."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import trio

from anonnet.errors import BadStart
from anonnet.net.clock import BoundedClock
from anonnet.parties.mesh import neighbours
from anonnet.protocol.network import Network, Peer, Role
from anonnet.times import CLOCK_MARK_SECONDS
from anonnet.wire.signed import Signer
from anonnet_daemons.config import Kind, Setup, read_setup

DRAWN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Reachable:
    """A party that stands in the network file, ready to be run."""

    setup: Setup
    network: Network
    peer: Peer
    signer: Signer
    static_secret: bytes


def reachable(path: Path, kind: Kind) -> Reachable:
    """Read a data folder. Raises BadStart."""
    setup = read_setup(path, kind)
    network = setup.network()
    peer = setup.peer(network)
    return Reachable(setup, network, peer, Signer(network.name, setup.identity(peer)), setup.channel_secret())


def alone(path: Path, kind: Kind) -> Reachable:
    """The same for who has a daemon of its own. Raises BadStart."""
    found = reachable(path, kind)
    if found.setup.merged:
        log = found.setup.merged.folder.resolve()
        raise BadStart(
            f"this {kind} is merged with the log in {log}: anonnet log run --data {quote(str(log))} runs both"
        )
    return found


def told(of: Reachable) -> list[bytes]:
    """Who hears from this party of a log that is convicted; in a large network drawn anew at each start."""
    roles = Role.BANK, Role.MERCHANT, Role.LOG, Role.MIRROR
    nodes = [peer.identity for role in roles for peer in of.network.all(role)]
    return neighbours(of.peer.identity, nodes, os.urandom(DRAWN_BYTES))


def beside(of: Reachable) -> list[bytes]:
    """The other mirrors, with whom this party compares what logs that decide alone have shown it; of more than
    MESH_NODES_MAX some, as above."""
    mirrors = [peer.identity for peer in of.network.all(Role.MIRROR)]
    return neighbours(of.peer.identity, mirrors, os.urandom(DRAWN_BYTES))


async def warn_of_leaps(clock: BoundedClock) -> None:
    """Tell the operator, once, of each leap that is not believed: the clock was set, or the machine stood still, as it
    does for a snapshot. Until cancelled."""
    told = False
    while True:
        if abs(ahead := clock.disbelieved) < 1:
            told = False
        elif not told:
            stands = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the time that is believed here"
            mend = "set it right, or, if it is, start again"
            print(f"the machine's clock stands {stands}: {mend}", file=sys.stderr, flush=True)
            told = True
        await trio.sleep(CLOCK_MARK_SECONDS)
