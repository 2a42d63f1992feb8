"""Disputes by hand: papers that are shown to the party that they bind, before any judge."""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.crypto.keys import SigningKey
from anonnet.protocol.dispute import Demand, Dispute, Redress
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.paper.scenes import Coin, Scene
from tests.stage import NETWORK, key_of

FRESH = SigningKey(bytes(range(32)))
"""A key that serves for nothing else."""


def dispute(actor: Actor, demand: Demand, papers: Sequence[Signed], coins: Sequence[Coin] = ()) -> Signed:
    """These papers for this party: signed with the keys of these tokens, or with a fresh one."""
    body = Dispute(accused=key_of(actor.name).public, claim=demand.value, papers=tuple(papers))
    return Signer(NETWORK, *([coin.secrets.key for coin in coins] or [FRESH])).sign(body)


def redressed(scene: Scene, actor: Actor, said: Signed) -> list[Signed]:
    """What the accused has done: the papers that show it. Asked twice, it answers twice, with the same bytes."""
    first, second = (scene.expect(scene.say("stranger", actor, said)) for _ in range(2))
    assert isinstance(first, Signed)
    assert first == second
    redress = decode(first.body)
    assert isinstance(redress, Redress), f"not done: {redress}"
    assert redress.request == said.hash
    return list(redress.papers)
