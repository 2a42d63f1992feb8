"""Brands in the log's chain: who may put them there, which ones, and what the bank does with the answer."""

from __future__ import annotations

from dataclasses import replace

from anonnet.errors import Why
from anonnet.limits import BRAND_NOTICE_SECONDS, BRANDS_MAX
from anonnet.parties.bank import Bank
from anonnet.parties.mint import Minted
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow
from anonnet.protocol.refusal import Noted
from anonnet.protocol.rules import follows, sound
from anonnet.wire.codec import decode_record, encode
from anonnet.wire.signed import Signed, Signer
from tests.paper.scenes import Scene, by
from tests.stage import NETWORK, key_of, mint
from tests.unit.parties.refusing import refused
from tests.unit.test_rules import ALONE, Kept

DAY = 24 * 3600


def next_minted(opens: int, denomination: int = 1) -> Minted:
    """A brand of the bank that opens then, for a month."""
    (made,) = mint(key_of("bank"), {denomination: "2048-a"}, now=opens + 3600)
    return made


def announced(scene: Scene, *minted: Minted) -> None:
    """The bank has these brands too, and has looked which ones are to be published."""
    scene.bank.party = Bank(Signer(NETWORK, key_of("bank")), scene.bank_key, minted, scene.network.logs)
    scene.bank.__post_init__()
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
