"""What every answer over HTTP says beside its body, and how refusals look."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from anonnet.limits import HTTP_CACHE_SECONDS

# Nothing on a page comes from elsewhere, nothing is sent elsewhere, and no page can be framed by another.
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FRESH = "no-cache"
"""Ask again each time."""
NEVER = "no-store"
"""What is not there now may be there soon."""
FOR_EVER = f"public, max-age={HTTP_CACHE_SECONDS}, immutable"
OCTETS, TEXT = "application/octet-stream", "text/plain; charset=utf-8"


def response(content: bytes | str, media_type: str, *, caching: str = FRESH, status: int = 200) -> Response:
    """An answer of this type, which caches may keep as `caching` says."""
    return Response(content, status, {**SAFE, "Cache-Control": caching, "Content-Type": media_type})


async def refused(request: Request, why: Exception) -> Response:
    """The answer to a request that is none, or to one for what is not there."""
    assert isinstance(why, HTTPException)
    answer = response(f"{why.detail}\n", TEXT, caching=NEVER, status=why.status_code)
    answer.headers.update(why.headers or {})
    return answer


async def unreadable(request: Request, why: Exception) -> Response:
    """What cannot be read now is no reason to stop a daemon, whose own writes are another matter."""
    return await refused(request, HTTPException(503, "The log cannot be read now."))
