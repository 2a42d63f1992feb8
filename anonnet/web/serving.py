"""HTTP beside a daemon: a listener of its own behind a door of its own, with a deadline for everything.

Who connects is neither kept nor written anywhere. A flood of readers, fast or stalled, holds at most what limits.py
grants; turns share nothing with it but the machine. There is no TLS here: put a web server in front where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from anonnet.limits import (
    HTTP_ADDRESS_CONNECTIONS_MAX,
    HTTP_CONNECTION_SECONDS,
    HTTP_CONNECTIONS_MAX,
    HTTP_IDLE_SECONDS,
    HTTP_SEND_SECONDS,
    HTTP_STREAMS_MAX,
)
from anonnet.net.incidents import Incidents
from anonnet.net.serving import Door, accept_all
from anonnet.net.witnessing import Witness
from anonnet.protocol.known_log import KnownLog
from anonnet.store.published import Shelf
from anonnet.web.site import site


class Hasty:
    """A stream whose peer must read what is sent within HTTP_SEND_SECONDS: the server shields what it sends.

    When the peer has gone, `gone` is called: the server would keep the connection until HTTP_IDLE_SECONDS are over, and
    whoever comes again and again would soon be kept out by himself.
    """

    def __init__(self, stream: trio.SocketStream, gone: Callable[[], None]) -> None:
        self._stream = stream
        self._gone = gone
        self.socket = stream.socket
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose

    async def receive_some(self, most: int) -> bytes:
        received = b""
        try:
            received = bytes(await self._stream.receive_some(most))
        finally:
            if not received:
                self._gone()
        return received

    async def send_all(self, data: bytes) -> None:
        """Raises BrokenResourceError where the peer does not read."""
        with trio.move_on_after(HTTP_SEND_SECONDS) as sending:
            await self._stream.send_all(data)
        if sending.cancelled_caught:
            raise trio.BrokenResourceError("the peer does not read")


def _config() -> Config:
    """No access log, no word of which program serves; nothing on standard error: bugs go to incident files."""
    config = Config()
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    config.keep_alive_timeout = HTTP_IDLE_SECONDS
    config.h2_max_concurrent_streams = HTTP_STREAMS_MAX
    return config


async def serve_http(
    listeners: list[trio.SocketListener],
    shelf: Shelf,
    known: Mapping[bytes, KnownLog],
    incidents: Incidents,
    witness: Witness | None = None,
) -> None:
    """Answer until cancelled. `known`: the logs that the shelf shows, by identity. `witness`: of foreign logs."""
    app: Any = site(shelf, known, incidents.report, witness)
    config, context = _config(), WorkerContext(None)

    async def handle(stream: trio.SocketStream) -> None:
        with trio.move_on_after(HTTP_CONNECTION_SECONDS) as inside:
            hasty: Any = Hasty(stream, inside.cancel)  # all that the server calls of the stream that it asks for
            await TCPServer(ASGIWrapper(app), config, context, ConnectionState({}), hasty)

    await accept_all(listeners, Door(HTTP_CONNECTIONS_MAX, HTTP_ADDRESS_CONNECTIONS_MAX), incidents, handle)
