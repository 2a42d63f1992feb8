"""The relay in its first form (design: the relay is an onion): one hop that passes bytes.

It takes one join on a Noise channel, dials that party at the address that the network file has for it, and from then on
carries bytes both ways, which are a second channel from end to end. It sees who is at both ends, and keeps and writes
nothing of it; a fault stays in its circuit. What is not read on one side is not read from the other: back-pressure.
"""

from __future__ import annotations

import trio

from anonnet.errors import Malformed
from anonnet.limits import CIRCUITS_MAX, CIRCUITS_PER_ADDRESS_MAX, FRAME_SECONDS, IDLE_SECONDS, SEND_SECONDS
from anonnet.net.channel import accept_channel, world
from anonnet.net.dialing import dial_tcp, one_frame
from anonnet.net.incidents import Incidents
from anonnet.net.serving import Door, accept_all
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.relaying import Join, Joined
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame


class Relay:
    """Joins consumers to parties. Knows the network file; learns nothing that it keeps."""

    def __init__(
        self,
        network: Network,
        peer: Peer,
        static_secret: bytes,
        *,
        incidents: Incidents,
        bind_host: str | None = None,
        door: Door | None = None,
    ) -> None:
        self.door = door or Door(CIRCUITS_MAX, CIRCUITS_PER_ADDRESS_MAX)
        """How many circuits there may be."""
        self._network = network
        self._peer = peer
        self._static_secret = static_secret
        self._incidents = incidents
        self._bind_host = bind_host

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Serve circuits until it is cancelled."""
        await accept_all(listeners, self.door, self._incidents, self.circuit)

    async def circuit(self, stream: trio.abc.HalfCloseableStream) -> None:
        """One circuit, from the handshake to its end. Raises Malformed or OSError, which end this circuit alone."""
        channel = await accept_channel(
            stream,
            network=self._network.name,
            role=Role.RELAY,
            identity=self._peer.identity,
            static_secret=self._static_secret,
        )
        with world(), trio.fail_after(FRAME_SECONDS):
            request = await one_frame(channel)
        join = decode(request.payload)
        party = self._network.peer(join.party) if isinstance(join, Join) else None
        if party is None or party.role is Role.RELAY:
            raise Malformed("no join to a party of this network")
        onward = await dial_tcp(party.host, party.port, self._bind_host)
        try:
            await channel.send_all(bytes(frame(Joined(party=party.identity), request.request_id)))
            await join_streams(channel, onward)
        finally:
            await trio.aclose_forcefully(onward)


async def join_streams(left: trio.abc.HalfCloseableStream, right: trio.abc.HalfCloseableStream) -> None:
    """Carry bytes both ways until both sides have ended, one fails, or nothing moves for IDLE_SECONDS."""
    faults: list[OSError | Malformed] = []
    with trio.move_on_after(IDLE_SECONDS) as idle:

        async def pour(source: trio.abc.HalfCloseableStream, sink: trio.abc.HalfCloseableStream) -> None:
            try:
                with world():
                    while data := await source.receive_some():
                        idle.deadline = trio.current_time() + IDLE_SECONDS
                        with trio.fail_after(SEND_SECONDS):
                            await sink.send_all(data)
                    await sink.send_eof()
            except (OSError, Malformed) as fault:
                faults.append(fault)
                idle.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour, left, right)
            nursery.start_soon(pour, right, left)
    if faults:
        raise faults[0]
