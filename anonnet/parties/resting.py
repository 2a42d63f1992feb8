"""How long the consumer's tokens rest: she withdraws ahead and spends later.

The bank knows her at a withdrawal and not at a payment. It may still guess by time: what comes a minute after a
withdrawal of that much is hers. So a token that has come rests for at least `dwell` seconds and at most twice as many,
drawn for each withdrawal: if all rested equally long, the one who pays at the first moment would be known by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from anonnet.errors import Refused, Why
from anonnet.limits import SECONDS_MAX
from anonnet.parties.moments import moment
from anonnet.parties.purse import Purse
from anonnet.parties.turn import Turn
from anonnet.protocol.local import Buy
from anonnet.store.resting import Rest
from anonnet.store.tokens import Held
from anonnet.store.wallet import Bought, WalletStore

WalletTurn = Turn[WalletStore]


class Resting:
    """What a wallet keeps of its tokens' rest. `dwell`: seconds; 0 where nobody need be hidden."""

    def __init__(self, purse: Purse, dwell: int) -> None:
        self._purse = purse
        self._dwell = dwell

    def withdrawn(self, turn: WalletTurn, tokens: Sequence[Held], entropy: bytes) -> None:
        """These have come of a withdrawal."""
        until = turn.now + self._dwell + moment(entropy, self._dwell)
        turn.store.resting.begin([held.id for held in tokens], Rest(turn.now, until))

    def exchanged(self, turn: WalletTurn, given: Sequence[Held], tokens: Sequence[Held]) -> None:
        """These have come for the tokens given."""
        turn.store.resting.hand_on([held.id for held in given], [held.id for held in tokens])

    def free(self, turn: WalletTurn, bought: Bought, expiration: int) -> list[Held]:
        """What can pay this purchase: it has rested, unless its owner is in a hurry. A bank takes no token that ends
        too soon after the expiration."""
        rested = SECONDS_MAX if turn.store.resting.hurried(bought.id) else turn.now
        ids = self._purse.brands_of(bought.buy.bank, bought.buy.currency)
        return turn.store.tokens.free(
            [each for each in ids if self._purse.brands[each].pays_until >= expiration], rested=rested
        )

    def check(self, turn: WalletTurn, wish: Buy) -> None:
        """Refuse a wish that could be paid with what rests still, and not without it."""
        if complaint := self._complaint(turn, wish):
            raise Refused(Why.TOO_SOON, complaint)

    def lack(self, turn: WalletTurn, bought: Bought) -> str:
        """Why the tokens for a purchase cannot be spent yet; empty where that is not the reason."""
        return "" if turn.store.resting.hurried(bought.id) else self._complaint(turn, bought.buy)

    def _complaint(self, turn: WalletTurn, wish: Buy) -> str:
        until = self._waits_until(turn, wish)
        minutes = -(-(until - turn.now) // 60)
        return f"the tokens for this rest after their withdrawal, for {minutes} more minutes" if until else ""

    def _waits_until(self, turn: WalletTurn, wish: Buy) -> int:
        """From when on the tokens that are free pay so much; 0 where they do now, and where they never will."""
        moments: list[tuple[int, int]] = []
        ids = self._purse.brands_of(wish.bank, wish.currency)
        for held in turn.store.tokens.free([each for each in ids if self._purse.brands[each].pays_until >= turn.now]):
            rest = turn.store.resting.of(held.id)
            moments.append((rest.until if rest else 0, held.amount))
        moments.sort()
        sums = accumulate(worth for _, worth in moments)
        until = next((until for (until, _), paid in zip(moments, sums, strict=True) if paid >= wish.price_max), 0)
        return until if until > turn.now else 0
