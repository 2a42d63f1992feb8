"""Goods: catalogue, order, contract, P1 and the chunks (paper, section "Purchase", first step).

    P1.  M -> C   [n, contract, root of E_k(goods)]_m, then the encrypted goods   goods_m

"It is essential that the contract contain a description of the goods in order to provide one-sided certified
delivery." The signature covers the Merkle root (RFC 6962) over the sealed chunks, so goods of any size are signed
for, and each chunk verifies on arrival.

    CD2. C -> M   [goods_m]_q   goods_q

Where the contract wants a receipt ("Two-Sided Certified Delivery"), the consumer signs for P1 and the sealed goods with
the key of a token that will pay, and P2 to P5a name that key.
"""

from __future__ import annotations

from typing import Annotated

from anonnet.crypto.hashing import H, Label
from anonnet.crypto.sealing import CHUNK_BYTES, TAG_BYTES, chunk_count
from anonnet.errors import Malformed
from anonnet.limits import (
    CATALOGUE_MAX,
    CHUNKS_MAX,
    FRAME_MAX,
    GOODS_BYTES_MAX,
    KIB,
    NAME_MAX,
    PATH_MAX,
    SMALL_FRAME_MAX,
)
from anonnet.protocol.fields import Currency, Flag, Hash, Key, KeyOrNone, Name, Number, Seconds, Secret, SomeUnits, Text
from anonnet.protocol.steps import Step
from anonnet.protocol.transaction import check_key_or_none
from anonnet.tlog.merkle import leaf_hash, verify_inclusion
from anonnet.wire.codec import Between, Message, Record, message, record
from anonnet.wire.signed import Signed

PARTIES_MAX = 8
"""Banks, and logs, that one contract accepts."""

Size = Annotated[int, Between(0, GOODS_BYTES_MAX)]
Parties = Annotated[tuple[Hash, ...], Between(1, PARTIES_MAX)]


@record
class Contract(Record):
    """What is sold, for how much, through which banks and logs; valid for orders until `valid_until`.

    `hash` is SHA-256 of the goods, `root` the Merkle root over their 64 KiB chunks: a judge can check one chunk.
    `receipt`: the merchant commits only against goods_q.
    """

    item: Name
    description: Text
    media_type: Name
    size: Size
    hash: Hash
    root: Hash
    currency: Currency
    price: SomeUnits
    banks: Parties
    logs: Parties
    valid_until: Seconds
    receipt: Flag = 0

    @property
    def chunks(self) -> int:
        """How many chunks the goods have, sealed or not."""
        return chunk_count(self.size)

    def sealed_bytes(self, index: int) -> int:
        """How large the sealed chunk at this place is: full, or for the last one what is left."""
        rest = self.size - index * CHUNK_BYTES if index == self.chunks - 1 else CHUNK_BYTES
        return rest + TAG_BYTES


@record
class Offer(Record):
    """One line of a catalogue; `banks` are those at which it can be paid. `receipt` as in the contract."""

    item: Name
    description: Text
    media_type: Name
    size: Size
    currency: Currency
    price: SomeUnits
    banks: Parties
    receipt: Flag = 0


@message(Step.CATALOGUE_OF, signed=False, frame_max=KIB)
class CatalogueOf(Message):
    """C -> M: what do you sell, from the item after `after` on (empty: from the first)?"""

    merchant: Key
    after: Annotated[str, Between(0, NAME_MAX)]


@message(Step.CATALOGUE, signed=False, frame_max=FRAME_MAX)
class Catalogue(Message):
    """M -> C: a page of the catalogue, in the order of the items' names; more follow if `more` is 1."""

    offers: Annotated[tuple[Offer, ...], Between(0, CATALOGUE_MAX)]
    more: Flag


@message(Step.ORDER, signed=False, frame_max=KIB)
class Order(Message):
    """C -> M: I want a P1 for this item. The secret is fresh; only who shows it gets the chunks."""

    merchant: Key
    item: Name
    secret: Secret

    @property
    def id(self) -> bytes:
        """How both sides call the order in their stores: it does not show the secret."""
        return order_id(self.secret)


def order_id(secret: bytes) -> bytes:
    """H("anonnet download", secret)."""
    return H(Label.DOWNLOAD, secret)


@message(Step.P1, signed=True, frame_max=2 * SMALL_FRAME_MAX)
class GoodsM(Message):
    """P1, M -> C, signed by the merchant: n, the contract, and the root over the sealed chunks E_k(goods).

    `entry_key` is W of the variation "Encrypted Log Entries"; empty: the log entry is open.
    """

    number: Number
    contract: Contract
    root: Hash
    entry_key: KeyOrNone = b""

    def check(self) -> None:
        check_key_or_none(self.entry_key, "entry_key")


@message(Step.CD2, signed=True, frame_max=KIB)
class GoodsQ(Message):
    """CD2, C -> M, signed by the key Q that P2 will name: P1 with this hash, and all its sealed goods, have come.

    The paper's {goods_m}_q, a signature without the plaintext: `goods_m` is the request hash of P1.
    """

    merchant: Key
    number: Number
    goods_m: Hash

    def is_for(self, goods_m: Signed, merchant: bytes) -> bool:
        """True if this merchant's P1 is the one that was signed for."""
        return (self.merchant, self.goods_m) == (merchant, goods_m.hash)


@message(Step.CHUNK_OF, signed=False, frame_max=KIB)
class ChunkOf(Message):
    """C -> M: one sealed chunk of the goods that P1 with this number signed for, against the secret of its order."""

    merchant: Key
    number: Number
    secret: Secret
    index: Annotated[int, Between(0, CHUNKS_MAX)]


@message(Step.CHUNK, signed=False, frame_max=CHUNK_BYTES + 4 * KIB)
class Chunk(Message):
    """M -> C: the chunk, and the inclusion path from it to the root of P1."""

    index: Annotated[int, Between(0, CHUNKS_MAX)]
    sealed: Annotated[bytes, Between(TAG_BYTES, CHUNK_BYTES + TAG_BYTES)]
    path: Annotated[tuple[Hash, ...], Between(0, PATH_MAX)]

    def check_against(self, goods_m: GoodsM) -> None:
        """Raise Malformed unless this chunk is under the root that the merchant signed."""
        leaf = leaf_hash(self.sealed)
        if not verify_inclusion(self.index, goods_m.contract.chunks, leaf, self.path, goods_m.root):
            raise Malformed("a chunk that the merchant did not sign for")
