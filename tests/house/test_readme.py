"""README.md quotes what the program prints, and all documents quote commands that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from anonnet_daemons.cli.main import main
from click import Context, Group

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
GAP = "\u2026"  # stands for what differs each time
SYMPTOM = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
LABELS = ROOT / "docs" / "wire.md"  # what is quoted there behind the program's name is put into hashes
DOCUMENTS = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {LABELS})]
CODE = re.compile(r"^```$(.*?)^```$|`([^`]+)`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|/bin/)(?:anonnet|python3 run\.py) ([a-z][a-z-]*(?=[\n ]|\Z)[^#\n]*)", re.MULTILINE)
OF_RUN_PY = {"check", "test", "deep"}  # the rest goes to the program


def commands() -> list[str]:
    """What stands in code behind the program's name, in blocks and in sentences."""
    code = ["".join(either) for path in DOCUMENTS for either in CODE.findall(path.read_text(encoding="utf-8"))]
    found = [" ".join(line.split()) for each in code for line in COMMAND.findall(each)]
    return [line for line in dict.fromkeys(found) if line.split()[0] not in OF_RUN_PY and GAP not in line]


@cache
def sentences() -> str:
    """Every text in the sources, a gap where something is put in, one to a line."""
    found = []
    for path in (ROOT / "run.py", *(ROOT / "anonnet").rglob("*.py"), *(ROOT / "daemons").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found).replace("{}", GAP)


def symptoms() -> list[str]:
    (part,) = re.findall(r"^## When something does not work$(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
    return SYMPTOM.findall(part)


@pytest.mark.parametrize("symptom", symptoms())
def test_what_the_readme_says_it_says_is_in_the_program(symptom: str) -> None:
    pieces = [re.escape(piece) for piece in symptom.split(GAP)]

    assert re.search(".*".join(pieces), sentences()), "no such sentence in the sources"


@pytest.mark.parametrize("line", commands())
def test_each_command_that_is_quoted_exists(line: str) -> None:
    command, words = main, line.split()
    while words and isinstance(command, Group):
        found = command.get_command(Context(command), words.pop(0))
        assert found is not None, line
        command = found
    options = {option for each in command.params for option in each.opts}
    assert {word for word in words if word.startswith("--")} <= options
