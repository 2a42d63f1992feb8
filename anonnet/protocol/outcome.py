"""What became of a sale, from its papers alone (paper, section "Correctness and Atomicity").

A commit is P5a, signed by the log, or under a quorum a certificate; an abort is P5b, signed by the log, or under a
quorum by as many of its mirrors as the policy wants. Whoever relies on an outcome calls `committed` and `aborted` and
never looks at the form himself.
"""

from __future__ import annotations

from collections.abc import Mapping

from anonnet.errors import Malformed, Refused, Why
from anonnet.protocol.known_log import KnownLog
from anonnet.protocol.logbook import EntryKind
from anonnet.protocol.purchase import Abort, AuthorizationM, Commit, check_authorization_m
from anonnet.protocol.quorum import Certificate, certified
from anonnet.protocol.transaction import Transaction
from anonnet.wire.codec import decode, decode_record
from anonnet.wire.signed import Signed, checked

Logs = Mapping[bytes, KnownLog]
"""The logs that somebody accepts, by L."""


def committed(network: str, known: KnownLog, commit: Signed) -> AuthorizationM:
    """What a commit of this log records, wholly checked. Raises Malformed."""
    authorization_m = _recorded(network, known, commit)
    said = checked(network, authorization_m, AuthorizationM)
    check_authorization_m(said)
    if said.body.transaction.log != known.identity:
        raise Malformed("the commit records a transaction of another log")
    return said.body


def _recorded(network: str, known: KnownLog, commit: Signed) -> Signed:
    """P4 as it was recorded. Raises Malformed unless it was."""
    if known.decides_alone:
        said = checked(network, commit, Commit)
        if said.signer != known.key:
            raise Malformed("a commit of another log")
        return said.body.authorization_m
    certificate = decode(commit.body)
    if type(certificate) is not Certificate or commit.signatures:
        raise Malformed("under a quorum nothing but a certificate is a commit")
    return decode_record(Signed, certified(known, certificate, EntryKind.KEY).body)


def is_commit(paper: Signed) -> bool:
    """True if this is a commit by its form; nothing is checked."""
    return paper.step in (Commit.step, Certificate.step)


def committed_in(network: str, logs: Logs, commit: Signed) -> AuthorizationM:
    """What a commit of whichever of these logs records. Raises Malformed, or Refused where the log is none of them."""
    return committed(network, _known(logs, _named(commit)), commit)


def aborted(network: str, known: KnownLog, abort: Signed) -> Transaction:
    """The transaction that an abort of this log ends. Raises Malformed."""
    said = checked(network, abort, Abort)
    if said.body.transaction.log != known.identity:
        raise Malformed("an abort of another log")
    if known.decides_alone:
        enough = said.signers == (known.key,)
    else:
        enough = set(said.signers) <= set(known.mirrors) and known.agreed(said.signers)
    if not enough:
        raise Malformed("an abort that those who must have not signed")
    return said.body.transaction


def aborted_in(network: str, logs: Logs, abort: Signed) -> Transaction:
    """The transaction that an abort of whichever of these logs ends. Raises Malformed, or Refused as `committed_in`."""
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
        recorded = decode_record(Signed, body.recorded.body)
    elif type(body) is Commit:
        recorded = body.authorization_m
    else:
        raise Malformed("not a commit")
    authorization_m = decode(recorded.body)
    if type(authorization_m) is not AuthorizationM:
        raise Malformed("a commit records authorization_m")
    return authorization_m.transaction.log
