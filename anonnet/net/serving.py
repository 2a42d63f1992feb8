"""Accepting connections: how many, from whom, and how they end.

Addresses are counted while their connections are open, and neither kept nor written anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from ipaddress import IPv6Address, ip_address

import trio

from anonnet.errors import BadStart
from anonnet.limits import (
    CONNECTIONS_KEPT,
    CONNECTIONS_KEPT_PER_HOST_MAX,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    STOP_SECONDS,
)
from anonnet.net.answering import Answering, Requests, Unsent
from anonnet.net.channel import accept_channel
from anonnet.net.incidents import Incidents
from anonnet.protocol.network import Network, Peer

HandleStream = Callable[[trio.SocketStream], Awaitable[None]]


class Door:
    """How many may be inside: in all, and from one address; and how many places are kept for known hosts."""

    def __init__(self, total_max: int, per_address_max: int, *, kept: int = 0, known: Collection[str] = ()) -> None:
        """`known`: hosts as the network file has them. One that is a name there is not known by its address."""
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._kept = kept
        self._known = frozenset(_plain(host) for host in known)
        self._inside: Counter[str] = Counter()

    @property
    def inside(self) -> int:
        """How many are inside."""
        return self._inside.total()

    def enter(self, address: str) -> bool:
        """Let one in, unless it is full."""
        origin = self._origin(address)
        for_it = origin in self._known and self._inside[origin] < CONNECTIONS_KEPT_PER_HOST_MAX
        total_max = self._total_max if for_it else self._total_max - self._kept
        if self.inside >= total_max or self._inside[origin] >= self._per_address_max:
            return False
        self._inside[origin] += 1
        return True

    def leave(self, address: str) -> None:
        """One goes; an address with nobody inside is forgotten."""
        origin = self._origin(address)
        self._inside[origin] -= 1
        if not self._inside[origin]:
            del self._inside[origin]

    def _origin(self, address: str) -> str:
        """What is counted as one: a known host, an IPv4 address, or a /64 of IPv6, which whoever has any has whole."""
        address = _plain(address)
        if ":" not in address or address in self._known:
            return address
        return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64))


def _plain(address: str) -> str:
    """The usual way to write an address; what is none stays as it is."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return str(mapped or ip)


def party_door(network: Network) -> Door:
    """The door of a party's port."""
    known = [peer.host for peer in network.peers]
    return Door(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, kept=CONNECTIONS_KEPT, known=known)


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
