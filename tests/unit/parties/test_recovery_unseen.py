"""What a bank sees of a recovery that is not in haste: single questions of nobody, in no order, over an hour."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import Recover
from anonnet.protocol.recovery import Restore
from anonnet.protocol.seed import Lane
from anonnet.times import RESTORE_GAP, RESTORE_SPREAD_SECONDS
from anonnet.wire.signed import Signed
from tests.unit.parties.copies import Copies, restart_bank


def test_the_questions_of_a_recovery_come_in_no_order_and_over_an_hour(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    heir = scene.wallet("heir")
    heir.command(Recover(bank=scene.bank_key, fast=0))
    waiting = heir.store.errands.waiting_for(scene.bank_key, 2**50, most=10_000)
    errands = [heir.store.errands.get(hash) for _, hash in waiting]
    places = [heir.store.recovery.asked(hash) for _, hash in waiting]

    assert len(places) == RESTORE_GAP * len(Lane) * len(scene.minted)
    assert all(isinstance(each.message, Restore) and not each.request.signatures for each in errands)
    moments = [due - scene.now for due, _ in waiting]
    assert min(moments) >= 0
    assert 0.95 * RESTORE_SPREAD_SECONDS < max(moments) < RESTORE_SPREAD_SECONDS
    assert max(after - before for before, after in pairwise(moments)) < RESTORE_SPREAD_SECONDS / 20
    for brand, lane in {place[:2] for place in places}:
        positions = [place[2] for place in places if place[:2] == (brand, lane)]
        ascending = sum(before < after for before, after in pairwise(positions))
        assert RESTORE_GAP / 3 < ascending < 2 * RESTORE_GAP / 3, "places are asked for in their order"
    same = sum(before[:2] == after[:2] for before, after in pairwise(places))
    assert same < len(places) / 3, "a lane is asked for in one piece"


@pytest.mark.slow
def test_what_a_recovery_finds_is_exchanged_token_by_token_over_an_hour(tmp_path: Path) -> None:
    scene = Copies.opened(tmp_path)
    held = sum(scene.tokens().values())
    heir = scene.wallet("heir")
    scene.consumers = [heir]
    heir.command(Recover(bank=scene.bank_key, fast=0))
    scene.heard.clear()
    seen: dict[bytes, int] = {}
    for _ in range(4 * RESTORE_SPREAD_SECONDS // 300):  # two scans of a lane, then the exchanges
        scene.pass_time(300)
        for line in scene.said(ExchangeQ):
            assert isinstance(line.said, Signed)
            assert isinstance(line.body, ExchangeQ)
            assert len(line.body.payments) == 1
            seen.setdefault(line.said.hash, scene.now)

    assert len(seen) > 1
    assert len(set(seen.values())) > 1, "tokens are exchanged at one time"
    assert scene.tokens(heir).get("free") == held


@pytest.mark.slow
@pytest.mark.parametrize("found_again", [True, False])
def test_a_bank_that_misses_a_brand_is_asked_on_until_that_has_ended(tmp_path: Path, found_again: bool) -> None:
    scene = Copies.opened(tmp_path)
    held, brand = sum(scene.tokens().values()), scene.brand(4)
    restart_bank(scene, brand.id)
    heir = scene.from_words()
    scene.consumers = [heir]
    scene.rest()
    assert heir.store.recovery.under_way([brand.id])

    if found_again:
        restart_bank(scene)
    else:
        scene.now = brand.ends + 1
    scene.rest()

    assert not heir.store.recovery.under_way([brand.id])
    assert not heir.store.errands.about(brand.id)
    if found_again:
        assert scene.tokens(heir) == {"free": held}
