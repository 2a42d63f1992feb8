"""Banks and merchants show mirrors what they have relied on, so that a log cannot show each of them another branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.errors import Why
from anonnet.limits import RELIED_MAX, RETRY_SECONDS_MAX, SEEN_MAX
from anonnet.parties.bank import Bank
from anonnet.protocol.account import Claim
from anonnet.protocol.breach import Alert, breach
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import CheckpointsSeen, EntryKind, Follow, OutcomeOf
from anonnet.protocol.quorum import CertificateOf, Pledge
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.store.errands import Errand
from anonnet.times import CLAIM_SECONDS, COMPARE_SECONDS, RETENTION_SECONDS, SETTLE_SECONDS, SHARD_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.wire.codec import Message, decode, encode
from anonnet.wire.frames import frame
from tests.actor import Actor
from tests.dump import dump
from tests.mirrors import MIRRORS, Pen, certificate, entry, sale, tick
from tests.paper.scenes import PRICE, Deal, Hand, Scene, by
from tests.quorum import QuorumScene
from tests.stage import NETWORK, key_of

from .refusing import closed

SIZE = 4
"""Of the shard."""


@pytest.fixture
def council(tmp_path: Path) -> QuorumScene:
    """A log under a quorum, with one sale in its shard, and an entry behind it that nobody has relied on."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.buy()
    scene.settle()
    scene.wait(2)
    for _ in range(3):
        scene.pass_time(COMPARE_SECONDS)
    scene.ask(scene.log, OutcomeOf(transaction=replace(sale(scene.now - SETTLE_SECONDS - 1), log=scene.log_name)))
    scene.wait(1)
    sizes = {mirror.store.copy(scene.log_name, shard_of(scene.now)).size for mirror in scene.mirrors.values()}
    assert sizes == {SIZE}
    scene.heard.clear()
    return scene


def authorized(scene: Scene, name: str) -> Deal:
    """One more sale, of a consumer of this name."""
    hand = Hand(scene, name)
    hand.open(2 * PRICE)
    return Deal.authorized(scene, hand)


def branch_of(deal: Deal, *kinds: EntryKind, size: int = SIZE) -> Pen:
    """A tree of so many entries in which this sale stands last, and which only some are shown."""
    known = deal.scene.network.logs[deal.scene.log_name]
    pen = Pen(known, shard=shard_of(deal.transaction.expiration), begun=deal.scene.now)
    for _ in range(size - 1 - len(kinds)):
        pen.write(tick(deal.scene.now))
    for kind in kinds:
        paper = deal.authorization_m if kind == EntryKind.KEY else by("merchant", Pledge(transaction=deal.transaction))
        pen.write(entry(kind, deal.scene.now, encode(paper), deal.transaction.outcome_key))
    return pen


def paid(deal: Deal, size: int = SIZE) -> Message:
    """By the log, and by more mirrors than may lie: a commit in a branch of its own."""
    return decode(certificate(branch_of(deal, EntryKind.PLEDGE, EntryKind.KEY, size=size)).body)


def pledged(deal: Deal) -> None:
    """The same of the pledge: the merchant is shown it."""
    scene = deal.scene
    scene.ask(scene.merchant, deal.authorization_b)
    asked = next(each for each in scene.merchant.store.errands.due(scene.now, most=99) if _asks(each))
    said = decode(certificate(branch_of(deal, EntryKind.PLEDGE)).body)
    scene.merchant.takes(frame(said, 1), answers=asked)


def _asks(errand: Errand) -> bool:
    return isinstance(errand.message, CertificateOf)


def convicted(scene: Scene) -> list[str]:
    """Who has the proof of a fork."""
    known = scene.network.logs[scene.log_name]
    found = []
    for actor in (*scene.banks.values(), scene.merchant, scene.log, *scene.mirrors.values()):
        if {breach(NETWORK, known, shard, proof).kind for _, shard, proof in actor.store.alerts.all()} == {"fork"}:
            found.append(actor.name)
    return found


def shown(scene: Scene) -> list[tuple[str, str]]:
    """Who has shown which mirror what he relied on."""
    said = [(line.sender, line.receiver) for line in scene.said(CheckpointsSeen)]
    return [each for each in said if each[0] not in MIRRORS]


def showing(actor: Actor) -> list[Errand]:
    """What it has to show to mirrors."""
    errands = actor.store.errands.due(10**12, most=999)
    return [each for each in errands if isinstance(each.message, CheckpointsSeen)]


# Under a quorum.


def test_what_bank_and_merchant_have_relied_on_is_shown_once_to_each_mirror(council: QuorumScene) -> None:
    council.buy()
    council.settle()
    council.wait(COMPARE_SECONDS - 1)
    before = shown(council)
    council.wait(COMPARE_SECONDS + 2)
    pairs = shown(council)
    for _ in range(3):
        council.pass_time(COMPARE_SECONDS)

    relying = [(who, mirror) for who in ("bank", "merchant") for mirror in MIRRORS]
    assert before == []
    assert set(pairs) == set(relying)
    assert {pairs.count(pair) for pair in relying} <= {1, 2}, "those of the pledge and of the key, or both at once"
    assert shown(council) == pairs, "nothing is said where nothing is new"
    for line in council.said(CheckpointsSeen):
        assert isinstance(line.body, CheckpointsSeen)
        for note in line.body.checkpoints:
            assert len(SignedCheckpoint.parse(note).note.signatures) == 1, "who has cosigned is not told"
    assert convicted(council) == []


@pytest.mark.parametrize("who", ["bank", "merchant"])
def test_another_certified_branch_than_mirrors_hold_is_alerted_everywhere(council: QuorumScene, who: str) -> None:
    """The log, and more mirrors than may lie, have signed a branch for one party alone."""
    deal = Deal.authorized(council)
    if who == "bank":
        council.ask(council.bank, paid(deal))
        assert council.income == 2 * PRICE, "what has its certificate stays valid"
    else:
        pledged(deal)
    council.lost = lambda line: line.sender == "merchant" and line.kind is Pledge

    council.pass_time(COMPARE_SECONDS)

    assert convicted(council) == ["bank", "merchant", "log", *MIRRORS]
    for mirror in council.mirrors.values():
        assert mirror.store.copy(council.log_name, shard_of(deal.transaction.expiration)).frozen


def test_branches_that_no_mirror_was_shown_convict_the_log_by_bank_and_merchant(council: QuorumScene) -> None:
    deal, other = authorized(council, "one"), authorized(council, "two")
    pledged(other)
    council.ask(council.bank, paid(deal))
    for mirror in council.mirrors.values():  # of a shard that the log has shown to none of them
        mirror.store = type(mirror.store)()
        mirror.__post_init__()
        mirror.remind()
    council.lost = lambda line: "log" in (line.sender, line.receiver)

    council.pass_time(COMPARE_SECONDS)

    assert convicted(council) == ["bank", "merchant", *MIRRORS]


def test_a_bank_that_sees_two_branches_itself_convicts_the_log_without_any_mirror(council: QuorumScene) -> None:
    deal = Deal.authorized(council)
    council.dead.update(MIRRORS)

    council.ask(council.bank, paid(deal))
    council.ask(council.bank, paid(deal))
    assert convicted(council) == [], "the same is no other one"
    council.now += 1
    council.ask(council.bank, paid(deal))
    council.settle()

    assert convicted(council) == ["bank", "merchant", "log"]
    assert council.income == 2 * PRICE, "it is credited once"


@pytest.mark.parametrize("claimed", [False, True], ids=["alone", "in a claim"])
def test_a_certificate_that_comes_too_late_for_its_sale_convicts_the_log_all_the_same(
    council: QuorumScene, claimed: bool
) -> None:
    deal, other = authorized(council, "one"), authorized(council, "two")
    council.dead.update(MIRRORS)
    council.ask(council.bank, paid(deal))
    council.now = other.transaction.expiration + CLAIM_SECONDS + 1
    council.bank.remind()

    commit = certificate(branch_of(other, EntryKind.PLEDGE, EntryKind.KEY))
    claim = Claim(bank=council.bank_key, authorization_b=other.authorization_b, commit=commit)
    said = council.ask(council.bank, claim if claimed else decode(commit.body))
    council.settle()

    assert isinstance(said, Refusal)
    assert said.why == Why.TOO_LATE
    assert convicted(council) == ["bank", "merchant", "log"]


def test_what_comes_meanwhile_is_shown_with_the_next_question(council: QuorumScene) -> None:
    deal = Deal.authorized(council)
    commits = [paid(deal, size) for size in range(SIZE, SEEN_MAX + 8)]
    council.ask(council.bank, commits[0])
    first = showing(council.bank)
    for commit in commits[1:]:
        council.ask(council.bank, commit)
    assert showing(council.bank) == first, "one question at a time"
    council.now += COMPARE_SECONDS
    errand: Errand | None = first[0]

    sizes: list[int] = []
    waits: list[int] = []
    while errand is not None:
        assert isinstance(errand.message, CheckpointsSeen)
        sizes += [SignedCheckpoint.parse(note).body.size for note in errand.message.checkpoints]
        council.bank.takes(frame(Noted(request=errand.request.hash), 1), answers=errand)
        errand = next((each for each in showing(council.bank) if each.receiver == errand.receiver), None)
        if errand is not None:
            waits.append(next(wait for wait in range(99) if errand in _due(council, council.now + wait)))

    assert sizes == list(range(SIZE, SEEN_MAX + 8)), "each once, in the order of their coming"
    assert waits == [0, COMPARE_SECONDS], "a whole page is not the last one"


def _due(scene: Scene, second: int) -> Sequence[Errand]:
    return scene.bank.store.errands.due(second, most=999)


def test_no_more_is_kept_than_the_newest_and_nothing_of_a_shard_that_is_over(council: QuorumScene) -> None:
    deal = Deal.authorized(council)
    council.dead.update(MIRRORS)
    for size in range(SIZE, RELIED_MAX + 8):
        council.bank.store.relied.keep(
            council.log_name, shard_of(deal.transaction.expiration), size, b"%d" % size, most=RELIED_MAX
        )
    kept = [row[3] for row in dump(council.bank.store)["relied"] if row[1] == shard_of(deal.transaction.expiration)]
    council.ask(council.bank, paid(deal, RELIED_MAX + 9))
    assert showing(council.bank)

    council.now += RETENTION_SECONDS + 2 * SHARD_SECONDS
    for actor in (council.bank, council.merchant):
        actor.forget()

    assert len(kept) == RELIED_MAX
    assert max(kept) == RELIED_MAX + 7
    for actor in (council.bank, council.merchant):
        assert not dump(actor.store)["relied"]
        assert not showing(actor)


def test_certificates_that_settle_nothing_push_out_no_checkpoint(council: QuorumScene) -> None:
    """A log that forks, with a merchant of its own, makes as many of one sale as it likes."""
    deal = Deal.authorized(council)
    council.dead.update(MIRRORS)
    shard, relied = shard_of(deal.transaction.expiration), council.bank.store.relied
    for size in range(100, 100 + RELIED_MAX - 1):
        relied.keep(council.log_name, shard, size, b"%d" % size, most=RELIED_MAX)
    council.ask(council.bank, paid(deal, SIZE))
    kept = dump(council.bank.store)["relied"]

    council.ask(council.bank, paid(deal, SIZE + 1))

    assert relied.of_size(council.log_name, shard, SIZE)
    assert relied.count(council.log_name, shard) == RELIED_MAX
    assert dump(council.bank.store)["relied"] == kept


@pytest.mark.parametrize("why", [Why.FORGOTTEN, Why.WRONG_LOG, Why.INCIDENT])
def test_a_mirror_that_cannot_compare_is_not_asked_again_and_one_that_fails_is(council: QuorumScene, why: Why) -> None:
    deal = Deal.authorized(council)
    council.ask(council.bank, paid(deal))
    errand = showing(council.bank)[0]
    mirror = next(name for name in MIRRORS if key_of(name).public == errand.receiver)

    refusal = by(mirror, Refusal(request=errand.request.hash, why=why.value, detail="", evidence=()))
    council.bank.takes(frame(refusal, 1), answers=errand)

    again = errand in showing(council.bank)
    assert again == (why == Why.INCIDENT)
    assert errand not in _due(council, council.now + RETRY_SECONDS_MAX - 1)


def test_what_a_mirror_says_against_an_honest_log_is_not_believed(council: QuorumScene) -> None:
    deal = Deal.authorized(council)
    council.ask(council.bank, paid(deal))
    errand = showing(council.bank)[0]
    assert isinstance(errand.message, CheckpointsSeen)
    (note,) = errand.message.checkpoints
    lie = Alert(log=council.log_name, shard=errand.message.shard, evidence=note)

    council.bank.takes(frame(lie, 1), answers=errand)

    assert council.bank.closed.pop()
    assert council.bank.store.alerts.all() == []
    assert errand in showing(council.bank)


def test_a_checkpoint_that_no_mirror_would_compare_certifies_nothing(council: QuorumScene) -> None:
    """With lines of the log's own behind the root, which more mirrors than may lie have cosigned."""
    deal = Deal.authorized(council)
    pen = branch_of(deal, EntryKind.PLEDGE, EntryKind.KEY)
    pen.extensions = ("a line",)
    pen.notes[pen.size] = pen.note(pen.size, pen.tree.root())

    closed(council, council.bank, decode(certificate(pen).body))


# A log that decides alone.


@pytest.fixture
def lone(tmp_path: Path) -> Scene:
    """A log that decides alone, and a bank that knows of a mirror which follows it."""
    scene = Scene(tmp_path)
    scene.prepare()
    party = scene.bank.party
    beside = [key_of(MIRRORS[0]).public]
    scene.bank.party = Bank(party.signer, scene.bank_key, scene.minted, scene.network.logs, beside=beside)
    scene.bank.__post_init__()
    return scene


def test_a_bank_shows_the_newest_checkpoint_that_came_with_the_entries_it_read(lone: Scene) -> None:
    one, two = authorized(lone, "one"), authorized(lone, "two")
    shard = shard_of(one.transaction.expiration)
    lone.ask(lone.log, one.authorization_m)
    lone.send(lone.bank, Follow)
    first = showing(lone.bank)
    lone.ask(lone.log, two.authorization_m)
    lone.send(lone.bank, Follow)

    (errand,) = first
    assert isinstance(errand.message, CheckpointsSeen)
    assert errand.receiver == key_of(MIRRORS[0]).public
    assert errand not in _due(lone, lone.now + COMPARE_SECONDS - 1)
    assert (errand.message.log, errand.message.shard) == (lone.log_name, shard)
    assert showing(lone.bank) == first, "one question at a time"
    lone.bank.takes(frame(Noted(request=errand.request.hash), 1), answers=errand)
    (following,) = showing(lone.bank)
    assert isinstance(following.message, CheckpointsSeen)
    assert following.message.checkpoints == (lone.log.store.heads.head(shard).note,)
    assert len(dump(lone.bank.store)["relied"]) == 1


@pytest.mark.parametrize("lie", ["signed by another", "beyond the entries", "before the entries"])
def test_entries_whose_checkpoint_is_none_of_them_are_not_taken(lone: Scene, lie: str) -> None:
    deal = Deal.authorized(lone)
    (asked,) = (each for each in _due(lone, lone.now) if isinstance(each.message, Follow))
    assert isinstance(asked.message, Follow)
    pen = Pen(
        lone.network.logs[lone.log_name],
        name="stranger" if lie == "signed by another" else "log",
        shard=shard_of(deal.transaction.expiration),
    )
    page = pen.answer(asked.message)
    pen.write(tick(lone.now))
    note = {"beyond the entries": pen.notes[2], "before the entries": pen.note(0, bytes(32))}.get(lie, pen.notes[1])
    before = dump(lone.bank.store)

    lone.bank.takes(frame(replace(page, checkpoints=(note,)), 1), answers=asked)

    assert lone.bank.closed
    assert dump(lone.bank.store) == before
