"""Disputes between real processes, by the command: what papers prove is done, what they do not goes to a judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonnet_daemons.config import NETWORK_FILE, Kind
from anonnet_daemons.network import LocalNetwork
from anonnet_daemons.shopping import buy, until_state

from anonnet.protocol.local import Books, BooksOf, Sales, SalesOf

from .processes import SMALL, anonnet, network, open_shop, told, until, wish
from .test_purchase import until_goods_are_there

pytestmark = pytest.mark.real


async def books_of(local: LocalNetwork) -> Books:
    """What the bank's books say."""
    async with local.owner(Kind.BANK) as bank:
        return await bank.ask(BooksOf(), Books)


async def test_what_papers_prove_is_done_and_what_is_denied_goes_to_a_judge(tmp_path: Path) -> None:
    async with network(tmp_path) as local:
        home, sale, hers = local.home, tmp_path / "sale.evidence", tmp_path / "hers.evidence"
        stated, shown = tmp_path / "stated.evidence", tmp_path / "shown.evidence"
        await open_shop(local, bytes(SMALL))
        bought = await told(home, "wallet", "buy", "goods")

        async with local.owner(Kind.MERCHANT) as merchant:

            async def credited() -> bool:
                return [each.state for each in (await merchant.ask(SalesOf(), Sales)).counts] == ["credited"]

            await until(credited)
            number = (await merchant.ask(SalesOf(), Sales)).lines[0].number.hex()
        books = await books_of(local)

        spent = await told(home, "wallet", "dispute", bought["purchase"][:8], "--claim", "spent")
        paid = await told(home, "merchant", "dispute", number[:8])
        await told(home, "merchant", "evidence", number[:8], "--to", sale)
        by_file = await told(home, "bank", "dispute", sale, "--claim", "credit")
        content = await anonnet(home, "wallet", "dispute", bought["purchase"][:8])
        account = (await told(home, "wallet", "statement", "--to", stated))["account"]
        await told(home, "bank", "evidence", account, "--to", shown)
        debits = [await told(home, "judge", *files) for files in ([stated], [stated, shown])]

        assert (spent["met"], spent["papers"]) == (True, ["authorization_q", "commit"])
        assert (paid["met"], paid["papers"]) == (True, ["credit"])
        assert by_file["papers"] == ["credit"]
        assert [[(each["claim"], each["ruling"]) for each in found["findings"]] for found in debits] == [
            [("debit", "owes")],
            [("debit", "right")],
        ]
        assert (content.code, "nobody owes you anything" in content.err) == (1, True)
        assert await books_of(local) == books

        async with local.owner(Kind.CONSUMER) as consumer:
            local[Kind.LOG].pause()  # nobody can pay before the log has told the time
            purchase = await buy(consumer, wish(local, 60))
            await until_goods_are_there(local)
            await local[Kind.MERCHANT].kill()
            local[Kind.LOG].go_on()
            await until_state(consumer, purchase, "authorized")
        denied = await anonnet(home, "wallet", "dispute", purchase.hex()[:8], "--to", hers, "--json")
        verdict = await told(home, "judge", hers, "--network", home / NETWORK_FILE)

        assert (denied.code, denied.json["met"], denied.json["papers"]) == (1, False, ["authorization_b"])
        assert denied.json["why"].startswith("undecided")
        assert verdict["findings"] == []
        assert not verdict["set_aside"]
