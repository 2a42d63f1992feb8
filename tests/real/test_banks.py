"""A wallet with money at two banks and in two currencies, on real processes, by the command alone."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
import trio
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

from .processes import SECONDS, anonnet, told, until
from .test_errors import check_sentence

pytestmark = pytest.mark.real

CHOICES = "EUR at bank, USD at bank, USD at second"


async def open_accounts(home: Path) -> None:
    """Accounts at both banks; 10 EUR and 10 USD at the first one, 10 USD at the second."""
    for bank, currencies in (("bank", ("EUR", "USD")), ("second", ("USD",))):
        await told(home, "merchant", "open-account", "--bank", bank)
        account = (await told(home, "wallet", "open-account", "--bank", bank))["account"]
        for currency in currencies:
            await told(home, "bank", "fund", account, 10, currency, "--data", home / bank)


async def free(home: Path) -> dict[str, dict[str, int]]:
    """What can be spent, by bank and currency."""
    return {each["bank"]: each["free"] for each in (await told(home, "wallet", "balance"))["banks"]}


async def sell(home: Path, item: str, *words: object) -> dict[str, object]:
    path = home / item
    path.write_text(item)
    return await told(home, "merchant", "sell", path, *words)


async def lose_and_restore(local: LocalNetwork) -> None:
    """The wallet's folder is gone; another one is made from its words, and recovers what is at the second bank."""
    home, wallet = local.home, local[Kind.CONSUMER]
    words = home / "words"
    words.write_text(" ".join((await told(home, "wallet", "words"))["words"]))
    await wallet.kill()
    shutil.rmtree(wallet.folder)
    await told(home, "wallet", "restore", "--network", home / "network.json", "--words-file", words)
    await wallet.start()
    await wallet.ready()
    await told(home, "wallet", "recover", "--bank", "second", "--fast", "--wait")


async def check_what_to_do_can_be_done(home: Path) -> None:
    """The command that is named pays in at the bank that is meant, as it stands there."""
    ran = await anonnet(home, "wallet", "withdraw", 99, "USD", "--bank", "second")
    check_sentence(ran, 1, "holds 10 USD, not 99")
    _anonnet, *words = shlex.split(ran.err.partition("have it funded: ")[2].replace("AMOUNT", "1"))
    paid = await anonnet(home, *words)
    assert paid.code == 0, paid.err
    assert (await told(home, "wallet", "statement", "--bank", "second"))["balances"] == {"USD": 11}


async def test_money_at_two_banks_and_in_two_currencies(tmp_path: Path) -> None:
    home = tmp_path / "n"
    with trio.fail_after(4 * SECONDS):  # some thirty commands, and a recovery
        await told(home, "init", home, "--bank", "bank=EUR,USD", "--bank", "second=USD", "--denominations", "1")
        async with LocalNetwork.running(home) as local:
            early = await anonnet(home, "wallet", "withdraw", 1, "USD", "--bank", "second")
            check_sentence(early, 1, "no account at second", "anonnet wallet open-account --bank second")
            await open_accounts(home)
            await check_what_to_do_can_be_done(home)

            unnamed = await anonnet(home, "wallet", "withdraw", 7)
            of_two = await anonnet(home, "wallet", "withdraw", 7, "USD")
            nowhere = await anonnet(home, "wallet", "withdraw", 7, "CHF")
            whose = await anonnet(home, "wallet", "statement")
            assert (whose.code, "Name the bank; there are: bank, second." in whose.err) == (2, True)
            assert [ran.code for ran in (unnamed, of_two, nowhere)] == [2, 2, 2]
            assert f"there are: {CHOICES}." in unnamed.err
            assert "there are: USD at bank, USD at second." in of_two.err
            assert f"There are no tokens in CHF; there are: {CHOICES}." in nowhere.err
            await told(home, "wallet", "withdraw", 7, "EUR")
            await told(home, "wallet", "withdraw", 3, "USD", "--bank", "bank")
            await told(home, "wallet", "withdraw", 5, "USD", "--bank", "second")
            more = await anonnet(home, "wallet", "withdraw", 1, "USD", "--bank", "second")
            assert more.out == "Withdrew 1 USD at second; 6 USD are free to spend there.\n"
            assert await free(home) == {"bank": {"EUR": 7, "USD": 3}, "second": {"USD": 6}}

            assert (await sell(home, "song", "--price", 5, "EUR"))["banks"] == ["bank"]
            assert (await sell(home, "tune", "--price", 5, "USD"))["banks"] == ["bank", "second"]
            assert (await sell(home, "hymn", "--price", 5, "USD", "--bank", "bank"))["banks"] == ["bank"]
            check_sentence(
                await anonnet(home, "merchant", "sell", home / "song", "--price", 5, "CHF"), 1, "CHF", CHOICES
            )

            assert (await told(home, "wallet", "buy", "song"))["outcome"] == "done"
            assert (await told(home, "wallet", "buy", "tune"))["outcome"] == "done"  # only the second has so much
            has = "2 EUR at bank, 3 USD at bank, 1 USD at second"
            check_sentence(await anonnet(home, "wallet", "buy", "hymn"), 1, "hymn costs 5 USD", "paid at bank", has)
            check_sentence(await anonnet(home, "wallet", "buy", "tune", "--bank", "second"), 1, "withdraw", has)

            async def paid() -> bool:
                accounts = [
                    (await told(home, "merchant", "statement", "--bank", bank))["balances"]
                    for bank in ("bank", "second")
                ]
                return accounts == [{"EUR": 5}, {"USD": 5}]

            await until(paid)
            assert (await told(home, "merchant", "sales"))["counts"] == {"credited": 2}

            await lose_and_restore(local)
            assert await free(home) == {"bank": {}, "second": {"USD": 1}}
            for bank in ("bank", "second"):
                books = (await told(home, "bank", "books", "--data", home / bank))["books"]
                assert not [each for each in books if each["book"] == "locked" and each["amount"]]
