"""What a handler does with the errand that it has the answer to."""

from __future__ import annotations

from typing import Any

from anonnet.parties.turn import Answer, Asked, Turn
from anonnet.store.errands import Errand
from anonnet.wire.codec import Message


def answered(asked: Asked[Any]) -> Errand:
    """The errand that this message answers."""
    assert asked.answers is not None, f"{type(asked.body).__name__} is taken as an answer only"
    return asked.answers


def request(asked: Asked[Any]) -> Message:
    """The request that this message answers."""
    return answered(asked).message


def as_it_stands(asked: Asked[Any]) -> bool:
    """False where the errand had been asked on (`Answer.then`), or from elsewhere, when this answer came."""
    errand = answered(asked)
    return errand.request.hash == errand.hash


def done(turn: Turn[Any], asked: Asked[Any]) -> Answer:
    """The request needs no sending any more."""
    turn.store.errands.end(answered(asked).hash)
    return Answer()


def later(turn: Turn[Any], asked: Asked[Any], seconds: int) -> Answer:
    """Not now: send the request again after so many seconds."""
    turn.store.errands.postpone(answered(asked).hash, turn.now + seconds)
    return Answer()
