"""What a judge says: findings, each with whom it is about, what proves it, and which further paper would change it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anonnet.protocol.papers import Paper


class Claim(enum.StrEnum):
    """What a finding is about."""

    CREDIT = "credit"  # the merchant's, against the bank: commit and authorization_b
    DEBIT = "debit"  # an account's, against its bank: the bank's statement, and withdraw_c
    SPENT = "spent"  # the bank's, against who holds the token: commit and authorization_q, or exchange_q and exchange_b
    RELEASE = "release"  # the consumer's, against the bank: abort and authorization_q
    DELIVERY = "delivery"  # the consumer's, against the merchant: commit, goods_m and the encrypted goods
    RECEIPT = "receipt"  # the merchant's, against who paid: commit, goods_m and goods_q
    DOUBLE_SPEND = "double-spend"
    TWO_OUTCOMES = "two-outcomes"
    SUPPRESSED = "suppressed"  # against a log: an abort, and receipts for the key by more mirrors than may lie
    FORK = "fork"  # against a log: two histories under its signature
    BROKEN_RULE = "broken-rule"  # against a log: entries under its signature that its rules forbid
    TWO_PROMISES = "two-promises"
    TWO_CONTRACTS = "two-contracts"
    TWO_BRANDS = "two-brands"
    REFUSAL = "refusal"
    STATEMENTS = "statements"


class Ruling(enum.StrEnum):
    """How a claim is decided."""

    OWES = "owes"  # the party owes what it promised; it may have done nothing wrong yet
    DONE = "done"  # what the party owed, it has done
    RIGHT = "right"  # the party is in the right, and owes nothing by these papers
    WRONG = "wrong"  # the party has signed what no honest one signs, or not done what an honest one does
    OPEN = "open"  # these papers do not decide it


class Role(enum.StrEnum):
    """What a party of a finding is."""

    CONSUMER = "consumer"
    MERCHANT = "merchant"
    BANK = "bank"
    LOG = "log"
    MIRROR = "mirror"
    ACCOUNT = "account"


@dataclass(frozen=True)
class Party:
    """Somebody as the papers know him: by a key, or a log by L. A consumer is the holder of a token's key, no more; an
    account is its key, whoever has it."""

    role: Role
    identity: bytes

    def named(self, names: Mapping[bytes, str]) -> str:
        """How people are told of this party."""
        if self.role is Role.CONSUMER:
            return f"who holds the token key {self.identity.hex()[:16]}"
        name = names.get(self.identity, self.identity.hex()[:16])
        return f"the {self.role}" if name == self.role else f"the {self.role} {name}"


@dataclass(frozen=True)
class Finding:
    """One decision. In `says` and `changed_by`, {party} and {towards} stand for the two parties."""

    claim: Claim
    ruling: Ruling
    party: Party
    towards: Party | None
    says: str
    proved_by: tuple[Paper[Any], ...]
    changed_by: str
    about: Mapping[str, Any] = field(default_factory=dict)
    """Amounts, currencies, the transaction: for programs."""

    def told(self, text: str, names: Mapping[bytes, str]) -> str:
        """One of its sentences, with the parties' names."""
        towards = self.towards.named(names) if self.towards else "anybody"
        said = text.replace("{party}", self.party.named(names)).replace("{towards}", towards)
        return said[:1].upper() + said[1:]

    def values(self, names: Mapping[bytes, str]) -> dict[str, Any]:
        """For programs, as JSON holds it."""
        return {
            "claim": self.claim.value,
            "ruling": self.ruling.value,
            "party": _party(self.party, names),
            "towards": _party(self.towards, names),
            "says": self.told(self.says, names),
            "proved_by": [str(paper) for paper in self.proved_by],
            "changed_by": self.told(self.changed_by, names),
            **{name: each.hex() if isinstance(each, bytes) else each for name, each in self.about.items()},
        }


def _party(party: Party | None, names: Mapping[bytes, str]) -> dict[str, str | None] | None:
    if party is None:
        return None
    return {"role": party.role.value, "identity": party.identity.hex(), "name": names.get(party.identity)}


@dataclass(frozen=True)
class Verdict:
    """Everything that the papers decide, and which of them count for nothing."""

    network: str
    findings: Sequence[Finding]
    set_aside: Sequence[str]

    def of(self, claim: Claim) -> list[Finding]:
        """The findings about one claim."""
        return [finding for finding in self.findings if finding.claim is claim]

    @property
    def wrongs(self) -> list[Finding]:
        """Where somebody has signed what no honest party signs."""
        return [finding for finding in self.findings if finding.ruling is Ruling.WRONG]

    def values(self, names: Mapping[bytes, str]) -> dict[str, Any]:
        """For programs, as JSON holds it."""
        return {
            "network": self.network,
            "findings": [finding.values(names) for finding in self.findings],
            "set_aside": list(self.set_aside),
        }

    def words(self, names: Mapping[bytes, str]) -> list[str]:
        """In plain sentences, line by line."""
        lines: list[str] = []
        for number, each in enumerate(self.findings, start=1):
            lines += [f"{number}. {each.told(each.says, names)}"]
            lines += [f"   Proved by {', '.join(map(str, each.proved_by))}."]
            lines += [f"   Would change it: {each.told(each.changed_by, names)}"] if each.changed_by else []
        lines += [] if self.findings else ["These papers prove nothing."]
        return [*lines, *(f"Set aside: {reason}." for reason in self.set_aside)]
