"""Peers that mean harm, as a process of their own: against every daemon of a network, until they are stopped.

    hostile.py HOME SECONDS

Each connection is opened anew as soon as it has ended. At the end one JSON object tells, for each conduct, how many
connections there were and how long, in seconds, the longest of them was let live; and how much was asked in all.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import trio
from anonnet_daemons.config import NETWORK_FILE, read_network

from anonnet.errors import Malformed
from anonnet.net.channel import Channel, dial_channel, world
from anonnet.net.dialing import one_frame
from anonnet.protocol.brand import BrandsOf
from anonnet.protocol.goods import CatalogueOf
from anonnet.protocol.logbook import TimeOf
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.relaying import Join
from anonnet.wire.codec import Message
from anonnet.wire.frames import HEADER, frame

ADDRESSES = ("127.0.66.1", "127.0.66.2")
EACH = 8
"""Connections of each conduct, from each address, to each daemon: what one address may have is not used up."""
CIRCUITS = 6
"""Circuits of each conduct through the relay, to each daemon behind it."""
BURST = 32
SLOW_SECONDS = 1.0
PAUSE_SECONDS = 0.05
"""Before a peer that has been cut off comes again."""

Conduct = Callable[["Hostile", trio.abc.Stream, Peer], Awaitable[None]]


class Hostile:
    """All hostile peers, and what has become of their connections."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.count: dict[str, int] = defaultdict(int)
        self.longest: dict[str, float] = defaultdict(float)
        self.asked = 0
        """How many requests were sent, all of them valid."""

    def cheap(self, peer: Peer) -> Message:
        """A request that costs its sender nothing."""
        match peer.role:
            case Role.BANK:
                return BrandsOf(bank=peer.key)
            case Role.MERCHANT:
                return CatalogueOf(merchant=peer.key, after="")
            case _:
                return TimeOf(log=peer.identity)

    async def come_again(self, conduct: Conduct, peer: Peer, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        """Connect, behave like this until the other side has had enough, and do so again."""
        name = conduct.__name__
        while True:
            try:
                stream = await dial()
            except (OSError, Malformed):
                await trio.sleep(PAUSE_SECONDS)
                continue
            began = trio.current_time()
            try:
                with world():
                    await conduct(self, stream, peer)
            except (OSError, Malformed):
                pass
            finally:
                await trio.aclose_forcefully(stream)
                self.count[name] += 1
                self.longest[name] = max(self.longest[name], trio.current_time() - began)
            await trio.sleep(PAUSE_SECONDS)


async def cut(stream: trio.abc.Stream) -> None:
    """Wait until the other side ends it."""
    while await stream.receive_some():
        pass


# On the bare connection.


async def silent(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await cut(stream)


async def garbage(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await stream.send_all(os.urandom(2000))
    await cut(stream)


async def slow_handshake(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    for byte in bytes([0, 48, *os.urandom(48)]):
        await stream.send_all(bytes([byte]))
        await trio.sleep(SLOW_SECONDS)


async def handshakes(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await dial_channel(stream, network=hostile.network.name, peer=peer)


# On a channel.


async def idle(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await cut(stream)


async def slow_frame(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    for byte in bytes(frame(hostile.cheap(peer), 1)):
        await stream.send_all(bytes([byte]))
        await trio.sleep(SLOW_SECONDS)


async def oversized(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await stream.send_all(HEADER.pack(2**31, hostile.cheap(peer).step, 1) + bytes(100))
    await cut(stream)


async def nonsense(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    await stream.send_all(os.urandom(2000))
    await cut(stream)


async def never_reading(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    number = 0
    while True:
        number += BURST
        await stream.send_all(b"".join(bytes(frame(hostile.cheap(peer), number + each)) for each in range(BURST)))
        hostile.asked += BURST


async def flooding(hostile: Hostile, stream: trio.abc.Stream, peer: Peer) -> None:
    async def flood() -> None:
        with suppress(OSError):  # cut off in the middle of a write
            await never_reading(hostile, stream, peer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        await cut(stream)
        nursery.cancel_scope.cancel()


BARE: tuple[Conduct, ...] = (silent, garbage, slow_handshake, handshakes)
SPEAKING: tuple[Conduct, ...] = (idle, slow_frame, oversized, nonsense)
FLOODS: tuple[Conduct, ...] = (never_reading, flooding)
FLOODERS = 2
"""Of each kind and from each address: they take all the time of a processor, which these share with their victims."""


async def attack(network: Network, seconds: float) -> Hostile:
    """All conducts against all daemons, for so long."""
    hostile = Hostile(network)
    relay = next(iter(network.all(Role.RELAY)))
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for peer in network.peers:
                for address in ADDRESSES:
                    start(nursery, hostile, peer, address)
                if peer.role is not Role.RELAY:
                    through(nursery, hostile, peer, relay)
    return hostile


def start(nursery: trio.Nursery, hostile: Hostile, peer: Peer, address: str) -> None:
    """Every conduct against one daemon, from one address. A relay is not asked anything on a channel."""

    async def bare() -> trio.abc.Stream:
        with world():
            return await trio.open_tcp_stream(peer.host, peer.port, local_address=address)

    async def channel() -> Channel:
        return await dial_channel(await bare(), network=hostile.network.name, peer=peer)

    for conduct in BARE:
        for _ in range(EACH):
            nursery.start_soon(hostile.come_again, conduct, peer, bare)
    for conduct in SPEAKING:
        for _ in range(EACH if peer.role is not Role.RELAY else EACH // 2):
            nursery.start_soon(hostile.come_again, conduct, peer, channel)
    for conduct in FLOODS if peer.role is not Role.RELAY else ():
        for _ in range(FLOODERS):
            nursery.start_soon(hostile.come_again, conduct, peer, channel)


def through(nursery: trio.Nursery, hostile: Hostile, peer: Peer, relay: Peer) -> None:
    """Conducts through the relay, which every honest consumer shares."""

    async def circuit() -> Channel:
        with world():
            stream = await trio.open_tcp_stream(relay.host, relay.port, local_address=ADDRESSES[0])
        outer = await dial_channel(stream, network=hostile.network.name, peer=relay)
        await outer.send_all(bytes(frame(Join(party=peer.identity), 1)))
        await one_frame(outer)
        return await dial_channel(outer, network=hostile.network.name, peer=peer)

    for conduct in (idle, never_reading):
        for _ in range(CIRCUITS if conduct is idle else 1):
            nursery.start_soon(hostile.come_again, conduct, peer, circuit)


if __name__ == "__main__":
    found = trio.run(attack, read_network(Path(sys.argv[1]) / NETWORK_FILE), float(sys.argv[2]))
    conducts = {name: [found.count[name], round(found.longest[name], 1)] for name in sorted(found.count)}
    print(json.dumps({"asked": found.asked, "conducts": conducts}))
