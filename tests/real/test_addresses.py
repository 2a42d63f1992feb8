"""Nobody but the relay learns the consumer's address (paper, section "Assumptions": an anonymizer).

Seen from outside, by every packet on the loopback device. The same eyes do see her where she dials directly, so the
test can fail.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.network import LocalNetwork

from .processes import SMALL, check_money, network, open_shop, told

pytestmark = [pytest.mark.real, pytest.mark.root]

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
ETHERNET_BYTES = 14
IPV4 = 0x0800
SOL_PACKET, PACKET_STATISTICS = 263, 6
STATISTICS = struct.Struct("=II")  # packets, drops since it was last asked
BUFFER_BYTES = 64 * 1024 * 1024

Pair = frozenset[str]


@pytest.fixture
def loopback() -> Iterator[socket.socket]:
    """A socket that gets every packet on lo."""
    if not hasattr(socket, "AF_PACKET"):
        pytest.skip("NOT TESTED: who learns the consumer's address; it needs Linux's packet sockets")
    try:
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    except PermissionError:
        pytest.skip("NOT TESTED: who learns the consumer's address; it needs root, to see packets on the loopback")
    with sniffer:
        with suppress(PermissionError):
            sniffer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        sniffer.bind(("lo", 0))
        sniffer.setblocking(False)
        yield sniffer


@asynccontextmanager
async def seen(loopback: socket.socket) -> AsyncIterator[set[Pair]]:
    """The pairs of addresses between which packets went during the block."""
    pairs: set[Pair] = set()
    with trio.socket.from_stdlib_socket(loopback) as packets:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                while True:
                    packet = await packets.recv(64)
                    if struct.unpack_from(">H", packet, 12) == (IPV4,):
                        source, target = packet[ETHERNET_BYTES + 12 :][:4], packet[ETHERNET_BYTES + 16 :][:4]
                        pairs.add(frozenset((socket.inet_ntoa(source), socket.inet_ntoa(target))))

            nursery.start_soon(listen)
            yield pairs
            nursery.cancel_scope.cancel()
        _, drops = STATISTICS.unpack(packets.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size))
        assert not drops, "packets went by unseen, so this run has shown nothing"


def addresses(local: LocalNetwork) -> dict[str, str]:
    """From where each party dials, and where it is reached."""
    return {name: read_setup(each.folder, each.kind).bind for name, each in local.daemons.items()}


async def everything(local: LocalNetwork) -> None:
    """All that a consumer does: account, withdrawal, catalogue, a purchase with its goods, a statement."""
    await open_shop(local, os.urandom(SMALL))
    await told(local.home, "wallet", "catalogue", "merchant")
    assert (await told(local.home, "wallet", "buy", "goods"))["outcome"] == "done"
    await check_money(local)


async def test_only_the_relay_sees_the_consumers_address(tmp_path: Path, loopback: socket.socket) -> None:
    async with seen(loopback) as pairs, network(tmp_path) as local:
        at = addresses(local)
        await everything(local)

    assert len(set(at.values())) == len(at)
    assert {pair for pair in pairs if at[Kind.CONSUMER] in pair} == {frozenset((at[Kind.CONSUMER], at[Kind.RELAY]))}
    for kind in (Kind.BANK, Kind.MERCHANT, Kind.LOG):
        assert frozenset((at[Kind.RELAY], at[kind])) in pairs


async def test_the_same_eyes_see_who_dials_directly(tmp_path: Path, loopback: socket.socket) -> None:
    async with seen(loopback) as pairs, network(tmp_path, direct=True) as local:
        at = addresses(local)
        await everything(local)

    for kind in (Kind.BANK, Kind.MERCHANT, Kind.LOG):
        assert frozenset((at[Kind.CONSUMER], at[kind])) in pairs
