"""The pages for people: what is published here, one shard with its newest entries, one entry with its proof.

Nothing is looked up by a transaction's number, on purpose: who asks would show the server which sale is hers. The page
fetches whole shards and finds the number by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from anonnet.protocol.known_log import KnownLog
from anonnet.store.published import Shelf, Shown
from anonnet.tlog.tiles import TILE_WIDTH, Bundle
from anonnet.web import pages
from anonnet.web.files import Files, number
from anonnet.web.responses import response

STATIC = {"explorer.css": "text/css; charset=utf-8", "explorer.js": "text/javascript; charset=utf-8"}
HTML = "text/html; charset=utf-8"


def static(request: Request) -> Response:
    """What all pages load, by the last part of the path."""
    name = request.url.path.rpartition("/")[2]
    return response((files("anonnet.web") / "static" / name).read_bytes(), STATIC[name])


class Explorer:
    """Answers with pages. What is not there, or not asked for in its one form, is 404."""

    def __init__(self, shelf: Shelf, known: Mapping[bytes, KnownLog], shards: Files) -> None:
        """`known`: the logs that the shelf shows, by identity."""
        self._shelf = shelf
        self._known = known
        self._shards = shards

    def index(self, request: Request) -> Response:
        shards = [(self._known[shown.log], shown) for shown in self._shelf.shards() if shown.log in self._known]
        return response(pages.index(shards), HTML)

    def shard(self, request: Request) -> Response:
        known, shown = self._shards.shown(request)
        newest = (shown.size - 1) // TILE_WIDTH
        bundle = _bundle(shown, number(request.query_params.get("bundle", str(newest))))
        return response(pages.shard(known, shown, bundle, self._shelf.entries(shown, bundle)), HTML)

    def entry(self, request: Request) -> Response:
        (known, shown), index = self._shards.shown(request), number(request.path_params["index"])
        bundle = _bundle(shown, index // TILE_WIDTH)
        path, entries = self._shelf.inclusion(shown, index), self._shelf.entries(shown, bundle)
        if path is None or entries is None:
            raise HTTPException(404)
        return response(pages.entry(known, shown, index, entries[index - bundle.start], path), HTML)


def _bundle(shown: Shown, index: int) -> Bundle:
    """This bundle as far as it goes now. Raises HTTPException where there is none."""
    if index * TILE_WIDTH >= shown.size:
        raise HTTPException(404)
    return Bundle(index, min(TILE_WIDTH, shown.size - index * TILE_WIDTH))
