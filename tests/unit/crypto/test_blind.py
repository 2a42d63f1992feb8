"""Blind signatures: the two published variants by their vectors, the others by agreement, and what must be refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gmpy2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from anonnet.crypto import blind
from anonnet.crypto.blind import FaultySignature, Method, PublicKey, SecretKey
from anonnet.crypto.integers import inverse
from anonnet.errors import Malformed
from tests.rsa_keys import PRIMES, brand_key

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc9474.json").read_text())["vectors"]
RSABSSA = [method for method in Method if method is not Method.FDH]
MESSAGE = b"a fresh key stands here"


def token(secret: SecretKey, message: bytes = MESSAGE) -> tuple[bytes, bytes]:
    """Withdraw once: return the prepared message and its signature."""
    public = secret.public
    prepared = blind.prepare(public.method, message, os.urandom(32) if public.method.randomized else b"")
    salt = os.urandom(public.method.salt_length)
    blinded = blind.blind(public, prepared, blinding=os.urandom(public.blinding_bytes), salt=salt)
    return prepared, blind.finalize(public, prepared, secret.sign(blinded.blinded_message), blinded.inverse)


def openssl_accepts(public: PublicKey, message: bytes, signature: bytes) -> bool:
    key = rsa.RSAPublicNumbers(public.exponent, public.modulus).public_key()
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), public.method.salt_length)
    try:
        key.verify(signature, message, scheme, hashes.SHA384())
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_rfc_9474_vectors(vector: dict[str, str]) -> None:
    secret = SecretKey.from_primes(Method(vector["name"]), int(vector["p"], 16), int(vector["q"], 16))
    public = secret.public
    given = {name: bytes.fromhex(vector[name]) for name in vector if name != "name" and len(vector[name]) % 2 == 0}

    prepared = blind.prepare(public.method, given["msg"], given["msg_prefix"])
    factor = inverse(int(vector["inv"], 16), public.modulus)
    assert factor is not None
    blinded = blind.blind_by(public, prepared, factor=factor, salt=given["salt"])
    blind_signature = secret.sign(blinded.blinded_message)

    assert prepared == given["prepared_msg"]
    assert blind.encode(public, prepared, given["salt"]) == given["encoded_msg"]
    assert blinded.inverse == int(vector["inv"], 16)
    assert blinded.blinded_message == given["blinded_msg"]
    assert blind_signature == given["blind_sig"]
    assert blind.finalize(public, prepared, blind_signature, blinded.inverse) == given["sig"]


@pytest.mark.parametrize("method", RSABSSA)
@pytest.mark.parametrize("name", ["2048-a", "3072", "4096"])
def test_every_token_verifies_as_plain_rsa_pss(name: str, method: Method) -> None:
    secret = brand_key(name, method)

    prepared, signature = token(secret)

    assert blind.verify(secret.public, prepared, signature)
    assert openssl_accepts(secret.public, prepared, signature)


@pytest.mark.parametrize("method", RSABSSA)
def test_we_accept_what_openssl_signs_and_no_other_salt_length(method: Method) -> None:
    public = brand_key("2048-b", method).public
    p, q = PRIMES["2048-b"]
    d = pow(65537, -1, (p - 1) * (q - 1))
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    key = rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(65537, p * q)).private_key()

    for salt_length in (0, 32, 48):
        scheme = padding.PSS(padding.MGF1(hashes.SHA384()), salt_length)
        signature = key.sign(MESSAGE, scheme, hashes.SHA384())
        assert blind.verify(public, MESSAGE, signature) == (salt_length == method.salt_length)


def test_full_domain_hash_of_the_paper() -> None:
    secret = brand_key("2048-e3", Method.FDH)

    prepared, signature = token(secret)

    assert prepared == MESSAGE
    assert pow(int.from_bytes(signature, "big"), 3, secret.public.modulus) < 1 << 2047
    assert blind.verify(secret.public, MESSAGE, signature)
    assert not blind.verify(secret.public, MESSAGE + b".", signature)


@pytest.mark.parametrize("bits", [2049, 2055, 2056])
def test_odd_lengths_of_the_modulus(bits: int) -> None:
    """An encoded message is a byte shorter than the modulus where |n| - 1 is a multiple of eight."""
    p = PRIMES["2048-a"][0]
    q = int(gmpy2.next_prime((1 << (bits - 1)) // p + (1 << 1000)))
    public = PublicKey(Method.PSS_DETERMINISTIC, p * q, 65537)
    assert public.modulus.bit_length() == bits
    d = pow(65537, -1, (p - 1) * (q - 1))
    blinded = blind.blind(public, MESSAGE, blinding=os.urandom(public.blinding_bytes), salt=bytes(48))
    signed = pow(int.from_bytes(blinded.blinded_message, "big"), d, public.modulus).to_bytes(public.size, "big")

    signature = blind.finalize(public, MESSAGE, signed, blinded.inverse)

    assert openssl_accepts(public, MESSAGE, signature)


@pytest.mark.parametrize(("name", "method"), [("2048-a", Method.PSS_DETERMINISTIC), ("2048-e3", Method.FDH)])
def test_the_product_of_two_signatures_is_no_third(name: str, method: Method) -> None:
    """Threat 1: raw RSA is multiplicative."""
    secret = brand_key(name, method)
    n = secret.public.modulus
    (one, first), (two, second) = token(secret, b"one"), token(secret, b"two")

    product = (int.from_bytes(first, "big") * int.from_bytes(second, "big") % n).to_bytes(secret.public.size, "big")

    assert not any(blind.verify(secret.public, message, product) for message in (one, two, one + two, b""))


def test_a_signature_has_one_form() -> None:
    public = brand_key("2048-a").public
    prepared, signature = token(brand_key("2048-a"))
    s = int.from_bytes(signature, "big")

    others = [b"", signature[1:], b"\0" + signature, signature + b"\0", bytes(256), public.modulus_bytes]
    others += [(public.modulus - s).to_bytes(256, "big"), (s ^ 1).to_bytes(256, "big")]
    if (s + public.modulus).bit_length() <= 2048:
        others.append((s + public.modulus).to_bytes(256, "big"))

    assert not any(blind.verify(public, prepared, other) for other in others)
    assert not blind.verify(brand_key("2048-b").public, prepared, signature)


class BrokenMachine(SecretKey):
    """A key on a machine that miscalculates one half of the CRT: the fault that gives n's factors away."""

    def raw_root(self, value: int) -> int:
        right = super().raw_root(value)
        return (right + PRIMES["2048-a"][0]) % self.public.modulus


def test_a_faulty_signature_never_leaves() -> None:
    """Threat 3: the faulty value would share a factor with n after one subtraction, so the check is what saves it."""
    secret = BrokenMachine.from_primes(Method.PSS_DETERMINISTIC, *PRIMES["2048-a"])
    blinded = blind.blind(secret.public, MESSAGE, blinding=os.urandom(272), salt=bytes(48))

    with pytest.raises(FaultySignature) as caught:
        secret.sign(blinded.blinded_message)

    assert not any(str(prime) in str(caught.value) for prime in PRIMES["2048-a"])
    with pytest.raises(FaultySignature):
        blind.key_proof(secret)


def test_signing_again_gives_the_same_bytes() -> None:
    secret = brand_key("2048-a")
    blinded = blind.blind(secret.public, MESSAGE, blinding=os.urandom(272), salt=bytes(48))

    assert secret.sign(blinded.blinded_message) == secret.sign(blinded.blinded_message)


def test_what_the_bank_may_not_sign() -> None:
    secret = brand_key("2048-a")
    n, (p, q) = secret.public.modulus, PRIMES["2048-a"]
    for number in (p, q, n - p):
        with pytest.raises(Malformed, match="shares a factor"):
            blind.check_blinded(secret.public, number.to_bytes(256, "big"))

    bad = [number.to_bytes(256, "big") for number in (0, 1, n - 1, n, n + 1, (1 << 2048) - 1)]
    bad += [b"", (2).to_bytes(255, "big"), (2).to_bytes(257, "big")]

    for blinded_message in bad:
        with pytest.raises(Malformed):
            blind.check_blinded(secret.public, blinded_message)
        with pytest.raises(Malformed):
            secret.sign(blinded_message)


def test_a_wrong_answer_of_the_bank_is_no_token() -> None:
    secret, other = brand_key("2048-a"), brand_key("2048-b")
    blinded = blind.blind(secret.public, MESSAGE, blinding=os.urandom(272), salt=bytes(48))
    right = secret.sign(blinded.blinded_message)

    wrong = [bytes(256), right[:-1], right + b"\0", secret.public.modulus_bytes, blinded.blinded_message]
    wrong.append((pow(int.from_bytes(blinded.blinded_message, "big"), 3, other.public.modulus)).to_bytes(256, "big"))
    for blind_signature in wrong:
        with pytest.raises(Malformed):
            blind.finalize(secret.public, MESSAGE, blind_signature, blinded.inverse)


def test_blinding_that_shares_a_factor_is_refused() -> None:
    secret = brand_key("2048-a")
    with pytest.raises(Malformed):
        blind.blind_by(secret.public, MESSAGE, factor=PRIMES["2048-a"][0], salt=bytes(48))
    for wrong in ({"blinding": bytes(271), "salt": bytes(48)}, {"blinding": bytes(272), "salt": b""}):
        with pytest.raises(ValueError, match="bytes, not"):
            blind.blind(secret.public, MESSAGE, **wrong)


@pytest.mark.parametrize(("name", "method"), [("2048-a", Method.PSS_DETERMINISTIC), ("2048-e3", Method.FDH)])
def test_the_key_proof_of_a_good_key(name: str, method: Method) -> None:
    secret = brand_key(name, method)

    proof = blind.key_proof(secret)

    assert len(proof) == method.proof_length == (81 if method is Method.FDH else 8)
    assert blind.check_key_proof(secret.public, proof)
    assert not blind.check_key_proof(secret.public, proof[:-1])
    assert not blind.check_key_proof(secret.public, proof[1:] + proof[:1])
    n = secret.public.modulus
    negative = (n - int.from_bytes(proof[0], "big")).to_bytes(secret.public.size, "big")
    assert not blind.check_key_proof(secret.public, (negative, *proof[1:]))
    assert not blind.check_key_proof(brand_key("2048-b").public, proof)


def bad_prime(e: int, bits: int) -> int:
    """Return a prime of `bits` bits that is 1 mod e."""
    candidate = (3 << (bits - 2)) // e * e + 1
    while not (candidate % 2 and gmpy2.is_prime(candidate)):
        candidate += e
    return candidate


@pytest.mark.parametrize("method", [Method.PSS_DETERMINISTIC, Method.FDH])
def test_no_proof_for_a_key_whose_exponent_divides_phi(method: Method) -> None:
    """Threat 5: such a bank could recognise tokens. Its best proof roots those challenges that have a root."""
    e, q = method.exponent, PRIMES["2048-e3"][0]
    p = bad_prime(e, 1024)
    public = PublicKey(method, p * q, e)
    with pytest.raises(Malformed):
        SecretKey.from_primes(method, p, q)
    assert (q - 1) % e
    cofactor = p - 1
    while cofactor % e == 0:
        cofactor //= e

    proof, rooted = [], 0
    for number in range(method.proof_length):
        challenge = blind.challenge(public, number)
        # An e-th root mod p of those that have one, if e^2 does not divide p - 1; anything for the others.
        at_p = pow(challenge, pow(e, -1, cofactor), p)
        at_q = pow(challenge, pow(e, -1, q - 1), q)
        root = at_q + (at_p - at_q) * pow(q, -1, p) % p * q
        rooted += pow(root, e, public.modulus) == challenge
        proof.append(root.to_bytes(public.size, "big"))

    assert rooted >= (10 if method is Method.FDH else 0)  # about a third of 81: the attack is a real one
    assert rooted < method.proof_length
    assert not blind.check_key_proof(public, tuple(proof))


@pytest.mark.parametrize("modulus", [0, -1, 15, (1 << 2047) + 2, (1 << 2046) + 1, (1 << 4096) + 1])
def test_moduli_out_of_bounds(modulus: int) -> None:
    with pytest.raises(Malformed):
        PublicKey(Method.PSS_DETERMINISTIC, modulus, 65537)


def test_public_keys_have_one_form() -> None:
    public = brand_key("2048-a").public
    assert PublicKey.from_bytes(public.method, public.modulus_bytes) == public
    for wrong in (b"", b"\0" + public.modulus_bytes, public.modulus_bytes[:-9]):
        with pytest.raises(Malformed):
            PublicKey.from_bytes(public.method, wrong)
    with pytest.raises(Malformed):
        PublicKey(Method.FDH, public.modulus, 65537)


def test_stored_keys_come_back_and_do_not_show() -> None:
    secret = brand_key("2048-e3", Method.FDH)
    stored = secret.to_bytes()

    assert SecretKey.from_bytes(stored).public == secret.public
    for wrong in (b"", b"RSA\n", stored[:-1], stored + b"\0\0", stored.replace(b"FDH", b"PSS"), stored[:-2] + b"\0\0"):
        with pytest.raises(Malformed):
            SecretKey.from_bytes(wrong)
    shown = repr(secret) + str(secret) + repr(blind.Blinded(b"1234", 0xABCDEF))
    assert not any(secret_text in shown for secret_text in (str(PRIMES["2048-e3"][0]), f"{0xABCDEF}", "abcdef"))


def test_generated_keys_work() -> None:
    secret = SecretKey.generate(Method.PSSZERO_DETERMINISTIC, 2048)
    prepared, signature = token(secret)
    assert openssl_accepts(secret.public, prepared, signature)
    for bits in (1024, 2047, 8192):
        with pytest.raises(ValueError, match="bits"):
            SecretKey.generate(Method.PSS_DETERMINISTIC, bits)
