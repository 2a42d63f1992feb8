"""A log or a mirror over HTTP on a port of this machine, and a client of the standard library."""

from __future__ import annotations

import http.client
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import trio

from anonnet.net.incidents import Incidents
from anonnet.net.serving import listen
from anonnet.net.witnessing import Witness
from anonnet.protocol.known_log import KnownLog
from anonnet.store.published import Shelf
from anonnet.web.serving import serve_http

SECONDS = 30
"""Whatever a test waits for comes within this, or the test has failed."""
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def get_now(host: str, port: int, path: str, method: str = "GET", body: bytes | None = None) -> Got:
    """Ask, on a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


@dataclass(frozen=True)
class Site:
    """Where it is served."""

    host: str
    port: int
    incidents: Incidents

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def get(self, path: str, method: str = "GET") -> Got:
        return await trio.to_thread.run_sync(get_now, self.host, self.port, path, method)

    async def post(self, path: str, body: bytes) -> Got:
        return await trio.to_thread.run_sync(get_now, self.host, self.port, path, "POST", body)


@asynccontextmanager
async def served(
    shelf: Shelf, known: Mapping[bytes, KnownLog], folder: Path, witness: Witness | None = None
) -> AsyncIterator[Site]:
    """Serve for the time of the block, which has a deadline."""
    with closing(shelf), trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            listeners = await listen(HOST, 0)
            incidents = Incidents(folder, os.urandom)
            nursery.start_soon(serve_http, listeners, shelf, known, incidents, witness)
            yield Site(HOST, listeners[0].socket.getsockname()[1], incidents)
            nursery.cancel_scope.cancel()
