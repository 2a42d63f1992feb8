"""A stage that writes down what is said on it, as a play: titles, lines, and what the stores then hold, in words.

Told from outside: lines come from what is carried between the actors, the stores' contents from what owners are shown.
A follow that the log has nothing for is not told, nor is a question for a certificate or for proofs while there are
none: in a daemon they wait.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.parties.log import Log
from anonnet.parties.merchant import Merchant
from anonnet.parties.turn import Party
from anonnet.protocol.logbook import Entries, Undecided
from anonnet.protocol.proofs import Proofs
from anonnet.protocol.quorum import CertificateOf
from anonnet.protocol.recovery import Restore
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store.bank import BankStore
from anonnet.store.base import Store
from anonnet.store.merchant import MerchantStore
from anonnet.store.wallet import WalletStore
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signer
from tests.actor import Actor, Said
from tests.paper.scenes import NOON, Line, Scene, body_of
from tests.stage import NETWORK, key_of, log_store
from tests.traces.script import Cast, counted, spoken

NAMES = ("bank", "merchant", "log", "consumer")
STORES: dict[str, Callable[[str], Any]] = {"bank": BankStore, "merchant": MerchantStore, "consumer": WalletStore}
GOODS = b"la la la " * 100
"""One chunk, so that transcripts stay short."""


def waits(asked: Line, reply: Said | None) -> bool:
    """True if a daemon would hold this answer back until there is something to say."""
    if isinstance(reply, Entries):
        return not reply.entries
    if isinstance(reply, Proofs):
        return not reply.checkpoint
    return asked.kind is CertificateOf and reply is not None and isinstance(body_of(reply), Undecided)


@dataclass
class Play(Scene):
    """A scene in which everything is told; stores are files, so that an actor can die and be built anew on its own."""

    told: list[str] = field(default_factory=list)
    silent: bool = True
    """Nothing is told while this is set."""
    dies: str = ""
    """This actor dies after its next commit, before it answers."""
    places: list[bool] = field(default_factory=list)
    """For each place of a seed that was asked for: whether the bank had signed it. Hundreds, so they are not told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cast = Cast(self, NOON)
        for name in NAMES:
            self.build(name)

    # Actors.

    def build(self, name: str) -> None:
        """An actor on its own files, new in everything else; a log that is merged with another, once that is there."""
        path, party = str(self.folder / f"{name}.db"), self._party(name)
        if name != "log":
            self._put(name, self._actor(name, party, STORES[name](path)))
            return
        host = getattr(self, self.merged) if self.merged else None
        store = log_store(name, path, self.network.logs[self.log_name], host.store if host else None)
        self._put(name, self._actor(name, party, store))
        if host:
            host.merge(self.log)

    def _party(self, name: str) -> Party:
        key = key_of(name)
        signer = Signer(NETWORK, key)
        if name == "bank":
            return Bank(signer, key.public, self.minted, self.network.logs, self._others(name))
        if name == "merchant":
            return Merchant(signer, key.public, [self.bank_key], self.network.logs, self._others(name))
        if name == "log":
            return Log(signer, self.network.logs[self.log_name], [self.bank_key], told=self._others(name))
        assert isinstance(self.consumer.party, Consumer)
        return Consumer(self.network, bytes(32), [each.brand for each in self.minted])

    def _put(self, name: str, actor: Actor) -> None:
        if name == "consumer":
            self.consumers = [actor]
        setattr(self, name, actor)

    def bury(self, name: str) -> None:
        """An actor is gone with all its memory; another one stands up on its store."""
        store: Store = getattr(self, name).store
        store.close()
        self.build(name)
        self.aside(f"{self.cast.party(name)} dies; another {self.cast.party(name)} stands up on its store.")

    def lose(self, name: str) -> None:
        """An actor's store is gone; another one stands up with nothing."""
        getattr(self, name).store.close()
        for path in self.folder.glob(f"{name}.db*"):
            path.unlink()
        self.build(name)

    def over(self) -> str:
        """Close the stores; the whole transcript."""
        for actor in self.actors:
            actor.store.close()
        return "\n".join(self.told).rstrip() + "\n"

    # What is written down.

    def title(self, text: str) -> None:
        """The play's name; from here on everything is told."""
        self.silent = False
        self.told += [text.upper(), ""]

    def act(self, text: str) -> None:
        """A scene's title."""
        self.told += ["", text, ""]

    def aside(self, text: str) -> None:
        """What somebody who watches would explain."""
        if not self.silent:
            self.told += textwrap.wrap(f"({text})", 110, initial_indent="    ", subsequent_indent="    ")

    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.aside(f"{seconds} seconds pass.")
        self.pass_time(seconds)

    def hold(self, *names: str) -> None:
        """What these stores hold now."""
        for name in names or NAMES:
            self.told.append(f"  {self.cast.party(name)} holds: {self._holds(name)}")

    def _holds(self, name: str) -> str:
        if name == "bank":
            books = self.books()
            return ", ".join(f"{books.get(book, 0)} in {book}" for book in ("account", "tokens", "locked"))
        if name == "log":
            return counted(sum(size for _, size in self.log.store.sizes()), "entry", "entries")
        if name == "merchant":
            states = self.merchant.store.states()
            return ", ".join(f"{counted(count, 'sale', 'sales')} {state}" for state, count in states) or "no sale"
        purchases = [self.purchase(id).state for id in reversed(self.consumer.store.purchases(most=10))]
        tokens = [f"{units} {state}" for state, units in sorted(self.tokens().items())]
        return "; ".join([", ".join(tokens) or "no tokens", *(f"a purchase {state}" for state in purchases)])

    # What is said.

    def say(self, sender: str, receiver: Actor, said: Said) -> Said | None:
        asked = Line(sender, receiver.name, said)
        if self.lost(asked):
            self._tell(asked, "lost")
            return None
        closed = len(receiver.closed)
        reply = receiver.takes(frame(said, 1))
        if asked.kind is Restore:
            self.places.append(isinstance(reply, WithdrawB))
            return reply
        if waits(asked, reply):
            return reply
        self._tell(asked)
        if len(receiver.closed) > closed:
            self.aside(f"{self.cast.party(receiver.name)} closes the connection: {receiver.closed[-1]}.")
        return None if reply is None else self._answer(Line(receiver.name, sender, reply))

    def _answer(self, line: Line) -> Said | None:
        if self.dies == line.sender:
            self.dies = ""
            self._tell(line, "never said")
            self.bury(line.sender)
            return None
        self._tell(line, "lost" if self.lost(line) else "")
        return None if self.lost(line) else line.said

    def _tell(self, line: Line, fate: str = "") -> None:
        self.heard.append(line)
        if not self.silent:
            self.told.append(spoken(self.cast, line, fate))

    def twice(self, sender: str, receiver: Actor, said: Said) -> None:
        """Say the same thing twice; the answers are the same bytes."""
        first, second = (self.say(sender, receiver, said) for _ in range(2))
        assert first is not None
        same = first == second
        self.aside("The same answer, byte for byte." if same else "ANOTHER ANSWER.")
        assert same
