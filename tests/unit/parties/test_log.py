"""The log's refusals, one by one, and the seconds at which its answers change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.limits import SECONDS_MAX
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.known_log import CHAIN, KnownLog, expirations_of, shard_of
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow, OutcomeOf, Time, TimeOf, Undecided
from anonnet.protocol.outcome import aborted, committed
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit
from anonnet.protocol.transaction import Transaction
from anonnet.times import LEAD_SECONDS_MAX, RETENTION_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import decode, decode_record, encode
from anonnet.wire.signed import Signed
from tests.actor import Said
from tests.dump import dump
from tests.paper.author import Author
from tests.paper.scenes import LEAD, Deal, Scene, by
from tests.stage import NETWORK, key_of
from tests.unit.parties.refusing import closed, refused

OTHER = key_of("other").public
LOG = KnownLog(key_of("log").public)


def p4(deal: Deal, signer: str = "merchant", **changes: Any) -> Signed:
    return by(signer, AuthorizationM(transaction=replace(deal.transaction, **changes), key=deal.key))


def ask(scene: Scene, transaction: Transaction) -> object:
    return scene.ask(scene.log, OutcomeOf(transaction=transaction))


def called_late(scene: Scene, deal: Deal) -> None:
    """P4 is refused as late; that is remembered once, and changes nothing from then on."""
    scene.say("m", scene.log, deal.authorization_m)
    refused(scene, scene.log, deal.authorization_m, Why.EXPIRED)


@pytest.mark.parametrize(
    ("late", "taken"), [(0, True), (1, False), (SETTLE_SECONDS, False), (SETTLE_SECONDS + 1, False)]
)
def test_p4_is_taken_until_the_second_of_the_expiration(scene: Scene, late: int, taken: bool) -> None:
    deal = Deal.authorized(scene)
    scene.now += LEAD + late

    if taken:
        commit = scene.expect(scene.say("m", scene.log, deal.authorization_m))
        assert committed(NETWORK, LOG, commit, deal.transaction)  # type: ignore[arg-type]
    else:
        called_late(scene, deal)


def test_p4_that_was_called_late_stays_late_when_the_clock_is_set_back(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.now += LEAD + 1
    called_late(scene, deal)

    scene.now -= 3
    refused(scene, scene.log, deal.authorization_m, Why.EXPIRED)
    assert isinstance(ask(scene, deal.transaction), Undecided)
    scene.now += 3 + SETTLE_SECONDS
    assert isinstance(ask(scene, deal.transaction), Abort)
    called_late(scene, deal)


def test_p4_that_is_not_taken(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    body = decode(deal.authorization_m.body)
    assert isinstance(body, AuthorizationM)
    ahead = scene.now + LEAD_SECONDS_MAX

    refused(scene, scene.log, p4(deal, log=OTHER), Why.WRONG_RECEIVER)
    refused(scene, scene.log, p4(deal, entry_key=OTHER), Why.UNKNOWN)
    refused(scene, scene.log, p4(deal, expiration=ahead + 1), Why.TOO_LATE)
    closed(scene, scene.log, p4(deal, signer="other"))
    closed(scene, scene.log, by("merchant", replace(body, key=OTHER)))
    closed(scene, scene.log, p4(deal, number=OTHER))
    closed(scene, scene.log, p4(deal, merchant=OTHER))
    assert isinstance(scene.ask(scene.log, p4(deal, expiration=ahead)), Commit)
    assert isinstance(scene.ask(scene.log, deal.authorization_m), Commit)  # another transaction, and so another entry


def test_an_outcome_second_by_second(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    last = deal.transaction.expiration + SETTLE_SECONDS
    for scene.now in (deal.transaction.expiration - LEAD, deal.transaction.expiration, last):
        assert ask(scene, deal.transaction) == Undecided(transaction=deal.transaction, time=scene.now)
    for scene.now in (last + 1, deal.transaction.expiration + RETENTION_SECONDS):
        assert aborted(NETWORK, LOG, deal.outcome) == deal.transaction
    scene.now += 1

    refused(scene, scene.log, OutcomeOf(transaction=deal.transaction), Why.FORGOTTEN)
    called_late(scene, deal)


def test_an_abort_is_for_one_transaction_alone(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    bogus = replace(deal.transaction, expiration=scene.now - SETTLE_SECONDS - 1)
    assert ask(scene, bogus) == Abort(transaction=bogus)

    assert isinstance(ask(scene, deal.transaction), Undecided)
    assert isinstance(scene.ask(scene.log, deal.authorization_m), Commit)
    assert isinstance(ask(scene, deal.transaction), Commit)
    assert ask(scene, bogus) == Abort(transaction=bogus)


def test_a_clock_that_falls_opens_nothing_again(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    scene.now += LEAD + SETTLE_SECONDS + 1
    abort = deal.outcome
    scene.now -= LEAD

    refused(scene, scene.log, deal.authorization_m, Why.EXPIRED)
    assert deal.outcome == abort
    time = scene.ask(scene.log, TimeOf(log=scene.log_name))
    assert isinstance(time, Time)
    assert time.time == scene.now + LEAD


def test_a_commit_stays_a_commit(scene: Scene) -> None:
    deal = Deal.committed(scene)
    commit = deal.outcome
    before = dump(scene.log.store)["entry"]

    expiration = deal.transaction.expiration
    for scene.now in (expiration + SETTLE_SECONDS + 1, expiration + 2 * RETENTION_SECONDS):
        assert deal.outcome == commit
        assert scene.say("m", scene.log, deal.authorization_m) == commit
    assert dump(scene.log.store)["entry"] == before


def test_every_step_that_names_another_log(scene: Scene) -> None:
    deal = Deal.authorized(scene)
    steps: list[Said] = [
        p4(deal, log=OTHER),
        OutcomeOf(transaction=replace(deal.transaction, log=OTHER)),
        OutcomeOf(transaction=replace(deal.transaction, log=LOG.key)),
        Follow(log=OTHER, shard=CHAIN, start=0),
        TimeOf(log=OTHER),
    ]

    for said in steps:
        refused(scene, scene.log, said, Why.WRONG_RECEIVER)
    for taken_by_others in (deal.authorization_q, deal.authorization_b, deal.goods_m):
        closed(scene, scene.log, taken_by_others)
    assert isinstance(decode(deal.goods_m.body), GoodsM)


def test_following_from_anywhere(scene: Scene) -> None:
    own = shard_of(Deal.committed(scene).transaction.expiration)

    for shard, start, count in ((own, 0, 2), (own, 1, 1), (own, 2, 0), (own, 2**53, 0), (own + 1, 0, 0), (CHAIN, 0, 0)):
        entries = scene.ask(scene.log, Follow(log=scene.log_name, shard=shard, start=start))
        assert isinstance(entries, Entries)
        assert (entries.shard, entries.start, len(entries.entries)) == (shard, start, count)


def test_sales_that_expire_in_different_weeks_stand_in_different_shards(scene: Scene) -> None:
    author, last = Author(scene), expirations_of(shard_of(scene.now)).stop - 1
    scene.now = last - 10
    before, after = author.written(last), author.written(last + 1)

    time = scene.ask(scene.log, TimeOf(log=scene.log_name))

    assert isinstance(time, Time)
    assert [(each.shard, each.size) for each in time.shards] == [(shard_of(last), 2), (shard_of(last) + 1, 2)]
    for shard, p4 in ((shard_of(last), before), (shard_of(last) + 1, after)):
        page = scene.ask(scene.log, Follow(log=scene.log_name, shard=shard, start=0))
        assert isinstance(page, Entries)
        genesis, commit = (decode_record(Entry, each.entry) for each in page.entries)
        assert (genesis.kind, genesis.body) == (EntryKind.GENESIS, LOG.origin(shard).encode())
        assert (commit.kind, commit.body) == (EntryKind.COMMIT, encode(p4))


def test_questions_leave_nothing_behind_but_the_time(scene: Scene) -> None:
    """Made-up sales are asked for by anybody: their aborts are statements, and nothing of them is kept."""
    made_up = Deal.authorized(scene).transaction
    before = dump(scene.log.store)

    for number in range(20):
        for expiration in (scene.now - SETTLE_SECONDS - 1, scene.now, scene.now + LEAD_SECONDS_MAX, 0, SECONDS_MAX):
            asked = replace(made_up, number=bytes([number]) * 32, expiration=expiration)
            scene.ask(scene.log, OutcomeOf(transaction=asked))
    scene.ask(scene.log, TimeOf(log=scene.log_name))

    after = dump(scene.log.store)
    del before["clock"], after["clock"]
    assert after == before
