"""The consumer's desk for recovery: a wallet made anew from its seed (design: the wallet is a seed).

Each lane is scanned with RESTORE until RESTORE_GAP places in a row are unknown to the bank. What was found is compared
with the brands' published used tokens, and what is left is exchanged, token by token. Every question travels on a
connection of its own, in random order, spread over time unless the owner says otherwise: asked in one burst, they would
show the bank which tokens belong together.
"""

from __future__ import annotations

from anonnet.crypto.hashing import Label, xof
from anonnet.errors import Refused, Why
from anonnet.limits import RESTORE_GAP, RESTORE_SPREAD_SECONDS, RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.purse import Purse
from anonnet.parties.tokens import Tokens
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.local import Recover, Started
from anonnet.protocol.recovery import Restore, Used, UsedOf, used_name
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store import wallet
from anonnet.store.recovery import Scan
from anonnet.store.wallet import WalletStore

WalletTurn = Turn[WalletStore]


class Recovery:
    """The desk for recovery."""

    def __init__(self, purse: Purse, tokens: Tokens) -> None:
        self._purse = purse
        self._tokens = tokens

    @on(Recover, by=From.OWNER)
    def recover(self, turn: WalletTurn, asked: Asked[Recover]) -> Answer:
        """Scan both lanes of every brand of this bank."""
        brands = [brand.id for brand in self._purse.brands.values() if brand.bank == asked.body.bank]
        if not brands:
            raise Refused(Why.UNKNOWN, "no brand of this bank is known")
        spread = 0 if asked.body.fast else RESTORE_SPREAD_SECONDS
        for brand in brands:
            for lane in Lane:
                turn.store.recovery.begin(brand, lane, spread)
        for scan in turn.store.recovery.scans():
            self._scan_on(turn, scan, asked.entropy)
        return Answer(Started(subject=asked.body.bank))

    def _scan_on(self, turn: WalletTurn, scan: Scan, entropy: bytes) -> None:
        """Ask for places until RESTORE_GAP beyond the last known one have been; then the lane has ended."""
        if turn.store.recovery.waiting(scan):
            return
        end = turn.store.next_place(scan.brand, scan.lane) + RESTORE_GAP
        if scan.next >= end:
            turn.store.recovery.end_scan(scan)
            return
        bank = self._purse.brands[scan.brand].bank
        for position in range(scan.next, end):
            blinded = self._purse.secrets(scan.brand, scan.lane, position).blinded().blinded_message
            errand = Restore(bank=bank, brand=scan.brand, blinded=blinded)
            due = turn.now + _moment(entropy + blinded, scan.spread)
            turn.store.recovery.ask(turn.store.errands.add(bank, errand, subject=scan.brand, due=due), scan, position)

    @on(WithdrawB, by=From.ERRAND, to=(Restore,))
    def restored(self, turn: WalletTurn, asked: Asked[WithdrawB]) -> Answer:
        """The bank has signed this place before: the token is ours, used or not."""
        hash = answered(asked).hash
        place = turn.store.recovery.asked(hash)
        if place is not None:
            secrets = self._purse.secrets(*place)
            token = secrets.token(asked.body.signatures[0])
            turn.store.restore(*place, secrets.id, token.signature, hash)
        return self._found_out(turn, asked)

    @on(Refusal, by=From.ERRAND, to=(Restore,))
    def not_restored(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        return self._found_out(turn, asked) if asked.body.why == Why.UNKNOWN else later(turn, asked, RETRY_SECONDS_MAX)

    def _found_out(self, turn: WalletTurn, asked: Asked[WithdrawB] | Asked[Refusal]) -> Answer:
        """Go on with the scan; when all lanes have ended, ask for what is used."""
        recovery = turn.store.recovery
        recovery.answered(answered(asked).hash)
        for scan in recovery.scans():
            self._scan_on(turn, scan, asked.entropy)
        if not recovery.scans():
            for brand, _ in recovery.comparing():
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
        names = set(asked.body.names)
        for held in turn.store.restored(page.brand):
            if used_name(held.id) in names:
                turn.store.move_token(held.id, wallet.SPENT)
        if asked.body.more and names:
            self._ask_used(turn, page.brand, max(names))
        else:
            self._exchange_rest(turn, page.brand, asked.entropy)
        return done(turn, asked)

    def _exchange_rest(self, turn: WalletTurn, brand: bytes, entropy: bytes) -> None:
        """One by one: tokens exchanged together are known to belong together."""
        spreads = dict(turn.store.recovery.comparing())
        for held in turn.store.restored(brand):
            turn.store.move_token(held.id, wallet.FREE)
            self._tokens.renew(turn, [held], wait=_moment(entropy + held.id, spreads.get(brand, 0)))
        turn.store.recovery.compared(brand)


def _moment(entropy: bytes, spread: int) -> int:
    """A random number of seconds below `spread`."""
    drawn = int.from_bytes(xof(entropy, Label.MOMENT, length=16), "big")
    return drawn % spread if spread else 0
