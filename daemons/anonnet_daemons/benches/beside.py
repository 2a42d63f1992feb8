"""What the cryptography of the bank's mint costs by itself: CPU time to compare a daemon's with.

It is measured with as many threads at work as the bank has for signing, since processors that share a core are slower
when both are busy.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial

from anonnet.crypto import keys
from anonnet.crypto.blind import Method, SecretKey, blind, check_blinded, finalize, verify
from anonnet.limits import FINISHERS

BITS = 2048
SAMPLES = 200
MESSAGE_BYTES = 800  # what a signature of an exchange covers

Work = Callable[["Samples", int], object]
"""The cryptography of one operation, over the sample with this number."""


class Samples:
    """What the operations are done on: a brand's key, its tokens, blinded messages, signed requests."""

    def __init__(self) -> None:
        self.secret = SecretKey.generate(Method.PSS_DETERMINISTIC, BITS)
        self.public = public = self.secret.public
        self.ids = [os.urandom(32) for _ in range(SAMPLES)]
        made = [blind(public, i, blinding=os.urandom(public.blinding_bytes), salt=os.urandom(48)) for i in self.ids]
        self.blinded = [each.blinded_message for each in made]
        self.signatures = [
            finalize(public, id, self.secret.sign(each.blinded_message), each.inverse)
            for id, each in zip(self.ids, made, strict=True)
        ]
        signers = [keys.SigningKey(os.urandom(keys.SEED_BYTES)) for _ in range(SAMPLES)]
        self.message = os.urandom(MESSAGE_BYTES)
        self.signed = [(signer.public, self.message, signer.sign(self.message)) for signer in signers]


def withdrawal(samples: Samples, number: int) -> None:
    """One Ed25519 verification, the check of what is to be signed, and the blind signature."""
    assert keys.verify(*samples.signed[number])
    check_blinded(samples.public, samples.blinded[number])
    samples.secret.sign(samples.blinded[number])


def exchange(samples: Samples, number: int) -> None:
    """The same, the check of the token's key, which nobody has seen before, and the verification of the token."""
    assert keys.is_sound.__wrapped__(samples.signed[number][0])
    assert verify(samples.public, samples.ids[number], samples.signatures[number])
    withdrawal(samples, number)


def cpu_ms(work: Work) -> float:
    """CPU milliseconds of the cryptography of one operation."""
    samples = Samples()
    used: list[float] = []
    threads = [threading.Thread(target=partial(_measure, work, samples, used)) for _ in range(FINISHERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(used) / len(used) * 1000


def _measure(work: Work, samples: Samples, used: list[float]) -> None:
    began = time.thread_time()
    for number in range(SAMPLES):
        work(samples, number)
    used.append((time.thread_time() - began) / SAMPLES)
