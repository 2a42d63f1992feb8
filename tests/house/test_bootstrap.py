"""run.py, as far as it can be tested without a network.

What it tells an old interpreter, what it passes on to its children, when it sets up anew.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_3_11 = (3, 11, 4)


@pytest.fixture(scope="module")
def run() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the files that an installation is made from."""
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_run_parses_on_an_old_interpreter() -> None:
    ast.parse((ROOT / "run.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_run_needs_the_standard_library_alone_and_at_its_top_what_python_3_6_had() -> None:
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], type_ignores=[])

    assert set(imported(tree)) <= sys.stdlib_module_names
    assert not set(imported(top)) & {"__future__", "dataclasses", "contextvars", "zoneinfo", "tomllib"}


def test_an_old_interpreter_is_told_what_is_missing(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 6, 15))
    monkeypatch.setenv("PATH", "")

    assert run.main() == 69

    assert capsys.readouterr().err == "anonnet needs Python 3.11 or later; this is 3.6.\n"


def test_a_newer_interpreter_that_does_not_start_is_passed_over(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Version managers put commands on PATH that only say that this version is not the chosen one."""
    for name, script in (("python3.11", "exit 127"), ("python3.12", "exit 1"), ("python3.13", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    started: list[list[str]] = []
    monkeypatch.setattr(run.os, "execv", lambda path, arguments: started.append(arguments))
    monkeypatch.setattr(sys, "argv", ["run.py", "demo", "--fast"])
    monkeypatch.setenv("PATH", str(tmp_path))

    run.take_newer_interpreter()

    assert started == [[str(tmp_path / "python3.13"), str(ROOT / "run.py"), "demo", "--fast"]]


@pytest.mark.parametrize(
    "name",
    "PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_NO_BINARY PYTHONPATH PYTHONHOME VIRTUAL_ENV UV_TARGET".split(),  # noqa: SIM905
)
def test_what_leads_away_from_the_environment_is_dropped(run: ModuleType, name: str) -> None:
    assert name not in run.scrubbed({name: "/elsewhere"})


def test_pip_does_not_install_for_the_user_even_if_its_configuration_says_so(run: ModuleType) -> None:
    assert run.scrubbed({"PIP_USER": "1"})["PIP_USER"] == "0"


@pytest.mark.parametrize(
    "name",
    ["PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT", "UV_INDEX_URL", "HTTPS_PROXY", "no_proxy", "HOME", "CI"],
)
def test_mirrors_proxies_and_the_rest_are_kept(run: ModuleType, name: str) -> None:
    assert run.scrubbed({name: "the user's"})[name] == "the user's"


@pytest.mark.parametrize(
    ("said", "takes"),
    [
        ("pip 22.2.2 from /usr", False),
        ("pip 22.3 from /usr", True),
        ("pip 100.0.dev1 from", True),
        ("No module", False),
    ],
)
def test_only_a_pip_that_installs_for_others_is_asked_to(run: ModuleType, said: str, takes: bool) -> None:
    assert run.pip_takes_python(said) is takes


def test_the_stamp_is_the_same_as_long_as_nothing_changes(run: ModuleType, checkout: Path) -> None:
    project = checkout / "pyproject.toml"
    before = run.stamp(checkout, PYTHON_3_11)
    project.write_text(project.read_text().replace("line-length = 120", "line-length = 100"))

    assert run.stamp(checkout, (3, 11, 9)) == before


def moved(checkout: Path) -> Path:
    return checkout.rename(checkout.with_name("moved"))


def with_another_lock(checkout: Path) -> Path:
    (checkout / "requirements.lock").write_text("trio==0.0\n")
    return checkout


def with_another_script(checkout: Path) -> Path:
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text().replace("anonnet = ", "anonymous = "))
    return checkout


@pytest.mark.parametrize("change", [moved, with_another_lock, with_another_script])
def test_the_stamp_changes_with_what_an_installation_is_made_from(
    run: ModuleType, checkout: Path, change: Callable[[Path], Path]
) -> None:
    before = run.stamp(checkout, PYTHON_3_11)

    assert run.stamp(change(checkout), PYTHON_3_11) != before


def test_the_stamp_changes_with_the_interpreter(run: ModuleType, checkout: Path) -> None:
    assert run.stamp(checkout, (3, 12, 0)) != run.stamp(checkout, PYTHON_3_11)


def test_two_at_once_take_turns(run: ModuleType, checkout: Path) -> None:
    """The second waits until the first lets go: it never sees what the first has half done."""
    import fcntl

    lock = checkout / "requirements.lock"
    with run.only_one(lock), lock.open("rb") as second, pytest.raises(BlockingIOError):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)

    with lock.open("rb") as second:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_verb_stops_at_its_first_failure(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    exit_codes = iter([0, 3, 0, 0])
    monkeypatch.setattr(run, "call", lambda arguments, environment: called.append(arguments[1]) or next(exit_codes))

    assert run.run(["check"], {}) == 3

    assert called == ["ruff", "ruff"]


def test_test_with_arguments_is_pytest_alone(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(run, "call", lambda arguments, environment: called.append(arguments) or 0)

    assert run.run(["test", "tests/house", "-x"], {}) == 0

    assert called == [["-m", "pytest", "tests/house", "-x"]]


def test_a_child_that_dies_of_a_signal_fails_as_in_a_shell(run: ModuleType) -> None:
    if not run.PYTHON.exists():
        pytest.skip("there is no .venv: the tests run in another environment")

    assert run.call(["-c", "import os; os.kill(os.getpid(), 15)"], {}) == 128 + 15


def test_everything_that_pyproject_names_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {
        re.match(r"[\w-]+", each).group() for each in project["dependencies"] + project["optional-dependencies"]["dev"]
    }
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))

    assert named <= locked


def test_everything_locked_has_hashes_and_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", "")

    assert [line for line in lock.splitlines() if "--hash=sha256:" not in line] == []
    assert "://" not in lock


def test_the_ci_script_runs_what_the_readme_says() -> None:
    command = "python3 run.py test"

    assert command in (ROOT / "README.md").read_text(encoding="utf-8")
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
