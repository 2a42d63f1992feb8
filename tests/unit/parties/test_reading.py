"""A wallet makes its certificate from proofs of a whole bundle of entries: what is enough for it, and what is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anonnet.limits import ENTRIES_MAX, RETRY_SECONDS_MAX
from anonnet.parties.consumer import Consumer
from anonnet.protocol.known_log import shard_of
from anonnet.protocol.logbook import Entries, EntryKind, Follow, OutcomeOf, Recorded
from anonnet.protocol.outcome import committed
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.store.errands import Errand
from anonnet.store.wallet import WalletStore
from anonnet.times import BEHIND_SECONDS, SETTLE_SECONDS
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.note import Note
from anonnet.wire.codec import Message, encode
from anonnet.wire.frames import frame
from tests.actor import Actor
from tests.dump import dump
from tests.mirrors import MIRRORS, entry
from tests.paper.scenes import LEAD, Line
from tests.quorum import QuorumScene
from tests.stage import NETWORK
from tests.unit.parties.answering import answer, later, unmoved

ONE = MIRRORS[0]


@pytest.fixture
def scene(tmp_path: Path) -> QuorumScene:
    return opened(QuorumScene(tmp_path))


def opened(scene: QuorumScene) -> QuorumScene:
    scene.prepare()
    scene.wait(1)
    return scene


def unanswered(line: Line) -> bool:
    return line.kind is Proofs


def bought(scene: QuorumScene, *, lost: Callable[[Line], bool] = unanswered) -> bytes:
    """A purchase whose key the log has recorded and mirrors have certified; what they tell of it is lost."""
    scene.lost = lost
    purchase = scene.buy()
    scene.settle()
    scene.wait(3)
    return purchase


def pledged(line: Line) -> bytes:
    """The outcome key of a pledge that somebody makes."""
    return line.body.transaction.outcome_key if isinstance(line.body, Pledge) else b""


def questions(scene: QuorumScene) -> dict[str, Errand]:
    """What the wallet asks for proofs, by mirror."""
    errands = scene.consumer.store.errands.due(2**50, most=99)
    return {scene.identities[each.receiver]: each for each in errands if isinstance(each.message, ProofsOf)}


def told(scene: QuorumScene, question: Message) -> Proofs:
    """What an honest mirror answers."""
    said = scene.mirrors[ONE].takes(frame(question, 1))
    assert isinstance(said, Proofs)
    return said


def test_the_first_mirror_s_proofs_are_a_commit(scene: QuorumScene) -> None:
    purchase = bought(scene)
    asked = questions(scene)
    assert set(asked) == set(MIRRORS)

    answer(scene, asked[ONE], told(scene, asked[ONE].message))

    sale = scene.consumer.store.purchase(purchase)
    assert sale.state == "committed"
    assert committed(NETWORK, scene.network.logs[scene.log_name], sale.outcome, sale.transaction)
    assert not questions(scene)
    assert not dump(scene.consumer.store)["unproven"]


def test_what_a_checkpoint_does_not_cover_is_asked_for_again_of_that_mirror(scene: QuorumScene) -> None:
    """At once where it was the first; a mirror that has told too little twice may be feeling for the entry."""
    sold = scene.buy()
    scene.settle()
    scene.wait(3)
    assert scene.purchase(sold).state == "done"
    first = ProofsOf(log=scene.log_name, shard=shard_of(scene.now + LEAD), start=0, beyond=0)
    early = [told(scene, first)]

    def lost(line: Line) -> bool:
        if line.kind is AuthorizationM and len(early) == 1:  # the pledge is certified, the key comes next
            early.append(told(scene, first))
        return line.kind is Proofs

    purchase = bought(scene, lost=lost)
    before = questions(scene)
    for proofs, wait in zip(early, (0, BEHIND_SECONDS), strict=True):
        answer(scene, questions(scene)[ONE], proofs)
        after = questions(scene)
        assert after[ONE].message == replace(first, beyond=proofs.size)
        assert scene.consumer.store.errands.next_due_for(after[ONE].receiver, scene.now - 1) == scene.now + wait
        assert {**after, ONE: before[ONE]} == before

    unmoved(scene, questions(scene)[ONE], *early)
    answer(scene, questions(scene)[ONE], told(scene, first))
    assert scene.purchase(purchase).state == "committed"
    assert not questions(scene)


def test_where_there_is_nothing_yet_it_is_asked_for_later(scene: QuorumScene) -> None:
    bought(scene)
    asked = questions(scene)[ONE]
    whole = told(scene, asked.message)

    later(scene, asked, Proofs(shard=whole.shard, start=whole.start))

    assert scene.consumer.store.errands.next_due_for(asked.receiver, scene.now) == scene.now + BEHIND_SECONDS


def flipped(hash: bytes) -> bytes:
    return bytes([hash[0] ^ 1]) + hash[1:]


def without_quorum(proofs: Proofs) -> Proofs:
    note = SignedCheckpoint.parse(proofs.checkpoint).note
    return replace(proofs, checkpoint=Note(note.text, note.signatures[:2]).encoded())


def of_fewer_entries(proofs: Proofs) -> Proofs:
    """As if the log had signed a smaller tree, in which the entry is still to come."""
    note = SignedCheckpoint.parse(proofs.checkpoint).note
    text = note.text.replace(f"\n{proofs.size}\n", "\n1\n")
    return replace(proofs, checkpoint=Note(text, note.signatures).encoded(), leaves=proofs.leaves[:1])


WRONG: dict[str, Callable[[Proofs], Proofs]] = {
    "another shard": lambda it: replace(it, shard=it.shard + 1),
    "another bundle": lambda it: replace(it, start=ENTRIES_MAX),
    "another entry beside it": lambda it: replace(it, leaves=(flipped(it.leaves[0]), *it.leaves[1:])),
    "fewer entries": lambda it: replace(it, leaves=it.leaves[:-1]),
    "more entries": lambda it: replace(it, leaves=(*it.leaves, bytes(32))),
    "no entries": lambda it: replace(it, leaves=()),
    "a node more": lambda it: replace(it, nodes=(bytes(32),)),
    "nodes without end": lambda it: replace(it, nodes=(bytes(32),) * 63),
    "no checkpoint at all": lambda it: replace(it, checkpoint=b"nothing"),
    "two cosigners' word": without_quorum,
    "a tree that the log has not signed": of_fewer_entries,
}


def test_proofs_that_do_not_hold_move_nothing_and_another_mirror_s_do(scene: QuorumScene) -> None:
    purchase = bought(scene)
    asked = questions(scene)
    right = told(scene, asked[ONE].message)

    for what, wrong in WRONG.items():
        unmoved(scene, asked[ONE], wrong(right))
        assert scene.purchase(purchase).state == "authorized", what

    answer(scene, asked[MIRRORS[1]], right)
    assert scene.purchase(purchase).state == "committed"


def test_leaves_among_which_the_entry_is_another_are_asked_for_again_much_later(scene: QuorumScene) -> None:
    """The mirror lies, or the log has lied to the wallet: the other mirrors, or the expiration, will show."""
    purchase = bought(scene)
    asked = questions(scene)
    right = told(scene, asked[ONE].message)

    later(scene, asked[ONE], replace(right, leaves=(*right.leaves[:-1], flipped(right.leaves[-1]))))

    assert scene.consumer.store.errands.next_due_for(asked[ONE].receiver, scene.now) == scene.now + RETRY_SECONDS_MAX
    answer(scene, asked[MIRRORS[1]], right)
    assert scene.purchase(purchase).state == "committed"


def test_one_answer_is_enough_for_all_sales_in_a_bundle(scene: QuorumScene) -> None:
    scene.lost = unanswered
    purchases = [scene.buy(), scene.buy()]
    scene.settle()
    scene.wait(3)
    asked = questions(scene)

    answer(scene, asked[ONE], told(scene, asked[ONE].message))

    assert len(asked) == len(MIRRORS)
    assert [scene.purchase(each).state for each in purchases] == ["committed"] * 2
    assert not questions(scene)


def test_a_sale_whose_key_the_log_has_made_up_stands_in_no_other_sale_s_way(scene: QuorumScene) -> None:
    scene.lost = lambda line: line.kind is Pledge
    never = scene.buy()
    scene.settle()
    (follow,) = [each for each in scene.consumer.store.errands.of(scene.log_name) if isinstance(each.message, Follow)]
    sale = scene.consumer.store.purchase(never).transaction
    made_up = Recorded(entry=encode(entry(EntryKind.KEY, scene.now, b"no P4", sale.outcome_key)), signature=b"")
    lie = Entries(shard=follow.message.shard, start=follow.message.start, entries=(made_up,), checkpoints=())
    answer(scene, follow, lie)

    purchase = bought(scene, lost=lambda line: unanswered(line) or pledged(line) == sale.outcome_key)
    asked = questions(scene)[ONE]
    answer(scene, asked, told(scene, asked.message))

    assert [scene.purchase(each).state for each in (never, purchase)] == ["authorized", "committed"]
    scene.lost = lambda line: pledged(line) == sale.outcome_key
    scene.wait(2)
    assert scene.purchase(never).state == "authorized"
    scene.pass_time(LEAD + SETTLE_SECONDS + 1)
    scene.wait(6)
    assert scene.purchase(never).state == "aborted"
    assert not questions(scene)
    assert not dump(scene.consumer.store)["unproven"]


def test_a_wallet_that_died_goes_on_with_what_it_had_read(scene: QuorumScene, tmp_path: Path) -> None:
    path, party = str(tmp_path / "wallet.db"), scene.consumer.party
    scene.consumer = scene.consumers[0] = Actor("consumer", party, WalletStore(path), *clocks(scene))
    opened(scene)
    purchase = bought(scene)
    right = told(scene, questions(scene)[ONE].message)
    scene.consumer.store.close()

    seed = hashlib.sha256(b"seed of consumer").digest()
    another = Consumer(scene.network, seed, [each.brand for each in scene.minted])
    scene.consumer = scene.consumers[0] = Actor("consumer", another, WalletStore(path), *clocks(scene))

    answer(scene, questions(scene)[ONE], right)
    assert scene.purchase(purchase).state == "committed"
    scene.settle()
    assert scene.purchase(purchase).state == "done"


def clocks(scene: QuorumScene) -> tuple[Callable[[], int], Callable[[], bytes]]:
    return (lambda: scene.now), (lambda: hashlib.sha256(b"%d" % scene.now).digest())


def test_where_no_mirror_tells_proofs_the_outcome_is_asked_for_after_the_expiration(scene: QuorumScene) -> None:
    purchase = bought(scene)

    scene.pass_time(LEAD + SETTLE_SECONDS + 1)

    assert [line for line in scene.said(OutcomeOf) if line.sender == "consumer"]
    assert scene.purchase(purchase).state == "done"
    assert not questions(scene)
    assert not dump(scene.consumer.store)["unproven"]
