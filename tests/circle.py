"""A log and the four mirrors that decide with it, all real, and what they say to each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from anonnet.parties.log import Log
from anonnet.parties.mirror import Mirror
from anonnet.parties.turn import Party
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow
from anonnet.protocol.rules import follows, sound
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.store.log import LogStore
from anonnet.store.mirror import MirrorStore
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor, Said
from tests.mirrors import KNOWN, MIRRORS, SHARD
from tests.stage import NETWORK, NOON, key_of


class Circle:
    """A log and its four mirrors, three of them a quorum, and what happens between them."""

    def __init__(self) -> None:
        self.now = NOON
        self.down: set[str] = set()
        self.heard: list[tuple[str, Said]] = []
        """Who has replied what."""
        self.actors: dict[str, Actor] = {}
        for name in ("log", *MIRRORS):
            self.enter(name)
        self.names = {key_of(name).public: name for name in MIRRORS} | {KNOWN.identity: "log"}

    def enter(self, name: str, path: str = MEMORY, database: Callable[..., Database] = Database) -> None:
        """Have the log, or a mirror, begin or go on with what is there."""
        key = key_of(name)
        signer = Signer(NETWORK, key)
        if name == "log":
            party: Party = Log(signer, KNOWN)
            store: Store = LogStore(path, seal=partial(KNOWN.sealed, key), database=database)
        else:
            party = Mirror(signer, key, {KNOWN.identity: KNOWN})
            store = MirrorStore(path, database=database)
        self.act(name, party, store)

    def act(self, name: str, party: Party, store: Store) -> None:
        """Have this party be the one of that name from now on."""
        self.actors[name] = Actor(name, party, store, lambda: self.now, lambda: bytes(32))

    @property
    def log(self) -> Actor:
        return self.actors["log"]

    def settle(self) -> None:
        """Let errands run until nothing new comes of them."""
        for _ in range(20):
            before = [actor.store.changes for actor in self.actors.values()]
            for name, actor in self.actors.items():
                if name not in self.down:
                    actor.remind()
            for name, actor in self.actors.items():
                if name not in self.down:
                    for errand in actor.store.errands.due(self.now, most=100):
                        self._run(actor, errand)
            if before == [actor.store.changes for actor in self.actors.values()]:
                return

    def _run(self, actor: Actor, errand: Any) -> None:
        name = self.names[errand.receiver]
        if name in self.down or not actor.store.errands.stands(errand.hash):
            return
        reply = self.say(errand.said, name)
        if reply is not None:
            actor.takes(frame(reply, 1), answers=errand)

    def say(self, said: Said, name: str) -> Said | None:
        """What is answered."""
        reply = self.actors[name].takes(frame(said, 1))
        if reply is not None:
            self.heard.append((name, reply))
        return reply

    def ask(self, said: Said, name: str = "log") -> Any:
        """The same without its signatures."""
        reply = self.say(said, name)
        return decode(reply.body) if isinstance(reply, Signed) else reply

    def entries(self) -> list[Entry]:
        """What stands in the shard, every entry held to the rules."""
        page = self.ask(Follow(log=KNOWN.identity, shard=SHARD, start=0))
        assert isinstance(page, Entries)
        found = list[Entry]()
        for each in page.entries:
            entry = sound(NETWORK, KNOWN, SHARD, each.entry)
            follows(Prefix(found), entry)
            found.append(entry)
        return found

    def kinds(self) -> list[int]:
        return [entry.kind for entry in self.entries()]


class Prefix:
    """The entries so far, as the rules look at them."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.size = len(entries)
        self.last_time = entries[-1].time if entries else 0
        self.closed = bool(entries) and entries[-1].kind == EntryKind.CLOSE

    def standing(self, outcome_key: bytes) -> list[Entry]:
        return [entry for entry in self.entries if entry.outcome_key == outcome_key]

    def brands(self) -> list[Any]:
        return []
