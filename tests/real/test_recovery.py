"""A wallet that is gone and comes back from its 24 words, and one whose seed is sealed: on real processes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from anonnet_daemons.config import Kind
from anonnet_daemons.network import Daemon, LocalNetwork

from .processes import (
    CURRENCY,
    SMALL,
    anonnet,
    check_money,
    network,
    open_shop,
    told,
    until,
)
from .test_errors import check_sentence

pytestmark = pytest.mark.real


FEW = 1, 4
"""Denominations: a recovery asks for hundreds of places of each."""


async def begun(local: LocalNetwork) -> str:
    """A sale that runs, and ends by itself in some seconds: the merchant has promised nothing yet, and is silent."""
    home = local.home
    local[Kind.LOG].pause()
    ran = await anonnet(home, "wallet", "buy", "goods", "--lead", 10, "--timeout", 3, "--json")
    await local[Kind.MERCHANT].kill()
    local[Kind.LOG].go_on()
    purchase: str = ran.json["purchase"]

    async def authorized() -> bool:
        return (await anonnet(home, "wallet", "show", purchase, "--json")).json["state"] == "authorized"

    await until(authorized)
    return purchase


async def account(home: Path) -> tuple[object, object]:
    """What the bank's statement says of the account."""
    statement = await told(home, "wallet", "statement")
    return statement["balances"], statement["entries"]


async def lose_and_restore(local: LocalNetwork, words: str) -> None:
    """The wallet's folder is gone; another one is made from the words, and runs."""
    await local[Kind.CONSUMER].kill()
    shutil.rmtree(local[Kind.CONSUMER].folder)
    file = local.home / "words"
    file.write_text(words)
    await told(local.home, "wallet", "restore", "--network", local.home / "network.json", "--words-file", file)
    await local[Kind.CONSUMER].start()
    await local[Kind.CONSUMER].ready()


async def reuse_keys(local: LocalNetwork) -> None:
    """Tokens that are withdrawn from now on share keys; the words alone must bring them back."""
    wallet = local[Kind.CONSUMER]
    await told(local.home, "wallet", "habits", "--keys", "reused")
    await wallet.stop()
    await wallet.start()
    await wallet.ready()


async def test_a_wallet_comes_back_from_its_words(tmp_path: Path) -> None:
    async with network(tmp_path, denominations=FEW) as local:
        home = local.home
        await reuse_keys(local)
        await open_shop(local, bytes(SMALL))
        await told(home, "wallet", "buy", "goods")
        await begun(local)
        words = " ".join((await told(home, "wallet", "words"))["words"])
        before = await account(home)
        held = (await told(home, "wallet", "balance"))["free"]

        await lose_and_restore(local, words)
        early = await anonnet(home, "wallet", "withdraw", 1, CURRENCY)
        found = await told(home, "wallet", "recover", "--fast", "--wait")

        assert held == {CURRENCY: 10}
        check_sentence(early, 1, "does not know what its seed has there", "wallet recover")
        assert found["over"]
        assert found["banks"][0]["free"] == {CURRENCY: 15}
        assert (await told(home, "wallet", "habits"))["keys"] == "single-use", "the words do not say how it pays"
        assert await account(home) == before
        await local[Kind.MERCHANT].start()
        await local[Kind.MERCHANT].ready()
        await check_money(local)

        bought = await told(home, "wallet", "buy", "goods")
        again = await told(home, "wallet", "recover", "--fast", "--wait")
        assert bought["outcome"] == "done"
        assert again["banks"][0]["free"] == {CURRENCY: 10}
        assert await account(home) == before
        await check_money(local)


async def test_a_recovery_that_is_not_fast_can_be_watched_and_hastened(tmp_path: Path) -> None:
    async with network(tmp_path, denominations=FEW) as local:
        home = local.home
        await open_shop(local, bytes(SMALL))
        words = " ".join((await told(home, "wallet", "words"))["words"])
        await lose_and_restore(local, words)

        begun = await told(home, "wallet", "recover")
        waited = await anonnet(home, "wallet", "recover", "--status", "--wait", "--timeout", 1)
        hastened = await told(home, "wallet", "recover", "--fast", "--wait")

        assert not begun["over"]
        assert waited.code == 75
        assert "recover --status" in waited.err
        assert hastened["over"]
        assert hastened["banks"][0]["free"] == {CURRENCY: 20}


async def test_a_folder_with_a_wallet_is_not_overwritten(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        home = local.home
        words = tmp_path / "words"
        words.write_text(" ".join((await told(home, "wallet", "words"))["words"]))
        order = ["wallet", "restore", "--network", home / "network.json", "--words-file", words]

        check_sentence(await anonnet(home, *order), 1, "has a wallet already", "--data")
        words.write_text("abandon " * 24)
        wrong = await anonnet(home, *order, "--data", tmp_path / "other")
        check_sentence(wrong, 1, "checksum")
        assert not (tmp_path / "other").exists()


async def test_a_sealed_seed_needs_its_passphrase_at_every_start(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        home, folder = local.home, local[Kind.CONSUMER].folder
        secret, wrong = tmp_path / "secret", tmp_path / "wrong"
        for path, text in ((secret, "correct horse\n"), (wrong, "correct hors\n")):
            path.write_text(text)
            path.chmod(0o600)
        seed = (folder / "wallet.seed").read_bytes()
        words = await told(home, "wallet", "words")

        await told(home, "wallet", "lock", "--passphrase-file", secret)
        await told(home, "wallet", "balance")  # what runs, goes on
        await local[Kind.CONSUMER].stop()

        assert seed not in (folder / "wallet.seed").read_bytes()
        assert (folder / "wallet.seed").stat().st_mode & 0o777 == 0o600
        check_sentence(await anonnet(home, "wallet", "run"), 1, "is sealed", "--passphrase-file")
        check_sentence(await anonnet(home, "wallet", "words"), 1, "is sealed", "--passphrase-file")
        ran = await anonnet(home, "wallet", "run", "--passphrase-file", wrong)
        check_sentence(ran, 1, "passphrase does not open", "try again")
        check_sentence(await anonnet(home, "wallet", "lock", "--passphrase-file", secret), 1, "sealed already")
        secret.chmod(0o644)
        ran = await anonnet(home, "wallet", "run", "--passphrase-file", secret)
        check_sentence(ran, 1, "can be read by others", "chmod 600")
        secret.chmod(0o600)

        await runs_with(local, secret)
        assert await told(home, "wallet", "words", "--passphrase-file", secret) == words
        await told(home, "wallet", "unlock", "--passphrase-file", secret)
        assert (folder / "wallet.seed").read_bytes() == seed
        check_sentence(await anonnet(home, "wallet", "unlock"), 1, "not sealed")


async def runs_with(local: LocalNetwork, secret: Path) -> None:
    """The wallet runs when it has the passphrase."""
    sealed = Daemon(local[Kind.CONSUMER].folder, Kind.CONSUMER, ["--passphrase-file", str(secret)])
    try:
        await sealed.start()
        await sealed.ready()
        await told(local.home, "wallet", "balance")
        assert await sealed.stop() == 0
    finally:
        await sealed.end_now()
