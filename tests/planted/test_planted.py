"""Bugs, planted one by one in a copy of the program, each of which a named test must catch.

What no test would notice could be broken by anybody's next change. Each patch here is a bug that a careful person might
write. Its head says which tests must fail ("Caught by", a line for each), what of the broken promise their output must
name ("Fails with"; " | " stands between several, where the seed decides which it is) and, where the world is among
them, what it must complain of whatever else does ("The world says"). The same tests pass in an unpatched copy first.

A patch that no longer applies is a failure too: write it anew below its head (edit the file, `git diff -U2 -- FILE`,
and take the edit back).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ["anonnet", "daemons", "tests", "docs", "pyproject.toml"]
AT_ONCE = 2
HEAD = ("Caught by", "Fails with", "The world says")
BUG_SECONDS, CLEAN_SECONDS = 300, 1200
"""How long the tests of one bug may take, and all of them together where there is none: three times what they do on a
machine at rest, since one that is busy, or slow today, shows no bug by that."""
WORLD_SECONDS = 5
"""No further seeds after this: a planted bug that the world catches shows in nearly every one."""


@dataclass(frozen=True)
class Planted:
    """A bug: its patch, and what the head of that says."""

    patch: Path
    tests: tuple[str, ...]
    """Who must catch it."""
    names: tuple[str, ...]
    """What of the broken promise their output must name: one of these."""
    says: str
    """What the world must complain of as well, where one of the tests is its; else empty."""

    @classmethod
    def read(cls, patch: Path) -> Planted:
        """The bug of this patch. Fails where its head does not say who catches it, and by what."""
        head = re.split(r"^(?:diff|---) ", patch.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
        tests, names, says = (re.findall(f"^{word}: (.+)$", head, re.MULTILINE) for word in HEAD)
        assert tests, f"{patch.name} does not say who catches it"
        assert len(names) == 1, f"{patch.name} does not say what its tests fail with"
        return cls(patch, tuple(tests), tuple(names[0].split(" | ")), "".join(says))


BUGS = {path.stem: Planted.read(path) for path in sorted(HERE.glob("*.patch"))}


def copied(into: Path) -> Path:
    """The program and its tests, as they are now."""
    into.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, into / name)
    return into


def run_tests(folder: Path, tests: list[str], seconds: int) -> tuple[int, str]:
    """Run tests there, by this interpreter; the exit code (-1: too slow) and what was printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    ours = os.pathsep.join((str(folder), str(folder / "daemons")))  # before the checkout that is installed
    environment = os.environ | {"PYTHONPATH": ours, "ANONNET_WORLD_SECONDS": str(WORLD_SECONDS)}
    for name in ("ANONNET_DEEP", "ANONNET_WORLD_SEEDS", "CI"):  # they ask for more seeds than one bug needs
        environment.pop(name, None)
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=seconds,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired as why:
        return -1, str(why)
    return ran.returncode, ran.stdout


def git_apply(folder: Path, patch: Path, *options: str) -> str:
    """Apply a patch to a copy of the program; what git has against it."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # a checkout above would be patched
    command = ["git", "apply", "-C1", *options, str(patch)]
    applied = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, encoding="utf-8")
    return applied.stderr if applied.returncode else ""


def unknown_names(folder: Path) -> str:
    """Names that the program uses there and does not have: any test would fail by them, and show nothing."""
    command = [sys.executable, "-m", "ruff", "check", "-q", "--isolated", "--select", "F821", "anonnet", "daemons"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, encoding="utf-8").stdout


def outcome_of(planted: Planted, folder: Path) -> str:
    """What is wrong with this bug; empty if it was caught as it should be."""
    copied(folder)
    name = planted.patch.name
    if complaint := git_apply(folder, planted.patch):
        return f"{name} no longer applies; write it anew for the code as it is now\n{complaint}"
    if complaint := unknown_names(folder):
        return f"{name} crashes where it should be wrong\n{complaint}"
    code, printed = run_tests(folder, list(planted.tests), BUG_SECONDS)
    shutil.rmtree(folder)
    if code == 0:
        return f"nobody caught {name}: {', '.join(planted.tests)} passed"
    if code != 1:
        return f"{name} did not fail as a test within {BUG_SECONDS} s (exit code {code})\n{printed}"
    named = any(name in printed for name in planted.names) and planted.says in printed
    return "" if named else f"the failure does not name {planted.names}, or not {planted.says!r}\n{printed}"


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The selected bugs under way, after their tests have passed without any."""
    chosen = [
        BUGS[item.callspec.params["name"]]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_a_planted_bug_is_caught.__name__
    ]
    folder = tmp_path_factory.mktemp("planted")
    tests = sorted({test for planted in chosen for test in planted.tests})
    code, printed = run_tests(copied(folder / "clean"), tests, CLEAN_SECONDS)
    assert code == 0, f"these tests must pass before a bug is planted\n{printed}"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {each.patch.stem: pool.submit(outcome_of, each, folder / each.patch.stem) for each in chosen}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str, outcomes: dict[str, Future[str]]) -> None:
    wrong = outcomes[name].result()

    assert not wrong, wrong


def test_every_patch_applies(tmp_path: Path) -> None:
    """What the tests above find too, within a second."""
    program = copied(tmp_path / "program")

    assert not [complaint for each in BUGS.values() if (complaint := git_apply(program, each.patch, "--check"))]
