"""The alerts that a party keeps: which logs are convicted, and of what. Read from its data folder, whether or not its
daemon runs; everything is checked again, and nothing is changed there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anonnet.errors import Malformed
from anonnet.protocol.breach import Alert, Breach, breach
from anonnet.protocol.known_log import CHAIN
from anonnet.store import bank, log, merchant, mirror, wallet
from anonnet.store.alerts import Alerts
from anonnet.store.database import Database
from anonnet_daemons.bank import STORE as BANK_STORE
from anonnet_daemons.config import WALLET_STORE, Kind, Setup
from anonnet_daemons.log import STORE as LOG_STORE
from anonnet_daemons.log import within
from anonnet_daemons.merchant import STORE as MERCHANT_STORE
from anonnet_daemons.mirror import STORE as MIRROR_STORE

STORES = {
    Kind.BANK: BANK_STORE,
    Kind.MERCHANT: MERCHANT_STORE,
    Kind.LOG: LOG_STORE,
    Kind.MIRROR: MIRROR_STORE,
    Kind.CONSUMER: WALLET_STORE,
}
VERSIONS = {
    BANK_STORE: bank.VERSION,
    MERCHANT_STORE: merchant.VERSION,
    LOG_STORE: log.VERSION,
    MIRROR_STORE: mirror.VERSION,
    WALLET_STORE: wallet.VERSION,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """An alert, and of what it convicts its log; None: of nothing before strangers, it is this party's own finding."""

    name: str
    alert: Alert
    breach: Breach | None

    @property
    def where(self) -> str:
        """The shard, as people are told of it."""
        return "the chain" if self.alert.shard == CHAIN else f"shard {self.alert.shard}"

    @property
    def says(self) -> str:
        """In a sentence."""
        if self.breach is None:
            return f"SEEN: {self.name} has broken a rule in {self.where}, as only the whole of it shows"
        return f"WRONG: {self.name} is convicted in {self.where} ({self.breach.kind}): {self.breach.says}"


def kept(setup: Setup) -> list[Kept]:
    """All that a party keeps, the oldest first. Raises BadStart."""
    path = within(setup) or setup.folder / STORES[setup.kind]
    if not path.exists():
        return []
    return [_judged(setup, Alert(log=log, shard=shard, evidence=data)) for log, shard, data in _rows(path)]


def _rows(path: Path) -> list[tuple[bytes, int, bytes]]:
    db = Database(path, version=VERSIONS[path.name], read_only=True)
    try:
        return Alerts(db).all()
    finally:
        db.close()


def _judged(setup: Setup, alert: Alert) -> Kept:
    network = setup.network()
    name, known = network.called(alert.log), network.logs.get(alert.log)
    try:
        return Kept(name, alert, breach(network.name, known, alert.shard, alert.evidence) if known else None)
    except Malformed:
        return Kept(name, alert, None)
