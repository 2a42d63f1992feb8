"""The consumer's desk for recovery: a wallet made anew from its seed (design: the wallet is a seed).

Each lane is scanned with RESTORE until RESTORE_GAP places in a row are unknown to the bank. What was found is compared
with the brands' published used tokens, and what is left is exchanged, token by token. Every question travels on a
connection of its own, in random order, spread over time unless the owner says otherwise: asked in one burst, they would
show the bank which tokens belong together.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.errors import Refused, Why
from anonnet.limits import RETRY_SECONDS_MAX, SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.moments import moment
from anonnet.parties.purse import Purse
from anonnet.parties.tokens import Tokens
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol import local
from anonnet.protocol.brand import Brand
from anonnet.protocol.exchange import ExchangeQ
from anonnet.protocol.local import Recover, RecoveryOf, Started
from anonnet.protocol.recovery import Restore, Used, UsedOf, used_name
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.transaction import expired
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store.recovery import Place, Scan
from anonnet.store.tokens import EXCHANGING, FREE, RESTORED, SPENT
from anonnet.store.wallet import WalletStore
from anonnet.times import BRAND_MARGIN_SECONDS, RESTORE_GAP, RESTORE_SPREAD_SECONDS, WOKEN_GAP_SECONDS
from anonnet.wire.codec import Message

WalletTurn = Turn[WalletStore]


@dataclass(frozen=True, slots=True)
class Woken:
    """The daemon brings it at its start: what has become due meanwhile would be asked in one burst."""


class Recovery:
    """The desk for recovery."""

    def __init__(self, purse: Purse, tokens: Tokens) -> None:
        self._purse = purse
        self._tokens = tokens

    @on(Recover, by=From.OWNER)
    def recover(self, turn: WalletTurn, asked: Asked[Recover]) -> Answer:
        """Scan all lanes of every brand of this bank. Asked again: `fast` makes haste with what is under way."""
        bank, fast = asked.body.bank, asked.body.fast
        brands = self._purse.brands_at(bank)
        if not brands:
            raise Refused(Why.UNKNOWN, "no brand of this bank is known")
        turn.store.recovery.remember(bank)
        for brand in brands:
            self._begin(turn, brand, 0 if fast else RESTORE_SPREAD_SECONDS)
        for scan in self._scans(turn, brands):
            self._scan_on(turn, scan, asked.entropy)
        if fast:
            self._make_haste(turn, brands)
        return Answer(Started(subject=bank))

    def _begin(self, turn: WalletTurn, brand: bytes, spread: int) -> None:
        """Scan a brand's lanes, unless its bank has closed it: of such a brand nobody keeps anything."""
        if not expired(self._purse.brands[brand].ends + BRAND_MARGIN_SECONDS, turn.now):
            for lane in Lane:
                turn.store.recovery.begin(brand, lane, spread)

    def _make_haste(self, turn: WalletTurn, brands: list[bytes]) -> None:
        exchanges = {held.bound for held in turn.store.tokens.in_state(EXCHANGING, brands) if held.bound}
        for hash in (*turn.store.recovery.questions(brands), *sorted(exchanges)):
            turn.store.errands.postpone(hash, turn.now)
        for brand in brands:
            turn.store.recovery.hurry(brand)

    def learned(self, turn: WalletTurn, brand: Brand, entropy: bytes) -> None:
        """A brand that has been open, and that this wallet did not know when it recovered: it may have tokens there."""
        spreads = turn.store.recovery.spreads(self._purse.brands_at(brand.bank))
        if brand.opens <= turn.now and spreads:
            self._begin(turn, brand.id, max(spreads))
            for scan in self._scans(turn, [brand.id]):
                self._scan_on(turn, scan, entropy)

    @on(Woken, by=From.OWNER)
    def woken(self, turn: WalletTurn, asked: Asked[Woken]) -> Answer:
        """Spread again what is late: in random order and in no burst, but no further than must be: a wallet that runs
        for minutes must get on. A machine that sleeps while the daemon runs still asks in one burst."""
        late = turn.store.errands.due(turn.now, most=turn.store.errands.count())
        alone = {errand.hash: brand for errand in late if (brand := _alone(errand.message))}
        for place, hash in enumerate(sorted(alone, key=lambda each: moment(asked.entropy + each, SECONDS_MAX))):
            spread = turn.store.recovery.spread(alone[hash], RESTORE_SPREAD_SECONDS)
            span = min(spread, len(alone) * WOKEN_GAP_SECONDS)
            wait = place * span // len(alone) + moment(asked.entropy + hash, span // len(alone))
            turn.store.errands.postpone(hash, turn.now + wait)
        return Answer()

    @on(RecoveryOf, by=From.OWNER)
    def recovery_of(self, turn: WalletTurn, asked: Asked[RecoveryOf]) -> Answer:
        brands = self._purse.brands_at(asked.body.bank)
        far = turn.store.recovery.progress(brands)
        exchanging = len(turn.store.tokens.in_state(EXCHANGING, brands))
        counts = {"places": far.places, "answered": far.answered, "found": far.found, "comparing": far.comparing}
        return Answer(local.Recovery(**counts, exchanging=exchanging))

    def _scans(self, turn: WalletTurn, brands: list[bytes]) -> list[Scan]:
        """The lanes of these brands that are being scanned."""
        return [scan for scan in turn.store.recovery.scans() if scan.brand in brands]

    def _scan_on(self, turn: WalletTurn, scan: Scan, entropy: bytes) -> None:
        """Ask for places until RESTORE_GAP beyond the last known one have been; then the lane has ended."""
        if turn.store.recovery.waiting(scan.brand, scan.lane):
            return
        end = turn.store.lanes.next_place(scan.brand, scan.lane) + RESTORE_GAP
        if scan.next >= end:
            turn.store.recovery.end_scan(scan)
            return
        for position in range(scan.next, end):
            drawn = b"".join((entropy, scan.brand, scan.lane.value.encode(), position.to_bytes(8, "big")))
            due = turn.now + moment(drawn, scan.spread)
            self._tokens.ask_for(turn, (scan.brand, scan.lane, position), due=due)
        turn.store.recovery.asked_to(scan, end)

    @on(WithdrawB, by=From.ERRAND, to=(Restore,))
    def restored(self, turn: WalletTurn, asked: Asked[WithdrawB]) -> Answer:
        """The bank has signed this place before: the token is ours, used or not."""
        hash = answered(asked).hash
        place = turn.store.recovery.asked(hash)
        assert place is not None, "a place is asked for as long as its errand stands"
        secrets = self._purse.secrets(*place)
        signature, worth = secrets.token(asked.body.signatures[0]).signature, secrets.brand.denomination
        turn.store.tokens.restore(place, secrets.id, worth, signature, hash)
        turn.store.recovery.found(place)
        return self._found_out(turn, asked, place)

    @on(Refusal, by=From.ERRAND, to=(Restore,))
    def not_restored(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        place = turn.store.recovery.asked(answered(asked).hash)
        assert place is not None, "a place is asked for as long as its errand stands"
        gone = asked.body.why == Why.BAD_BRAND and expired(self._purse.brands[place[0]].ends, turn.now)
        if asked.body.why != Why.UNKNOWN and not gone:  # a bank that misses a brand of today may find it again
            return later(turn, asked, RETRY_SECONDS_MAX)
        return self._found_out(turn, asked, place)

    def _found_out(self, turn: WalletTurn, asked: Asked[WithdrawB] | Asked[Refusal], place: Place) -> Answer:
        """Go on with the scan; when all lanes at this bank have ended, ask it for what is used."""
        recovery, brands = turn.store.recovery, self._purse.brands_at(self._purse.brands[place[0]].bank)
        recovery.answered(answered(asked).hash)
        for held in turn.store.tokens.at(place):
            self._tokens.recalled(turn, held.source)
        scanning = self._scans(turn, brands)
        for scan in scanning:
            self._scan_on(turn, scan, asked.entropy)
        if scanning and not self._scans(turn, brands):
            for brand, _ in recovery.comparing():
                if brand in brands:
                    self._ask_used(turn, brand, b"")
        return done(turn, asked)

    def _ask_used(self, turn: WalletTurn, brand: bytes, after: bytes) -> None:
        bank = self._purse.brands[brand].bank
        turn.store.errands.add(bank, UsedOf(bank=bank, brand=brand, after=after), subject=brand, due=turn.now)

    @on(Used, by=From.ERRAND)
    def used(self, turn: WalletTurn, asked: Asked[Used]) -> Answer:
        """Compare here what the bank tells everybody; after the last page exchange what is left."""
        page = request(asked)
        assert isinstance(page, UsedOf)
        asked.body.check_after(page)
        names = set(asked.body.names)
        for state in (RESTORED, FREE):
            for held in turn.store.tokens.in_state(state, [page.brand]):
                if used_name(held.id) in names:
                    turn.store.tokens.move(held, SPENT)
        if asked.body.more:
            self._ask_used(turn, page.brand, max(names))
        else:
            self._exchange_rest(turn, page.brand, asked.entropy)
        return done(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(UsedOf,))
    def used_untold(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """Where a brand has ended and its bank has dropped it, there is nothing left to compare, nor to exchange."""
        page = request(asked)
        assert isinstance(page, UsedOf)
        if asked.body.why != Why.BAD_BRAND or not expired(self._purse.brands[page.brand].ends, turn.now):
            return later(turn, asked, RETRY_SECONDS_MAX)
        self._free(turn, page.brand)
        turn.store.recovery.compared(page.brand)
        return done(turn, asked)

    def _free(self, turn: WalletTurn, brand: bytes) -> None:
        for held in turn.store.tokens.in_state(RESTORED, [brand]):
            turn.store.tokens.move(held, FREE)

    def _exchange_rest(self, turn: WalletTurn, brand: bytes, entropy: bytes) -> None:
        """One by one: tokens exchanged together are known to belong together. Those that this wallet had all along as
        well: another copy of it may have used them since the bank last told."""
        spreads = dict(turn.store.recovery.comparing())
        self._free(turn, brand)
        for held in turn.store.tokens.in_state(FREE, [brand]):
            self._tokens.renew(turn, [held], wait=moment(entropy + held.id, spreads.get(brand, 0)))
        turn.store.recovery.compared(brand)


def _alone(message: Message) -> bytes:
    """The brand of a question about one place, or of an exchange of one token for one like it; else nothing."""
    if isinstance(message, Restore):
        return message.brand
    if not isinstance(message, ExchangeQ) or len(message.payments) > 1 or len(message.wanted) > 1:
        return b""
    return message.wanted[0].brand if len(message.wanted[0].blinded) == 1 else b""
