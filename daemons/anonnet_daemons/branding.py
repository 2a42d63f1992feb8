"""A bank's brands: making their keys, and having the logs publish them, or putting them into the network file.

One brand is open per currency and denomination at a time: a bank that had two could tell by the brand of a token which
of its customers it gave it to.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from shlex import quote

from anonnet.crypto.blind import Method, SecretKey, key_proof
from anonnet.errors import BadStart
from anonnet.limits import BRANDS_MAX
from anonnet.protocol.brand import Brand, BrandOffer, accepted, proof_hash
from anonnet.protocol.network import Network
from anonnet.protocol.transaction import expired
from anonnet.store.bank import BankStore
from anonnet.store.folder import changing, write_durably
from anonnet.times import (
    BRAND_MARGIN_SECONDS,
    BRAND_NOTICE_SECONDS,
    BRAND_WINDOW_SECONDS_MIN,
    WITHDRAW_LIFE_SECONDS_MIN,
)
from anonnet.wire.codec import encode
from anonnet.wire.signed import Signer
from anonnet_daemons.config import (
    Kind,
    Setup,
    brand_file,
    network_json,
    offer_file,
    offers_of,
    read_network,
    read_setup,
)

DENOMINATIONS = tuple(2**power for power in range(8))
BRAND_BITS = 2048
BRAND_DAYS = 30
DAY = 24 * 3600
BANK_STORE = "bank.db"
ANNOUNCED_SECONDS = 2 * BRAND_NOTICE_SECONDS
"""How long before a brand opens it is made at the latest: the bank has a day to be started anew and reach the logs."""
LISTED_SECONDS = 2 * BRAND_MARGIN_SECONDS
"""How long after its end a brand stands in the network file: as long as its bank may still have to close it."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a brand is open for withdrawal, in POSIX seconds, both included."""

    opens: int
    closes: int

    @classmethod
    def of_days(cls, opens: int, days: int) -> Window:
        """A window of so many days."""
        return cls(opens, opens + days * DAY)

    @property
    def ends(self) -> int:
        """The last second of spending: what is withdrawn in the last second can still be spent as late as any bank
        allows, claimed as late as it must be, and exchanged if it comes back."""
        return self.closes + WITHDRAW_LIFE_SECONDS_MIN

    def overlaps(self, other: Brand) -> bool:
        return self.opens <= other.closes and other.opens <= self.closes


@dataclass(frozen=True, slots=True)
class BrandWish:
    """A brand to be made."""

    currency: str
    denomination: int
    window: Window
    bits: int = BRAND_BITS


def minted(folder: Path, signer: Signer, bank: bytes, wishes: Sequence[BrandWish]) -> list[BrandOffer]:
    """Make brands, in as many threads as there are processors, check each as a wallet will, and write their keys into
    the bank's folder. Raises OSError."""

    def one(wish: BrandWish) -> tuple[BrandOffer, Brand, SecretKey]:
        secret = SecretKey.generate(Method.PSS_DETERMINISTIC, wish.bits)
        roots = key_proof(secret)
        brand = Brand(
            bank=bank,
            method=secret.public.method.value,
            modulus=secret.public.modulus_bytes,
            key_proof=proof_hash(roots),
            currency=wish.currency,
            denomination=wish.denomination,
            opens=wish.window.opens,
            closes=wish.window.closes,
            ends=wish.window.ends,
        )
        offer = BrandOffer(brand=signer.sign(brand), roots=roots)
        return offer, accepted(signer.network, bank, offer), secret

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        made = list(threads.map(one, wishes))
    for _, brand, secret in made:
        write_durably(folder / brand_file(brand), secret.to_bytes())
    return [offer for offer, _, _ in made]


@dataclass(frozen=True, slots=True)
class Plate:
    """What a bank's owner makes brands with: the bank's setup, its network, and the brands that it has already."""

    setup: Setup
    network: Network
    brands: tuple[Brand, ...]

    @classmethod
    def of(cls, folder: Path) -> Plate:
        """Read a bank's folder and its network file. Raises BadStart."""
        setup = read_setup(folder, Kind.BANK)
        network = setup.network()
        return cls(setup, network, tuple(brand for _, brand in offers_of(network, setup.peer(network))))

    @property
    def currencies(self) -> list[str]:
        """What it has, or has had, brands in."""
        return sorted({each.currency for each in self.brands})

    @classmethod
    @contextmanager
    def engraving(cls, folder: Path) -> Iterator[Plate]:
        """The same, to make brands with: nobody else makes any, or changes the network file, meanwhile. Raises
        BadStart."""
        with changing(read_setup(folder, Kind.BANK).network_path):
            yield cls.of(folder)

    def next_wishes(
        self, currency: str, denominations: Iterable[int], opens: int | None, days: int, now: int, soonest: int
    ) -> list[BrandWish]:
        """Brands of these denominations (none: of all that the bank has in this currency, or the usual ones).

        Without `opens` each opens a second after the last one of its kind has closed, and not before `soonest`. Raises
        BadStart.
        """
        if opens is not None and opens < soonest:
            raise BadStart(
                "brands stand in the logs for a day before they open, and the bank needs time to bring them there:"
                " choose a later --opens, or put them into the network file with --pin"
            )
        kind = [each for each in self.brands if each.currency == currency]
        wanted = sorted(set(denominations)) or sorted({each.denomination for each in kind}) or list(DENOMINATIONS)
        if any(
            larger % smaller for smaller, larger in pairwise(sorted({*wanted, *(each.denomination for each in kind)}))
        ):
            raise BadStart(
                "each denomination must divide every larger one, so that any price can be paid: choose others"
            )
        wishes = []
        for denomination in wanted:
            others = [each for each in kind if each.denomination == denomination]
            begin = max([soonest, *(each.closes + 1 for each in others)]) if opens is None else opens
            wish = BrandWish(currency, denomination, Window.of_days(begin, days))
            self._refuse_overlap(wish, others)
            wishes.append(wish)
        standing = sum(not expired(each.ends, now) for each in self.brands)
        if standing + len(wishes) > BRANDS_MAX:
            raise BadStart(
                f"{standing} brands have not ended, and a bank has at most {BRANDS_MAX}: make fewer denominations"
            )
        return wishes

    def _refuse_overlap(self, wish: BrandWish, others: Iterable[Brand]) -> None:
        if wish.window.closes - wish.window.opens < BRAND_WINDOW_SECONDS_MIN:
            raise BadStart("a brand is open for a day at least, so that many hold its tokens: choose more --days")
        for each in others:
            if wish.window.overlaps(each):
                raise BadStart(
                    f"the brand {each.id.hex()[:16]} of {each.denomination} {each.currency} is open at that time, and"
                    " two open brands would tell customers apart: leave --opens out, or choose a later time"
                )

    def create(self, wishes: Sequence[BrandWish]) -> list[Brand]:
        """Make these brands, which the bank takes to the logs once it has been started anew. Raises BadStart."""
        with writing():
            made = self._minted(wishes)
            for offer, brand in made:
                write_durably(self.setup.folder / offer_file(brand), encode(offer).hex().encode())
        return [brand for _, brand in made]

    def pin(self, wishes: Sequence[BrandWish], now: int) -> list[Brand]:
        """Make these brands and add them to the network file; keys first. Daemons read both at their next start.

        Brands of this bank that have long been closed leave the file. Raises BadStart.
        """
        with writing():
            made = self._minted(wishes)
            self._into_file([offer for offer, _ in made], now)
        return [brand for _, brand in made]

    def pin_missed(self, currency: str, denominations: Collection[int], now: int) -> list[Brand]:
        """Add brands of this bank to the network file, as they are, that came too late for the logs; return them.

        A brand of its own for the same time would be a second one of its kind, and convict the bank. Raises BadStart.
        """
        missed = [
            brand
            for brand in self._missed(now)
            if brand.currency == currency and (not denominations or brand.denomination in denominations)
        ]
        if missed:
            offers = offers_of(self.network, self.setup.peer(self.network))
            with writing():
                self._into_file([offer for offer, brand in offers if brand in missed], now)
        return missed

    def _into_file(self, offers: Sequence[BrandOffer], now: int) -> None:
        file = read_network(self.setup.network_path)
        mine = offers_of(file, self.setup.peer(file))
        gone = [offer for offer, brand in mine if expired(brand.ends + LISTED_SECONDS, now)]
        standing = [offer for offer in file.brands if offer not in gone]
        path = self.setup.network_path
        mode = stat.S_IMODE(path.stat().st_mode)  # others on this machine may read it
        write_durably(path, network_json(replace(file, brands=(*standing, *offers))), mode)

    def _minted(self, wishes: Sequence[BrandWish]) -> list[tuple[BrandOffer, Brand]]:
        peer = self.setup.peer(self.network)
        signer = Signer(self.network.name, self.setup.identity(peer))
        return [
            (offer, accepted(self.network.name, peer.key, offer))
            for offer in minted(self.setup.folder, signer, peer.key, wishes)
        ]

    def published(self, now: int) -> dict[bytes, str]:
        """Where each brand stands, in words."""
        pinned, missed, answers = self._pinned(), self._missed(now), self._answers()
        stands = {brand.id: _in_words(answers[brand.id], len(self.network.logs)) for brand in self.brands}
        stands |= {brand.id: "missed: not in every log in time" for brand in missed}
        return stands | dict.fromkeys(pinned, "network file")

    def warnings(self, now: int) -> list[str]:
        """What the owner must do, or wallets have nothing to exchange what they hold into."""
        todo = [
            f"the {each.currency} brand that opens on {day(each.opens)} is not in every log, and it is too late for"
            f" them: run `{self._creating(each)} --pin`, and hand the network file out anew"
            for each in self._missed(now)
        ]
        last = {(each.currency, each.denomination): each for each in sorted(self.brands, key=lambda each: each.opens)}
        todo += [
            f"no {each.currency} brand follows the one that closes on {day(each.closes)}: run `{self._creating(each)}`"
            for each in last.values()
            if each.closes - ANNOUNCED_SECONDS < now <= each.ends
        ]
        return list(dict.fromkeys(todo))

    def _creating(self, brand: Brand) -> str:
        """The command that makes brands of this one's currency, at this bank among all."""
        return f"anonnet bank brand create {quote(brand.currency)} --data {quote(str(self.setup.folder))}"

    def _missed(self, now: int) -> list[Brand]:
        """The brands that wallets will not find in the logs, and could still withdraw if they stood in the file."""
        pinned, answers = self._pinned(), self._answers()
        return [
            brand
            for brand in self.brands
            if brand.id not in pinned
            and not brand.announced_in_time(now)
            and now <= brand.withdrawn_until
            and (any(answers[brand.id]) or len(answers[brand.id]) < len(self.network.logs))
        ]

    def _pinned(self) -> set[bytes]:
        file = read_network(self.setup.network_path)
        return {brand.id for _, brand in offers_of(file, self.setup.peer(file))}

    def _answers(self) -> dict[bytes, list[str]]:
        """What logs have said to each brand, as far as the bank has heard of them."""
        answers: dict[bytes, list[str]] = defaultdict(list)
        path = self.setup.folder / BANK_STORE
        if path.exists():
            store = BankStore(str(path), read_only=True)
            try:
                for brand, why in store.announced.answers():
                    answers[brand].append(why)
            finally:
                store.close()
        return answers


def _in_words(answers: Sequence[str], logs: int) -> str:
    if refused := [why for why in answers if why]:
        return f"refused by a log: {refused[0]}"
    return "logs" if len(answers) == logs else "not yet: have the bank run"


def day(second: int) -> str:
    """A moment in POSIX seconds, for people: date, hour and minute in UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


@contextmanager
def writing() -> Iterator[None]:
    """Say what to do where brands cannot be written. Raises BadStart."""
    try:
        yield
    except OSError as why:
        raise BadStart(f"the brands cannot be written ({why.strerror}): make room, and run it again") from why
