"""One token, spent 16 times at the same moment: one sale has it, and every other is shown which one.

40 tokens, 1,000 with ANONNET_DEEP=1, against the daemons of a bank and a log, over 16 connections that stay open. Then
the sale commits, and each asks again: the same promise for the winner, and for the losers proof that the token is gone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from anonnet_daemons.benches.asking import Clients
from anonnet_daemons.benches.mint import Wallet
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork

from anonnet.errors import Why
from anonnet.net.connection import Connection
from anonnet.net.dialing import Direct
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.local import Books, BooksOf
from anonnet.protocol.logbook import Time, TimeOf
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.wire.codec import STEPS, Message
from anonnet.wire.signed import Checked, Signed, Signer, received
from tests.world.judge_core import Judge, Verdict

from .shop import CURRENCY, DEEP

pytestmark = [pytest.mark.real, pytest.mark.slow]

SPENDS = 16
TOKENS = 1000 if DEEP else 40
LEAD = 600
SECONDS = 900 if DEEP else 120


@dataclass(frozen=True)
class Spend:
    """One of the sales that the token is meant to pay."""

    key: bytes
    """k."""
    authorization_q: Signed
    body: AuthorizationQ


class Scene:
    """Who takes part: a consumer's tokens, a merchant's key, connections to the bank and one to the log."""

    def __init__(self, local: LocalNetwork, banks: Sequence[Connection], log: Connection) -> None:
        self.local = local
        self.network = local.network.name
        self.wallet = Wallet(local)
        setup = read_setup(local[Kind.MERCHANT].folder, Kind.MERCHANT)
        self.merchant = Signer(self.network, setup.identity(local.peer(Kind.MERCHANT)))
        self.judge = Judge(
            *(self.network, self.wallet.peer.key, local.network.logs),
            brands=[offer.brand for offer in local.network.brands],
        )
        self.banks, self.log = banks, log
        self.wins: Counter[int] = Counter()
        """Of each connection."""

    async def open(self) -> list[Token]:
        """Accounts, and the tokens."""
        order = self.merchant.sign(OpenAccount(bank=self.wallet.peer.key))
        await Clients(self.local.network, self.wallet.peer, [[order]]).run()
        await self.wallet.open(self.local, TOKENS)
        return await self.wallet.withdraw(TOKENS)

    async def ask(self, connection: Connection, said: Message | Signed) -> Checked[Any]:
        reply = await connection.ask(said)
        return received(self.network, STEPS[reply.step], reply.payload)

    async def spends(self, place: int, token: Token) -> list[Spend]:
        """P2 of as many sales of the merchant, all with this token."""
        log, merchant = self.local.peer(Kind.LOG).identity, self.local.peer(Kind.MERCHANT).key
        time = (await self.ask(self.log, TimeOf(log=log))).body
        assert isinstance(time, Time)
        q = Signer(self.network, self.wallet.secrets(place, Lane.WITHDRAWAL).key)
        found = []
        for key in (os.urandom(32) for _ in range(SPENDS)):
            number = number_of(merchant, key)
            body = AuthorizationQ(
                bank=self.wallet.peer.key,
                transaction=Transaction(number=number, expiration=time.time + LEAD, merchant=merchant, log=log),
                payments=(Payment(token=token, amount=self.wallet.brand.denomination),),
            )
            found.append(Spend(key, q.sign(body), body))
        return found

    async def race(self, spends: Sequence[Spend]) -> tuple[Spend, Checked[Any], dict[Spend, Checked[Refusal]]]:
        """Ask for all at once; who has won, the promise, and the refusals of the others."""
        answers: dict[Spend, Checked[Any]] = {}

        async def spend(connection: Connection, each: Spend) -> None:
            answers[each] = await self.ask(connection, each.authorization_q)

        async with trio.open_nursery() as nursery:
            for connection, each in zip(self.banks, spends, strict=True):
                nursery.start_soon(spend, connection, each)
        losers = {each: said for each, said in answers.items() if isinstance(said.body, Refusal)}
        (winner,) = answers.keys() - losers.keys()
        promise = answers[winner]
        assert promise.signer == self.wallet.peer.key
        assert promise.body == AuthorizationB.answering(winner.body, CURRENCY)
        for each, refusal in losers.items():
            assert refusal.signer == self.wallet.peer.key
            assert (refusal.body.why, refusal.body.request) == (Why.TOKEN_USED, each.authorization_q.hash)
        return winner, promise, losers

    async def commit(self, winner: Spend) -> Signed:
        """P4, and the commit, which the bank is shown."""
        said = AuthorizationM(transaction=winner.body.transaction, key=winner.key)
        commit = await self.ask(self.log, self.merchant.sign(said))
        assert isinstance(commit.body, Commit)
        noted = await self.ask(self.banks[0], commit.signed)
        assert isinstance(noted.body, Noted)
        return commit.signed


@asynccontextmanager
async def bank_and_log(folder: Path) -> AsyncIterator[Scene]:
    """Both as processes, and nobody else, for the time of the block, which has a deadline."""
    with trio.fail_after(SECONDS):
        await found(Plan(folder / "n", CURRENCY, denominations=(1,)))
        local = LocalNetwork(folder / "n")
        try:
            for kind in (Kind.BANK, Kind.LOG):
                await local[kind].start()
                await local[kind].ready()
            async with AsyncExitStack() as stack:
                dialer = Direct(local.network)
                peers = [local.peer(Kind.BANK)] * SPENDS + [local.peer(Kind.LOG)]
                *banks, log = [await stack.enter_async_context(await dialer.connect(each)) for each in peers]
                yield Scene(local, banks, log)
        finally:
            await local.end_now()


async def test_of_simultaneous_spends_one_wins_and_the_others_hold_proof(
    tmp_path: Path, reached: Callable[[str], None]
) -> None:
    async with bank_and_log(tmp_path) as scene:
        tokens = await scene.open()
        began = trio.current_time()
        for place, token in enumerate(tokens):
            spends = await scene.spends(place, token)
            winner, promise, losers = await scene.race(spends)
            scene.wins[spends.index(winner)] += 1
            for each, refusal in losers.items():
                assert refusal.body.evidence == (winner.authorization_q,)
                assert scene.judge.bank_refuses(each.authorization_q, refusal.signed) is Verdict.REFUSED_RIGHTLY

            commit = await scene.commit(winner)
            again, same, losers = await scene.race([*spends[1:], spends[0]])  # on other connections
            assert (again, same.signed) == (winner, promise.signed)
            for each, refusal in losers.items():
                assert refusal.body.evidence == (winner.authorization_q, commit)
                assert scene.judge.bank_refuses(each.authorization_q, refusal.signed) is Verdict.REFUSED_RIGHTLY
                assert scene.judge.bank_justifies(token.id, *refusal.body.evidence) is Verdict.TOKEN_IS_SPENT
        took = trio.current_time() - began
        async with scene.local.owner(Kind.BANK) as bank:
            books = {each.book: each.amount for each in (await bank.ask(BooksOf(), Books)).totals}
            health = await bank.health()

    reached(f"{TOKENS} tokens, each spent {SPENDS} times at once, and again: {took:.0f} s")
    wins = [scene.wins[connection] for connection in range(SPENDS)]
    reached(f"{health.turns / health.commits:.1f} turns in one commit; wins of each connection: {wins}")
    assert {book: amount for book, amount in books.items() if amount} == {"cash": -TOKENS, "account": TOKENS}
    assert not health.incidents
