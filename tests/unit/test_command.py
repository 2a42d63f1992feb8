"""The `anonnet` command, without any process: its help, and how a verb ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from anonnet_daemons.cli.main import NOUNS, main
from anonnet_daemons.cli.running import FILES
from anonnet_daemons.cli.verbs import Found, rows, verb
from anonnet_daemons.owner import Failed, NoDaemon, NotYet
from anonnet_daemons.shopping import portions
from click.testing import CliRunner

from anonnet.errors import BadStart, Fatal, Refused, Why
from anonnet.limits import UNITS_MAX


def verbs(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of a command, in words."""
    if not isinstance(command, click.Group):
        yield words
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from verbs(below, (*words, name))


ALL = [words for words in verbs(main) if words[0] in NOUNS]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_verb_has_help_with_an_example_and_json(words: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(main, [*words, "--help"])

    assert ran.exit_code == 0
    assert f"Example: anonnet {' '.join(words)}" in " ".join(ran.output.split())
    assert "--json" in ran.output


def test_the_root_lists_every_noun() -> None:
    ran = CliRunner().invoke(main, ["--help"])

    assert all(noun in ran.output for noun in (*NOUNS, "selftest"))


DAEMON = """
import resource
from anonnet_daemons.cli.running import run_daemon

async def run():
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))

run_daemon(run)
"""


@pytest.mark.parametrize(
    ("soft", "hard", "allowed"), [(256, FILES + 9, FILES), (FILES + 1, FILES + 9, FILES + 1), (256, 300, 300)]
)
def test_a_daemon_may_open_files_for_all_its_connections_or_says_that_it_may_not(
    soft: int, hard: int, allowed: int
) -> None:
    limited = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    daemon = ["sh", "-c", limited, "sh", sys.executable, "-c", DAEMON]
    ran = subprocess.run(daemon, capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout.split() == [str(allowed), str(hard)]
    assert ran.stderr.startswith(f"This process may open {allowed} files") == (allowed < FILES)


@pytest.mark.parametrize(
    ("problem", "code"),
    [(Failed("No."), 1), (BadStart("No."), 1), (NoDaemon("No."), 69), (Fatal("No."), 74), (NotYet("No."), 75)],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_goes_wrong_has_a_sentence_and_a_code(problem: Exception, code: int, wrapped: bool) -> None:
    group = click.Group()

    @verb(group, "fail", example="anonnet fail")
    def fail() -> Found:
        raise ExceptionGroup("a nursery's", [problem]) if wrapped else problem

    in_words, as_json = (CliRunner().invoke(group, ["fail", *more]) for more in ([], ["--json"]))

    assert (in_words.exit_code, in_words.stdout, in_words.stderr) == (code, "", "anonnet: No.\n")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (code, {"error": "No.", "exit": code})


def test_a_bug_is_not_hidden() -> None:
    group = click.Group()

    @verb(group, "fail", example="anonnet fail")
    def fail() -> Found:
        raise Refused(Why.INCIDENT)

    assert isinstance(CliRunner().invoke(group, ["fail"]).exception, Refused)


def test_what_other_parties_write_cannot_steer_the_terminal() -> None:
    group = click.Group()

    @verb(group, "show", example="anonnet show")
    def show() -> Found:
        return Found({"item": HOSTILE}, rows(("item",), [(HOSTILE,)]))

    @verb(group, "fail", example="anonnet fail")
    def fail() -> Found:
        raise Failed(HOSTILE)

    for ran in (CliRunner().invoke(group, [*words]) for words in (["show"], ["fail"], ["show", "--json"])):
        said = ran.stdout + ran.stderr
        assert "song" in said
        assert all(each == "\n" or each.isprintable() for each in said)


HOSTILE = "song\x1b[2J\x1b]0;title\x07\r\n\x9b\u202e"
"""An item's name that clears the screen, names the window, and writes from right to left."""


def test_a_wrong_denomination_makes_no_network(tmp_path: Path) -> None:
    for wrong in ("0,1", "2,3", "one", ",".join(str(2**power) for power in range(40))):
        ran = CliRunner().invoke(main, ["init", str(tmp_path / "n"), "--denominations", wrong])
        assert ran.exit_code == 2
        assert not (tmp_path / "n").exists()


def test_tables_put_numbers_to_the_right() -> None:
    assert rows(("item", "price"), [("song", 5), ("bells", 128)]) == ["item   price", "song       5", "bells    128"]


@pytest.mark.parametrize("amount", [1, 2, 3, 5, 15, 16, 20, 100, 255, 256, 1000])
def test_after_a_withdrawal_every_price_up_to_its_amount_can_be_paid(amount: int) -> None:
    denominations = [1, 2, 4, 8, 16, 32, 64, 128]

    tokens = [worth for part in portions(amount, denominations) for worth in largest_first(part, denominations)]

    assert sum(tokens) == amount
    sums = {0}
    for worth in tokens:
        sums |= {before + worth for before in sums}
    assert sums == set(range(amount + 1))


def largest_first(amount: int, denominations: list[int]) -> Iterator[int]:
    """As a wallet withdraws."""
    for each in sorted(denominations, reverse=True):
        yield from [each] * (amount // each)
        amount %= each


def test_an_amount_that_cannot_be_made_is_left_for_the_wallet_to_refuse() -> None:
    assert portions(3, [2, 4]) == [2, 1]
    assert portions(1, [2, 4]) == [1]
    assert portions(UNITS_MAX, []) == [UNITS_MAX]
