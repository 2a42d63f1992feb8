"""The paper's section "Purchase", P4 to P5b: the log decides."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from anonnet.errors import Why
from anonnet.protocol.account import Claim, Credit
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.logbook import Follow, OutcomeOf, Undecided
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted
from anonnet.times import CLAIM_SECONDS, SETTLE_SECONDS
from anonnet.wire.codec import decode, encode
from tests.paper.scenes import LEAD, PRICE, Deal, Hand, Scene, by, exchange_q, tampered
from tests.reading import commits
from tests.stage import NETWORK


def test_authorization_m_carries_key_number_and_expiration_signed(scene: Scene) -> None:
    """Section "Purchase", P4: "the merchandise key [...] along with the time-out, [n], and a signature"."""
    deal = Deal.authorized(scene)
    scene.ask(scene.merchant, deal.authorization_b)

    scene.send(scene.merchant, AuthorizationM)

    (line,) = scene.said(AuthorizationM)
    assert line.said == deal.authorization_m
    assert (line.sender, line.receiver) == ("merchant", "log")
    assert isinstance(decode(deal.outcome.body), Commit)


def test_only_the_merchant_commits_to_his_sale(scene: Scene) -> None:
    """Section "Purchase", P4: [n, expiration, L, k]_m."""
    deal = Deal.authorized(scene)
    body = AuthorizationM(transaction=deal.transaction, key=deal.key)

    said = [scene.say("eve", scene.log, each) for each in (by("bank", body), tampered(deal.authorization_m))]

    assert said == [None, None]
    assert isinstance(decode(deal.outcome.body), Undecided)


@pytest.mark.parametrize(("seconds", "recorded"), [(-1, True), (0, True), (1, False), (SETTLE_SECONDS + 1, False)])
def test_the_log_records_if_and_only_if_received_before_expiration(scene: Scene, seconds: int, recorded: bool) -> None:
    """Section "Purchase", P5a: recorded "if and only if it was received before expiration"."""
    deal = Deal.authorized(scene)
    scene.now = deal.transaction.expiration + seconds

    answer = scene.ask(scene.log, deal.authorization_m)

    entries = commits(partial(scene.ask, scene.log), scene.log_name)
    assert isinstance(answer, Commit) == recorded
    assert len(entries) == recorded


def test_what_counts_is_when_it_was_received_and_not_when_its_turn_came(scene: Scene) -> None:
    """Section "Purchase", P5a: P4 arrived in the last second, and a question that arrived later was answered first."""
    deal = Deal.authorized(scene)
    scene.now = deal.transaction.expiration + SETTLE_SECONDS
    undecided = decode(deal.outcome.body)
    scene.now = deal.transaction.expiration

    answer = scene.ask(scene.log, deal.authorization_m)

    assert isinstance(undecided, Undecided)
    assert isinstance(answer, Commit)


def test_a_commit_is_the_log_s_signature_over_the_merchant_s_message(scene: Scene) -> None:
    """Section "Purchase", P5a: [[n, expiration, k]_m]_l."""
    deal = Deal.committed(scene)

    commit = deal.outcome

    (log,) = scene.network.logs.values()
    assert [each.signer for each in commit.signatures] == [log.key]
    assert decode(commit.body).authorization_m == deal.authorization_m  # type: ignore[attr-defined]
    assert committed(NETWORK, log, commit, deal.transaction).key == deal.key


def test_the_consumer_learns_the_commit_from_what_the_log_publishes(scene: Scene) -> None:
    """Section "Purchase", P5a: "some method for providing timely, good-faith delivery to the consumer"."""
    purchase = scene.buy()

    scene.settle()

    asked = [line for line in scene.heard if line.sender == "consumer" and line.receiver == "log"]
    assert {line.kind for line in asked} <= {Follow, type(asked[0].body)}
    assert not [line for line in scene.said(OutcomeOf) if line.sender == "consumer"]
    assert scene.purchase(purchase).state == "done"


def test_any_party_forces_the_bank_to_pay_by_the_log_record(scene: Scene) -> None:
    """Section "Purchase", P5a: "Any party can use this log record ... to force the bank to transfer funds"."""
    deal = Deal.committed(scene)
    claim = Claim(bank=scene.bank_key, authorization_b=deal.authorization_b, commit=deal.outcome)

    credit = scene.ask(scene.bank, claim, "anybody")
    again = scene.ask(scene.bank, claim, "somebody else")

    assert isinstance(credit, Credit)
    assert credit == again
    assert (scene.income, credit.value) == (PRICE, PRICE)


def test_any_party_obtains_the_key_from_the_log_record(scene: Scene) -> None:
    """Section "Purchase", P5a: "... or to obtain the goods decryption key, completing the transaction"."""
    deal = Deal.committed(scene)

    (entry,) = commits(partial(scene.ask, scene.log), scene.log_name)

    assert deal.key in entry.body


def test_an_abort_is_given_only_after_the_expiration(scene: Scene) -> None:
    """Section "Purchase", P5b: it "may occur only after the expiration"; asked for by the consumer or the bank."""
    deal = Deal.authorized(scene)
    expiration = deal.transaction.expiration

    outcomes = []
    for scene.now in (expiration - 1, expiration, expiration + SETTLE_SECONDS, expiration + SETTLE_SECONDS + 1):
        outcomes.append(type(decode(deal.outcome.body)))

    assert outcomes == [Undecided, Undecided, Undecided, Abort]


def test_after_an_abort_nothing_is_recorded(scene: Scene) -> None:
    """Section "Purchase", P5b: "no P4 for the given merchant and transaction number was received prior to ..."."""
    deal = Deal.authorized(scene)
    scene.to_expiration()
    abort = deal.outcome

    refusal = scene.refused(scene.log, deal.authorization_m)

    assert isinstance(decode(abort.body), Abort)
    assert refusal.why == Why.EXPIRED
    assert deal.outcome == abort


def test_an_abort_frees_the_token_for_reuse(scene: Scene) -> None:
    """Section "Purchase", P5b: "This allows the token to be freed for reuse ... following a failed transaction"."""
    failed = Deal.authorized(scene)
    scene.now = failed.transaction.expiration + SETTLE_SECONDS + 1
    again = Deal.offered(scene, failed.hand, failed.coins)
    before = scene.refused(scene.bank, again.authorization_q)

    noted = scene.ask(scene.bank, failed.outcome)
    after = scene.ask(scene.bank, again.authorization_q)

    assert before.why == Why.TOKEN_USED
    assert isinstance(noted, Noted)
    assert isinstance(after, AuthorizationB)


def test_an_abort_frees_the_token_for_exchange(scene: Scene) -> None:
    """Section "Purchase", P5b: "to be freed for reuse or exchanged following a failed transaction"."""
    failed = Deal.authorized(scene)
    new = failed.hand.secrets(1)
    (one,) = (coin for coin in failed.coins if coin.worth == 1)
    scene.now = failed.transaction.expiration + SETTLE_SECONDS + 1
    before = scene.refused(scene.bank, exchange_q([one], new))

    scene.ask(scene.bank, failed.outcome)
    after = scene.ask(scene.bank, exchange_q([one], new))

    assert before.why == Why.TOKEN_USED
    assert isinstance(after, ExchangeB)


def test_a_wallet_exchanges_by_itself_what_the_bank_has_seen_with_a_sale_that_failed(scene: Scene) -> None:
    """Section "Purchase", P5b: "or exchanged following a failed transaction"."""
    scene.lost = lambda line: line.kind is AuthorizationM
    scene.buy()
    scene.settle()
    (paid,) = (line.body for line in scene.said(AuthorizationQ))
    scene.heard.clear()

    scene.to_expiration()

    (exchange,) = (line.body for line in scene.said(ExchangeQ))
    assert isinstance(exchange, ExchangeQ)
    assert isinstance(paid, AuthorizationQ)
    assert exchange.payments == paid.payments
    assert scene.tokens() == {"free": 2 * PRICE}


def test_a_wallet_spends_no_token_before_the_bank_has_noted_the_abort(scene: Scene) -> None:
    """Section "Purchase", P5b: until the bank has taken the abort in, the token counts as locked there."""
    scene.lost = lambda line: line.kind is AuthorizationM or (line.kind is Abort and line.receiver == "bank")
    scene.buy()
    scene.settle()
    locked = scene.tokens()

    scene.to_expiration()
    aborted = scene.tokens()
    scene.lost = lambda line: False
    scene.pass_time(1)

    assert locked == {"free": PRICE, "locked": PRICE}
    assert aborted == {"free": PRICE, "releasing": PRICE}
    assert scene.tokens() == {"free": 2 * PRICE}


def test_a_silent_merchant_costs_the_consumer_nothing(scene: Scene) -> None:
    """Section "Purchase", P5b: "If the merchant's message does not arrive before the expiration ... aborts"."""
    scene.lost = lambda line: line.sender == "merchant" and line.receiver != "consumer"
    purchase = scene.buy()
    scene.settle()

    scene.to_expiration()

    assert scene.purchase(purchase).state == "aborted"
    assert (scene.tokens(), scene.income) == ({"free": 2 * PRICE}, 0)
    assert scene.books()["locked"] == 0


def test_the_bank_frees_no_token_by_its_own_clock(scene: Scene) -> None:
    """Section "Purchase", P5b: the log decides; while no outcome can be had, the token stays locked."""
    deal = Deal.committed(scene)
    scene.lost = lambda line: "log" in (line.sender, line.receiver)

    scene.pass_time(LEAD + CLAIM_SECONDS - 10)
    locked = scene.books()["locked"]
    scene.lost = lambda line: False
    scene.pass_time(1)

    assert locked == PRICE
    assert (scene.income, scene.books()["locked"]) == (PRICE, 0)
    assert deal.hand.balance == PRICE


def test_every_entry_is_stamped_with_a_time_that_never_falls(scene: Scene) -> None:
    """Section "Cryptographic Time-Stamps": "The time-stamps used should include clock time information"."""
    hand = Hand(scene)
    hand.open(4 * PRICE)
    deals = [Deal.authorized(scene, hand, hand.withdraw(4, 1)) for _ in range(3)]
    began = scene.now

    for deal, scene.now in zip(deals, (began + 5, began + 3, began + 7), strict=True):
        scene.ask(scene.log, deal.authorization_m)

    times = [entry.time for entry in commits(partial(scene.ask, scene.log), scene.log_name)]
    assert times == [began + 5, began + 5, began + 7]


def test_a_commitment_asked_for_again_is_the_same_commit(scene: Scene) -> None:
    """Section "Purchase", P5a: recorded once, and said again byte for byte, however late."""
    deal = Deal.authorized(scene)
    first = scene.say("merchant", scene.log, deal.authorization_m)
    scene.to_expiration()

    again = scene.say("merchant", scene.log, deal.authorization_m)

    assert first is not None
    assert again is not None
    assert encode(first) == encode(again) == encode(deal.outcome)


def test_a_commitment_for_another_log_is_not_recorded(scene: Scene) -> None:
    """Section "Purchase", P4: the paper's message does not name L; ours does, so no other log can record it."""
    deal = Deal.authorized(scene)
    elsewhere = replace(deal.transaction, log=bytes(32))

    refusal = scene.refused(scene.log, by("merchant", AuthorizationM(transaction=elsewhere, key=deal.key)))

    assert refusal.why == Why.WRONG_RECEIVER
    assert isinstance(decode(deal.outcome.body), Undecided)
