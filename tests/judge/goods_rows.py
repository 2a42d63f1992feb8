"""Rows of the judge's table about goods: what was delivered, and what the contract names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from anonnet.crypto.sealing import CHUNK_BYTES
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.delivery import Delivered, Leaf
from anonnet.protocol.goods import Chunk, ChunkOf, Contract, GoodsM
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.judge.court import Case, row
from tests.paper.scenes import GOODS, Deal, Scene, by

AS_NAMED = Claim.DELIVERY, Ruling.RIGHT
OTHER_GOODS = Claim.DELIVERY, Ruling.WRONG
UNDECIDED = Claim.DELIVERY, Ruling.OPEN
SPENT = Claim.SPENT, Ruling.RIGHT
PLAIN = [GOODS[at : at + CHUNK_BYTES] for at in range(0, len(GOODS), CHUNK_BYTES)]
PLAIN_TREE = Tree.from_leaves(b"".join(map(leaf_hash, PLAIN)))


def terms(deal: Deal) -> GoodsM:
    """The body of P1."""
    body = decode(deal.goods_m.body)
    assert isinstance(body, GoodsM)
    return body


def leaf(index: int, tree: Tree = PLAIN_TREE) -> Leaf:
    """A leaf of the plain goods, with its path."""
    at = 32 * index
    return Leaf(hash=tree.leaves[at : at + 32], path=tuple(tree.inclusion(index, tree.size)))


def chunks(deal: Deal, indexes: Iterable[int] = range(3), *, leaves: bool = False) -> list[Delivered]:
    """Chunks as the merchant hands them out, on request with the contract's leaves at their places."""
    found = []
    for index in indexes:
        asked = ChunkOf(merchant=deal.scene.merchant_key, number=deal.number, secret=deal.secret, index=index)
        chunk = deal.scene.ask(deal.scene.merchant, asked)
        assert isinstance(chunk, Chunk)
        found.append(Delivered(chunk=chunk, leaf=(leaf(index),) if leaves else ()))
    return found


def lie(deal: Deal, **changed: object) -> Signed:
    """P1 under a contract that names something else."""
    offer = terms(deal)
    contract: Contract = replace(offer.contract, **changed)  # type: ignore[arg-type]
    return by("merchant", replace(offer, contract=contract))


@row(
    *(Claim.DELIVERY, "commit, goods_m, the encrypted goods", "the merchant has delivered what his contract names"),
    *(AS_NAMED, SPENT),
)
def goods_as_described(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.authorization_q, deal.outcome], chunks(deal))


@row(
    Claim.DELIVERY,
    "commit, goods_m that names another hash, the encrypted goods",
    "the merchant owes the goods that his contract names, or the price",
    OTHER_GOODS,
)
def goods_of_another_hash(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([lie(deal, hash=bytes(32)), deal.outcome], chunks(deal))


@row(
    Claim.DELIVERY,
    "commit, goods_m that names another Merkle root, the encrypted goods",
    "the merchant owes the goods that his contract names, or the price",
    OTHER_GOODS,
)
def goods_of_another_root(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([lie(deal, root=bytes(32)), deal.outcome], chunks(deal))


@row(
    Claim.DELIVERY,
    "commit, goods_m that names another size, the encrypted goods",
    "the merchant owes the goods that his contract names, or the price",
    OTHER_GOODS,
)
def goods_of_another_size(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([lie(deal, size=len(GOODS) + 1), deal.outcome], chunks(deal))


@row(
    *(Claim.DELIVERY, "commit, goods_m over bytes that its key does not open, one of them", "the same"),
    OTHER_GOODS,
)
def goods_that_do_not_open(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    noise = [Random(index).randbytes(len(plain) + 16) for index, plain in enumerate(PLAIN)]
    tree = Tree.from_leaves(b"".join(map(leaf_hash, noise)))
    sold = by("merchant", replace(terms(deal), root=tree.root()))
    chunk = Chunk(index=1, sealed=noise[1], path=tuple(tree.inclusion(1, tree.size)))
    return Case([sold, deal.outcome], [Delivered(chunk=chunk, leaf=())])


@row(
    Claim.DELIVERY,
    "commit, goods_m, a chunk with its path and the contract's leaf at its place",
    "that chunk is what the contract names",
    AS_NAMED,
)
def one_chunk_as_named(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.outcome], chunks(deal, [1], leaves=True))


@row(
    *(Claim.DELIVERY, "commit, goods_m, a chunk whose contract's leaf is another", "the same as for other goods"),
    OTHER_GOODS,
)
def one_chunk_of_other_goods(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    named = [PLAIN[0], b"what was promised".ljust(CHUNK_BYTES), PLAIN[2]]
    tree = Tree.from_leaves(b"".join(map(leaf_hash, named)))
    (delivered,) = chunks(deal, [1])
    shown = replace(delivered, leaf=(leaf(1, tree),))
    return Case([lie(deal, root=tree.root()), deal.outcome], [shown])


@row(
    *(Claim.DELIVERY, "the same, and once more without that leaf, before and after", "the same"),
    OTHER_GOODS,
)
def one_chunk_of_other_goods_shown_thrice(scene: Scene) -> Case:
    once = one_chunk_of_other_goods(scene)
    bare = replace(once.chunks[0], leaf=())
    return Case(once.papers, [bare, *once.chunks, bare])


@row(
    *(Claim.DELIVERY, "commit, goods_m, a chunk twice, once with the contract's leaf at its place"),
    *("that chunk is what the contract names", AS_NAMED),
)
def one_chunk_as_named_shown_twice(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.outcome], [*chunks(deal, [1]), *chunks(deal, [1], leaves=True)])


@row(
    *(Claim.DELIVERY, "commit, goods_m, the encrypted goods, one chunk twice, and another in its place"),
    *("the merchant has delivered what his contract names; the other chunk is set aside", AS_NAMED),
    set_aside=1,
)
def goods_with_a_chunk_twice(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    first, *rest = chunks(deal)
    forged = replace(first, chunk=replace(first.chunk, sealed=b"no such goods".ljust(CHUNK_BYTES + 16)))
    return Case([deal.goods_m, deal.outcome], [forged, first, first, *rest])


@row(
    *(Claim.DELIVERY, "commit, goods_m, a chunk alone", "it was delivered; what the contract names is not shown"),
    UNDECIDED,
)
def one_chunk_alone(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.outcome], chunks(deal, [2]))


@row(
    *(Claim.DELIVERY, "commit, goods_m, a chunk with a leaf that the contract does not name", "as for a chunk alone"),
    UNDECIDED,
)
def one_chunk_with_a_made_up_leaf(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    (delivered,) = chunks(deal, [1])
    made_up = Leaf(hash=leaf_hash(b"made up"), path=leaf(1).path)
    return Case([deal.goods_m, deal.outcome], [replace(delivered, leaf=(made_up,))])


@row(Claim.DELIVERY, "commit, goods_m, all chunks but one", "they were delivered; the rest is not shown", UNDECIDED)
def goods_with_a_gap(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.outcome], chunks(deal, [0, 2]))


@row(Claim.DELIVERY, "commit, goods_m", "the key is public; what was delivered is not shown", UNDECIDED)
def no_goods(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    return Case([deal.goods_m, deal.outcome])


@row(
    *(Claim.DELIVERY, "commit, goods_m, chunks of other goods", "they are set aside: he has not signed for them"),
    UNDECIDED,
    set_aside=1,
)
def goods_of_somebody_else(scene: Scene) -> Case:
    deal = Deal.committed(scene)
    forged = replace(chunks(deal, [0])[0].chunk, sealed=b"no such goods".ljust(CHUNK_BYTES + 16))
    return Case([deal.goods_m, deal.outcome], [Delivered(chunk=forged, leaf=())])


@row(Claim.DELIVERY, "goods_m, the encrypted goods, no commit", "nothing: no key is public", set_aside=1)
def goods_without_a_sale(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    return Case([deal.goods_m], chunks(deal))


@row(Claim.DELIVERY, "goods_m, the encrypted goods, commit of another sale", "nothing", set_aside=1)
def goods_with_the_commit_of_another_sale(scene: Scene) -> Case:
    deal = Deal.authorized(scene)
    other = Deal.committed(scene, deal.hand, deal.hand.withdraw(4, 1))
    return Case([deal.goods_m, other.outcome], chunks(deal))
