"""What each party could know now about a wallet, in plain sentences, from the wallet's own rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from anonnet.protocol.brand import Brand
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.seed import Lane
from anonnet.store.resting import Lot
from anonnet.store.tokens import EXCHANGED, EXCHANGING, FREE, LOCKED, RELEASING, SPENT, Held
from anonnet.store.wallet import Bought, WalletStore
from anonnet_daemons.linking import EXCHANGE, SALE, Doing, Linked

PURCHASES_MAX = 10_000
CAME = FREE, LOCKED, RELEASING, EXCHANGING, EXCHANGED, SPENT
"""States of tokens that the bank has given."""
SHOWN = EXCHANGED, SPENT
"""States of tokens that the bank has seen, each with what it was used for."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Who could know what: sentences by the name of the party."""

    network: Network
    brands: Mapping[bytes, Brand]
    lots: list[Lot]
    tokens: list[Held]
    purchases: list[Bought]
    hurried: frozenset[bytes]
    """Those of them that did not wait until their tokens had rested."""
    fast: frozenset[bytes]
    """Brands that were recovered in haste."""

    @classmethod
    def of(cls, store: WalletStore, network: Network, brands: Iterable[Brand], now: int) -> Explained:
        """Read a wallet."""
        ids = store.purchases(most=PURCHASES_MAX)
        purchases = [bought for id in ids if (bought := store.purchase(id))]
        hurried = frozenset(id for id in ids if store.resting.hurried(id))
        known = {each.id: each for each in brands}
        fast = frozenset(id for id in known if not store.recovery.spread(id, otherwise=1))
        tokens = [held for state in CAME for held in store.tokens.in_state(state, list(known))]
        return cls(network, known, store.resting.lots(now), tokens, purchases, hurried, fast)

    def sentences(self) -> dict[str, list[str]]:
        """Party by party; those that know nothing are left out."""
        told: dict[str, list[str]] = defaultdict(list)
        for role, said in ((Role.BANK, self._bank), (Role.MERCHANT, self._merchant), (Role.LOG, self._log)):
            for peer in self.network.all(role):
                told[peer.name] += said(peer)
        for peer in self.network.all(Role.RELAY):
            told[peer.name].append(
                "sees this machine's address while the wallet runs, whom it reaches and when, and how many bytes go: "
                "not what is said. It keeps nothing of it, if it is honest."
            )
        told["anybody who reads the logs"].append(
            "knows which merchant has sold something, and when: not to whom, what, or for how much, "
            "but the banks' public lists of used tokens may tell the price."
        )
        return {name: said for name, said in told.items() if said}

    def _bank(self, bank: Peer) -> Iterator[str]:
        lots = [lot for lot in self.lots if self._is_of(lot, bank)]
        withdrawn = [lot for lot in lots if lot.lane is not Lane.EXCHANGE and lot.state in CAME]
        if withdrawn:
            last = max(lot.came for lot in withdrawn)
            when = f", the last at {_time(last)}" if last else ""
            yield f"knows by its account's key that this wallet has withdrawn {self._counted(withdrawn)}{when}."
            yield "cannot tell which tokens came of that: each that it is shown fits each withdrawal of its brand."
        paid = [bought for bought in self.purchases if bought.authorization_q and bought.buy.bank == bank.key]
        if paid:
            merchants = ", ".join(sorted({self.network.called(bought.buy.merchant) for bought in paid}))
            yield f"knows of {_so_many(len(paid), 'sale')} to nobody it could name: when, for how much, at {merchants}."
        if exchanged := [lot for lot in lots if lot.state == EXCHANGED]:
            yield f"has exchanged {self._counted(exchanged)} for somebody, for change or after a sale that failed."
        yield from self._linked(bank)
        if any(self.brands[brand].bank == bank.key for brand in self.fast):
            yield "has been shown by a recovery in haste that the tokens found then are of one wallet."
        if hurried := sum(bought.id in self.hurried for bought in paid):
            yield (
                f"may guess by the time that {_so_many(hurried, 'purchase')} followed withdrawals of this wallet: "
                "the tokens need not have rested (wallet buy --now)."
            )
        if resting := sum(lot.resting for lot in lots if lot.state == FREE):
            until = max(lot.until for lot in lots)
            soon = _so_many(resting, "token")
            yield f"could guess by the time where {soon} came from, if spent now; all have rested at {_time(until)}."

    def _is_of(self, tokens: Lot | Held, bank: Peer) -> bool:
        return tokens.brand in self.brands and self.brands[tokens.brand].bank == bank.key

    def _linked(self, bank: Peer) -> Iterator[str]:
        linked = Linked.by(bank.key, self.brands, self.tokens, self.purchases)
        if linked.together:
            sets = sorted(Counter(map(_told, linked.together)).items())
            each = "; ".join(told if count == 1 else f"{told} ({count} times)" for told, count in sets)
            yield f"can link, by a token or a key that they share, of one wallet each: {each}."
        if any(held.state in SHOWN and not held.has_own_key for held in self.tokens if self._is_of(held, bank)):
            yield "may guess by how much was paid under one key which withdrawal its tokens came of."
        if linked.known_again:
            free = _so_many(linked.known_again, "free token")
            yield f"could link what {free} would pay, by what it has seen or would see; not what comes of an exchange."

    def _merchant(self, merchant: Peer) -> Iterator[str]:
        orders = Counter(bought.buy.item for bought in self.purchases if bought.buy.merchant == merchant.key)
        if orders:
            items = [f"{item} ({count} times)" if count > 1 else item for item, count in sorted(orders.items())]
            yield f"knows that somebody has ordered {', '.join(items)}, and when."
            yield "cannot tell whether two orders are of one wallet, nor which tokens paid."
            signed = sum(bought.buy.merchant == merchant.key and bought.buy.receipt for bought in self.purchases)
            if signed:
                yield f"may have the key of one token for each of {_so_many(signed, 'order')}, from a receipt."

    def _log(self, log: Peer) -> Iterator[str]:
        decided = [bought for bought in self.purchases if bought.authorization_q and bought.buy.log == log.identity]
        if decided:
            mine = _so_many(len(decided), "sale")
            yield f"has decided {mine} of this wallet among those of everybody, and cannot tell which."

    def _counted(self, lots: Iterable[Lot]) -> str:
        """So many tokens of each denomination."""
        counts: Counter[tuple[str, int]] = Counter()
        for lot in lots:
            brand = self.brands[lot.brand]
            counts[brand.currency, brand.denomination] += lot.count
        each = [f"{_so_many(count, 'token')} of {worth} {unit}" for (unit, worth), count in sorted(counts.items())]
        return ", ".join(each)

    def asked_about(self) -> list[Brand]:
        """The brands of which a bank has seen tokens of this wallet, or will."""
        ids = {lot.brand for lot in self.lots if lot.state in CAME}
        return [brand for id, brand in sorted(self.brands.items()) if id in ids]

    def among(self, brand: Brand, used: int) -> str:
        """How many a token of this brand is hidden among."""
        mine = sum(lot.count for lot in self.lots if lot.brand == brand.id and lot.state in SHOWN)
        held = sum(lot.count for lot in self.lots if lot.brand == brand.id and lot.state == FREE)
        kind, bank = f"{brand.denomination} {brand.currency}", self.network.called(brand.bank)
        return (
            f"{kind}: {bank} lists {_so_many(used, 'token')} as used before today (UTC). This wallet has used {mine} "
            f"so far and holds {held} more. The fewer there are, the easier it is to guess."
        )


def _told(doings: frozenset[Doing]) -> str:
    """How many sales and exchanges these are."""
    counts = Counter(kind for kind, _ in doings)
    return " and ".join(_so_many(counts[kind], kind) for kind in (SALE, EXCHANGE) if counts[kind])


def _so_many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
