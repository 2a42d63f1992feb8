"""Kinds of field that many messages share, with their bounds."""

from __future__ import annotations

from typing import Annotated

from anonnet.limits import CURRENCY_MAX, MODULUS_BITS_MAX, MODULUS_BITS_MIN, NAME_MAX, SECONDS_MAX, TEXT_MAX, UNITS_MAX
from anonnet.times import SHARD_SECONDS
from anonnet.wire.codec import Between

Hash = Annotated[bytes, Between(32, 32)]
"""SHA-256, or an id that is one."""
Key = Annotated[bytes, Between(32, 32)]
"""An Ed25519 public key: a party, an account or a token's Q."""
KeyOrNone = Annotated[bytes, Between(0, 32)]
"""A key of a variation; empty where the variation is not used. Its class checks that nothing between is accepted."""
Secret = Annotated[bytes, Between(32, 32)]
"""32 bytes that only some may know: the merchandise key k, a download secret."""
Number = Annotated[bytes, Between(32, 32)]
"""The transaction number n."""
NumberOrNone = Annotated[bytes, Between(0, 32)]
"""The same; empty where a log is not told. Its class checks that nothing between is accepted."""
Seconds = Annotated[int, Between(0, SECONDS_MAX)]
"""POSIX time in whole seconds."""
Shard = Annotated[int, Between(0, 1 + SECONDS_MAX // SHARD_SECONDS)]
"""One of a log's trees: that of all transactions which expire in one span of SHARD_SECONDS; 0 is the chain."""
Units = Annotated[int, Between(0, UNITS_MAX)]
"""An amount in a currency's smallest unit."""
SomeUnits = Annotated[int, Between(1, UNITS_MAX)]
"""An amount that is not nothing."""
Currency = Annotated[str, Between(1, CURRENCY_MAX)]
"""A currency's name."""
Modulus = Annotated[bytes, Between(MODULUS_BITS_MIN // 8, MODULUS_BITS_MAX // 8)]
"""An integer modulo a brand's modulus, big-endian and as long as it: a modulus, a blinded message, a signature."""
Name = Annotated[str, Between(1, NAME_MAX)]
"""A name people read."""
Text = Annotated[str, Between(0, TEXT_MAX)]
"""What people read."""
Flag = Annotated[int, Between(0, 1)]
"""1: yes. There are no booleans on the wire."""
Index = Annotated[int, Between(0, 2**53)]
"""A position in a list that only grows."""
