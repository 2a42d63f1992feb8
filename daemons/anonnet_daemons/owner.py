"""An owner's side of a control socket: commands, their answers, and what goes wrong, in words for people.

Four things can go wrong, and a caller's exit code tells them apart: the command was refused or has failed; it makes no
sense (wrong use); no daemon runs; or the outcome is not known yet, and comes without further doing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from shlex import quote
from typing import TypeVar

from anonnet.errors import Malformed, Why
from anonnet.limits import STATEMENT_MAX
from anonnet.net.connection import Connection, Reply
from anonnet.net.control import control
from anonnet.protocol.account import Statement
from anonnet.protocol.forwarding import Forward, Forwarded, NotReady, StatementAt, Unreached
from anonnet.protocol.network import Network, Peer
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.watching import Happened, Health, HealthOf, Watch
from anonnet.wire.codec import STEPS, Message, decode, encode
from anonnet.wire.signed import Checked, Signed, received
from anonnet_daemons.config import Kind, Setup, read_setup

M = TypeVar("M", bound=Message)

ADVICE = {
    Why.UNKNOWN: "check the name or the account, and whether it has been opened",
    Why.EXPIRED: "begin anew",
    Why.TOO_SOON: "wait until then, or buy with --now, which shows the bank a withdrawal and a payment close together",
    Why.OVERDRAFT: "have the bank fund the account, or choose a smaller amount",
    Why.NOT_OPEN: "see anonnet wallet brands; if none is open, ask the bank for its next ones",
    Why.BAD_BRAND: "see anonnet wallet brands; if none is open, ask the bank for its next ones",
    Why.UNDECIDED: "wait until it is over",
    Why.BAD_GOODS: "check that the file is there and can be read, then put it on sale again",
    Why.NO_EXACT_AMOUNT: "choose an amount that the bank's denominations make up",
    Why.FULL: "try again later",
    Why.UNPROVEN: "look at its evidence, and bring papers that prove it",
    Why.INCIDENT: "its owner finds the file of that name in the folder incidents of its data folder",
}
"""What to do about a refusal, where something can be done."""


class Failed(Exception):
    """Refused or failed; the text is one sentence that says what to do next. `why`: the reason of a refusal."""

    def __init__(self, text: str, why: Why | None = None) -> None:
        super().__init__(text)
        self.why = why


class NoDaemon(Exception):
    """No daemon runs on that data folder."""


class NotYet(Exception):
    """The outcome is not known yet; what was begun goes on by itself."""


def refused(who: str, refusal: Refusal) -> Failed:
    """A refusal in one sentence."""
    why = Why(refusal.why)
    detail = f" ({refusal.detail})" if refusal.detail else ""
    advice = ADVICE.get(why, "nothing has been paid by this; docs/wire.md says what the reason means")
    return Failed(f"{who} refused, {why}{detail}: {advice}", why)


class Owner:
    """A session with one daemon."""

    def __init__(self, setup: Setup, network: Network, connection: Connection) -> None:
        self.setup = setup
        self.network = network
        self._connection = connection

    async def ask(self, command: Message | Signed, expected: type[M]) -> M:
        """Give a command, or say what anybody may; return the answer. Raises Failed, NoDaemon or NotYet."""
        return self._as(await self._said(command), expected).body

    async def health(self) -> Health:
        """How the daemon is."""
        return await self.ask(HealthOf(), Health)

    async def forward(self, peer: Peer, request: Message, expected: type[M]) -> Checked[M]:
        """Have the daemon ask another party on a connection of its own."""
        return await self._forwarded(peer, Forward(receiver=peer.identity, request=encode(request)), expected)

    async def statement(self, bank: Peer, start: int = 0) -> Statement:
        """The bank's signed statement of this owner's account."""
        said = await self._forwarded(bank, StatementAt(bank=bank.key, start=start), Statement)
        if said.signer != bank.key:
            raise Failed(f"{bank.name} gave a statement that another has signed: do not trust this bank")
        return said.body

    async def statements(self, bank: Peer) -> list[Signed]:
        """The bank's signed statements of this owner's whole account, page by page."""
        pages: list[Signed] = []
        start, full = 0, True
        while full:
            said = await self._forwarded(bank, StatementAt(bank=bank.key, start=start), Statement)
            pages.append(said.signed)
            full = len(said.body.entries) == STATEMENT_MAX
            start += len(said.body.entries)
        return pages

    async def watch(self) -> AsyncIterator[Happened]:
        """Every step of this daemon as it happens, until it stops."""
        steps = self._connection.listen(Watch())
        try:
            async for reply in steps:
                happened = decode(reply.payload)
                assert isinstance(happened, Happened)
                yield happened
        except OSError:
            return
        finally:
            await steps.aclose()  # type: ignore[attr-defined]

    async def _forwarded(self, peer: Peer, command: Message, expected: type[M]) -> Checked[M]:
        said = await self._said(command)
        if isinstance(said.body, Unreached):
            relay = ", and the relay" if self.setup.kind is Kind.CONSUMER else ""
            raise Failed(
                f"{peer.name} cannot be reached: {said.body.why}: see whether it runs{relay}, or try again later"
            )
        forwarded = self._as(said, Forwarded).body
        checked = self._read(Reply(forwarded.answer_step, forwarded.answer))
        if isinstance(checked.body, Refusal):
            raise refused(peer.name, checked.body)
        return self._as(checked, expected)

    async def _said(self, command: Message | Signed) -> Checked[Message]:
        """What the daemon says to a command. Raises Failed where it refuses, NoDaemon or NotYet."""
        checked = self._read(await self._reply(command))
        if isinstance(checked.body, Refusal):
            raise refused(self.setup.name, checked.body)
        if isinstance(checked.body, NotReady):
            raise NotYet(f"{self.setup.name} cannot be asked yet: {checked.body.why}")
        return checked

    async def _reply(self, command: Message | Signed) -> Reply:
        try:
            return await self._connection.ask(command)
        except TimeoutError as why:
            raise NotYet(f"{self.setup.name} has not answered in time: ask again later") from why
        except OSError as why:
            raise NoDaemon(
                f"the daemon of {self.setup.name} ended while it was asked: start it, and look again"
            ) from why

    def _read(self, reply: Reply) -> Checked[Message]:
        try:
            return received(self.network.name, STEPS[reply.step], reply.payload)
        except (Malformed, KeyError) as why:
            raise Failed(f"{self.setup.name} gave an answer that makes no sense ({why}): compare versions") from why

    def _as(self, checked: Checked[Message], expected: type[M]) -> Checked[M]:
        if type(checked.body) is not expected:
            raise Failed(f"{self.setup.name} answered something else than was asked: compare versions")
        return checked  # type: ignore[return-value]


@asynccontextmanager
async def owner_of(folder: Path, kind: Kind) -> AsyncIterator[Owner]:
    """Speak with the daemon on this data folder. Raises BadStart, NoDaemon."""
    setup = read_setup(folder, kind)
    network = setup.network()
    async with AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(control(folder))
        except OSError as why:
            start = f"anonnet {noun(kind)} run --data {quote(str(folder))}"
            raise NoDaemon(f"no {kind} runs on {folder}: start it with {start}") from why
        yield Owner(setup, network, connection)


def noun(kind: Kind) -> str:
    """What the command calls this kind of party."""
    return "wallet" if kind is Kind.CONSUMER else kind.value
