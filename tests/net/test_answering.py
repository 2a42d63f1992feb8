"""Connections: many requests in flight, replies in any order, and every bound that a peer can run into."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from anonnet.errors import Malformed
from anonnet.limits import (
    FRAME_SECONDS,
    IDLE_SECONDS,
    KIB,
    REPLY_SECONDS,
    TURNS_PER_CONNECTION_MAX,
    UNREAD_BYTES_MAX,
    UNSENT_PER_CONNECTION_MAX,
)
from anonnet.net.answering import Answering, Asker, Unsent
from anonnet.net.connection import Connection
from anonnet.wire.codec import decode
from anonnet.wire.frames import Frame, frame

from .parties import Note, Noted

LARGE = 150_000


class Parrot:
    """Answers with the text as padding; texts that begin with "wait" when they are let go."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.go = self.more = trio.Event()

    async def admit(self) -> None:
        pass

    def begin(self, request: Frame, asker: Asker) -> None:
        note = decode(request.payload)
        assert isinstance(note, Note)
        self.came.append(note.text)
        if note.text.startswith("endless"):
            asker.later(partial(self._on_and_on, asker))
            return
        if note.text.startswith("malformed"):
            raise Malformed("no")
        if note.text.startswith("at the door"):
            asker.put(Noted(count=0, padding=b""))
            asker.done()
        elif note.text.startswith("wait"):
            asker.later(partial(self._later, note.text, asker))
        else:
            asker.soon(partial(self._answer, note.text, asker))

    async def _on_and_on(self, asker: Asker) -> None:
        while True:
            self.more = trio.Event()
            await asker.say(Noted(count=0, padding=b"on"))
            await self.more.wait()

    def _answer(self, text: str, asker: Asker) -> None:
        asker.put(Noted(count=0, padding=bytes(LARGE) if text.startswith("large") else text.encode()))
        asker.done()

    async def _later(self, text: str, asker: Asker) -> None:
        await self.go.wait()
        await asker.say(Noted(count=0, padding=text.encode()))


class Counted(trio.abc.Stream):
    """A stream that counts the sends on it."""

    def __init__(self, below: trio.abc.Stream) -> None:
        self.below = below
        self.sends = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sends += 1
        await self.below.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.below.receive_some(max_bytes)

    async def wait_send_all_might_not_block(self) -> None:
        await self.below.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.below.aclose()


@asynccontextmanager
async def answering(parrot: Parrot, stream: trio.abc.Stream) -> AsyncIterator[Answering]:
    """One accepted connection, for the time of the block."""
    made = Answering(stream, parrot, Unsent())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def padding(connection: Connection, text: str) -> bytes:
    noted = decode((await connection.ask(Note(text=text))).payload)
    assert isinstance(noted, Noted)
    return noted.padding


async def test_replies_may_come_in_another_order() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot, order = Parrot(), []
    async with answering(parrot, server), Connection(client) as connection, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            order.append(await padding(connection, text))

        nursery.start_soon(ask, "wait for me")
        await trio.testing.wait_all_tasks_blocked()
        await ask("at once")
        parrot.go.set()
    assert order == [b"at once", b"wait for me"]


async def test_replies_that_are_ready_go_out_in_one_send() -> None:
    client, server = trio.testing.memory_stream_pair()
    counted, parrot = Counted(server), Parrot()
    async with answering(parrot, counted), Connection(client) as connection, trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(padding, connection, f"wait {number}")
        await trio.testing.wait_all_tasks_blocked()
        parrot.go.set()
    assert len(parrot.came) == 20
    assert counted.sends < 5


async def test_a_peer_that_leaves_fails_everyone_who_waits() -> None:
    client, server = trio.testing.memory_stream_pair()
    failed = []
    async with trio.open_nursery() as nursery:
        connection = Connection(client)

        async def ask(text: str) -> None:
            with pytest.raises(ConnectionError):
                await padding(connection, text)
            failed.append(text)

        for text in "abc":
            nursery.start_soon(ask, text)
        await trio.testing.wait_all_tasks_blocked()
        await server.aclose()
    assert sorted(failed) == ["a", "b", "c"]
    assert not connection.usable
    await connection.aclose()


async def test_who_stops_waiting_leaves_the_others_their_replies() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot, got = Parrot(), []
    async with answering(parrot, server), Connection(client) as connection, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            got.append(await padding(connection, text))

        with trio.CancelScope() as impatient:
            async with trio.open_nursery() as first:
                first.start_soon(ask, "wait 1")  # reads for all
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(ask, "wait 2")
                nursery.start_soon(ask, "wait 3")
                await trio.testing.wait_all_tasks_blocked()
                impatient.cancel()
        parrot.go.set()
    assert sorted(got) == [b"wait 2", b"wait 3"]


async def test_who_has_a_reply_and_awaits_no_other_yet_leaves_the_others_theirs() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot, got = Parrot(), []
    async with answering(parrot, server), Connection(client) as connection, trio.open_nursery() as nursery:

        async def ask(text: str) -> None:
            got.append(await padding(connection, text))

        replies = connection.begin(Note(text="endless"))
        await replies.next()
        nursery.start_soon(replies.next)  # reads for all
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, "wait")
        await trio.testing.wait_all_tasks_blocked()
        parrot.more.set()
        await trio.testing.wait_all_tasks_blocked()
        parrot.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert got == [b"wait"]
        nursery.cancel_scope.cancel()


async def test_a_reply_is_not_waited_for_without_end(autojump_clock: trio.testing.MockClock) -> None:
    client, server = trio.testing.memory_stream_pair()
    async with answering(Parrot(), server), Connection(client) as connection:
        began = trio.current_time()
        with pytest.raises(TimeoutError):
            await padding(connection, "wait")
        assert trio.current_time() - began == REPLY_SECONDS
        assert await padding(connection, "again") == b"again"


async def test_a_reply_to_nothing_breaks_the_connection() -> None:
    client, server = trio.testing.memory_stream_pair()
    connection = Connection(client)
    await server.send_all(bytes(frame(Noted(count=0, padding=b""), 7)))
    with pytest.raises(ConnectionError):
        await padding(connection, "hello")
    await connection.aclose()


async def test_full_slots_stop_the_reading() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot = Parrot()
    async with answering(parrot, server):
        for number in range(3 * TURNS_PER_CONNECTION_MAX):
            await client.send_all(bytes(frame(Note(text=f"wait {number}"), number + 1)))
            await trio.testing.wait_all_tasks_blocked()
        assert len(parrot.came) == TURNS_PER_CONNECTION_MAX

        parrot.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert len(parrot.came) == 3 * TURNS_PER_CONNECTION_MAX


async def test_replies_that_nobody_reads_stop_the_reading() -> None:
    client, server = trio.testing.lockstep_stream_pair()
    parrot = Parrot()
    async with answering(parrot, server), trio.open_nursery() as nursery:

        async def flood() -> None:
            for number in range(1000):
                await client.send_all(bytes(frame(Note(text=f"large {number}"), number + 1)))
                await trio.testing.wait_all_tasks_blocked()

        nursery.start_soon(flood)
        await trio.testing.wait_all_tasks_blocked(0.05)
        gc.collect()
        assert len(parrot.came) <= UNSENT_PER_CONNECTION_MAX // LARGE + 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("size", [0, LARGE])
async def test_replies_that_who_asked_does_not_take_stop_the_reading(size: int) -> None:
    """Another one reads for all: it is held up, too, and goes on when those have been taken, or are wanted no more."""
    client, server = trio.testing.lockstep_stream_pair()
    reply, flooded = Noted(count=0, padding=bytes(size)), 0
    async with Connection(client) as connection, trio.open_nursery() as nursery:

        async def swallow() -> None:
            while await server.receive_some():
                pass

        async def flood() -> None:
            nonlocal flooded
            while flooded < 3 * stands_at_most:
                await server.send_all(bytes(frame(reply, 1)))
                flooded += 1
            await server.send_all(bytes(frame(reply, 2)))

        stands_at_most = UNREAD_BYTES_MAX // max(size, KIB) + 1
        busy, other = connection.begin(Note(text="flood me")), connection.begin(Note(text="hello"))
        nursery.start_soon(swallow)
        nursery.start_soon(flood)
        nursery.start_soon(other.next)
        await trio.testing.wait_all_tasks_blocked()
        assert flooded <= stands_at_most

        for _ in range(flooded):
            await busy.next()
        await trio.testing.wait_all_tasks_blocked()
        assert stands_at_most < flooded < 3 * stands_at_most

        busy.leave()
        await trio.testing.wait_all_tasks_blocked()
        assert flooded == 3 * stands_at_most
        assert len(nursery.child_tasks) == 1, "who reads for all has its reply"
        nursery.cancel_scope.cancel()


async def test_requests_that_are_answered_at_the_door_let_others_go_on_between_them() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot, rounds = Parrot(), 0
    async with answering(parrot, server), trio.open_nursery() as nursery:

        async def others() -> None:
            nonlocal rounds
            while True:
                await trio.lowlevel.checkpoint()
                rounds += 1

        await client.send_all(b"".join(bytes(frame(Note(text="at the door"), each)) for each in range(1, 501)))
        nursery.start_soon(others)
        while len(parrot.came) < 500:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert rounds >= 400


async def test_a_frame_that_trickles_in_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    client, server = trio.testing.memory_stream_pair()
    made = Answering(server, Parrot(), Unsent())
    began = trio.current_time()

    async def trickle() -> None:
        for byte in bytes(frame(Note(text="x" * 500), 1)):
            await client.send_all(bytes([byte]))
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        await made.run()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began == FRAME_SECONDS


async def test_a_silent_connection_is_closed_but_not_one_that_waits_for_us(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot = Parrot()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Answering(server, parrot, Unsent()).run)
        await client.send_all(bytes(frame(Note(text="wait"), 1)))
        await trio.sleep(10 * IDLE_SECONDS)
        assert parrot.came == ["wait"]
        parrot.go.set()
    assert trio.current_time() - began == 11 * IDLE_SECONDS


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff" + bytes(20),
        bytes(frame(Note(text="x"), 1))[:4] + b"\x7f\x7f" + bytes(30),
        bytes(Frame(Note.step, 1, b"")),
        bytes(frame(Note(text="malformed"), 1)),
    ],
    ids=["oversized", "no such step", "empty", "refused as malformed by who answers"],
)
async def test_what_breaks_a_rule_closes_the_connection(sent: bytes) -> None:
    client, server = trio.testing.memory_stream_pair()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Answering(server, Parrot(), Unsent()).run)
            await client.send_all(sent)
            assert await client.receive_some() == b""


async def test_a_stop_lets_what_is_in_flight_be_answered() -> None:
    client, server = trio.testing.memory_stream_pair()
    parrot, got = Parrot(), []
    async with Connection(client) as connection, trio.open_nursery() as nursery:
        made = Answering(server, parrot, Unsent())

        async def ask() -> None:
            got.append(await padding(connection, "wait"))

        nursery.start_soon(made.run)
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        made.stop()
        parrot.go.set()
    assert got == [b"wait"]
