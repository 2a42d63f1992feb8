"""A mirror has a log's time pass for sales that wait for it, and nobody grows its store by that."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from anonnet.protocol.logbook import OutcomeOf, Undecided
from anonnet.protocol.purchase import Abort
from anonnet.protocol.transaction import Transaction
from anonnet.times import BEHIND_SECONDS, CLAIM_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed
from tests.mirrors import EXPIRATION, MIRRORS, Pen, Wall, pledge, sale, signed_by, tick

ONE = MIRRORS[0]


def made_up(number: int, expiration: int = EXPIRATION) -> Transaction:
    return replace(sale(expiration), number=sha256(b"%d" % number).digest())


def asked(wall: Wall) -> list[Transaction]:
    """Of which sales the mirror asks the log."""
    errands = wall.mirrors[ONE].store.errands.due(wall.now + CLAIM_SECONDS, most=1000)
    return [errand.message.transaction for errand in errands if isinstance(errand.message, OutcomeOf)]


def answer(wall: Wall) -> None:
    """The log answers what it is asked: it does not know."""
    for errand in wall.mirrors[ONE].store.errands.due(wall.now, most=1000):
        if isinstance(errand.message, OutcomeOf):
            said = signed_by("log", Undecided(transaction=errand.message.transaction, time=wall.now))
            wall.mirrors[ONE].takes(frame(said, 1), answers=errand)


def read(pen: Pen) -> Wall:
    wall = Wall(pen, [ONE])
    wall.now = EXPIRATION + 10
    wall.settle()
    return wall


def test_made_up_sales_cost_one_question_until_the_log_has_shown_its_time() -> None:
    pen = Pen()
    wall = read(pen)
    before = wall.mirrors[ONE].store.errands.count()

    for number in range(50):
        wall.ask(ONE, OutcomeOf(transaction=made_up(number, EXPIRATION + number % 10)))

    assert wall.mirrors[ONE].store.errands.count() == before + 1
    pen.write(tick(wall.now))
    wall.settle()
    answer(wall)
    assert asked(wall) == []
    freed = [wall.ask(ONE, OutcomeOf(transaction=made_up(number, EXPIRATION + number % 10))) for number in range(50)]
    assert all(isinstance(each, Signed) and isinstance(decode(each.body), Abort) for each in freed)


def test_a_sale_that_time_does_not_free_yet_keeps_no_other_from_asking() -> None:
    pen = Pen()
    pen.write(pledge(sale()))
    wall = read(pen)

    wall.ask(ONE, OutcomeOf(transaction=sale()))  # its key may come for hours
    assert asked(wall) == []
    wall.ask(ONE, OutcomeOf(transaction=made_up(1)))

    assert asked(wall) == [made_up(1)]


def test_a_question_ends_when_its_pledge_comes_or_its_time_is_over() -> None:
    pen = Pen()
    wall = read(pen)
    wall.ask(ONE, OutcomeOf(transaction=sale()))
    answer(wall)
    assert asked(wall) == [sale()]  # the log's time has not passed
    pen.write(pledge(sale(), EXPIRATION))
    wall.pass_time(BEHIND_SECONDS)
    answer(wall)
    assert asked(wall) == []

    wall.ask(ONE, OutcomeOf(transaction=made_up(1)))
    wall.now = EXPIRATION + CLAIM_SECONDS + 1  # and no token waits for it any more
    answer(wall)
    wall.ask(ONE, OutcomeOf(transaction=made_up(2)))

    assert asked(wall) == []
