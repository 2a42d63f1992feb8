"""OpenSSL's two operations of RSA, through the libcrypto that this Python's own `hashlib` is linked to.

Which library: the handle of the loaded `_hashlib` extension also answers for the libraries that it was linked with
(dlsym(3): "a breadth-first search of the dependency tree"), so no path is guessed and no second copy is loaded. On
macOS a guessed libcrypto even ends the process. Where the handle does not answer (LibreSSL, a static or hidden
OpenSSL, another version), there is no engine, and GMP signs.

Which functions: RSA_private_encrypt with RSA_NO_PADDING. It takes every z in [0, n), blinds the base itself
(crypto/rsa/rsa_ossl.c: a factor from OpenSSL's generator, squared at each use, drawn afresh after 32), reduces modulo p
and q in Montgomery form, and runs both halves in BN_mod_exp_mont_consttime. EVP_PKEY_sign leads to the same code, by a
context for each thread and a provider's rules for padding. RSA_public_decrypt checks what has come out, on a key of
its own that holds n and e alone, in a third of GMP's time. OpenSSL 3 deprecates both; built without them, there is no
engine.

Python sees z and its root only, both of which the asker knows: no secret passes through code whose time depends on it.

Rule: every failure of OpenSSL is an ArithmeticError here, and its thread's error queue, which `ssl` reads too, is left
empty.

Weakness: the numbers of a key reach OpenSSL as Python bytes, which nobody can wipe; `SecretKey` holds them anyway.
"""

from __future__ import annotations

import ctypes
import secrets
import weakref
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_ulong, c_void_p

from anonnet.crypto.crt import GmpEngine, PrivateNumbers

RSA_NO_PADDING = 3  # openssl/rsa.h
RSA_FLAG_NO_BLINDING = 0x80  # openssl/rsa.h
VERSION_TEXT = 0  # OPENSSL_VERSION of openssl/crypto.h: "OpenSSL 3.0.19 27 Jan 2026"

Operation = Callable[[int, bytes, ctypes.Array[ctypes.c_char], int, int], int]
"""RSA_private_encrypt and RSA_public_decrypt: size, from, to, key, padding; gives the size, or less if it failed."""

FUNCTIONS: dict[str, tuple[type[c_int | c_ulong | c_char_p | c_void_p] | None, list[type]]] = {
    "OpenSSL_version_num": (c_ulong, []),
    "OpenSSL_version": (c_char_p, [c_int]),
    "ERR_clear_error": (None, []),
    "BN_bin2bn": (c_void_p, [c_char_p, c_int, c_void_p]),
    "BN_clear_free": (None, [c_void_p]),
    "RSA_new": (c_void_p, []),
    "RSA_free": (None, [c_void_p]),
    "RSAPublicKey_dup": (c_void_p, [c_void_p]),
    "RSA_PKCS1_OpenSSL": (c_void_p, []),
    "RSA_get_method": (c_void_p, [c_void_p]),
    "RSA_test_flags": (c_int, [c_void_p, c_int]),
    "RSA_set0_key": (c_int, [c_void_p] * 4),
    "RSA_set0_factors": (c_int, [c_void_p] * 3),
    "RSA_set0_crt_params": (c_int, [c_void_p] * 4),
    "RSA_private_encrypt": (c_int, [c_int, c_char_p, c_char_p, c_void_p, c_int]),
    "RSA_public_decrypt": (c_int, [c_int, c_char_p, c_char_p, c_void_p, c_int]),
}

Finder = Callable[[], ctypes.CDLL | None]


def loaded() -> ctypes.CDLL | None:
    """Return a handle that answers for the process's own libcrypto, or None where Python has none."""
    try:
        import _hashlib  # a Python without OpenSSL lacks it
    except ImportError:
        return None
    # Compiled into the interpreter it has no file, and the handle of the program itself answers for it.
    return ctypes.CDLL(getattr(_hashlib, "__file__", None))


def supported(number: int, text: str) -> bool:
    """Tell whether this is OpenSSL 3 or 1.1.1, and none of the libraries that imitate its version numbers."""
    return text.startswith("OpenSSL ") and (number >> 28 == 3 or 0x1010100F <= number < 0x10102000)


class LibCrypto:
    """The functions of libcrypto that are used here, with their types. A call lets go of the GIL while it runs."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        """Look all of them up. AttributeError where one is missing; OSError where the version is not supported."""
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
        self.call = handle
        text = handle.OpenSSL_version(VERSION_TEXT).decode()
        if not supported(handle.OpenSSL_version_num(), text):
            raise OSError(f"not a supported OpenSSL: {text}")
        self.version: str = text.split()[1]


def library(find: Finder = loaded) -> LibCrypto | None:
    """Return libcrypto, or None where it is missing, lacks a function, or has another version."""
    try:
        handle = find()
        return None if handle is None else LibCrypto(handle)
    except (OSError, AttributeError):
        return None


class OpenSslEngine:
    """One key inside OpenSSL. Threads may share it: OpenSSL locks what its blinding shares. Its repr shows no number.

    The first thread that signs has blinding of its own; all others take turns at a second one, for microseconds.
    """

    def __init__(self, lib: LibCrypto, numbers: PrivateNumbers) -> None:
        """Hand the key over. ArithmeticError where OpenSSL refuses it, or would not blind by its own method."""
        self.name = f"openssl {lib.version}"
        self._call = lib.call
        self._size = -(-numbers.modulus.bit_length() // 8)
        self._rsa = self._owned(lib.call.RSA_new())
        k = numbers
        self._give(lib.call.RSA_set0_key, k.modulus, k.exponent, k.d)
        self._give(lib.call.RSA_set0_factors, k.p, k.q)
        self._give(lib.call.RSA_set0_crt_params, k.dp, k.dq, k.q_inverse)
        self._public = self._owned(lib.call.RSAPublicKey_dup(self._rsa))
        # A system's OpenSSL configuration may put a device's method here, of whose blinding nothing is known.
        if lib.call.RSA_get_method(self._rsa) != lib.call.RSA_PKCS1_OpenSSL():
            raise ArithmeticError("this OpenSSL has another method for RSA than its own")
        if lib.call.RSA_test_flags(self._rsa, RSA_FLAG_NO_BLINDING):
            raise ArithmeticError("this OpenSSL does not blind")

    def __reduce__(self) -> str:
        raise TypeError("a key inside OpenSSL is neither copied nor stored")  # a copy would outlive what it points to

    def _owned(self, rsa: int | None) -> int:
        if not rsa:
            raise ArithmeticError("OpenSSL made no key")
        # RSA_free wipes what it frees. Not at exit: another thread may still be signing, and the process ends anyway.
        weakref.finalize(self, self._call.RSA_free, rsa).atexit = False
        return rsa

    def _give(self, setter: Callable[..., int], *values: int) -> None:
        """Pass numbers on, big-endian; the key owns them if its setter takes them, else they are wiped and freed."""
        encoded = [value.to_bytes(-(-value.bit_length() // 8), "big") for value in values]
        numbers = [self._call.BN_bin2bn(each, len(each), None) for each in encoded]
        if not (all(numbers) and setter(self._rsa, *numbers)):
            for number in numbers:
                self._call.BN_clear_free(number)
            self._call.ERR_clear_error()
            raise ArithmeticError("OpenSSL did not take the key")

    def raw_root(self, value: int) -> int:
        """Return value ** d mod n, for 0 <= value < n; ArithmeticError otherwise, and where OpenSSL fails."""
        return self._done("private", self._call.RSA_private_encrypt, self._rsa, value)

    def power(self, value: int) -> int:
        """Return value ** e mod n, for 0 <= value < n; ArithmeticError otherwise, and where OpenSSL fails."""
        return self._done("public", self._call.RSA_public_decrypt, self._public, value)

    def _done(self, which: str, operation: Operation, rsa: int, value: int) -> int:
        size = self._size
        result = ctypes.create_string_buffer(size)
        if operation(size, value.to_bytes(size, "big"), result, rsa, RSA_NO_PADDING) != size:
            self._call.ERR_clear_error()
            raise ArithmeticError(f"OpenSSL did not carry out the {which} operation")
        return int.from_bytes(result.raw, "big")


def engine(numbers: PrivateNumbers, find: Finder = loaded) -> tuple[OpenSslEngine | GmpEngine, str]:
    """Return the engine for this key, and a warning: empty unless an OpenSSL is there that does not agree with GMP."""
    reference = GmpEngine(numbers)
    lib = library(find)
    if lib is None:
        return reference, ""
    n = numbers.modulus
    try:
        candidate = OpenSslEngine(lib, numbers)
        values = (2, n - 1, numbers.p, secrets.randbelow(n), secrets.randbelow(n))
        ours, theirs = ([(by.raw_root(value), by.power(value)) for value in values] for by in (candidate, reference))
        if ours == theirs:
            return candidate, ""
    except ArithmeticError as error:
        return reference, f"openssl {lib.version} is not used: {error}"
    return reference, f"openssl {lib.version} is not used: it disagrees with gmpy2, suspect this machine"
