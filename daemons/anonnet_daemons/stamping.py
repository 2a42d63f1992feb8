"""Time-stamps of a log that decides alone: an entry under a checkpoint that witnesses have cosigned, as evidence.

Whoever gets one can show the sale's commit to a reader who is told, later, that the log's key was stolen.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from anonnet.errors import Malformed
from anonnet.protocol.evidence import Author
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entry
from anonnet.protocol.quorum import Certificate
from anonnet.store.published import LogShelf
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash, verify_inclusion
from anonnet.tlog.proof import LogProof
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import Signed, unsigned
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.evidence import Exported, export, the_one
from anonnet_daemons.log import STORE, within
from anonnet_daemons.owner import Failed


def stamp(data: Path, digits: str, cosigned: Path, into: Path) -> Exported:
    """Write down the sale whose outcome key begins so, under this checkpoint of its shard, or of the chain, where the
    shard's end is anchored. Raises Failed, BadStart."""
    setup = read_setup(data, Kind.LOG)
    peer = setup.peer(setup.network())
    known = KnownLog(peer.key, peer.policy)
    if not known.decides_alone:
        raise Failed("mirrors decide with this log: its certificates say themselves when they were cosigned")
    checkpoint, shard = _opened(known, cosigned)
    with closing(LogShelf(setup.folder / STORE, known, within(setup))) as shelf:
        found = {key: (at, position) for key, at, position in shelf.outcomes()}
        at, position = found[the_one([key for key in sorted(found) if key.hex().startswith(digits.lower())], digits)]
        if shard == CHAIN:
            anchor, last = _anchor(known, shelf, at)
            proofs = [(at, position, last), (CHAIN, anchor, checkpoint)]
        elif shard == at:
            proofs = [(at, position, checkpoint)]
        else:
            raise Failed(f"{cosigned} is of shard {shard}, and this sale stands in {at}: choose another checkpoint")
        papers = [_certificate(known, shelf, *proof) for proof in proofs]
    return export(setup, Author.OTHER, papers, into, by=[known.identity])


def _opened(known: KnownLog, path: Path) -> tuple[SignedCheckpoint, int]:
    """A checkpoint of this log, and of which shard. Raises Failed."""
    try:
        checkpoint = SignedCheckpoint.parse(path.read_bytes())
        shard = known.shard_called(checkpoint.body.origin)
        if shard is None:
            raise Malformed(f"it is of {checkpoint.body.origin}")
        checkpoint.note.opened([known.verifier(shard)])
    except (OSError, Malformed) as why:
        raise Failed(f"{path} is no checkpoint of this log ({why}): give one as witnesses have cosigned it") from why
    return checkpoint, shard


def _anchor(known: KnownLog, shelf: LogShelf, shard: int) -> tuple[int, SignedCheckpoint]:
    """Where the chain has this shard's last checkpoint, and that. Raises Failed."""
    for position, body in shelf.anchors():
        last = SignedCheckpoint.parse(decode_record(Entry, body).body)
        if known.shard_called(last.body.origin) == shard:
            return position, last
    raise Failed(f"shard {shard} is not anchored yet: give a checkpoint of the shard itself")


def _certificate(known: KnownLog, shelf: LogShelf, shard: int, position: int, checkpoint: SignedCheckpoint) -> Signed:
    """The entry there, with its path to this checkpoint. Raises Failed where that does not cover it."""
    tree, shown = checkpoint.body, shelf.shard(known.identity, shard)
    entry = shelf.entry(shard, position)
    reached = shown is not None and position < tree.size <= shown.size
    path = shelf.inclusion(replace(shown, size=tree.size), position) if shown and reached else None
    if entry is None or path is None or not verify_inclusion(position, tree.size, leaf_hash(entry), path, tree.root):
        raise Failed(
            f"entry {position} of shard {shard} is not under this checkpoint, as it is kept here: take a later one"
        )
    proof = LogProof(position, tuple(path), checkpoint)
    return unsigned(Certificate(entry=entry, proof=proof.encoded())).signed
