"""What an owner does in a dispute: has the evidence shown to the accused, and hears what he says to it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import trio

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed
from anonnet.limits import DISPUTE_BYTES_MAX
from anonnet.protocol.brand import Brand
from anonnet.protocol.claimed import NAMES
from anonnet.protocol.dispute import Demand, Dispute, Redress
from anonnet.protocol.local import Accusation, AccusationOf, Accuse, Started
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import STEPS, decode, encode
from anonnet.wire.signed import Signed, Signer
from anonnet_daemons.judging import evidence_in
from anonnet_daemons.owner import Failed, NotYet, Owner


@dataclass(frozen=True, slots=True)
class Answered:
    """What the accused has said: the papers that show what he has done, or why he denies it, and his evidence."""

    papers: tuple[Signed, ...]
    denied: str = ""

    @property
    def names(self) -> list[str]:
        """What the papers are called."""
        return [NAMES.get(STEPS[each.step], "commit") for each in self.papers]


async def disputed(owner: Owner, subject: bytes, demand: Demand, seconds: float) -> Answered | None:
    """Bring a dispute about a purchase or a sale, and wait for the answer. None: there is no need for it any more.
    Raises Failed, NotYet."""
    dispute = (await owner.ask(Accuse(subject=subject, claim=demand.value), Started)).subject
    with trio.move_on_after(seconds):
        while True:
            found = await owner.ask(AccusationOf(subject=subject, dispute=dispute), Accusation)
            if found.answers:
                return _answered(found.answers[0])
            if not found.stands:
                return None
    raise NotYet(f"the accused has not answered in {seconds:g} s: what was begun goes on by itself; ask again later")


def _answered(said: Signed) -> Answered:
    body = decode(said.body)
    if isinstance(body, Redress):
        return Answered(body.papers)
    assert isinstance(body, Refusal), "a dispute is met or denied"
    return Answered(body.evidence, f"{body.why}{f' ({body.detail})' if body.detail else ''}")


async def met(owner: Owner, file: Path, demand: Demand) -> Answered:
    """Have a bank do what a file of evidence proves, as its owner wishes. Raises Failed where it proves nothing."""
    papers = tuple(each for each in evidence_in(file, owner.network).papers if each.step != Brand.step)
    try:
        dispute = Dispute(accused=owner.setup.peer(owner.network).identity, claim=demand.value, papers=papers)
    except Malformed as why:
        raise Failed(f"{file} does not hold what a dispute can ({why}): have it judged, and act by hand") from why
    said = Signer(owner.network.name, SigningKey(os.urandom(32))).sign(dispute)
    if len(encode(said)) > DISPUTE_BYTES_MAX:
        raise Failed(f"{file} has more papers than a dispute can hold: have it judged, and act by hand")
    return Answered((await owner.ask(said, Redress)).papers)
