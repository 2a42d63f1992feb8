"""Benchmarks of the bank's mint: withdrawals of one token, and exchanges of one token for another.

A bank's daemon with durable storage is asked over direct connections, one for each client; all requests are prepared
beforehand. Beside the daemon's CPU time stands that of the cryptography which no bank can do without, measured in the
same run: what is above it is the price of everything else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.limits import BLINDED_MAX
from anonnet.protocol.account import OpenAccount
from anonnet.protocol.brand import Brand, accepted
from anonnet.protocol.exchange import ExchangeQ, Wanted
from anonnet.protocol.local import Fund, Started
from anonnet.protocol.seed import Lane, TokenSecrets
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from anonnet_daemons.benches.asking import Clients, split
from anonnet_daemons.benches.beside import Work, cpu_ms, exchange, withdrawal
from anonnet_daemons.benches.measuring import PRICE, Times, alone, cpu_seconds, load
from anonnet_daemons.config import Kind
from anonnet_daemons.network import LocalNetwork

WARM_UP = 64
"""Requests before the clock starts, for each benchmark."""
WITHDRAWERS = 8
"""How many withdraw at the same time what shall be exchanged."""
UNTIL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Rate:
    """Figures of one run."""

    what: str
    clients: int
    count: int
    per_second: float
    times: Times
    refused: int
    server_cpu_ms_per_op: float
    """CPU time of the bank's daemon."""
    crypto_cpu_ms_per_op: float
    """CPU time of the cryptography alone."""
    load: float

    @property
    def ratio(self) -> float:
        """How many times the cryptography's CPU time the daemon takes."""
        return round(self.server_cpu_ms_per_op / self.crypto_cpu_ms_per_op, 2)

    @property
    def values(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values.pop("times"), **values, "ratio": self.ratio}


class Wallet:
    """An account and its tokens, without a daemon: makes requests to this bank."""

    def __init__(self, local: LocalNetwork) -> None:
        self.network, self.peer = local.network, local.peer(Kind.BANK)
        self.brand: Brand = accepted(self.network.name, self.peer.key, self.network.brands[0])
        self.until = int(time.time()) + UNTIL_SECONDS
        self.seed = os.urandom(SEED_BYTES)
        self.account = Signer(self.network.name, SigningKey(os.urandom(SEED_BYTES)))

    async def open(self, local: LocalNetwork, money: int) -> None:
        """Open the account, and have money paid in."""
        order = self.account.sign(OpenAccount(bank=self.peer.key))
        await Clients(self.network, self.peer, [[order]]).run()
        key = order.signatures[0].signer
        async with local.owner(Kind.BANK) as owner:
            fund = Fund(account=key, currency=self.brand.currency, amount=money, reference=os.urandom(32))
            await owner.ask(fund, Started)

    def secrets(self, index: int, lane: Lane) -> TokenSecrets:
        """Those of the token at one place."""
        return TokenSecrets(self.seed, self.brand, lane, index)

    def withdraw_c(self, places: Sequence[int]) -> Signed:
        """W1 for the tokens at these places."""
        blinded = tuple(self.secrets(place, Lane.WITHDRAWAL).blinded().blinded_message for place in places)
        order = WithdrawC(bank=self.peer.key, brand=self.brand.id, blinded=blinded, until=self.until)
        return self.account.sign(order)

    async def withdraw(self, count: int) -> list[Token]:
        """The first `count` tokens."""
        parts = split(range(count), -(-count // BLINDED_MAX))
        requests = [self.withdraw_c(part) for part in parts]
        asked = await Clients(self.network, self.peer, split(requests, WITHDRAWERS)).run()
        tokens = []
        for part, reply in zip(parts, asked.answers, strict=True):
            answer = decode(reply.payload)
            assert isinstance(answer, WithdrawB), "the bank has refused a withdrawal"
            for place, signature in zip(part, answer.signatures, strict=True):
                tokens.append(self.secrets(place, Lane.WITHDRAWAL).token(signature))
        return tokens

    def exchange_q(self, token: Token, place: int) -> Signed:
        """E1: the token at this place of one lane for the one at the same place of the other."""
        blinded = self.secrets(place, Lane.EXCHANGE).blinded().blinded_message
        order = ExchangeQ(
            bank=self.peer.key,
            payments=(Payment(token=token, amount=PRICE),),
            wanted=(Wanted(brand=self.brand.id, blinded=(blinded,)),),
            until=self.until,
        )
        return Signer(self.network.name, self.secrets(place, Lane.WITHDRAWAL).key).sign(order)


async def withdrawals(clients: int, count: int) -> Rate:
    """Measure `count` withdrawals of one token each."""
    async with alone(Kind.BANK) as local:
        wallet = Wallet(local)
        await wallet.open(local, PRICE * (count + WARM_UP))
        requests = [wallet.withdraw_c([place]) for place in range(count + WARM_UP)]
        return await _measured("withdraw", local, clients, requests, withdrawal)


async def exchanges(clients: int, count: int) -> Rate:
    """Measure `count` exchanges of one token for another."""
    async with alone(Kind.BANK) as local:
        wallet = Wallet(local)
        await wallet.open(local, PRICE * (count + WARM_UP))
        tokens = await wallet.withdraw(count + WARM_UP)
        requests = [wallet.exchange_q(token, place) for place, token in enumerate(tokens)]
        return await _measured("exchange", local, clients, requests, exchange)


async def _measured(what: str, local: LocalNetwork, clients: int, requests: Sequence[Signed], work: Work) -> Rate:
    network, peer = local.network, local.peer(Kind.BANK)
    warm, cold = requests[:WARM_UP], requests[WARM_UP:]
    await Clients(network, peer, split(warm, clients)).run()
    loaded, crypto_before, before = load(), cpu_ms(work), sum(cpu_seconds(local).values())
    asked = await Clients(network, peer, split(cold, clients)).ask()
    used, crypto_after = sum(cpu_seconds(local).values()) - before, cpu_ms(work)
    return Rate(
        what=what,
        clients=clients,
        count=len(cold),
        per_second=round(len(cold) / asked.seconds, 1),
        times=Times.of(asked.times),
        refused=asked.refused,
        server_cpu_ms_per_op=round(used * 1000 / len(cold), 3),
        crypto_cpu_ms_per_op=round((crypto_before + crypto_after) / 2, 3),
        load=loaded,
    )
