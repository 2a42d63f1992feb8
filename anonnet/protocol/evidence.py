"""A file of evidence: what one party can prove, for strangers to verify without any network (docs/evidence.md).

    EVIDENCE   the network's name, who wrote it, how much follows
    LOG_RULES  for each log that a paper needs: its key and policy, of which L is the hash
    papers     as they came, each in a frame of its own step
    DELIVERED  the encrypted goods, or single chunks of them, in ascending order

All of it are frames as on the wire, with the request id 0. A file has one order, says at its start how much it holds,
and ends there: what is cut off or added is noticed.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from anonnet.errors import Malformed
from anonnet.limits import CHUNKS_MAX, EVIDENCE_LOGS_MAX, EVIDENCE_PAPERS_MAX, KIB, POLICY_BYTES_MAX
from anonnet.protocol.admitting import admitted
from anonnet.protocol.breach import alert_of
from anonnet.protocol.delivery import Delivered
from anonnet.protocol.fields import Key, Name
from anonnet.protocol.known_log import KnownLog, Theft
from anonnet.protocol.outcome import Logs
from anonnet.protocol.papers import Papers
from anonnet.protocol.steps import InFile
from anonnet.wire.codec import STEPS, Between, Message, decode, decode_record, message
from anonnet.wire.frames import Frame, Frames, frame
from anonnet.wire.signed import Signed, unsigned

VERSION = 1
NO_THEFTS: Mapping[bytes, Theft] = {}

M = TypeVar("M", bound=Message)


class Author(enum.StrEnum):
    """Who wrote a file, by his own word; nothing depends on it."""

    CONSUMER = "consumer"
    MERCHANT = "merchant"
    BANK = "bank"
    OTHER = "other"


@message(InFile.EVIDENCE, signed=False, frame_max=KIB)
class Head(Message):
    """How a file of evidence begins: for which network, and how much follows."""

    version: Annotated[int, Between(VERSION, VERSION)]
    network: Name
    author: Name
    logs: Annotated[int, Between(0, EVIDENCE_LOGS_MAX)]
    papers: Annotated[int, Between(0, EVIDENCE_PAPERS_MAX)]
    chunks: Annotated[int, Between(0, CHUNKS_MAX)]

    def check(self) -> None:
        if self.author not in set(Author):
            raise Malformed("no such author of evidence")


@message(InFile.LOG_RULES, signed=False, frame_max=POLICY_BYTES_MAX + KIB)
class LogRules(Message):
    """A log's signing key and its policy: both are in its name L, so they need nobody's word."""

    key: Key
    policy: Annotated[bytes, Between(1, POLICY_BYTES_MAX)]

    @property
    def known(self) -> KnownLog:
        """The log. Raises Malformed where no log can have this policy."""
        log = KnownLog(self.key, self.policy)
        log.check()
        return log


@dataclass
class Evidence:
    """A file that has been opened: its head, its logs and papers unchecked, and the chunks, which are read as they are
    asked for, once."""

    head: Head
    logs: Logs
    papers: list[Signed]
    delivered: Iterator[Delivered]


def written(
    network: str, author: Author, logs: Iterable[KnownLog], papers: Sequence[Signed], chunks: int = 0
) -> Iterator[bytes]:
    """The bytes of a file up to its chunks, of which so many have to follow, each as `chunk_bytes`."""
    rules = [LogRules(key=log.key, policy=log.policy) for log in logs]
    counts = {"logs": len(rules), "papers": len(papers), "chunks": chunks}
    yield bytes(frame(Head(version=VERSION, network=network, author=author.value, **counts), 0))
    yield from (bytes(frame(each, 0)) for each in rules)
    yield from (bytes(_frame_of(paper)) for paper in papers)


def chunk_bytes(delivered: Delivered) -> bytes:
    """How a chunk stands in the file."""
    return bytes(frame(delivered, 0))


def opened(blocks: Iterable[bytes]) -> Evidence:
    """Open a file, given in blocks. Raises Malformed, and so does reading its chunks."""
    frames = _frames(blocks)
    head = _message(_next(frames), Head)
    logs = [_message(_next(frames), LogRules).known for _ in range(head.logs)]
    papers = [_paper(_next(frames)) for _ in range(head.papers)]
    return Evidence(head, {log.identity: log for log in logs}, papers, _delivered(frames, head.chunks))


def alone(network: str, logs: Logs, proof: bytes) -> Evidence:
    """A proof against one of these logs that stands in a file by itself, as evidence. Raises Malformed."""
    said = unsigned(alert_of(logs.values(), proof)).signed
    head = Head(version=VERSION, network=network, author=Author.OTHER.value, logs=0, papers=1, chunks=0)
    return Evidence(head, logs, [said], iter(()))


def joined(evidence: Sequence[tuple[str, Evidence]], thefts: Mapping[bytes, Theft] = NO_THEFTS) -> Papers:
    """The papers of several files, each with its name, taken together; `thefts`, of which the reader was told, by the
    log's signing key. Raises Malformed where the files are of different networks."""
    networks = {each.head.network for _, each in evidence}
    if len(networks) != 1:
        raise Malformed(f"files of different networks: {', '.join(sorted(networks)) or 'none'}")
    known = {name: log for _, each in evidence for name, log in each.logs.items()}
    logs = {name: replace(log, theft=thefts.get(log.key)) for name, log in known.items()}
    sourced = [(f"{name}, paper {at}", signed) for name, each in evidence for at, signed in enumerate(each.papers, 1)]
    return admitted(networks.pop(), logs, sourced)


def _frames(blocks: Iterable[bytes]) -> Iterator[Frame]:
    """All frames of a file. Raises Malformed where it ends inside of one."""
    frames = Frames()
    for block in blocks:
        yield from frames.feed(block)
    if frames.partial:
        raise Malformed("the file ends in the middle")


def _next(frames: Iterator[Frame]) -> Frame:
    found = next(frames, None)
    if found is None:
        raise Malformed("the file ends before it has all that it says it holds")
    if found.request_id:
        raise Malformed("frames of a file have the request id 0")
    return found


def _message(found: Frame, kind: type[M]) -> M:
    body = decode(found.payload)
    if type(body) is not kind or found.step != kind.step:
        raise Malformed(f"{kind.__name__} was expected, not {type(body).__name__}")
    return body


def _frame_of(paper: Signed) -> Frame:
    """A paper in its frame: with its signatures, or bare where nobody signs its step."""
    return frame(paper, 0) if paper.signatures else Frame(paper.step, 0, paper.body)


def _paper(found: Frame) -> Signed:
    signed = STEPS[found.step].signed
    paper = decode_record(Signed, found.payload) if signed else Signed(body=found.payload, signatures=())
    if paper.step != found.step or found.step in set(InFile):
        raise Malformed("a frame of another step than its paper")
    return paper


def _delivered(frames: Iterator[Frame], count: int) -> Iterator[Delivered]:
    last = -1
    for _ in range(count):
        delivered = _message(_next(frames), Delivered)
        if delivered.chunk.index <= last:
            raise Malformed("chunks do not stand in ascending order")
        last = delivered.chunk.index
        yield delivered
    if next(frames, None) is not None:
        raise Malformed("the file holds more than it says")
