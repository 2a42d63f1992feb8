"""Modular arithmetic on large integers, by gmpy2 (GMP). The only module that imports gmpy2, which has no type stubs.

Rule: whatever depends on a secret exponent goes through `power_secret`; `power` is for public exponents only. Neither
GMP nor Python promises constant time for reduction, gcd and inversion, so callers blind what they feed in here.
"""

from __future__ import annotations

import gmpy2


def _release_gil() -> None:
    """Let other threads run during long operations. gmpy2 keeps this flag per thread, so each entry sets it."""
    gmpy2.get_context().allow_release_gil = True


def power(base: int, exponent: int, modulus: int) -> int:
    """Return base ** exponent mod modulus, in time that depends on all three: for public exponents only."""
    _release_gil()
    return int(gmpy2.powmod(base, exponent, modulus))


def power_secret(base: int, exponent: int, modulus: int) -> int:
    """Return base ** exponent mod modulus by GMP's side-channel-quiet ladder; modulus odd, exponent positive."""
    _release_gil()
    return int(gmpy2.powmod_sec(base, exponent, modulus))


def product(left: int, right: int, modulus: int) -> int:
    """Return left * right mod modulus."""
    return int(gmpy2.mpz(left) * right % modulus)


def inverse(value: int, modulus: int) -> int | None:
    """Return the inverse of `value` mod modulus, or None where they are not coprime."""
    try:
        return int(gmpy2.invert(value, modulus))
    except ZeroDivisionError:
        return None


def coprime(left: int, right: int) -> bool:
    """Tell whether gcd(left, right) = 1."""
    return bool(gmpy2.gcd(left, right) == 1)


def is_prime(value: int) -> bool:
    """Tell whether `value` passes 25 rounds of GMP's primality test (Baillie-PSW, then Miller-Rabin)."""
    _release_gil()
    return bool(gmpy2.is_prime(value, 25))
