"""The private operation of RSA, value ** d mod n, by the Chinese remainder theorem: its numbers, and GMP's way to it.

An engine has a `name`, `raw_root(value)`, blinded against timing, unchecked, and `power(value)`, the public operation.
Whoever lets a root out checks it first, since one faulty half gives the factors of n away. `GmpEngine` is the
reference; `openssl` holds the other one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Self

from anonnet.crypto.integers import inverse, power, power_secret, product


@dataclass(frozen=True, slots=True, repr=False)
class PrivateNumbers:
    """An RSA key as RFC 8017, section 3.2, names it: n, e, d, p, q, dP, dQ and qInv. Its repr shows none of them."""

    modulus: int
    exponent: int
    d: int
    p: int
    q: int
    dp: int
    dq: int
    q_inverse: int

    @classmethod
    def of(cls, p: int, q: int, exponent: int) -> Self:
        """Derive them all from two distinct primes, e coprime to (p - 1)(q - 1): the caller has checked that."""
        d = pow(exponent, -1, (p - 1) * (q - 1))
        return cls(p * q, exponent, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))


class GmpEngine:
    """The private operation in GMP's quiet ladder, on a base that a fresh random factor hides, and the public one."""

    name = "gmpy2"

    def __init__(self, numbers: PrivateNumbers) -> None:
        self._numbers = numbers

    def raw_root(self, value: int) -> int:
        """Return value ** d mod n, for 0 <= value < n. ArithmeticError where chance meets a factor of n."""
        n, e = self._numbers.modulus, self._numbers.exponent
        factor = secrets.randbelow(n - 1) + 1
        unblinding = inverse(factor, n)
        if unblinding is None:
            raise ArithmeticError("a random number shares a factor with the modulus")
        return product(self._by_halves(product(value, power(factor, e, n), n)), unblinding, n)

    def power(self, value: int) -> int:
        """Return value ** e mod n."""
        return power(value, self._numbers.exponent, self._numbers.modulus)

    def _by_halves(self, covered: int) -> int:
        k = self._numbers
        from_p = power_secret(covered % k.p, k.dp, k.p)
        from_q = power_secret(covered % k.q, k.dq, k.q)
        return from_q + product(from_p - from_q, k.q_inverse, k.p) * k.q
