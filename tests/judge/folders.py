"""Data folders of a scene's parties, as their daemons have them: what `anonnet ... evidence` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from shutil import copyfile

from anonnet_daemons.config import (
    IDENTITY_FILE,
    NETWORK_FILE,
    PARTY_FILE,
    WALLET_FILE,
    Kind,
    network_json,
    party_json,
)
from anonnet_daemons.evidence import STORES
from anonnet_daemons.log import STORE as LOG_STORE

from anonnet.net.jobs import SEALED_FILE, goods_folder
from anonnet.store.lock import beside
from anonnet.store.log import LogStore
from tests.paper.scenes import Scene
from tests.stage import Actor

ACTORS = {Kind.CONSUMER: "consumer", Kind.MERCHANT: "merchant", Kind.BANK: "bank"}


def seed_of(name: str) -> bytes:
    """The seed of a party of the stage: of its signing key, or of its wallet."""
    return hashlib.sha256(name.encode()).digest()


def folders(scene: Scene, home: Path) -> dict[Kind, Path]:
    """Write the network file, and for each party its folder: its own file, its key, its store, its goods."""
    home.mkdir()
    (home / NETWORK_FILE).write_bytes(network_json(scene.network))
    made = {}
    for kind, name in ACTORS.items():
        folder = made[kind] = home / kind.value
        folder.mkdir(mode=0o700)
        (folder / PARTY_FILE).write_bytes(party_json(kind, name, "127.0.0.1", "relay" if kind is Kind.CONSUMER else ""))
        actor: Actor = getattr(scene, name)
        actor.store._db.run("vacuum into ?", str(folder / STORES[kind]))
        secret = folder / (WALLET_FILE if kind is Kind.CONSUMER else IDENTITY_FILE)
        secret.write_bytes(seed_of("seed of consumer" if kind is Kind.CONSUMER else name))
        secret.chmod(0o600)
    _copy_goods(scene, made[Kind.CONSUMER])
    _copy_log(scene, home / Kind.LOG.value)
    for name, mirror in scene.mirrors.items():
        (home / name).mkdir(mode=0o700)
        (home / name / PARTY_FILE).write_bytes(party_json(Kind.MIRROR, name, "127.0.0.1"))
        mirror.store._db.run("vacuum into ?", str(home / name / STORES[Kind.MIRROR]))
    return made


def _copy_goods(scene: Scene, wallet: Path) -> None:
    """The sealed goods of each purchase, where a wallet has them."""
    for id in scene.consumer.store.purchases(most=100):
        sealed = scene.sealed_path(scene.consumer, id)
        if sealed.exists():
            folder = goods_folder(wallet, id)
            folder.mkdir(parents=True)
            copyfile(sealed, folder / SEALED_FILE)


def _copy_log(scene: Scene, folder: Path) -> None:
    """The log's folder, with its lock, where the log has a store of its own."""
    store = scene.log.store
    if not isinstance(store, LogStore):
        return
    folder.mkdir(mode=0o700)
    (folder / PARTY_FILE).write_bytes(party_json(Kind.LOG, "log", "127.0.0.1"))
    store._db.run("vacuum into ?", str(folder / LOG_STORE))
    store._lock._db.run("vacuum into ?", beside(str(folder / LOG_STORE)))
