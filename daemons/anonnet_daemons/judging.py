"""Files of evidence before the judge: read in blocks, judged together, their goods extracted for a human reviewer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from pathlib import Path

from anonnet.errors import Malformed
from anonnet.parties.judge.goods import deliveries
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Party, Role, Verdict
from anonnet.protocol.breach import is_proof
from anonnet.protocol.delivery import Delivered, Delivery
from anonnet.protocol.evidence import NO_THEFTS, Evidence, alone, joined, opened
from anonnet.protocol.known_log import Theft
from anonnet.protocol.network import Network
from anonnet.protocol.papers import Papers
from anonnet_daemons.owner import Failed

BLOCK_BYTES = 1024 * 1024
Files = Sequence[tuple[Path, Evidence]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, the names of the network file, and who in the verdict stands in none."""

    verdict: Verdict
    names: dict[bytes, str]
    strangers: list[Party]
    extracted: list[Path]


def judged(
    paths: Sequence[Path], network: Network | None, extract: Path | None, thefts: Mapping[bytes, Theft] = NO_THEFTS
) -> Judgement:
    """Judge these files together. With a network file, keys get names and other networks are refused; with a folder,
    the goods that open are written there. `thefts` are those of logs' keys, which the reader believes. Raises Failed
    where a file is not evidence, with the reason, and where a key is of no log that the files need."""
    files, papers = _read(paths, network, thefts)
    for key in thefts.keys() - {log.key for log in papers.logs.values()}:
        raise Failed(f"{key.hex()} is the key of no log that stands in these files: look it up in the network file")
    verdict = judge(papers, _chunks(files))
    names = {peer.identity: peer.name for peer in network.peers} if network else {}
    strangers = [party for party in _parties(verdict) if party.identity not in names] if network else []
    extracted = _extract(_read(paths, network, thefts), verdict, extract) if extract else []
    return Judgement(verdict, names, strangers, extracted)


def _parties(verdict: Verdict) -> list[Party]:
    """Whom the verdict is about, but for consumers and accounts, which stand in no network file."""
    named = [party for each in verdict.findings for party in (each.party, each.towards) if party is not None]
    return [party for party in dict.fromkeys(named) if party.role not in (Role.CONSUMER, Role.ACCOUNT)]


def _read(paths: Sequence[Path], network: Network | None, thefts: Mapping[bytes, Theft]) -> tuple[Files, Papers]:
    files = [(path, evidence_in(path, network)) for path in paths]
    for path, evidence in files:
        if network and evidence.head.network != network.name:
            raise Failed(f"{path} is evidence of another network, {evidence.head.network}: use that network's file")
    try:
        return files, joined([(path.name, each) for path, each in files], thefts)
    except Malformed as why:
        raise Failed(f"these files cannot be judged together ({why}): judge each by itself") from why


def evidence_in(path: Path, network: Network | None) -> Evidence:
    """A file of evidence, its chunks not read yet. Raises Failed."""
    begin = next(_blocks(path), b"")
    try:
        if not is_proof(begin):
            return opened(_blocks(path))
        if network is None:
            raise Failed(
                f"{path} is a proof against a log, alone: give --network, where that log's key and policy stand"
            )
        return alone(network.name, network.logs, begin)
    except Malformed as why:
        raise _refused(path, why) from why


def _chunks(files: Files) -> Iterator[Delivered]:
    """The chunks of all files in ascending order, so that it makes no difference which file comes first, nor whether
    one shows what another has; each file can be read once."""
    return merge(*(_delivered(path, evidence) for path, evidence in files), key=lambda each: each.chunk.index)


def _delivered(path: Path, evidence: Evidence) -> Iterator[Delivered]:
    try:
        yield from evidence.delivered
    except Malformed as why:
        raise _refused(path, why) from why


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block
    except OSError as why:
        raise Failed(f"{path} cannot be read ({why.strerror}): look for it") from why


def _refused(path: Path, why: Malformed) -> Failed:
    return Failed(f"{path} is not whole evidence as anonnet writes it ({why}): ask for it anew")


# For a human reviewer.


def _extract(again: tuple[Files, Papers], verdict: Verdict, into: Path) -> list[Path]:
    """Write what opens of each sale, into a folder called by the hash of goods_m, whose n another sale may share: whole
    goods as one file, else chunk by chunk; beside them the contract. Each file is read again for it."""
    files, papers = again
    whole = {each.about["goods_m"]: each.about["whole"] for each in verdict.of(Claim.DELIVERY)}
    found: dict[Path, None] = {}
    try:
        for sale, index, plain in deliveries(papers).open(_chunks(files)):
            folder = into / sale.goods_m.hex()
            if folder not in found:
                folder.mkdir(mode=0o700, parents=True)
                _write(folder / "contract.json", json.dumps(_contract(sale), indent=1).encode() + b"\n")
                found[folder] = None
            _write(folder / ("goods" if whole.get(sale.goods_m) else f"chunk-{index}"), plain)
    except FileExistsError as why:
        raise Failed(f"{why.filename} is there already: choose another folder") from why
    except OSError as why:
        raise Failed(f"{into} cannot be written ({why.strerror or why}): choose another place") from why
    return list(found)


def _write(path: Path, data: bytes) -> None:
    """Add to a file that only the owner can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as file:
        file.write(data)


def _contract(sale: Delivery) -> dict[str, object]:
    """What the goods have to be held against."""
    values = {name: getattr(sale.contract, name) for name in sale.contract.layout.names}
    return {name: each.hex() if isinstance(each, bytes) else each for name, each in values.items() if name not in LISTS}


LISTS = ("banks", "logs")
