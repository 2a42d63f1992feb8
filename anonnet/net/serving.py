"""Accepting connections: how many, from whom, and how they end.

Addresses are counted while their connections are open, and neither kept nor written anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import trio

from anonnet.errors import BadStart
from anonnet.limits import CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, STOP_SECONDS
from anonnet.net.answering import Answering, Requests, Unsent
from anonnet.net.channel import accept_channel
from anonnet.net.incidents import Incidents
from anonnet.protocol.network import Peer

HandleStream = Callable[[trio.SocketStream], Awaitable[None]]


class Door:
    """How many may be inside: in all, and from one address."""

    def __init__(self, total_max: int, per_address_max: int) -> None:
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._inside: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._inside.total()

    def enter(self, address: str) -> bool:
        """Let one in, unless it is full."""
        if self.inside >= self._total_max or self._inside[address] >= self._per_address_max:
            return False
        self._inside[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One goes; an address with nobody inside is forgotten."""
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]


async def listen(host: str, port: int) -> list[trio.SocketListener]:
    """Open the TCP port. Raises BadStart."""
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OSError as why:
        raise BadStart(f"cannot listen on {host} port {port}: {why.strerror or why}; is it in use?") from why


async def accept_all(
    listeners: list[trio.SocketListener], door: Door, incidents: Incidents, handle: HandleStream
) -> None:
    """Run `handle` for every connection that the door lets in, each confined to itself. Ends when it is cancelled."""

    async def guarded(stream: trio.SocketStream) -> None:
        address = await _address(stream)
        if address is None or not door.enter(address):
            await trio.aclose_forcefully(stream)
            return
        try:
            await incidents.confine(lambda: handle(stream))
        finally:
            door.leave(address)
            await trio.aclose_forcefully(stream)

    await trio.serve_listeners(guarded, listeners)


async def _address(stream: trio.SocketStream) -> str | None:
    """Where the connection comes from; None where it has gone already. A Unix socket has one for all."""
    try:
        name = stream.socket.getpeername()
    except OSError:
        return None
    return str(name[0]) if isinstance(name, tuple) else "unix"


class Server:
    """A listener whose connections carry requests, and can be stopped without losing what is under way."""

    def __init__(self, incidents: Incidents, door: Door | None = None) -> None:
        self.door = door or Door(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX)
        self._incidents = incidents
        self._unsent = Unsent()
        self._open: set[Answering] = set()
        self._accepting = trio.CancelScope()
        self._empty = trio.Event()
        self._stopping = False

    async def serve(self, listeners: list[trio.SocketListener], handle: HandleStream) -> None:
        """Accept until `stop`. `handle` makes of a stream what `answer` can run on."""
        async with trio.open_nursery() as nursery:
            self._accepting = nursery.cancel_scope
            await accept_all(listeners, self.door, self._incidents, handle)

    async def answer(self, stream: trio.abc.Stream, requests: Requests) -> None:
        """Answer the requests of one connection until it ends."""
        answering = Answering(stream, requests, self._unsent)
        self._open.add(answering)
        if self._stopping:
            answering.stop()
        try:
            await answering.run()
        finally:
            self._open.discard(answering)
            if self._stopping and not self._open:
                self._empty.set()

    async def stop(self) -> None:
        """Accept nothing more, finish what is under way within STOP_SECONDS, close."""
        self._stopping = True
        for answering in tuple(self._open):
            answering.stop()
        if self._open:
            with trio.move_on_after(STOP_SECONDS):
                await self._empty.wait()
        self._accepting.cancel()


def channel_handler(
    server: Server, peer: Peer, *, network: str, static_secret: bytes, front: Callable[[bytes], Requests]
) -> HandleStream:
    """How a party takes a TCP connection: a channel first, then requests. Trio sets TCP_NODELAY by itself.

    `front` makes, from the hash of the channel, who answers on it.
    """

    async def handle(stream: trio.SocketStream) -> None:
        channel = await accept_channel(
            stream, network=network, role=peer.role, identity=peer.identity, static_secret=static_secret
        )
        await server.answer(channel, front(channel.hash))

    return handle
