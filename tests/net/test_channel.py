"""Channels: what goes in comes out; a changed bit, a missing byte or a peer that dawdles ends this one channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from anonnet.errors import Malformed
from anonnet.limits import FRAME_SECONDS, HANDSHAKE_SECONDS, SEND_SECONDS
from anonnet.net.channel import Channel, accept_channel, dial_channel
from anonnet.protocol.network import Peer, Role

from .parties import NETWORK_NAME, STATIC_SECRETS, new_peer

BANK = new_peer(Role.BANK, "bank")


async def accept(stream: trio.abc.Stream, peer: Peer = BANK, **more: Any) -> Channel:
    given = {"network": NETWORK_NAME, "role": peer.role, "identity": peer.identity} | more
    return await accept_channel(stream, static_secret=STATIC_SECRETS[peer.identity], **given)


async def channels(left: trio.abc.Stream, right: trio.abc.Stream) -> tuple[Channel, Channel]:
    """A dialed and an accepted channel over two ends of a stream."""
    made: dict[str, Channel] = {}

    async def dialed() -> None:
        made["left"] = await dial_channel(left, network=NETWORK_NAME, peer=BANK)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dialed)
        made["right"] = await accept(right)
    return made["left"], made["right"]


async def read_exactly(stream: trio.abc.Stream, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = await stream.receive_some()
        assert data, f"the stream ended after {len(got)} of {size} bytes"
        got += bytes(data)
    return got


def between(change: Callable[[bytearray], None]) -> tuple[trio.abc.Stream, trio.abc.Stream, Callable[[], Any]]:
    """Two ends of a stream with somebody between, who does `change` to what goes from left to right."""
    left, middle_left = trio.testing.memory_stream_pair()
    middle_right, right = trio.testing.memory_stream_pair()

    async def pump() -> None:
        async def backwards() -> None:
            while data := await middle_right.receive_some():
                await middle_left.send_all(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(backwards)
            while data := await middle_left.receive_some():
                changed = bytearray(data)
                change(changed)
                await middle_right.send_all(changed)
            await middle_right.send_eof()
            nursery.cancel_scope.cancel()

    return left, right, pump


async def test_what_goes_in_comes_out_in_both_directions() -> None:
    left, right = await channels(*trio.testing.memory_stream_pair())
    large = bytes(range(256)) * 4000

    await left.send_all(large)
    await right.send_all(b"short")

    assert await read_exactly(right, len(large)) == large
    assert await read_exactly(left, 5) == b"short"
    assert left.hash == right.hash


async def test_every_channel_has_a_hash_of_its_own() -> None:
    first, _ = await channels(*trio.testing.memory_stream_pair())
    second, _ = await channels(*trio.testing.memory_stream_pair())

    assert first.hash != second.hash


async def test_a_channel_runs_inside_a_channel() -> None:
    outer = await channels(*trio.testing.memory_stream_pair())
    left, right = await channels(*outer)

    await left.send_all(b"inside")

    assert await right.receive_some() == b"inside"
    await left.send_eof()
    assert await right.receive_some() == b""


@pytest.mark.parametrize(
    "other",
    [{"network": "elsewhere"}, {"role": Role.LOG}, {"identity": bytes(32)}],
    ids=["network", "role", "identity"],
)
async def test_who_meant_to_reach_someone_else_reaches_nobody(other: dict[str, Any]) -> None:
    left, right = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: dial_channel(left, network=NETWORK_NAME, peer=BANK))
        with pytest.raises(Malformed):
            await accept(right, **other)
        nursery.cancel_scope.cancel()


async def test_another_channel_key_reaches_nobody() -> None:
    left, right = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: dial_channel(left, network=NETWORK_NAME, peer=BANK))
        with pytest.raises(Malformed):
            await accept(right, new_peer(Role.BANK, "other"), identity=BANK.identity)
        nursery.cancel_scope.cancel()


async def test_a_flipped_bit_ends_the_channel() -> None:
    flip = [False]

    def change(data: bytearray) -> None:
        data[-1] ^= flip[0]

    left_end, right_end, pump = between(change)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump)
        left, right = await channels(left_end, right_end)
        flip[0] = True
        await left.send_all(b"hello")
        with pytest.raises(Malformed):
            await right.receive_some()
        nursery.cancel_scope.cancel()


async def test_a_stream_cut_within_a_message_is_not_an_end() -> None:
    cut = [False]

    def change(data: bytearray) -> None:
        if cut[0]:
            del data[-1]

    left_end, right_end, pump = between(change)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump)
        left, right = await channels(left_end, right_end)
        cut[0] = True
        await left.send_all(b"hello")
        await left.aclose()
        with pytest.raises(Malformed):
            await right.receive_some()


async def test_one_direction_may_end_before_the_other() -> None:
    left, right = await channels(*trio.testing.memory_stream_pair())

    await left.send_all(b"last")
    await left.send_eof()

    assert await right.receive_some() == b"last"
    assert await right.receive_some() == b""
    await right.send_all(b"and yet")
    assert await left.receive_some() == b"and yet"


async def test_a_handshake_that_does_not_come_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    _, right = trio.testing.memory_stream_pair()
    began = trio.current_time()

    with pytest.raises(TimeoutError):
        await accept(right)
    assert trio.current_time() - began == HANDSHAKE_SECONDS


async def test_a_handshake_message_of_wrong_size_is_not_waited_for() -> None:
    left, right = trio.testing.memory_stream_pair()
    await left.send_all(b"\xff\xff")

    with pytest.raises(Malformed):
        await accept(right)


async def test_a_message_that_trickles_in_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    left_end, right_end = trio.testing.memory_stream_pair()
    _, right = await channels(left_end, right_end)
    began = trio.current_time()

    async def trickle() -> None:
        for byte in b"\xff" * 200:
            await left_end.send_all(bytes([byte]))
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        with pytest.raises(TimeoutError):
            await right.receive_some()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began == FRAME_SECONDS


async def test_a_peer_that_never_reads_is_cut_and_the_channel_is_then_of_no_use(
    autojump_clock: trio.testing.MockClock,
) -> None:
    left, _ = await channels(*trio.testing.lockstep_stream_pair())
    began = trio.current_time()

    with pytest.raises(TimeoutError):
        await left.send_all(b"hello")
    assert trio.current_time() - began == SEND_SECONDS
    with pytest.raises(ConnectionError):
        await left.send_all(b"hello")


async def test_several_tasks_may_send() -> None:
    left, right = await channels(*trio.testing.lockstep_stream_pair())
    async with trio.open_nursery() as nursery:
        for letter in b"abcdefgh":
            nursery.start_soon(left.send_all, bytes([letter]) * 100_000)
        whole = await read_exactly(right, 800_000)
    got = [whole[at : at + 100_000] for at in range(0, 800_000, 100_000)]
    assert sorted(each[:1] for each in got) == [bytes([letter]) for letter in b"abcdefgh"]
    assert all(len(set(each)) == 1 for each in got)
