"""Trust policies (C2SP tlog-policy): what is one, which say the same, and which checkpoints one accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.errors import Malformed
from anonnet.limits import POLICY_BYTES_MAX, POLICY_NESTING_MAX
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import EMPTY_ROOT
from anonnet.tlog.note import Kind, Note, Signature, Signer, Verifier
from anonnet.tlog.policy import Definition, Group, Log, Policy, Witness
from tests.unit.tlog.making import LOG_KEY, NOON, ORIGIN, signed, signer

WITNESSES = {name.encode(): signer(f"{name.lower()}.example") for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
VKEYS = {name: each.verifier(Kind.COSIGNATURE).vkey for name, each in WITNESSES.items()}
NEW_VKEY = signer("new.example").verifier(Kind.COSIGNATURE).vkey
LOG_LINE = f"log {LOG_KEY.vkey}\n"
LINES = "".join(f"witness {name.decode()} {vkey}\n" for name, vkey in VKEYS.items())
EXAMPLE = f"""# The example of the specification.
{LOG_LINE}
{LINES}
group X-witnesses 2 X1 X2 X3
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def policy(text: str) -> Policy:
    return Policy.parse(text.encode())


def cosigned(times: dict[bytes, int]) -> SignedCheckpoint:
    return signed(0, EMPTY_ROOT, [(WITNESSES[name], time) for name, time in times.items()])


@pytest.mark.parametrize(
    ("names", "met"),
    [("X1 X2 Y1", True), ("X1 X3 Y2 Y3", True), ("X1 X2 X3", False), ("X1 Y1 Y2 Y3", False), ("", False)],
)
def test_the_example_of_the_specification(names: str, met: bool) -> None:
    evaluation = policy(EXAMPLE).evaluate(cosigned({name.encode(): NOON for name in names.split()}))

    assert evaluation.met is met
    assert evaluation.time == (NOON if met else None)
    assert [name.decode() for name, _ in evaluation.witnesses] == sorted(names.split())
    assert (evaluation.log, evaluation.checkpoint.origin) == (LOG_KEY, ORIGIN)


@st.composite
def nested(draw: st.DrawFn) -> Policy:
    """A policy of up to 6 witnesses in groups of groups, some names in none."""
    definitions: list[Definition] = [Log(LOG_KEY)]
    definitions += [Witness(name, Verifier.parse(vkey)) for name, vkey in VKEYS.items()]
    free = list(VKEYS)
    for number in range(draw(st.integers(0, 4))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        threshold = draw(st.integers(1, len(members)))
        definitions.append(Group(b"group-%d" % number, threshold, tuple(members)))
        free = [name for name in free if name not in members] + [b"group-%d" % number]
    names = [b"none", *VKEYS, *(each.name for each in definitions if isinstance(each, Group))]
    return Policy(tuple(definitions), draw(st.sampled_from(names[::-1])))


def subsets(names: Sequence[bytes]) -> Iterator[frozenset[bytes]]:
    for number in range(len(names) + 1):
        yield from map(frozenset, combinations(names, number))


def satisfies(rule: Policy, name: bytes, cosigners: frozenset[bytes]) -> bool:
    """tlog-policy: "if and only if at least k of its n members have witnessed that checkpoint"."""
    group = next((each for each in rule.groups if each.name == name), None)
    if group is None:
        return name == b"none" or name in cosigners
    return sum(satisfies(rule, member, cosigners) for member in group.members) >= group.threshold


@given(nested(), st.dictionaries(st.sampled_from(list(VKEYS)), st.integers(1, 20)))
@settings(max_examples=100, deadline=None)
def test_a_quorum_is_what_some_subset_of_the_witnesses_makes_first(rule: Policy, times: dict[bytes, int]) -> None:
    quorums = [subset for subset in subsets(list(times)) if satisfies(rule, rule.quorum, subset)]
    matters = {
        name
        for name in VKEYS
        for subset in subsets(list(VKEYS))
        if satisfies(rule, rule.quorum, subset | {name}) != satisfies(rule, rule.quorum, subset - {name})
    }

    evaluation = rule.evaluate(cosigned(times))

    assert evaluation.met == bool(quorums)
    assert evaluation.time == min((max((times[name] for name in each), default=0) for each in quorums), default=None)
    assert dict(evaluation.witnesses) == {name: time for name, time in times.items() if name in matters}
    assert rule.counted == matters


@given(nested())
@settings(max_examples=100, deadline=None)
def test_the_canonical_text_is_one_for_all_that_trust_alike(rule: Policy) -> None:
    reordered = Policy((*rule.witnesses[::-1], *rule.logs, *rule.groups), rule.quorum)
    canonical = rule.canonical()

    assert Policy.parse(canonical).canonical() == canonical
    assert reordered.canonical() == canonical
    for at, group in enumerate(rule.groups):
        threshold = group.threshold % len(group.members) + 1
        groups = [*rule.groups[:at], Group(group.name, threshold, group.members), *rule.groups[at + 1 :]]
        if threshold != group.threshold:
            assert Policy((*rule.logs, *rule.witnesses, *groups), rule.quorum).canonical() != canonical


def test_what_does_not_change_the_canonical_text() -> None:
    canonical = policy(EXAMPLE).canonical()
    for text in (
        EXAMPLE.replace(" any ", " 1 ").replace(" all ", " 2 "),
        EXAMPLE.replace(LOG_LINE, f"\t log\t{LOG_KEY.vkey}  https://log.example/ \n \t# comment\n"),
        EXAMPLE.replace("2 X1 X2 X3", "2 X3 X1 X2"),
        EXAMPLE.replace(LOG_LINE, "").replace("quorum", f"{LOG_LINE}quorum"),
        EXAMPLE.replace(LOG_LINE, "").replace("quorum X-and-Y\n", f"quorum X-and-Y\n{LOG_LINE}"),
    ):
        assert text != EXAMPLE
        assert policy(text).canonical() == canonical
    assert policy(EXAMPLE.replace("X1", "Z1")).canonical() != canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        EXAMPLE[:-1],
        EXAMPLE + "quorum X1\n",
        EXAMPLE.replace("quorum X-and-Y\n", ""),
        EXAMPLE.replace("quorum X-and-Y", "quorum"),
        EXAMPLE.replace("quorum X-and-Y", "quorum X1 X2"),
        EXAMPLE.replace("quorum X-and-Y", "quorum Z"),
        "quorum X1\n" + LINES,
        EXAMPLE.replace("group X-and-Y all", "group X-and-Y all X1"),
        EXAMPLE.replace("any Y1", "any Y1 Y1"),
        EXAMPLE.replace("any Y1", "any none Y1"),
        EXAMPLE.replace("any Y1", "any Y-witnesses Y1"),
        EXAMPLE.replace("any Y1", "any X-and-Y Y1"),
        EXAMPLE.replace("any Y1", "0 Y1"),
        EXAMPLE.replace("any Y1", "4 Y1"),
        EXAMPLE.replace("any Y1", "01 Y1"),
        EXAMPLE.replace("any Y1", "\u00b9 Y1"),
        EXAMPLE.replace("any Y1 Y2 Y3", "any"),
        EXAMPLE + "group X1 any X-and-Y\n",
        EXAMPLE + "group none any X-and-Y\n",
        f"{EXAMPLE}witness none {NEW_VKEY}\n",
        f"{EXAMPLE}witness X1 {NEW_VKEY}\n",
        f"{EXAMPLE}group late any later\nwitness later {NEW_VKEY}\n",
        EXAMPLE.replace(VKEYS[b"X2"], VKEYS[b"X1"]),
        EXAMPLE.replace(VKEYS[b"X2"], WITNESSES[b"X2"].verifier(Kind.ED25519).vkey),
        EXAMPLE.replace(VKEYS[b"X2"], VKEYS[b"X2"][:-4]),
        EXAMPLE.replace(LOG_LINE, LOG_LINE * 2),
        EXAMPLE.replace(LOG_LINE, f"log {VKEYS[b'X1']}\n"),
        EXAMPLE.replace(LOG_LINE, f"log {LOG_KEY.vkey} url more\n"),
        EXAMPLE.replace(LOG_LINE, "log\n"),
        EXAMPLE.replace("log ", "Log "),
        EXAMPLE.replace("\n", "\r\n"),
        EXAMPLE + "# \x7f\n",
        EXAMPLE + "trust everyone\n",
        EXAMPLE + "#" * POLICY_BYTES_MAX + "\n",
    ],
)
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(Malformed):
        policy(text)


def test_definitions_may_follow_the_quorum() -> None:
    rule = policy(f"{EXAMPLE}witness later {NEW_VKEY}\ngroup late any later\n")

    assert len(rule.witnesses) == 7
    assert rule.counted == set(VKEYS)


def test_one_public_key_is_one_witness_under_whatever_name() -> None:
    again = Signer("again.example", WITNESSES[b"X1"].key).verifier(Kind.COSIGNATURE).vkey
    with pytest.raises(Malformed, match="twice"):
        policy(f"{EXAMPLE}witness again {again}\n")


def test_names_are_octets() -> None:
    text = EXAMPLE.encode().replace(b"X1", b"\xff\xfe").replace(b"Y1", "\u212a".encode())

    assert b"\xff\xfe" in Policy.parse(text).counted
    with pytest.raises(Malformed):
        Policy.parse(text.replace(VKEYS[b"X2"].encode(), b"\xff+00000000+AQ=="))


def test_the_limits_of_a_policy() -> None:
    def many(number: int) -> str:
        logs = [f"log {signer(f'log{i}').verifier(Kind.ED25519).vkey}" for i in range(number)]
        witnesses = [f"witness w{i} {signer(f'w{i}').verifier(Kind.COSIGNATURE).vkey}" for i in range(number)]
        groups = [f"group g{i} any w{i}" for i in range(number)]
        return "\n".join([*logs, *witnesses, *groups, "quorum w0\n"])

    assert len(policy(many(32)).definitions) == 96
    for kind in ("log", "witness", "group"):
        short = [line for line in many(33).split("\n") if not line.startswith(("log", "witness", "group"))]
        more = [line for line in many(33).split("\n") if line.startswith(kind)]
        needed = [line for line in many(32).split("\n") if line.startswith("witness")] if kind == "group" else []
        with pytest.raises(Malformed, match=r"more than 32|not defined"):
            policy("\n".join([*needed, *more, *short]))


def test_the_nesting_of_groups_is_bounded() -> None:
    def deep(levels: int) -> str:
        groups = "".join(f"group g{i} all {f'g{i - 1}' if i else 'X1'}\n" for i in range(levels))
        return f"{LOG_LINE}{LINES}{groups}quorum g{levels - 1}\n"

    assert policy(deep(POLICY_NESTING_MAX)).evaluate(cosigned({b"X1": NOON})).met
    with pytest.raises(Malformed, match="nested"):
        policy(deep(POLICY_NESTING_MAX + 1))


def test_without_witnesses_the_log_alone_is_enough() -> None:
    evaluation = policy(f"{LOG_LINE}quorum none\n").evaluate(cosigned({b"X1": NOON}))

    assert (evaluation.met, evaluation.time, evaluation.witnesses) == (True, 0, ())


def test_a_checkpoint_counts_only_with_the_signature_of_a_log_of_its_origin() -> None:
    rule, cosigners = policy(EXAMPLE), [(WITNESSES[name], NOON) for name in (b"X1", b"X2", b"Y1")]
    other = signer("log.example/2027")
    elsewhere = signed(0, EMPTY_ROOT, cosigners, origin="log.example/2027", by=other)

    for bad in (
        signed(0, EMPTY_ROOT, cosigners, by=other),
        signed(0, EMPTY_ROOT, cosigners, origin="log.example/2027"),
        elsewhere,
    ):
        with pytest.raises(Malformed, match="by its log"):
            rule.evaluate(bad)
    assert rule.evaluate(elsewhere, [other.verifier(Kind.ED25519)]).met
    with pytest.raises(Malformed):
        rule.evaluate(signed(0, EMPTY_ROOT, cosigners, origin="a.example", by=other), [other.verifier(Kind.ED25519)])


def test_a_policy_may_know_its_log_from_elsewhere() -> None:
    rule = policy(EXAMPLE.replace(LOG_LINE, ""))
    checkpoint = cosigned({b"X1": 7, b"X2": 5, b"X3": 9, b"Y1": 6})

    with pytest.raises(Malformed):
        rule.evaluate(checkpoint)
    assert rule.evaluate(checkpoint, [LOG_KEY]).time == 7


def test_a_bad_cosignature_by_a_known_witness_rejects_the_checkpoint() -> None:
    checkpoint = cosigned({b"X1": NOON, b"X2": NOON, b"Y1": NOON})
    bad = Signature.of(WITNESSES[b"Y2"].verifier(Kind.COSIGNATURE), bytes(72))
    note = Note(checkpoint.note.text, (*checkpoint.note.signatures, bad))

    with pytest.raises(Malformed):
        policy(EXAMPLE).evaluate(SignedCheckpoint.parse(note.encoded()))
    assert policy(EXAMPLE.replace(VKEYS[b"Y2"], NEW_VKEY)).evaluate(SignedCheckpoint.parse(note.encoded()))


def test_the_earliest_of_several_cosignatures_by_one_witness_counts_once() -> None:
    checkpoint = signed(0, EMPTY_ROOT, [(WITNESSES[b"X1"], time) for time in (9, 4, 6)])

    evaluation = policy(EXAMPLE.replace("quorum X-and-Y", "quorum X-witnesses")).evaluate(checkpoint)

    assert (evaluation.met, evaluation.witnesses) == (False, ((b"X1", 4),))


def test_a_cosignature_of_time_0_does_not_count() -> None:
    text, key = cosigned({}).note.text, WITNESSES[b"X1"].key
    timeless = bytes(8) + key.sign(f"cosignature/v1\ntime 0\n{text}".encode())
    line = Signature.of(WITNESSES[b"X1"].verifier(Kind.COSIGNATURE), timeless)
    note = Note(text, (*cosigned({}).note.signatures, line))
    rule = policy(EXAMPLE.replace("quorum X-and-Y", "quorum X1"))

    assert note.opened([WITNESSES[b"X1"].verifier(Kind.COSIGNATURE)])
    assert not rule.evaluate(SignedCheckpoint.parse(note.encoded())).met


def test_a_witness_with_a_key_of_an_unknown_type_never_cosigns() -> None:
    post_quantum = Verifier("x1.example", b"\x01\x02\x03\x04", 0x06, bytes(1312)).vkey
    rule = policy(EXAMPLE.replace(VKEYS[b"X1"], post_quantum))

    assert not rule.evaluate(cosigned({b"X1": NOON, b"X2": NOON, b"Y1": NOON})).met
    assert rule.evaluate(cosigned({b"X3": NOON, b"X2": NOON, b"Y1": NOON})).met


def test_keys_that_lines_could_not_tell_apart_are_refused() -> None:
    one = Verifier("a.example", b"\x01\x02\x03\x04", 0x06, bytes(1312))
    twin = Verifier("a.example", b"\x01\x02\x03\x04", 0x06, bytes(1311) + b"\x01")
    with pytest.raises(Malformed):
        Policy((Witness(b"one", one), Witness(b"twin", twin)), b"none")
