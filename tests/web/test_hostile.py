"""Who stalls, floods or sends too much over HTTP is put out, and keeps nobody else out for long."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from anonnet.limits import HTTP_ADDRESS_CONNECTIONS_MAX, HTTP_IDLE_SECONDS, HTTP_SEND_SECONDS, KIB
from anonnet.web.serving import Hasty
from tests.web.serving import served
from tests.web.test_files import LOGS, PREFIX, machine, shelf

HOST = b"GET / HTTP/1.1\r\nHost: x\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
TOO_MUCH = [  # what is sent, and the status of the answer
    (HOST + b"X: " + 20 * KIB * b"a", b"431"),
    (b"GET " + 10 * KIB * b"/a", b"431"),
    (b"\x16\x03\x01" * KIB, b"400"),  # TLS
    (HOST + b"Content-Length: -1\r\n\r\n", b"400"),
    (HOST + UPGRADE + b"Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==\r\n\r\n", b"403"),
]


async def until_closed(stream: trio.SocketStream) -> bytes:
    """What comes before the other side closes."""
    received = b""
    try:
        async for piece in stream:
            received += piece
    except trio.BrokenResourceError:
        pass
    return received


async def send_without_end(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(bytes(64 * KIB))


async def test_what_is_too_long_or_not_http_is_refused_at_once(tmp_path: Path) -> None:
    log = machine(tmp_path, 1)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        for request, status in TOO_MUCH:
            async with await trio.open_tcp_stream(site.host, site.port) as stream:
                await stream.send_all(request)
                with trio.fail_after(HTTP_IDLE_SECONDS):  # sooner than silence ends it
                    assert (await until_closed(stream)).startswith(b"HTTP/1.1 " + status), request[:60]
        assert (await site.get(f"{PREFIX}/checkpoint")).status == 200
        assert site.incidents.count == 0
    log.store.close()


async def test_who_sends_without_end_is_cut_off(tmp_path: Path) -> None:
    head = f"POST {PREFIX}/checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: {2**40}\r\n\r\n"
    log = machine(tmp_path, 1)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        async with await trio.open_tcp_stream(site.host, site.port) as stream:
            await stream.send_all(head.encode())
            with trio.fail_after(HTTP_IDLE_SECONDS), pytest.raises(trio.BrokenResourceError):
                await send_without_end(stream)
        assert (await site.get(f"{PREFIX}/checkpoint")).status == 200
        assert site.incidents.count == 0
    log.store.close()


@pytest.mark.slow
async def test_a_crowd_that_says_nothing_or_half_of_it_is_kept_at_the_door_and_put_out(tmp_path: Path) -> None:
    log = machine(tmp_path, 1)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        crowd = [await trio.open_tcp_stream(site.host, site.port) for _ in range(HTTP_ADDRESS_CONNECTIONS_MAX)]
        for one in crowd[::2]:
            await one.send_all(HOST)
        late = await trio.open_tcp_stream(site.host, site.port)
        with trio.fail_after(HTTP_IDLE_SECONDS / 2):  # those inside may be silent for longer than this
            assert await until_closed(late) == b""

        for one in crowd:
            assert await until_closed(one) == b""
            await one.aclose()
        assert (await site.get(f"{PREFIX}/checkpoint")).status == 200
        await late.aclose()
    log.store.close()


async def test_who_comes_again_and_again_is_not_kept_out_by_himself(tmp_path: Path) -> None:
    log = machine(tmp_path, 1)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        for _ in range(2 * HTTP_ADDRESS_CONNECTIONS_MAX):
            assert (await site.get(f"{PREFIX}/checkpoint")).status == 200
    log.store.close()


async def test_who_does_not_read_the_answer_is_cut_off(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = socket.socketpair()
    stream = Hasty(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), gone=lambda: None)
    began = trio.current_time()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(bytes(64 * KIB * KIB))

    assert trio.current_time() - began == pytest.approx(HTTP_SEND_SECONDS)
    await stream.aclose()
    theirs.close()
