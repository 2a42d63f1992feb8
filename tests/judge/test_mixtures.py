"""No mixture of real messages convicts an honest party, and a liar is found: what was said in a world, shuffled before
the judge."""

from __future__ import annotations

from random import Random

import pytest

from anonnet.limits import DISPUTE_BYTES_MAX, DISPUTE_PAPERS_MAX, STATEMENT_MAX
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Finding, Ruling
from anonnet.protocol.account import StatementOf
from anonnet.protocol.admitting import admitted
from anonnet.protocol.breach import Alert
from anonnet.protocol.claimed import NAMES
from anonnet.protocol.dispute import Demand, Dispute
from anonnet.protocol.papers import Papers
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.seed import account_key
from anonnet.wire.codec import STEPS, decode, encode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.actor import Actor
from tests.judge.folders import seed_of
from tests.paper.scenes import by
from tests.stage import NETWORK, key_of
from tests.world.tape import Tape
from tests.world.world import CONSUMERS, World, world_of

MIXTURES = 60
LARGEST = 60
DISPUTES = 40


def everything_said(tape: Tape) -> list[Signed]:
    """Every paper that a judge reads, each once: commits wherever they were shown, refusals with what they carry."""
    said = [each.signed for each in tape.said if STEPS[each.signed.step] in NAMES]
    said += [commit for shown in tape.commits().values() for commit, _ in shown]
    said += [paper for each in tape.of(Refusal) for paper in each.body.evidence]  # type: ignore[attr-defined]
    return list({paper.body: paper for paper in said}.values())


def liars(world: World) -> set[bytes]:
    """Who signs lies here: a log under a quorum, or one of its mirrors."""
    if world.council is None:
        return set()
    return {peer.identity for peer in world.directory.peers if peer.name in world.council.liars}


def unfounded(world: World, tape: Tape, findings: list[Finding]) -> list[str]:
    """What is found against a party and is not so: all who sign for a bank or a merchant here are honest."""
    paid = {(each.number, each.expiration) for each in set(tape.commits()) & set(tape.promises())}
    filled = {each.public for each in tape.commits()}
    others = [each for each in tape.orders() if each.public in filled and each not in tape.commits()]
    failed = {(each.number, each.expiration) for each in (*tape.aborts(), *others)}
    wrong = []
    for finding in findings:
        named = finding.about.get("number"), finding.about.get("expiration")
        owes = finding.ruling is Ruling.OWES
        if finding.ruling is Ruling.WRONG and finding.party.identity in liars(world):
            continue
        if finding.ruling is Ruling.WRONG:
            wrong.append(finding.says)
        elif finding.claim is Claim.CREDIT and owes and named not in paid:
            wrong.append("a credit for a sale that has not committed")
        elif finding.claim is Claim.RELEASE and owes and named not in failed and not _turned_down(finding):
            wrong.append("tokens of a sale that has not failed")
    return wrong


def _turned_down(finding: Finding) -> bool:
    return any(isinstance(paper.body, Refusal) for paper in finding.proved_by)


def mixture(world: World, papers: list[Signed]) -> Papers:
    brands = [each.brand for each in world.directory.brands]
    sourced = [(f"paper {at}", each) for at, each in enumerate([*brands, *papers])]
    return admitted(NETWORK, world.directory.logs, sourced)


def bank_of(world: World, chance: Random) -> Actor:
    """The bank, to be asked by hand."""
    bank = world.nodes["bank"]
    return Actor("bank", bank.party, bank.store, lambda: int(world.events.now), lambda: chance.randbytes(32))


def statements(world: World, bank: Actor) -> list[Signed]:
    """What the bank says of every wallet's account."""
    pages: list[Signed] = []
    for owner in sorted({*CONSUMERS.values()}):
        signer, start, full = Signer(NETWORK, account_key(seed_of(f"seed of {owner}"), key_of("bank").public)), 0, True
        while full:
            asked = StatementOf(bank=key_of("bank").public, start=start, channel=bytes(32))
            said = bank.takes(frame(signer.sign(asked), 1))
            assert isinstance(said, Signed)
            full = len(decode(said.body).entries) == STATEMENT_MAX  # type: ignore[attr-defined]
            start += STATEMENT_MAX
            pages.append(said)
    return pages


def disputed(world: World, said: list[Signed], chance: Random) -> list[str]:
    """Bring mixtures before the bank as disputes, when everything is settled: what it then did that it need not."""
    actor = bank_of(world, chance)
    before, wrong = list(actor.store.ledger.totals()), []
    for _ in range(DISPUTES):
        papers = tuple(chance.sample(said, chance.randint(2, DISPUTE_PAPERS_MAX)))
        demand = chance.choice([Demand.CREDIT, Demand.RELEASE, Demand.REFUSAL, Demand.SPENT])
        dispute = by("stranger", Dispute(accused=key_of("bank").public, claim=demand.value, papers=papers))
        if len(encode(dispute)) <= DISPUTE_BYTES_MAX and actor.takes(frame(dispute, 1)) is None:
            wrong.append(f"{demand}: no answer, {actor.closed[-1]}")
        if (after := list(actor.store.ledger.totals())) != before:
            wrong.append(f"{demand}: {before} became {after}")
            before = after
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "lies"),
    [(0, Claim.FORK), (5, Claim.BROKEN_RULE), (11, Claim.SUPPRESSED), (20, None)],
    ids=["log-forks", "log-breaks-a-rule", "log-suppresses-a-key", "mirror-frames-the-log"],
)
def test_mixtures_of_what_was_said_convict_the_log_that_lied_and_nobody_else(seed: int, lies: Claim | None) -> None:
    with world_of(seed) as world:
        world.run()
        tape, chance = Tape(NETWORK, world.directory.logs).read(world.network.tape), Random(seed)
        said = everything_said(tape)
        assert disputed(world, said, Random(seed)) == [], f"seed {seed}"
        stated = statements(world, bank_of(world, Random(seed)))
    assert tape.aborts()
    assert tape.commits()

    said += stated
    whole = judge(mixture(world, said))
    mixtures = [chance.sample(said, chance.randint(2, LARGEST)) for _ in range(MIXTURES)]
    found = [finding for papers in mixtures for finding in judge(mixture(world, papers)).findings]

    assert unfounded(world, tape, [*whole.findings, *found]) == [], f"seed {seed}"
    assert {each.ruling for each in whole.of(Claim.DEBIT)} == {Ruling.RIGHT}, f"seed {seed}"
    convicted = {each.claim for each in whole.wrongs}
    assert convicted <= {lies}, f"seed {seed}"
    told = any(each.step == Alert.step for each in said)  # where no log lies, by a mirror that does
    assert convicted or not told or lies is None, f"seed {seed}"
    assert {each.claim for each in whole.findings} >= {Claim.SPENT, Claim.RELEASE}, f"seed {seed}"
