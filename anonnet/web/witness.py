"""`POST /add-checkpoint` (C2SP tlog-witness): foreign logs bring their checkpoints to be cosigned."""

from __future__ import annotations

from contextlib import aclosing

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anonnet.net.witnessing import Witness
from anonnet.tlog.witness import REQUEST_BYTES_MAX
from anonnet.web.responses import NEVER, response


def add_checkpoint(witness: Witness) -> Route:
    """The one resource that takes something in."""

    async def endpoint(request: Request) -> Response:
        said = await witness(await _body(request))
        return response(said.answer, said.media_type, caching=NEVER, status=said.status)

    return Route("/add-checkpoint", endpoint, methods=["POST"])


async def _body(request: Request) -> bytes:
    """The whole body. Raises HTTPException for one that is too long, as soon as it is."""
    body = b""
    async with aclosing(request.stream()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) > REQUEST_BYTES_MAX:
                raise HTTPException(413)
    return body
