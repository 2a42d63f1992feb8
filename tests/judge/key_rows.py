"""Rows of the judge's table about tokens that share one key: what one of them shows says nothing of another."""

from __future__ import annotations

from dataclasses import replace

from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim
from anonnet.protocol.seed import Lane
from tests.judge.conduct_rows import JUSTIFIED, UNJUSTIFIED, refused, refusing
from tests.judge.court import Case, row
from tests.judge.money_rows import RELEASE_OWED, SPENT, aborted
from tests.paper.scenes import PRICE, Coin, Deal, Hand, Scene


def key_ring(scene: Scene) -> tuple[Hand, list[Coin]]:
    """A consumer with two tokens of 4 under one key."""
    hand = Hand(scene, "another", Lane.REUSED)
    hand.open(2 * PRICE)
    return hand, hand.withdraw(4, 4)


@row(
    Claim.DOUBLE_SPEND,
    "commit and authorization_q, twice, over two tokens of one key",
    "both are spent, nothing twice",
    *(SPENT, SPENT),
)
def two_of_one_key(scene: Scene) -> Case:
    hand, (one, two) = key_ring(scene)
    first, second = Deal.committed(scene, hand, [one]), Deal.committed(scene, hand, [two])
    return Case([first.authorization_q, first.outcome, second.authorization_q, second.outcome])


@row(
    *(Claim.SPENT, "commit, authorization_q over a token with the serial of another one of its key"),
    "nothing; it is set aside",
    set_aside=1,
)
def serial_of_another_token(scene: Scene) -> Case:
    hand, (one, two) = key_ring(scene)
    deal = Deal.committed(scene, hand, [two])
    forged = Coin(one.secrets, replace(one.token, serial=two.token.serial))
    return Case([hand.pays([forged], deal.transaction), deal.outcome])


@row(
    Claim.RELEASE,
    "abort, authorization_q, commit and authorization_q over another token of the same key",
    "the bank must let the token go",
    *(RELEASE_OWED, SPENT),
)
def released_and_another_spent(scene: Scene) -> Case:
    hand, (one, two) = key_ring(scene)
    failed, abort = aborted(scene, hand, [one])
    later = Deal.committed(scene, hand, [two])
    return Case([failed.authorization_q, abort, later.authorization_q, later.outcome])


@row(
    Claim.REFUSAL,
    "authorization_q, its refusal (token-used) with the use of another token of the same key",
    "the bank has to take it, or show",
    *(UNJUSTIFIED, SPENT),
)
def refused_for_another_of_its_key(scene: Scene) -> Case:
    hand, (one, two) = key_ring(scene)
    deal = Deal.committed(scene, hand, [one])
    asked = Deal.offered(scene, hand, [two]).authorization_q
    return Case([asked, refusing(asked, Why.TOKEN_USED, [deal.authorization_q, deal.outcome])])


@row(
    Claim.REFUSAL,
    "authorization_q over two tokens of one key, its refusal (token-used) with the use of one of them",
    "the refusal is justified, and the other one is free",
    *(JUSTIFIED, SPENT, RELEASE_OWED),
)
def one_of_two_was_spent(scene: Scene) -> Case:
    hand, (one, two) = key_ring(scene)
    scene.ask(scene.bank, Deal.committed(scene, hand, [one]).outcome)
    asked = Deal.offered(scene, hand, [one, two]).authorization_q
    return Case([asked, refused(scene, asked)])
