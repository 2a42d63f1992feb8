"""What no clock brings forward: an errand that waits for longer than others, and has to."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.goods import GoodsQ
from anonnet.protocol.purchase import AuthorizationQ
from tests.paper.receipts import SIGNED_FOR
from tests.paper.scenes import Line, Scene


def test_a_payment_waits_for_the_note_of_its_receipt_where_a_clock_is_set_back(tmp_path: Path) -> None:
    """Without the note no P4 goes, and its tokens would be locked for nothing."""
    scene, receipts = Scene(tmp_path), list[Line]()
    scene.prepare()
    scene.sell(SIGNED_FOR, receipt=1)
    scene.lost = lambda line: line.kind is GoodsQ and not receipts.append(line)  # type: ignore[func-returns-value]
    scene.buy(item=SIGNED_FOR, receipt=1)
    scene.settle()

    scene.now -= 60
    scene.consumer.forget()
    scene.settle()

    assert receipts
    assert not scene.said(AuthorizationQ)
