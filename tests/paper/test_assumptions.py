"""The paper's section "Assumptions": what the four parties are and can do."""

from __future__ import annotations

from functools import partial

from anonnet.crypto.hashing import HASH_BYTES
from anonnet.errors import Why
from anonnet.protocol.goods import Chunk
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.local import OpenAt
from anonnet.protocol.logbook import Follow, Undecided
from anonnet.protocol.purchase import AuthorizationM, AuthorizationQ
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import decode, encode
from anonnet.wire.frames import frame
from tests.paper.scenes import LEAD, PRICE, Deal, Hand, Scene, tampered
from tests.reading import commits


def test_every_signature_is_verified_by_who_receives_it(scene: Scene) -> None:
    """Section "Assumptions": "All signatures can be verified by the receiving party", and are."""
    hand = Hand(scene)
    hand.open(10)
    deal = Deal.offered(scene, hand)
    request = hand.signer.sign(hand.withdraw_c(hand.secrets(4)))
    before = scene.books()

    said = [
        scene.say("eve", scene.bank, tampered(request)),
        scene.say("eve", scene.bank, tampered(deal.authorization_q)),
        scene.say("eve", scene.merchant, tampered(deal.authorization_b)),
        scene.say("eve", scene.log, tampered(deal.authorization_m)),
    ]

    assert said == [None] * 4
    assert [len(actor.closed) for actor in (scene.bank, scene.merchant, scene.log)] == [2, 1, 1]
    assert scene.books() == before


def test_transactions_do_not_interfere_with_each_other(scene: Scene) -> None:
    """Section "Assumptions": "multiple, scalable, simultaneous transactions that do not interfere"."""
    other = scene.add_consumer("other consumer")
    other.command(OpenAt(bank=scene.bank_key))
    scene.settle()
    scene.fund(scene.account(other), PRICE)
    scene.withdraw(PRICE, other)

    mine = [scene.buy(), scene.buy()]
    hers = scene.buy(other)
    scene.settle()

    assert [scene.purchase(each).state for each in mine] == ["done", "done"]
    assert scene.purchase(hers, other).state == "done"
    assert scene.income == 3 * PRICE
    assert len({line.body.key for line in scene.said(AuthorizationM)}) == 3  # type: ignore[attr-defined]


def test_what_a_consumer_says_when_she_buys_does_not_identify_her(scene: Scene) -> None:
    """Section "Assumptions": "no information about the identity of the consumer is gained by communicating"."""
    account = scene.account(scene.consumer)

    scene.buy()
    scene.settle()

    said = [line for line in scene.heard if "consumer" in (line.sender, line.receiver)]
    assert said
    for line in said:
        assert account not in encode(line.said)
    signers = {each.signer for line in scene.said(AuthorizationQ) for each in line.said.signatures}  # type: ignore[union-attr]
    assert account not in signers


def test_the_log_reproduces_what_it_has_recorded(scene: Scene) -> None:
    """Section "Assumptions": the log "receives and records messages, and then reproduces the recorded messages"."""
    deal = Deal.committed(scene)

    (entry,) = commits(partial(scene.ask, scene.log), scene.log_name)

    assert entry.body == encode(deal.authorization_m)


def test_the_log_keeps_the_time(scene: Scene) -> None:
    """Section "Assumptions": "The log also acts as a time-keeper", whatever clocks others have, and never goes back."""
    deal = Deal.authorized(scene)
    expiration = scene.now + LEAD
    scene.now = expiration + SETTLE_SECONDS + 1
    abort = deal.outcome
    scene.now = expiration - 10

    refusal = scene.refused(scene.log, deal.authorization_m)
    still = deal.outcome
    other = decode(Deal.authorized(scene, deal.hand, deal.hand.withdraw(4, 1)).outcome.body)

    assert refusal.why == Why.EXPIRED
    assert still == abort
    assert isinstance(other, Undecided)
    assert other.time == expiration + SETTLE_SECONDS + 1


def test_nobody_but_the_issuer_makes_a_token(scene: Scene) -> None:
    """Section "Assumptions": "a piece of data which can be created only by a specific issuer"."""
    hand = Hand(scene)
    secrets = hand.secrets(4)
    modulus = secrets.brand.public_key.modulus
    hand.open(10)
    (coin,) = hand.withdraw(4)
    signature = int.from_bytes(coin.token.signature, "big")

    made = [value.to_bytes(len(coin.token.signature), "big") for value in (1, 2, modulus - 1, signature, signature + 1)]

    for candidate in made:
        token = type(coin.token)(brand=secrets.brand.id, public_key=secrets.key.public, signature=candidate)
        assert not token.holds(secrets.brand)


def test_sealed_goods_come_before_any_guarantee_of_payment(scene: Scene) -> None:
    """Section "Assumptions": goods come "prior to any guarantee of payment to the merchant"."""
    scene.lost = lambda line: line.kind is Chunk and line.body.index == 2  # type: ignore[attr-defined]
    purchase = scene.buy()
    scene.settle()
    waiting = scene.purchase(purchase).state

    scene.lost = lambda line: False
    scene.settle()

    order = [line.kind for line in scene.heard]
    assert waiting == "fetching"
    assert order.index(AuthorizationQ) > max(at for at, kind in enumerate(order) if kind is Chunk)
    assert scene.purchase(purchase).state == "done"


def test_a_party_takes_only_what_is_meant_for_it(scene: Scene) -> None:
    """Section "Assumptions": four parties, and each signed message names the one that shall act on it."""
    deal = Deal.authorized(scene)

    refusal = scene.refused(scene.log, Follow(log=bytes(HASH_BYTES), shard=CHAIN, start=0))
    elsewhere = scene.bank.takes(frame(deal.authorization_m, 1))

    assert refusal.why == Why.WRONG_RECEIVER
    assert elsewhere is None
