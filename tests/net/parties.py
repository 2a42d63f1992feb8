"""Small parties for tests of the shell: a tally that counts notes, and a visitor who has errands with it."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from anonnet.crypto.keys import SigningKey
from anonnet.crypto.noise import generate_static, public_of
from anonnet.errors import Fatal, Malformed, Refused, Why
from anonnet.limits import FRAME_MAX, KIB
from anonnet.net.incidents import Incidents
from anonnet.net.turns import Placement, TurnQueue
from anonnet.parties.turn import Again, Answer, Asked, Costly, Due, From, Party, Turn, on
from anonnet.protocol.answers import ANSWERS
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.refusal import Refusal
from anonnet.store.base import Store
from anonnet.store.database import MEMORY, Database
from anonnet.wire.codec import Between, Message, message
from anonnet.wire.signed import Checked, Signer

SCHEMA = """
create table if not exists note(text text primary key) without rowid;
create table if not exists deadline(at integer primary key);
"""

NETWORK_NAME = "tests"


@message(60001, signed=False, frame_max=64 * KIB)
class Note(Message):
    """Write this down; the text says what else is to happen."""

    text: Annotated[str, Between(1, 60 * KIB)]


@message(60002, signed=False, frame_max=FRAME_MAX)
class Noted(Message):
    """How many notes there are, and some padding."""

    count: Annotated[int, Between(0, 2**40)]
    padding: Annotated[bytes, Between(0, FRAME_MAX - KIB)]


@message(60003, signed=False, frame_max=KIB)
class More(Message):
    """Wait until there are more notes than these."""

    than: Annotated[int, Between(0, 2**40)]


ANSWERS |= {Note: (Noted,), More: (Noted,)}


@message(60004, signed=False, frame_max=KIB)
class Send(Message):
    """Owner: have this note sent to the tally."""

    text: Annotated[str, Between(1, 256)]
    receiver: Annotated[bytes, Between(32, 32)]


def note(number: int) -> bytes:
    """What the store's news call the note with this number."""
    return b"note %d" % number


class NoteStore(Store):
    """Notes, and deadlines. `broken` makes the next commit fail; `commits` counts them."""

    def __init__(self, path: Path | str = MEMORY) -> None:
        from anonnet.store import errands

        super().__init__(Database(path, schema=errands.SCHEMA + SCHEMA))
        self.broken = False
        self.commits = 0

    def add(self, text: str) -> None:
        self._db.run("insert into note(text) values(?) on conflict do nothing", text)
        self.news.add(note(self.count()))

    def count(self) -> int:
        (count,) = self._db.one("select count(*) from note")
        return int(count)

    def set_deadline(self, at: int) -> None:
        self._db.run("insert into deadline(at) values(?)", at)

    def drop_deadlines(self, now: int) -> None:
        self._db.run("delete from deadline where at <= ?", now)

    def next_deadline(self) -> int | None:
        (at,) = self._db.one("select min(at) from deadline")
        return None if at is None else int(at)

    def commit(self) -> None:
        if self.broken:
            raise Fatal("the disk is gone")
        super().commit()
        self.commits += 1


@dataclass(frozen=True, slots=True)
class Dear(Costly):
    """What takes long."""

    text: str


class Tally(Party):
    """Counts notes. Some texts have it do more: see `note`."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signer)
        self.handled: list[str] = []
        self.finished: list[str] = []
        self.gate = threading.Event()
        """What is made after a commit waits for it."""
        self.gate.set()

    def check(self, checked: Checked[Message]) -> None:
        body = checked.body
        if isinstance(body, Note) and body.text == "refused at the door":
            raise Refused(Why.FULL, "at the door")
        if isinstance(body, Note) and body.text == "bug at the door":
            raise ZeroDivisionError("secret at the door")

    @on(Note)
    def note(self, turn: Turn[NoteStore], asked: Asked[Note]) -> Answer:
        text = asked.body.text
        self.handled.append(text)
        turn.store.add(text)
        match text.split()[0]:
            case "bug":
                raise ZeroDivisionError("secret")
            case "refuse":
                raise Refused(Why.UNKNOWN, "no")
            case "malformed":
                raise Malformed("no")
            case "finish" | "again":
                return Answer(finish=text)
            case "dear":
                return Answer(finish=Dear(text))
            case "deadline":
                turn.store.set_deadline(int(text.split()[1]))
            case "silent":
                return Answer()
            case "large":
                return Answer(Noted(count=turn.store.count(), padding=bytes(int(text.split()[1]))))
        return Answer(Noted(count=turn.store.count(), padding=b""))

    def finish(self, job: object) -> Noted | Again:
        job = job.text if isinstance(job, Dear) else job
        assert isinstance(job, str)
        self.finished.append(job)
        assert self.gate.wait(20)
        if job.startswith("again"):
            return Again(Note(text=f"second {job}"))
        return Noted(count=0, padding=job.encode())

    @on(More)
    def more(self, turn: Turn[NoteStore], asked: Asked[More]) -> Answer:
        count, than = turn.store.count(), asked.body.than
        return Answer(Noted(count=count, padding=b""), hold=note(than + 1) if count <= than else b"")

    @on(Due)
    def due(self, turn: Turn[NoteStore], asked: Asked[Due]) -> Answer:
        turn.store.add(f"due at {turn.now}")
        turn.store.drop_deadlines(turn.now)
        return Answer()


class Visitor(Party):
    """Has errands with a tally, and writes down what it answered."""

    @on(Send, by=From.OWNER)
    def send(self, turn: Turn[NoteStore], asked: Asked[Send]) -> Answer:
        note = Note(text=asked.body.text)
        turn.store.errands.add(asked.body.receiver, note, subject=asked.body.receiver, due=turn.now)
        return Answer(Noted(count=0, padding=b""))

    @on(Noted, by=From.ERRAND)
    def noted(self, turn: Turn[NoteStore], asked: Asked[Noted]) -> Answer:
        assert asked.answers is not None
        message = asked.answers.message
        assert isinstance(message, Note)
        turn.store.add(f"answered {message.text}")
        if message.text.startswith("on"):
            return Answer(then=Note(text=message.text[2:]))
        if not message.text.startswith("standing"):
            turn.store.errands.end(asked.answers.hash)
        return Answer()

    @on(Refusal, by=From.ERRAND)
    def refused(self, turn: Turn[NoteStore], asked: Asked[Refusal]) -> Answer:
        assert asked.answers is not None
        turn.store.errands.end(asked.answers.hash)
        return Answer()


def signer() -> Signer:
    return Signer(NETWORK_NAME, SigningKey(os.urandom(32)))


STATIC_SECRETS: dict[bytes, bytes] = {}
"""Channel secrets of peers made here, by identity."""


def new_peer(role: Role, name: str, *, key: bytes | None = None, host: str = "127.0.0.1", port: int = 0) -> Peer:
    secret = generate_static()
    made = Peer(role, name, key or SigningKey(os.urandom(32)).public, public_of(secret), host, port)
    STATIC_SECRETS[made.identity] = secret
    return made


def free_port(role: Role, name: str) -> Peer:
    """A peer with a port of this machine that is free now, and will be its own after a restart too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return new_peer(role, name, port=probe.getsockname()[1])


def network_of(*peers: Peer) -> Network:
    return Network(NETWORK_NAME, peers)


def entropy(size: int) -> bytes:
    return bytes(size)


def queue_of(party: Party, store: Store, folder: Path, **more: object) -> TurnQueue:
    return TurnQueue(
        party,
        store,
        clock=more.pop("clock", lambda: 1000),  # type: ignore[arg-type]
        entropy=entropy,
        incidents=Incidents(folder, Counting()),
        placement=more.pop("placement", Placement.COMMIT_BY_DISK),  # type: ignore[arg-type]
    )


class Counting:
    """Entropy that never repeats, for names of files."""

    def __init__(self) -> None:
        self.given = 0

    def __call__(self, size: int) -> bytes:
        self.given += 1
        return self.given.to_bytes(size, "big")
