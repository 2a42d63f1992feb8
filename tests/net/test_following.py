"""Following a log through the relay: one circuit as long as an outcome is awaited; where it breaks, nothing is missed.

A real consumer, log and relay on real sockets. The sale was begun without a network and waits for its commit; strangers
commit theirs meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
import trio.testing

from anonnet.crypto.keys import SigningKey
from anonnet.limits import ENTRIES_MAX, FOLLOW_REPLY_SECONDS, FOLLOW_SECONDS
from anonnet.net.answering import Asker
from anonnet.net.connection import Connection
from anonnet.net.dialing import Dialer, Direct, ThroughRelay
from anonnet.net.errands import Runner
from anonnet.net.following import Following
from anonnet.net.front import Front
from anonnet.net.incidents import Incidents
from anonnet.net.relay import Relay
from anonnet.net.serving import Server, channel_handler, listen
from anonnet.net.trace import Tracer
from anonnet.net.turns import Placement, TurnQueue
from anonnet.parties.mirror import Mirror
from anonnet.parties.turn import Party
from anonnet.protocol.known_log import CHAIN, shard_of
from anonnet.protocol.logbook import Follow
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.purchase import AuthorizationM, Commit
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.store.base import Store
from anonnet.store.errands import Errand
from anonnet.store.mirror import MirrorStore
from anonnet.wire.codec import decode
from anonnet.wire.frames import Frame
from anonnet.wire.signed import Signed, Signer, unsigned
from tests.paper.scenes import LEAD, Scene
from tests.stage import NETWORK, key_of

from .parties import STATIC_SECRETS, Counting, free_port, new_peer, queue_of

SECONDS = FOLLOW_SECONDS - 5
"""Whoever hears of an entry only when a held follow ends is too late for any test here."""
COMMITS = 20


@dataclass
class Heard:
    """One connection to the log: the steps that were asked on it, and where it followed from."""

    steps: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)


@dataclass
class Ear:
    """Answers one connection, and remembers what it was asked."""

    front: Front
    heard: Heard

    async def admit(self) -> None:
        await self.front.admit()

    def begin(self, request: Frame, asker: Asker) -> None:
        self.heard.steps.append(request.step)
        if request.step == Follow.step:
            follow = decode(request.payload)
            assert isinstance(follow, Follow)
            if follow.shard != CHAIN:
                self.heard.starts.append(follow.start)
        self.front.begin(request, asker)


@dataclass
class Street:
    """A scene whose log, relay and consumer stand on sockets; each can be stopped and started again."""

    scene: Scene
    folder: Path
    nursery: trio.Nursery
    network: Network
    log: Peer
    relay: Peer
    relaying: Relay | None = None
    connections: list[Heard] = field(default_factory=list)
    scopes: dict[str, trio.CancelScope] = field(default_factory=dict)
    mirrored: MirrorStore = field(default_factory=MirrorStore)
    strangers: int = 0

    async def start(self, name: str) -> None:
        run = {
            "log": self._serve_log,
            "relay": self._serve_relay,
            "wallet": self._run_wallet,
            "mirror": self._run_mirror,
        }[name]
        self.scopes[name] = await self.nursery.start(self._scoped, run)

    async def _scoped(
        self, work: Callable[[trio.Nursery], object], *, task_status: trio.TaskStatus[trio.CancelScope]
    ) -> None:
        async with trio.open_nursery() as nursery:
            await work(nursery)  # type: ignore[misc]
            task_status.started(nursery.cancel_scope)

    def stop(self, name: str) -> None:
        """As if it had been killed: every connection of it is cut."""
        self.scopes[name].cancel()

    def queue(self, party: Party, store: Store) -> TurnQueue:
        placement = Placement.INLINE  # so that a test may look into the store
        return queue_of(party, store, self.folder, clock=lambda: self.scene.now, placement=placement)

    async def _serve_log(self, nursery: trio.Nursery) -> None:
        log = self.scene.log
        queue, server = self.queue(log.party, log.store), Server(Incidents(self.folder, Counting()))

        def front(channel: bytes) -> Ear:
            self.connections.append(Heard())
            return Ear(Front(queue, Tracer("log"), channel), self.connections[-1])

        handle = channel_handler(
            *(server, self.log),
            network=self.network.name,
            static_secret=STATIC_SECRETS[self.log.identity],
            front=front,  # type: ignore[arg-type]
        )
        await nursery.start(queue.run)
        nursery.start_soon(server.serve, await listen(self.log.host, self.log.port), handle)

    async def _serve_relay(self, nursery: trio.Nursery) -> None:
        incidents = Incidents(self.folder, Counting())
        self.relaying = Relay(self.network, self.relay, STATIC_SECRETS[self.relay.identity], incidents=incidents)
        nursery.start_soon(self.relaying.serve, await listen(self.relay.host, self.relay.port))

    async def _run_wallet(self, nursery: trio.Nursery) -> None:
        consumer = self.scene.consumer
        await self._run_party(nursery, consumer.party, consumer.store, ThroughRelay(self.network, None, self.relay))

    async def _run_mirror(self, nursery: trio.Nursery) -> None:
        key = key_of("mirror")
        party = Mirror(Signer(NETWORK, key), key, self.scene.network.logs)
        await self._run_party(nursery, party, self.mirrored, Direct(self.network))

    async def _run_party(self, nursery: trio.Nursery, party: Party, store: Store, dialer: Dialer) -> None:
        queue = self.queue(party, store)
        runner = Runner(
            queue,
            store.errands,
            network=self.network,
            dialer=dialer,
            incidents=queue.incidents,
            tracer=Tracer("follower"),
        )
        await nursery.start(queue.run)
        await nursery.start(runner.run)

    # What happens and what can be seen.

    async def commit(self, *authorizations: Signed) -> None:
        """Bring P4s to the log all at once, as merchants do."""

        async def ask(authorization_m: Signed) -> None:
            assert (await connection.ask(authorization_m)).step == Commit.step

        async with await Direct(self.network).connect(self.log) as connection, trio.open_nursery() as nursery:
            for each in authorizations:
                nursery.start_soon(ask, each)

    async def strangers_commit(self, times: int = 1) -> None:
        """Some other merchant's sales commit."""
        await self.commit(*(self._stranger() for _ in range(times)))

    def _stranger(self) -> Signed:
        self.strangers += 1
        key = SigningKey(hashlib.sha256(b"stranger").digest())
        k = hashlib.sha256(b"%d" % self.strangers).digest()
        transaction = Transaction(
            number=number_of(key.public, k),
            expiration=self.scene.now + LEAD,
            merchant=key.public,
            log=self.log.identity,
        )
        return Signer(NETWORK, key).sign(AuthorizationM(transaction=transaction, key=k))

    @property
    def cursor(self) -> int:
        """How far the wallet has read."""
        store = self.scene.consumer.store
        errands = [errand.message for errand in store.errands.due(self.scene.now, most=store.errands.count())]
        return max((each.start for each in errands if isinstance(each, Follow) and each.shard != CHAIN), default=-1)

    async def hears_strangers(self, times: int) -> None:
        """Strangers commit, and the wallet reads each of it before the next."""
        for _ in range(times):
            before = self.cursor
            await self.strangers_commit()
            await self.so(lambda before=before: self.cursor > before)  # type: ignore[misc]

    async def is_mirrored(self) -> None:
        """The mirror has all that the log has."""
        shard = shard_of(self.scene.now + LEAD)
        size = self.scene.log.store.size(shard)

        def copied() -> bool:
            copy = self.mirrored.copy(self.log.identity, shard)
            return copy is not None and copy.size == size

        await self.so(copied)

    async def so(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; the test's deadline ends it."""
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.001)

    @property
    def state(self) -> str:
        (id,) = self.scene.consumer.store.purchases(most=9)
        bought = self.scene.consumer.store.purchase(id)
        assert bought is not None
        state: str = bought.state
        return state

    @property
    def followed_on(self) -> list[Heard]:
        """The connections on which an outcome was followed."""
        return [each for each in self.connections if each.starts]


@asynccontextmanager
async def street(folder: Path) -> AsyncIterator[Street]:
    """The consumer waits for a commit, and her merchant is silent. Log, relay and wallet run."""
    scene = Scene(folder)
    scene.prepare()
    scene.lost = lambda line: line.kind in (AuthorizationM, Follow)
    scene.buy()
    scene.settle()
    relay, log = free_port(Role.RELAY, "relay"), free_port(Role.LOG, "log")
    real = next(peer for peer in scene.network.peers if peer.role is Role.LOG)
    STATIC_SECRETS[real.identity] = STATIC_SECRETS[log.identity]
    real = replace(real, channel_key=log.channel_key, port=log.port)
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            made = Street(scene, folder, nursery, Network(NETWORK, (real, relay)), real, relay)
            for name in ("log", "relay", "wallet"):
                await made.start(name)
            yield made
            nursery.cancel_scope.cancel()


async def test_an_outcome_is_followed_on_one_circuit_and_heard_of_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as made:
        await made.hears_strangers(COMMITS)  # each in much less time than a follow is held
        await made.commit(mine(made))
        await made.so(lambda: made.state == "committed")

        (heard,) = made.followed_on
        assert set(heard.steps) == {Follow.step}, "nothing else is asked on this circuit"
        assert len(heard.starts) == COMMITS + 1
        assert heard.starts == sorted(set(heard.starts)), "each is asked from where the last one ended"


async def test_the_circuit_ends_when_nothing_is_awaited_any_more(tmp_path: Path) -> None:
    async with street(tmp_path) as made:
        await made.hears_strangers(1)
        await made.commit(mine(made))
        await made.so(lambda: made.state == "committed")
        await made.so(lambda: made.relaying is not None and not made.relaying.door.inside)

        assert len(made.followed_on) == 1


@pytest.mark.parametrize("broken", ["relay", "log", "wallet"])
async def test_what_breaks_is_followed_on_from_where_a_bundle_begins_and_nothing_is_missed(
    tmp_path: Path, broken: str
) -> None:
    async with street(tmp_path) as made:
        await made.hears_strangers(3)
        made.stop(broken)
        if broken != "log":
            await made.commit(mine(made))  # while she does not hear
        await made.start(broken)
        if broken == "log":
            await made.commit(mine(made))
        await made.so(lambda: made.state == "committed")

        assert made.cursor == -1
        assert len(made.followed_on) == 2
        assert [heard.starts[0] % ENTRIES_MAX for heard in made.followed_on] == [0, 0], "a start is no cookie"


def mine(made: Street) -> Signed:
    """P4 of the sale that the consumer waits for, which her merchant has kept back."""
    (errand,) = [
        each
        for each in made.scene.merchant.store.errands.due(made.scene.now, most=9)
        if isinstance(each.message, AuthorizationM)
    ]
    return errand.request


async def test_a_mirror_asks_once_for_what_comes_to_a_bundle(tmp_path: Path) -> None:
    async with street(tmp_path) as made:
        made.stop("wallet")
        await made.strangers_commit(ENTRIES_MAX - COMMITS)
        asked = len(made.followed_on)
        await made.start("mirror")
        await made.is_mirrored()
        for _ in range(COMMITS):  # one after the other, beyond the end of the bundle
            await made.strangers_commit()
            await made.is_mirrored()

        (heard,) = made.followed_on[asked:]
        assert sorted(set(heard.starts)) == [0, ENTRIES_MAX]
        assert heard.starts.count(ENTRIES_MAX) == 1


@pytest.mark.parametrize("broken", ["mirror", "log"])
async def test_a_mirror_that_is_told_no_more_asks_again(tmp_path: Path, broken: str) -> None:
    async with street(tmp_path) as made:
        made.stop("wallet")
        await made.start("mirror")
        await made.strangers_commit()
        await made.is_mirrored()
        made.stop(broken)
        await made.start(broken)
        for _ in range(2):
            await made.strangers_commit()
            await made.is_mirrored()


async def test_a_connection_that_has_silently_died_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    dialed: list[object] = []

    class Deaf:
        async def connect(self, peer: Peer) -> Connection:
            ours, theirs = trio.testing.memory_stream_pair()
            dialed.append(theirs)
            return Connection(ours, reply_seconds=1e9)

    log = new_peer(Role.LOG, "log")
    following = Following(Deaf())  # type: ignore[arg-type]
    asked = unsigned(Follow(log=log.identity, shard=1, start=3)).signed
    errand = Errand(hash=asked.hash, receiver=log.identity, subject=log.identity, request=asked)
    for tries in (1, 2):
        began = trio.current_time()
        with pytest.raises(TimeoutError), following.reading(log) as reading:
            await reading.next(errand)
        assert trio.current_time() - began == FOLLOW_REPLY_SECONDS
        assert (len(dialed), following.logs) == (tries, [])
