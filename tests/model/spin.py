"""Run the models of docs/model by Spin, and compare with what is expected.

By hand, from the checkout, with spin and gcc installed:

    .venv/bin/python -m tests.model.spin                   all runs; writes what was measured into docs/model/README.md
    .venv/bin/python -m tests.model.spin two promises      the runs whose words hold all of these, with what they found
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "model"
EXPECTATIONS, README = FOLDER / "expectations.toml", FOLDER / "README.md"
NEEDED = ("spin", "gcc")
AT_ONCE = 2
DEADLINE = 900
"""Seconds for one search; the longest takes half a minute."""

EVERY_STATE = (["-DSAFETY", "-DBFS"], "-E")
"""Breadth first: the run that is found is a shortest one. -E: a party may stand still for ever."""
LAST_STATES = (["-DNP"], "-l -m1000000")
"""Depth first, and a run that goes on for ever is an error, too."""
DEFINED = ["-DNOREDUCE", "-DMEMLIM=4096"]
"""All interleavings: these models are small enough to do without a reduction that one would have to argue for."""

STATES = re.compile(r"^ *(\S+) states, stored", re.MULTILINE)
SECONDS = re.compile(r"^(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n\Z", re.MULTILINE)
"""What `times` of the shell prints of its children: the processor's, so that others on the machine do not matter."""

HOLDS, FOUND = "holds", "found"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A row of expectations.toml, in the order of its columns."""

    model: str
    title: str
    says: str
    property: str
    expect: str
    defines: tuple[str, ...] = ()
    at: str = "state"
    deep: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a run: HOLDS, FOUND, or what went wrong; and the run that was found, as a play."""

    came: str
    states: int
    seconds: float
    play: str = ""


def expectations() -> list[Run]:
    """All rows. Raises TypeError for a column that there is not."""
    groups = tomllib.loads(EXPECTATIONS.read_text("utf-8"))["group"]
    return [
        Run(model=group["model"], title=group["title"], defines=tuple(row.pop("with", ())), **row)
        for group in groups
        for row in group["run"]
    ]


def flags(run: Run) -> list[str]:
    """What the preprocessor is told."""
    ends = ["ENDINGS"] if run.at == "end" else []
    return [f"-D{each}" for each in (*run.defines, *ends, f"PROPERTY={run.property}")]


def missing() -> list[str]:
    """The programs that are needed and not there."""
    return [name for name in NEEDED if shutil.which(name) is None]


def told(command: list[str], folder: Path) -> str:
    """All that a command prints. Raises subprocess.TimeoutExpired."""
    ran = subprocess.run(
        command,
        cwd=folder,
        timeout=DEADLINE,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return ran.stdout


def outcome(run: Run) -> Outcome:
    """Make a verifier for this run, and let it search."""
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), f"{run.model}.pml"
        shutil.copy(FOLDER / model, folder)
        compiled, searched = EVERY_STATE if run.at == "state" else LAST_STATES
        made = told(["spin", *flags(run), "-a", model], folder)
        optimized = "-O2" if run.deep else "-O0"  # else gcc would take longer than the search
        made += told(["gcc", optimized, "-w", *DEFINED, *compiled, "-o", "pan", "pan.c"], folder)
        if not (folder / "pan").exists():
            return Outcome(made, 0, 0)
        printed = told(["sh", "-c", f"ulimit -t {DEADLINE}; ./pan {searched}; times"], folder)
        came = verdict(printed)
        replayed = told(["spin", *flags(run), "-t", "-T", model], folder) if came == FOUND else ""
        return Outcome(came, states(printed), seconds(printed), play(replayed))


def states(printed: str) -> int:
    """States that were stored; 0 if it came to nothing."""
    stored = STATES.search(printed)
    return round(float(stored[1])) if stored else 0


def seconds(printed: str) -> float:
    """What the search took of the processor."""
    took = SECONDS.search(printed)
    return 60 * (int(took[1]) + int(took[3])) + float(took[2]) + float(took[4]) if took else 0


def play(replayed: str) -> str:
    """What the steps say of themselves, without what Spin says of the last state."""
    lines = replayed.split("#processes")[0].splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("spin: "))


def verdict(printed: str) -> str:
    """HOLDS only if the whole space was searched without an error, FOUND only if the property was what failed."""
    complete = "Search not completed" not in printed and "max search depth too small" not in printed
    if "errors: 0\n" in printed and complete:
        return HOLDS
    if "errors: 1\n" in printed and "assertion violated 0 " in printed:
        return FOUND
    return printed


def table(outcomes: dict[Run, Outcome]) -> Iterator[str]:
    """The rows with what was measured, for the document."""
    for (model, title), runs in groupby(outcomes, key=lambda run: (run.model, run.title)):
        yield f"\n### `{model}`: {title}\n"
        yield "| | with | property | expected | states | seconds |"
        yield "|---|---|---|---|---|---|"
        for run in runs:
            defines = " ".join(f"`{each}`" for each in run.defines)
            at = ", in the end" if run.at == "end" else ""
            says = run.says + (" (deep)" if run.deep else "")
            measured = f"{outcomes[run].states} | {outcomes[run].seconds:.1f}"
            yield f"| {says} | {defines} | `{run.property}`{at} | {run.expect} | {measured} |"


def documented(outcomes: dict[Run, Outcome]) -> str:
    """README.md with this table in its place."""
    between = re.compile(r"(?<=<!-- made: runs -->\n).*(?=\n<!-- end of runs -->)", re.DOTALL)
    made, count = between.subn(lambda _: "\n".join(table(outcomes)) + "\n", README.read_text("utf-8"))
    assert count == 1, "the table has no place in README.md"
    return made


def main(words: list[str]) -> int:
    """Run what the words choose; 1 if something came out that was not expected."""
    chosen = [run for run in expectations() if all(word in run.says for word in words)]
    outcomes = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for run, came in zip(chosen, pool.map(outcome, chosen), strict=True):
            outcomes[run] = came
            mark = "  " if came.came == run.expect else "! "
            print(f"{mark}{run.says}: {came.came}, {came.states} states, {came.seconds:.1f} s", flush=True)
            if words:
                print(came.play)
    if not words:
        README.write_text(documented(outcomes), "utf-8")
    return int(any(came.came != run.expect for run, came in outcomes.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
