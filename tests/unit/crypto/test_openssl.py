"""OpenSSL's private operation: it agrees with GMP's, nothing wrong leaves, and a key works without it."""

from __future__ import annotations

import copy
import ctypes
import json
import pickle
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anonnet.crypto import blind, openssl
from anonnet.crypto.blind import FaultySignature, Method, SecretKey
from anonnet.crypto.crt import GmpEngine, PrivateNumbers
from anonnet.crypto.integers import inverse
from tests.rsa_keys import PRIMES, brand_key

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc9474.json").read_text())["vectors"]
MEMORY = Path("/proc/self/statm")
PAGE_BYTES, LEAK_BYTES_MAX = 4096, 1 << 20  # one forgotten number of 256 bytes in 10,000 signatures is 2.5 MiB

needs_openssl = pytest.mark.skipif(openssl.library() is None, reason="this Python has no OpenSSL that can be used")


def method_of(name: str) -> Method:
    return Method.FDH if name == "2048-e3" else Method.PSS_DETERMINISTIC


def numbers_of(name: str) -> PrivateNumbers:
    return PrivateNumbers.of(*PRIMES[name], method_of(name).exponent)


def engine_of(numbers: PrivateNumbers) -> openssl.OpenSslEngine:
    found = openssl.library()
    assert found is not None
    return openssl.OpenSslEngine(found, numbers)


def nowhere() -> None:
    """Find no libcrypto."""
    return None


class Bent:
    """The process's libcrypto with some functions replaced, or taken away where the replacement is None."""

    def __init__(self, **replaced: Any) -> None:
        self._handle, self._replaced = openssl.loaded(), replaced

    def __getattr__(self, name: str) -> Any:
        if self._replaced.get(name, self) is None:
            raise AttributeError(name)
        return self._replaced.get(name) or getattr(self._handle, name)

    def __call__(self) -> Any:
        """Be one's own finder."""
        return self


def error_waits() -> bool:
    handle = openssl.loaded()
    assert handle is not None
    handle.ERR_peek_error.restype = ctypes.c_ulong
    return bool(handle.ERR_peek_error())


@needs_openssl
@pytest.mark.parametrize("turned", [False, True], ids=["p, q", "q, p"])
@pytest.mark.parametrize("name", PRIMES)
def test_it_agrees_with_gmp(name: str, turned: bool) -> None:
    """OpenSSL's own keys have p > q; ours come as they come."""
    p, q = reversed(PRIMES[name]) if turned else PRIMES[name]
    numbers = PrivateNumbers.of(p, q, method_of(name).exponent)
    n = numbers.modulus
    edges = [0, 1, 2, n - 2, n - 1, p - 1, p, p + 1, q - 1, q, q + 1, n - p, n - q, 1 << (n.bit_length() - 1)]
    values = edges + [secrets.randbelow(n) for _ in range(5)] + [secrets.randbelow(1 << 64) for _ in range(3)]

    ours, reference = engine_of(numbers), GmpEngine(numbers)

    assert [ours.raw_root(value) for value in values] == [reference.raw_root(value) for value in values]
    assert [ours.power(value) for value in values] == [reference.power(value) for value in values]
    assert ours.raw_root(5) == pow(5, numbers.d, n)
    assert SecretKey.from_primes(method_of(name), p, q).engine == ours.name


@needs_openssl
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_rfc_9474_vectors(vector: dict[str, str]) -> None:
    secret = SecretKey.from_primes(Method(vector["name"]), int(vector["p"], 16), int(vector["q"], 16))
    prepared = bytes.fromhex(vector["prepared_msg"])
    factor = inverse(int(vector["inv"], 16), secret.public.modulus)
    assert factor is not None
    blinded = blind.blind_by(secret.public, prepared, factor=factor, salt=bytes.fromhex(vector["salt"]))

    signed = secret.sign(blinded.blinded_message)

    assert secret.engine.startswith("openssl ")
    assert signed == bytes.fromhex(vector["blind_sig"])
    assert blind.finalize(secret.public, prepared, signed, blinded.inverse) == bytes.fromhex(vector["sig"])


@needs_openssl
def test_what_is_no_residue_is_refused_and_leaves_no_error_behind() -> None:
    """`ssl` reads the same queue: an error that waits there would be blamed on a connection."""
    numbers = numbers_of("2048-a")
    ours = engine_of(numbers)

    for value in (-1, numbers.modulus, numbers.modulus + 1, 1 << 2048):
        with pytest.raises(ArithmeticError):
            ours.raw_root(value)
        with pytest.raises(ArithmeticError):
            ours.power(value)

    assert not error_waits()
    assert ours.raw_root(1) == ours.power(1) == 1


class BrokenMachine(SecretKey):
    """A key on a machine that miscalculates one half of the CRT: the fault that gives n's factors away."""

    def raw_root(self, value: int) -> int:
        return (super().raw_root(value) + PRIMES["2048-a"][0]) % self.public.modulus


@pytest.mark.parametrize("find", [openssl.loaded, nowhere])
def test_a_wrong_result_never_leaves(find: openssl.Finder) -> None:
    secret = BrokenMachine.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"], find)

    with pytest.raises(FaultySignature) as caught:
        secret.sign((12345).to_bytes(256, "big"))

    assert not re.search(r"\d{9}|[0-9a-f]{16}", str(caught.value))


@needs_openssl
@pytest.mark.parametrize("operation", ["RSA_private_encrypt", "RSA_public_decrypt"])
def test_no_result_is_a_faulty_signature(operation: str) -> None:
    """OpenSSL may fail at a signature, if its generator has no entropy for the blinding, say."""
    bent = Bent(**{operation: lambda *given: -1 if broken else real(*given)})
    real, broken = getattr(openssl.LibCrypto(bent._handle).call, operation), []
    secret = SecretKey.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"], bent)
    assert secret.engine.startswith("openssl ")

    broken.append(True)

    with pytest.raises(FaultySignature, match="no result"):
        secret.sign((12345).to_bytes(256, "big"))


def lies(size: int, value: bytes, root: Any, rsa: int, padding: int) -> int:
    root.raw = value
    return size


BENT = [  # what is wrong with libcrypto, and what the key says about it
    ({"RSA_private_encrypt": lies}, "disagrees with gmpy2"),
    ({"RSA_public_decrypt": lies}, "disagrees with gmpy2"),
    ({"RSA_private_encrypt": lambda *given: -1}, "did not carry out"),
    ({"RSA_public_decrypt": lambda *given: -1}, "did not carry out"),
    ({"RSA_set0_crt_params": lambda *given: 0}, "did not take the key"),
    ({"BN_bin2bn": lambda *given: None}, "did not take the key"),
    ({"RSA_new": lambda: None}, "made no key"),
    ({"RSAPublicKey_dup": lambda rsa: None}, "made no key"),
    ({"RSA_get_method": lambda rsa: 1}, "another method"),
    ({"RSA_test_flags": lambda rsa, flags: flags}, "does not blind"),
    ({"RSA_private_encrypt": None}, ""),
    ({"RSA_public_decrypt": None}, ""),
    ({"OpenSSL_version": lambda kind: b"LibreSSL 3.3.6"}, ""),
    ({"OpenSSL_version_num": lambda: 0x10100000}, ""),
]


@needs_openssl
@pytest.mark.parametrize(("replaced", "warning"), BENT, ids=lambda value: str(value)[:30])
def test_gmp_signs_where_openssl_cannot_and_says_so_where_it_should_have(replaced: Any, warning: str) -> None:
    secret = SecretKey.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"], Bent(**replaced))

    assert secret.engine == "gmpy2"
    assert warning in secret.warning
    assert bool(secret.warning) == bool(warning)
    assert pow(secret.root(12345), 65537, secret.public.modulus) == 12345
    assert not error_waits()


@needs_openssl
@pytest.mark.parametrize("name", ["2048-a", "2048-e3"])
def test_openssl_finds_the_key_consistent(name: str) -> None:
    """Wrong halves would show in no result: OpenSSL notices, and silently takes four times as long by d alone."""
    found = openssl.library()
    assert found is not None
    made: list[int] = []
    new, check = found.call.RSA_new, found.call.RSA_check_key
    check.argtypes = [ctypes.c_void_p]

    secret = SecretKey.from_primes(method_of(name), *PRIMES[name], Bent(RSA_new=lambda: made.append(new()) or made[0]))

    assert secret.engine.startswith("openssl ")
    assert len(made) == check(made[0]) == 1


@needs_openssl
def test_numbers_that_openssl_does_not_take_are_wiped() -> None:
    made, freed = [], []
    real = openssl.LibCrypto(openssl.loaded()).call
    bent = Bent(
        BN_bin2bn=lambda *given: made.append(real.BN_bin2bn(*given)) or made[-1],
        BN_clear_free=lambda number: freed.append(number) or real.BN_clear_free(number),
        RSA_set0_crt_params=lambda *given: 0,
    )

    SecretKey.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"], bent)

    assert len(made) == 8
    assert freed == made[-3:]


def unreadable() -> ctypes.CDLL:
    raise OSError("no such library")


@pytest.mark.parametrize("find", [nowhere, unreadable])
@pytest.mark.parametrize("name", PRIMES)
def test_a_key_works_where_there_is_no_openssl(name: str, find: openssl.Finder) -> None:
    with_it, without = (SecretKey.from_primes(method_of(name), *PRIMES[name], each) for each in (openssl.loaded, find))
    value = secrets.randbelow(without.public.modulus)

    assert (without.engine, without.warning, with_it.warning) == ("gmpy2", "", "")
    assert without.root(value) == with_it.root(value)
    assert without.to_bytes() == with_it.to_bytes()


@pytest.mark.parametrize(
    ("number", "text", "good"),
    [
        (0x30000130, "OpenSSL 3.0.19 27 Jan 2026", True),
        (0x30600000, "OpenSSL 3.6.0 1 Oct 2025", True),
        (0x1010117F, "OpenSSL 1.1.1w  11 Sep 2023", True),
        (0x1010007F, "OpenSSL 1.1.0g  2 Nov 2017", False),
        (0x1000200F, "OpenSSL 1.0.2  22 Jan 2015", False),
        (0x40000000, "OpenSSL 4.0.0 14 Apr 2026", False),
        (0x20000000, "LibreSSL 4.0.0", False),
        (0x1010107F, "BoringSSL", False),
        (0x1010107F, "AWS-LC 1.61.1", False),
    ],
)
def test_which_versions_are_trusted(number: int, text: str, good: bool) -> None:
    assert openssl.supported(number, text) == good


def test_the_library_is_the_one_that_python_speaks_of() -> None:
    ssl = pytest.importorskip("ssl")
    found = openssl.library()
    if found is None:
        pytest.skip("this Python has no OpenSSL that can be used")

    assert ssl.OPENSSL_VERSION.startswith(f"OpenSSL {found.version} ")
    assert brand_key("2048-a").engine == f"openssl {found.version}"


@needs_openssl
@pytest.mark.parametrize("name", ["2048-a", "2048-e3"])
def test_two_threads_at_once(name: str) -> None:
    """The first thread owns its blinding, the others share one; 60 signatures cross the renewal of both."""
    secret = brand_key(name, method_of(name))
    values = [[secrets.randbelow(secret.public.modulus) for _ in range(60)] for _ in range(4)]
    roots: dict[int, list[int]] = {}
    start = threading.Barrier(len(values))

    def sign(number: int) -> None:
        start.wait()
        roots[number] = [secret.root(value) for value in values[number]]

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(len(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    n, e = secret.public.modulus, secret.public.exponent
    assert [[pow(root, e, n) for root in roots[number]] for number in range(len(values))] == values


@needs_openssl
def test_numbers_do_not_show_and_keys_inside_openssl_are_not_copied() -> None:
    numbers = numbers_of("2048-a")
    ours = engine_of(numbers)

    shown = repr(numbers) + repr(ours) + repr(brand_key("2048-a")) + brand_key("2048-a").engine

    assert not re.search(r"\d{19}", shown)
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor stored"):
            take(ours)


@contextmanager
def no_leak() -> Iterator[None]:
    before = int(MEMORY.read_text().split()[1])
    yield
    grown = (int(MEMORY.read_text().split()[1]) - before) * PAGE_BYTES
    assert grown < LEAK_BYTES_MAX, f"{grown} bytes more"


@needs_openssl
@pytest.mark.slow
@pytest.mark.skipif(not MEMORY.exists(), reason="needs /proc")
def test_nothing_leaks() -> None:
    secret, numbers = brand_key("2048-a"), numbers_of("2048-a")
    blinded = (12345).to_bytes(256, "big")
    wrong = (1 << 2048) - 1
    ours = engine_of(numbers)

    def signatures(count: int) -> None:
        for _ in range(count):
            secret.sign(blinded)

    def keys(count: int) -> None:
        for _ in range(count):
            assert engine_of(numbers).raw_root(1) == 1
            with pytest.raises(ArithmeticError):
                ours.raw_root(wrong)

    signatures(500)  # what is allocated once
    keys(100)
    with no_leak():
        signatures(10_000)
    with no_leak():
        keys(1_000)
