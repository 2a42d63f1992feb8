"""What a witness answers (C2SP tlog-witness), in the order of its checks, and what it remembers of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anonnet.errors import Malformed
from anonnet.tlog.checkpoint import Checkpoint
from anonnet.tlog.merkle import EMPTY_ROOT
from anonnet.tlog.note import Kind, Note, Signature
from anonnet.tlog.witness import NEVER, Decision, Request, State, add_checkpoint
from tests.unit.tlog.making import LOG, LOG_KEY, NOON, ORIGIN, entries, signed, signer, tree

MIRRORS = [signer("mirror.example"), signer("mirror.example/second")]
TREE = tree(entries(40))
OTHER = tree([*entries(3), *entries(37, b"other")])
AT_5 = State(5, TREE.root(5))


def request(old: int, new: int, path: tuple[bytes, ...] | None = None, root: bytes | None = None) -> Request:
    between = tuple(TREE.consistency(old, new)) if 0 < old <= new else ()
    return Request(old, between if path is None else path, signed(new, TREE.root(new) if root is None else root))


def asked(said: Request | bytes, state: State = AT_5) -> Decision:
    """The decision of a witness in this state, which is asked twice in a row, as after a crash."""
    data = said if isinstance(said, bytes) else said.encoded()
    decision = add_checkpoint(data, {ORIGIN: [LOG_KEY]}, {ORIGIN: state}.__getitem__, MIRRORS, NOON)
    assert decision == add_checkpoint(data, {ORIGIN: [LOG_KEY]}, {ORIGIN: state}.__getitem__, MIRRORS, NOON)
    assert (decision.status == 200) == (decision.state is not None)
    return decision


@pytest.mark.parametrize(("old", "new"), [(0, 1), (0, 40), (1, 2), (3, 4), (4, 8), (5, 40), (7, 7), (40, 40)])
def test_a_tree_that_extends_the_last_is_cosigned(old: int, new: int) -> None:
    said = request(old, new)

    decision = asked(said, State(old, TREE.root(old)))

    assert (decision.status, decision.origin, decision.state) == (200, ORIGIN, State(new, TREE.root(new)))
    lines = [Signature.parse(line) for line in decision.body.decode().removesuffix("\n").split("\n")]
    note = Note(said.checkpoint.note.text, (*said.checkpoint.note.signatures, *lines))
    opened = Note.parse(note.encoded()).opened([mirror.verifier(Kind.COSIGNATURE) for mirror in MIRRORS])
    assert [(each.key.name, each.time) for each in opened] == [(mirror.name, NOON) for mirror in MIRRORS]


def test_an_empty_tree_is_cosigned_under_its_one_root() -> None:
    assert asked(request(0, 0), NEVER).state == State(0, EMPTY_ROOT)
    assert asked(request(0, 0, root=bytes(32)), NEVER).status == 422


def test_the_same_tree_is_cosigned_again_at_another_time() -> None:
    data = request(5, 5).encoded()
    bodies = [
        add_checkpoint(data, {ORIGIN: [LOG_KEY]}, lambda origin: AT_5, MIRRORS, now).body for now in (NOON, NOON + 1)
    ]
    assert bodies[0] != bodies[1]


def test_an_unknown_origin_is_not_found_whoever_signed() -> None:
    elsewhere = replace(request(5, 9), checkpoint=signed(9, TREE.root(9), origin="log.example/2027"))

    assert asked(elsewhere).status == 404


def test_a_checkpoint_that_the_log_did_not_sign_is_forbidden() -> None:
    text = Checkpoint(ORIGIN, 9, TREE.root(9)).text
    stranger, wrong = signer("stranger.example").sign(text), Signature.of(LOG_KEY, bytes(64))
    for signatures in ((stranger,), (wrong,), (LOG.sign(text), wrong)):
        said = b"old 9\n\n" + Note(text, signatures).encoded()
        assert asked(said).status == 403
    assert asked(b"old 9\n\n" + Note(text, (stranger, LOG.sign(text))).encoded()).status == 409


def test_an_old_size_beyond_the_checkpoint_is_a_bad_request() -> None:
    assert asked(request(9, 8)).status == 400


@pytest.mark.parametrize("old", [0, 4, 6])
def test_an_old_size_that_is_not_the_last_is_a_conflict_and_told(old: int) -> None:
    decision = asked(request(old, 9))

    assert (decision.status, decision.body, decision.content_type) == (409, b"5\n", "text/x.tlog.size")


def test_a_tree_never_goes_back() -> None:
    assert asked(request(3, 4)).status == 409
    assert asked(request(5, 4)).status == 400


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (request(5, 9, path=()), AT_5),
        (request(5, 9, path=(bytes(32),)), AT_5),
        (request(5, 9, path=tuple(TREE.consistency(5, 9)[:-1])), AT_5),
        (request(5, 9, path=(*TREE.consistency(5, 9), bytes(32))), AT_5),
        (request(5, 9, path=tuple(OTHER.consistency(5, 9)), root=OTHER.root(9)), AT_5),
        (request(4, 9, path=tuple(OTHER.consistency(4, 9)), root=OTHER.root(9)), State(4, TREE.root(4))),
        (request(5, 5, path=(bytes(32),)), AT_5),
        (request(5, 5, root=OTHER.root(5)), AT_5),
        (request(0, 9, path=(bytes(32),)), NEVER),
    ],
)
def test_a_tree_that_does_not_extend_the_last_is_not_cosigned(said: Request, state: State) -> None:
    assert asked(said, state).status == 422


def test_all_pairs_of_sizes_and_branches() -> None:
    """Nothing is cosigned but the tree that extends the last, whatever proof comes with it."""
    for old in range(1, 12):
        for new in range(old, 12):
            for branch in (TREE, OTHER):
                said = request(old, new, path=tuple(branch.consistency(old, new)), root=branch.root(new))
                honest = branch.root(new) == TREE.root(new)
                same_past = branch.root(old) == TREE.root(old)
                assert asked(said, State(old, TREE.root(old))).status == (200 if honest or same_past else 422)


GOOD = request(5, 9).encoded().decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 5\n",
        GOOD.replace("old ", ""),
        GOOD.replace("old 5", "old 05"),
        GOOD.replace("old 5", "old -5"),
        GOOD.replace("old 5", f"old {2**63}"),
        GOOD.replace("old 5", "old 5 "),
        GOOD.replace("old 5\n", "old 5\nAAAA\n"),
        GOOD.replace("old 5\n", "old 5\n" + GOOD.split("\n")[1] + "\n" + (GOOD.split("\n")[1] + "\n") * 63),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("\n9\n", "\n09\n"),
        GOOD.removesuffix("\n"),
        GOOD.partition("\n\n")[0] + "\n\n",
        GOOD.replace("\n", "\r\n"),
        "x" * 10_000 + "\n\n",
    ],
)
def test_what_is_no_request_is_a_bad_one(text: str) -> None:
    assert asked(text.encode()).status == 400
    with pytest.raises(Malformed):
        Request.parse(text.encode())


def test_requests_round_trip() -> None:
    assert asked(GOOD.encode()).status == 200
    assert Request.parse(GOOD.encode()) == request(5, 9)


def test_extension_lines_are_cosigned_as_they_came() -> None:
    text = Checkpoint(ORIGIN, 9, TREE.root(9), ("an extension",)).text
    line = asked(b"old 0\n\n" + Note(text, (LOG.sign(text),)).encoded(), NEVER).body.decode().split("\n")[0]

    assert Note(text, (Signature.parse(line),)).opened([MIRRORS[0].verifier(Kind.COSIGNATURE)])


def test_63_proof_lines_are_read() -> None:
    said = request(5, 9, path=(bytes(32),) * 63)
    assert asked(said).status == 422
