"""The product's judge, asked one claim at a time: what the paper's section "Correctness and Atomicity" says of it.

What should come of a claim, those who ask know from elsewhere: from the tape of a run, or from what they played.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anonnet.parties.judge import judging, verdict
from anonnet.parties.judge.verdict import Claim, Finding, Ruling
from anonnet.protocol.admitting import admitted
from anonnet.protocol.delivery import Delivered
from anonnet.protocol.goods import Chunk
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.papers import Papers
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.signed import Signed


class Verdict(enum.Enum):
    """What the papers prove."""

    NOTHING = "the papers prove nothing"
    BANK_OWES_CREDIT = "the bank must credit the merchant"
    TOKEN_IS_SPENT = "the bank may refuse the token"
    REFUSED_RIGHTLY = "the bank could not grant what it has refused"
    BANK_MUST_RELEASE = "the bank must unlock the token"
    GOODS_AS_DESCRIBED = "the goods are what the contract describes"
    MERCHANT_CHEATED = "the goods are not what the contract describes"
    RECEIVED = "who paid has signed for the goods"
    LOG_CHEATED = "the log has said both that the sale committed and that it did not"


DELIVERED = {Ruling.RIGHT: Verdict.GOODS_AS_DESCRIBED, Ruling.WRONG: Verdict.MERCHANT_CHEATED}


@dataclass(frozen=True)
class Judge:
    """What is needed to check the papers of a network: its name, the bank, the logs that count, the signed brands."""

    network: str
    bank: bytes
    logs: Mapping[bytes, KnownLog]
    brands: Sequence[Signed]

    def merchant_claims(self, authorization_b: Signed | None, commit: Signed | None) -> Verdict:
        """ "The merchant can use commit and authorization_b to prove that the bank should credit" him."""
        found = self._findings(Claim.CREDIT, authorization_b, commit)
        return Verdict.BANK_OWES_CREDIT if self._against_bank(found) else Verdict.NOTHING

    def bank_justifies(self, token: bytes, authorization_q: Signed | None, commit: Signed | None) -> Verdict:
        """ "The bank can use commit and authorization_q to justify (to the consumer) marking the token spent." """
        found = self._findings(Claim.SPENT, authorization_q, commit)
        return Verdict.TOKEN_IS_SPENT if _names(token, self._against_bank(found)) else Verdict.NOTHING

    def bank_refuses(self, request: Signed, refusal: Signed) -> Verdict:
        """What the refusal carries must show that the request could not be granted then."""
        rulings = {finding.ruling for finding in self._against_bank(self._findings(Claim.REFUSAL, request, refusal))}
        return Verdict.REFUSED_RIGHTLY if rulings == {Ruling.RIGHT} else Verdict.NOTHING

    def consumer_demands_release(self, token: bytes, authorization_q: Signed | None, abort: Signed | None) -> Verdict:
        """ "The consumer can use abort and q to demand that the token be unlocked." """
        found = self._findings(Claim.RELEASE, authorization_q, abort)
        return Verdict.BANK_MUST_RELEASE if _names(token, self._against_bank(found)) else Verdict.NOTHING

    def consumer_proves_goods(
        self, goods_m: Signed | None, commit: Signed | None, sealed: Sequence[bytes], order: Signed | None = None
    ) -> Verdict:
        """ "The consumer can use commit and goods_m to prove the contents of the delivered goods." Where the commit is
        sealed, her order says by which n it opens."""
        tree = Tree.from_leaves(b"".join(map(leaf_hash, sealed)))
        paths = [tuple(tree.inclusion(index, tree.size)) for index in range(tree.size)]
        chunks = [Chunk(index=i, sealed=each, path=paths[i]) for i, each in enumerate(sealed)]
        shown = [Delivered(chunk=chunk, leaf=()) for chunk in chunks]
        found = self._judged(goods_m, commit, order, shown=shown).of(Claim.DELIVERY)
        return next((DELIVERED[each.ruling] for each in found if each.ruling in DELIVERED), Verdict.NOTHING)

    def merchant_proves_delivery(self, *papers: Signed | None) -> Verdict:
        """ "The merchant will be able to prove what goods were delivered to the holder of Q" (two-sided delivery)."""
        found = self._findings(Claim.RECEIPT, *papers)
        return Verdict.RECEIVED if any(each.ruling is Ruling.RIGHT for each in found) else Verdict.NOTHING

    def anyone_accuses_log(self, commit: Signed | None, abort: Signed | None) -> Verdict:
        """ "The transaction log will eventually produce exactly one of commit or abort for any transaction." """
        return Verdict.LOG_CHEATED if self._findings(Claim.TWO_OUTCOMES, commit, abort) else Verdict.NOTHING

    def _papers(self, *papers: Signed | None) -> Papers:
        there = [("a paper", paper) for paper in (*self.brands, *papers) if paper is not None]
        return admitted(self.network, self.logs, there)

    def _judged(self, *papers: Signed | None, shown: Sequence[Delivered] = ()) -> verdict.Verdict:
        return judging.judge(self._papers(*papers), shown)

    def _findings(self, claim: Claim, *papers: Signed | None) -> list[Finding]:
        return self._judged(*papers).of(claim)

    def _against_bank(self, findings: Sequence[Finding]) -> list[Finding]:
        return [finding for finding in findings if finding.party.identity == self.bank]


def _names(token: bytes, findings: Sequence[Finding]) -> bool:
    return any(token.hex() in finding.about["tokens"] for finding in findings)
