"""The consumer's desk for brands: which ones everybody is shown (design: blind signatures).

Beside those of the network file she accepts what its bank has signed and proven, and what has stood in the chain of
every log of the network long enough before it opens. A log takes no two brands of a kind that are open at once, so no
bank can give her one by which it knows her again. Where one tries, the two brands that it signed are kept and show it.
She reads chains from where many begin, each time on a circuit of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from anonnet.errors import Malformed
from anonnet.limits import CHAIN_STEP, ENTRIES_MAX, ENTRY_BYTES_MAX, FOLLOW_BYTES_MAX
from anonnet.parties.errands import done, request
from anonnet.parties.following import check_range
from anonnet.parties.purse import Purse
from anonnet.parties.recovery import Recovery
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.brand import Brand, BrandOffer, Brands, BrandsOf, accepted
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entries, Entry, EntryKind, Follow
from anonnet.protocol.network import Network, Role
from anonnet.protocol.quorum import cosignatures
from anonnet.protocol.rules import sound
from anonnet.store.listing import brand_of
from anonnet.store.wallet import WalletStore
from anonnet.tlog.checkpoint import Checkpoint
from anonnet.tlog.merkle import Frontier, leaf_hash
from anonnet.wire.codec import decode_record
from anonnet.wire.signed import Signed

WalletTurn = Turn[WalletStore]

SUBJECT = b"brands"
"""What the errands of this desk are about."""


class BrandList:
    """The desk for brands."""

    def __init__(self, network: Network, purse: Purse, recovery: Recovery) -> None:
        self._network = network
        self._purse = purse
        self._recovery = recovery
        self._banks = [peer.key for peer in network.all(Role.BANK)]
        self._pinned = [offer.brand for offer in network.brands]
        self._accepted = frozenset(purse.brands)  # at the start: later ones are rows

    def look(self, turn: WalletTurn) -> None:
        """Read on in the chain of each log; then the banks are asked for the key proofs."""
        for log in self._network.logs:
            size = turn.store.listing.frontier(log).size
            self._follow(turn, log, size - size % CHAIN_STEP)

    def _follow(self, turn: WalletTurn, log: bytes, start: int) -> None:
        turn.store.errands.add(log, Follow(log=log, shard=CHAIN, start=start), subject=SUBJECT, due=turn.now)

    # The chain.

    def entries(self, turn: WalletTurn, asked: Asked[Entries]) -> Answer:
        """Take in what leads to a checkpoint that counts; at the end, ask the banks."""
        follow, said = request(asked), asked.body
        assert isinstance(follow, Follow)
        check_range(said, follow)
        before = turn.store.listing.frontier(follow.log)
        frontier = self._read(turn, self._network.logs[follow.log], before, said)
        answer = done(turn, asked)
        if frontier.size > before.size and _is_full(said):
            self._follow(turn, follow.log, frontier.size)
            return answer
        for bank in self._banks:
            turn.store.errands.add(bank, BrandsOf(bank=bank), subject=SUBJECT, due=turn.now)
        return answer

    def _read(self, turn: WalletTurn, known: KnownLog, frontier: Frontier, said: Entries) -> Frontier:
        """The chain's right edge with these entries, as far as they lead to a checkpoint. Raises Malformed."""
        for note in said.checkpoints:
            head = _counting(known, note)
            if head is None or head.size <= frontier.size:
                continue
            piece = said.entries[frontier.size - said.start : head.size - said.start]
            grown = Frontier(frontier.size, frontier.subtrees)
            for each in piece:
                grown.append(leaf_hash(each.entry))
            if (grown.size, grown.root()) != (head.size, head.root):
                raise Malformed("entries that do not lead to the checkpoint that comes with them")
            read = [sound(self._network.name, known, CHAIN, each.entry) for each in piece]
            self._list(turn, known, read)
            turn.store.listing.forget(min(turn.now, read[-1].time))  # by one clock alone it would be no brand's end
            frontier = grown
            turn.store.listing.read_to(known.identity, frontier)
        return frontier

    def _list(self, turn: WalletTurn, known: KnownLog, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.kind == EntryKind.BRAND:
                signed = decode_record(Signed, entry.body)
                brand = brand_of(signed)
                if brand.bank in self._banks:
                    self._contested(turn, brand, signed)
                    turn.store.listing.add(known.identity, brand, signed, brand.announced_in_time(entry.time))

    # The banks.

    @on(Brands, by=From.ERRAND)
    def brands(self, turn: WalletTurn, asked: Asked[Brands]) -> Answer:
        """Accept what stands in the logs, and has its key proof here."""
        question = request(asked)
        assert isinstance(question, BrandsOf)
        offers = [(accepted(self._network.name, question.bank, each), each) for each in asked.body.offers]
        for brand, offer in offers:  # all are checked by now: what the purse has learned is not taken back with a turn
            if brand.id not in self._accepted and not self._contested(turn, brand, offer.brand):
                if turn.store.listing.stands_in_time(brand.id, self._network.logs):
                    self._accept(turn, brand, offer, asked.entropy)
        return done(turn, asked)

    def _accept(self, turn: WalletTurn, brand: Brand, offer: BrandOffer, entropy: bytes) -> None:
        """From now on its tokens count. What decides is the row: the purse only learns what it says."""
        if turn.store.listing.accept(brand, offer):
            self._purse.learn(brand)
            self._recovery.learned(turn, brand, entropy)

    def _contested(self, turn: WalletTurn, brand: Brand, signed: Signed) -> bool:
        """True if another brand of its kind is open at the same time: both are kept, as what they show."""
        others = [*self._pinned, *turn.store.listing.listed()]
        rivals = [other for other in others if other.body != signed.body and brand.competes(brand_of(other))]
        for other in rivals:
            turn.store.listing.contest(signed, other)
        return bool(rivals)


def _is_full(page: Entries) -> bool:
    """True if there may be more behind these entries."""
    size = sum(len(each.entry) for each in page.entries)
    return len(page.entries) == ENTRIES_MAX or size > FOLLOW_BYTES_MAX - ENTRY_BYTES_MAX


def _counting(known: KnownLog, note: bytes) -> Checkpoint | None:
    """A checkpoint of the chain that the log has signed, unless a quorum has to cosign it and has not. Raises
    Malformed."""
    signed = known.opened(CHAIN, note)
    if known.decides_alone or known.agreed(cosignatures(known, signed.note)):
        return signed.body
    return None
