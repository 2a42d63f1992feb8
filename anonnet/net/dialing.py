"""Reaching another party: directly, or through the relay.

Every dialer binds its own source address, so that "nobody learns the consumer's address" is a test that can fail. A
direct dialer keeps one connection to each peer; through the relay every exchange runs on a connection of its own, so
that two of them cannot be joined by the connection that they came on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import trio

from anonnet.errors import Malformed
from anonnet.limits import DIAL_SECONDS, REPLY_SECONDS
from anonnet.net.channel import Channel, dial_channel, world
from anonnet.net.connection import Connection, Reply
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.relaying import Join, Joined
from anonnet.wire.codec import Message, decode
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed

Reached = Callable[[], None]
"""Called when a new connection stands: long before the answer, where that is held."""


def unnoticed() -> None:
    """Nobody wants to know."""


class Dialer(Protocol):
    """A way to reach parties. Everything raises OSError where the world, or the party at the other end, fails."""

    async def connect(self, peer: Peer) -> Connection:
        """A new connection to this party; the caller closes it."""

    def session(self, peer: Peer) -> AbstractAsyncContextManager[Connection]:
        """A connection for several requests that belong together, shared with no other unlinkable exchange."""

    async def ask(self, peer: Peer, said: Message | Signed, reached: Reached = unnoticed) -> Reply:
        """One request and its reply, on a connection that no other unlinkable exchange uses."""

    async def aclose(self) -> None:
        """Close what is kept open."""


async def dial_tcp(host: str, port: int, bind_host: str | None) -> trio.SocketStream:
    """Open a TCP connection from our own address."""
    with world(), trio.fail_after(DIAL_SECONDS):
        return await trio.open_tcp_stream(host, port, local_address=bind_host)


async def _dial(network: Network, peer: Peer, bind_host: str | None) -> Channel:
    stream = await dial_tcp(peer.host, peer.port, bind_host)
    return await _channel(stream, network, peer)


async def _channel(stream: trio.abc.Stream, network: Network, peer: Peer) -> Channel:
    """A channel over a stream, which is closed where there can be none. Raises OSError."""
    try:
        return await dial_channel(stream, network=network.name, peer=peer)
    except Malformed as why:
        await trio.aclose_forcefully(stream)
        raise ConnectionAbortedError(f"{peer.name} is not who the network file says it is: {why}") from why
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


class Direct:
    """Dials parties at their addresses, and keeps one connection to each for `ask`."""

    def __init__(self, network: Network, bind_host: str | None = None, *, reply_seconds: float = REPLY_SECONDS) -> None:
        self._network = network
        self._bind_host = bind_host
        self._reply_seconds = reply_seconds
        self._kept: dict[bytes, Connection] = {}
        self._dialing: dict[bytes, trio.Lock] = {}

    async def connect(self, peer: Peer) -> Connection:
        """A new connection to this party; the caller closes it."""
        return Connection(await _dial(self._network, peer, self._bind_host), reply_seconds=self._reply_seconds)

    @asynccontextmanager
    async def session(self, peer: Peer) -> AsyncIterator[Connection]:
        """The kept connection: who dials directly is seen anyway."""
        yield await self._keep(peer)

    async def ask(self, peer: Peer, said: Message | Signed, reached: Reached = unnoticed) -> Reply:
        """Ask on the kept connection. Where that has ended meanwhile, on a new one: asking twice is always safe."""
        connection = self._kept.get(peer.identity)
        if connection is not None and connection.usable:
            try:
                return await self._asked(connection, said)
            except ConnectionError:
                pass
        connection = await self._keep(peer)
        reached()
        return await self._asked(connection, said)

    async def _asked(self, connection: Connection, said: Message | Signed) -> Reply:
        """Raises OSError. A connection on which nothing at all has come for so long has died without a word: it is not
        asked again."""
        began = trio.current_time()
        try:
            return await connection.ask(said)
        except TimeoutError:
            if connection.heard < began:
                await connection.aclose()
            raise

    async def _keep(self, peer: Peer) -> Connection:
        """The kept connection, or a new one in its place; several askers wait for one dial."""
        async with self._dialing.setdefault(peer.identity, trio.Lock()):
            kept = self._kept.get(peer.identity)
            if kept is not None:
                if kept.usable:
                    return kept
                await kept.aclose()
            self._kept[peer.identity] = await self.connect(peer)
            return self._kept[peer.identity]

    async def aclose(self) -> None:
        """Close all kept connections."""
        for connection in self._kept.values():
            await connection.aclose()
        self._kept.clear()


class ThroughRelay:
    """Reaches parties through the relay, which sees who is reached by whom and nothing of what is said.

    Whoever is reached sees the relay's address. A relay that reports what it sees, or somebody who watches both its
    sides, undoes this: it is one hop.
    """

    def __init__(
        self, network: Network, bind_host: str | None, relay: Peer, *, reply_seconds: float = REPLY_SECONDS
    ) -> None:
        self._network = network
        self._bind_host = bind_host
        self._relay = relay
        self._reply_seconds = reply_seconds

    async def connect(self, peer: Peer) -> Connection:
        """A new connection to this party, through a circuit of its own; the caller closes it."""
        outer = await _dial(self._network, self._relay, self._bind_host)
        try:
            with world(), trio.fail_after(DIAL_SECONDS + 1):  # the relay's own attempt takes up to DIAL_SECONDS
                await _join(outer, peer)
        except Malformed as why:
            await outer.aclose()
            raise ConnectionAbortedError(f"the relay does not do its work: {why}") from why
        except BaseException:
            await trio.aclose_forcefully(outer)
            raise
        return Connection(await _channel(outer, self._network, peer), reply_seconds=self._reply_seconds)

    @asynccontextmanager
    async def session(self, peer: Peer) -> AsyncIterator[Connection]:
        """A circuit that is closed behind the block."""
        async with await self.connect(peer) as connection:
            yield connection

    async def ask(self, peer: Peer, said: Message | Signed, reached: Reached = unnoticed) -> Reply:
        """One request on a circuit that is used for nothing else."""
        async with self.session(peer) as connection:
            reached()
            return await connection.ask(said)

    async def aclose(self) -> None:
        """Nothing is kept open."""


async def _join(outer: Channel, peer: Peer) -> None:
    """Have the relay join this channel to a party. Raises ConnectionError where it cannot, Malformed if it babbles."""
    await outer.send_all(bytes(frame(Join(party=peer.identity), 1)))
    reply = await one_frame(outer)
    if reply.request_id != 1 or decode(reply.payload) != Joined(party=peer.identity):
        raise Malformed("that is no answer to join")


async def one_frame(stream: trio.abc.Stream) -> Frame:
    """Read one frame behind which nothing comes yet. Raises ConnectionError at an end before it, Malformed."""
    frames = Frames()
    whole: list[Frame] = []
    while not whole:
        data = await stream.receive_some()
        if not data:
            raise ConnectionResetError("the peer closed the connection")
        whole = frames.feed(bytes(data))
    if len(whole) > 1 or frames.partial:
        raise Malformed("more than one frame")
    return whole[0]
