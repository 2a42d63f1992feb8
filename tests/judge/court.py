"""Papers of the scene before the judge, and the table of what he decides: claim, evidence, verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Ruling, Verdict
from anonnet.protocol.admitting import admitted
from anonnet.protocol.delivery import Delivered
from anonnet.protocol.known_log import Theft
from anonnet.protocol.outcome import Logs
from anonnet.protocol.papers import Papers
from anonnet.wire.signed import Signed
from tests.mirrors import KNOWN
from tests.paper.scenes import Scene
from tests.stage import NETWORK

Decided = Counter[tuple[Claim, Ruling]]


@dataclass(frozen=True)
class Case:
    """What is put before the judge."""

    papers: Sequence[Signed]
    chunks: Sequence[Delivered] = ()
    theft: Theft | None = None
    """Of the log's key, as the judge is told."""


@dataclass(frozen=True)
class Row:
    """One row of the table: who claims what, by which evidence, and what the judge says; `expected` is all he says."""

    name: str
    claim: Claim
    evidence: str
    verdict: str
    expected: Decided
    made: Callable[[Scene], Case]
    set_aside: int = 0


ROWS: list[Row] = []


def row(
    claim: Claim, evidence: str, verdict: str, *expected: tuple[Claim, Ruling], set_aside: int = 0
) -> Callable[[Callable[[Scene], Case]], Callable[[Scene], Case]]:
    """Make a function that builds a case a row of the table."""

    def register(made: Callable[[Scene], Case]) -> Callable[[Scene], Case]:
        ROWS.append(Row(made.__name__, claim, evidence, verdict, Counter(expected), made, set_aside))
        return made

    return register


@dataclass
class Court:
    """A judge who knows the logs of a scene."""

    scene: Scene
    set_aside: list[str] = field(default_factory=list)

    @property
    def logs(self) -> Logs:
        """The scene's, which decides alone, and one of the same key that decides with four mirrors."""
        return {**self.scene.network.logs, KNOWN.identity: KNOWN}

    def papers(self, papers: Iterable[Signed], theft: Theft | None = None) -> Papers:
        """The papers, after the bank's brands."""
        brands = [each.offer.brand for each in self.scene.minted]
        logs = {name: replace(log, theft=theft) for name, log in self.logs.items()}
        return admitted(NETWORK, logs, ((f"paper {at}", each) for at, each in enumerate([*brands, *papers])))

    def judges(self, papers: Iterable[Signed], chunks: Iterable[Delivered] = (), theft: Theft | None = None) -> Verdict:
        """The verdict over these."""
        return judge(self.papers(papers, theft), chunks)


def decided(verdict: Verdict) -> Decided:
    """What a verdict says, in short."""
    return Counter((finding.claim, finding.ruling) for finding in verdict.findings)
