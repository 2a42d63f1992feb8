"""What a consumer's daemon does outside turns: fetch the sealed goods of a purchase, open them after the commit, and
remove what its owner has discarded.

Like errands, jobs are found in the store: one that a stop or a crash interrupts is begun again after the next start,
and a download goes on from the chunks that are there. A purchase's chunks share one connection, since they show nothing
that the order on which they rest does not.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import trio

from anonnet.errors import Malformed
from anonnet.limits import CHUNKS_IN_FLIGHT_MAX, CHUNKS_PER_SYNC, FINISHERS
from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Dialer
from anonnet.net.incidents import Incidents
from anonnet.net.pauses import Pauses
from anonnet.net.trace import Tracer
from anonnet.net.turns import TurnQueue
from anonnet.parties.consumer import Fetched, Opened, Unfetched
from anonnet.parties.discarding import FilesRemoved
from anonnet.protocol.goods import Chunk, ChunkOf
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.outcome import committed
from anonnet.protocol.refusal import NOT_NOW, Refusal
from anonnet.protocol.steps import Step
from anonnet.store.folder import Folder
from anonnet.store.goods import Download, open_goods, sealed_root
from anonnet.store.jobs import FetchGoods, Job, RemoveFiles
from anonnet.store.wallet import Bought, WalletStore
from anonnet.wire.frames import HEADER
from anonnet.wire.signed import payload, received

PLAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
"""What a merchant may put into the name of a file on the consumer's disk."""


SEALED_FILE = ".sealed"
"""The sealed goods beside the opened ones, whose names never begin with a dot."""


def goods_folder(folder: Path, purchase: bytes) -> Path:
    """Where a purchase's files are in a wallet's data folder."""
    return folder / "goods" / purchase.hex()[:16]


def file_name(item: str) -> str:
    """A name for the goods of an item that no path can hide in."""
    plain = "".join(each if each in PLAIN_CHARACTERS else "_" for each in item)
    return plain.lstrip(".") or "goods"


class Jobs:
    """The jobs of one consumer's daemon."""

    def __init__(
        self,
        queue: TurnQueue,
        store: WalletStore,
        *,
        network: Network,
        dialer: Dialer,
        folder: Folder,
        incidents: Incidents,
        tracer: Tracer,
    ) -> None:
        self._queue = queue
        self._store = store
        self._network = network
        self._dialer = dialer
        self._folder = folder.path
        self._incidents = incidents
        self._tracer = tracer
        self._under_way: dict[Job, trio.CancelScope] = {}
        self._pauses = Pauses[Job]()
        self._nursery: trio.Nursery | None = None
        self._limiter = trio.CapacityLimiter(FINISHERS)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do jobs until it is cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._queue.looks.append(self._look)
            self._queue.ring()
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._queue.looks.remove(self._look)

    def folder_of(self, purchase: bytes) -> Path:
        """Where a purchase's files are."""
        return goods_folder(self._folder, purchase)

    def _look(self, now: int) -> float:
        """Between batches: start every job that the store names and nobody does; say when to look again."""
        assert self._nursery is not None
        clock = trio.current_time()
        for job in self._store.jobs():
            if job in self._under_way or not self._pauses.over(job, clock):
                continue
            if isinstance(job, RemoveFiles) and (fetching := self._under_way.get(FetchGoods(job.purchase))):
                fetching.cancel()  # its end rings, and we look again
                continue
            self._under_way[job] = trio.CancelScope()
            self._nursery.start_soon(self._one, job, self._store.purchase(job.purchase))
        return self._pauses.next_over(clock) - clock

    async def _one(self, job: Job, bought: Bought | None) -> None:
        """One try of one job, confined; the pause before the next is twice as long."""

        async def run() -> None:
            if isinstance(job, RemoveFiles):
                await self._remove(job.purchase)
            elif bought is not None:
                await (self._fetch(bought) if isinstance(job, FetchGoods) else self._open(bought))

        began = trio.current_time()
        try:
            with self._under_way[job]:
                await self._incidents.confine(run)
        finally:
            self._pauses.lengthen(job, began)
            del self._under_way[job]
            self._queue.ring()

    # Fetching.

    async def _fetch(self, bought: Bought) -> None:
        """Get the chunks that are missing, then say that all are there. Raises OSError, Malformed."""
        merchant = self._network.peer(bought.buy.merchant)
        assert merchant is not None, "the purchase was begun with a merchant of this network"
        folder = self.folder_of(bought.id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = folder / SEALED_FILE
        with closing(Download(sealed, bought.terms.contract.size)) as download:
            try:
                complaint = await self._fetch_missing(merchant, bought, download)
            finally:
                with trio.CancelScope(shield=True):  # whatever has ended it, what has come is not fetched again
                    await trio.to_thread.run_sync(download.sync, limiter=self._limiter)
        if complaint:
            await self._queue.ask(self._queue.request(Unfetched(bought.id, complaint), owner=True))
            return
        if await trio.to_thread.run_sync(sealed_root, sealed, limiter=self._limiter) != bought.terms.root:
            sealed.unlink()  # the disk has not kept what was checked on arrival: begin anew
            raise OSError(f"{sealed} is not what was written")
        await self._queue.ask(self._queue.request(Fetched(bought.id), owner=True))

    async def _fetch_missing(self, merchant: Peer, bought: Bought, download: Download) -> str:
        """Ask for the missing chunks, several ahead; return why they will not all come, or nothing."""
        missing = iter(download.missing)
        complaints: list[str] = []
        since_sync = 0

        async def fetch(connection: Connection) -> None:
            nonlocal since_sync
            for index in missing:
                chunk = await self._chunk(connection, merchant, bought, index)
                if isinstance(chunk, str):
                    complaints.append(chunk)
                if complaints:
                    return
                assert isinstance(chunk, Chunk)
                download.write(index, chunk.sealed)
                since_sync += 1
                if since_sync >= CHUNKS_PER_SYNC:
                    since_sync = 0
                    await trio.to_thread.run_sync(download.sync, limiter=self._limiter)

        if not download.missing:
            return ""
        async with self._dialer.session(merchant) as connection, trio.open_nursery() as nursery:
            for _ in range(min(CHUNKS_IN_FLIGHT_MAX, len(download.missing))):
                nursery.start_soon(fetch, connection)
        return complaints[0] if complaints else ""

    async def _chunk(self, connection: Connection, merchant: Peer, bought: Bought, index: int) -> Chunk | str:
        """One chunk, checked against P1, or why there will be none. Raises OSError, Malformed."""
        wanted = ChunkOf(merchant=merchant.key, number=bought.terms.number, secret=bought.secret, index=index)
        began = trio.current_time()
        reply = await connection.ask(wanted)
        asked = (wanted.step, HEADER.size + len(payload(wanted)))
        replied = (reply.step, HEADER.size + len(reply.payload))
        self._tracer.exchanged(self._tracer.name, merchant.name, asked=asked, replied=replied, began=began)
        if reply.step == Step.REFUSED:
            why = self._refusal(merchant, reply).why
            if why in NOT_NOW:
                raise OSError(f"the merchant hands out no goods for now: {why}")
            return f"the merchant does not hand out the goods: {why}"
        chunk = received(self._network.name, Chunk, reply.payload).body
        if chunk.index != index:
            raise Malformed("another chunk than was asked for")
        chunk.check_against(bought.terms)
        if len(chunk.sealed) != bought.terms.contract.sealed_bytes(index):  # else it would be fetched for ever
            return "the merchant has signed for sealed goods that do not fit their contract"
        return chunk

    def _refusal(self, merchant: Peer, reply: Reply) -> Refusal:
        refusal = received(self._network.name, Refusal, reply.payload)
        if refusal.signer != merchant.key:
            raise Malformed("a refusal of another merchant")
        return refusal.body

    # Opening.

    async def _open(self, bought: Bought) -> None:
        """Open the goods with the key of the commit, and compare them with the contract. Raises OSError."""
        assert bought.outcome is not None
        contract = bought.terms.contract
        log, transaction = self._network.logs[bought.buy.log], bought.transaction
        recorded = committed(self._network.name, log, bought.outcome, transaction)
        assert recorded is not None, "a purchase has committed only if its place holds P4"
        key = recorded.key
        sealed, into = self.folder_of(bought.id) / SEALED_FILE, self.folder_of(bought.id) / file_name(contract.item)
        try:
            found = await trio.to_thread.run_sync(open_goods, sealed, key, contract.size, into, limiter=self._limiter)
            described = (found.size, found.hash, found.root) == (contract.size, contract.hash, contract.root)
            opened = Opened(bought.id, str(into), described)
        except Malformed:
            opened = Opened(bought.id, "", as_described=False)
        await self._queue.ask(self._queue.request(opened, owner=True))

    # Removing.

    async def _remove(self, purchase: bytes) -> None:
        """Remove all files of a purchase, where there are any, then say so. Raises OSError."""
        folder = self.folder_of(purchase)
        if folder.exists():
            await trio.to_thread.run_sync(shutil.rmtree, folder, limiter=self._limiter)
        await self._queue.ask(self._queue.request(FilesRemoved(purchase), owner=True))
