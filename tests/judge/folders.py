"""Data folders of a scene's parties, as their daemons have them: what `anonnet ... evidence` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from shutil import copyfile

from anonnet_daemons.alerts import STORES as ALL_STORES
from anonnet_daemons.config import (
    IDENTITY_FILE,
    NETWORK_FILE,
    PARTY_FILE,
    WALLET_FILE,
    Kind,
    brand_file,
    network_json,
    party_json,
)
from anonnet_daemons.evidence import STORES

from anonnet.net.jobs import SEALED_FILE, goods_folder
from anonnet.store.folder import write_durably
from anonnet.store.lock import beside
from tests.actor import Actor
from tests.paper.scenes import Scene

ACTORS = {Kind.CONSUMER: "consumer", Kind.MERCHANT: "merchant", Kind.BANK: "bank"}


def seed_of(name: str) -> bytes:
    """The seed of a party of the stage: of its signing key, or of its wallet."""
    return hashlib.sha256(name.encode()).digest()


def folders(scene: Scene, home: Path) -> dict[Kind, Path]:
    """Write the network file, and for each party its folder: its own file, its key, its store, its goods."""
    home.mkdir()
    write_durably(home / NETWORK_FILE, network_json(scene.network))
    made = {}
    for kind, name in ACTORS.items():
        folder = made[kind] = home / kind.value
        folder.mkdir(mode=0o700)
        relay = "relay" if kind is Kind.CONSUMER else ""
        write_durably(folder / PARTY_FILE, party_json(kind, name, "127.0.0.1", relay))
        actor: Actor = getattr(scene, name)
        actor.store._db.run("vacuum into ?", str(folder / STORES[kind]))
        secret = folder / (WALLET_FILE if kind is Kind.CONSUMER else IDENTITY_FILE)
        secret.write_bytes(seed_of("seed of consumer" if kind is Kind.CONSUMER else name))
        secret.chmod(0o600)
    for each in scene.minted:
        key = made[Kind.BANK] / brand_file(each.brand)
        key.write_bytes(each.secret.to_bytes())
        key.chmod(0o600)
    _copy_goods(scene, made[Kind.CONSUMER])
    return made


def _copy_goods(scene: Scene, wallet: Path) -> None:
    """The sealed goods of each purchase, where a wallet has them."""
    for id in scene.consumer.store.purchases(most=100):
        sealed = scene.sealed_path(scene.consumer, id)
        if sealed.exists():
            folder = goods_folder(wallet, id)
            folder.mkdir(parents=True)
            copyfile(sealed, folder / SEALED_FILE)


def put(folder: Path, kind: Kind, actor: Actor) -> None:
    """The data folder of a log, with its lock, or of a mirror."""
    folder.mkdir(mode=0o700)
    (folder / PARTY_FILE).write_bytes(party_json(kind, actor.name, "127.0.0.1"))
    path = folder / ALL_STORES[kind]
    actor.store._db.run("vacuum into ?", str(path))
    if kind is Kind.LOG:
        actor.store._lock._db.run("vacuum into ?", beside(str(path)))
    (folder / IDENTITY_FILE).write_bytes(seed_of(actor.name))
    (folder / IDENTITY_FILE).chmod(0o600)
