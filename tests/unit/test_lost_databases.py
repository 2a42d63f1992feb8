"""A party whose database is lost, or what its sales rest on, does not go on as if it had never done anything."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from anonnet_daemons import bank, consumer, log
from anonnet_daemons.config import NETWORK_FILE, Kind, read_network
from anonnet_daemons.founding import Plan, found

from anonnet.errors import BadStart
from anonnet.protocol.network import Role
from anonnet.protocol.transaction import Transaction
from anonnet.store import lock
from anonnet.store.folder import Folder
from anonnet.store.wallet import WalletStore
from anonnet.times import CLAIM_SECONDS
from anonnet.wire.signed import Signed


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


async def test_a_bank_does_not_start_without_a_log_of_which_it_still_holds_a_sale(home: Path) -> None:
    path, network = home / Kind.BANK / bank.STORE, read_network(home / NETWORK_FILE)
    (log_name,) = network.logs
    now, lost = int(time.time()), replace(SALE, log=bytes(32))
    for sale in (replace(lost, expiration=now - CLAIM_SECONDS - 1), replace(lost, expiration=now, log=log_name)):
        holds(path, sale)
    bank.followed(str(path), network).close()
    holds(path, replace(lost, expiration=now + 60))

    with pytest.raises(BadStart, match=r"sales are locked.*0000000000000000.*put it back"):
        bank.followed(str(path), network)


SALE = Transaction(number=bytes(32), expiration=0, merchant=bytes(32), log=bytes(32))
PAPER = Signed(body=b"P2", signatures=())


def holds(path: Path, sale: Transaction) -> None:
    """The bank has taken a P2 of this sale."""
    with closing(bank.books(str(path))) as store:
        store.begin()
        store.sales.begin(PAPER, sale, PAPER, "EUR", 0)
        store.commit()


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
            store = consumer.opened(folder, network)
            try:
                return store.recovery.forgotten(there.identity)
            finally:
                store.close()

    assert not has_forgotten()
    (home / Kind.CONSUMER / "wallet.db").unlink()
    assert has_forgotten()
    assert has_forgotten(), "also after its next start"


async def test_a_wallet_without_its_memory_knows_that_also_when_its_first_start_was_cut_short(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, folder = read_network(home / NETWORK_FILE), home / Kind.CONSUMER
    (there,) = network.all(Role.BANK)
    (folder / "wallet.db").unlink()

    def cut_short(path: str) -> WalletStore:
        WalletStore(path).close()
        raise BadStart("the power is gone when the file has been made")

    with monkeypatch.context() as patched, Folder(folder) as held:
        patched.setattr(consumer, "WalletStore", cut_short)
        with pytest.raises(BadStart, match="the power is gone"):
            consumer.opened(held, network)

    with Folder(folder) as held, closing(consumer.opened(held, network)) as store:
        assert store.recovery.forgotten(there.identity)
