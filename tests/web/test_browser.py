"""The pages in a browser: the search finds and proves, tells the server nothing, and is not to be fooled by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from anonnet.protocol.purchase import AuthorizationM
from anonnet.store.published import LogShelf, MirrorShelf
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.codec import decode
from tests import mirrors
from tests.machine import KNOWN, LAST, SHARDS, Machine, p4
from tests.web.browser import Browser, browser, needs_browser
from tests.web.serving import Site, served
from tests.web.test_files import LOGS, PREFIX, shelf

pytestmark = [pytest.mark.real, needs_browser]

SALES = 300
HEX = re.compile(r"\b[0-9a-f]{64}\b")
FETCHED = "performance.getEntriesByType('resource').map((each) => each.name)"


@pytest.fixture(scope="module")
def page() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Machine]:
    """One sale in a shard, and SALES in the one before."""
    machine = Machine(tmp_path)
    machine.batch([p4(number) for number in range(SALES)])
    machine.batch([p4(SALES, LAST + 1)])
    yield machine
    machine.store.close()


def number_of(sale: int) -> str:
    said = decode(p4(sale).body)
    assert isinstance(said, AuthorizationM)
    return said.transaction.number.hex()


async def search(page: Browser, site: Site, path: str, number: str, then: str) -> list[str]:
    """Type a number on this page, press the button, wait for this element; what the page has fetched."""

    def drive() -> list[str]:
        page.visit(site.address + path)
        page.run(f"document.getElementById('number').value = ' {number.upper()}'")
        page.run("document.getElementById('find').click()")
        page.until(f"document.querySelector('{then}') && !document.getElementById('find').disabled")
        return [str(each) for each in page.run(FETCHED)]

    return await trio.to_thread.run_sync(drive)


async def reads(read: Callable[[], str]) -> str:
    return await trio.to_thread.run_sync(read)


async def test_a_sale_is_found_among_all_shards_with_a_proof_that_leads_to_the_root(
    page: Browser, log: Machine, tmp_path: Path
) -> None:
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        fetched = await search(page, site, "/", number_of(7), ".verdict")
        found = await reads(partial(page.text, "#found"))
        note = SignedCheckpoint.parse((await site.get(f"{PREFIX}/checkpoint")).body)

    assert f"Shard {SHARDS[0]}: entry 8 of {SALES + 1}" in found
    assert HEX.findall(found)[-1] == note.body.root.hex()
    assert "That is the root in the checkpoint. Whether log and mirrors have signed that" in found
    assert not [address for address in fetched if number_of(7) in address or "/entry/" in address]


async def test_a_search_fetches_the_same_whatever_it_looks_for(page: Browser, log: Machine, tmp_path: Path) -> None:
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        first, last, absent = [
            sorted(await search(page, site, "/", number, then))
            for number, then in ((number_of(0), ".verdict"), (number_of(SALES), ".verdict"), (64 * "a", "#progress"))
        ]
        words = await reads(partial(page.text, "#progress"))

    assert first == last == absent
    assert f"No open entry has this number; sealed ones show none. {SALES + 3} entries read." in words


async def test_a_key_that_is_another_sale_s_number_is_not_found_as_that_sale(
    page: Browser, log: Machine, tmp_path: Path
) -> None:
    """Whoever sells chooses his key, and it stands in the open."""
    there, absent = number_of(7), number_of(SALES + 7)
    log.batch([p4(int(there, 16)), p4(int(absent, 16))])

    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        await search(page, site, f"{PREFIX}/", there, ".verdict")
        found = await reads(partial(page.text, "#found"))
        await search(page, site, f"{PREFIX}/", absent, ".verdict")
        nothing, words = [await reads(partial(page.text, place)) for place in ("#found", "#progress")]

    assert re.findall(r"entry \d+ of", found) == ["entry 8 of"]
    assert not re.findall(r"entry \d+ of", nothing)
    assert "No open entry has this number" in words


async def test_a_pledge_is_called_a_pledge_and_a_commit_shows_its_key(page: Browser, tmp_path: Path) -> None:
    pen, sale = mirrors.Pen(), mirrors.sale()
    pen.write(mirrors.pledge(sale), mirrors.released(sale))
    wall = mirrors.Wall(pen)
    first = wall.put_on_file("mirror-0", tmp_path / "mirror.db")
    wall.settle()
    known, prefix = mirrors.KNOWN, f"/{mirrors.KNOWN.origin(mirrors.SHARD)}"
    async with served(MirrorShelf(tmp_path / "mirror.db"), {known.identity: known}, tmp_path) as site:
        await search(page, site, f"{prefix}/", sale.number.hex(), ".verdict")
        pledge, commit = (await reads(partial(page.text, "#found"))).split("entry 2 of 3")
    first.store.close()

    assert "A merchant pledges a sale of this number." in pledge
    assert "commits: its key k is in this entry" in commit
    assert all(f"merchant M\n{sale.merchant.hex()}" in each for each in (pledge, commit))
    assert f"key to the goods k\n{mirrors.KEY.hex()}" in commit
    assert "key to the goods k" not in pledge


async def test_new_entries_come_to_an_open_page_by_themselves(page: Browser, log: Machine, tmp_path: Path) -> None:
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        await trio.to_thread.run_sync(page.visit, f"{site.address}{PREFIX}/")
        log.batch([p4(SALES + 1)])
        await trio.to_thread.run_sync(page.until, f"document.getElementById('live').dataset.size === '{SALES + 2}'")
        live = await reads(partial(page.text, "#live"))

    assert number_of(SALES + 1) in live
    assert "The log's signature holds" in live


class Lying(LogShelf):
    """A server that shows the sales in another order, under the checkpoint that the log has signed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "log.db", KNOWN)
        honest = self.entries
        self.entries = lambda shown, bundle: (honest(shown, bundle) or [])[::-1]


async def test_a_server_that_shows_other_entries_than_were_signed_is_found_out(
    page: Browser, log: Machine, tmp_path: Path
) -> None:
    async with served(Lying(tmp_path), LOGS, tmp_path) as site:
        await search(page, site, f"{PREFIX}/", number_of(7), ".verdict")
        found = await reads(partial(page.text, "#found"))
        await search(page, site, f"{PREFIX}/", 64 * "a", ".verdict")
        nothing = await reads(partial(page.text, "#found"))

    for words in (found, nothing):
        assert "That is not the root in the checkpoint" in words
        assert "That is the root in the checkpoint" not in words
