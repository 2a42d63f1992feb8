"""The parties of one network: who they are and where they are reached. Read from the network file by the daemons.

A consumer does not stand in it: nobody knows her, and nobody can reach her except on connections that she opened.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from anonnet.protocol.brand import BrandOffer
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.transaction import NO_POLICY, log_id


class Role(enum.StrEnum):
    """What a party is."""

    BANK = "bank"
    MERCHANT = "merchant"
    LOG = "log"
    MIRROR = "mirror"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Peer:
    """One party as the others know it: its signing key, its channel key (X25519), and its address."""

    role: Role
    name: str
    key: bytes
    channel_key: bytes
    host: str
    port: int
    policy: bytes = NO_POLICY
    """A log's: see `KnownLog`."""

    @property
    def identity(self) -> bytes:
        """How messages name it: L for a log, the signing key for everyone else."""
        return log_id(self.key, self.policy) if self.role is Role.LOG else self.key


@dataclass(frozen=True, slots=True)
class Network:
    """A network's name, its parties, and the brands that its file pins; later ones stand in its logs' chains."""

    name: str
    peers: tuple[Peer, ...]
    brands: tuple[BrandOffer, ...] = ()

    def peer(self, identity: bytes) -> Peer | None:
        """The party with this identity."""
        return next((peer for peer in self.peers if peer.identity == identity), None)

    def called(self, identity: bytes) -> str:
        """What people call this party; of a stranger, the first digits of its identity."""
        peer = self.peer(identity)
        return peer.name if peer else identity.hex()[:16]

    def named(self, name: str) -> Peer | None:
        """The party that people call so."""
        return next((peer for peer in self.peers if peer.name == name), None)

    def all(self, role: Role) -> tuple[Peer, ...]:
        """All parties of one role."""
        return tuple(peer for peer in self.peers if peer.role is role)

    @property
    def logs(self) -> dict[bytes, KnownLog]:
        """Each log by its L."""
        return {peer.identity: KnownLog(peer.key, peer.policy) for peer in self.all(Role.LOG)}
