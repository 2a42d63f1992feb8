"""A secret under a passphrase opens with that passphrase alone, and only whole."""

from __future__ import annotations

import pytest

from anonnet.crypto.passphrase import COSTS, MAGIC, is_sealed, open_secret, seal_secret
from anonnet.errors import Malformed

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_secret(SECRET, "correct horse")


def test_opens_with_its_passphrase_and_shows_nothing_of_the_secret(sealed: bytes) -> None:
    assert open_secret(sealed, "correct horse") == SECRET
    assert is_sealed(sealed)
    assert SECRET not in sealed


@pytest.mark.parametrize("passphrase", ["", "correct hors", "Correct horse"])
def test_another_passphrase_does_not_open_it(sealed: bytes, passphrase: str) -> None:
    with pytest.raises(Malformed, match="does not open"):
        open_secret(sealed, passphrase)


def test_a_changed_or_shortened_form_does_not_open(sealed: bytes) -> None:
    at = len(sealed) - 1
    for broken in (sealed[:at] + bytes([sealed[at] ^ 1]), sealed[:40], sealed[1:]):
        with pytest.raises(Malformed):
            open_secret(broken, "correct horse")


def test_costs_that_would_occupy_the_machine_are_refused(sealed: bytes) -> None:
    head = len(MAGIC)
    dear = sealed[:head] + COSTS.pack(2**31, 2**31) + sealed[head + COSTS.size :]
    with pytest.raises(Malformed, match="costs"):
        open_secret(dear, "correct horse")
