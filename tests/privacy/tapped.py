"""Runs the `anonnet` command and writes down every byte that its process receives. A program for tests.

    tapped.py FILE NOUN run --data FOLDER

FILE is a stream of msgpack arrays: (seconds, layer, which, from, bytes). Layer "line": what a TCP socket received, as
anybody on that line sees it; `which` is a number, `from` the address at the other end. Layer "door": what came out of a
channel, as the party reads it; `which` is the channel's hash, `from` is empty.
"""

from __future__ import annotations

import itertools
import sys
import time
from io import BufferedWriter
from typing import Any

import msgpack
import trio

from anonnet.net.channel import Channel

LINE, DOOR = "line", "door"


def install(tape: BufferedWriter) -> None:
    """Have everything that is received from now on written down before it is read."""
    numbers = itertools.count()
    sockets: dict[trio.SocketStream, tuple[int, str]] = {}
    from_socket, from_channel = trio.SocketStream.receive_some, Channel.receive_some

    def note(layer: str, which: int | bytes, sender: str, data: bytes) -> None:
        tape.write(msgpack.packb((time.time(), layer, which, sender, data)))
        tape.flush()

    async def heard(stream: trio.SocketStream, max_bytes: int | None = None) -> Any:
        data = await from_socket(stream, max_bytes)
        if stream.socket.family != trio.socket.AF_UNIX:
            if stream not in sockets:
                sockets[stream] = next(numbers), str(stream.socket.getpeername()[0])
            note(LINE, *sockets[stream], bytes(data))
        return data

    async def read(channel: Channel, max_bytes: int | None = None) -> bytes:
        data = await from_channel(channel, max_bytes)
        note(DOOR, channel.hash, "", data)
        return data

    trio.SocketStream.receive_some = heard  # type: ignore[method-assign]
    Channel.receive_some = read  # type: ignore[method-assign]


if __name__ == "__main__":
    install(open(sys.argv[1], "ab"))  # noqa: SIM115 (it is open as long as the process)
    from anonnet_daemons.cli.main import main

    main(sys.argv[2:], prog_name="anonnet")
