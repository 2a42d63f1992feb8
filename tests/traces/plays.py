"""The plays: each a function that acts one out on a stage of its own. Their transcripts stand beside this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from anonnet.protocol.account import Claim
from anonnet.protocol.goods import ChunkOf
from anonnet.protocol.local import OpenAt
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.sealed import Submission
from anonnet.protocol.steps import Step
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.times import CARRY_SECONDS, SETTLE_SECONDS
from tests.paper.scenes import LEAD, PRICE, Deal, Hand, Line
from tests.traces.play import GOODS, Play

PLAYS: dict[str, Callable[[Path], str]] = {}


def play(act: Callable[[Path], str]) -> Callable[[Path], str]:
    """Put a play on the list, under the name of its transcript."""
    PLAYS[act.__name__.replace("_", "-")] = act
    return act


def curtain(folder: Path, title: str, *, prepared: bool = True, merged: str = "", kind: type[Play] = Play) -> Play:
    """A stage with a song on sale; prepared: the consumer has an account, and five units of tokens in her wallet."""
    stage = kind(folder, merged=merged)
    stage.merchant.command(OpenAt(bank=stage.bank_key))
    stage.settle()
    stage.sell(goods=GOODS)
    if prepared:
        stage.consumer.command(OpenAt(bank=stage.bank_key))
        stage.settle()
        stage.fund(stage.account(stage.consumer), PRICE)
        stage.withdraw(PRICE)
    stage.title(title)
    return stage


def by_hand(folder: Path, title: str, units: int) -> tuple[Play, Hand]:
    """A stage with a song on sale, and a consumer who has an account, for steps by hand."""
    stage = curtain(folder, title, prepared=False)
    hand, stage.silent = Hand(stage), True
    hand.open(units)
    stage.silent = False
    return stage, hand


@play
def purchase(folder: Path) -> str:
    stage = curtain(folder, "A purchase", prepared=False)

    stage.act("The consumer opens an account, 5 EUR are paid in, and she withdraws them.")
    stage.consumer.command(OpenAt(bank=stage.bank_key))
    stage.settle()
    stage.fund(stage.account(stage.consumer), PRICE)
    stage.withdraw(PRICE)
    stage.hold("bank", "consumer")

    stage.act("She buys the song for 5 EUR.")
    stage.buy()
    stage.settle()
    stage.hold()
    return stage.over()


@play
def two_sided_delivery(folder: Path) -> str:
    stage = curtain(folder, "A purchase against a receipt")
    stage.silent = True
    stage.sell(goods=GOODS, receipt=1)
    stage.silent = False

    stage.act("She buys the song and signs for it, with q of a token, before she pays with that token.")
    stage.buy(receipt=1)
    stage.settle()
    stage.hold()
    return stage.over()


@play
def sealed_entry(folder: Path) -> str:
    stage = curtain(folder, "A purchase that the log cannot read")
    stage.silent = True
    stage.sell(goods=GOODS, sealed=1)
    stage.silent = False

    stage.act("She buys the song. P1 names a one-time key W, and P3 brings a ticket for what is signed with it.")
    stage.buy()
    stage.settle()
    stage.hold()
    return stage.over()


@play
def sealed_abort(folder: Path) -> str:
    stage = curtain(folder, "A sealed sale that fails")
    stage.silent = True
    stage.sell(goods=GOODS, sealed=1)
    stage.silent = False
    stage.lost = lambda line: line.kind is Submission

    stage.act("She buys the song; what the merchant submits is lost.")
    stage.buy()
    stage.settle()
    stage.act("The expiration passes.")
    stage.wait(LEAD + SETTLE_SECONDS + 1)
    stage.hold()
    return stage.over()


def silent_after(folder: Path, title: str, silence: Callable[[Line], bool]) -> str:
    stage = curtain(folder, title)
    stage.lost = silence

    stage.act("She buys the song; the merchant falls silent.")
    stage.buy()
    stage.settle()
    stage.hold()

    stage.act("The expiration passes.")
    stage.wait(LEAD + SETTLE_SECONDS + 1)
    stage.hold()
    return stage.over()


@play
def abort_after_p1(folder: Path) -> str:
    return silent_after(folder, "The merchant is silent after P1", lambda line: line.kind is ChunkOf)


@play
def abort_after_goods(folder: Path) -> str:
    return silent_after(
        folder,
        "The merchant is silent after the goods",
        lambda line: line.kind is AuthorizationB and line.receiver == "merchant",
    )


@play
def abort_after_p3(folder: Path) -> str:
    return silent_after(folder, "The merchant is silent after P3", lambda line: line.kind is AuthorizationM)


@play
def double_spend(folder: Path) -> str:
    stage, hand = by_hand(folder, "A double spend", PRICE)

    stage.act("She withdraws, and pays for a first sale.")
    first = Deal.authorized(stage, hand)
    stage.hold("bank")

    stage.act("She pays for a second sale with the same tokens, while the first one runs.")
    second = Deal.offered(stage, hand, first.coins)
    stage.say("hand", stage.bank, second.authorization_q)
    stage.hold("bank")

    stage.act("The first sale commits. She tries again, and is shown the key to her goods.")
    stage.settle()
    stage.say("hand", stage.bank, second.authorization_q)
    stage.hold("bank", "merchant")
    return stage.over()


@play
def lost_p3(folder: Path) -> str:
    stage = curtain(folder, "P3 is lost, and the consumer carries it")
    stage.lost = lambda line: line.kind is AuthorizationB and line.sender == "bank" and line.receiver == "merchant"

    stage.act("She buys the song; nothing gets from the bank to the merchant.")
    stage.buy()
    stage.settle()
    stage.hold("merchant", "consumer")

    stage.act("She has waited long enough.")
    stage.wait(CARRY_SECONDS)
    stage.hold()
    return stage.over()


@play
def repeated_requests(folder: Path) -> str:
    stage, hand = by_hand(folder, "Everything is said twice", PRICE)

    stage.act("W1: debited once.")
    stage.twice("hand", stage.bank, hand.signer.sign(hand.withdraw_c(hand.secrets(4))))
    stage.hold("bank")

    hand.drawn = 0
    stage.act("The same token once more and another one, and an order.")
    deal = Deal.offered(stage, hand)
    stage.act("P2: locked once.")
    stage.twice("hand", stage.bank, deal.authorization_q)
    stage.hold("bank")

    stage.act("P3: answered once with P4.")
    stage.twice("hand", stage.merchant, deal.authorization_b)
    stage.hold("merchant")

    stage.act("P4: recorded once.")
    stage.twice("merchant", stage.log, deal.authorization_m)
    stage.hold("log")

    stage.act("The claim: paid once.")
    claim = Claim(bank=stage.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)
    stage.twice("merchant", stage.bank, claim)
    stage.hold("bank")
    return stage.over()


@play
def late_p4(folder: Path) -> str:
    stage = curtain(folder, "P4 comes late")
    stage.lost = lambda line: line.kind is AuthorizationM

    stage.act("She buys the song; P4 is held up on its way.")
    stage.buy()
    stage.settle()

    (held,) = (each for each in stage.merchant.store.errands.due(stage.now, most=9) if each.request.step == Step.P4)

    stage.act("It arrives one second after the expiration. The log records nothing, the merchant sends it no more.")
    stage.lost = lambda line: line.kind is Abort
    stage.wait(LEAD + 1)
    stage.say("merchant", stage.log, held.said)
    stage.hold("log", "merchant")

    stage.act("The log gives the abort, and the token is free.")
    stage.lost = lambda line: False
    stage.wait(SETTLE_SECONDS)
    stage.hold()
    return stage.over()


@play
def crash_and_resume(folder: Path) -> str:
    stage = curtain(folder, "Everybody dies once")

    for who, kind, text in (
        ("bank", AuthorizationQ, "The bank dies when P2 is in its store and P3 not yet said."),
        ("merchant", AuthorizationB, "The merchant dies when P3 is in his store and not acknowledged."),
        ("log", AuthorizationM, "The log dies when P4 is recorded and P5a not yet said."),
        ("bank", Claim, "The bank dies when the merchant is credited and does not know."),
    ):
        stage.act(text)
        if kind is AuthorizationQ:
            stage.buy()
        die_at(stage, who, kind)
    stage.act("All is well.")
    stage.settle()
    stage.bury("consumer")
    stage.hold()
    return stage.over()


def die_at(stage: Play, who: str, kind: type) -> None:
    """Play on until `who` has answered a message of this kind, and let it die before the answer is out."""

    def until(line: Line) -> bool:
        if line.kind is kind and line.receiver == who:
            stage.dies = who
        return False

    stage.lost = until
    for _ in range(10):
        for actor, errand in list(stage.due()):
            before = len(stage.told)
            stage.run_errand(getattr(stage, actor.name), errand)
            if any("stands up" in line for line in stage.told[before:]):
                stage.lost = lambda line: False
                return
        for job in stage.consumer.store.jobs():
            stage.work(stage.consumer, job)
    raise AssertionError(f"{who} was never asked {kind.__name__}")


@play
def overlapping_withdrawal(folder: Path) -> str:
    stage, hand = by_hand(folder, "A withdrawal asked for again in another packing", 3 * 4)
    one, two, three = (hand.secrets(4) for _ in range(3))

    stage.act("W2 is lost.")
    stage.lost = lambda line: line.kind is WithdrawB
    stage.say("hand", stage.bank, hand.signer.sign(hand.withdraw_c(one, two)))
    stage.hold("bank")

    stage.act("She asks again, for one of the two and a new one: only the new one is debited.")
    stage.lost = lambda line: False
    stage.say("hand", stage.bank, hand.signer.sign(hand.withdraw_c(two, three)))
    stage.hold("bank")

    stage.act("She asks for all three: nothing is debited.")
    stage.say("hand", stage.bank, hand.signer.sign(hand.withdraw_c(one, two, three)))
    stage.hold("bank")
    return stage.over()
