"""A Noise_NK channel as a stream of bytes over any trio stream (design: channels).

The responder is known by its channel key, the initiator is nobody. Both sides mix the protocol's version, the network,
and the responder's role and identity into the handshake: who meant to reach someone else reaches nobody. The first
handshake message, which could be replayed, carries no data.

On the stream: Noise messages, each behind a u16 length. An empty message says that nothing more will come from its
side. A channel is itself a stream, so that a second one can run inside it, from end to end through a relay.

Errors: Malformed where the peer breaks a rule (or somebody between changes a bit), OSError (TimeoutError,
ConnectionError) where the world does. Trio's own errors of streams do not get out of here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from anonnet.crypto.noise import MESSAGE_BYTES_MAX, TAG_BYTES, CipherState, Handshake
from anonnet.errors import Malformed
from anonnet.limits import DIAL_SECONDS, FRAME_SECONDS, HANDSHAKE_SECONDS, SEND_SECONDS, WRITE_BYTES_MAX
from anonnet.protocol.network import Peer, Role
from anonnet.wire.signed import DOMAIN

PROTOCOL = "Noise_NK_25519_ChaChaPoly_BLAKE2s"
LENGTH_BYTES = 2
HANDSHAKE_BYTES = 48  # either message of NK without a payload: a key and a tag
PLAINTEXT_MAX = MESSAGE_BYTES_MAX - TAG_BYTES


@contextmanager
def world() -> Iterator[None]:
    """Turn trio's errors of streams and deadlines into OSError, so that callers know two kinds of error, not six."""
    try:
        yield
    except trio.TooSlowError as slow:
        raise TimeoutError("the peer took too long") from slow
    except (trio.BrokenResourceError, trio.ClosedResourceError) as gone:
        raise ConnectionResetError("the connection is gone") from gone


def prologue(network: str, role: Role, identity: bytes) -> bytes:
    """What both sides must agree on for the handshake to end: each part behind its u16 length."""
    parts = (DOMAIN.encode(), network.encode(), role.value.encode(), identity)
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)


class _Messages:
    """Noise messages on a stream, before and after there are keys."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._held = bytearray()
        self._waited = 0.0

    def next(self) -> bytes | None:
        """The next whole message among the bytes that are here."""
        if len(self._held) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + int.from_bytes(self._held[:LENGTH_BYTES], "big")
        if len(self._held) < end:
            return None
        message = bytes(self._held[LENGTH_BYTES:end])
        del self._held[:end]
        self._waited = 0.0
        return message

    async def more(self) -> bool:
        """Wait for bytes; False at the end of the stream. One message is waited for FRAME_SECONDS in all once begun."""
        if self._held:
            data = await self._rest()
        else:
            with world():
                data = await self.stream.receive_some()
        self._held += data
        return bool(data)

    async def _rest(self) -> bytes | bytearray:
        """More of a message that has begun."""
        since = trio.current_time()
        with world(), trio.fail_after(max(0, FRAME_SECONDS - self._waited)):
            data = await self.stream.receive_some()
        if not data:
            raise Malformed("the stream ends within a Noise message")
        self._waited += trio.current_time() - since
        return data

    async def send(self, messages: list[bytes]) -> None:
        with world(), trio.fail_after(SEND_SECONDS):
            await self.stream.send_all(b"".join(len(each).to_bytes(LENGTH_BYTES, "big") + each for each in messages))

    async def handshake_message(self) -> bytes:
        """Read one message of a handshake. Raises Malformed as soon as its length is wrong."""
        while (message := self.next()) is None:
            if len(self._held) >= LENGTH_BYTES and self._held[:LENGTH_BYTES] != HANDSHAKE_BYTES.to_bytes(2, "big"):
                raise Malformed("a handshake message of wrong size")
            if not await self.more():
                raise ConnectionResetError("the peer left during the handshake")
        return message


class Channel(trio.abc.HalfCloseableStream):
    """Bytes that only the two ends can read, change or forge; made by `dial_channel` and `accept_channel`."""

    def __init__(self, messages: _Messages, handshake: Handshake) -> None:
        self.hash = handshake.hash
        """Names this channel and no other: what a private query signs."""
        self._messages = messages
        self._sending, self._receiving = handshake.split()
        self._turn_to_send = trio.Lock()
        self._broken = False
        self._ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; several tasks may, one after the other. A send that was cut short leaves the channel unusable."""
        rest = memoryview(data)
        async with self._turn_to_send:
            while rest:
                await self._send(_sealed(self._sending, rest[:WRITE_BYTES_MAX]))
                rest = rest[WRITE_BYTES_MAX:]

    async def send_eof(self) -> None:
        """Say that nothing more will be sent. The peer can tell this from a connection that was cut."""
        async with self._turn_to_send:
            await self._send([self._sending.encrypt(b"")])

    async def _send(self, messages: list[bytes]) -> None:
        if self._broken:
            raise ConnectionResetError("an earlier send was cut short")
        self._broken = True
        await self._messages.send(messages)
        self._broken = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has come, at least one byte, or b"" at the end. `max_bytes` is not heeded: messages are whole."""
        parts: list[bytes] = []
        while not self._ended:
            while not self._ended and (message := self._messages.next()) is not None:
                parts.append(self._receiving.decrypt(message))
                self._ended = not parts[-1]
            if any(parts):
                return b"".join(parts)
            if not self._ended and not await self._messages.more():
                self._ended = True
        await trio.lowlevel.checkpoint()
        return b""

    async def wait_send_all_might_not_block(self) -> None:
        with world():
            await self._messages.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close this end and the stream below."""
        await self._messages.stream.aclose()


def _sealed(cipher: CipherState, data: memoryview) -> list[bytes]:
    return [cipher.encrypt(bytes(data[at : at + PLAINTEXT_MAX])) for at in range(0, len(data), PLAINTEXT_MAX)]


async def dial_channel(stream: trio.abc.Stream, *, network: str, peer: Peer) -> Channel:
    """Be the initiator: afterwards only the holder of the peer's channel key can read what is sent."""
    spoken = prologue(network, peer.role, peer.identity)
    handshake = Handshake(PROTOCOL, True, spoken, remote_static=peer.channel_key)
    messages = _Messages(stream)
    with world(), trio.fail_after(DIAL_SECONDS):
        await messages.send([handshake.write(b"")])
        if handshake.read(await messages.handshake_message()):
            raise Malformed("a handshake carries no data")
    return Channel(messages, handshake)


async def accept_channel(
    stream: trio.abc.Stream, *, network: str, role: Role, identity: bytes, static_secret: bytes
) -> Channel:
    """Be the responder: whoever is at the other end meant to reach this party, and shows no name."""
    handshake = Handshake(PROTOCOL, False, prologue(network, role, identity), static=static_secret)
    messages = _Messages(stream)
    with world(), trio.fail_after(HANDSHAKE_SECONDS):
        if handshake.read(await messages.handshake_message()):
            raise Malformed("a handshake carries no data")
        await messages.send([handshake.write(b"")])
    return Channel(messages, handshake)
