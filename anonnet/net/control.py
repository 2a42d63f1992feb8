"""The owner's Unix socket in the data folder: the same frames as on TCP, without Noise.

Only the owner may speak there: the folder is closed to others, the socket has mode 0600, and the kernel is asked who is
at the other end. Its requests reach the party as the owner's. Some are answered here, because they are about the
outside: `watch` tells every step as it happens, `forward` asks another party, `statement_at` signs the channel that it
asks on.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from anonnet.errors import BadStart, Malformed, Refused, Why
from anonnet.net.answering import Asker
from anonnet.net.connection import Connection, Reply
from anonnet.net.dialing import Dialer
from anonnet.net.front import Front
from anonnet.net.trace import Tracer
from anonnet.protocol.account import StatementOf
from anonnet.protocol.forwarding import Forward, Forwarded, StatementAt, Unreached
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.refusal import DETAIL_MAX
from anonnet.protocol.watching import Health, HealthOf, Watch
from anonnet.wire.codec import STEPS, Message, decode, decode_record, step_of
from anonnet.wire.frames import Frame
from anonnet.wire.signed import Signed, unsigned

SOCKET_FILE = "control.sock"
PATH_BYTES_MAX = 103 if sys.platform == "darwin" else 107
"""What fits into an address of a Unix socket, its closing zero not counted."""
XUCRED = struct.Struct("=IIh2x16I")  # macOS: version, uid, groups
UCRED = struct.Struct("3i")  # Linux: pid, uid, gid


def socket_path(folder: Path) -> Path:
    """Where a daemon's control socket is. Raises BadStart where no socket can be."""
    path = folder / SOCKET_FILE
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise BadStart(
            f"{path} is too long for a Unix socket ({PATH_BYTES_MAX} bytes): choose a data folder with a shorter path"
        )
    return path


async def listen_control(folder: Path) -> list[trio.SocketListener]:
    """Open the control socket. Needs the folder's lock: a socket that stands there is then of a daemon that is dead."""
    path = socket_path(folder)
    path.unlink(missing_ok=True)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await listening.bind(str(path))
        path.chmod(0o600)  # before listen: until then nobody can connect
        listening.listen()
    except OSError as why:
        listening.close()
        raise BadStart(f"cannot open the control socket {path}: {why.strerror or why}") from why
    return [trio.SocketListener(listening)]


def peer_uid(stream: trio.SocketStream) -> int:
    """The user at the other end, as the kernel knows it. Raises OSError."""
    if sys.platform == "darwin":
        credentials = stream.socket.getsockopt(0, 1, XUCRED.size)  # SOL_LOCAL, LOCAL_PEERCRED
        return int(XUCRED.unpack(credentials)[1])
    credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
    return int(UCRED.unpack(credentials)[1])


def check_owner(uid: int) -> None:
    """Refuse whoever is not this daemon's own user; root could read the folder anyway."""
    if uid not in (os.geteuid(), 0):
        raise PermissionError("the control socket belongs to another user")


@dataclass(frozen=True, slots=True)
class ControlFront:
    """Answers the owner: the party's turns, and what is about the outside."""

    front: Front
    network: Network
    dialer: Dialer
    health: Callable[[], Health]

    async def admit(self) -> None:
        """Wait for a slot in the queue of turns."""
        await self.front.admit()

    def begin(self, request: Frame, asker: Asker) -> None:
        """Answer a request of the owner's. Raises Malformed."""
        kind = STEPS[request.step]
        if kind not in (Watch, HealthOf, Forward, StatementAt):
            self.front.begin(request, asker)
            return
        self.front.queue.leave()
        said = decode(request.payload)
        if isinstance(said, Watch):
            asker.endlessly(partial(watched, self.front.tracer, asker.say))
        else:
            asker.later(partial(self._answer, kind, said, asker))

    async def _answer(self, kind: type, said: Message, asker: Asker) -> None:
        if isinstance(said, HealthOf):
            asker.put(self.health())
        elif isinstance(said, Forward):
            asker.put(await self._asked(said, said.receiver, _enclosed(said.request)))
        elif isinstance(said, StatementAt):
            asker.put(await self._asked(said, said.bank, said))
        else:
            raise Malformed(f"a frame of {kind.__name__} holds {type(said).__name__}")

    async def _asked(self, command: Message, receiver: bytes, what: Message | Signed) -> Message | Signed:
        """Ask a party on a connection of its own."""
        peer = self.network.peer(receiver)
        if peer is None:
            return self.front.party.refusal(
                unsigned(command).signed, Refused(Why.UNKNOWN, "no such party in the network file")
            )
        try:
            reply = await self._exchanged(peer, what)
        except OSError as why:
            return Unreached(why=str(why)[:DETAIL_MAX])
        return Forwarded(answer_step=reply.step, answer=reply.payload)

    async def _exchanged(self, peer: Peer, what: Message | Signed) -> Reply:
        async with await self.dialer.connect(peer) as connection:
            if isinstance(what, StatementAt):
                what = self.front.party.sign(StatementOf(bank=what.bank, start=what.start, channel=connection.channel))
            return await connection.ask(what)


@dataclass(frozen=True, slots=True)
class RelayControlFront:
    """Answers the owner of a relay, who can ask how it is and no more: a relay tells nobody what it carries."""

    health: Callable[[], Health]

    async def admit(self) -> None:
        """There is always room."""

    def begin(self, request: Frame, asker: Asker) -> None:
        """Answer a request of the owner's. Raises Malformed."""
        if not isinstance(decode(request.payload), HealthOf):
            raise Malformed("a relay is only asked for its health")
        asker.put(self.health())
        asker.done()


def _enclosed(request: bytes) -> Message | Signed:
    """The request that is to be forwarded, signed or not. Raises Malformed."""
    with suppress(Malformed):
        kind = STEPS.get(step_of(request))
        if kind is not None and not kind.signed:
            return decode(request)
    return decode_record(Signed, request)


async def watched(tracer: Tracer, say: Callable[[Message], Awaitable[None]]) -> None:
    """Tell every step as it happens, until the watcher goes."""
    with tracer.watching() as happening:
        async for said in happening:
            await say(said.happened)


@asynccontextmanager
async def control(folder: Path) -> AsyncIterator[Connection]:
    """Speak with the daemon that runs on this data folder. Raises OSError where there is none."""
    stream = await trio.open_unix_socket(str(socket_path(folder)))
    async with Connection(stream) as connection:
        yield connection
