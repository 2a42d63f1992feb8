"""A consumer's jobs with a merchant who cheats: whatever he signs and sends, they end, and cost what she agreed to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio.testing

from anonnet.crypto.sealing import CHUNK_BYTES, TAG_BYTES
from anonnet.errors import Why
from anonnet.limits import CHUNKS_IN_FLIGHT_MAX
from anonnet.net.connection import Reply
from anonnet.net.jobs import SEALED_FILE, Jobs, file_name, goods_folder
from anonnet.net.trace import Tracer
from anonnet.net.turns import TurnQueue
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM, Order
from anonnet.protocol.local import Discard
from anonnet.protocol.refusal import Refusal
from anonnet.store.folder import Folder
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer, payload, unsigned
from tests.paper.scenes import Scene
from tests.stage import NETWORK, key_of

from .parties import queue_of


@dataclass
class Cheat:
    """A merchant on a connection that hands out these sealed chunks, whatever was asked for."""

    chunks: list[bytes]
    asked: int = 0
    leaves_at: int = 0
    """He ends the connection at this request, once; 0 for never."""

    def session(self, peer: object) -> Any:
        return self

    async def __aenter__(self) -> Cheat:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def ask(self, said: ChunkOf) -> Reply:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.asked == self.leaves_at:
            raise ConnectionResetError("the peer closed the connection")
        tree = tree_of(self.chunks)
        path = tuple(tree.inclusion(said.index, tree.size))
        return Reply(Chunk.step, payload(Chunk(index=said.index, sealed=self.chunks[said.index], path=path)))


class Busy(Cheat):
    """An honest merchant who has a bug at his first request."""

    async def ask(self, said: ChunkOf) -> Reply:
        if not self.asked:
            self.asked += 1
            refusal = Refusal(request=unsigned(said).signed.hash, why=Why.INCIDENT.value, detail="17", evidence=())
            return Reply(Refusal.step, encode(Signer(NETWORK, key_of("merchant")).sign(refusal)))
        return await super().ask(said)


class Silent(Cheat):
    """Who never answers."""

    async def ask(self, said: ChunkOf) -> Reply:
        self.asked += 1
        return await trio.sleep_forever()


def tree_of(chunks: list[bytes]) -> Tree:
    return Tree.from_leaves(b"".join(leaf_hash(chunk) for chunk in chunks))


def offered(scene: Scene, chunks: list[bytes], **contract: object) -> bytes:
    """The consumer holds a P1 of the merchant over these sealed chunks; the purchase is returned."""
    purchase = scene.buy()
    scene.lost = lambda line: line.kind is ChunkOf
    for errand in scene.consumer.store.errands.due(scene.now, most=9):
        if isinstance(errand.message, Order):
            reply = scene.expect(scene.say("consumer", scene.merchant, errand.said))
            terms = decode(reply.body)  # type: ignore[union-attr]
            assert isinstance(terms, GoodsM)
            terms = replace(terms, contract=replace(terms.contract, **contract), root=tree_of(chunks).root())
            signed = Signer(NETWORK, key_of("merchant")).sign(terms)
            scene.consumer.takes(frame(signed, 1), answers=errand)
    return purchase


@asynccontextmanager
async def working(scene: Scene, dialer: Cheat, folder: Path) -> AsyncIterator[TurnQueue]:
    """The consumer's jobs, for the time of the block."""
    queue = queue_of(scene.consumer.party, scene.consumer.store, folder, clock=lambda: scene.now)
    data = Folder(folder)
    jobs = Jobs(
        *(queue, scene.consumer.store),
        network=scene.network,
        dialer=dialer,  # type: ignore[arg-type]
        folder=data,
        incidents=queue.incidents,
        tracer=Tracer("consumer"),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(queue.run)
        await nursery.start(jobs.run)
        yield queue
        nursery.cancel_scope.cancel()
    data.close()
    assert queue.incidents.count == 0


async def until(happened: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not happened():
            await trio.sleep(0.01)


@pytest.mark.parametrize("first", [TAG_BYTES, CHUNK_BYTES + TAG_BYTES - 1])
async def test_sealed_goods_that_do_not_fit_their_contract_are_not_fetched_again(tmp_path: Path, first: int) -> None:
    """Each chunk is under the root that the merchant signed, and yet no file can be made of them."""
    scene = Scene(tmp_path)
    scene.prepare()
    chunks = [bytes(first), bytes(1 + TAG_BYTES)]
    purchase = offered(scene, chunks, size=CHUNK_BYTES + 1)
    cheat = Cheat(chunks)

    async with working(scene, cheat, tmp_path / "data"):
        await until(lambda: scene.consumer.store.purchase(purchase).state == "refused")

    assert cheat.asked <= 2
    assert "do not fit their contract" in scene.purchase(purchase).detail


async def test_what_has_come_before_a_connection_breaks_is_not_asked_for_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.prepare()
    count, asked_at_once = 40, CHUNKS_IN_FLIGHT_MAX
    chunks = [bytes([each]) * (CHUNK_BYTES + TAG_BYTES) for each in range(count)]
    purchase = offered(scene, chunks, size=count * CHUNK_BYTES)
    merchant = Cheat(chunks, leaves_at=30)

    async with working(scene, merchant, tmp_path / "data"):
        await until(lambda: not scene.consumer.store.jobs())

    assert scene.purchase(purchase).state == "timing"
    assert merchant.asked <= count + asked_at_once


async def test_goods_that_cannot_be_handed_out_now_are_asked_for_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.prepare()
    chunks = [bytes(1 + TAG_BYTES)]
    purchase = offered(scene, chunks, size=1)

    async with working(scene, Busy(chunks), tmp_path / "data"):
        await until(lambda: not scene.consumer.store.jobs())

    assert scene.purchase(purchase).state == "timing"


def test_no_item_s_name_leads_to_another_file() -> None:
    names = ["sealed", SEALED_FILE, ".sealed.map", "../../x", "/etc/passwd", "..", "", "a/../b", "a\0b", "\x1b[2J", "é"]

    for name in map(file_name, names):
        assert name
        assert not name.startswith(".")
        assert set(name) & set("/\0\x1b") == set()


async def test_a_download_under_way_ends_when_its_purchase_is_given_up(tmp_path: Path) -> None:
    """However slow the merchant is; and nothing of it is on the disk afterwards."""
    scene = Scene(tmp_path)
    scene.prepare()
    chunks = [bytes(CHUNK_BYTES + TAG_BYTES)] * 2
    purchase, silent = offered(scene, chunks, size=2 * CHUNK_BYTES), Silent(chunks)
    folder = goods_folder(tmp_path / "data", purchase)

    async with working(scene, silent, tmp_path / "data") as queue:
        await until(lambda: silent.asked > 0)
        assert folder.exists()
        await queue.ask(queue.request(Discard(purchase=purchase), owner=True))
        await until(lambda: not scene.consumer.store.jobs())

    assert not folder.exists()
