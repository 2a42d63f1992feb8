"""Programs that share no line with ours read a log as it is served, accept it, and refuse it once anything is changed.

Go's sumdb packages, as Debian has them, and PyPI's pymerkle and sigstore in an environment of their own:

    sudo apt-get install golang-go golang-golang-x-mod-dev
    python3 -m venv .outside && .outside/bin/pip install --require-hashes -r tests/outside/requirements.txt

Where they are not installed these tests skip and say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trio

from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.tiles import bundles_of, tiles_of
from tests.machine import KNOWN
from tests.web.serving import served
from tests.web.test_files import LOGS, PREFIX, SHARD, SIZE, machine, shelf, tree_at

pytestmark = pytest.mark.real

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".outside" / "bin" / "python"
GOPATH = Path("/usr/share/gocode")
SECONDS = 120
VKEY = KNOWN.verifier(SHARD).vkey
TEXTS = ("checkpoint", "proofs")
Reader = Callable[[Sequence[Path]], str]
"""Given folders, says a line for each."""


async def save(folder: Path) -> None:
    """All that is served over HTTP of a log of SIZE entries, and our proofs."""
    log = machine(folder)
    async with served(shelf(folder), LOGS, folder) as site:
        tree = await tree_at(site, PREFIX, SIZE)
        for path in ("checkpoint", *(each.path for each in (*bundles_of(SIZE), *tiles_of(SIZE)))):
            (folder / "served" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "served" / path).write_bytes((await site.get(f"{PREFIX}/{path}")).body)
    log.store.close()
    paths = (" ".join(hash.hex() for hash in tree.inclusion(index, SIZE)) for index in range(SIZE))
    (folder / "served" / "proofs").write_text("\n".join(paths))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    trio.run(save, folder)
    return folder / "served"


def run(*words: object, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return (done.stdout + done.stderr).strip()


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    if shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("Go and its sumdb packages are not installed: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    environment = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(folder / "cache"), "CGO_ENABLED": "0"}
    assert run("go", "build", "-o", folder / "tiles", HERE / "tiles.go", **environment) == ""
    return lambda folders: "\n".join(run(folder / "tiles", each, VKEY) for each in folders)


@pytest.fixture(scope="session")
def python() -> Reader:
    if not PYTHON.exists() or run(PYTHON, "-c", "import pymerkle, sigstore"):
        pytest.skip(f"pymerkle and sigstore are not installed: see the docstring of {__name__}")
    return lambda folders: run(PYTHON, HERE / "with_pymerkle_and_sigstore.py", KNOWN.key.hex(), *folders)


def changed(files: Path, folder: Path, path: str) -> Path:
    """A copy with another last byte of one file; in `checkpoint` with another last digit of the signature."""
    copy = Path(shutil.copytree(files, folder / path.replace("/", "-")))
    data = bytearray((copy / path).read_bytes())
    place = -3 if path == "checkpoint" else -1
    data[place] = ord("2") if path in TEXTS and data[place] != ord("2") else data[place] ^ 1
    (copy / path).write_bytes(data)
    return copy


def renamed(files: Path, folder: Path, old: str, new: str) -> Path:
    """A copy whose checkpoint says something else, under the same signature."""
    copy = Path(shutil.copytree(files, folder / "renamed"))
    (copy / "checkpoint").write_text((files / "checkpoint").read_text().replace(old, new, 1))
    return copy


def accepted(files: Path) -> str:
    """What a reader says of an honest log."""
    root = SignedCheckpoint.parse((files / "checkpoint").read_bytes()).body.root
    return f"accepted: {SIZE} records under {root.hex()}"


def test_go_s_sumdb_proves_every_record_and_earlier_tree_from_our_tiles(files: Path, go: Reader) -> None:
    assert go([files]) == accepted(files)


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/001", "tile/1/000.p/2", "tile/entries/002.p/89"])
def test_go_s_sumdb_refuses_what_is_changed(files: Path, go: Reader, path: str, tmp_path: Path) -> None:
    assert go([changed(files, tmp_path, path)]).startswith("refused: ")


def test_pymerkle_and_sigstore_accept_our_log_and_refuse_what_is_changed(
    files: Path, python: Reader, tmp_path: Path
) -> None:
    others = [
        changed(files, tmp_path, "tile/entries/002.p/89"),
        changed(files, tmp_path, "proofs"),
        changed(files, tmp_path, "checkpoint"),
        renamed(files, tmp_path, KNOWN.origin(SHARD), KNOWN.origin(SHARD + 1)),
    ]
    said, *refused = python([files, *others]).split("\n")

    assert said == accepted(files)
    assert refused[0] == "refused: pymerkle computes another root"
    assert len(refused) == len(others)
    assert all(each.startswith("refused: ") for each in refused)
