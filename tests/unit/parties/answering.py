"""A consumer who waits for answers, and what an answer did to her."""

from __future__ import annotations

from anonnet.errors import Why
from anonnet.protocol.refusal import Refusal
from anonnet.store.errands import Errand
from anonnet.wire.codec import Message
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.actor import Said
from tests.dump import dump
from tests.paper.scenes import Scene, by


def stopped(scene: Scene, *lost: type[Message]) -> bytes:
    """A purchase that these never reach its end for."""
    scene.lost = lambda line: line.kind in lost
    purchase = scene.buy()
    scene.settle()
    return purchase


def errand(scene: Scene, kind: type[Message]) -> Errand:
    """What the consumer asks, and has no answer to."""
    (found,) = (each for each in scene.consumer.store.errands.due(2**50, most=99) if isinstance(each.message, kind))
    return found


def answer(scene: Scene, to: Errand, said: Said) -> None:
    scene.consumer.takes(frame(said, 1), answers=to)


def refusal(name: str, to: Errand, why: Why, *evidence: Signed) -> Signed:
    return by(name, Refusal(request=to.hash, why=why.value, detail="", evidence=evidence))


def unmoved(scene: Scene, to: Errand, *wrong: Said, closes: bool = True) -> None:
    """None of these answers moves anything; each closes the connection that it came on."""
    before = dump(scene.consumer.store)
    for said in wrong:
        count = len(scene.consumer.closed)
        answer(scene, to, said)
        assert dump(scene.consumer.store) == before, said
        assert (len(scene.consumer.closed) > count) == closes, said


def later(scene: Scene, to: Errand, said: Said) -> None:
    """The answer only has her ask again later; a refusal is kept for a judge."""
    before = dump(scene.consumer.store)
    answer(scene, to, said)
    after = dump(scene.consumer.store)
    for table in ("answered", "unexchanged"):
        before.pop(table)
        after.pop(table)

    assert scene.consumer.store.errands.get(to.hash)
    assert [row[0] for row in before.pop("errand")] == [row[0] for row in after.pop("errand")]
    assert before == after
