"""A party whose database is lost does not go on as if it had never done anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonnet_daemons import bank, log
from anonnet_daemons.config import NETWORK_FILE, Kind, read_network
from anonnet_daemons.consumer import opened
from anonnet_daemons.founding import Plan, found

from anonnet.errors import BadStart
from anonnet.protocol.network import Role
from anonnet.store import lock
from anonnet.store.folder import Folder


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A network of which nothing has run yet."""
    await found(Plan(tmp_path / "n", denominations=(1,)))
    return tmp_path / "n"


async def test_a_bank_without_its_books_does_not_begin_new_ones(home: Path) -> None:
    path = home / Kind.BANK / bank.STORE
    bank.books(str(path)).close()
    path.unlink()

    with pytest.raises(BadStart, match=r"missing or empty.*which tokens are spent.*put the newest one back"):
        bank.books(str(path))

    assert not path.exists()


async def test_a_log_that_decides_alone_does_not_begin_a_second_history(home: Path) -> None:
    path = home / Kind.LOG / lock.FILE
    log.check_lock(path)
    path.unlink()

    with pytest.raises(BadStart, match=r"lock.db is missing or empty.*newest lock.db and log.db back"):
        log.check_lock(path)

    assert not path.exists()


async def test_a_wallet_without_its_memory_looks_at_its_banks_before_it_withdraws(home: Path) -> None:
    network = read_network(home / NETWORK_FILE)
    (there,) = network.all(Role.BANK)

    def has_forgotten() -> bool:
        with Folder(home / Kind.CONSUMER) as folder:
            store = opened(folder, network)
            try:
                return store.recovery.forgotten(there.identity)
            finally:
                store.close()

    assert not has_forgotten()
    (home / Kind.CONSUMER / "wallet.db").unlink()
    assert has_forgotten()
    assert has_forgotten(), "also after its next start"
