"""The demo of a dispute: real daemons, a merchant who sells garbage, and a judge who has the consumer's file alone.

Nothing here tells the judge what happened: he reads the file that `anonnet wallet evidence` writes.
"""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

import trio

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.dispute import Demand
from anonnet.store.wallet import DISPUTED
from anonnet_daemons.config import NETWORK_FILE, Kind, read_network
from anonnet_daemons.demo import ITEM, LEAD_SECONDS, PATIENCE_SECONDS, Play
from anonnet_daemons.disputing import disputed
from anonnet_daemons.evidence import of_purchase, of_sale
from anonnet_daemons.judging import Judgement, judged
from anonnet_daemons.shopping import buy, ended

CHEAT: dict[str, tuple[str, ...]] = {Kind.MERCHANT.value: (sys.executable, "-P", "-m", "anonnet_daemons.dishonest")}
"""Who keeps the shop."""
COLUMNS = 80
"""A verdict is prose, and is wrapped."""


class Dispute(Play):
    """The acts of a dispute."""

    async def play(self) -> None:
        with trio.fail_after(PATIENCE_SECONDS):
            await self._accounts()
            await self._withdrawal()
            await self._shop()
            purchase = await self._garbage()
            await self._asked(purchase)
            await self._judgement(purchase)
            await self._his_side()

    async def _garbage(self) -> bytes:
        self._title("5. The merchant seals noise, under the contract for the bells")
        path = self.home / ITEM
        path.write_bytes(os.urandom(path.stat().st_size))
        purchase = await buy(self.consumer, self._wish(LEAD_SECONDS))
        shown = await ended(self.consumer, purchase)
        await self._credited()
        await self.teller.settle()
        self.demo.check(f"the merchant has been paid; the purchase has ended as {shown.state}", shown.state == DISPUTED)
        return purchase

    async def _asked(self, purchase: bytes) -> None:
        self._title("6. He is shown his own papers first, under a key that nobody knows")
        answer = await disputed(self.consumer, purchase, Demand.DELIVERY, PATIENCE_SECONDS)
        assert answer is not None
        self.demo.say(f"  he says: {answer.denied}", "step")
        self.demo.check("he makes nothing good, so the consumer goes to a judge", bool(answer.denied))

    async def _judgement(self, purchase: bytes) -> None:
        self._title("7. The consumer's evidence in one file, before a judge without any network")
        file, review = self.home / "song.evidence", self.home / "review"
        folder = self.local[Kind.CONSUMER].folder
        exported = await trio.to_thread.run_sync(
            lambda: of_purchase(folder, purchase.hex(), file, goods=True, chunks=())
        )
        self.demo.say(f"  {file.stat().st_size} bytes: {len(exported.papers)} papers, {exported.chunks} chunks", "")
        judgement = await self._judged(file, review)
        against = [(each.claim, each.party.identity) for each in judgement.verdict.wrongs]
        expected = [(Claim.DELIVERY, self.local.peer(Kind.MERCHANT).key)]
        self.demo.check("the judge finds against the merchant, and against nobody else", against == expected)
        goods = [path / "goods" for path in judgement.extracted]
        same = [path.read_bytes() for path in goods] == [(self.home / ITEM).read_bytes()]
        self.demo.check("a reviewer can listen to what was delivered: noise", same)

    async def _his_side(self) -> None:
        self._title("8. The merchant's own evidence: it proves that he was paid")
        file = self.home / "sale.evidence"
        folder = self.local[Kind.MERCHANT].folder
        await trio.to_thread.run_sync(lambda: of_sale(folder, "", file))
        verdict = (await self._judged(file, None)).verdict
        credits = [(each.claim, each.ruling) for each in verdict.of(Claim.CREDIT)]
        self.demo.check("by his own papers the bank has paid", credits == [(Claim.CREDIT, Ruling.DONE)])

    async def _judged(self, file: Path, review: Path | None) -> Judgement:
        """What the judge says of one file; told in his words."""
        network = read_network(self.home / NETWORK_FILE)
        judgement = await trio.to_thread.run_sync(judged, [file], network, review)
        for line in judgement.verdict.words(judgement.names):
            for part in textwrap.wrap(line, COLUMNS, initial_indent="  ", subsequent_indent="     "):
                self.demo.say(part, "step")
        return judgement
