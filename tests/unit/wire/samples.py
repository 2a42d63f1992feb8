"""Valid messages of every step, made by chance from the layouts themselves: a new step needs no line here unless its
fields depend on each other."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import anonnet.protocol
from anonnet.crypto.blind import Method
from anonnet.errors import Why
from anonnet.limits import ENTRIES_MAX, SECONDS_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.dispute import Demand, Dispute
from anonnet.protocol.evidence import Author, Head
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.fields import KeyOrNone
from anonnet.protocol.local import Accuse
from anonnet.protocol.logbook import OutcomeOf, Recorded, Time, Undecided
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ
from anonnet.protocol.quorum import CertificateOf, Pledged
from anonnet.protocol.recovery import Used
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.sealed import SEALED_KINDS, SealedM, Submission, Ticket
from anonnet.protocol.transaction import Transaction
from anonnet.times import BRAND_WINDOW_SECONDS_MIN
from anonnet.wire.codec import STEPS, Between, Message, Record, encode
from anonnet.wire.signed import Signed

LETTERS = "azAZ09 ._-/äß€漢😀\n\0\u202e"
MANY = 3  # items more than a list must have: enough for an order among them

Fields = dict[str, Any]

for module in pkgutil.iter_modules(anonnet.protocol.__path__):
    importlib.import_module(f"anonnet.protocol.{module.name}")

MESSAGES: list[type[Message]] = [
    STEPS[step] for step in sorted(STEPS) if STEPS[step].__module__.startswith("anonnet.protocol.")
]
"""All messages of the protocol, by their steps."""


def sample(kind: type[Record], chance: Random) -> Any:
    """A valid value of this kind."""
    fields = {name: value(hint, chance) for name, hint in hints(kind).items()}
    if kind in ADJUST:
        ADJUST[kind](fields, chance)
    return kind(**fields)


@cache
def hints(kind: type[Record]) -> dict[str, Any]:
    """The kinds of a record's fields, in their order, with bounds."""
    found = get_type_hints(kind, include_extras=True)
    return {name: found[name] for name in kind.layout.names}


def value(hint: Any, chance: Random) -> Any:
    """A value of one field."""
    if hint == KeyOrNone:
        return chance.choice([b"", chance.randbytes(32)])
    kind, bounds = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    if get_origin(kind) is tuple:
        count = chance.randint(bounds.low, min(bounds.high, bounds.low + MANY))
        return tuple(value(get_args(kind)[0], chance) for _ in range(count))
    if kind is int:
        return chance.choice([bounds.low, bounds.high, chance.randint(bounds.low, bounds.high), _small(bounds, chance)])
    if kind is bytes:
        return chance.randbytes(_length(bounds, chance))
    return text(bounds, chance) if kind is str else sample(kind, chance)


def _small(bounds: Between, chance: Random) -> int:
    """Small numbers are where msgpack's encodings change."""
    return min(bounds.high, max(bounds.low, chance.choice([0, 1, 127, 128, 255, 256, 65535, 65536, 2**32])))


def _length(bounds: Between, chance: Random) -> int:
    some, many = (max(bounds.low, min(bounds.high, count)) for count in (300, 512))
    return chance.choice([bounds.low, many, chance.randint(bounds.low, some)])


def text(bounds: Between, chance: Random) -> str:
    """Text whose UTF-8 is as long as the bounds say."""
    wanted = chance.randint(bounds.low, min(bounds.high, 60))
    made = ""
    while len(made.encode()) < wanted:
        made += chance.choice(LETTERS)
    while len(made.encode()) > bounds.high:
        made = made[:-1]
    return made or "a" * bounds.low


def _brand(fields: Fields, chance: Random) -> None:
    fields["method"] = chance.choice(list(Method)).value
    fields["opens"] = chance.randrange(SECONDS_MAX - 2 * BRAND_WINDOW_SECONDS_MIN)
    fields["closes"] = fields["opens"] + BRAND_WINDOW_SECONDS_MIN
    fields["ends"] = chance.randint(fields["closes"], SECONDS_MAX)


def _signed(fields: Fields, chance: Random) -> None:
    fields["signatures"] = tuple(sorted(fields["signatures"], key=lambda each: each.signer))


def _authorization_q(fields: Fields, chance: Random) -> None:
    _payments(fields, chance)
    fields["receiver_key"] = chance.choice([b"", fields["payments"][0].token.public_key])


def _payments(fields: Fields, chance: Random) -> None:
    fields["payments"] = tuple(sorted(fields["payments"], key=lambda payment: payment.token.id))


def _exchange_q(fields: Fields, chance: Random) -> None:
    _payments(fields, chance)
    fields["wanted"] = tuple(sorted(fields["wanted"], key=lambda wanted: wanted.brand))


def _refusal(fields: Fields, chance: Random) -> None:
    fields["why"] = chance.choice(list(Why)).value


def _claim(fields: Fields, chance: Random) -> None:
    fields["claim"] = chance.choice(list(Demand)).value


def _head(fields: Fields, chance: Random) -> None:
    fields["author"] = chance.choice(list(Author)).value


def _recorded(fields: Fields, chance: Random) -> None:
    fields["signature"] = chance.randbytes(chance.choice([0, 64]))


def _time(fields: Fields, chance: Random) -> None:
    by_shard = {each.shard: each for each in fields["shards"]}
    fields["shards"] = tuple(by_shard[shard] for shard in sorted(by_shard))


def _used(fields: Fields, chance: Random) -> None:
    fields["names"] = tuple(sorted(set(fields["names"])))
    fields["more"] = fields["more"] if fields["names"] else 0


def _transaction(fields: Fields, chance: Random) -> None:
    fields["number"], fields["merchant"] = chance.randbytes(32), chance.randbytes(32)


def _public(fields: Fields, chance: Random) -> None:
    fields["transaction"] = fields["transaction"].public


def _authorization_b(fields: Fields, chance: Random) -> None:
    fields["ticket"] = chance.randbytes(64) if fields["transaction"].entry_key else b""


def _proofs_of(fields: Fields, chance: Random) -> None:
    fields["start"] -= fields["start"] % ENTRIES_MAX


def _proofs(fields: Fields, chance: Random) -> None:
    if not fields["checkpoint"]:
        fields["leaves"] = fields["nodes"] = ()


def _sealed_m(fields: Fields, chance: Random) -> None:
    fields["kind"] = int(chance.choice(sorted(SEALED_KINDS)))


def _submission(fields: Fields, chance: Random) -> None:
    sealed_m, signatures = sample(SealedM, chance), sample(Signed, chance).signatures
    fields["sealed_m"] = Signed(body=encode(sealed_m), signatures=signatures)
    fields["ticket"] = Signed(body=encode(Ticket.admitting(sealed_m.transaction)), signatures=signatures)


ADJUST: dict[type[Record], Callable[[Fields, Random], None]] = {
    Brand: _brand,
    Signed: _signed,
    Transaction: _transaction,
    AuthorizationQ: _authorization_q,
    AuthorizationB: _authorization_b,
    **dict.fromkeys((Abort, OutcomeOf, Undecided, Pledged, CertificateOf), _public),
    ProofsOf: _proofs_of,
    Proofs: _proofs,
    SealedM: _sealed_m,
    Submission: _submission,
    ExchangeQ: _exchange_q,
    Refusal: _refusal,
    Dispute: _claim,
    Accuse: _claim,
    Head: _head,
    Recorded: _recorded,
    Time: _time,
    Used: _used,
}
"""Kinds whose fields depend on each other, and how they are made to fit."""
