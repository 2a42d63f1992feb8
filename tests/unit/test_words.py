"""A seed in words and back."""

from __future__ import annotations

import hashlib

import pytest
from anonnet_daemons.owner import Failed
from anonnet_daemons.words import seed_of, words_of

VECTORS = {  # of BIP 39's own test vectors, those of 256 bits
    "00" * 32: "abandon " * 23 + "art",
    "7f" * 32: "legal winner thank year wave sausage worth useful " * 2
    + "legal winner thank year wave sausage worth title",
    "ff" * 32: "zoo " * 23 + "vote",
}
SEED = hashlib.sha256(b"a seed").digest()


@pytest.mark.parametrize("seed", VECTORS)
def test_the_words_are_those_of_bip_39(seed: str) -> None:
    assert words_of(bytes.fromhex(seed)) == VECTORS[seed].split()
    assert seed_of(VECTORS[seed]).hex() == seed


def test_spaces_lines_and_capitals_do_not_matter() -> None:
    words = words_of(SEED)

    assert seed_of("\n".join(words[:12]) + "\t" + "  ".join(words[12:]).upper() + "\n") == SEED


def test_a_word_in_the_place_of_another_is_noticed() -> None:
    words = words_of(SEED)
    wrong = [f"{' '.join(words[:3])} zoo {' '.join(words[4:])}", " ".join([words[1], words[0], *words[2:]])]

    for each in wrong:
        with pytest.raises(Failed, match="checksum"):
            seed_of(each)


def test_a_word_that_is_none_and_a_word_too_few() -> None:
    words = words_of(SEED)

    with pytest.raises(Failed, match=r"word 2 is not in the list \(bitcoin\)"):
        seed_of(" ".join([words[0], "bitcoin", *words[2:]]))
    with pytest.raises(Failed, match="these are 23 words, not 24"):
        seed_of(" ".join(words[1:]))
    with pytest.raises(Failed, match="these are 0 words"):
        seed_of("")
