"""The paper's section "Encrypted Log Entries": a log that knows neither the merchant nor the key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from anonnet_daemons.config import Kind
from anonnet_daemons.evidence import of_the_bank

from anonnet.crypto.keys import SigningKey
from anonnet.errors import Malformed, Why
from anonnet.parties.books import Audit
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.logbook import Entry, EntryKind, OutcomeOf
from anonnet.protocol.outcome import committed
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.quorum import Certificate
from anonnet.protocol.refusal import Noted
from anonnet.protocol.sealed import SealedM, Submission
from anonnet.protocol.transaction import number_of
from anonnet.wire.codec import Message, decode, decode_record
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signed, Signer
from tests.dump import dump
from tests.judge.court import Court
from tests.judge.folders import folders
from tests.mirrors import MIRRORS
from tests.paper.scenes import LEAD, Deal, Scene, by
from tests.paper.sealing import (
    UNSEEN,
    authorization_b,
    authorization_m,
    by_w,
    garbage,
    offered,
    outcome,
    promised,
    submission,
    ticket,
)
from tests.quorum import QuorumScene
from tests.stage import NETWORK


def bought(scene: Scene) -> bytes:
    """A wallet buys what is sold in secret."""
    scene.sell(UNSEEN, sealed=1, receipt=1)
    purchase = scene.buy(item=UNSEEN, receipt=1)
    scene.settle()
    return purchase


def learned_by(scene: Scene, name: str) -> str:
    """Everything that a log or a mirror was told by others, and everything that it stores, as digits."""
    told = [line.said for line in scene.heard if line.receiver == name]
    actor = scene.log if name == "log" else scene.mirrors[name]
    return b"".join(frame(said, 0).payload for said in told).hex() + repr(dump(actor.store))


def secrets_of(scene: Scene, purchase: bytes) -> dict[str, bytes]:
    """What a log must not learn of a sale."""
    store = scene.consumer.store.purchase(purchase)
    log = scene.network.logs[scene.log_name]
    recorded = committed(NETWORK, log, store.outcome, store.transaction)
    assert recorded is not None
    found = {"M": scene.merchant_key, "n": store.transaction.number, "k": recorded.key, "Q": recorded.receiver_key}
    assert all(found.values())
    return found


def test_the_consumer_reads_the_key_in_public_and_says_neither_who_she_is_nor_which_sale(scene: Scene) -> None:
    """ "In order to facilitate anonymous key acquisition by the consumer, the transaction log is publicly readable"."""
    purchase = scene.buy()
    scene.settle()

    transaction = scene.consumer.store.purchase(purchase).transaction
    asked = [line.said for line in scene.heard if (line.sender, line.receiver) == ("consumer", "log")]
    words = b"".join(frame(each, 0).payload for each in asked)
    assert scene.purchase(purchase).state == "done"
    assert asked
    assert not any(isinstance(each, Signed) for each in asked)
    for named in (transaction.number, transaction.outcome_key, transaction.merchant):
        assert named not in words


def test_only_the_parties_of_the_transaction_can_read_the_commit(scene: Scene) -> None:
    """ "The logged message would be encrypted using the secret key so that only the parties of the transaction could
    read commit." """
    purchase = bought(scene)
    assert scene.purchase(purchase).state == "done"

    kept = learned_by(scene, "log")

    assert len(kept) > 1000
    for name, value in secrets_of(scene, purchase).items():
        shown = [form for form in (value.hex(), repr(value)[2:-1]) if form in kept]
        assert not shown, f"the log has learned {name}"


def test_n_is_the_key_that_opens_it(scene: Scene) -> None:
    """ "If n is required to be randomly selected and is sufficiently large, then n could be used as this" key."""
    deal = promised(offered(scene))
    scene.ask(scene.log, submission(deal))
    log = scene.network.logs[scene.log_name]

    opened = committed(NETWORK, log, outcome(deal), deal.transaction)
    other = committed(NETWORK, log, outcome(deal), replace(deal.transaction, number=bytes(32)))

    assert opened is not None
    assert number_of(scene.merchant_key, opened.key) == deal.number
    assert other is None


def test_the_place_of_an_entry_is_found_by_what_the_parties_know(scene: Scene) -> None:
    """ "A function on known data could be used to generate indices for log entries": of W, the expiration and L."""
    bought(scene)

    submitted = scene.said(Submission)[0].body
    assert isinstance(submitted, Submission)
    entries = [decode_record(Entry, each.entry) for each in scene.log.store.entries(_shard(scene), 0)]

    order = scene.said(AuthorizationQ)[0].body
    assert entries[-1].kind == EntryKind.SEALED
    assert entries[-1].outcome_key == order.transaction.outcome_key  # type: ignore[attr-defined]
    assert entries[-1].outcome_key == submitted.transaction.outcome_key


def _shard(scene: Scene) -> int:
    (shard,) = [shard for shard, _ in scene.log.store.sizes() if shard]
    return shard


def test_the_log_records_what_it_cannot_read(scene: Scene) -> None:
    """ "The log could be left unaware of the secret key and simply time-stamp, sign, and record any received messages
    (and their indices)": also what nobody can open, of whoever holds W."""
    deal = promised(offered(scene))

    commit = scene.ask(scene.log, garbage(deal))

    assert isinstance(commit, Commit)
    assert isinstance(scene.ask(scene.log, submission(deal)), Commit)
    assert scene.ask(scene.log, submission(deal)) == commit, "the place is taken once"


def test_a_place_that_holds_no_p4_of_the_sale_counts_as_failed(scene: Scene) -> None:
    """What is recorded there is no commit of the sale, and nothing else can come: for bank and judge alike."""
    deal = promised(offered(scene))
    locked = scene.books()["locked"]
    scene.ask(scene.log, garbage(deal))

    noted = scene.ask(scene.bank, outcome(deal))
    verdict = Court(scene).judges([deal.authorization_q, authorization_b(deal), outcome(deal)])
    (coin,) = deal.hand.withdraw(1)
    again = scene.ask(scene.bank, Deal.offered(scene, deal.hand, [coin, deal.coins[0]]).authorization_q)

    assert locked == 5
    assert isinstance(noted, Noted)
    assert not verdict.of(Claim.CREDIT)
    assert [each.ruling for each in verdict.of(Claim.RELEASE)] == [Ruling.OWES]
    assert type(again).__name__ == "AuthorizationB", "the tokens are free"
    audit = Audit(NETWORK, scene.bank_key, scene.network.logs, [each.brand for each in scene.network.brands])
    assert audit.run(scene.bank.store.bookkeeping) == [], "the bank can show why it let them go"


def test_a_wallet_takes_its_tokens_back_from_a_place_that_holds_no_p4(scene: Scene) -> None:
    """ "The consumer can use abort and q to demand that the token be unlocked": what does not open is an abort."""
    before = scene.tokens()
    scene.lost = lambda line: isinstance(line.body, Submission)
    purchase = bought(scene)
    scene.lost = lambda line: False
    store = scene.consumer.store.purchase(purchase)
    (errand,) = [e for e in scene.merchant.store.errands.due(scene.now, most=9) if isinstance(e.message, Submission)]
    assert isinstance(errand.message, Submission)
    assert store.transaction.entry_key == errand.message.said.entry_key
    scene.ask(scene.log, replace(errand.message, sealed_m=_lie(scene, errand.message.said)))
    scene.merchant.store.errands.end(errand.hash)

    scene.settle()

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens()["free"] == before["free"]
    assert scene.income == 0


def test_the_abort_says_that_no_message_with_the_index_was_available(scene: Scene) -> None:
    """ "This would require a modification of the abort message to indicate that no message with the given index was
    available at a specified time." """
    deal = promised(offered(scene))
    scene.now += LEAD + 3

    abort = outcome(deal)
    frees = scene.ask(scene.bank, abort)

    assert isinstance(scene.ask(scene.log, OutcomeOf(transaction=deal.transaction.public)), Abort)
    assert isinstance(frees, Noted)
    assert scene.books().get("locked", 0) == 0
    (finding,) = Court(scene).judges([abort, deal.authorization_q]).of(Claim.RELEASE)
    assert finding.ruling is Ruling.OWES


def test_the_log_publishes_nothing_after_the_expiration(scene: Scene) -> None:
    """ "Expiration should be left in plaintext so that the log can know not to publish messages with timestamps greater
    than their expiration values." """
    deal = promised(offered(scene))
    scene.now = deal.transaction.expiration + 1

    refusal = scene.refused(scene.log, submission(deal))

    assert refusal.why == Why.EXPIRED
    later = replace(submission(deal).said, expiration=deal.transaction.expiration + 60)
    with pytest.raises(Malformed):
        Submission(sealed_m=by_w(deal, later), ticket=ticket(deal))


def test_no_abort_beside_a_sealed_commit(scene: Scene) -> None:
    """One outcome for each sale, in one form: the other form is told by no log, and taken by no bank."""
    deal = promised(offered(scene))
    scene.ask(scene.log, submission(deal))
    in_the_open = replace(deal.transaction, entry_key=b"")
    scene.now += LEAD + 3

    sealed, open_one = outcome(deal), replace(deal, transaction=in_the_open).outcome
    refusal = scene.refused(scene.bank, open_one)
    verdict = Court(scene).judges([deal.authorization_q, open_one, sealed])

    assert sealed.step == Commit.step, "an abort beside a sealed commit"
    assert open_one.step == Abort.step
    assert refusal.why == Why.UNKNOWN
    assert not verdict.of(Claim.RELEASE)
    assert not verdict.wrongs
    assert scene.refused(scene.log, authorization_m(deal)).why == Why.UNKNOWN
    with pytest.raises(Malformed):
        OutcomeOf(transaction=deal.transaction)


def test_nobody_else_can_fill_the_place(scene: Scene) -> None:
    """Whoever knows n, M and the index could squat it, if W did not have to sign."""
    deal = promised(offered(scene))
    mine = submission(deal)

    foreign = replace(mine, sealed_m=by("bank", mine.said))

    assert scene.say("stranger", scene.log, foreign) is None
    assert isinstance(scene.ask(scene.log, mine), Commit)


def test_a_log_takes_no_entry_without_a_banks_ticket(scene: Scene) -> None:
    """Entries that nobody can read are admitted by a ticket, one for a sale with locked tokens."""
    deal = promised(offered(scene))
    self_made = replace(submission(deal), ticket=ticket(deal, "merchant"))
    elsewhere = replace(deal, transaction=replace(deal.transaction, expiration=deal.transaction.expiration + 1))

    refusal = scene.refused(scene.log, self_made)
    with pytest.raises(Malformed):
        replace(submission(deal), ticket=ticket(elsewhere))

    assert refusal.why == Why.WRONG_SIGNER
    assert not [each for each in scene.log.store.sizes() if each[0]]


def test_the_bank_pays_what_is_sealed(scene: Scene) -> None:
    """The merchant is paid, and the judge says so, by papers that name the whole transaction."""
    deal = promised(offered(scene))
    scene.ask(scene.log, submission(deal))

    blind = Court(scene).judges([outcome(deal)])
    seen = Court(scene).judges([outcome(deal), authorization_b(deal), deal.authorization_q])
    scene.ask(scene.bank, outcome(deal))

    assert scene.income == 5
    assert not blind.findings
    assert {(each.claim, each.ruling) for each in seen.findings} == {
        (Claim.CREDIT, Ruling.OWES),
        (Claim.SPENT, Ruling.RIGHT),
    }


def test_under_a_quorum_pledge_and_key_are_sealed(tmp_path: Path) -> None:
    """Section "Encrypted Log Entries", where mirrors decide: neither they nor the log learn merchant or key."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.heard.clear()
    purchase = bought(scene)
    scene.wait(6)

    kinds = [line.body.said.kind for line in scene.said(Submission) if line.receiver == "log"]  # type: ignore[attr-defined]

    assert scene.purchase(purchase).state == "done"
    assert scene.income == 5
    assert set(kinds) == {EntryKind.SEALED_PLEDGE, EntryKind.SEALED_KEY}
    assert not scene.said(AuthorizationM)
    for party in ("log", *MIRRORS):
        for name, value in secrets_of(scene, purchase).items():
            kept = learned_by(scene, party)
            assert value.hex() not in kept, f"{party} has learned {name}"
            assert repr(value)[2:-1] not in kept, f"{party} has learned {name}"


def test_under_a_quorum_a_key_that_opens_to_nothing_frees_the_tokens(tmp_path: Path) -> None:
    """A pledge without a key that opens is a sale that has failed, whoever signed it."""
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    before = scene.tokens()
    lies: list[Message] = []

    def is_key(message: Message) -> bool:
        return isinstance(message, Submission) and message.said.kind == EntryKind.SEALED_KEY

    scene.lost = lambda line: is_key(line.body) and line.body not in lies
    purchase = bought(scene)
    scene.wait(6)
    (key, *_) = [e.message for e in scene.merchant.store.errands.due(scene.now, most=99) if is_key(e.message)]
    assert isinstance(key, Submission)
    lies.append(replace(key, sealed_m=_lie(scene, key.said)))
    scene.ask(scene.log, lies[0])
    scene.wait(10)
    scene.to_expiration()
    scene.wait(10)

    assert scene.purchase(purchase).state == "aborted"
    assert scene.tokens()["free"] == before["free"]
    assert scene.income == 0
    number = scene.consumer.store.purchase(purchase).terms.number
    bank = folders(scene, tmp_path / "parties")[Kind.BANK]
    shown = of_the_bank(bank, number.hex(), tmp_path / "evidence").papers
    assert [type(decode(paper.body)) for paper in shown] == [AuthorizationB, Certificate]


def _lie(scene: Scene, said: SealedM) -> Signed:
    """The merchant signs, with W, what nobody can open."""
    sale = next(
        sale
        for number in scene.merchant.store.numbers()
        if (sale := scene.merchant.store.by_number(number)) and sale.goods_m and sale.terms.entry_key == said.entry_key
    )
    return Signer(NETWORK, SigningKey(sale.entry_seed)).sign(replace(said, sealed=bytes(len(said.sealed))))
