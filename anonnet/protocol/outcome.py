"""What became of a sale, from its papers alone (paper, section "Correctness and Atomicity").

A commit is P5a, signed by the log, or under a quorum a certificate; an abort is P5b, signed by the log, or under a
quorum by as many of its mirrors as the policy wants. What a log has recorded in the open everybody can read; what is
sealed, who knows the transaction. Whoever relies on an outcome calls `committed` and `aborted` and never looks at the
form himself.
"""

from __future__ import annotations

from collections.abc import Mapping

from anonnet.errors import Malformed, Refused, Why
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit, check_authorization_m
from anonnet.protocol.quorum import Certificate, certified
from anonnet.protocol.sealed import SealedM, check_sealed_m
from anonnet.protocol.theft import Stolen, stamped
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.signed import Signed, checked

Logs = Mapping[bytes, KnownLog]
"""The logs that somebody accepts, by L."""


def recorded(network: str, known: KnownLog, commit: Signed) -> Transaction:
    """Whose place a commit of this log shows to be filled, as the log's readers know it. Raises Malformed."""
    return _recorded(network, known, commit).transaction


def committed(network: str, known: KnownLog, commit: Signed, transaction: Transaction) -> AuthorizationM | None:
    """P4 of this transaction, which a commit of this log records, wholly checked.

    None: its place is filled with what n does not open to P4 of it. Then the sale has failed, since nothing else can
    come there. Raises Malformed where the commit is of another transaction, or is none.
    """
    found = _recorded(network, known, commit)
    if found.transaction != transaction.public:
        raise Malformed("the commit is of another transaction")
    return found.opened(network, transaction) if isinstance(found, SealedM) else found


def _recorded(network: str, known: KnownLog, commit: Signed) -> AuthorizationM | SealedM:
    """What was recorded, checked as far as the log's readers can. Raises Malformed unless it was."""
    signed = _entry(network, known, commit)
    body = decode(signed.body)
    if isinstance(body, SealedM):
        found: AuthorizationM | SealedM = check_sealed_m(network, signed)
        if body.kind != (EntryKind.SEALED if known.decides_alone else EntryKind.SEALED_KEY):
            raise Malformed("a sealed entry that is no commit")
    else:
        said = checked(network, signed, AuthorizationM)
        check_authorization_m(said)
        found = said.body
        if found.transaction.entry_key:
            raise Malformed("a sealed transaction in the open")
    if found.transaction.log != known.identity:
        raise Malformed("the commit records a transaction of another log")
    return found


def _entry(network: str, known: KnownLog, commit: Signed) -> Signed:
    """P4, or sealed_m, as it was recorded. Raises Malformed unless it was."""
    if known.decides_alone:
        return _of_log_alone(network, known, commit)
    certificate = decode(commit.body)
    if type(certificate) is not Certificate or commit.signatures:
        raise Malformed("under a quorum nothing but a certificate is a commit")
    return decode_record(Signed, certified(known, certificate, EntryKind.KEY).body)


def _of_log_alone(network: str, known: KnownLog, commit: Signed) -> Signed:
    """From P5a; once the log's key is stolen, from a time-stamp of its entry alone."""
    certificate = decode(commit.body)
    if type(certificate) is Certificate and not commit.signatures:
        if known.theft is None:
            raise Malformed("a time-stamp, which counts where the key of its log was stolen")
        return decode_record(Signed, stamped(known, certificate, known.theft).body)
    said = checked(network, commit, Commit)
    if said.signer != known.key:
        raise Malformed("a commit of another log")
    if known.theft is not None:
        raise Stolen(known.theft)
    return said.body.authorization_m


def is_commit(paper: Signed) -> bool:
    """True if this is a commit by its form; nothing is checked."""
    return paper.step in (Commit.step, Certificate.step)


def recorded_in(network: str, logs: Logs, commit: Signed) -> Transaction:
    """The same as `recorded`, of whichever of these logs. Raises Malformed, or Refused where it is none of them."""
    return recorded(network, _known(logs, _named(commit)), commit)


def aborted(network: str, known: KnownLog, abort: Signed) -> Transaction:
    """The transaction that an abort of this log ends, as the log's readers know it. Raises Malformed."""
    said = checked(network, abort, Abort)
    if said.body.transaction.log != known.identity:
        raise Malformed("an abort of another log")
    if known.decides_alone:
        enough = said.signers == (known.key,)
    else:
        enough = set(said.signers) <= set(known.mirrors) and known.agreed(said.signers)
    if not enough:
        raise Malformed("an abort that those who must have not signed")
    if known.decides_alone and known.theft is not None:
        raise Stolen(known.theft)
    return said.body.transaction


def aborted_in(network: str, logs: Logs, abort: Signed) -> Transaction:
    """The transaction that an abort of whichever of these logs ends. Raises Malformed, or Refused as `recorded_in`."""
    body = decode(abort.body)
    if type(body) is not Abort:
        raise Malformed("not an abort")
    return aborted(network, _known(logs, body.transaction.log), abort)


def _known(logs: Logs, log: bytes) -> KnownLog:
    if log not in logs:
        raise Refused(Why.WRONG_LOG, "a log that is not accepted here")
    return logs[log]


def _named(commit: Signed) -> bytes:
    """The log that a commit names, nothing checked. Raises Malformed."""
    body = decode(commit.body)
    if type(body) is Certificate:
        entry = decode_record(Signed, body.recorded.body)
    elif type(body) is Commit:
        entry = body.authorization_m
    else:
        raise Malformed("not a commit")
    said = decode(entry.body)
    if not isinstance(said, AuthorizationM | SealedM):
        raise Malformed("a commit records authorization_m")
    return said.transaction.log
