"""Brands in the log's chain: who may put them there, which ones, and what the bank does with the answer; which
ones wallets take."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anonnet.errors import Why
from anonnet.limits import BRANDS_MAX
from anonnet.parties.bank import Bank
from anonnet.parties.consumer import Consumer
from anonnet.parties.mint import Minted
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.local import Recover, Withdraw
from anonnet.protocol.logbook import ENTRY_VERSION, Entries, Entry, EntryKind, Follow
from anonnet.protocol.refusal import Noted
from anonnet.protocol.rules import follows, sound
from anonnet.store.wallet import WalletStore
from anonnet.times import BRAND_MARGIN_SECONDS, BRAND_NOTICE_SECONDS
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.dump import dump
from tests.paper.scenes import Scene, by
from tests.stage import CURRENCY, NETWORK, key_of, mint
from tests.unit.parties.refusing import refused
from tests.unit.test_rules import ALONE, Kept

DAY = 24 * 3600


def next_minted(opens: int, denomination: int = 1) -> Minted:
    """A brand of the bank that opens then, for a month."""
    (made,) = mint(key_of("bank"), {denomination: "2048-a"}, now=opens + 3600)
    return made


def has(scene: Scene, *minted: Minted) -> None:
    """The bank has these brands."""
    scene.bank.party = Bank(Signer(NETWORK, key_of("bank")), scene.bank_key, minted, scene.network.logs)
    scene.bank.__post_init__()


def announced(scene: Scene, *minted: Minted) -> None:
    """The bank has these brands, and has looked which ones are to be published."""
    has(scene, *minted)
    scene.bank.forget()
    scene.settle()


def chain(scene: Scene) -> list[Entry]:
    """All entries of the log's chain, which keep the rules."""
    page = scene.ask(scene.log, Follow(log=scene.log_name, shard=CHAIN, start=0))
    assert isinstance(page, Entries)
    kept = Kept(ALONE, CHAIN)
    for each in page.entries:
        entry = sound(NETWORK, ALONE, CHAIN, each.entry)
        follows(kept, entry)
        kept.entries.append(entry)
    return kept.entries


def test_a_bank_brings_its_next_brands_to_the_log_once(scene: Scene) -> None:
    soon, later = next_minted(scene.now + BRAND_NOTICE_SECONDS), next_minted(scene.now + 40 * DAY, 2)

    announced(scene, *scene.minted, soon, later)
    scene.pass_time(DAY)
    scene.heard.clear()
    scene.bank.forget()
    scene.settle()

    genesis, *brands = chain(scene)
    assert genesis.kind == EntryKind.GENESIS
    found = {decode_record(Signed, each.body).body for each in brands}
    assert found == {each.offer.brand.body for each in (soon, later)}
    assert len(brands) == 2
    assert not scene.said(Brand)  # those that are open already are the network file's


def test_brands_that_a_log_does_not_take(scene: Scene) -> None:
    opens = scene.now + BRAND_NOTICE_SECONDS
    brand = next_minted(opens).brand
    stranger = replace(brand, bank=key_of("stranger").public)

    refused(scene, scene.log, by("merchant", brand), Why.WRONG_SIGNER)
    refused(scene, scene.log, by("stranger", stranger), Why.WRONG_SIGNER)
    refused(scene, scene.log, by("bank", replace(brand, opens=opens - 1)), Why.TOO_LATE)
    assert isinstance(scene.ask(scene.log, by("bank", brand)), Noted)
    assert isinstance(scene.ask(scene.log, by("bank", brand)), Noted)
    rival = replace(brand, opens=brand.closes, closes=brand.closes + 9 * DAY, ends=brand.ends + 9 * DAY)
    found = refused(scene, scene.log, by("bank", rival), Why.BAD_BRAND, [Brand])
    assert found.evidence[0].body == encode(brand)
    for denomination in range(2, BRANDS_MAX + 1):
        assert isinstance(scene.ask(scene.log, by("bank", replace(brand, denomination=denomination))), Noted)
    refused(scene, scene.log, by("bank", replace(brand, denomination=BRANDS_MAX + 1)), Why.FULL)
    assert len(chain(scene)) == 1 + BRANDS_MAX


def test_a_bank_keeps_what_a_log_has_said_to_a_brand(scene: Scene) -> None:
    opens = scene.now + BRAND_NOTICE_SECONDS
    first = next_minted(opens)
    rival = Minted(
        replace(first.offer, brand=by("bank", replace(first.brand, opens=opens + 1))),
        replace(first.brand, opens=opens + 1),
        first.secret,
    )

    announced(scene, *scene.minted, first, rival)

    store = scene.bank.store
    answers = {store.announced.answer(each.brand.id, scene.log_name) for each in (first, rival)}
    assert answers == {"", Why.BAD_BRAND}
    assert len(chain(scene)) == 2
    assert not store.errands.count()


# Wallets.


def look(scene: Scene) -> None:
    """The consumer's wallet looks which brands there are, as it does once a day."""
    scene.consumer.forget()
    scene.settle()


def offered(scene: Scene, made: Minted, signer: str = "bank", **changes: Any) -> Minted:
    """The same brand changed, as its bank would sign it."""
    brand = replace(made.brand, **changes)
    return Minted(replace(made.offer, brand=by(signer, brand)), brand, made.secret)


def opening(scene: Scene) -> int:
    """When the brands that follow those of the network file open."""
    return scene.minted[0].brand.closes + 1


def withdrawn(scene: Scene, brand: Brand) -> int:
    """How many of one unit's tokens come of this brand, where one is asked for."""
    scene.fund(scene.account(scene.consumer), brand.denomination)
    before = dict(((id, state), count) for id, state, _, count in scene.consumer.store.tokens.holdings())
    scene.withdraw(brand.denomination)
    after = dict(((id, state), count) for id, state, _, count in scene.consumer.store.tokens.holdings())
    return after.get((brand.id, "free"), 0) - before.get((brand.id, "free"), 0)


@pytest.mark.parametrize("mirrors", [(), ("mirror-0", "mirror-1", "mirror-2", "mirror-3")], ids=["alone", "quorum"])
def test_a_wallet_withdraws_from_a_brand_that_the_log_has_published(tmp_path: Path, mirrors: tuple[str, ...]) -> None:
    scene = Scene(tmp_path, mirrored_by=mirrors)
    scene.pass_time(0)  # mirrors look what they follow
    scene.prepare()
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    scene.pass_time(2)
    look(scene)
    scene.now = made.brand.opens - 1
    scene.consumer.command(Withdraw(bank=scene.bank_key, currency=CURRENCY, amount=1))
    scene.now += 1

    assert made.brand.id in scene.consumer.party.purse.brands  # type: ignore[attr-defined]
    assert withdrawn(scene, made.brand) == 1
    assert [offer.brand for offer in scene.consumer.store.listing.accepted()] == [made.offer.brand]
    assert not scene.consumer.store.listing.rivals()


def test_a_wallet_takes_no_brand_that_stands_nowhere_or_too_late(scene: Scene) -> None:
    made = next_minted(opening(scene))
    hidden, hasty = offered(scene, made, denomination=8), offered(scene, made, denomination=16)
    announced(scene, *scene.minted, made)
    append_by_hand(scene.log, hasty, hasty.brand.opens - BRAND_NOTICE_SECONDS + 1)
    has(scene, *scene.minted, made, hidden, hasty)

    look(scene)

    taken = scene.consumer.party.purse.brands  # type: ignore[attr-defined]
    assert [each.brand.id in taken for each in (made, hidden, hasty)] == [True, False, False]
    assert not scene.consumer.store.listing.rivals()


def test_a_wallet_learns_no_brand_from_an_answer_with_a_wrong_one(scene: Scene) -> None:
    """What it keeps of such an answer is taken back, and it must not go on with what stands nowhere."""
    made = next_minted(opening(scene))
    other = next_minted(opening(scene), denomination=8)
    wrong = replace(other, offer=replace(other.offer, roots=other.offer.roots[::-1]))
    announced(scene, *scene.minted, made)
    has(scene, *scene.minted, made, wrong)

    look(scene)

    assert scene.consumer.closed
    assert made.brand.id not in scene.consumer.party.purse.brands  # type: ignore[attr-defined]
    assert not scene.consumer.store.listing.accepted()


def append_by_hand(log: Actor, made: Minted, time: int) -> None:
    """A log that helps a bank records a brand that it should not."""
    store = log.store
    store.begin()
    body = encode(made.offer.brand)
    new = Entry(version=ENTRY_VERSION, kind=int(EntryKind.BRAND), time=time, outcome_key=b"", body=body)
    store.append(CHAIN, store.size(CHAIN), new)
    store.commit()


def test_a_bank_that_shows_one_customer_another_brand_is_convicted_by_both(scene: Scene) -> None:
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    look(scene)
    tagged = offered(scene, made, closes=made.brand.closes + 1)
    pinned = offered(scene, scene.minted[0], opens=scene.minted[0].brand.opens + 1)
    has(scene, *scene.minted, made, tagged, pinned)
    look(scene)

    rivals = {frozenset(signed.body for signed in pair) for pair in scene.consumer.store.listing.rivals()}

    pairs = (made, tagged), (scene.minted[0], pinned)
    assert rivals == {frozenset(each.offer.brand.body for each in pair) for pair in pairs}
    assert tagged.brand.id not in scene.consumer.party.purse.brands  # type: ignore[attr-defined]


def test_a_chain_that_is_not_what_the_log_signed_is_not_read(scene: Scene) -> None:
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    scene.consumer.forget()
    (errand,) = scene.consumer.store.errands.due(scene.now, most=9)
    page = scene.ask(scene.log, errand.message)
    assert isinstance(page, Entries)
    before = dump(scene.consumer.store)
    forged = replace(page.entries[1], entry=page.entries[0].entry)
    for wrong in (
        replace(page, entries=(page.entries[0], forged)),
        replace(page, entries=page.entries[:1]),
        replace(page, shard=CHAIN + 1),
    ):
        scene.consumer.takes(frame(wrong, 1), answers=errand)
    unsigned = replace(page, checkpoints=())

    assert len(scene.consumer.closed) == 3
    assert dump(scene.consumer.store) == before
    scene.consumer.takes(frame(unsigned, 1), answers=errand)
    assert not scene.consumer.store.listing.listed()


def test_without_a_quorum_s_cosignatures_a_chain_counts_for_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, mirrored_by=("mirror-0", "mirror-1", "mirror-2", "mirror-3"))
    scene.pass_time(0)  # mirrors look what they follow
    made = next_minted(opening(scene))
    scene.say("bank", scene.log, made.offer.brand)
    scene.consumer.forget()
    due = scene.consumer.store.errands.due(scene.now, most=9)
    (errand,) = [each for each in due if isinstance(each.message, Follow)]

    scene.run_errand(scene.consumer, errand)
    uncertified = scene.consumer.store.listing.listed()
    scene.settle()
    scene.pass_time(2)
    look(scene)

    assert not uncertified
    assert scene.consumer.store.listing.listed() == [made.offer.brand]


def test_published_brands_leave_a_wallet_and_a_bank_when_they_are_over(scene: Scene) -> None:
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    look(scene)
    tables = ("listed", "accepted")
    assert scene.consumer.store.listing.accepted()
    scene.now = made.brand.ends + BRAND_MARGIN_SECONDS
    scene.consumer.forget()
    scene.bank.forget()
    kept = [len(dump(scene.consumer.store)[each]) for each in tables], len(dump(scene.bank.store)["announced"])
    scene.now += 1
    scene.consumer.forget()
    scene.bank.forget()
    unread = [len(dump(scene.consumer.store)[each]) for each in tables], len(dump(scene.bank.store)["announced"])
    announced(scene, next_minted(scene.now + BRAND_NOTICE_SECONDS))
    scene.consumer.forget()
    scene.settle()

    assert kept == ([1, 1], 1)
    assert unread == ([1, 1], 0)
    assert made.offer.brand not in scene.consumer.store.listing.listed()
    assert made.offer not in scene.consumer.store.listing.accepted()


def test_a_wallet_whose_clock_was_far_ahead_still_takes_the_next_brand(scene: Scene) -> None:
    """It has read the chain up to there, and reads nothing of it twice."""
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    look(scene)
    right = scene.now
    scene.now = made.brand.ends + BRAND_MARGIN_SECONDS + 1
    scene.consumer.forget()

    scene.now = right
    look(scene)

    assert scene.consumer.store.listing.listed() == [made.offer.brand]
    assert scene.consumer.store.listing.accepted() == [made.offer]


@pytest.mark.slow
def test_a_wallet_made_from_its_words_also_looks_in_brands_that_it_learns_of_later(scene: Scene) -> None:
    made = next_minted(opening(scene))
    announced(scene, *scene.minted, made)
    look(scene)
    scene.now = made.brand.opens
    assert withdrawn(scene, made.brand) == 1
    party = scene.consumer.party
    scene.consumer.store = WalletStore()
    scene.consumer.party = Consumer(scene.network, hashlib.sha256(b"seed of consumer").digest(), file_brands(scene))
    assert party is not scene.consumer.party
    scene.consumer.__post_init__()
    scene.consumer.command(Recover(bank=scene.bank_key, fast=1))
    scene.settle()

    look(scene)
    scene.pass_time(1)

    held = {id for id, state, _, _ in scene.consumer.store.tokens.holdings() if state == "free"}
    assert made.brand.id in held


def file_brands(scene: Scene) -> list[Brand]:
    return [each.brand for each in scene.minted]
