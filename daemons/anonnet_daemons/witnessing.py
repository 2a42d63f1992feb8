"""Which foreign logs a mirror witnesses, and under which key.

The logs stand in the file `witness.policy` of its data folder, a C2SP tlog-policy: a line `log VKEY` for each, and a
last line `quorum none`.
"""

from __future__ import annotations

from anonnet.crypto.hashing import Label, hkdf
from anonnet.crypto.keys import SEED_BYTES, SigningKey
from anonnet.errors import BadStart, Malformed
from anonnet.protocol.network import Peer
from anonnet.store.folder import read_secret
from anonnet.tlog.note import Signer
from anonnet.tlog.policy import Policy
from anonnet_daemons.config import IDENTITY_FILE, Setup

POLICY_FILE = "witness.policy"


def foreign_logs(setup: Setup) -> Policy | None:
    """The logs that are witnessed; None without the file. Raises BadStart."""
    path = setup.folder / POLICY_FILE
    try:
        return Policy.parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as why:
        raise BadStart(f"{path} cannot be read: {why.strerror or why}") from why
    except Malformed as why:
        words = "write a line `log VKEY` for each log, then `quorum none`"
        raise BadStart(f"{path} is not a tlog-policy ({why}): {words}") from why


def cosigner(setup: Setup, peer: Peer) -> Signer:
    """The key that cosigns them, derived from the mirror's own, under a name that tells whose. Raises BadStart."""
    setup.identity(peer)  # complains where it is another's
    seed = hkdf(read_secret(setup.folder / IDENTITY_FILE, SEED_BYTES), Label.WITNESS)
    return Signer(f"anonnet/{peer.identity.hex()}/witness", SigningKey(seed))
