"""The pages for people, as they are without JavaScript: the proof on them can be followed hash by hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from anonnet.protocol.known_log import KnownLog, mirror_policy
from anonnet.protocol.rules import decided_by
from anonnet.store.published import MirrorShelf, Shown
from anonnet.times import RETENTION_SECONDS
from anonnet.tlog.checkpoint import Checkpoint, SignedCheckpoint
from anonnet.tlog.merkle import Tree, leaf_hash, verify_inclusion
from anonnet.tlog.note import Note
from anonnet.tlog.note import Signer as NoteSigner
from anonnet.tlog.tiles import Bundle
from anonnet.web.climbing import climb
from anonnet.web.pages import shard
from tests import mirrors
from tests.machine import KNOWN, SHARDS, Machine, p4
from tests.stage import key_of
from tests.web.serving import served
from tests.web.test_files import LOGS, PREFIX, machine, shelf

MOST = 40
LEAVES = [leaf_hash(bytes([number])) for number in range(MOST)]
STEP = re.compile(r"<li>SHA-256\(01 ‖ (.*?) ‖ (.*?)\)<br>= (.*?)</li>")
HEX = re.compile(r"[0-9a-f]{64}")


def test_the_steps_lead_to_the_root_of_every_tree_and_from_a_wrong_path_elsewhere() -> None:
    for size in range(1, MOST):
        tree = Tree.from_leaves(b"".join(LEAVES[:size]))
        for index in range(size):
            path = tree.inclusion(index, size)
            assert verify_inclusion(index, size, LEAVES[index], path, tree.root())
            steps = climb(index, size, LEAVES[index], path)
            value = LEAVES[index]
            for step in steps:
                assert value == (step.left if step.from_left else step.right)
                value = step.parent
            assert value == tree.root()
            if path:
                assert climb(index, size, LEAVES[index], [*path[:-1], bytes(32)])[-1].parent != tree.root()


async def test_a_person_with_a_calculator_comes_from_the_entry_to_the_root(tmp_path: Path) -> None:
    log = machine(tmp_path, 300)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        page = (await site.get(f"{PREFIX}/entry/123")).body.decode()
        note = SignedCheckpoint.parse((await site.get(f"{PREFIX}/checkpoint")).body)
    log.store.close()

    (data,) = re.findall(r"<dt>bytes</dt><dd><code>([0-9a-f]+)</code>", page)
    value = hashlib.sha256(b"\0" + bytes.fromhex(data)).hexdigest()
    assert value in page
    steps = STEP.findall(page)
    assert len(steps) == 9
    for left, right, parent in steps:
        children = [HEX.search(left).group(), HEX.search(right).group()]
        assert value in children
        value = hashlib.sha256(b"\1" + bytes.fromhex("".join(children))).hexdigest()
        assert value == HEX.search(parent).group()
    assert value == note.body.root.hex()
    assert "That is the root in the checkpoint" in page
    assert p4(122).body[-32:].hex() in page  # entry 123 is the 123rd sale: its key


async def test_pages_need_nothing_from_elsewhere_and_say_who_learns_what(tmp_path: Path) -> None:
    log = Machine(tmp_path)
    log.batch([p4(1)])
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        found = {path: await site.get(path) for path in ("/", f"{PREFIX}/", f"{PREFIX}/entry/1", "/explorer.js")}
        style = await site.get("/explorer.css")
    log.store.close()

    for path, got in found.items():
        assert got.status == 200
        assert "default-src 'none'" in got.headers["content-security-policy"]
        assert (got.headers["x-content-type-options"], got.headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert not re.search(rb"https?://|//[a-z]+\.|<form| on[a-z]+=| style=", got.body), path
        assert "server" not in got.headers
    assert b"url(" not in style.body
    assert b"it does not learn which sale you look for" in found[f"{PREFIX}/"].body
    assert b"it knows which entry you looked at" in found[f"{PREFIX}/entry/1"].body


ABSENT = [
    f"{PREFIX}/entry/11",  # eleven are there
    f"{PREFIX}/entry/-1",
    f"{PREFIX}/entry/01",
    f"{PREFIX}/?bundle=1",
    f"{PREFIX}/?bundle=-1",
    f"{PREFIX}/?bundle=99999999999999999999",
    "/static/explorer.js",
]


async def test_pages_that_are_not_there(tmp_path: Path) -> None:
    log = machine(tmp_path, 10)
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        for path in ABSENT:
            assert (await site.get(path)).status == 404, path
        assert site.incidents.count == 0
    log.store.close()


async def test_the_page_of_a_forgotten_shard_shows_its_last_checkpoint(tmp_path: Path) -> None:
    log = machine(tmp_path, 10)
    log.now = decided_by(SHARDS[0]) + RETENTION_SECONDS + 1
    while log.forget():
        pass
    async with served(shelf(tmp_path), LOGS, tmp_path) as site:
        page = (await site.get(f"{PREFIX}/")).body.decode()
        assert (await site.get(f"{PREFIX}/entry/3")).status == 404
        note = (await site.get(f"{PREFIX}/checkpoint")).body.decode()
    log.store.close()

    assert "They are not kept any more" in page
    assert note in page


async def test_a_mirror_s_pages_show_who_has_cosigned_and_which_log_is_convicted(tmp_path: Path) -> None:
    pen, sale = mirrors.Pen(), mirrors.sale()
    pen.write(mirrors.pledge(sale), mirrors.released(sale))
    wall = mirrors.Wall(pen)
    first = wall.put_on_file("mirror-0", tmp_path / "mirror.db")
    wall.settle()
    known, prefix = mirrors.KNOWN, f"/{mirrors.KNOWN.origin(mirrors.SHARD)}"
    async with served(MirrorShelf(tmp_path / "mirror.db"), {known.identity: known}, tmp_path) as site:
        page = (await site.get(f"{prefix}/")).body.decode()
        entry = (await site.get(f"{prefix}/entry/1")).body.decode()
        pen.write(mirrors.pledge(sale))  # a second one
        wall.settle()
        convicted = [(await site.get(path)).body.decode() for path in ("/", f"{prefix}/")]
    first.store.close()

    assert "certified up to 3 entries" in page
    assert all(f"<code>{name}</code>" in page for name in mirrors.MIRRORS)
    assert "a merchant pledges" in entry
    assert sale.number.hex() in entry
    assert all("this log has forked, or broken a rule" in each for each in convicted)


def test_a_name_with_markup_is_shown_as_text() -> None:
    """Mirrors choose their names."""
    name, root = "<script>x</script>", LEAVES[0]
    known = KnownLog(key_of("log").public, mirror_policy({name: key_of("mirror").public}, 1))
    checkpoint = Checkpoint(known.origin(SHARDS[0]), 1, root)
    signatures = (
        NoteSigner(checkpoint.origin, key_of("log")).sign(checkpoint.text),
        NoteSigner(name, key_of("mirror")).cosign(checkpoint.text, 1),
    )
    note = Note(checkpoint.text, signatures).encoded()

    page = shard(known, Shown(known.identity, SHARDS[0], note, 1, 1), Bundle(0, 1), [])

    assert "a quorum has cosigned" in page
    assert name not in page
    assert page.count("&lt;script&gt;x&lt;/script&gt;") == 2


def test_a_page_tells_where_a_signature_does_not_hold() -> None:
    checkpoint = Checkpoint(KNOWN.origin(SHARDS[0]), 1, LEAVES[0])
    note = Note(checkpoint.text, (NoteSigner(checkpoint.origin, key_of("log")).sign("another text\n"),)).encoded()

    page = shard(KNOWN, Shown(KNOWN.identity, SHARDS[0], note, 1, 1), Bundle(0, 1), [])

    assert "A signature under this checkpoint does not hold." in page
