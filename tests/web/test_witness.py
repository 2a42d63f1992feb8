"""A mirror as a witness of foreign logs, over HTTP: what it has cosigned it never takes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from anonnet.net.incidents import Incidents
from anonnet.net.turns import TurnQueue
from anonnet.net.witnessing import witness_of
from anonnet.parties.mirror import Mirror
from anonnet.parties.witnessing import Witnessing
from anonnet.store.mirror import MirrorStore
from anonnet.store.published import MirrorShelf
from anonnet.tlog.note import Kind, Note, Signature, Verifier
from anonnet.tlog.policy import NONE, Log, Policy
from anonnet.tlog.witness import REQUEST_BYTES_MAX, Request
from anonnet.wire.signed import Signer
from tests.stage import NETWORK, NOON, key_of
from tests.unit.tlog.making import LOG_KEY, entries, signed, signer, tree
from tests.web.serving import Got, Site, served

TRANSCRIPT = Path(__file__).parents[1] / "vectors" / "witness-transcript.json"
COSIGNER = signer("example.com/witness")
FOREIGN = Policy((Log(LOG_KEY),), NONE)
TREE = tree(entries(40))
PATH = "/add-checkpoint"


@asynccontextmanager
async def witnessing(folder: Path, foreign: Policy = FOREIGN) -> AsyncIterator[Site]:
    """A mirror's daemon that follows no log, and witnesses these."""
    store, incidents = MirrorStore(str(folder / "mirror.db")), Incidents(folder, bytes)
    key = key_of("mirror")
    mirror = Mirror(Signer(NETWORK, key), key, {}, (), Witnessing(COSIGNER, foreign))
    queue = TurnQueue(mirror, store, clock=lambda: NOON, entropy=bytes, incidents=incidents, rerun=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        async with served(MirrorShelf(folder / "mirror.db"), {}, folder, witness_of(queue)) as site:
            yield site
        queue.stop()
    assert incidents.count == 0
    store.close()


def growing(old: int, new: int) -> Request:
    """A checkpoint of `new` leaves, and what shows that it extends that of `old`."""
    return Request(old, tuple(TREE.consistency(old, new)) if old else (), signed(new, TREE.root(new)))


async def test_what_is_cosigned_is_kept_before_it_is_said(tmp_path: Path) -> None:
    async with witnessing(tmp_path) as site:
        said = growing(0, 5)
        got = await site.post(PATH, said.encoded())
        lines = [Signature.parse(line) for line in got.body.decode().splitlines()]
        (opened,) = Note(said.checkpoint.note.text, tuple(lines)).opened([COSIGNER.verifier(Kind.COSIGNATURE)])
        assert (got.status, got.headers["cache-control"], opened.time) == (200, "no-store", NOON)

    async with witnessing(tmp_path) as site:  # another start on the same file
        again = await site.post(PATH, growing(0, 7).encoded())
        assert (again.status, again.headers["content-type"], again.body) == (409, "text/x.tlog.size", b"5\n")
        assert (await site.post(PATH, growing(5, 40).encoded())).status == 200


async def test_of_two_that_grow_one_tree_at_once_only_one_is_cosigned(tmp_path: Path) -> None:
    """Else the slower could take the tree back, and a shorter branch be grown from there."""
    got: list[Got] = []

    async def post(site: Site, size: int) -> None:
        got.append(await site.post(PATH, growing(5, size).encoded()))

    async with witnessing(tmp_path) as site:
        assert (await site.post(PATH, growing(0, 5).encoded())).status == 200
        async with trio.open_nursery() as nursery:
            for size in range(6, 14):
                nursery.start_soon(post, site, size)

    assert sorted(each.status for each in got) == [200] + 7 * [409]


async def test_the_transcript_of_another_witness(tmp_path: Path) -> None:
    """Of its two logs the one whose key has the origin's name, as every log's in a policy."""
    document = json.loads(TRANSCRIPT.read_text(encoding="utf-8"))
    (vkey,) = [vkey for origin, vkey in document["logs"].items() if vkey.startswith(f"{origin}+")]
    steps = [step for step in document["steps"] if step["file"].endswith("/litewitness.txt")]
    assert len(steps) > 5
    async with witnessing(tmp_path, Policy((Log(Verifier.parse(vkey)),), NONE)) as site:
        for step in steps:
            older = step["status"] == 403 and "unknown log" in step["asserts"]  # tlog-witness now says 404
            got = await site.post(PATH, step["request"].encode())
            assert got.status == (404 if older else step["status"]), step


async def test_what_is_too_long_or_no_checkpoint_changes_nothing(tmp_path: Path) -> None:
    async with witnessing(tmp_path) as site:
        assert (await site.post(PATH, bytes(REQUEST_BYTES_MAX + 1))).status == 413
        assert (await site.post(PATH, bytes(REQUEST_BYTES_MAX))).status == 400
        assert (await site.post(PATH, b"")).status == 400
        assert (await site.get(PATH)).status == 405
        assert (await site.post(PATH, growing(0, 5).encoded())).status == 200
