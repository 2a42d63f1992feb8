"""What was delivered: sealed chunks opened with the key that the log published (paper, "Correctness and Atomicity").

"The goods encryption key, the encrypted goods, and the description of goods (contained in the contract), have all been
signed by M": a chunk is the merchant's by its path to the root in goods_m; what it holds is known by k, to which n
commits; what it should hold is known by the contract's size, hash and Merkle root. All goods together are compared
with all three. A single chunk of large goods is compared with the contract's own leaf at its place, where somebody who
has the right goods has shown that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from anonnet.crypto.sealing import CHUNK_BYTES, Sealer
from anonnet.errors import Malformed
from anonnet.limits import KIB, PATH_MAX
from anonnet.protocol.fields import Hash
from anonnet.protocol.goods import Chunk, Contract, GoodsM
from anonnet.protocol.steps import InFile
from anonnet.tlog.merkle import HASH_BYTES, Frontier, leaf_hash, verify_inclusion
from anonnet.wire.codec import Between, Message, Record, message, record


@record
class Leaf(Record):
    """The contract's own leaf: the hash of the plain chunk that it names, and the path from it to the contract's
    root."""

    hash: Hash
    path: Annotated[tuple[Hash, ...], Between(0, PATH_MAX)]


@message(InFile.DELIVERED, signed=False, frame_max=CHUNK_BYTES + 8 * KIB)
class Delivered(Message):
    """A sealed chunk as the merchant gave it, and where somebody has it, the contract's leaf at its place."""

    chunk: Chunk
    leaf: Annotated[tuple[Leaf, ...], Between(0, 1)]


@dataclass
class Delivery:
    """The chunks of one sale that were shown. `take` them in ascending order, the same one as often as it is shown: the
    merchant has signed for one at each place."""

    goods_m: bytes
    """The hash of P1. It tells this sale from others: a merchant may have signed two contracts with one n."""
    offer: GoodsM
    key: bytes
    shown: int = 0
    """At how many places."""
    unopened: list[int] = field(default_factory=list)
    """Chunks that the merchant signed for and that his key does not open."""
    named: int = 0
    """Chunks that are what the contract's leaf at their place says."""
    other: list[int] = field(default_factory=list)
    """Chunks that are something else than the contract's leaf at their place says."""

    def __post_init__(self) -> None:
        self._sealer, self._tree = Sealer(self.key), Frontier()
        self._hash, self._size = hashlib.sha256(), 0
        self._last, self._found, self._compared = -1, b"", False

    @property
    def contract(self) -> Contract:
        return self.offer.contract

    @property
    def whole(self) -> bool:
        """True if all chunks were shown, and all have opened."""
        return self._tree.size == self.contract.chunks

    @property
    def as_described(self) -> bool:
        """True if the goods, shown whole, are what the contract names."""
        contract = self.contract
        found = self._size, self._hash.digest(), self._tree.root()
        return self.whole and found == (contract.size, contract.hash, contract.root)

    def owns(self, chunk: Chunk) -> bool:
        """True if the merchant signed for this chunk in this sale."""
        return _under(chunk, leaf_hash(chunk.sealed), chunk.path, self.contract, self.offer.root)

    def take(self, delivered: Delivered) -> bytes | None:
        """Look at one chunk that this sale owns; its plain bytes, or None where the key does not open it, or where it
        was taken before. Then the leaf beside it may be new all the same."""
        index, plain = delivered.chunk.index, None
        assert index >= self._last, "chunks are taken in ascending order"
        if index > self._last:
            self._last, self._compared = index, False
            self.shown += 1
            plain = self._open(delivered.chunk)
            self._found = b"" if plain is None else leaf_hash(plain)
        if self._found and not self._compared:
            self._compare(delivered)
        return plain

    def _open(self, chunk: Chunk) -> bytes | None:
        try:
            plain = self._sealer.open(chunk.index, chunk.index == self.contract.chunks - 1, chunk.sealed)
        except Malformed:
            self.unopened.append(chunk.index)
            return None
        if chunk.index == self._tree.size:
            self._tree.append(leaf_hash(plain))
            self._hash.update(plain)
            self._size += len(plain)
        return plain

    def _compare(self, delivered: Delivered) -> None:
        for leaf in delivered.leaf:
            if not _under(delivered.chunk, leaf.hash, leaf.path, self.contract, self.contract.root):
                continue  # whoever wrote the file has shown nothing by it
            self._compared = True
            if leaf.hash == self._found:
                self.named += 1
            else:
                self.other.append(delivered.chunk.index)


def _under(chunk: Chunk, leaf: bytes, path: tuple[bytes, ...], contract: Contract, root: bytes) -> bool:
    assert len(leaf) == HASH_BYTES
    return verify_inclusion(chunk.index, contract.chunks, leaf, path, root)


@dataclass
class Deliveries:
    """The sales whose goods can be opened: each chunk is put to those that it is of (one, if no merchant lies)."""

    sales: list[Delivery]
    strange: int = 0
    """Chunks that no merchant has signed for in a sale that has committed."""

    def open(self, shown: Iterable[Delivered]) -> Iterator[tuple[Delivery, int, bytes]]:
        """Look at every chunk, in ascending order; give the sale, the place and the plain bytes of each that opens,
        once."""
        for delivered in shown:
            owners = [sale for sale in self.sales if sale.owns(delivered.chunk)]
            self.strange += not owners
            for sale in owners:
                plain = sale.take(delivered)
                if plain is not None:
                    yield sale, delivered.chunk.index, plain
