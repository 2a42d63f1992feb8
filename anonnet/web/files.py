"""Logs as files, for programs (C2SP tlog-tiles): the newest checkpoint, tiles of hashes, bundles of entries.

The prefix of a shard's files is its origin. Full tiles and bundles never change; a partial one is right for one size
only and stays available, so that caches may keep both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from anonnet.errors import Malformed
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.store.published import Shelf, Shown
from anonnet.tlog.tiles import Bundle, Tile, bundle_bytes
from anonnet.web.responses import FOR_EVER, OCTETS, TEXT, response

PREFIX = "/anonnet/{log}/{shard}"
_NAME = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


def number(text: str) -> int:
    """A number in its one form. Raises HTTPException for anything else."""
    if not _NUMBER.fullmatch(text):
        raise HTTPException(404)
    return int(text)


class Files:
    """Answers from a shelf. What is not there, or not asked for in its one form, is 404."""

    def __init__(self, shelf: Shelf, known: Mapping[bytes, KnownLog]) -> None:
        """`known`: the logs that the shelf shows, by identity."""
        self._shelf = shelf
        self._known = known

    def shown(self, request: Request) -> tuple[KnownLog, Shown]:
        """The shard that the path names. Raises HTTPException."""
        name, shard = request.path_params["log"], request.path_params["shard"]
        known = self._known.get(bytes.fromhex(name)) if _NAME.fullmatch(name) else None
        if known is None or shard == str(CHAIN):
            raise HTTPException(404)
        shown = self._shelf.shard(known.identity, CHAIN if shard == "chain" else number(shard))
        if shown is None:
            raise HTTPException(404)
        return known, shown

    def checkpoint(self, request: Request) -> Response:
        _, shown = self.shown(request)
        return response(shown.note, TEXT)

    def tile(self, request: Request) -> Response:
        _, shown = self.shown(request)
        try:
            data = self._tile(shown, f"tile/{request.path_params['rest']}")
        except Malformed as why:
            raise HTTPException(404) from why
        if data is None:
            raise HTTPException(404)
        return response(data, OCTETS, caching=FOR_EVER)

    def _tile(self, shown: Shown, path: str) -> bytes | None:
        if not path.startswith("tile/entries/"):
            return self._shelf.tile(shown, Tile.parse(path))
        entries = self._shelf.entries(shown, Bundle.parse(path))
        return bundle_bytes(entries) if entries else None
