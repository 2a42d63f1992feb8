"""A whole daemon: listener, control socket, turns, errands, stop. Real sockets on loopback, absolute timeouts."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from anonnet.errors import BadStart, Fatal
from anonnet.limits import CONNECTIONS_KEPT, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, WATCHERS_MAX
from anonnet.net.connection import Connection
from anonnet.net.control import SOCKET_FILE, control
from anonnet.net.daemon import Running, Until, run_party, run_relay, signalled
from anonnet.net.dialing import Direct, dial_tcp
from anonnet.net.serving import Door
from anonnet.parties.turn import Party
from anonnet.protocol.forwarding import Forward, Forwarded, Unreached
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.steps import Step
from anonnet.protocol.watching import Happened, Health, HealthOf, Watch
from anonnet.store.folder import Folder
from anonnet.wire.codec import decode, encode

from .parties import (
    STATIC_SECRETS,
    More,
    Note,
    Noted,
    NoteStore,
    Send,
    Tally,
    Visitor,
    free_port,
    network_of,
    new_peer,
    signer,
)

SECONDS = 20
NOTE = encode(Note(text="one"))


@asynccontextmanager
async def daemon(
    party: Party, store: NoteStore, path: Path, network: Network, peer: Peer | None = None, until: Until | None = None
) -> AsyncIterator[Running]:
    """Run a daemon for the time of the block, stop it gracefully behind it."""
    stop = trio.Event()
    with trio.fail_after(SECONDS), Folder(path) as folder:
        async with trio.open_nursery() as nursery:

            async def run(task_status: trio.TaskStatus[Running]) -> None:
                await run_party(
                    *(party, store),
                    name=peer.name if peer else "visitor",
                    network=network,
                    dialer=Direct(network, "127.0.0.2"),
                    folder=folder,
                    peer=peer,
                    static_secret=STATIC_SECRETS[peer.identity] if peer else None,
                    until=until or stop.wait,
                    task_status=task_status,
                )

            yield await nursery.start(run)
            stop.set()


@asynccontextmanager
async def tally_daemon(
    path: Path, store: NoteStore | None = None, port: int = 0, until: Until | None = None
) -> AsyncIterator[tuple[Peer, Running]]:
    """A tally that can be reached at the peer that comes with it."""
    peer = new_peer(Role.BANK, "tally", port=port)
    async with daemon(Tally(signer()), store or NoteStore(), path, network_of(peer), peer, until) as running:
        assert running.port is not None
        yield replace(peer, port=running.port), running


async def test_requests_are_answered_over_tcp(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, _):
        dialer = Direct(network_of(peer), "127.0.0.3")
        assert decode((await dialer.ask(peer, Note(text="one"))).payload) == Noted(count=1, padding=b"")
        assert decode((await dialer.ask(peer, Note(text="two"))).payload) == Noted(count=2, padding=b"")
        await dialer.aclose()


async def test_strangers_of_many_addresses_leave_room_to_the_hosts_of_the_network_file(tmp_path: Path) -> None:
    tally, other = new_peer(Role.BANK, "tally"), new_peer(Role.LOG, "other", host="127.0.0.41")
    network = network_of(tally, other)
    async with AsyncExitStack() as held:
        running = await held.enter_async_context(daemon(Tally(signer()), NoteStore(), tmp_path / "t", network, tally))
        assert running.port is not None
        for number in range(CONNECTIONS_MAX - CONNECTIONS_KEPT):
            stranger = f"127.0.0.{42 + number // CONNECTIONS_PER_ADDRESS_MAX}"
            await held.enter_async_context(await dial_tcp(tally.host, running.port, stranger))
        for known in other.host, tally.host:
            dialer = Direct(network, known)
            await dialer.ask(replace(tally, port=running.port), Note(text="one"))
            await dialer.aclose()
        with pytest.raises(ConnectionError):
            await Direct(network, "127.0.0.49").ask(replace(tally, port=running.port), Note(text="two"))


def test_a_door_counts_who_has_a_network_of_ipv6_as_one_and_known_hosts_by_themselves() -> None:
    door = Door(total_max=9, per_address_max=2, kept=3, known=["2001:DB8::0:1", "192.0.2.1"])
    assert [door.enter(f"2001:db8::{host}") for host in (2, 3, 4, 1, 1, 1)] == [True, True, False, True, True, False]
    assert [door.enter(f"::ffff:198.51.100.{host}") for host in (1, 1, 1, 2, 3)] == [True, True, False, False, False]
    assert [door.enter("::ffff:192.0.2.1") for _ in range(3)] == [True, True, False]
    door.leave("2001:db8::2")
    assert door.inside == 7


async def test_an_errand_is_sent_and_its_answer_brought_back(tmp_path: Path) -> None:
    async with (
        tally_daemon(tmp_path / "t") as (peer, _),
        daemon(Visitor(signer()), store := NoteStore(), tmp_path / "v", network_of(peer)),
        control(tmp_path / "v") as owner,
    ):
        await owner.ask(Send(text="hello", receiver=peer.identity))
        while not store.count():
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert not store.errands.count()


async def test_the_owner_has_a_request_forwarded(tmp_path: Path) -> None:
    down = new_peer(Role.LOG, "down", port=1)
    async with tally_daemon(tmp_path / "t") as (peer, _):
        network = network_of(peer, down)
        async with daemon(Visitor(signer()), NoteStore(), tmp_path / "v", network), control(tmp_path / "v") as owner:
            forwarded = decode((await owner.ask(Forward(receiver=peer.identity, request=NOTE))).payload)
            assert isinstance(forwarded, Forwarded)
            assert decode(forwarded.answer) == Noted(count=1, padding=b"")
            unreached = decode((await owner.ask(Forward(receiver=down.identity, request=NOTE))).payload)
            assert isinstance(unreached, Unreached)
            reply = await owner.ask(Forward(receiver=bytes(32), request=NOTE))
            assert reply.step == Step.REFUSED
            with pytest.raises(ConnectionError):
                await owner.ask(Forward(receiver=peer.identity, request=b"no message"))


async def test_a_kept_connection_that_has_ended_is_dialed_again(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, _):
        dialer = Direct(network_of(peer))
        await dialer.ask(peer, Note(text="one"))
    async with daemon(Tally(signer()), NoteStore(), tmp_path / "t", network_of(peer), peer):
        reply = await dialer.ask(peer, Note(text="one"))
        assert decode(reply.payload) == Noted(count=1, padding=b"")
    await dialer.aclose()


async def test_a_kept_connection_that_has_died_without_a_word_is_dialed_again(tmp_path: Path) -> None:
    tally = Tally(signer())
    peer = new_peer(Role.BANK, "tally")
    async with daemon(tally, NoteStore(), tmp_path / "t", network_of(peer), peer) as running:
        assert running.port is not None
        dialer = Direct(network_of(peer := replace(peer, port=running.port)), reply_seconds=0.2)
        tally.gate.clear()
        with pytest.raises(TimeoutError):
            await dialer.ask(peer, Note(text="finish"))
        silent = dialer._kept[peer.identity]
        tally.gate.set()
        dialer._reply_seconds = SECONDS
        await dialer.ask(peer, Note(text="one"))
        assert dialer._kept[peer.identity] is not silent
        await dialer.aclose()


async def first_step(owner: Connection) -> Happened:
    """What the owner is told first."""
    async with aclosing(owner.listen(Watch())) as steps:
        told = decode((await anext(steps)).payload)
    assert isinstance(told, Happened)
    return told


async def test_who_has_watched_and_gone_leaves_his_place_to_others(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, _):
        for _ in range(2 * WATCHERS_MAX):
            async with control(tmp_path / "t") as owner, trio.open_nursery() as nursery:
                nursery.start_soon(first_step, owner)
                await trio.testing.wait_all_tasks_blocked()
                await owner.ask(HealthOf())
                nursery.cancel_scope.cancel()
        dialer = Direct(network_of(peer))
        async with control(tmp_path / "t") as owner, trio.open_nursery() as nursery:

            async def ask() -> None:
                while True:
                    await dialer.ask(peer, Note(text="one"))

            nursery.start_soon(ask)
            with trio.fail_after(SECONDS):
                await first_step(owner)
            nursery.cancel_scope.cancel()
        await dialer.aclose()


async def test_the_owner_watches_the_steps(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, _), control(tmp_path / "t") as watching:
        dialer = Direct(network_of(peer))
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                while True:
                    await dialer.ask(peer, Note(text="one"))

            nursery.start_soon(ask)
            steps = watching.listen(Watch())
            told = [decode((await anext(steps)).payload) for _ in range(2)]
            await steps.aclose()
            nursery.cancel_scope.cancel()
        assert [(each.step_name, each.sender, each.receiver) for each in told] == [
            ("60001", "", "tally"),
            ("60002", "tally", ""),
        ]
        await dialer.aclose()


async def test_the_control_socket_and_its_folder_are_closed_to_others(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t"):
        assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "t" / "control.sock").stat().st_mode) == 0o600


async def test_a_stale_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        async with tally_daemon(tmp_path / "t"), control(tmp_path / "t") as owner:
            await owner.ask(Note(text="one"))
        assert (tmp_path / "t" / "control.sock").exists()


async def test_a_stop_answers_what_is_under_way_and_who_waits_for_news(tmp_path: Path) -> None:
    stopped = []
    async with trio.open_nursery() as nursery, tally_daemon(tmp_path / "t") as (peer, running):
        dialer = Direct(network_of(peer))

        async def follow() -> None:
            stopped.append(decode((await dialer.ask(peer, More(than=0))).payload))

        nursery.start_soon(follow)
        while not running.queue.turns:
            await trio.testing.wait_all_tasks_blocked(0.01)
    assert stopped == [Noted(count=0, padding=b"")]
    await dialer.aclose()


async def test_a_failed_commit_ends_the_daemon_and_nobody_is_answered(tmp_path: Path) -> None:
    store = NoteStore()
    answers = []

    async def lose() -> None:
        async with tally_daemon(tmp_path / "t", store) as (peer, _):
            dialer = Direct(network_of(peer))
            store.broken = True
            try:
                answers.append(await dialer.ask(peer, Note(text="lost")))
            finally:
                with trio.CancelScope(shield=True):
                    await dialer.aclose()

    with pytest.raises(BaseExceptionGroup) as ended:
        await lose()
    assert ended.value.subgroup(Fatal) is not None
    assert not answers


async def test_sigterm_is_a_graceful_stop(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t", until=signalled) as (peer, _):
        dialer = Direct(network_of(peer))
        await dialer.ask(peer, Note(text="one"))
        await dialer.aclose()
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("text", "turns"), [("bug at the door", 1), ("silent", 2)])
async def test_a_bug_before_or_behind_a_turn_closes_that_connection_only(tmp_path: Path, text: str, turns: int) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, running):
        first, second = Direct(network_of(peer)), Direct(network_of(peer))
        await first.ask(peer, Note(text="one"))
        with pytest.raises(ConnectionError):
            await second.ask(peer, Note(text=text))
        refusal = await first.ask(peer, Note(text="refused at the door"))
        assert refusal.step == Step.REFUSED
        assert running.incidents.count == 1
        async with control(tmp_path / "t") as owner:
            health = decode((await owner.ask(HealthOf())).payload)
        assert health == Health(incidents=1, turns=turns, commits=turns, connections=1)
        await first.aclose()
        await second.aclose()


async def test_a_relay_tells_its_owner_how_it_is_and_nothing_else(tmp_path: Path) -> None:
    relay = new_peer(Role.RELAY, "relay")
    stop = trio.Event()
    with trio.fail_after(SECONDS), Folder(tmp_path / "r") as folder:
        async with trio.open_nursery() as nursery:
            secret = STATIC_SECRETS[relay.identity]
            serve = partial(run_relay, static_secret=secret, folder=folder, until=stop.wait)
            await nursery.start(serve, network_of(relay), relay)
            async with control(tmp_path / "r") as owner:
                health = decode((await owner.ask(HealthOf())).payload)
                assert health == Health(incidents=0, turns=0, commits=0, connections=0)
                with pytest.raises(ConnectionError):
                    await owner.ask(Watch())
            stop.set()


async def test_a_second_daemon_on_the_folder_does_not_start(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t"):
        with pytest.raises(BadStart, match="data folder in use"):
            Folder(tmp_path / "t")


async def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    async with tally_daemon(tmp_path / "t") as (peer, _):
        with pytest.raises(BaseExceptionGroup) as ended:
            async with tally_daemon(tmp_path / "u", port=peer.port):
                pass
        assert ended.value.subgroup(BadStart) is not None


async def test_whoever_gets_an_answer_from_its_owner_s_socket_finds_its_port_open(tmp_path: Path) -> None:
    peer = free_port(Role.BANK, "tally")
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:

            async def knock() -> None:
                while not (tmp_path / "tally" / SOCKET_FILE).exists():
                    await trio.lowlevel.checkpoint()
                await (await trio.open_tcp_stream(peer.host, peer.port)).aclose()

            nursery.start_soon(knock)
            async with daemon(Tally(signer()), NoteStore(), tmp_path / "tally", network_of(peer), peer):
                pass
