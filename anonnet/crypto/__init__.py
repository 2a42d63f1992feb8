"""Bytes and integers: hashing, blind RSA, signing keys, sealing, noise. No protocol."""
