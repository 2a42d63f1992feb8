"""What a mirror gives a receipt for, and what a log records: receipts convict a log that did not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial

import pytest

from anonnet.crypto.keys import SigningKey
from anonnet.parties.log import Log
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge, Receipt
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.sealed import SealedM, Submission, Ticket
from anonnet.store.log import LogStore
from anonnet.wire.codec import Message
from anonnet.wire.signed import Signature, Signed, Signer
from tests.actor import Said
from tests.circle import Circle
from tests.mirrors import EXPIRATION, KEY, KNOWN, MIRRORS, p4, sale, signed_by
from tests.stage import NETWORK, key_of

W = SigningKey(hashlib.sha256(b"w").digest())
SALE, HIDDEN = sale(), replace(sale(), entry_key=W.public)
PLEDGED = {each: signed_by("merchant", Pledge(transaction=each)) for each in (SALE, HIDDEN)}
LATER = replace(SALE, expiration=EXPIRATION + 1)


def submission(kind: EntryKind, paper: Signed, ticket_by: str = "bank", w: SigningKey = W) -> Submission:
    ticket = signed_by(ticket_by, Ticket.admitting(HIDDEN))
    return Submission(sealed_m=Signer(NETWORK, w).sign(SealedM.of(kind, HIDDEN, paper)), ticket=ticket)


def unsigned_ticket(said: Submission) -> Submission:
    forged = Signature(signer=key_of("bank").public, signature=bytes(64))
    return replace(said, ticket=replace(said.ticket, signatures=(forged,)))


def by_two(said: Message) -> Signed:
    return Signer(NETWORK, key_of("merchant"), key_of("other")).sign(said)


def pledged() -> Circle:
    """The log, which takes this bank's tickets, has recorded both pledges, and the mirrors have read them."""
    circle = Circle()
    log = Log(Signer(NETWORK, key_of("log")), KNOWN, [key_of("bank").public])
    circle.act("log", log, LogStore(seal=partial(KNOWN.sealed, key_of("log"))))
    circle.ask(PLEDGED[SALE])
    circle.ask(submission(EntryKind.PLEDGE, PLEDGED[HIDDEN]))
    circle.settle()
    return circle


SEALED_KEY = submission(EntryKind.KEY, p4(HIDDEN))
RECORDED: dict[str, Said] = {
    "its key": p4(SALE),
    "its key, sealed": SEALED_KEY,
    "a sealed key, a ticket of no bank of the log": submission(EntryKind.KEY, p4(HIDDEN), ticket_by="nobody"),
    "a sealed key, a ticket that does not hold": unsigned_ticket(SEALED_KEY),
    "a sealed key that opens to no P4": submission(EntryKind.KEY, PLEDGED[HIDDEN]),
}
NOT_RECORDED: dict[str, Said] = {
    "the key of a sealed sale in the open": p4(HIDDEN),
    "a key that nobody has pledged": p4(LATER),
    "another receiver": signed_by("merchant", AuthorizationM(transaction=SALE, key=KEY, receiver_key=W.public)),
    "another key": signed_by("merchant", AuthorizationM(transaction=SALE, key=bytes(32))),
    "signed by another": signed_by("other", AuthorizationM(transaction=SALE, key=KEY)),
    "signed by two": by_two(AuthorizationM(transaction=SALE, key=KEY)),
    "sealed by another": submission(EntryKind.KEY, p4(HIDDEN), w=key_of("other")),
    "sealed as a commit": submission(EntryKind.COMMIT, p4(HIDDEN)),
    "a sealed pledge": submission(EntryKind.PLEDGE, PLEDGED[HIDDEN]),
}


@pytest.mark.parametrize("handed", [*RECORDED, *NOT_RECORDED])
def test_a_mirror_gives_a_receipt_for_what_its_log_records_and_for_nothing_else(handed: str) -> None:
    """A merchant may hand anything to mirrors alone, and let the sale abort without its key: the receipts of honest
    mirrors must not convict an honest log then."""
    circle = pledged()

    said = [circle.ask((RECORDED | NOT_RECORDED)[handed], name) for name in MIRRORS[:2]]
    circle.settle()

    assert circle.kinds()[:3] == [EntryKind.GENESIS, EntryKind.PLEDGE, EntryKind.SEALED_PLEDGE]
    assert [isinstance(each, Receipt) for each in said] == [len(circle.kinds()) == 4] * 2
    assert (len(circle.kinds()) == 4) == (handed in RECORDED)


def test_of_one_pledge_a_mirror_takes_one_key_to_the_log() -> None:
    """W can sign any number of sealed keys, and anybody can put any ticket beside one."""
    circle = pledged()

    first, again, other = (
        circle.ask(each, MIRRORS[0])
        for each in (SEALED_KEY, unsigned_ticket(SEALED_KEY), submission(EntryKind.KEY, PLEDGED[HIDDEN]))
    )

    assert isinstance(first, Receipt)
    assert first == again
    assert isinstance(other, Refusal)
    assert [each.said for each in circle.actors[MIRRORS[0]].store.errands.of(HIDDEN.outcome_key)] == [SEALED_KEY]
