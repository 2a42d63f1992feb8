"""What a judge finds and what a bank that runs does about it never differ: every case of the judge's table is brought
before the bank as a dispute, under each claim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.parties.judge.verdict import Claim, Ruling, Verdict
from anonnet.protocol.dispute import Demand, Dispute, Redress
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.judge.court import ROWS, Court, Row
from tests.judge.test_table import shop
from tests.paper.scenes import Scene
from tests.stage import NETWORK

OWED = {Ruling.OWES, Ruling.WRONG}
UNKNOWN = {
    "promise_without_lock": "the bank has promised without a lock, which this one never does",
    "log_says_both": "by the commit that it was shown first the bank has paid",
    "suppression_moves_no_money": "the bank has never accepted that log",
    "certified_before_a_fork": "the bank has never accepted that log",
    "another_log_is_convicted": "the bank has never accepted that log",
    "certified_after_the_theft": "the bank has never accepted that log",
}
"""Cases in which a bank denies what the judge finds, with its evidence. Then the accuser goes to the judge."""
LOCKED = {"sealed_place_taken"}
"""Cases in which the tokens that the judge would free are locked in a sale that is open, as the bank shows."""


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    return shop(tmp_path_factory.mktemp("scene"))


def rulings(scene: Scene, verdict: Verdict, claim: Claim) -> set[Ruling]:
    """What the bank is told under this claim."""
    return {each.ruling for each in verdict.of(claim) if each.party.identity == scene.bank_key}


def disputed(scene: Scene, demand: Demand, papers: tuple[Signed, ...]) -> Signed:
    """What the bank says to its owner, who may see everything, about papers that were brought to her."""
    dispute = Dispute(accused=scene.bank_key, claim=demand.value, papers=papers)
    said = scene.bank.takes(frame(Signer(NETWORK, SigningKey(bytes(32))).sign(dispute), 1), owner=True)
    assert isinstance(said, Signed), scene.bank.closed
    return said


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_bank_does_what_the_judge_says_that_it_owes_and_nothing_else(scene: Scene, row: Row) -> None:
    papers = tuple(row.made(scene).papers)
    for demand in (Demand.CREDIT, Demand.RELEASE, Demand.REFUSAL):
        verdict, before = Court(scene).judges(papers), scene.books()
        found = rulings(scene, verdict, Claim(demand.value))
        owes = bool(found & OWED)

        said = disputed(scene, demand, papers)
        again, books = disputed(scene, demand, papers), scene.books()

        assert again == said
        assert scene.books() == books, "what is done twice is done once"
        if isinstance(answer := decode(said.body), Refusal):
            assert not owes or row.name in UNKNOWN, f"{demand}: {answer.why} {answer.detail}"
            assert books == before
        else:
            assert isinstance(answer, Redress)
            assert owes or Ruling.DONE in found, f"{demand}: {answer}"
            after = Court(scene).judges([*papers, *answer.papers])
            assert row.name in LOCKED or not rulings(scene, after, Claim(demand.value)) & OWED, after.words({})
