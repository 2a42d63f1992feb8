"""What a judge finds and what a bank that runs does about it never differ: every case of the judge's table is brought
before the bank as a dispute, under each claim, by who has the keys of the tokens in it; and by a stranger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Why
from anonnet.parties.judge.verdict import Claim, Ruling, Verdict
from anonnet.protocol.dispute import Demand, Dispute, Redress
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.papers import Paper
from anonnet.protocol.purchase import AuthorizationQ
from anonnet.protocol.recovery import State
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.judge.court import ROWS, Court, Row
from tests.judge.test_table import shop
from tests.paper.disputing import FRESH
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

ABOUT_TOKENS = {State, AuthorizationQ, ExchangeQ, ExchangeB}
"""What a bank says of tokens, and what has used them: for who has their keys."""
SAID_TO_BE_DONE = {"state_of_an_exchanged_token", "used_by_another_that_came_in_time"}
"""Cases in which the bank has refused a token as exchanged, and has exchanged it."""


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    return shop(tmp_path_factory.mktemp("scene"))


def rulings(scene: Scene, verdict: Verdict, claim: Claim) -> set[Ruling]:
    """What the bank is told under this claim."""
    return {each.ruling for each in verdict.of(claim) if each.party.identity == scene.bank_key}


def holders(scene: Scene, papers: Iterable[Signed]) -> list[SigningKey]:
    """The keys of the tokens in these papers, in ascending order."""
    shown, keys = Court(scene).papers(papers), {each.key.public: each.key for each in scene.drawn}
    about: list[Paper[Any]] = [*shown.orders, *shown.exchanges, *shown.questions]
    signers = {each.signer for paper in about for each in paper.signed.signatures}
    return [keys[each] for each in sorted(signers)]


def disputed(
    scene: Scene, demand: Demand, papers: tuple[Signed, ...], keys: Sequence[SigningKey] = (), *, owner: bool = False
) -> Signed:
    """What the bank says to papers, brought under these keys, or a fresh one; or to its owner, who may see all."""
    dispute = Dispute(accused=scene.bank_key, claim=demand.value, papers=papers)
    said = scene.bank.takes(frame(Signer(NETWORK, *(keys or [FRESH])).sign(dispute), 1), owner=owner)
    assert isinstance(said, Signed), scene.bank.closed
    return said


def shown_in(answer: Signed) -> set[type[Message]]:
    """The kinds of papers that the bank has shown."""
    body = decode(answer.body)
    assert isinstance(body, Redress | Refusal)
    return {STEPS[each.step] for each in (body.papers if isinstance(body, Redress) else body.evidence)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in SAID_TO_BE_DONE], ids=lambda row: row.name)
def test_a_bank_that_says_that_it_has_done_an_exchange_gives_what_it_has_made(scene: Scene, row: Row) -> None:
    papers = tuple(row.made(scene).papers)
    before, books = Court(scene).judges(papers), scene.books()

    answer = decode(disputed(scene, Demand.SPENT, papers, holders(scene, papers)).body)

    assert isinstance(answer, Redress)
    after = Court(scene).judges([*papers, *answer.papers])
    assert rulings(scene, before, Claim.SPENT) == {Ruling.OWES}
    assert rulings(scene, after, Claim.SPENT) == {Ruling.RIGHT}, after.words({})
    assert scene.books() == books


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_bank_does_what_the_judge_says_that_it_owes_and_nothing_else(scene: Scene, row: Row) -> None:
    papers = tuple(row.made(scene).papers)
    keys = holders(scene, papers)
    for demand in (Demand.CREDIT, Demand.RELEASE, Demand.REFUSAL):
        verdict, before = Court(scene).judges(papers), scene.books()
        found = rulings(scene, verdict, Claim(demand.value))
        owes = bool(found & OWED)

        said = disputed(scene, demand, papers, keys)
        again, books = disputed(scene, demand, papers, owner=True), scene.books()
        strange = disputed(scene, demand, papers)

        assert again == said
        assert not shown_in(strange) & ABOUT_TOKENS
        assert scene.books() == books, "what is done twice is done once"
        if isinstance(answer := decode(said.body), Refusal):
            assert not owes or row.name in UNKNOWN, f"{demand}: {answer.why} {answer.detail}"
            assert books == before
        else:
            assert isinstance(answer, Redress)
            assert owes or Ruling.DONE in found, f"{demand}: {answer}"
            after = Court(scene).judges([*papers, *answer.papers])
            assert row.name in LOCKED or not rulings(scene, after, Claim(demand.value)) & OWED, after.words({})


BY_WHOEVER = ("merchant_claims", Demand.CREDIT), ("claim_refused_for_another_sale", Demand.REFUSAL)
BY_THE_HOLDER = (
    ("token_was_spent", Demand.SPENT),
    ("consumer_demands", Demand.RELEASE),
    ("refused_for_nothing", Demand.REFUSAL),
)


def the_case(scene: Scene, name: str) -> tuple[Signed, ...]:
    (row,) = [each for each in ROWS if each.name == name]
    return tuple(row.made(scene).papers)


@pytest.mark.parametrize(("name", "demand"), BY_THE_HOLDER)
def test_what_is_owed_to_a_holder_of_tokens_is_done_for_nobody_else(scene: Scene, name: str, demand: Demand) -> None:
    papers, before = the_case(scene, name), scene.books()

    strange = disputed(scene, demand, papers)
    unmoved = scene.books() == before
    hers = disputed(scene, demand, papers, holders(scene, papers))

    refusal = decode(strange.body)
    assert isinstance(refusal, Refusal)
    assert (refusal.why, unmoved) == (Why.WRONG_SIGNER, True)
    assert isinstance(decode(hers.body), Redress)
    assert shown_in(hers) & ABOUT_TOKENS


@pytest.mark.parametrize(("name", "demand"), BY_WHOEVER)
def test_what_is_owed_to_a_merchant_anybody_may_bring(scene: Scene, name: str, demand: Demand) -> None:
    assert isinstance(decode(disputed(scene, demand, the_case(scene, name)).body), Redress)
