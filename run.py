#!/usr/bin/env python3
"""Set up a private virtual environment in .venv, once, and run a command of anonnet in it: `python3 run.py demo`.

Rules of this file. It uses the standard library only. It parses, and its top level runs, on Python 3.6, so that an
old interpreter is told what is missing instead of shown a traceback; the functions below `main` may use more. It says
nothing that the command itself does not say, except one line when it sets up, and pip's own words when that fails.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
ENV = ROOT / ".venv"
PYTHON = ENV / "bin" / "python"
STAMP = ENV / ".anonnet-stamp"
LOCK = ROOT / "requirements.lock"
OLDEST = (3, 11)
INTERPRETERS = ("python3.11", "python3.12", "python3.13", "python3.14")  # what to look for, the one CI uses first
UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: something that this needs is not on the machine

# Variables that would send pip elsewhere, or make the interpreter import what is not in .venv. Mirrors, proxies and
# certificates are not among them: without those many machines cannot install anything.
MISLEADING = re.compile(
    r"__PYVENV_LAUNCHER__|VIRTUAL_ENV|PYTHON(HOME|PATH)"
    r"|PIP_(USER|TARGET|PREFIX|ROOT|PYTHON|REQUIRE_VIRTUALENV|REQUIRE_HASHES|REQUIREMENT|CONSTRAINT|EDITABLE|DRY_RUN"
    r"|NO_DEPS|NO_BINARY|ONLY_BINARY|NO_BUILD_ISOLATION|VERBOSE|REPORT)"
    r"|UV_(SYSTEM_PYTHON|PYTHON|TARGET|PREFIX|REQUIRE_HASHES|NO_BINARY|CONSTRAINT|OVERRIDE)"
)

LINT = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
FAST = ["pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "not slow and not real"]
VERBS = {  # verb -> the modules to run one after the other until one fails, and what to add to the environment
    "check": ([*LINT, FAST], {}),
    "test": ([*LINT, ["pytest"]], {}),
    "deep": ([["pytest"]], {"ANONNET_DEEP": "1"}),
}


def main() -> int:
    if sys.version_info < OLDEST:
        return take_newer_interpreter()
    if os.name != "posix":
        return say("anonnet needs Linux or macOS: its daemons are steered through Unix sockets.")
    environment = scrubbed(os.environ)
    try:
        problem = set_up(environment)
    except OSError as error:
        problem = f"anonnet could not make {ENV}: {error.strerror or error}."
    if problem:
        return say(problem)
    return run(sys.argv[1:] or ["--help"], environment)


def take_newer_interpreter() -> int:
    """Start again under an interpreter that is new enough, if there is one that works."""
    for name in INTERPRETERS:
        path = shutil.which(name)
        test = "import sys; sys.exit(sys.version_info[:2] < %r)" % (OLDEST,)  # noqa: UP031 (a tuple is one argument)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if path and subprocess.call([path, "-c", test], **quiet) == 0:
            os.execv(path, [path, str(ROOT / "run.py"), *sys.argv[1:]])
    return say("anonnet needs Python {}.{} or later; this is {}.{}.".format(*OLDEST + sys.version_info[:2]))


def run(words: list, environment: dict) -> int:
    """Run what `words` ask for. A verb of the table runs in the checkout; anonnet's own commands where the user is."""
    verb, more = words[0], words[1:]
    if verb not in VERBS:
        # -P: a file of the user's called trio.py, in the folder where she is, is not ours to import.
        os.execve(PYTHON, [str(PYTHON), "-P", "-m", "anonnet_daemons", *words], environment)
    steps, extra = VERBS[verb]
    if verb == "test" and more:
        steps = [["pytest"]]
    for number, step in enumerate(steps, start=1):
        added = more if number == len(steps) else []
        status = call(["-m", *step, *added], {**environment, **extra})
        if status:
            return status
    return 0


def call(arguments: list, environment: dict) -> int:
    """The exit code of one child. An interrupt from the keyboard reaches the child too: it is awaited, not killed."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # not SIG_IGN, which the child would inherit
    try:
        status = subprocess.call([str(PYTHON), *arguments], cwd=ROOT, env=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def set_up(environment: dict) -> str:
    """Make .venv what requirements.lock and pyproject.toml say. Returns what went wrong, or an empty string."""
    if is_set_up():
        return ""
    with only_one(LOCK):
        if is_set_up():  # another run did it while this one waited
            return ""
        print("Setting up .venv (once) ...", file=sys.stderr, flush=True)
        STAMP.unlink(missing_ok=True)
        installer = new_venv(environment)
        if not installer:
            return "anonnet needs pip or uv to set itself up: sudo apt install python3-venv, then run this again."
        for what in (
            ["--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)],
            ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
        ):
            status, said = quietly([*installer, "install", "-q", *what], environment)
            if status:
                return said + "anonnet could not install what it needs (see above); run this again once that is mended."
        STAMP.write_text(stamp(ROOT, sys.version_info))
    return ""


def new_venv(environment: dict) -> list:
    """An empty .venv, and the words of a command that installs into it: its own pip, the system's, or uv; else none."""
    try:
        import venv
    except ImportError:  # Debian ships some interpreters without it
        return []
    venv.EnvBuilder(with_pip=False, clear=True, symlinks=True).create(ENV)
    status, _ = quietly([str(PYTHON), "-m", "ensurepip", "--default-pip"], environment)
    if not status:
        return [str(PYTHON), "-m", "pip"]
    status, said = quietly([sys.executable, "-m", "pip", "--version"], environment)
    if not status and pip_takes_python(said):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip"]
    return []


def pip_takes_python(said: str) -> bool:
    """Whether this is the `pip --version` of a pip that can install for another interpreter (22.3 and later)."""
    found = re.match(r"pip (\d+)\.(\d+)", said)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= (22, 3)


def quietly(command: list, environment: dict) -> tuple:
    """A command's exit code and all that it said, which nobody sees unless it failed."""
    steered = {**environment, "VIRTUAL_ENV": str(ENV)}  # how uv is told where to install
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=steered,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    return done.returncode, done.stdout


def scrubbed(variables: dict) -> dict:
    """The environment for every child: the user's, without what would lead pip or Python away from .venv."""
    kept = {name: value for name, value in variables.items() if not MISLEADING.fullmatch(name)}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # PIP_USER: against "user" in a pip.conf


def is_set_up() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp(ROOT, sys.version_info)


def stamp(root: pathlib.Path, version: tuple) -> str:
    """What .venv was made from. It changes when the checkout moves, the interpreter does, or what is to be installed.

    Of pyproject.toml only the parts that an installation reads count: another rule for ruff is no reason to start anew.
    """
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    read = [project["build-system"], project["project"], project["tool"]["hatch"]]
    locked = (root / "requirements.lock").read_text(encoding="utf-8")
    made_from = [str(root), list(version[:2]), sys.platform, read, locked]
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def only_one(path: pathlib.Path):
    """One process at a time. The lock is on a file that is there anyway, and goes with the process that held it."""
    import fcntl

    with path.open("r+b") as held:  # writable, or NFS does not lock it
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def say(problem: str) -> int:
    print(problem, file=sys.stderr)
    return UNAVAILABLE


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
