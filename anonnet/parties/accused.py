"""Being accused: the desk at which bank and merchant take disputes.

The papers are judged by the judge's own rules, outside the turn, so that a party that runs and a judge can never differ
about what they prove. What is proven is done in the turn that follows, as often as it is asked for and always once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anonnet.errors import Refused, Why
from anonnet.limits import EVIDENCE_BYTES_MAX, EVIDENCE_MAX
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Finding, Ruling
from anonnet.parties.mint import BlindSign
from anonnet.parties.turn import Answer, Asked, Costly, From, Turn, on
from anonnet.protocol.admitting import admitted
from anonnet.protocol.dispute import REDRESS_PAPERS_MAX, Demand, Dispute, Redress
from anonnet.protocol.outcome import Logs
from anonnet.protocol.papers import Paper, Papers
from anonnet.wire.codec import Message, encode
from anonnet.wire.signed import Signed, Signer, unsigned


@dataclass(frozen=True, slots=True)
class Case:
    """A dispute that has been judged."""

    claim: Claim
    papers: Papers
    proven: tuple[Finding, ...]
    """What the accused owes under this claim, or has to show; and what it has done, to be shown once more."""
    signers: frozenset[bytes]
    by_owner: bool

    def check_shown_by(self, paper: Paper[Any]) -> None:
        """Raise Refused unless who disputes has signed with the keys that have signed this paper: what became of a
        token is shown to who has q."""
        if not self.by_owner and not self.signers.issuperset(each.signer for each in paper.signed.signatures):
            raise Refused(Why.WRONG_SIGNER, "a dispute about tokens is signed with their keys")


@dataclass(frozen=True, slots=True)
class Judging(Costly):
    """What is to be done outside the turn: judge the papers of a dispute, for as long as some large payments take."""

    network: str
    logs: Logs = field(repr=False, compare=False)
    accused: bytes
    brands: tuple[Signed, ...]
    dispute: Dispute
    signers: frozenset[bytes]
    by_owner: bool

    def run(self) -> Case:
        """The case, on nobody's word: what the dispute lacks of brands is the accused's own."""
        shown = [*self.brands, *self.dispute.papers]
        sourced = [(f"paper {at - len(self.brands)}", each) for at, each in enumerate(shown, 1)]
        papers, claim = admitted(self.network, self.logs, sourced), Claim(self.dispute.claim)
        proven = tuple(each for each in judge(papers).of(claim) if self._is_proven(each))
        return Case(claim, papers, proven, self.signers, self.by_owner)

    def _is_proven(self, finding: Finding) -> bool:
        return finding.party.identity == self.accused and finding.ruling in (Ruling.OWES, Ruling.WRONG, Ruling.DONE)


Shown = Signed | BlindSign
"""A paper that shows what was done, or what it is made of once the turn is durable."""
Remedy = Callable[[Turn[Any], Case], Sequence[Shown]]
"""Does what a case proves, and gives the papers that show it. Raises Refused."""


@dataclass(frozen=True, slots=True)
class Redressing:
    """A redress of which some papers are still to be made."""

    request: bytes
    papers: tuple[Shown, ...]


class Accused:
    """The desk for disputes. `remedies`: the claims that this party can meet, and how."""

    def __init__(
        self, signer: Signer, key: bytes, logs: Logs, remedies: Mapping[Demand, Remedy], brands: tuple[Signed, ...] = ()
    ) -> None:
        self._signer = signer
        self._key = key
        self._logs = logs
        self._remedies = remedies
        self._brands = brands

    @on(Dispute)
    def dispute(self, turn: Turn[Any], asked: Asked[Dispute]) -> Answer:
        dispute = asked.body
        if dispute.accused != self._key:
            raise Refused(Why.WRONG_RECEIVER, "another party is accused")
        if Demand(dispute.claim) not in self._remedies:
            raise Refused(Why.UNPROVEN, "nobody can owe this here")
        assert asked.checked is not None
        signers = frozenset(asked.checked.signers)
        return Answer(
            finish=Judging(self._signer.network, self._logs, self._key, self._brands, dispute, signers, asked.owner)
        )

    @on(Case, by=From.OWNER)
    def redress(self, turn: Turn[Any], asked: Asked[Case]) -> Answer:
        papers = self._remedies[Demand(asked.body.claim)](turn, asked.body)
        there = [paper for paper in papers if isinstance(paper, Signed)]
        if len(there) < len(papers):
            return Answer(finish=Redressing(asked.signed.hash, tuple(papers)))
        return Answer(self._redress(asked.signed.hash, there))

    def finish(self, job: Redressing, make: Callable[[BlindSign], Message]) -> Signed:
        """The redress, with what `make` makes."""
        papers = [each if isinstance(each, Signed) else unsigned(make(each)).signed for each in job.papers]
        return self._redress(job.request, papers)

    def _redress(self, request: bytes, papers: Iterable[Signed]) -> Signed:
        return self._signer.sign(Redress(request=request, papers=_fitting(papers, REDRESS_PAPERS_MAX)))


def unproven(case: Case, own: Iterable[Signed]) -> Refused:
    """What is said to papers that prove nothing: why they do not, and what the accused has of the sale."""
    reasons = "; ".join(case.papers.set_aside) or "these papers do not prove it"
    return Refused(Why.UNPROVEN, reasons, evidence=_fitting(own, EVIDENCE_MAX))


def _fitting(papers: Iterable[Signed], most: int) -> tuple[Signed, ...]:
    """Each once, in their order; those that fit into one answer."""
    fitting, room = list[Signed](), EVIDENCE_BYTES_MAX
    for paper in {each.body: each for each in papers}.values():
        if (size := len(encode(paper))) <= room and len(fitting) < most:
            fitting.append(paper)
            room -= size
    return tuple(fitting)
