"""What every refusal must keep to: signed by who was asked, about this request, the same when it comes again, and
nothing has changed. Evidence is what checking it says."""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.errors import Why
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import STEPS, Message, encode
from anonnet.wire.signed import Signed, checked, unsigned
from tests.actor import Actor, Said
from tests.dump import dump
from tests.paper.scenes import Scene
from tests.stage import NETWORK, key_of


def refused(scene: Scene, actor: Actor, said: Said, why: Why, evidence: Sequence[type[Message]] = ()) -> Refusal:
    """Have a request refused, twice."""
    before = dump(actor.store)

    first, again = scene.say("stranger", actor, said), scene.say("stranger", actor, said)

    assert dump(actor.store) == before
    assert isinstance(first, Signed), f"not refused: {first} {actor.closed}"
    assert isinstance(again, Signed)
    assert encode(first) == encode(again)
    refusal = checked(NETWORK, first, Refusal)
    assert refusal.signer == key_of(actor.name).public
    request = said if isinstance(said, Signed) else unsigned(said).signed
    assert (refusal.body.request, refusal.body.why) == (request.hash, why), refusal.body
    assert [STEPS[paper.step] for paper in refusal.body.evidence] == list(evidence)
    return refusal.body


def closed(scene: Scene, actor: Actor, said: Said) -> None:
    """Have a connection closed over this, with nothing changed."""
    before, count = dump(actor.store), len(actor.closed)

    assert scene.say("stranger", actor, said) is None

    assert len(actor.closed) == count + 1
    assert dump(actor.store) == before
