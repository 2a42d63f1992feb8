"""Blind RSA signatures: RFC 9474 (RSABSSA-SHA384, four variants) and the paper's own example (full-domain hash, e = 3).

Who does what: the consumer calls `prepare`, `blind`, `finalize`; the bank `SecretKey.sign`; anybody `verify`. The bank
sees only z = x * r^e for a uniform r, so that z says nothing about the encoded message x, provided that e is coprime to
phi(n): `key_proof` is the bank's proof of that (design: D6).

Integers are big-endian and as long as the modulus everywhere (I2OSP and OS2IP of RFC 8017).

The private operation is OpenSSL's where the process has one (`openssl`), else GMP's (`crt`), and each blinds its base:
a second blinding around OpenSSL's own would cost a sixth more, and hide nothing more. Whichever computes, s^e == z is
checked here, by the same engine's public operation, which has been compared with GMP's.

Weakness: GMP runs powers with secret exponents in its quiet ladder on freshly blinded bases, yet conversion, reduction
and inversion in GMP and Python are not constant time. Somebody who can time single instructions on the bank's machine
is not defended against where GMP signs.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from anonnet.crypto import openssl
from anonnet.crypto.crt import PrivateNumbers
from anonnet.crypto.hashing import Label, xof
from anonnet.crypto.integers import coprime, inverse, is_prime, power, product
from anonnet.crypto.pss import full_domain_hash, pss_encode, pss_fits
from anonnet.errors import Malformed
from anonnet.limits import MODULUS_BITS_MAX, MODULUS_BITS_MIN

PREFIX_BYTES = 32  # RFC 9474, section 4.1
BLINDING_EXTRA_BYTES = 16  # 128 bits more than n: the reduction's bias is below 2^-128
PROOF_BITS = 128  # a key with gcd(e, phi(n)) != 1 passes its proof with probability 2^-128


class FaultySignature(Exception):
    """The private operation gave a wrong result, which was kept inside: one such value can give the key away."""


class Method(enum.StrEnum):
    """How a brand's tokens are signed. The value is the method's name on the wire."""

    PSS_RANDOMIZED = "RSABSSA-SHA384-PSS-Randomized"
    PSS_DETERMINISTIC = "RSABSSA-SHA384-PSS-Deterministic"
    PSSZERO_RANDOMIZED = "RSABSSA-SHA384-PSSZERO-Randomized"
    PSSZERO_DETERMINISTIC = "RSABSSA-SHA384-PSSZERO-Deterministic"
    FDH = "RSA-FDH-SHA384-E3"

    @property
    def salt_length(self) -> int:
        """Bytes of PSS salt: 48 or 0."""
        return 48 if self in (Method.PSS_RANDOMIZED, Method.PSS_DETERMINISTIC) else 0

    @property
    def randomized(self) -> bool:
        """Whether `prepare` puts a random prefix before the message."""
        return self in (Method.PSS_RANDOMIZED, Method.PSSZERO_RANDOMIZED)

    @property
    def exponent(self) -> int:
        """The public exponent e, a prime that the method fixes, so that a key proof covers it."""
        return 3 if self is Method.FDH else 65537

    @property
    def proof_length(self) -> int:
        """How many roots a key proof holds: ceil(128 / log2 e), 8 for 65537 and 81 for 3."""
        return math.ceil(PROOF_BITS / math.log2(self.exponent))


@dataclass(frozen=True)
class PublicKey:
    """What verifies the tokens of one brand. Malformed unless n is odd, of 2048 to 4096 bits, and e the method's."""

    method: Method
    modulus: int
    exponent: int

    def __post_init__(self) -> None:
        if not MODULUS_BITS_MIN <= self.modulus.bit_length() <= MODULUS_BITS_MAX or self.modulus < 0:
            raise Malformed(f"an RSA modulus must have {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX} bits")
        if self.modulus % 2 == 0:
            raise Malformed("an RSA modulus must be odd")
        if self.exponent != self.method.exponent:
            raise Malformed(f"{self.method} fixes the exponent {self.method.exponent}")

    @classmethod
    def from_bytes(cls, method: Method, modulus_bytes: bytes) -> Self:
        """Read a modulus, big-endian without leading zeros; Malformed otherwise."""
        if modulus_bytes[:1] in (b"", b"\0"):
            raise Malformed("a modulus must have no leading zeros")
        return cls(method, int.from_bytes(modulus_bytes, "big"), method.exponent)

    @property
    def size(self) -> int:
        """Bytes of the modulus, and of every blinded message and signature."""
        return -(-self.modulus.bit_length() // 8)

    @property
    def modulus_bytes(self) -> bytes:
        """The modulus, big-endian, `size` bytes."""
        return self.modulus.to_bytes(self.size, "big")

    @property
    def blinding_bytes(self) -> int:
        """How many bytes of entropy `blind` takes: |n| + 128 bits."""
        return self.size + BLINDING_EXTRA_BYTES

    @property
    def encoded_bits(self) -> int:
        """Bits of an encoded message: |n| - 1, so that it is below n."""
        return self.modulus.bit_length() - 1


@dataclass(frozen=True)
class Blinded:
    """What the consumer sends (`blinded_message`), and what she keeps to herself (`inverse`, r^-1 mod n)."""

    blinded_message: bytes
    inverse: int

    def __repr__(self) -> str:
        return f"Blinded({self.blinded_message[:4].hex()}...)"  # the inverse would link the token with its withdrawal


def prepare(method: Method, message: bytes, prefix: bytes) -> bytes:
    """Return the message that is signed (RFC 9474, section 4.1). `prefix`: 32 fresh bytes if randomized, else none."""
    wanted = PREFIX_BYTES if method.randomized else 0
    if len(prefix) != wanted:
        raise ValueError(f"{method} takes a prefix of {wanted} bytes, not {len(prefix)}")
    return prefix + message


def encode(public: PublicKey, message: bytes, salt: bytes) -> bytes:
    """Return the encoded message, ceil(encoded_bits / 8) bytes. `salt` has the method's length, else ValueError."""
    if len(salt) != public.method.salt_length:
        raise ValueError(f"{public.method} takes a salt of {public.method.salt_length} bytes, not {len(salt)}")
    if public.method is Method.FDH:
        return full_domain_hash(message, public.encoded_bits)
    return pss_encode(message, public.encoded_bits, salt)


def blind(public: PublicKey, message: bytes, *, blinding: bytes, salt: bytes) -> Blinded:
    """Blind a prepared message (RFC 9474, section 4.2).

    `blinding` is `public.blinding_bytes` bytes of fresh entropy or XOF output; r = 1 + (blinding mod (n - 1)), uniform
    in [1, n) up to 2^-128. Malformed where r or the encoded message shares a factor with n: then n is no honest key.
    """
    if len(blinding) != public.blinding_bytes:
        raise ValueError(f"blinding takes {public.blinding_bytes} bytes, not {len(blinding)}")
    return blind_by(public, message, factor=1 + int.from_bytes(blinding, "big") % (public.modulus - 1), salt=salt)


def blind_by(public: PublicKey, message: bytes, *, factor: int, salt: bytes) -> Blinded:
    """Blind a prepared message by the factor r itself, which test vectors give. Malformed as for `blind`."""
    encoded = int.from_bytes(encode(public, message, salt), "big")
    unblinding = inverse(factor, public.modulus)
    if unblinding is None or not coprime(encoded, public.modulus):
        raise Malformed("the modulus shares a factor with a random number")
    z = product(encoded, power(factor, public.exponent, public.modulus), public.modulus)
    return Blinded(z.to_bytes(public.size, "big"), unblinding)


def finalize(public: PublicKey, message: bytes, blind_signature: bytes, inverse: int) -> bytes:
    """Unblind (RFC 9474, section 4.4): the signature of `message`, `size` bytes; Malformed if it does not verify."""
    if len(blind_signature) != public.size or int.from_bytes(blind_signature, "big") >= public.modulus:
        raise Malformed("a blind signature of wrong size")
    s = product(int.from_bytes(blind_signature, "big"), inverse, public.modulus)
    signature = s.to_bytes(public.size, "big")
    if not verify(public, message, signature):
        raise Malformed("the blind signature is not a signature of what was sent")
    return signature


def verify(public: PublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is one of the prepared `message`: its whole encoding is compared, and it is below n."""
    s = int.from_bytes(signature, "big")
    if len(signature) != public.size or s >= public.modulus:
        return False
    x = power(s, public.exponent, public.modulus)
    if x.bit_length() > public.encoded_bits:
        return False
    encoded = x.to_bytes(-(-public.encoded_bits // 8), "big")
    if public.method is Method.FDH:
        return full_domain_hash(message, public.encoded_bits) == encoded
    return pss_fits(message, encoded, public.encoded_bits, public.method.salt_length)


def is_blind_signature(public: PublicKey, blinded_message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the one that the key's holder makes of this blinded message: s^e = z (mod n)."""
    s = int.from_bytes(signature, "big")
    if len(signature) != public.size or s >= public.modulus:
        return False
    return power(s, public.exponent, public.modulus) == int.from_bytes(blinded_message, "big")


def check_blinded(public: PublicKey, blinded_message: bytes) -> None:
    """Raise Malformed unless the bank may take this order: it can be signed (`blinded_number`), and is coprime to n."""
    if not coprime(blinded_number(public, blinded_message), public.modulus):
        raise Malformed("a blinded message that shares a factor with the modulus")


def blinded_number(public: PublicKey, blinded_message: bytes) -> int:
    """Read what is to be signed; Malformed unless it has `size` bytes, is below n, and is not 0, 1 or n - 1."""
    z = int.from_bytes(blinded_message, "big")
    if len(blinded_message) != public.size or z >= public.modulus:
        raise Malformed("a blinded message of wrong size")
    if z in (0, 1, public.modulus - 1):
        raise Malformed("a blinded message whose signature everybody knows")
    return z


class SecretKey:
    """A brand's signing key. Nothing computed with the primes leaves before s^e == z has been seen to hold."""

    def __init__(self, public: PublicKey, p: int, q: int, find: openssl.Finder = openssl.loaded) -> None:
        """Keep n = p * q and choose an engine, OpenSSL's if `find` has one; `from_primes` is the door that checks."""
        self.public = public
        self._p, self._q = p, q
        self._engine, self.warning = openssl.engine(PrivateNumbers.of(p, q, public.exponent), find)

    def __repr__(self) -> str:
        return f"SecretKey({self.public.method.value}, {self.public.modulus.bit_length()} bits)"

    @property
    def engine(self) -> str:
        """What carries out the private operation: "openssl 3.0.19", say, or "gmpy2". `warning` says why not OpenSSL."""
        return self._engine.name

    @classmethod
    def generate(cls, method: Method, bits: int) -> Self:
        """Make a key of `bits` bits, by `cryptography`'s generator (FIPS 186-4), with gcd(e, phi(n)) = 1."""
        if not MODULUS_BITS_MIN <= bits <= MODULUS_BITS_MAX or bits % 2:
            raise ValueError(f"a brand key has {MODULUS_BITS_MIN} to {MODULUS_BITS_MAX} bits, an even number")
        numbers = rsa.generate_private_key(method.exponent, bits).private_numbers()
        return cls.from_primes(method, numbers.p, numbers.q)

    @classmethod
    def from_primes(cls, method: Method, p: int, q: int, find: openssl.Finder = openssl.loaded) -> Self:
        """Take two distinct primes of one length with gcd(e, phi(n)) = 1; Malformed otherwise."""
        public = PublicKey(method, p * q, method.exponent)
        if p == q or p.bit_length() != q.bit_length() or not (is_prime(p) and is_prime(q)):
            raise Malformed("not two distinct primes of one length")
        if not coprime(method.exponent, (p - 1) * (q - 1)):
            raise Malformed("the exponent has no inverse under these primes")
        return cls(public, p, q, find)

    def to_bytes(self) -> bytes:
        """Return the form kept on disk: the method's name, a line feed, then p and q, big-endian, of equal length."""
        half = -(-self._p.bit_length() // 8)
        return self.public.method.encode() + b"\n" + self._p.to_bytes(half, "big") + self._q.to_bytes(half, "big")

    @classmethod
    def from_bytes(cls, stored: bytes) -> Self:
        """Read what `to_bytes` wrote; Malformed for anything else."""
        name, _, primes = stored.partition(b"\n")
        known = {method.encode(): method for method in Method}
        if name not in known or len(primes) % 2:
            raise Malformed("not a stored brand key")
        half = len(primes) // 2
        key = cls.from_primes(known[name], int.from_bytes(primes[:half], "big"), int.from_bytes(primes[half:], "big"))
        if key.to_bytes() != stored:
            raise Malformed("not a stored brand key")
        return key

    def sign(self, blinded_message: bytes) -> bytes:
        """Return the blind signature (RFC 9474, section 4.3), `size` bytes: always the same for the same input.

        Malformed where `blinded_number` says so; FaultySignature where the arithmetic failed, and then nothing leaves.
        A factor shared with n is not looked for again: whoever can make such a z knows the key, and learns nothing.
        """
        return self.root(blinded_number(self.public, blinded_message)).to_bytes(self.public.size, "big")

    def root(self, value: int) -> int:
        """Return the e-th root of `value` mod n, checked before it leaves; FaultySignature if it is none."""
        try:
            root = self.raw_root(value)
            opened = self.raw_power(root)
        except ArithmeticError as error:
            raise FaultySignature("the private operation gave no result") from error
        # RFC 9474, section 4.3: "Check correctness of the signature"; a fault in one half of the CRT factors n.
        if opened != value:
            raise FaultySignature("the private operation gave a wrong result: suspect this machine")
        return root

    def raw_root(self, value: int) -> int:
        """Return value ** d mod n, blinded against timing and unchecked: for `root` alone. ArithmeticError if none."""
        return self._engine.raw_root(value)

    def raw_power(self, root: int) -> int:
        """Return root ** e mod n: what `root` compares. ArithmeticError where the engine fails."""
        return self._engine.power(root)


def challenge(public: PublicKey, number: int) -> int:
    """Return challenge `number` of the key proof, below n: from an XOF over the whole key, so nobody chooses it."""
    context = public.method.encode() + number.to_bytes(4, "big")
    drawn = xof(public.modulus_bytes, Label.CHALLENGE, context, length=public.blinding_bytes)
    return int.from_bytes(drawn, "big") % public.modulus


def key_proof(secret: SecretKey) -> tuple[bytes, ...]:
    """Return the proof that gcd(e, phi(n)) = 1: `proof_length` roots of the key's challenges, `size` bytes each."""
    public = secret.public
    roots = (secret.root(challenge(public, number)) for number in range(public.method.proof_length))
    return tuple(root.to_bytes(public.size, "big") for root in roots)


def check_key_proof(public: PublicKey, roots: tuple[bytes, ...]) -> bool:
    """Tell whether `roots` prove that every residue has one e-th root mod n, hence that blinding hides the message.

    If e divides phi(n), at most one residue in e has a root, so each challenge costs a cheating bank log2(e) bits of
    search; a challenge that shares a factor with n shows a broken key at once.
    """
    if len(roots) != public.method.proof_length:
        return False
    for number, encoded in enumerate(roots):
        demanded, root = challenge(public, number), int.from_bytes(encoded, "big")
        if len(encoded) != public.size or root >= public.modulus or not coprime(demanded, public.modulus):
            return False
        if power(root, public.exponent, public.modulus) != demanded:
            return False
    return True
