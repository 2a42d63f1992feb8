"""Vectors of evidence (docs/evidence.md): whole files, what a judge decides by them, and what he refuses to read.

A document has `evidence` (its version) and the lists `files` and `refused`. Each entry has a name and its file in
hexadecimal digits; one of `files` also the findings, in any order, and how many papers are set aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anonnet.errors import Malformed
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Finding, Verdict
from anonnet.protocol.evidence import VERSION, joined, opened
from anonnet_daemons.reading import Case, Differs, Fields, bound, items


def cases(document: Any) -> Iterator[Case]:
    """Every vector of a document of this form; none if it is of another."""
    if not isinstance(document, dict) or "evidence" not in document:
        return
    if document["evidence"] != VERSION:
        yield "evidence", _unknown
        return
    for kind, check in (("files", check_file), ("refused", check_refused)):
        for number, vector in enumerate(items(document, kind)):
            name = vector.get("name") if isinstance(vector, dict) else None
            yield str(name or f"{kind} {number}"), bound(check, vector)


def _unknown() -> None:
    raise Differs(f"not version {VERSION} of these vectors")


def verdict_of(data: bytes) -> Verdict:
    """What is decided by one file. Raises Malformed."""
    evidence = opened([data])
    return judge(joined([("file", evidence)]), evidence.delivered)


def shown(finding: Finding) -> list[str]:
    """A finding as vectors show it: the claim, the ruling, about whom, and towards whom."""
    parties = [party.identity.hex() if party else "" for party in (finding.party, finding.towards)]
    return [finding.claim.value, finding.ruling.value, *parties]


def check_file(vector: Fields) -> None:
    """Check that a file is decided as the vector says."""
    verdict = verdict_of(vector.hex("file"))
    found, expected = sorted(map(shown, verdict.findings)), vector.of("findings", list)
    if found != expected:
        raise Differs(f"findings differ: the vector says {expected}, decided {found}")
    if len(verdict.set_aside) != vector.of("set_aside", int):
        raise Differs(f"set aside are {'; '.join(verdict.set_aside) or 'none'}")


def check_refused(vector: Fields) -> None:
    """Check that a file is refused."""
    try:
        verdict_of(vector.hex("file"))
    except Malformed:
        return
    raise Differs("the file is read, and must be refused")
