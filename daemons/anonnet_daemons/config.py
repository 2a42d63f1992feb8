"""What daemons read at their start: the network file, and each party's own file.

The network file says who there is, and is the same for everyone. A party's data folder holds `party.json` (who it is,
from which address it dials, which files hold its keys) and the key files themselves, which only the owner can read.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from anonnet.crypto.blind import SecretKey
from anonnet.crypto.keys import SEED_BYTES, SigningKey, is_sound
from anonnet.errors import BadStart, Malformed
from anonnet.limits import BRANDS_MAX, POLICY_BYTES_MAX
from anonnet.parties.purse import AS_EVER, Habits
from anonnet.protocol.brand import Brand, BrandOffer, accepted
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.transaction import NO_POLICY
from anonnet.store.folder import changing, read_secret, write_durably
from anonnet.store.wallet import WalletStore
from anonnet.wire.codec import decode_record, encode
from anonnet_daemons.table import KEY_BYTES, Table, read_table, table_json

NETWORK_FILE = "network.json"
PARTY_FILE = "party.json"
PEERS_MAX = 1024
PORT_MAX = 65535


class Kind(enum.StrEnum):
    """What a data folder belongs to: a party of the network file, or a consumer, who stands in none."""

    BANK = "bank"
    MERCHANT = "merchant"
    LOG = "log"
    MIRROR = "mirror"
    RELAY = "relay"
    CONSUMER = "consumer"


class Pays(enum.StrEnum):
    """How a wallet pays where no tokens are worth the price exactly."""

    EXACTLY = "exactly"  # one is exchanged first
    IN_PARTS = "in parts"  # with a part of one; the rest is exchanged afterwards


class Keys(enum.StrEnum):
    """The keys of the tokens that a wallet withdraws."""

    SINGLE_USE = "single-use"  # one for each token
    REUSED = "reused"  # one for several


# The network file.


def read_network(path: Path) -> Network:
    """Read the network file. Raises BadStart."""
    table = read_table(path)
    name = table.text("name")
    peers = tuple(_peer(path, each) for each in table.tables("parties", PEERS_MAX))
    offers = [_offer(path, each) for each in table.texts("brands", BRANDS_MAX * PEERS_MAX)]
    table.done()
    for kind, values in (("name", [peer.name for peer in peers]), ("key", [peer.identity.hex() for peer in peers])):
        if len(set(values)) < len(values):
            raise BadStart(f"{path}: two parties have the same {kind}: give each its own")
    mirrors = {peer.key for peer in peers if peer.role is Role.MIRROR}
    for peer in peers:
        if not set(KnownLog(peer.key, peer.policy).mirrors) <= mirrors:
            raise BadStart(f"{path}: the policy of {peer.name} names a mirror that is not among the parties: add it")
    return Network(name, peers, tuple(offers))


def _peer(path: Path, table: Table) -> Peer:
    role = Role(table.word("role", Role))
    name, key, channel_key = table.text("name"), table.key("key"), table.key("channel_key")
    host, port = table.text("host"), table.number("port", 1, PORT_MAX)
    policy = table.text("policy", POLICY_BYTES_MAX).encode() if role is Role.LOG and table.has("policy") else NO_POLICY
    table.done()
    if not is_sound(key):
        raise BadStart(f"{path}: the key of {name} is not a sound Ed25519 key: ask {name} for the right one")
    try:
        KnownLog(key, policy).check()
    except Malformed as why:
        raise BadStart(f"{path}: the policy of {name} is none that a log can have ({why}): ask {name} for it") from why
    return Peer(role, name, key, channel_key, host, port, policy)


def _offer(path: Path, text: str) -> BrandOffer:
    try:
        return decode_record(BrandOffer, bytes.fromhex(text))
    except (ValueError, Malformed) as why:
        raise BadStart(f"{path}: a brand cannot be read ({why}): restore the file, or get it anew") from why


def network_json(network: Network) -> bytes:
    """The network file's content."""
    parties = [
        {
            "role": peer.role.value,
            "name": peer.name,
            "key": peer.key.hex(),
            "channel_key": peer.channel_key.hex(),
            "host": peer.host,
            "port": peer.port,
            **({"policy": peer.policy.decode()} if peer.policy != NO_POLICY else {}),
        }
        for peer in network.peers
    ]
    brands = [encode(offer).hex() for offer in network.brands]
    return table_json({"name": network.name, "parties": parties, "brands": brands})


def offers_of(network: Network, bank: Peer) -> list[tuple[BrandOffer, Brand]]:
    """The brands that one bank signed, wholly checked. Raises BadStart."""
    offers = [each for each in network.brands if any(one.signer == bank.key for one in each.brand.signatures)]
    try:
        return [(offer, accepted(network.name, bank.key, offer)) for offer in offers]
    except Malformed as why:
        raise BadStart(f"a brand in the network file cannot be trusted ({why}): get the network file anew") from why


def accepted_brands(network: Network) -> list[Brand]:
    """All brands of the network file's banks, wholly checked. Raises BadStart."""
    return [brand for bank in network.all(Role.BANK) for _, brand in offers_of(network, bank)]


# A party's own file.


@dataclass(frozen=True, slots=True)
class Merger:
    """With whom a party is merged: what it is, and its data folder."""

    kind: Kind
    folder: Path


MERGED = {Kind.LOG: (Kind.BANK, Kind.MERCHANT), Kind.BANK: (Kind.LOG,), Kind.MERCHANT: (Kind.LOG,)}
"""Who can be merged with whom (paper, section "Trust")."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A party's data folder: who it is, its network, where it dials from, and the names of its key files."""

    kind: Kind
    name: str
    folder: Path
    network_path: Path
    bind: str
    relay: str
    """The relay that a consumer dials through; empty for everyone else."""
    habits: Habits = AS_EVER
    """How a consumer withdraws and pays."""
    merged: Merger | None = None
    """Who shares its daemon with it; the command that runs the log runs both."""

    def network(self) -> Network:
        """The network that this party is of, with the brands that it knows beside those of the network file: a bank its
        next ones, a wallet those that it has found in the logs' chains. Raises BadStart."""
        network = read_network(self.network_path)
        own = [offer for offer in self._own_offers() if offer not in network.brands]
        return replace(network, brands=(*network.brands, *own))

    def _own_offers(self) -> list[BrandOffer]:
        if self.kind is Kind.BANK:
            return [_offer(path, read_offer(path)) for path in sorted(self.folder.glob(OFFER_FILES))]
        if self.kind is Kind.CONSUMER and (self.folder / WALLET_STORE).exists():
            store = WalletStore(str(self.folder / WALLET_STORE), read_only=True)
            try:
                return store.listing.accepted()
            finally:
                store.close()
        return []

    def peer(self, network: Network) -> Peer:
        """This party as the network file has it. Raises BadStart."""
        peer = network.named(self.name)
        if peer is None or peer.role.value != self.kind.value:
            raise BadStart(f"{self.network_path} has no {self.kind} {self.name}: correct {self.folder / PARTY_FILE}")
        return peer

    def identity(self, peer: Peer) -> SigningKey:
        """The signing key of this peer. Raises BadStart."""
        key = SigningKey(read_secret(self.folder / IDENTITY_FILE, SEED_BYTES))
        if key.public != peer.key:
            raise BadStart(f"{self.folder / IDENTITY_FILE} is not the key of {peer.name}: restore it from your backup")
        return key

    def channel_secret(self) -> bytes:
        """Raises BadStart."""
        return read_secret(self.folder / CHANNEL_FILE, KEY_BYTES)

    def brand_key(self, brand: Brand) -> SecretKey:
        """The secret key of a brand. Raises BadStart."""
        path = self.folder / brand_file(brand)
        size = len(brand.method.encode()) + 1 + len(brand.modulus)
        try:
            key = SecretKey.from_bytes(read_secret(path, size))
        except Malformed as why:
            raise BadStart(f"key file {path} is not a brand's key: restore it from your backup") from why
        if key.public != brand.public_key:
            raise BadStart(f"key file {path} is the key of another brand: restore it from your backup")
        return key


IDENTITY_FILE = "identity.key"
CHANNEL_FILE = "channel.key"
WALLET_FILE = "wallet.seed"


WALLET_STORE = "wallet.db"
OFFER_FILES = "brand-*.offer"


def offer_file(brand: Brand) -> str:
    """The name of the file that holds a brand as everybody may see it, in hex, until the logs have published it."""
    return f"brand-{brand.id.hex()[:16]}.offer"


def read_offer(path: Path) -> str:
    """Raises BadStart."""
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError as why:
        raise BadStart(f"{path} cannot be read ({why.strerror}): restore it from your backup") from why


def brand_file(brand: Brand) -> str:
    """The name of the file that holds a brand's secret key."""
    return f"brand-{brand.id.hex()[:16]}.key"


def read_setup(folder: Path, expected: Kind) -> Setup:
    """Read a party's file. Raises BadStart."""
    path = folder / PARTY_FILE
    table = read_table(path)
    kind = Kind(table.word("role", Kind))
    if kind is not expected:
        raise BadStart(f"{path} is that of a {kind}, not of a {expected}: choose another folder with --data")
    setup = Setup(
        kind=kind,
        name=table.text("name"),
        folder=folder,
        network_path=folder / table.text("network", 1024),
        bind=table.text("bind"),
        relay=table.text("relay") if kind is Kind.CONSUMER else "",
        habits=_habits(table) if kind is Kind.CONSUMER else AS_EVER,
        merged=_merger(table, kind, folder),
    )
    table.done()
    return setup


def _habits(table: Table) -> Habits:
    """Both are optional, and off where they are missing: each shows the bank what belongs together (see Habits)."""
    return Habits(
        in_parts=table.has("pays") and table.word("pays", Pays) == Pays.IN_PARTS,
        reused_keys=table.has("keys") and table.word("keys", Keys) == Keys.REUSED,
    )


def change_party(folder: Path, kind: Kind, words: Mapping[str, str]) -> Setup:
    """Give these keys of a party's file other words; its daemon reads them when it starts. Raises BadStart."""
    path = folder / PARTY_FILE
    read_setup(folder, kind)
    try:
        with changing(path):
            write_durably(path, table_json(json.loads(path.read_bytes()) | words))
    except OSError as why:
        raise BadStart(f"{path} cannot be written ({why.strerror}): make room, or look at its owner and mode") from why
    return read_setup(folder, kind)


def _merger(table: Table, kind: Kind, folder: Path) -> Merger | None:
    """Optional: `"merged bank": "../bank"` in a log's file, and `"merged log": "../log"` in that of its bank. A log is
    merged with a bank or with a merchant."""
    for other in MERGED.get(kind, ()):
        if table.has(f"merged {other}"):
            return Merger(other, folder / table.text(f"merged {other}", 1024))
    return None


def party_json(
    kind: Kind, name: str, bind: str, relay: str = "", network: str = f"../{NETWORK_FILE}", **merged: str
) -> bytes:
    """A party file's content; by default the network file lies beside the data folders. `merged`: by kind, who shares
    the party's daemon, as a path from its folder."""
    values = {"role": kind.value, "name": name, "network": network, "bind": bind}
    values |= {"relay": relay} if relay else {}
    values |= {f"merged {other}": path for other, path in merged.items()}
    return table_json(values)
