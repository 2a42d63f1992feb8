"""Alerts in networks of more nodes than can all tell each other: they reach everyone who speaks."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import pytest
from anonnet_daemons.mirror import mirror_of
from anonnet_daemons.serving import Reachable

from anonnet.limits import MESH_NODES_MAX, MESH_PEERS
from anonnet.parties.alerting import Alerting
from anonnet.parties.mesh import neighbours
from anonnet.parties.turn import Party
from anonnet.protocol.breach import Alert
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import Follow
from anonnet.protocol.network import Network, Peer, Role
from anonnet.store import alerts, errands
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.mirror import MirrorStore
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.fork import Fork
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.actor import Actor
from tests.mirrors import KNOWN, MIRRORS, Pen, tick
from tests.stage import NETWORK, NOON, key_of

LOG = Role.LOG, "log"


class Node(Store):
    """What a node remembers that does nothing but hear and tell."""

    def __init__(self) -> None:
        super().__init__(Database(MEMORY, schema=errands.SCHEMA + alerts.SCHEMA))
        self.alerts = alerts.Alerts(self._db)


def nodes(count: int, drawn: bytes) -> dict[bytes, Actor]:
    """A network of so many, each with its own draw."""
    keys = {key_of(f"node-{i}").public: f"node-{i}" for i in range(count)}
    made = {}
    for key, name in keys.items():
        told = neighbours(key, keys, hashlib.sha256(drawn + key).digest())
        party = Party(Signer(NETWORK, key_of(name)), Alerting(NETWORK, {KNOWN.identity: KNOWN}, told))
        made[key] = Actor(name, party, Node(), lambda: NOON, lambda: bytes(32), rerun=False)
    return made


def forked() -> Alert:
    pen = Pen()
    branch = pen.copy()
    pen.write(tick(NOON))
    branch.write(tick(NOON + 1))
    one, other = (SignedCheckpoint.parse(each.notes[2]) for each in (pen, branch))
    return Alert(log=KNOWN.identity, shard=pen.shard, evidence=Fork(one, other).encoded())


def spread(network: dict[bytes, Actor], silent: set[bytes] = frozenset()) -> int:  # type: ignore[assignment]
    """Tell the first node, and let each that hears of it tell on; how many were told how often in all."""
    first = next(key for key in network if key not in silent)
    waiting: deque[tuple[bytes, Any]] = deque([(first, None)])
    told = 0
    while waiting:
        receiver, errand = waiting.popleft()
        told += 1
        if receiver in silent:
            continue
        actor = network[receiver]
        heard = bool(actor.store.alerts.all())
        assert actor.takes(frame(errand.said if errand else forked(), 1)) is not None
        if not heard:
            waiting += [(each.receiver, each) for each in actor.store.errands.due(NOON, most=100)]
    return told


def heard(network: dict[bytes, Actor]) -> set[bytes]:
    return {key for key, actor in network.items() if actor.store.alerts.against(KNOWN.identity)}


@pytest.mark.parametrize("count", [MESH_NODES_MAX, MESH_NODES_MAX + 1, 2 * MESH_NODES_MAX])
def test_an_alert_reaches_every_node(count: int) -> None:
    network = nodes(count, b"draw")

    told = spread(network)

    assert heard(network) == set(network)
    assert told == 1 + count * (count - 1 if count <= MESH_NODES_MAX else MESH_PEERS)


def test_a_quarter_of_silent_nodes_keeps_it_from_nobody() -> None:
    network = nodes(48, b"draw")
    silent = set(list(network)[1::4])

    spread(network, silent)

    assert heard(network) == set(network) - silent


def test_whatever_is_drawn_leads_round_to_everyone() -> None:
    """Even where all have drawn the same: nobody depends on chance alone."""
    keys = [bytes([i]) * 32 for i in range(100)]
    for drawn in (bytes([i]) for i in range(20)):
        told = {key: neighbours(key, keys, drawn) for key in keys}
        reached, at = set[bytes](), [keys[0]]
        while at:
            key = at.pop()
            if key not in reached:
                reached.add(key)
                at += told[key]

        assert reached == set(keys)
        assert all(len(set(each)) == MESH_PEERS for each in told.values())
        assert all(key not in each for key, each in told.items())


def test_another_start_draws_others() -> None:
    keys = [bytes([i]) * 32 for i in range(100)]

    assert neighbours(keys[0], keys, b"one") == neighbours(keys[0], keys, b"one")
    assert neighbours(keys[0], keys, b"one") != neighbours(keys[0], keys, b"two")


def test_every_mirror_of_a_large_network_compares_logs_with_all_others() -> None:
    """Also where banks and merchants take most of the places among those whom it tells of alerts."""
    known, pen = KnownLog(KNOWN.key), Pen(KnownLog(KNOWN.key))
    pen.write(tick(NOON))
    merchants = [f"merchant-{i}" for i in range(2 * MESH_NODES_MAX)]
    named = [*((Role.MERCHANT, name) for name in merchants), *((Role.MIRROR, name) for name in MIRRORS)]
    peers = [Peer(role, name, key_of(name).public, bytes(32), "127.0.0.1", 1) for role, name in (*named, LOG)]
    network, mirrors = Network(NETWORK, tuple(peers)), {key_of(name).public for name in MIRRORS}
    for name in MIRRORS:
        peer = next(each for each in peers if each.name == name)
        found = Reachable(None, network, peer, Signer(NETWORK, key_of(name)), bytes(32))  # type: ignore[arg-type]
        mirror = Actor(name, mirror_of(found, key_of(name)), MirrorStore(), lambda: NOON, lambda: bytes(32))
        mirror.remind()
        for errand in mirror.store.errands.of(known.identity):
            if isinstance(errand.message, Follow) and errand.message.shard == pen.shard:
                mirror.takes(frame(pen.answer(errand.message), 1), answers=errand)

        asked = mirror.store.errands.of(known.origin(pen.shard).encode())

        assert {each.receiver for each in asked} == mirrors - {peer.key}
