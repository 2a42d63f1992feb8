"""A daemon: a party, its store, and everything around them, from start to a graceful stop.

What is under way when SIGTERM comes is finished within STOP_SECONDS; what is not is asked again by whoever asked.
Errands are rows and need no finishing. A storage error ends the daemon at once with Fatal, and nobody is answered.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import trio

from anonnet.errors import BadStart, Fatal
from anonnet.net.answering import Requests
from anonnet.net.control import ControlFront, RelayControlFront, check_owner, listen_control, peer_uid
from anonnet.net.dialing import Dialer
from anonnet.net.errands import Runner
from anonnet.net.front import Front
from anonnet.net.incidents import Incidents
from anonnet.net.relay import Relay
from anonnet.net.serving import HandleStream, Server, channel_handler, listen, party_door
from anonnet.net.trace import Tracer
from anonnet.net.turns import Placement, TurnQueue
from anonnet.parties.log import Log
from anonnet.parties.turn import Party
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.watching import Health
from anonnet.store.base import Store
from anonnet.store.folder import Folder
from anonnet.store.log import LogStore

Until = Callable[[], Awaitable[object]]
Work = Callable[[], Awaitable[None]]


def wall_clock() -> int:
    """The machine's time in whole seconds."""
    return int(time.time())


async def signalled() -> None:
    """Wait for SIGTERM or SIGINT. A second one then ends the process as usual."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of a daemon once it has started."""

    port: int | None
    """The TCP port it listens on; None for who cannot be reached."""
    queue: TurnQueue
    tracer: Tracer
    incidents: Incidents


Beside = Callable[[Running], Awaitable[None]]
"""Further work of one kind of party (a consumer's jobs, a log's clock), for as long as it runs errands."""


async def idle() -> None:
    """No further work."""


@dataclass(frozen=True, slots=True)
class MergedLog:
    """A log within another party's daemon: it has its own key and port, and a data folder with its owner's socket."""

    party: Log
    store: LogStore
    peer: Peer
    static_secret: bytes
    folder: Folder


class Doors:
    """Where one party is reached: its port, and its owner's socket."""

    def __init__(self, queue: TurnQueue, name: str, network: Network, to: Party | None = None) -> None:
        """`to`: which of two merged parties."""
        self.tracer = Tracer(name)
        self.port: int | None = None
        self._server, self._control = Server(queue.incidents, party_door(network)), Server(queue.incidents)
        self._front = partial(Front, queue, self.tracer, to=to)
        self._queue = queue
        self._network = network

    async def listen(self, peer: Peer, static_secret: bytes, nursery: trio.Nursery) -> None:
        """Open the port."""
        handle = channel_handler(
            self._server, peer, network=self._network.name, static_secret=static_secret, front=self._front
        )
        self.port = await _serve_tcp(self._server, peer, handle, nursery)

    async def control(self, folder: Folder, dialer: Dialer, nursery: trio.Nursery) -> None:
        """Open the owner's socket: last, since who gets an answer there finds the port open."""
        owners = ControlFront(self._front(b"", owner=True), self._network, dialer, self._health)
        await serve_control(self._control, folder, owners, nursery)

    def _health(self) -> Health:
        queue = self._queue
        counts = {"turns": queue.turns, "commits": queue.batches, "connections": self._server.door.inside}
        return Health(incidents=queue.incidents.count, **counts)

    async def close(self) -> None:
        """Take nothing more, and finish what is under way."""
        self.tracer.close()
        await _at_once(self._server.stop, self._control.stop)


async def run_party(
    party: Party,
    store: Store,
    *,
    name: str,
    network: Network,
    dialer: Dialer,
    folder: Folder,
    peer: Peer | None = None,
    static_secret: bytes | None = None,
    clock: Callable[[], int] = wall_clock,
    entropy: Callable[[int], bytes] = os.urandom,
    placement: Placement = Placement.COMMIT_BY_DISK,
    beside: Beside | None = None,
    merged: MergedLog | None = None,
    until: Until = signalled,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a party until `until` returns, and the log that is `merged` with it, if any. Without a `peer` (a consumer)
    nobody can reach it. Raises Fatal, BadStart."""
    incidents = Incidents(folder.path, entropy)
    log = (merged.party, merged.store) if merged else None
    queue = TurnQueue(party, store, clock=clock, entropy=entropy, incidents=incidents, placement=placement, merged=log)
    doors = [Doors(queue, name, network)]
    runner = Runner(queue, store.errands, network=network, dialer=dialer, incidents=incidents, tracer=doors[0].tracer)
    with plain_errors():
        async with kept_until_the_end(dialer), trio.open_nursery() as nursery:
            stop = _after(until, nursery)
            if merged is not None:
                doors.append(Doors(queue, merged.peer.name, network, merged.party))
                await doors[1].listen(merged.peer, merged.static_secret, nursery)
                await doors[1].control(merged.folder, dialer, nursery)
            if peer is not None:
                assert static_secret is not None, "who is reached has a channel key"
                await doors[0].listen(peer, static_secret, nursery)
            await doors[0].control(folder, dialer, nursery)
            async with trio.open_nursery() as turns:
                await turns.start(queue.run)
                running = Running(doors[0].port, queue, doors[0].tracer, incidents)
                work = await nursery.start(_cancellable, runner.run, partial(beside, running) if beside else idle)
                task_status.started(running)
                await stop.wait()
                work.cancel()
                queue.let_go()
                await _at_once(*(each.close for each in doors))
                queue.stop()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def kept_until_the_end(dialer: Dialer) -> AsyncIterator[None]:
    """Close the dialer, however its daemon ends."""
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            await dialer.aclose()


async def unless(until: Until, work: Work) -> bool:
    """Do this work before a party runs; False where `until` returned first, and it was given up."""
    done = False
    with plain_errors():
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await until()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            await work()
            done = True
            nursery.cancel_scope.cancel()
    return done


def _after(until: Until, nursery: trio.Nursery) -> trio.Event:
    """An event that comes when `until` returns. It is awaited from the start, so that no signal comes too early."""
    event = trio.Event()

    async def wait() -> None:
        await until()
        event.set()

    nursery.start_soon(wait)
    return event


async def serve_control(server: Server, folder: Folder, owners: Requests, nursery: trio.Nursery) -> None:
    """Open the owner's socket in this folder. Raises BadStart."""
    nursery.start_soon(server.serve, await listen_control(folder.path), control_handler(server, owners))


async def _serve_tcp(server: Server, peer: Peer, handle: HandleStream, nursery: trio.Nursery) -> int:
    """Start to listen, return the port."""
    listeners = await listen(peer.host, peer.port)
    nursery.start_soon(server.serve, listeners, handle)
    return port_of(listeners)


def port_of(listeners: list[trio.SocketListener]) -> int:
    """The port that was opened, where the network file leaves it open (tests)."""
    return int(listeners[0].socket.getsockname()[1])


def control_handler(server: Server, owners: Requests) -> HandleStream:
    """How the control socket takes a connection."""

    async def handle(stream: trio.SocketStream) -> None:
        check_owner(peer_uid(stream))
        await server.answer(stream, owners)

    return handle


async def _cancellable(*works: Work, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(work)
        task_status.started(nursery.cancel_scope)


async def _at_once(*works: Work) -> None:
    """Do all of these at the same time."""
    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(work)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let Fatal and BadStart out of the nurseries' groups: they are what a daemon's main program understands."""
    try:
        yield
    except BaseExceptionGroup as group:
        known = next(_leaves(group.subgroup((Fatal, BadStart))), None)
        if known is None:
            raise
        raise known from group


def _leaves(group: BaseExceptionGroup[BaseException] | None) -> Iterator[BaseException]:
    for each in group.exceptions if group else ():
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


async def run_relay(
    network: Network,
    peer: Peer,
    *,
    static_secret: bytes,
    folder: Folder,
    bind_host: str | None = None,
    entropy: Callable[[int], bytes] = os.urandom,
    until: Until = signalled,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the relay until `until` returns; circuits are then closed. Starts with the port that it listens on."""
    incidents = Incidents(folder.path, entropy)
    relay = Relay(network, peer, static_secret, incidents=incidents, bind_host=bind_host)
    control = Server(incidents)

    def health() -> Health:
        return Health(incidents=incidents.count, turns=0, commits=0, connections=relay.door.inside)

    with plain_errors():
        async with trio.open_nursery() as nursery:
            stop = _after(until, nursery)
            listeners = await listen(peer.host, peer.port)
            nursery.start_soon(relay.serve, listeners)
            await serve_control(control, folder, RelayControlFront(health), nursery)
            task_status.started(port_of(listeners))
            await stop.wait()
            nursery.cancel_scope.cancel()
