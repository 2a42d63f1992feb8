"""The house rules, as tests: a rule that no test enforces is a wish.

A rule is a function from a source to complaints. `test_the_house` runs all of them over the packages as they are;
`test_each_rule_bites` shows each a small source that breaks it and no other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A layer may import those on its own line and above, within `anonnet`.
LAYERS = [
    {"limits", "times", "errors"},
    {"crypto"},
    {"wire"},
    {"tlog"},
    {"protocol"},
    {"store"},
    {"parties"},
    {"net"},
    {"web"},
]
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
DAEMONS = "anonnet_daemons"
JUDGE = "anonnet/parties/judge/"
# An offline program: what is true of a message, and no more.
JUDGE_MAY_IMPORT = {"protocol", "limits", "times", "errors"}

# What only some places may import: layers, modules of a layer (`crypto.hashing`), or the daemons.
ONLY_IN = {
    "trio": {"net", "web", DAEMONS},
    "asyncio": set(),
    "socket": {"net"},
    "sqlite3": {"store"},
    "msgpack": {"wire", "crypto.hashing"},
    "gmpy2": {"crypto"},
    "nacl": {"crypto"},
    "cryptography": {"crypto"},
    "time": {"net", DAEMONS},
    "datetime": {"net", "web", DAEMONS},
    "random": set(),
    "secrets": {"crypto"},
    "os": {"crypto", "store", "net", DAEMONS},
}
LINES_PER_FILE, LINES_PER_FUNCTION = 400, 50

# The two places that contain a bug where it strikes: the runner of turns, and net's runner of connections.
CATCH_ALL = frozenset({"anonnet/parties/turn.py:_turn", "anonnet/net/incidents.py:confine"})

PRAISE = re.compile(
    r"\b(blazing\w*|lightning-fast|seamless\w*|robust\w*|powerful\w*|cutting-edge|bleeding-edge|world-class|leverag\w+"
    r"|state-of-the-art|next-gen\w*|revolution\w*|effortless\w*|enterprise-grade|military-grade|unparalleled"
    r"|game-chang\w+|bulletproof|best-in-class|supercharg\w*|battle-tested|elegant\w*)\b",
    re.IGNORECASE,
)
LATER = re.compile(r"\b(TODO|FIXME|XXX)\b")  # what is missing is an issue, or a sentence that admits it

# Written in two pieces, so that this file does not name what it forbids.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb.deb" + "ian.org", "crat" + "es.io"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file of the packages: its path from the checkout (for the daemons, from `daemons/`), and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.path.split("/")[0]

    @property
    def place(self) -> str:
        """Where it stands in its package, as imported: `crypto.hashing`; for a package's own file, `crypto`."""
        return ".".join(self.path.removesuffix(".py").removesuffix("/__init__").split("/")[1:])

    @property
    def layer(self) -> str:
        return DAEMONS if self.package == DAEMONS else self.place.split(".")[0]

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    def all(self, *kinds: type) -> Iterator[ast.AST]:
        return (node for node in self.nodes if isinstance(node, kinds))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Each imported name in full, with its line: `from anonnet import net` imports `anonnet.net`."""
        for node in self.all(ast.Import, ast.ImportFrom):
            module = "" if isinstance(node, ast.Import) else f"{node.module}."
            yield from ((node.lineno, f"{module}{alias.name}") for alias in node.names)


Complaints = Iterator[str]


def imports_go_down(source: Source) -> Complaints:
    """Within anonnet a file imports its own layer and those below; nothing there imports the daemons."""
    if source.package == DAEMONS:
        return
    if source.layer and source.layer not in HEIGHT:
        yield f"{source.layer} is not a layer"
    for line, name in source.imports():
        top, _, rest = name.partition(".")
        layer = rest.split(".")[0]
        if top == DAEMONS:
            yield f"line {line}: anonnet imports {DAEMONS}"
        if top == "anonnet" and HEIGHT.get(layer, -1) > HEIGHT.get(source.layer, -1):
            yield f"line {line}: {source.layer} imports {layer}, which is above it"


def judge_reads_only(source: Source) -> Complaints:
    """The judge imports protocol, and what every layer may; no other party, no store, no library."""
    if not source.path.startswith(JUDGE):
        return
    for line, name in source.imports():
        top, _, rest = name.partition(".")
        ours = top == "anonnet" and (rest.split(".")[0] in JUDGE_MAY_IMPORT or rest.startswith("parties.judge."))
        if not ours and top not in sys.stdlib_module_names:
            yield f"line {line}: the judge imports {name}"


def modules_at_their_place(source: Source) -> Complaints:
    """The world, the clock, chance and the libraries are each imported in their own layers only."""
    for line, name in source.imports():
        top = name.split(".")[0]
        if top in ONLY_IN and not {source.layer, source.place} & ONLY_IN[top]:
            yield f"line {line}: {source.layer} may not import {top}"


def absolute_imports(source: Source) -> Complaints:
    for node in source.all(ast.ImportFrom):
        if node.level:
            yield f"line {node.lineno}: a relative import"


def nothing_waits_below_net(source: Source) -> Complaints:
    """Below net/ nothing is async: a decision runs from start to end with nothing changing under it."""
    if HEIGHT.get(source.layer, HEIGHT["net"]) < HEIGHT["net"]:
        for node in source.all(ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith):
            yield f"line {node.lineno}: waits, below net"


def sizes(source: Source) -> Complaints:
    """Ceilings, not aims."""
    lines = len(source.text.splitlines())
    if lines > LINES_PER_FILE:
        yield f"{lines} lines in the file"
    for node in source.all(*Function.__args__):
        length = node.end_lineno - node.lineno + 1
        if length > LINES_PER_FUNCTION:
            yield f"line {node.lineno}: {length} lines in {node.name}"


def few_catch_all(source: Source) -> Complaints:
    """A bug is contained in two named functions and hidden nowhere."""
    for function, node in within_functions(source.tree, "the module"):
        if isinstance(node, ast.ExceptHandler) and not lets_go(node):
            caught = names_in(node.type) if node.type else {"BaseException"}
        elif isinstance(node, ast.Call) and "suppress" in names_in(node.func):
            caught = set().union(*map(names_in, node.args))
        else:
            continue
        if caught & {"Exception", "BaseException"} and f"{source.path}:{function}" not in CATCH_ALL:
            yield f"line {node.lineno}: {function} catches everything"


def lets_go(handler: ast.ExceptHandler) -> bool:
    """Whether it tidies up and raises what it caught: such a handler hides nothing, and may catch everything."""
    last = handler.body[-1]
    leaves = any(isinstance(node, ast.Return | ast.Break | ast.Continue) for node in ast.walk(handler))
    return isinstance(last, ast.Raise) and last.exc is None and not leaves


def within_functions(node: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, Function) else function
        yield inner, child
        yield from within_functions(child, inner)


def names_in(node: ast.AST) -> set[str]:
    found = [each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in ast.walk(node)]
    return set(found)


def says_what_it_is(source: Source) -> Complaints:
    if not ast.get_docstring(source.tree):
        yield "no docstring"


def parties_do_not_print(source: Source) -> Complaints:
    if source.package == "anonnet":
        for node in source.all(ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"line {node.lineno}: prints"


def nothing_left_for_later(source: Source) -> Complaints:
    yield from (f"line {line}: {word}" for line, word in found(LATER, source.text))


def no_praise_in_docstrings(source: Source) -> Complaints:
    for node in source.all(ast.Module, ast.ClassDef, *Function.__args__):
        for _, word in found(PRAISE, ast.get_docstring(node) or ""):
            yield f"{getattr(node, 'name', 'the module')} praises itself: {word}"


def limits_say_why(source: Source) -> Complaints:
    """Each bound has its reason beside it: a comment on its line or the line before, or a docstring after it."""
    if source.path not in {"anonnet/limits.py", "anonnet/times.py"}:
        return
    lines, body = source.text.splitlines(), source.tree.body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        named = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and bool(after.value.value)
        before = lines[node.lineno - 2].startswith("#")
        if not named and not before and "#" not in lines[node.end_lineno - 1]:
            yield f"line {node.lineno}: a limit without its reason"


def found(words: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    for line, each in enumerate(text.splitlines(), start=1):
        yield from ((line, match.group()) for match in words.finditer(each))


RULES: list[Callable[[Source], Complaints]] = [
    imports_go_down,
    judge_reads_only,
    modules_at_their_place,
    absolute_imports,
    nothing_waits_below_net,
    sizes,
    few_catch_all,
    says_what_it_is,
    parties_do_not_print,
    nothing_left_for_later,
    no_praise_in_docstrings,
    limits_say_why,
]


@cache
def packages() -> list[Source]:
    return [
        Source(path.relative_to(base).as_posix(), path.read_text(encoding="utf-8"))
        for base, package in ((ROOT, "anonnet"), (ROOT / "daemons", DAEMONS))
        for path in sorted((base / package).rglob("*.py"))
    ]


def files_of_the_project() -> list[Path]:
    """All that is in git or about to be; nothing that .gitignore names."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house(rule: Callable[[Source], Complaints]) -> None:
    complaints = [f"{source.path}: {said}" for source in packages() for said in rule(source)]

    assert not complaints, "\n".join(complaints)


def test_at_most_two_functions_catch_everything() -> None:
    assert len(CATCH_ALL) <= 2


def test_documents_do_not_praise() -> None:
    documents = [path for path in files_of_the_project() if path.suffix == ".md"]
    assert documents

    # A quotation, on a line that starts with ">", is the paper's word and not ours.
    words = [(path.name, *each) for path in documents for each in found(PRAISE, unquoted(path.read_text("utf-8")))]

    assert not words


def unquoted(text: str) -> str:
    return "\n".join("" if line.startswith(">") else line for line in text.split("\n"))


def test_no_file_names_a_registry() -> None:
    """Mirrors and proxies are the user's choice: a host that is written down somewhere would go around them."""
    files = [(path.name, path.read_bytes()) for path in files_of_the_project()]

    named = [(name, host) for name, content in files for host in REGISTRIES if host.encode() in content]

    assert not named


GOOD = '"""What it is."""\n'
BAD = [  # rule, path, what to add to a source that is otherwise good, and what the rule says about it
    (imports_go_down, "anonnet/crypto/a.py", "from anonnet import wire", "crypto imports wire, which is above it"),
    (imports_go_down, "anonnet/protocol/a.py", "import anonnet.parties.bank", "imports parties"),
    (imports_go_down, "anonnet/limits.py", "def f():\n    from anonnet.crypto import hashing", "imports crypto"),
    (imports_go_down, "anonnet/__init__.py", "from anonnet.limits import KIB", " imports limits"),
    (imports_go_down, "anonnet/net/a.py", "import anonnet_daemons.config", "anonnet imports anonnet_daemons"),
    (imports_go_down, "anonnet/utilities.py", "", "utilities is not a layer"),
    (judge_reads_only, f"{JUDGE}a.py", "from anonnet.store.base import Store", "the judge imports anonnet.store"),
    (judge_reads_only, f"{JUDGE}a.py", "from anonnet.parties.bank import Bank", "the judge imports anonnet.parties"),
    (judge_reads_only, f"{JUDGE}a.py", "import click", "the judge imports click"),
    (modules_at_their_place, "anonnet/parties/a.py", "import time", "parties may not import time"),
    (modules_at_their_place, "anonnet/parties/a.py", "import os.path", "may not import os"),
    (modules_at_their_place, "anonnet/crypto/sealing.py", "import msgpack", "may not import msgpack"),
    (modules_at_their_place, "anonnet/net/a.py", "from sqlite3 import connect", "may not import sqlite3"),
    (modules_at_their_place, "anonnet_daemons/a.py", "import random", "may not import random"),
    (absolute_imports, "anonnet/wire/a.py", "from .codec import decode", "a relative import"),
    (nothing_waits_below_net, "anonnet/parties/a.py", "async def f(): pass", "waits, below net"),
    (sizes, "anonnet/wire/a.py", "\n" * 400, "401 lines in the file"),
    (sizes, "anonnet/wire/a.py", "def f():\n" + "    f()\n" * 50, "51 lines in f"),
    (few_catch_all, "anonnet/net/a.py", "def f():\n    try: f()\n    except: pass", "f catches everything"),
    (few_catch_all, "anonnet/net/a.py", "try: f()\nexcept (ValueError, Exception): pass", "catches everything"),
    (
        few_catch_all,
        "anonnet/net/a.py",
        "def f():\n    try: f()\n    except Exception:\n        if f(): return\n        raise",
        "f catches everything",
    ),
    (few_catch_all, "anonnet/net/a.py", "with contextlib.suppress(Exception): f()", "catches everything"),
    (says_what_it_is, "anonnet/net/a.py", None, "no docstring"),
    (parties_do_not_print, "anonnet/net/a.py", "print('paid')", "prints"),
    (nothing_left_for_later, "anonnet/net/a.py", "f()  # TO" + "DO: the rest", "TO" + "DO"),
    (no_praise_in_docstrings, "anonnet/net/a.py", 'def f():\n    """A Robust f."""', "f praises itself: Robust"),
    (limits_say_why, "anonnet/limits.py", "A_MAX = 1\n\nB_MAX = 2\n'''Because.'''", "a limit without its reason"),
]


def shown(value: object) -> str:
    """A test's name must be the same in every process: a function's address is not."""
    return getattr(value, "__name__", str(value))[:40]


@pytest.mark.parametrize(("rule", "path", "added", "complaint"), BAD, ids=shown)
def test_each_rule_bites(rule: Callable[[Source], Complaints], path: str, added: str | None, complaint: str) -> None:
    bad = Source(path, "" if added is None else GOOD + added)

    assert [said for said in rule(bad) if complaint in said]
    assert not [other for other in RULES if other is not rule and list(other(bad))]


def test_every_rule_was_shown_to_bite() -> None:
    assert {bad[0] for bad in BAD} == set(RULES)


def test_good_sources_pass() -> None:
    good = [
        Source("anonnet/limits.py", GOOD + "# Because.\nA = 1\nB = 2  # because\nC = 3\n'''Because.'''"),
        Source("anonnet/crypto/hashing.py", GOOD + "import msgpack\nfrom anonnet.limits import A"),
        Source("anonnet/parties/turn.py", GOOD + "def _turn():\n    try: f()\n    except Exception: pass"),
        Source("anonnet/net/b.py", GOOD + "try: f()\nexcept BaseException:\n    close()\n    raise"),
        Source("anonnet/net/a.py", GOOD + "import trio\nfrom anonnet.parties import bank\nasync def f(): await f()"),
        Source(JUDGE, GOOD + "import enum\nfrom anonnet.protocol.goods import Contract"),
        Source("anonnet_daemons/a.py", GOOD + "import trio\nfrom anonnet.net import serving\nprint(1)"),
    ]

    assert not [(source.path, list(rule(source))) for source in good for rule in RULES if list(rule(source))]
