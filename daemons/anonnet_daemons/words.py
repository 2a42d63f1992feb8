"""A wallet's seed as 24 words for people: BIP 39, English list. The last word holds a checksum.

The words are the seed and nothing else: no passphrase goes into them, and another program reads the same bytes.
"""

from __future__ import annotations

from mnemonic import Mnemonic

from anonnet.crypto.keys import SEED_BYTES
from anonnet_daemons.owner import Failed

WORDS = 24


def words_of(seed: bytes) -> list[str]:
    """The 24 words."""
    assert len(seed) == SEED_BYTES
    return Mnemonic("english").to_mnemonic(seed).split()


def seed_of(text: str) -> bytes:
    """The seed behind 24 words, however they are spaced. Raises Failed, with what to look at."""
    language = Mnemonic("english")
    words = text.lower().split()
    if len(words) != WORDS:
        raise Failed(f"these are {len(words)} words, not {WORDS}: write all of them, in their order")
    for place, word in enumerate(words, 1):
        if word not in language.wordlist:
            raise Failed(f"word {place} is not in the list ({word}): compare it with what you wrote down")
    try:
        return bytes(language.to_entropy(words))
    except ValueError:
        complaint = "the words do not fit together (their checksum is wrong): look for one wrong word, or two swapped"
        raise Failed(complaint) from None
