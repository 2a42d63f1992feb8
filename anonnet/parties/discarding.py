"""The consumer's desk for what need not be kept: purchases that she discards, and brands that come to their end.

Tokens that are still free are exchanged into the open brand of their denomination before their own brand ends, one by
one and spread over time, as after a recovery: asked in one burst, they would show the bank that they belong together.
"""

from __future__ import annotations

from dataclasses import dataclass

from anonnet.errors import Refused, Why
from anonnet.limits import FORGET_ROWS_MAX
from anonnet.parties.brands import BrandList
from anonnet.parties.heeding import Heeding
from anonnet.parties.ordering import purchase_of
from anonnet.parties.purse import Purse
from anonnet.parties.tokens import Tokens
from anonnet.parties.turn import Answer, Asked, Forget, From, Turn, on
from anonnet.protocol.local import Discard, Started
from anonnet.protocol.transaction import expired
from anonnet.store import wallet
from anonnet.store.tokens import EXCHANGED, SPENT, VOID
from anonnet.store.wallet import WalletStore
from anonnet.times import BRAND_MARGIN_SECONDS

WalletTurn = Turn[WalletStore]

OVER = wallet.DONE, wallet.ABORTED, wallet.REFUSED
"""Purchases that may be discarded. Of one that is disputed, the papers are her evidence."""
BEGUN = wallet.ORDERING, wallet.FETCHING, wallet.TIMING
"""Those that may be given up: nothing is signed yet, and a merchant or a log that is gone would never end them."""
USED_UP = SPENT, EXCHANGED, VOID
"""Tokens that go with their brand. Free ones stay, so that their owner sees what she has lost."""


@dataclass(frozen=True, slots=True)
class FilesRemoved:
    """The daemon brings it: nothing of this purchase is on the disk any more."""

    purchase: bytes


class Discarding:
    """The desk for what need not be kept."""

    def __init__(self, purse: Purse, tokens: Tokens, brands: BrandList, heeding: Heeding) -> None:
        self._purse = purse
        self._tokens = tokens
        self._brands = brands
        self._heeding = heeding

    @on(Discard, by=From.OWNER)
    def discard(self, turn: WalletTurn, asked: Asked[Discard]) -> Answer:
        """ "If the goods are satisfactory, then the consumer may discard all data on the transaction" (paper)."""
        id = asked.body.purchase
        bought = purchase_of(turn, id)
        over = bought.state in OVER and not turn.store.errands.about(id)
        if not over and bought.state not in BEGUN:
            raise Refused(Why.UNDECIDED, "its papers are needed: it is not over, or the goods were not as described")
        turn.store.errands.end_all(id)
        turn.store.discarding.discard(id)
        return Answer(Started(subject=id))

    @on(FilesRemoved, by=From.OWNER)
    def files_removed(self, turn: WalletTurn, asked: Asked[FilesRemoved]) -> Answer:
        turn.store.discarding.removed(asked.body.purchase)
        return Answer()

    @on(Forget, by=From.OWNER)
    def forget(self, turn: WalletTurn, asked: Asked[Forget]) -> Answer:
        """Look which brands there are, and which alerts; renew what would end, drop what is over."""
        self._brands.look(turn)
        self._heeding.ask(turn)
        brands = self._purse.brands.values()
        for brand in brands:
            self._tokens.leave(turn, brand, asked.entropy)
        gone = 0
        for brand in brands:
            if expired(brand.ends + BRAND_MARGIN_SECONDS, turn.now):
                gone += turn.store.discarding.drop_tokens(brand.id, USED_UP, most=FORGET_ROWS_MAX - gone)
                turn.store.recovery.drop(brand.id, self._purse.brands_at(brand.bank))
        gone += turn.store.resting.drop(most=FORGET_ROWS_MAX - gone)
        gone += turn.store.unexchanged.forget(turn.now, most=FORGET_ROWS_MAX - gone)
        return Answer(more=gone >= FORGET_ROWS_MAX)
