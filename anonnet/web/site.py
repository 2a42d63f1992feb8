"""What is answered under which path, of a log or of a mirror."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anonnet.errors import Fatal
from anonnet.net.threads import Threads
from anonnet.net.witnessing import Witness
from anonnet.protocol.known_log import KnownLog
from anonnet.store.published import Shelf
from anonnet.web.explorer import STATIC, Explorer, static
from anonnet.web.files import PREFIX, Files
from anonnet.web.responses import refused, unreadable
from anonnet.web.witness import add_checkpoint


def site(
    shelf: Shelf,
    known: Mapping[bytes, KnownLog],
    report: Callable[[Exception], object],
    witness: Witness | None = None,
) -> Starlette:
    """The application that shows these logs, and, with a witness, takes foreign checkpoints.

    It reads in one thread, which holds neither the loop nor itself up. A bug is reported before it is answered: once
    the answer is out the peer may go, and the connection ends with all that is left to do on it.
    """
    threads, files = Threads(1), Files(shelf, known)
    explorer = Explorer(shelf, known, files)

    def route(path: str, answer: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await threads.run(partial(answer, request))

        return Route(path, endpoint, methods=["GET"])

    async def failed(request: Request, bug: Exception) -> Response:
        report(bug)
        return await refused(request, HTTPException(500, "This request has met a bug, which was written down."))

    return Starlette(
        routes=[
            route("/", explorer.index),
            *(route(f"/{name}", static) for name in STATIC),
            route(f"{PREFIX}/", explorer.shard),
            route(f"{PREFIX}/entry/{{index}}", explorer.entry),
            route(f"{PREFIX}/checkpoint", files.checkpoint),
            route(f"{PREFIX}/tile/{{rest:path}}", files.tile),
            *([add_checkpoint(witness)] if witness else ()),
        ],
        exception_handlers={HTTPException: refused, Fatal: unreadable, Exception: failed},
    )
