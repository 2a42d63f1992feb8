"""docs/wire.md and docs/steps.md say what the code does: their tables are made from it, their lists are complete.

To write the tables anew: `.venv/bin/python -m tests.house.test_docs`, from the checkout.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest

from anonnet import limits, parties, times
from anonnet.crypto.hashing import Label
from anonnet.errors import Why
from anonnet.protocol.answers import ANSWERS
from anonnet.protocol.logbook import Entry
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.relaying import Join
from anonnet.protocol.steps import Step
from anonnet.wire.codec import Message, Record
from anonnet.wire.signed import Signature, Signed
from tests.unit.wire.samples import MESSAGES, hints

DOCUMENTS = Path(__file__).parents[2] / "docs"
BETWEEN_PARTIES = [kind for kind in MESSAGES if kind.step in set(Step) and kind.step < Step.WATCH]
"""Messages that a stranger's program may meet; those of a control socket are between an owner and her own daemon."""

LIMITS = [
    "FRAME_MAX",
    "ENTRIES_MAX",
    "CHECKPOINT_STEP",
    "SHARD_SECONDS",
    "BRAND_NOTICE_SECONDS",
    "SETTLE_SECONDS",
    "RELEASE_SECONDS",
    "HANDED_SECONDS",
    "CLAIM_SECONDS",
    "FREED_SECONDS",
    "LEAD_SECONDS_MAX",
    "RETENTION_SECONDS",
    "MERCHANT_MARGIN_SECONDS",
    "BRAND_WINDOW_SECONDS_MIN",
    "ORDER_SECONDS",
    "UNPAID_ORDERS_MAX",
    "FOLLOW_BYTES_MAX",
    "FOLLOW_SECONDS",
    "TURNS_PER_CONNECTION_MAX",
    "COSTLY_MAX",
    "CONNECTIONS_MAX",
    "CONNECTIONS_PER_ADDRESS_MAX",
    "CONNECTIONS_KEPT",
    "CONNECTIONS_KEPT_PER_HOST_MAX",
    "UNSENT_PER_CONNECTION_MAX",
    "HANDSHAKE_SECONDS",
    "FRAME_SECONDS",
    "IDLE_SECONDS",
    "REPLY_SECONDS",
]
"""Limits that are met outside of messages."""


def paragraph(text: str | None) -> str:
    """A docstring's text in one line."""
    return " ".join((text or "").split())


def kind_of(hint: Any) -> tuple[str, str]:
    """How a field's kind and bounds are written."""
    if not hasattr(hint, "__metadata__"):
        return f"`{hint.__name__}`", ""
    kind, bounds = get_args(hint)
    between = f"{bounds.low}" if bounds.low == bounds.high else f"{bounds.low} to {bounds.high}"
    if get_origin(kind) is tuple:
        item, inside = kind_of(get_args(kind)[0])
        return f"list of {item}" + (f" of {inside}" if inside else ""), between
    if kind is int:
        return "integer", between
    return ("bytes" if kind is bytes else "text"), between + " bytes"


def fields(kind: type[Record]) -> Iterator[str]:
    """The table of a record's fields."""
    if hints(kind):
        yield from ("", "| field | kind | bounds |", "|---|---|---|")
    for name, hint in hints(kind).items():
        written, bounds = kind_of(hint)
        yield f"| `{name}` | {written} | {bounds} |"


def inside(hint: Any) -> Iterator[type[Record]]:
    """The record that a field holds, if it does."""
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = get_args(kind)[0] if get_origin(kind) is tuple else kind
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if isinstance(kind, type) and issubclass(kind, Record):
        yield kind
        for each in hints(kind).values():
            yield from inside(each)


def steps() -> Iterator[str]:
    """All steps between parties."""
    yield "| step | name | class | signed | payload at most | its answer |"
    yield "|---|---|---|---|---|---|"
    for kind in BETWEEN_PARTIES:
        answers = ", ".join(f"`{each.__name__}`" for each in ANSWERS.get(kind, ()))
        signed = "yes" if kind.signed else ""
        yield f"| {kind.step} | {called(kind)} | `{kind.__name__}` | {signed} | {kind.frame_max} | {answers} |"


def called(kind: type[Message]) -> str:
    """A message's step, as the paper writes it: P5a."""
    return re.sub(r"(?<=\d)[A-Z]", lambda letter: letter.group().lower(), Step(kind.step).name)


def messages() -> Iterator[str]:
    """Each message with its fields."""
    for kind in BETWEEN_PARTIES:
        yield from ("", f"### {kind.step}: {kind.__name__}", "", paragraph(kind.__doc__), *fields(kind))


def records() -> Iterator[str]:
    """The records inside messages, and the log's entry."""
    found = [each for kind in BETWEEN_PARTIES for hint in hints(kind).values() for each in inside(hint)]
    for kind in dict.fromkeys([Signed, Signature, *found, Entry]):
        yield from ("", f"### {kind.__name__}", "", paragraph(kind.__doc__), *fields(kind))


def bounds() -> Iterator[str]:
    """Limits with their reasons, as they stand in the code."""
    modules = (limits, times)
    bodies = [ast.parse(Path(each.__file__).read_text("utf-8")).body for each in modules]
    reasons = {
        node.targets[0].id: paragraph(after.value.value)
        for body in bodies
        for node, after in pairwise(body)
        if isinstance(node, ast.Assign) and isinstance(after, ast.Expr)
    }
    values = {name: value for each in modules for name, value in vars(each).items()}
    yield from ("| limit | value | why |", "|---|---|---|")
    for name in LIMITS:
        yield f"| `{name}` | {values[name]} | {reasons[name]} |"


def handlers() -> Iterator[tuple[type, str]]:
    """Every handler of every party, with the kind of message that it takes."""
    for module in map(importlib.import_module, (each.name for each in pkgutil.walk_packages(*PARTIES))):
        for holder in vars(module).values():
            if isinstance(holder, type) and holder.__module__ == module.__name__:
                for method in vars(holder).values():
                    yield from ((kind, f"{place(module.__name__)} `{method.__name__}`") for kind in taken_by(method))


PARTIES = parties.__path__, "anonnet.parties."


def taken_by(method: Any) -> Iterable[type]:
    """The kinds of message that a method takes, by its marks."""
    return dict.fromkeys(kind for kind, *_ in getattr(method, "handles", ()))


def place(module: str) -> str:
    """A module of anonnet, as its file."""
    return f"{module.removeprefix('anonnet.').replace('.', '/')}.py"


def where() -> Iterator[str]:
    """Where each step stands in the code."""
    takers: dict[type, list[str]] = {}
    for kind, handler in handlers():
        takers.setdefault(kind, []).append(handler)
    yield from ("| step | name | message | taken by |", "|---|---|---|---|")
    for kind in BETWEEN_PARTIES:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        message = f"{place(kind.__module__)} `{kind.__name__}`"
        yield f"| {called(kind)} | {name} | {message} | {', '.join(takers.get(kind, ()))} |"


MADE = {
    "wire.md": {"steps": steps, "messages": messages, "records": records, "limits": bounds},
    "steps.md": {"where": where},
}


def read(name: str) -> str:
    return (DOCUMENTS / name).read_text("utf-8")


def rendered(document: str) -> str:
    """A document with its tables as they should be."""
    text = read(document)
    for name, make in MADE[document].items():
        between = re.compile(rf"(?<=<!-- made: {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
        text, count = between.subn(
            lambda _, make=make: "\n".join(["", *make(), "", ""]).replace("\n\n\n", "\n\n"), text
        )
        assert count == 1, f"{name} has no place in {document}"
    return text


@pytest.mark.parametrize("document", MADE)
def test_the_tables_are_those_of_the_code(document: str) -> None:
    assert read(document) == rendered(document), f"{document} is not what the code says: see the docstring of this file"


def missing(words: Iterable[str]) -> list[str]:
    text = read("wire.md")
    return [word for word in words if f"`{word}`" not in text]


def test_every_label_and_every_reason_is_explained() -> None:
    assert not missing(label.value for label in Label)
    assert not missing(why.value for why in Why)


def test_each_label_names_its_users() -> None:
    """As modules, in the comment beside it or above it."""
    root = DOCUMENTS.parent
    files = [*(root / "anonnet").rglob("*.py"), *(root / "daemons").rglob("*.py")]
    users: dict[str, set[str]] = {}
    for path in files:
        for label in re.findall(r"\bLabel\.([A-Z_]+)\b", path.read_text("utf-8")):
            users.setdefault(label, set()).add(".".join(path.with_suffix("").relative_to(root).parts[1:]))
    text = (root / "anonnet" / "crypto" / "hashing.py").read_text("utf-8")
    told = re.findall(r"((?:^    # .*\n)?)^    ([A-Z_]+) = \"anonnet [a-z ]+\"(.*)$", text, re.MULTILINE)

    assert {name for _, name, _ in told} == {label.name for label in Label}
    assert {name: set(re.findall(r"[a-z_]+\.[a-z_]+", before + beside)) for before, name, beside in told} == users


@pytest.mark.parametrize("kind", BETWEEN_PARTIES, ids=lambda kind: kind.__name__)
def test_every_message_asks_answers_or_stands_inside_another(kind: type[Message]) -> None:
    answers = {each for several in ANSWERS.values() for each in several}
    parts = {"Brand", "Terms", "Ticket", "SealedM"}  # signed papers inside brands

    assert kind in ANSWERS or kind in answers or kind is Refusal or kind.__name__ in parts
    assert Join in ANSWERS


def main() -> None:
    """Write the tables anew."""
    for document in MADE:
        (DOCUMENTS / document).write_text(rendered(document), "utf-8")


if __name__ == "__main__":
    main()
