"""Makes the vectors of evidence, always the same: `.venv/bin/python -m tests.judge.make_vectors` writes them anew.

Some rows of the judge's table as whole files, goods of one chunk as they were sold and others, and files that are cut
off, too long, out of order or in another form than their own.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from anonnet_daemons.evidence_vectors import shown, verdict_of
from anonnet_daemons.selftest import VECTORS

from anonnet.protocol.delivery import Delivered
from anonnet.protocol.evidence import VERSION, Author, chunk_bytes, written
from anonnet.wire.frames import Frames
from tests.judge.court import Case, Court
from tests.judge.goods_rows import chunks, lie
from tests.judge.test_table import ROWS, shop
from tests.paper.scenes import Deal, Scene
from tests.stage import NETWORK

FILE = VECTORS / "evidence.json"
CHOSEN = (
    "merchant_claims",
    "bank_has_credited",
    "statement_shows_no_credit",
    "forged_promise",
    "commit_of_another_sale",
    "foreign_papers",
    "bank_justifies_by_exchange",
    "exchange_was_done",
    "released_and_spent",
    "spent_twice",
    "merchant_proves_delivery_whole",
    "receiver_made_up",
    "receiver_by_the_merchant_s_word",
    "log_says_both",
    "suppression_moves_no_money",
    "late_receipt",
    "sealed_log_says_both_without_n",
    "mirrors_say_both",
    "log_forks",
    "fork_by_another",
    "log_breaks_a_rule",
    "sealed_sale",
    "sealed_commit_alone",
    "sealed_garbage_before_the_consumer",
    "merchant_signs_two_prices",
    "token_was_spent",
    "refused_for_nothing",
    "parts_leave_enough",
    "somebody_else_pays",
    "two_of_one_key",
    "refused_for_another_of_its_key",
)
TWICE = "a chunk twice"
"""The file that is refused for its chunks, not for its frames."""


def file_of(scene: Scene, case: Case) -> bytes:
    """A case as a file of evidence, with the brands and the log of the scene."""
    brands = [each.offer.brand for each in scene.minted]
    logs = Court(scene).logs.values()
    head = b"".join(written(NETWORK, Author.OTHER, logs, [*brands, *case.papers], len(case.chunks)))
    return head + b"".join(map(chunk_bytes, case.chunks))


def vector(name: str, data: bytes) -> dict[str, Any]:
    """A file with what is decided by it."""
    verdict = verdict_of(data)
    findings = sorted(map(shown, verdict.findings))
    return {"name": name, "file": data.hex(), "findings": findings, "set_aside": len(verdict.set_aside)}


def small_goods(folder: Path) -> dict[str, bytes]:
    """A sale of goods of a few bytes: as the contract names them, under a contract that names others, and twice."""
    scene = shop(folder)
    scene.sell(goods=b"la")
    deal = Deal.committed(scene)
    delivered: list[Delivered] = chunks(deal, [0])
    papers = [deal.authorization_q, deal.outcome]
    return {
        "goods as named": file_of(scene, Case([deal.goods_m, *papers], delivered)),
        "goods of another hash": file_of(scene, Case([lie(deal, hash=bytes(32)), *papers], delivered)),
        "goods not shown": file_of(scene, Case([deal.goods_m, *papers])),
        TWICE: file_of(scene, Case([deal.goods_m, *papers], [*delivered, *delivered])),
    }


def refused(data: bytes) -> dict[str, bytes]:
    """What becomes of a file that is damaged."""
    frames = [bytes(frame) for frame in Frames().feed(data)]
    return {
        "cut off within a frame": data[:-1],
        "cut off between frames": b"".join(frames[:-1]),
        "more than it says": data + frames[-1],
        "two heads": frames[0] + data,
        "papers before the logs": b"".join([frames[0], *frames[2:], frames[1]]),
        "a request id": data[:6] + b"\0\0\0\1" + data[10:],
        "nothing": b"",
    }


def document() -> dict[str, Any]:
    """The whole file."""
    rows = {row.name: row for row in ROWS}
    files = {}
    for name in CHOSEN:
        with tempfile.TemporaryDirectory() as folder:
            scene = shop(Path(folder))
            files[name.replace("_", " ")] = file_of(scene, rows[name].made(scene))
    with tempfile.TemporaryDirectory() as folder:
        files |= small_goods(Path(folder))
    broken = refused(files["merchant claims"]) | {TWICE: files.pop(TWICE)}
    return {
        "about": "Files of evidence, version 1, with what a judge decides by them: see docs/evidence.md.",
        "evidence": VERSION,
        "files": [vector(name, data) for name, data in files.items()],
        "refused": [{"name": name, "file": data.hex()} for name, data in broken.items()],
    }


def text() -> str:
    """The whole file, one vector a line."""
    made = document()
    lists = {name: made.pop(name) for name in ("files", "refused")}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in made.items()]
    for name, vectors in lists.items():
        lines.append(f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(each) for each in vectors) + "\n]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
