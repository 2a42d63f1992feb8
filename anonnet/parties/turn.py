"""Turns (design: a turn): one request, decided from start to end with nothing changing under it.

A handler runs inside an open database transaction; time and entropy are arguments; it returns what to say and says
nothing itself. `run_turns` runs what has arrived, each turn in a savepoint. Its caller commits once for all of them and
only then lets the answers out: write, then speak. The daemon's shell and the simulator are its two callers.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from anonnet.errors import Fatal, Malformed, Refused, Why
from anonnet.parties.waiting import Waiting
from anonnet.protocol.answers import check_answer
from anonnet.protocol.outcome import Logs
from anonnet.protocol.refusal import Refusal
from anonnet.store.base import Store
from anonnet.store.errands import Errand
from anonnet.wire.codec import Message
from anonnet.wire.signed import Checked, Signed, Signer

B = TypeVar("B")
S = TypeVar("S", bound=Store)
H = TypeVar("H", bound=Callable[..., Any])

ANYTHING = b"anything"
"""What an answer is held for that any commit may change which has written something."""

ENTROPY_BYTES = 32
"""Fresh random bytes that come with every request, for what a handler must choose."""


class From(enum.Enum):
    """Who may bring a message to a handler."""

    ANYONE = "anyone"
    OWNER = "owner"  # the control socket, or the shell itself
    ERRAND = "errand"  # only the answer to an errand of ours
    EITHER = "either"  # anyone, and the answer to an errand


@dataclass(frozen=True, slots=True)
class Due:
    """The shell's reminder that a deadline in the store has passed."""


@dataclass(frozen=True, slots=True)
class Forget:
    """The shell's reminder, at its start and once a day, to drop what need not be kept any more (docs/data.md)."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[B]):
    """One request as a handler sees it: the checked body, who signed it, and what the shell adds."""

    body: B
    arrival: int
    """When its frame arrived, in whole seconds: this decides what is expired."""
    entropy: bytes
    """ENTROPY_BYTES fresh bytes."""
    checked: Checked[Any] | None = None
    """None for what the shell itself brings."""
    answers: Errand | None = None
    """The errand that this message answers."""
    owner: bool = False
    channel: bytes = b""
    """Hash of the handshake of the connection that it came on."""
    to: Party | None = None
    """Which of two merged parties it is for; None where there is but one."""

    @property
    def signed(self) -> Signed:
        """The request as it was signed, or its bare bytes."""
        assert self.checked is not None
        return self.checked.signed

    @property
    def signer(self) -> bytes:
        """Its one signer. Raises Malformed if there is none or several."""
        assert self.checked is not None
        return self.checked.signer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a turn has to say once it is durable."""

    said: Message | Signed | None = None
    finish: object | None = None
    """A value from which `Party.finish`, outside the turn, makes what is said (a blind signature, a sealed chunk)."""
    hold: bytes = b""
    """Nothing new to tell of what this names in the store's `news`: the shell may wait for a commit with news of it
    before it asks again and says this (long poll)."""
    more: bool = False
    """There may be more of this to do: the shell brings the same once more, after others have had their turn."""
    onward: Message | None = None
    """What the shell brings as if it had been asked next, once this has been said, and once there is news where this
    has `hold`: its answer is one more to the same request."""
    then: Message | None = None
    """What the errand that has been answered asks next, at once and without being written anew. After a crash, or where
    that fails, it is asked again as it stands; so are all errands that merged parties have with each other."""

    @property
    def held(self) -> bool:
        """True if the shell may wait for news before it says this."""
        return bool(self.hold) and self.onward is None


class Costly:
    """What is to be made after a turn, and costs much more than it costs to ask for it: one such thing is made at a
    time, and while there are COSTLY_MAX, further ones are refused as "not now"."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Again:
    """What `Party.finish` gives when another turn must decide on its result before anything is said."""

    body: object


class Turn(Generic[S]):
    """One turn's hold on the store. Dead after the turn."""

    def __init__(self, store: S, now: int) -> None:
        self._store: S | None = store
        self.now = now

    @property
    def store(self) -> S:
        assert self._store is not None, "the turn is over"
        return self._store

    def over(self) -> None:
        """Nothing can be read or written through this turn any more."""
        self._store = None


@dataclass(frozen=True, slots=True)
class Handler:
    """One handler: its method, the keys that it may touch (None: any), from whom it takes its message, and, for an
    answer, to which requests of ours (empty: to any)."""

    run: Callable[[Turn[Any], Asked[Any]], Answer]
    keys: Callable[[Asked[Any]], Iterable[bytes]] | None
    by: From
    to: tuple[type, ...]

    def takes(self, asked: Asked[Any]) -> bool:
        """True if this is a request, or an answer, of the kind that it is for."""
        return not self.to or (asked.answers is not None and type(asked.answers.message) in self.to)


def on(
    kind: type,
    *,
    keys: Callable[[Asked[Any]], Iterable[bytes]] | None = None,
    by: From = From.ANYONE,
    to: tuple[type, ...] = (),
) -> Callable[[H], H]:
    """Make a method the handler of one kind of message. `keys` gives, from the request, the keys that it may touch."""

    def mark(method: H) -> H:
        method.handles = (*getattr(method, "handles", ()), (kind, keys, by, to))  # type: ignore[attr-defined]
        return method

    return mark


def _marked(desk: object) -> Iterator[tuple[type, Handler]]:
    """The handlers among an object's methods, its own and those that it has from its class's bases."""
    methods = {name: method for kind in reversed(type(desk).__mro__) for name, method in vars(kind).items()}
    for name, function in methods.items():
        for kind, keys, by, to in getattr(function, "handles", ()):
            yield kind, Handler(getattr(desk, name), keys, by, to)


class Party:
    """Who acts: a signing key, policy, and a handler for each step. Plain and synchronous; it never keeps a store.

    A party with much to do has desks: objects with handlers of their own, made before it and handed to it.
    """

    known_logs: Logs = MappingProxyType({})
    """The logs that it may have something to ask."""
    growth: frozenset[type] = frozenset()
    """What may make a log grow when it is asked."""
    alike: frozenset[type] = frozenset()
    """What is answered from what is written alone, and alike to all who ask the same."""

    def __init__(self, signer: Signer, *desks: object) -> None:
        self.signer = signer
        self.handlers: dict[type, list[Handler]] = {}
        for desk in (self, *desks):
            for kind, handler in _marked(desk):
                self.handlers.setdefault(kind, []).append(handler)
        for several in self.handlers.values():
            several.sort(key=lambda handler: not handler.to)  # who is for one kind of request comes first

    @property
    def network(self) -> str:
        """The network whose messages this party makes and takes."""
        return self.signer.network

    def key_of(self, identity: bytes) -> bytes:
        """The key with which the party of this identity signs: that of a log names its policy, too."""
        known = self.known_logs.get(identity)
        return known.key if known else identity

    def sign(self, said: Message) -> Signed:
        """Sign with the party's own key."""
        return self.signer.sign(said)

    def door(self, kind: type, *, owner: bool, errand: bool) -> None:
        """Raise Malformed if no message of this kind is taken from there."""
        if owner:
            taken = {From.OWNER, From.ANYONE, From.EITHER}
        else:
            taken = {From.ERRAND if errand else From.ANYONE, From.EITHER}
        if not any(handler.by in taken for handler in self.handlers.get(kind, ())):
            raise Malformed(f"{type(self).__name__} takes no {kind.__name__} from there")

    def handler(self, asked: Asked[Any]) -> Handler:
        """Whose turn it is. Raises Malformed if it is nobody's."""
        for handler in self.handlers.get(type(asked.body), ()):
            if handler.takes(asked):
                return handler
        raise Malformed(f"{type(self).__name__} takes no {type(asked.body).__name__} as an answer to that")

    def check(self, checked: Checked[Any]) -> None:
        """Stateless checks of a message before its turn. Raises Malformed, or Refused where the asker may be honest."""

    def finish(self, job: object) -> Message | Signed | Again:
        """Make what is said from the value that a turn left; outside the turn, in any thread."""
        raise AssertionError(f"{type(self).__name__} has nothing to finish for {type(job).__name__}")

    def refusal(self, request: Signed, refused: Refused) -> Signed:
        """The signed refusal of a request."""
        return self.sign(Refusal.of(request, refused))


Outcome = Answer | Malformed
"""What became of one turn. Malformed: whoever sent it loses the connection."""

Report = Callable[[Exception, Asked[Any]], str]
"""Writes down a bug that struck in a turn, gives the incident's id."""


@dataclass
class Turns(Generic[S]):
    """The turns of one party over its store."""

    party: Party
    store: S
    report: Report
    rerun: bool = field(default=False)
    """Run each turn twice and insist on the same answer: a handler may not depend on having run before."""

    within = frozenset[bytes]()
    """Identities that the party asks nothing over the network: those that it is merged with."""

    _told: tuple[int, object, Outcome] = field(default=(-1, None, Answer()), init=False)
    """The last of what is answered alike, and the store's changes then: news are asked for by many, one behind the
    other."""

    _waiting: Waiting = field(default_factory=Waiting, init=False)

    @property
    def parties(self) -> tuple[Party, ...]:
        """Whose turns are run."""
        return (self.party,)

    def run_turns(self, batch: Sequence[Asked[Any]], now: int) -> list[Outcome]:
        """Run a batch in one transaction, which is left open: commit it, and only then say the answers."""
        self.store.begin()
        self._waiting.catch_up(self.store.errands, now)
        return [self.turn(asked, now) for asked in batch]

    def turn(self, asked: Asked[Any], now: int) -> Outcome:
        """Run one turn in the open transaction."""
        if type(asked.body) not in self.party.alike:
            return self._decided(asked, now)
        if self._told[:2] != (self.store.changes, asked.body):
            self._told = self.store.changes, asked.body, self._decided(asked, now)
        return self._told[2]

    def _decided(self, asked: Asked[Any], now: int) -> Outcome:
        twin = self._turn(asked, now, keep=False) if self.rerun else None
        outcome = self._turn(asked, now, keep=True)
        assert twin in (None, outcome) or type(twin) is type(outcome) is Malformed, (
            f"{asked.body} was answered in two ways"
        )
        return outcome

    def _turn(self, asked: Asked[Any], now: int, *, keep: bool) -> Outcome:
        """One turn in its savepoint. A bug is contained here: taken back, reported, refused."""
        self.store.begin_turn()
        turn = Turn(self.store, now)
        try:
            handler = self.party.handler(asked)
            self.store.declare(None if handler.keys is None else handler.keys(asked))
            answer = handler.run(turn, asked) if self._awaited(asked) else Answer()
        except Fatal:
            raise
        except Malformed as malformed:
            self.store.take_back()
            return malformed
        except Refused as refused:
            self.store.take_back()
            return self._refused(asked, refused)
        except Exception as bug:
            self.store.take_back()
            return self._refused(asked, Refused(Why.INCIDENT, self.report(bug, asked)))
        finally:
            turn.over()
        self.store.end_turn() if keep else self.store.take_back()
        return answer

    def _awaited(self, asked: Asked[Any]) -> bool:
        """False for the answer to an errand that has ended: it comes too late to change anything. Raises Malformed."""
        errand = asked.answers
        if errand is None:
            return True
        assert asked.checked is not None
        check_answer(errand.request, self.party.key_of(errand.receiver), asked.checked)
        return self.store.errands.stands(errand.hash)

    def _refused(self, asked: Asked[Any], refused: Refused) -> Outcome:
        if asked.checked is None:
            return Malformed(str(refused))
        return Answer(self.party.refusal(asked.checked.signed, refused))
