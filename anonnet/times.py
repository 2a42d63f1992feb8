"""When things happen: every span that a party's rules are made from, named, with why it is what it is. Whole seconds.

How long a mere wait may be stands in `limits`.
"""

from __future__ import annotations

SETTLE_SECONDS = 2
"""The log grants an abort only this long after the expiration, so that a P4 which arrived in time but waited in the
queue of turns is recorded first."""

CLAIM_SECONDS = 14 * 24 * 3600
"""A lock ends this long after the expiration even if no outcome can be had any more (paper, Data Management: "a limited
time of validity"); long enough for "reasonable delays or for outside party conflict resolution"."""

FREED_SECONDS = 24 * 3600
"""A token whose lock lasted as long as a lock can is good for so much longer, to be exchanged: a day, so that a wallet
which runs once a day, for longer than the hour over which it spreads its exchanges, loses nothing."""

SHARD_SECONDS = 7 * 24 * 3600
"""Transactions that expire in one such span share a tree of the log, which is dropped whole: a week, so that few are
open at a time and none is so large that dropping it late matters."""

RELEASE_SECONDS = 6 * 3600
"""R: under a quorum, the key of a pledge must be recorded this long after the expiration at the latest. Hours, since a
log that will not record it must be outwaited or convicted, while the tokens stay locked."""

TICK_SECONDS = 30
"""Under a quorum, an entry that only lets time pass comes so long after another one at the earliest. Anybody's question
may ask for it, and a log keeps it for months, with its cosignatures; half a minute is nothing to tokens that are locked
for hours."""

HANDED_SECONDS = 3600
"""Mirrors' receipts for a key convict a log that did not record it if they were given at least so long before the last
second in which it could: meanwhile an honest mirror brings the key to the log, again and again, and a log that is up
takes it. An hour: longer than clocks differ and networks are cut, and short beside RELEASE_SECONDS."""

LEAD_SECONDS_MAX = 7 * 24 * 3600
"""A bank and a log refuse an expiration further away: it bounds how long a silent merchant can hold a token."""

RETENTION_SECONDS = 60 * 24 * 3600
"""The log keeps commits this long after the expiration, and makes no abort later (paper, Data Management). Longer than
claim time and lead together, so that whoever still may claim can still get the commit."""

BRAND_MARGIN_SECONDS = 30 * 24 * 3600
"""The bank keeps what shows the use of a brand's tokens this long after the brand's end ("until some period following
the expiration for the brand of token used"), and only then takes what is left as its income: whoever finds after the
end that a token is gone has a month to be shown where it went."""

MERCHANT_MARGIN_SECONDS = 2
"""A merchant who has less than this until the expiration does not send P4: it could reach the log too late, and the key
would be known there for nothing."""

CLOCK_TOLERANCE_SECONDS = 5
"""How far two readings of honest clocks may differ before a reading counts as a leap."""

RESTART_LEAP_SECONDS_MAX = 3600
"""After a reboot nothing says how long the machine was off. A longer gap than this a log's operator has to confirm."""

RESTORE_GAP = 100
"""A recovering wallet has reached the end of a lane when so many places in a row are unknown to the bank: more than
can be lost between an index that was taken and a request that never left."""

RESTORE_SPREAD_SECONDS = 3600
"""Over which a recovering wallet spreads its questions, so that many wallets' questions mix."""

WOKEN_GAP_SECONDS = 15
"""A wallet that starts spreads what has become late meanwhile so far apart, and no further than the above in all: in
five minutes a day it exchanges some 400 tokens of a brand while it may, and two wallets that start together mix."""

BEHIND_SECONDS = 1
"""How long a mirror that is behind waits before it asks again, or asks another mirror instead of the log; and a wallet
whose tokens are locked elsewhere, while the sale can still be promised."""

FOLLOWING_SECONDS = 2
"""So long after a log gives an abort a wallet whose token is locked elsewhere reckons that the bank has heard of it."""

COMPARE_SECONDS = 10
"""How long mirrors wait at least before they compare what a log that decides alone has shown them: no sale waits."""

USED_SECONDS = 24 * 3600
"""Once in so long a bank tells everybody which tokens have been used meanwhile. Told at once, those used in the second
of a log's entry would tell everybody its amount. A wallet made from its words learns of younger ones one by one."""

DWELL_SECONDS = 2 * 3600
"""Tokens rest at least so long before they are spent, and draw up to as much again: meanwhile others withdraw too."""

CARRY_SECONDS = 3
"""How long a consumer waits for a commit before she carries P3 to the merchant herself."""

BRAND_WINDOW_SECONDS_MIN = 24 * 3600
"""A brand is open for withdrawal at least this long: a short window would make its tokens few and its holders known."""

BRAND_NOTICE_SECONDS = 24 * 3600
"""A brand stands in the logs' chains so long before it opens: wallets look once a day, and have all seen it."""

WITHDRAW_LIFE_SECONDS_MIN = LEAD_SECONDS_MAX + CLAIM_SECONDS + FREED_SECONDS
"""A wallet withdraws from no brand that ends sooner: its tokens could not be spent with every lead that banks allow."""

RENEW_SHARE = 4
"""In this last part of a brand's life, and at the latest WITHDRAW_LIFE_SECONDS_MIN before its end, wallets exchange
what they have of it for tokens of the next brand."""

WITHDRAW_PATIENCE_SECONDS = 24 * 3600
"""The `until` of a withdraw_c: a wallet asks again for this long; afterwards a refusal is final."""

LOG_CLOCK_SECONDS_MAX = 3600
"""A consumer pays nothing by a log whose clock is further from her own: it could bind her tokens for years."""

CLOCK_DRIFT = 0.001
"""How much faster or slower than the boot-time clock the wall clock may run: twice what NTP ever slews."""

CLOCK_MARK_SECONDS = 10
"""How often a log leaves its time behind for its next start, and who bounds his clock looks whether it has leapt."""

EXCHANGE_PATIENCE_SECONDS = 3600
"""The `until` of an exchange_q that a purchase waits for, or of several tokens: a refusal later than this frees them.
One of a single token that nobody waits for is good for as long as the brands are."""

FORGET_SECONDS = 24 * 3600
"""A daemon forgets at its start and then so often: what need not be kept any more is kept a day longer at most."""
