"""The relay: a channel inside a channel, over real sockets; each party binds an address of its own, so that one can see
who talks to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from anonnet.limits import IDLE_SECONDS
from anonnet.net.dialing import Direct, ThroughRelay
from anonnet.net.front import Front
from anonnet.net.incidents import Incidents
from anonnet.net.relay import Relay, join_streams
from anonnet.net.serving import Door, Server, channel_handler, listen
from anonnet.net.trace import Tracer
from anonnet.protocol.network import Network, Peer, Role
from anonnet.wire.codec import decode

from .parties import STATIC_SECRETS, Counting, Note, Noted, NoteStore, Tally, network_of, new_peer, queue_of, signer

SECONDS = 20
CONSUMER_HOST, RELAY_HOST, TALLY_HOST = "127.0.0.41", "127.0.0.42", "127.0.0.43"


@dataclass
class World:
    network: Network
    tally: Peer
    relay: Peer
    relaying: Relay
    incidents: Incidents
    seen: list[str]
    """Source addresses of the connections to the tally."""

    def dialer(self) -> ThroughRelay:
        return ThroughRelay(self.network, CONSUMER_HOST, self.relay)


@asynccontextmanager
async def world(folder: Path, door: Door | None = None, others: tuple[Peer, ...] = ()) -> AsyncIterator[World]:
    """A tally and a relay, listening. Others stand in the network file; with port 0, at the tally's address."""
    tally = new_peer(Role.BANK, "tally", host=TALLY_HOST)
    relay = new_peer(Role.RELAY, "relay", host=RELAY_HOST)
    listeners, relay_listeners = await listen(TALLY_HOST, 0), await listen(RELAY_HOST, 0)
    tally = replace(tally, port=listeners[0].socket.getsockname()[1])
    relay = replace(relay, port=relay_listeners[0].socket.getsockname()[1])
    others = tuple(other if other.port else replace(other, host=TALLY_HOST, port=tally.port) for other in others)
    network, incidents = network_of(tally, relay, *others), Incidents(folder, Counting())
    relaying = Relay(
        *(network, relay, STATIC_SECRETS[relay.identity]), incidents=incidents, bind_host=RELAY_HOST, door=door
    )
    queue, server = queue_of(Tally(signer()), NoteStore(), folder), Server(incidents)
    made = World(network, tally, relay, relaying, incidents, [])
    handle = channel_handler(
        server,
        tally,
        network=network.name,
        static_secret=STATIC_SECRETS[tally.identity],
        front=partial(Front, queue, Tracer("tally")),
    )

    async def seen(stream: trio.SocketStream) -> None:
        made.seen.append(stream.socket.getpeername()[0])
        await handle(stream)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(queue.run)
            nursery.start_soon(server.serve, listeners, seen)
            nursery.start_soon(relaying.serve, relay_listeners)
            yield made
            nursery.cancel_scope.cancel()


async def test_a_request_through_the_relay_shows_the_relays_address(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        reply = await made.dialer().ask(made.tally, Note(text="one"))
        assert decode(reply.payload) == Noted(count=1, padding=b"")
        direct = Direct(made.network, CONSUMER_HOST)
        await direct.ask(made.tally, Note(text="two"))
        await direct.aclose()
    assert made.seen == [RELAY_HOST, CONSUMER_HOST]


async def test_every_exchange_has_a_circuit_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        dialer = made.dialer()
        for number in range(3):
            await dialer.ask(made.tally, Note(text=f"note {number}"))
    assert len(made.seen) == 3


async def test_large_replies_come_through_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as made, await made.dialer().connect(made.tally) as connection:
        for _ in range(20):
            noted = decode((await connection.ask(Note(text="large 150000"))).payload)
            assert isinstance(noted, Noted)
            assert len(noted.padding) == 150_000


async def test_a_circuit_ends_when_the_consumer_leaves(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        connection = await made.dialer().connect(made.tally)
        assert made.relaying.door.inside == 1
        await connection.aclose()
        while made.relaying.door.inside:
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_who_is_not_in_the_network_file_is_not_reached(tmp_path: Path) -> None:
    async with world(tmp_path) as made:
        for stranger in (new_peer(Role.BANK, "stranger"), made.relay):
            with pytest.raises(OSError):
                await made.dialer().connect(stranger)
        assert not made.seen
        assert made.incidents.count == 0
        await made.dialer().ask(made.tally, Note(text="and it still works"))


async def test_a_party_that_is_down_ends_its_circuit_alone(tmp_path: Path) -> None:
    down = new_peer(Role.LOG, "down", host="127.0.0.44", port=1)
    async with world(tmp_path, others=(down,)) as made, await made.dialer().connect(made.tally) as standing:
        with pytest.raises(OSError):
            await made.dialer().connect(down)
        await standing.ask(Note(text="another circuit"))
        assert made.incidents.count == 0


async def test_circuits_are_bounded_in_all_and_for_one_address(tmp_path: Path) -> None:
    async with world(tmp_path, Door(total_max=3, per_address_max=2)) as made, AsyncExitStack() as held:
        other = ThroughRelay(made.network, "127.0.0.45", made.relay)
        for _ in range(2):
            await held.enter_async_context(await made.dialer().connect(made.tally))
        with pytest.raises(OSError):
            await made.dialer().connect(made.tally)
        await held.enter_async_context(await other.connect(made.tally))
        with pytest.raises(OSError):
            await other.connect(made.tally)


async def test_a_circuit_that_ends_at_somebody_else_is_found_out(tmp_path: Path) -> None:
    async with world(tmp_path, others=(new_peer(Role.BANK, "elsewhere"),)) as made:
        elsewhere = made.network.named("elsewhere")
        assert elsewhere is not None
        with pytest.raises(OSError):
            await made.dialer().connect(elsewhere)


async def test_one_side_may_end_before_the_other() -> None:
    client, left = trio.testing.memory_stream_pair()
    right, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(join_streams, left, right)
        await client.send_all(b"question")
        await client.send_eof()
        assert await server.receive_some() == b"question"
        assert await server.receive_some() == b""
        await server.send_all(b"answer")
        assert await client.receive_some() == b"answer"
        await server.send_eof()


async def test_what_is_not_read_on_one_side_is_not_read_from_the_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, left = trio.testing.lockstep_stream_pair()
    right, _ = trio.testing.lockstep_stream_pair()
    sent = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(join_streams, left, right)

        async def flood() -> None:
            while True:
                await client.send_all(bytes(1000))
                sent.append(1000)

        nursery.start_soon(flood)
        await trio.testing.wait_all_tasks_blocked()
        assert len(sent) <= 2
        nursery.cancel_scope.cancel()


async def test_a_circuit_on_which_nothing_moves_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    client, left = trio.testing.memory_stream_pair()
    right, _ = trio.testing.memory_stream_pair()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(join_streams, left, right)
        await trio.sleep(IDLE_SECONDS - 1)
        await client.send_all(b"x")
    assert trio.current_time() - began == 2 * IDLE_SECONDS - 1
