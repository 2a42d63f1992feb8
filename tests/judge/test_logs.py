"""A log before the judge: what the parties of a sale that it spoilt write down, and what that convicts it of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anonnet_daemons.cli.main import main
from anonnet_daemons.config import NETWORK_FILE, Kind, read_network
from anonnet_daemons.evidence import of_purchase, of_sale
from anonnet_daemons.judging import judged
from anonnet_daemons.owner import Failed
from anonnet_daemons.stamping import stamp
from click.testing import CliRunner

from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.breach import Alert
from anonnet.protocol.evidence import Author, written
from anonnet.protocol.known_log import CHAIN, KnownLog, Theft, shard_of
from anonnet.protocol.network import Network, Peer, Role
from anonnet.protocol.quorum import Receipt
from anonnet.protocol.rules import decided_by
from anonnet.times import HANDED_SECONDS, RELEASE_SECONDS
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed
from tests.judge.folders import folders, put
from tests.judge.log_rows import excerpt, fork
from tests.judge.make_vectors import file_of
from tests.judge.money_rows import another
from tests.judge.test_table import shop
from tests.judge.theft_rows import STOLEN, stamped_before_the_theft
from tests.mirrors import KNOWN, MIRRORS, Pen, pledge, sale
from tests.paper.scenes import LEAD, PRICE, Deal, Scene
from tests.paper.stamping import TRUSTED, all_at, cosigned
from tests.quorum import QuorumScene, WrittenScene, suppressed
from tests.stage import NETWORK, NOON, key_of

ALONE = KnownLog(key_of("log").public)


def files(scene: WrittenScene, folder: Path) -> tuple[Path, Path, Path]:
    """What the merchant and the consumer can prove, and the network file."""
    home = folder / "parties"
    folders(scene, home)
    number, purchase = scene.merchant.store.numbers()[0], scene.consumer.store.purchases(most=1)[0]
    of_sale(home / "merchant", number.hex(), folder / "sale")
    of_purchase(home / "consumer", purchase.hex(), folder / "papers", goods=False, chunks=[])
    return folder / "sale", folder / "papers", home / NETWORK_FILE


@pytest.mark.slow
def test_a_merchant_s_file_convicts_the_log_that_suppressed_his_key(tmp_path: Path) -> None:
    scene = suppressed(tmp_path)
    merchants, consumers, network = files(scene, tmp_path)

    alone = judged([merchants], None, None).verdict
    both = judged([merchants, consumers], read_network(network), None)

    assert [(each.claim, each.ruling) for each in alone.findings] == [(Claim.SUPPRESSED, Ruling.WRONG)]
    assert alone.findings[0].party.identity == scene.log_name
    assert not alone.set_aside
    rulings = {each.claim: each.ruling for each in both.verdict.findings}
    assert rulings == {Claim.SUPPRESSED: Ruling.WRONG, Claim.RELEASE: Ruling.OWES}
    assert not both.strangers
    assert scene.income == 0
    assert scene.tokens()["free"] == 2 * PRICE
    assert scene.merchant.store.by_number(scene.merchant.store.numbers()[0]).key not in merchants.read_bytes()


@pytest.mark.slow
def test_a_key_that_came_late_to_the_mirrors_convicts_nobody(tmp_path: Path) -> None:
    scene = suppressed(tmp_path, late=LEAD + RELEASE_SECONDS - HANDED_SECONDS + 60)
    merchants, consumers, _ = files(scene, tmp_path)

    verdict = judged([merchants, consumers], None, None).verdict

    assert [(each.claim, each.ruling) for each in verdict.findings] == [(Claim.RELEASE, Ruling.OWES)]
    kept = scene.merchant.store.answered.of(scene.merchant.store.numbers()[0])
    assert [paper.step for paper in kept].count(Receipt.step) == len(MIRRORS)


# Proofs against a log.


def proof(said: Signed) -> bytes:
    alert = decode(said.body)
    assert isinstance(alert, Alert)
    return alert.evidence


def network_of(*logs: KnownLog) -> Network:
    """A network file's content, with these logs."""
    peers = [Peer(Role.LOG, f"log-{at}", log.key, bytes(32), "127.0.0.1", 1, log.policy) for at, log in enumerate(logs)]
    return Network(NETWORK, tuple(peers))


@pytest.mark.parametrize(
    ("said", "claim"), [(fork(), Claim.FORK), (excerpt(pledge(sale(), sale().expiration + 1)), Claim.BROKEN_RULE)]
)
def test_a_proof_alone_convicts_a_log_of_the_network_file(tmp_path: Path, said: Signed, claim: Claim) -> None:
    file = tmp_path / "proof"
    file.write_bytes(proof(said))

    judgement = judged([file], network_of(ALONE, KNOWN), None)

    (finding,) = judgement.verdict.findings
    assert (finding.claim, finding.ruling) == (claim, Ruling.WRONG)
    assert judgement.names[finding.party.identity] == "log-1"


def test_a_proof_alone_that_convicts_nobody_is_refused_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "proof"
    file.write_bytes(proof(fork()))
    with pytest.raises(Failed, match="give --network"):
        judged([file], None, None)
    with pytest.raises(Failed, match="no shard of a log that is known here"):
        judged([file], network_of(ALONE), None)
    file.write_bytes(proof(fork())[:-1])
    with pytest.raises(Failed, match="not whole evidence"):
        judged([file], network_of(KNOWN), None)

    file.write_bytes(proof(fork("mallory")))
    verdict = judged([file], network_of(KNOWN), None).verdict

    assert not verdict.findings
    assert "proves nothing" in verdict.set_aside[0]


def test_a_merchant_who_heard_of_a_fork_exports_the_proof(tmp_path: Path) -> None:
    scene = QuorumScene(tmp_path)
    scene.prepare()
    scene.wait(1)
    scene.buy()
    scene.settle()
    scene.wait(6)
    scene.ask(scene.mirrors[MIRRORS[0]], decode(fork(known=scene.network.logs[scene.log_name]).body))
    scene.settle()
    home = tmp_path / "parties"
    folders(scene, home)
    of_sale(home / "merchant", scene.merchant.store.numbers()[0].hex(), tmp_path / "sale")

    verdict = judged([tmp_path / "sale"], None, None).verdict

    rulings = {each.claim: each.ruling for each in verdict.findings}
    assert rulings == {Claim.FORK: Ruling.WRONG, Claim.CREDIT: Ruling.DONE, Claim.DELIVERY: Ruling.OPEN}


# A log's key that was stolen.


def test_the_command_judges_for_who_was_told_of_a_theft(tmp_path: Path) -> None:
    scene = shop(tmp_path)
    file, policy, key = tmp_path / "sale", tmp_path / "witness.policy", key_of("log").public.hex()
    file.write_bytes(file_of(scene, stamped_before_the_theft(scene)))
    policy.write_bytes(TRUSTED.canonical())

    def credits(*more: str) -> list[str]:
        ran = CliRunner().invoke(main, ["judge", str(file), "--json", *more])
        assert ran.exit_code == 0, ran.output
        return [each["claim"] for each in json.loads(ran.stdout)["findings"]]

    assert credits() == ["credit"], "nobody has told of a theft"
    assert credits("--compromised", f"{key}@{STOLEN}", "--witnesses", str(policy)) == ["credit"]
    assert credits("--compromised", f"{key}@{STOLEN - 1}", "--witnesses", str(policy)) == []
    assert credits("--compromised", f"{key}@{STOLEN}") == [], "no witness is trusted"


def test_a_theft_that_says_nothing_is_refused(tmp_path: Path) -> None:
    scene = shop(tmp_path)
    file = tmp_path / "sale"
    file.write_bytes(file_of(scene, stamped_before_the_theft(scene)))
    another = f"{key_of('mallory').public.hex()}@{STOLEN}"

    codes = {
        said: CliRunner().invoke(main, ["judge", str(file), "--compromised", said]).exit_code
        for said in (another, "00@1", f"{key_of('log').public.hex()}", f"{key_of('log').public.hex()}@yesterday")
    }

    assert list(codes.values()) == [1, 2, 2, 2], "the key of no log here; and no key, or no time"


def checkpoint_of(scene: Scene, shard: int, time: int, path: Path) -> Path:
    """The newest checkpoint of a shard of the scene's log, as all witnesses have cosigned it then."""
    heads = scene.log.store.heads
    path.write_bytes(cosigned(heads.mark(shard, heads.size(shard)).note, all_at(time)).note.encoded())
    return path


@pytest.mark.parametrize("end", [False, True], ids=["shard", "chain"])
def test_the_log_s_owner_writes_down_what_witnesses_had_seen(tmp_path: Path, end: bool) -> None:
    scene = shop(tmp_path)
    deal = Deal.committed(scene)
    shard = shard_of(deal.transaction.expiration)
    if end:
        scene.now = decided_by(shard) + 1
        for _ in range(2):  # the shard is closed, then anchored
            scene.log.forget()
    note = checkpoint_of(scene, CHAIN if end else shard, scene.now, tmp_path / "note")
    folders(scene, tmp_path / "parties")
    put(tmp_path / "parties" / "log", Kind.LOG, scene.log)
    digits = deal.transaction.outcome_key.hex()[:8]

    stamp(tmp_path / "parties" / "log", digits, note, tmp_path / "stamp")

    promise = tmp_path / "promise"
    promise.write_bytes(b"".join(written(NETWORK, Author.MERCHANT, [], [deal.authorization_b])))
    for stolen, rulings in ((scene.now + 1, [Ruling.OWES]), (scene.now, [])):
        thefts = {key_of("log").public: Theft(stolen, TRUSTED)}
        verdict = judged([promise, tmp_path / "stamp"], None, None, thefts).verdict
        assert [each.ruling for each in verdict.findings] == rulings, verdict.words({})


def test_no_checkpoint_that_does_not_cover_the_sale_stamps_it(tmp_path: Path) -> None:
    scene = shop(tmp_path)
    early = Deal.committed(scene)
    scene.log.forget()  # begins its chain
    shard = shard_of(early.transaction.expiration)
    note = checkpoint_of(scene, shard, NOON, tmp_path / "note")
    chain = checkpoint_of(scene, CHAIN, NOON, tmp_path / "chain")
    late = Deal.committed(scene, another(scene))
    folders(scene, tmp_path / "parties")
    put(tmp_path / "parties" / "log", Kind.LOG, scene.log)
    log, (first, second) = tmp_path / "parties" / "log", (d.transaction.outcome_key.hex() for d in (early, late))
    foreign = tmp_path / "foreign"
    foreign.write_bytes(Pen(KNOWN).notes[1])

    for digits, checkpoint, why in (
        (second, note, "take a later one"),
        (first, chain, "is not anchored yet"),
        (first, foreign, "no checkpoint of this log"),
        ("", note, "2 begin with"),
    ):
        with pytest.raises(Failed, match=why):
            stamp(log, digits, checkpoint, tmp_path / "stamp")
    assert not (tmp_path / "stamp").exists()
