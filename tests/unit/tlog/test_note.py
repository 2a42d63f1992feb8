"""Signed notes (C2SP signed-note): whose signature counts, and what is no note at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anonnet.errors import Malformed
from anonnet.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from anonnet.tlog.cosignature import message
from anonnet.tlog.note import Kind, Note, Signature, Signer, Verifier
from anonnet.tlog.text import to_base64
from tests.unit.tlog.making import NOON, mutations, signer

ANNA, BEN, STRANGER = signer("anna.example"), signer("ben.example"), signer("stranger.example")
KEYS = [ANNA.verifier(Kind.ED25519), BEN.verifier(Kind.COSIGNATURE)]
TEXT = "A text.\n\nWith an empty line.\n"
NOTE = Note(TEXT, (ANNA.sign(TEXT), STRANGER.sign(TEXT), BEN.cosign(TEXT, NOON)))

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), max_size=60)
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="+"), min_size=1)


def test_known_signatures_are_verified_and_others_ignored() -> None:
    opened = Note.parse(NOTE.encoded()).opened(KEYS)

    assert [(each.key.name, each.time) for each in opened] == [("anna.example", 0), ("ben.example", NOON)]
    assert Note.parse(NOTE.encoded()) == NOTE


@given(texts, names, st.integers(1, 2**63 - 1))
@settings(max_examples=100, deadline=None)
def test_notes_round_trip(body: str, name: str, time: int) -> None:
    someone, text = Signer(name, ANNA.key), body + "\n"
    note = Note(text, (someone.cosign(text, time), someone.sign(text)))

    read = Note.parse(note.encoded())

    assert read == note
    keys = [Verifier.parse(someone.verifier(kind).vkey) for kind in Kind]
    assert [each.time for each in read.opened(keys)] == [time, 0]


@pytest.mark.parametrize("keys", [KEYS, KEYS[:1], KEYS[1:]], ids=["both", "plain", "cosignature"])
def test_a_note_with_one_character_changed_is_rejected_or_says_nothing_new(keys: list[Verifier]) -> None:
    opened = set(NOTE.opened(keys))
    accepted = 0
    for text in mutations(NOTE.encoded().decode()):
        try:
            note = Note.parse(text.encode())
            verified = set(note.opened(keys))
        except Malformed:
            continue
        accepted += 1
        assert note.text == TEXT
        assert verified
        assert verified <= opened
    assert accepted > 0  # the stranger's line


def test_a_bad_signature_by_a_known_key_rejects_the_whole_note() -> None:
    for bad in (ANNA.sign("Another text.\n"), Signature.of(KEYS[0], bytes(64)), Signature.of(KEYS[1], bytes(72))):
        note = Note(TEXT, (*NOTE.signatures, bad))
        with pytest.raises(Malformed, match="does not hold"):
            note.opened(KEYS)
        assert note.opened([STRANGER.verifier(Kind.ED25519)])


def test_a_note_without_a_known_signature_is_rejected() -> None:
    with pytest.raises(Malformed, match="by a known key"):
        NOTE.opened([])
    with pytest.raises(Malformed, match="by a known key"):
        NOTE.opened([ANNA.verifier(Kind.COSIGNATURE), BEN.verifier(Kind.ED25519)])


def test_a_key_is_known_by_its_name_and_id_together() -> None:
    """ "even if they share a name or ID (but not both) with a known key" """
    namesake, borrowed = Signer("anna.example", BEN.key), ANNA.sign(TEXT).encoded
    note = Note(TEXT, (namesake.sign(TEXT), Signature("other.example", borrowed), ANNA.sign(TEXT)))

    assert len(note.opened(KEYS)) == 1


def test_a_second_way_to_write_a_signature_is_no_signature_of_a_known_key() -> None:
    encoded = ANNA.sign(TEXT).encoded
    assert encoded.endswith("=")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(encoded.rstrip("=")) - 1
    loose = encoded[:at] + alphabet[alphabet.index(encoded[at]) + 1] + encoded[at + 1 :]
    note = Note(TEXT, (Signature("anna.example", loose), BEN.cosign(TEXT, NOON)))

    assert Note.parse(note.encoded()) == note
    assert len(note.opened(KEYS[1:])) == 1
    with pytest.raises(Malformed, match="unused bits"):
        note.opened(KEYS)


def test_keys_of_unknown_types_verify_nothing_and_disturb_nothing() -> None:
    post_quantum = Verifier("anna.example", b"\x01\x02\x03\x04", 0x06, bytes(1312))
    line = Signature.of(post_quantum, bytes(2428))
    note = Note(TEXT, (line, *NOTE.signatures))

    assert Verifier.parse(post_quantum.vkey) == post_quantum
    assert len(note.opened([post_quantum, *KEYS])) == 2
    with pytest.raises(Malformed):
        note.opened([post_quantum])
    with pytest.raises(Malformed):
        Verifier("anna.example", b"\x01\x02\x03\x04", 0x06, ANNA.key.public).time_of(TEXT, ANNA.sign(TEXT).value)


def test_two_keys_of_one_name_and_id_are_a_mistake_of_the_asker() -> None:
    twin = Verifier("anna.example", KEYS[0].id, 0x01, KEYS[0].public)
    assert NOTE.opened([twin, *KEYS])

    object.__setattr__(twin, "public", BEN.key.public)
    with pytest.raises(ValueError):
        NOTE.opened([twin, *KEYS])


SIGNED = NOTE.encoded().decode()
LINE = NOTE.signatures[0].line


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT,
        TEXT + "\n",
        SIGNED.removesuffix("\n"),
        SIGNED + "\n",
        SIGNED + "more",
        "\t" + SIGNED,
        SIGNED.replace("A", "\r", 1),
        TEXT + LINE,
        TEXT + "\n" + LINE.replace("\u2014", "-"),
        TEXT + "\n" + LINE.replace(" ", "  ", 1),
        TEXT + "\n" + LINE.replace("anna", "anna+"),
        TEXT + "\n" + LINE.replace("anna", "an\u2003na"),
        TEXT + "\n" + LINE.replace("anna.example", ""),
        TEXT + "\n\u2014 anna.example \n",
        TEXT + "\n\u2014 anna.example AAAAAA==\n",
        TEXT + "\n\u2014 anna.example AAAAAAA\n",
        TEXT + "\n" + LINE.replace("=", "", 1),
        TEXT + "\n" + LINE * (NOTE_SIGNATURES_MAX + 1),
        "x" * NOTE_BYTES_MAX + SIGNED,
    ],
)
def test_what_is_no_note(text: str) -> None:
    with pytest.raises(Malformed):
        Note.parse(text.encode())


def test_what_is_not_utf_8_is_no_note() -> None:
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80"):
        with pytest.raises(Malformed):
            Note.parse(bad + NOTE.encoded())


def test_notes_that_cannot_be_written() -> None:
    for text, signatures in (("A text", NOTE.signatures), (TEXT, ()), ("\x1f\n", NOTE.signatures)):
        with pytest.raises(Malformed):
            Note(text, signatures)


def test_as_many_signatures_as_the_limit_are_read() -> None:
    note = Note(TEXT, NOTE.signatures[1:2] * (NOTE_SIGNATURES_MAX - 1) + NOTE.signatures[:1])

    assert len(Note.parse(note.encoded()).opened(KEYS)) == 1


def test_a_text_is_split_from_its_signatures_at_the_last_empty_line() -> None:
    text = f"{TEXT}\n{LINE}"
    note = Note(text, (BEN.cosign(text, NOON),))

    assert Note.parse(note.encoded()).text == text


VKEY = KEYS[0].vkey


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "anna.example",
        VKEY.rpartition("+")[0],
        VKEY.replace("anna", "anne"),
        VKEY.replace("anna.example", ""),
        VKEY.replace("anna", "an na"),
        VKEY.replace("anna", "an\ud800na"),
        VKEY + "\n",
        VKEY[:-4],
        VKEY.replace(KEYS[0].id.hex(), KEYS[0].id.hex().upper()),
        f"anna.example+{KEYS[0].id.hex()}+",
        f"anna.example+{KEYS[0].id.hex()}+AQ==",
        "small.example+00000000+" + to_base64(b"\x01" + bytes(32)),
    ],
)
def test_what_is_no_vkey(vkey: str) -> None:
    with pytest.raises(Malformed):
        Verifier.parse(vkey)


def test_an_unsound_key_is_no_key() -> None:
    """Under a key of small order one signature could verify for many messages."""
    for public in (bytes(32), b"\x01" + bytes(31), bytes(31)):
        with pytest.raises(Malformed):
            Verifier.of("anna.example", Kind.ED25519, public)


def test_secret_keys_are_read_and_not_repeated() -> None:
    seed = bytes(range(32))
    public = Signer("anna.example", type(ANNA.key)(seed)).verifier(Kind.ED25519)
    encoded = to_base64(b"\x01" + seed)
    skey = f"PRIVATE+KEY+anna.example+{public.id.hex()}+{encoded}"

    assert Signer.parse(skey).verifier(Kind.ED25519) == public
    for bad in (skey[:-4], skey.replace("PRIVATE", "PUBLIC"), skey.replace("anna", "anne"), skey.replace("+AQ", "+BA")):
        with pytest.raises(Malformed) as told:
            Signer.parse(bad)
        assert encoded[4:12] not in str(told.value)


def test_a_cosignature_covers_its_time_and_has_one() -> None:
    value = BEN.cosign(TEXT, NOON).value
    for time in (NOON + 1, 0, 2**63, 2**64 - 1):
        forged = Signature.of(KEYS[1], time.to_bytes(8, "big") + value[8:])
        with pytest.raises(Malformed):
            Note(TEXT, (forged,)).opened(KEYS)
    for time in (0, -1, 2**63):
        with pytest.raises(ValueError):
            BEN.cosign(TEXT, time)
    for time, accepted in ((2**63 - 1, True), (2**63, False)):
        value = time.to_bytes(8, "big") + BEN.key.sign(message(TEXT, time))
        assert holds(Signature.of(KEYS[1], value)) == accepted
    assert not holds(Signature.of(KEYS[1], value + b"\x00"))
    assert not holds(Signature.of(KEYS[1], value[:7]))


def holds(signature: Signature) -> bool:
    try:
        return bool(Note(TEXT, (signature,)).opened(KEYS))
    except Malformed:
        return False


def test_a_plain_signature_is_no_cosignature_by_the_same_key() -> None:
    plain = Note(TEXT, (Signature.of(KEYS[1], ANNA.sign(TEXT).value),))
    with pytest.raises(Malformed):
        plain.opened(KEYS)
