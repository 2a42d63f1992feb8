"""A benchmark of gossip: how soon an entry that is durable at the log is checked, and then kept, by every follower.

The log and its generator run in this process, the nodes in two others, each node a mirror with its store and its shell:
all over loopback sockets. The log decides alone, so that what is measured is replication, with a comparison now and
then, and not what mirrors of a quorum say to each other besides. A burst is measured twice, the second time beside one
more peer that asks for everything and never reads: what the log's memory has grown by since is that peer's.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from anonnet.limits import TURNS_PER_CONNECTION_MAX
from anonnet.net.channel import dial_channel
from anonnet.net.daemon import run_party
from anonnet.net.dialing import Direct, dial_tcp
from anonnet.parties.log import Log
from anonnet.parties.mirror import Mirror
from anonnet.protocol.known_log import KnownLog, shard_of
from anonnet.protocol.logbook import Follow
from anonnet.protocol.network import Network, Role
from anonnet.protocol.transaction import NO_POLICY
from anonnet.store.folder import Folder, write_durably
from anonnet.store.log import LogStore
from anonnet.store.mirror import Copy, Growing, MirrorStore
from anonnet.wire.frames import frame
from anonnet_daemons.benches.asking import apart, split
from anonnet_daemons.benches.commit import CONNECTIONS, LEAD_SECONDS, Pipelines, requests_for
from anonnet_daemons.benches.measuring import CURRENCY, PRICE, load
from anonnet_daemons.config import NETWORK_FILE, Kind, network_json
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.owner import NoDaemon, owner_of
from anonnet_daemons.serving import reachable

PROCESSES = 2
"""In which the nodes run."""
PATIENCE_SECONDS = 180.0
"""What has not come by then does not count as covered."""
LOOK_SECONDS = 0.05
MIB = 1024 * 1024

Moments = list[tuple[float, int]]
"""(second of the machine's monotonic clock, entries that were there from then on)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Figures of one run."""

    n: int
    """Nodes."""
    rate: int
    """Entries a second; 0: as fast as the log takes them."""
    count: int
    stalled: int
    """Peers beside the nodes that never read."""
    coverage: float
    """The part of all deliveries that have come; 1: every node has every entry."""
    p50_ms: float
    p95_ms: float
    """From durable at the log to verified at a node."""
    kept_p95_ms: float
    """To durable at the node."""
    cpu_ms_per_delivery: float
    """Of the nodes."""
    seconds: float
    """From the first entry that was durable to the last delivery."""
    log_mib: float
    """The most memory that the log's process has had so far, with the generator."""
    load: float

    @property
    def values(self) -> dict[str, Any]:
        return asdict(self)


async def gossip(nodes: int, rate: int, count: int, burst: int) -> list[Spread]:
    """Measure `count` entries at `rate` a second; then a burst without and with a peer that stalls, each in a network
    of its own."""
    offered = ((rate, count, 0), (0, burst, 0), (0, burst, 1))
    return [await _measured(nodes, *each) for each in offered]


async def _measured(nodes: int, rate: int, count: int, stalled: int) -> Spread:
    with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
        home = Path(folder) / "bench"
        network = await _founded(home, nodes)
        shard = shard_of(int(time.time()) + LEAD_SECONDS)
        requests = await trio.to_thread.run_sync(requests_for, network, count)
        loaded, heard = load(), list[Heard]()
        names = [peer.name for peer in network.all(Role.MIRROR)]
        async with _log(home, shard) as durable, trio.open_nursery() as nursery:
            for mine in split(names, PROCESSES):
                nursery.start_soon(_hear, Nodes(home, tuple(mine), shard, count + 1), heard)
            await _followed(home, nodes)
            for _ in range(stalled):
                await nursery.start(_stall, network, shard)
            pipelines = Pipelines(network, network.all(Role.LOG)[0], split(requests, CONNECTIONS), rate / CONNECTIONS)
            await pipelines.run()
            while len(heard) < min(PROCESSES, nodes):
                await trio.sleep(LOOK_SECONDS)
            nursery.cancel_scope.cancel()
    return _spread(nodes, rate, stalled, durable, heard, loaded)


def _spread(nodes: int, rate: int, stalled: int, durable: Moments, heard: list[Heard], loaded: float) -> Spread:
    """The figures: for each entry and node, from the log's commit that made it durable."""
    written = _by_entry(durable)
    took = _took(written, [moments for each in heard for moments in each.verified])
    kept = [moments for each in heard for moments in each.kept]
    last = max((moments[-1][0] for moments in kept if moments), default=written[0])
    return Spread(
        n=nodes,
        rate=rate,
        count=len(written),
        stalled=stalled,
        coverage=round(len(took) / (nodes * len(written)), 6),
        p50_ms=_share(took, 50),
        p95_ms=_share(took, 95),
        kept_p95_ms=_share(_took(written, kept), 95),
        cpu_ms_per_delivery=round(sum(each.cpu_seconds for each in heard) * 1000 / max(1, len(took)), 3),
        seconds=round(last - written[0], 1),
        log_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / MIB),
        load=loaded,
    )


def _took(written: list[float], nodes: list[Moments]) -> list[float]:
    """How long each delivery took, in seconds, ascending."""
    arrived = [_by_entry(moments)[: len(written)] for moments in nodes]
    return sorted(moment - written[index] for each in arrived for index, moment in enumerate(each))


def _share(took: list[float], part: int) -> float:
    """What this part of a hundred stays below, in milliseconds."""
    return round(took[len(took) * part // 100] * 1000, 1) if took else 0.0


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _by_entry(moments: Moments) -> list[float]:
    """When each entry was durable."""
    sizes = [size for _, size in moments]
    return [moments[bisect_right(sizes, index)][0] for index in range(sizes[-1] if sizes else 0)]


async def _founded(home: Path, nodes: int) -> Network:
    """A network whose log decides alone, with so many parties that follow it."""
    network = await found(Plan(home, CURRENCY, denominations=(PRICE,), mirrors=nodes, quorum=nodes))
    network = replace(network, peers=tuple(replace(peer, policy=NO_POLICY) for peer in network.peers))
    write_durably(home / NETWORK_FILE, network_json(network))
    return network


class NotingLogStore(LogStore):
    """Notes when how much of one shard was durable."""

    noted: Moments
    shard: int

    def commit(self) -> None:
        super().commit()
        size = self.heads.size(self.shard)
        if size and (not self.noted or size > self.noted[-1][1]):
            self.noted.append((time.perf_counter(), size))


@asynccontextmanager
async def _log(home: Path, shard: int) -> AsyncIterator[Moments]:
    """The log, in this process; gives what it notes."""
    at = reachable(home / Kind.LOG, Kind.LOG)
    known, ended = KnownLog(at.peer.key), trio.Event()
    with Folder(home / Kind.LOG) as folder:
        store = NotingLogStore(str(folder / "log.db"), seal=partial(known.sealed, at.setup.identity(at.peer)))
        store.noted, store.shard = [], shard
        run = partial(
            run_party,
            Log(at.signer, known),
            store,
            name=at.peer.name,
            network=at.network,
            dialer=Direct(at.network, at.setup.bind),
            folder=folder,
            peer=at.peer,
            static_secret=at.static_secret,
            until=ended.wait,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield store.noted
            ended.set()


async def _followed(home: Path, nodes: int) -> None:
    """Wait until every node has a connection to the log."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            try:
                async with owner_of(home / Kind.LOG, Kind.LOG) as owner:
                    if (await owner.health()).connections >= nodes:
                        return
            except NoDaemon:
                pass
            await trio.sleep(LOOK_SECONDS)


async def _stall(network: Network, shard: int, *, task_status: trio.TaskStatus[None]) -> None:
    """Ask the log for everything, as often as it takes questions, and read nothing."""
    (log,) = network.all(Role.LOG)
    stream = await dial_tcp(log.host, log.port, None)
    channel = await dial_channel(stream, network=network.name, peer=log)
    follow = Follow(log=log.identity, shard=shard, start=0)
    await channel.send_all(b"".join(bytes(frame(follow, each)) for each in range(1, TURNS_PER_CONNECTION_MAX + 1)))
    task_status.started()
    await trio.sleep_forever()


@dataclass(frozen=True, slots=True)
class Heard:
    """What the nodes of one process have noted."""

    verified: list[Moments]
    kept: list[Moments]
    cpu_seconds: float


async def _hear(nodes: Nodes, heard: list[Heard]) -> None:
    heard.append(await apart(nodes))


class NotingMirrorStore(MirrorStore):
    """Notes when how much of one shard was checked, and when it was durable; says when it is all that there will be."""

    verified: Moments
    kept: Moments
    shard: int
    target: int
    full: trio.Event
    token: trio.lowlevel.TrioToken

    def extend(self, grown: Growing, completed: Iterable[Sequence[bytes]]) -> Copy:
        longer = super().extend(grown, completed)
        if longer.shard == self.shard:
            self.verified.append((time.perf_counter(), longer.size))
        return longer

    def commit(self) -> None:
        verified = self.verified[-1][1] if self.verified else 0
        super().commit()
        if verified and (not self.kept or verified > self.kept[-1][1]):
            self.kept.append((time.perf_counter(), verified))
            if verified >= self.target:
                self.token.run_sync_soon(self.full.set)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of one process: they follow a shard of the log until they have `target` entries."""

    home: Path
    names: tuple[str, ...]
    shard: int
    target: int

    async def run(self) -> Heard:
        """Follow, in this process."""
        async with trio.open_nursery() as nursery:
            stores = [await nursery.start(self._node, name) for name in self.names]
            used = time.process_time()
            with trio.move_on_after(PATIENCE_SECONDS):
                for store in stores:
                    await store.full.wait()
            used = time.process_time() - used
            nursery.cancel_scope.cancel()
        return Heard([store.verified for store in stores], [store.kept for store in stores], used)

    async def _node(self, name: str, *, task_status: trio.TaskStatus[NotingMirrorStore]) -> None:
        at = reachable(self.home / name, Kind.MIRROR)
        mirrors = [peer.identity for peer in at.network.all(Role.MIRROR)]
        party = Mirror(at.signer, at.setup.identity(at.peer), at.network.logs, beside=mirrors)
        with Folder(self.home / name) as folder:
            store = NotingMirrorStore(str(folder / "mirror.db"))
            store.verified, store.kept = [], []
            store.shard, store.target = self.shard, self.target
            store.full, store.token = trio.Event(), trio.lowlevel.current_trio_token()
            async with trio.open_nursery() as nursery:
                run = partial(
                    run_party,
                    party,
                    store,
                    name=name,
                    network=at.network,
                    dialer=Direct(at.network, at.setup.bind),
                    folder=folder,
                    peer=at.peer,
                    static_secret=at.static_secret,
                    until=trio.sleep_forever,
                )
                await nursery.start(run)
                task_status.started(store)
