"""Files of evidence: what each party writes and what stands in none, and what becomes of damaged and foreign ones."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from anonnet_daemons.config import NETWORK_FILE, read_network
from anonnet_daemons.evidence import of_purchase, of_sale, of_the_bank
from anonnet_daemons.judging import judged
from anonnet_daemons.owner import Failed

from anonnet.crypto.hashing import Label, hkdf, xof
from anonnet.errors import Malformed
from anonnet.limits import EVIDENCE_PAPERS_MAX
from anonnet.parties.judge.judging import judge
from anonnet.parties.judge.verdict import Claim, Ruling
from anonnet.protocol.delivery import Delivered
from anonnet.protocol.evidence import Author, Evidence, chunk_bytes, joined, opened, written
from anonnet.protocol.goods import Chunk, GoodsM
from anonnet.protocol.seed import Lane, TokenSecrets
from anonnet.tlog.merkle import Tree, leaf_hash
from anonnet.wire.codec import decode
from anonnet.wire.frames import Frames
from tests.judge.folders import folders, seed_of
from tests.judge.money_rows import statement
from tests.paper.receipts import SIGNED_FOR
from tests.paper.scenes import GOODS, Deal, Hand, Scene, by
from tests.paper.sealing import garbage, offered, outcome, promised
from tests.stage import NETWORK

DAMAGES = 300


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A purchase that is done, and one that has failed; and a sealed sale that has failed by garbage."""
    scene = Scene(tmp_path_factory.mktemp("scene"))
    scene.prepare()
    scene.buy()
    scene.settle()
    sealed = promised(offered(scene))
    scene.ask(scene.log, garbage(sealed))
    scene.ask(scene.bank, outcome(sealed))
    Deal.authorized(scene)
    scene.lost = lambda line: line.receiver == "merchant" and not line.kind.__name__.startswith(("Order", "Chunk"))
    scene.buy()
    scene.settle()
    scene.to_expiration()
    return scene


@pytest.fixture(scope="module")
def home(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of its parties."""
    home = tmp_path_factory.mktemp("home") / "parties"
    folders(scene, home)
    return home


@pytest.fixture
def files(scene: Scene, home: Path, tmp_path: Path) -> dict[str, Path]:
    """Everything that every party can prove about the first purchase, and the consumer's about the second."""
    aborted, done = scene.consumer.store.purchases(most=2)
    number = scene.consumer.store.purchase(done).terms.number.hex()
    paths = {name: tmp_path / name for name in ("papers", "goods", "chunk", "sale", "bank", "token", "failed")}
    wallet, token = home / "consumer", scene.consumer.store.tokens.bound_to(done)[0]
    of_purchase(wallet, done.hex(), paths["papers"], goods=False, chunks=[])
    of_purchase(wallet, done.hex(), paths["goods"], goods=True, chunks=[])
    of_purchase(wallet, done.hex(), paths["chunk"], goods=False, chunks=[2])
    of_purchase(wallet, aborted.hex(), paths["failed"], goods=False, chunks=[])
    of_sale(home / "merchant", number, paths["sale"], [statement(scene)])
    of_the_bank(home / "bank", number, paths["bank"])
    of_the_bank(home / "bank", token.id.hex(), paths["token"])
    return paths


def offer_in(evidence: Evidence) -> GoodsM:
    """The body of P1 in a file."""
    (offer,) = [body for body in (decode(paper.body) for paper in evidence.papers) if isinstance(body, GoodsM)]
    return offer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("papers", {(Claim.CREDIT, Ruling.OWES), (Claim.SPENT, Ruling.RIGHT), (Claim.DELIVERY, Ruling.OPEN)}),
        ("goods", {(Claim.CREDIT, Ruling.OWES), (Claim.SPENT, Ruling.RIGHT), (Claim.DELIVERY, Ruling.RIGHT)}),
        ("chunk", {(Claim.CREDIT, Ruling.OWES), (Claim.SPENT, Ruling.RIGHT), (Claim.DELIVERY, Ruling.RIGHT)}),
        ("failed", {(Claim.RELEASE, Ruling.OWES)}),
        ("sale", {(Claim.CREDIT, Ruling.DONE), (Claim.DELIVERY, Ruling.OPEN)}),
        ("bank", {(Claim.CREDIT, Ruling.DONE), (Claim.SPENT, Ruling.RIGHT)}),
        ("token", {(Claim.SPENT, Ruling.RIGHT)}),
    ],
)
def test_each_file_proves_by_itself_what_its_writer_claims(
    files: dict[str, Path], name: str, expected: set[tuple[Claim, Ruling]]
) -> None:
    verdict = judged([files[name]], None, None).verdict

    assert {(each.claim, each.ruling) for each in verdict.findings} == expected
    assert not verdict.set_aside


def test_a_merchant_s_own_file_proves_who_received(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.prepare()
    scene.sell(SIGNED_FOR, receipt=1)
    scene.buy(item=SIGNED_FOR, receipt=1)
    scene.settle()
    folders(scene, tmp_path / "home")

    of_sale(tmp_path / "home" / "merchant", "", tmp_path / "sale")
    verdict = judged([tmp_path / "sale"], None, None).verdict

    assert [each.ruling for each in verdict.of(Claim.RECEIPT)] == [Ruling.RIGHT], verdict.words({})


def test_the_files_of_all_parties_agree(files: dict[str, Path], home: Path) -> None:
    judgement = judged([files["goods"], files["sale"], files["bank"]], read_network(home / NETWORK_FILE), None)

    rulings = {each.claim: each.ruling for each in judgement.verdict.findings}
    assert rulings == {Claim.CREDIT: Ruling.DONE, Claim.SPENT: Ruling.RIGHT, Claim.DELIVERY: Ruling.RIGHT}
    assert not judgement.strangers


def test_the_goods_are_extracted_with_their_contract(files: dict[str, Path], tmp_path: Path) -> None:
    (folder,) = judged([files["goods"]], None, tmp_path / "review").extracted

    assert (folder / "goods").read_bytes() == GOODS
    assert "as sung at noon" in (folder / "contract.json").read_text("utf-8")
    assert [path for path in folder.iterdir() if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)] == []


def test_a_single_chunk_is_extracted_as_such(files: dict[str, Path], tmp_path: Path) -> None:
    (folder,) = judged([files["chunk"]], None, tmp_path / "review").extracted

    assert (folder / "chunk-2").read_bytes() == GOODS[2 * 65536 :]
    assert not (folder / "goods").exists()


@pytest.mark.parametrize("names", [("goods", "chunk"), ("chunk", "goods"), ("goods", "goods", "chunk")])
def test_what_several_files_show_counts_once(files: dict[str, Path], tmp_path: Path, names: tuple[str, ...]) -> None:
    judgement = judged([files[name] for name in names], None, tmp_path / "review")

    (finding,), (folder,) = judgement.verdict.of(Claim.DELIVERY), judgement.extracted
    assert (finding.ruling, finding.about["chunks_shown"]) == (Ruling.RIGHT, 3)
    assert not judgement.verdict.set_aside
    assert (folder / "goods").read_bytes() == GOODS


@pytest.mark.parametrize("names", [("ends", "middle"), ("middle", "ends")])
def test_files_that_are_whole_only_together_show_the_goods(
    scene: Scene, home: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    _, done = scene.consumer.store.purchases(most=2)
    for name, chunks in (("ends", [0, 2]), ("middle", [1])):
        of_purchase(home / "consumer", done.hex(), tmp_path / name, goods=False, chunks=chunks)

    (folder,) = judged([tmp_path / name for name in names], None, tmp_path / "review").extracted

    assert (folder / "goods").read_bytes() == GOODS


def test_a_file_whose_chunks_are_out_of_order_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    *head, first, second, third = [bytes(frame) for frame in Frames().feed(files["goods"].read_bytes())]
    (tmp_path / "crooked").write_bytes(b"".join([*head, second, first, third]))

    with pytest.raises(Failed, match=r"crooked is not whole evidence .* ascending order"):
        judged([files["goods"], tmp_path / "crooked"], None, None)


def test_goods_under_two_contracts_of_one_number_are_extracted_apart(files: dict[str, Path], tmp_path: Path) -> None:
    evidence = opened([files["goods"].read_bytes()])
    offer = offer_in(evidence)
    other = by("merchant", replace(offer, contract=replace(offer.contract, description="as sung at midnight")))
    second = tmp_path / "second"
    second.write_bytes(b"".join(written(NETWORK, Author.OTHER, evidence.logs.values(), [other])))

    judgement = judged([files["goods"], second], None, tmp_path / "review")

    assert [(folder / "goods").read_bytes() for folder in judgement.extracted] == [GOODS, GOODS]
    named = [json.loads((folder / "contract.json").read_bytes())["description"] for folder in judgement.extracted]
    assert set(named) == {"as sung at midnight", offer.contract.description}
    called = {finding.about["goods_m"].hex() for finding in judgement.verdict.of(Claim.DELIVERY)}
    assert called == {folder.name for folder in judgement.extracted}


def test_goods_that_open_in_part_are_not_extracted_as_if_whole(files: dict[str, Path], tmp_path: Path) -> None:
    evidence = opened([files["goods"].read_bytes()])
    sealed = [each.chunk.sealed for each in evidence.delivered]
    sealed[1] = bytes(len(sealed[1]))
    tree = Tree.from_leaves(b"".join(map(leaf_hash, sealed)))
    sold = by("merchant", replace(offer_in(evidence), root=tree.root()))
    papers = [sold, *(paper for paper in evidence.papers if paper.step != GoodsM.step)]
    shown = [Chunk(index=i, sealed=each, path=tuple(tree.inclusion(i, tree.size))) for i, each in enumerate(sealed)]
    head = b"".join(written(NETWORK, Author.OTHER, evidence.logs.values(), papers, len(shown)))
    (tmp_path / "noise").write_bytes(head + b"".join(chunk_bytes(Delivered(chunk=each, leaf=())) for each in shown))

    (folder,) = judged([tmp_path / "noise"], None, tmp_path / "review").extracted

    assert sorted(path.name for path in folder.iterdir()) == ["chunk-0", "chunk-2", "contract.json"]


def test_only_its_owner_can_read_a_file(files: dict[str, Path]) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}


def secrets(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """What may stand in no file of evidence."""
    seed = seed_of("seed of consumer")
    yield "the wallet's seed", seed
    yield from ((f"the key of the {name}", seed_of(name)) for name in ("bank", "merchant", "log"))
    yield "the account's key", hkdf(seed, Label.ACCOUNT_KEY, scene.bank_key)
    for minted in scene.minted:
        for index in range(4):
            for lane in Lane:
                place = TokenSecrets(seed, minted.brand, lane, index)
                public = minted.brand.public_key
                yield f"q of {place}", hkdf(seed, Label.TOKEN_KEY, place.place)
                yield f"the blinded message of {place}", place.blinded().blinded_message
                yield (
                    f"what blinded {place}",
                    xof(seed, Label.TOKEN_BLINDING, place.place, length=public.blinding_bytes),
                )
    for id in scene.consumer.store.purchases(most=10):
        yield "the download secret", scene.consumer.store.purchase(id).secret


def test_no_file_holds_a_secret(scene: Scene, files: dict[str, Path]) -> None:
    held = {name: path.read_bytes() for name, path in files.items()}
    known = list(secrets(scene))

    leaks = [(name, what) for what, secret in known for name, data in held.items() if secret in data]

    assert leaks == []
    assert [what for what, secret in known if secret in held["goods"] + known[7][1] + held["sale"]] == [known[7][0]]


def test_a_key_that_is_not_public_stands_in_no_merchant_s_file(scene: Scene, home: Path, tmp_path: Path) -> None:
    unpaid = [sale for sale in map(scene.merchant.store.by_number, scene.merchant.store.numbers()) if not sale.outcome]
    assert unpaid

    for sale in unpaid:
        of_sale(home / "merchant", sale.number.hex(), tmp_path / "unpaid")
        assert sale.key not in (tmp_path / "unpaid").read_bytes()


def test_of_a_sealed_sale_that_failed_by_garbage_the_bank_shows_its_promise(
    scene: Scene, home: Path, tmp_path: Path
) -> None:
    (sale,) = [row for row in scene.bank.store.bookkeeping.sales() if row.authorization_b and not row.authorization_q]

    exported = of_the_bank(home / "bank", sale.transaction.number.hex(), tmp_path / "garbage")

    assert [*exported.papers] == [sale.authorization_b, sale.proof]
    verdict = judged([exported.path], None, None).verdict
    assert not verdict.findings
    assert not verdict.set_aside


def test_the_bank_shows_who_has_asked_for_what_it_took_from_an_account(
    scene: Scene, home: Path, tmp_path: Path
) -> None:
    hand = Hand(scene)  # the one whose sealed sale has failed
    stated = tmp_path / "stated"
    stated.write_bytes(b"".join(written(NETWORK, Author.OTHER, [], [statement(scene, hand.signer)])))

    shown = of_the_bank(home / "bank", hand.key.public.hex(), tmp_path / "account").path

    for files, ruling in (([stated], Ruling.OWES), ([stated, shown], Ruling.RIGHT)):
        judgement = judged(files, read_network(home / NETWORK_FILE), None)
        assert [(each.claim, each.ruling) for each in judgement.verdict.findings] == [(Claim.DEBIT, ruling)]
        assert not judgement.strangers


# Damaged, mixed up, foreign.


def looked_at(data: bytes) -> set[tuple[Claim, Ruling]] | None:
    """What is decided by these bytes; None if they are refused."""
    try:
        evidence = opened([data])
        verdict = judge(joined([("file", evidence)]), evidence.delivered)
    except Malformed:
        return None
    return {(each.claim, each.ruling) for each in verdict.findings}


def test_a_file_that_is_cut_off_is_refused(files: dict[str, Path]) -> None:
    data = files["papers"].read_bytes()
    whole = looked_at(data)

    assert whole
    assert [at for at in range(len(data)) if looked_at(data[:at]) is not None] == []
    assert looked_at(data + b"\0") is None
    assert looked_at(data + data) is None


def test_goods_that_are_cut_off_are_refused(files: dict[str, Path]) -> None:
    data = files["goods"].read_bytes()

    assert looked_at(data[:-70_000]) is None
    assert looked_at(b"") is None


def test_chunks_out_of_their_order_are_refused(files: dict[str, Path]) -> None:
    *head, first, second, third = [bytes(frame) for frame in Frames().feed(files["goods"].read_bytes())]

    assert looked_at(b"".join([*head, first, second, third])) is not None
    assert looked_at(b"".join([*head, second, first, third])) is None
    assert looked_at(b"".join([*head, first, first, third])) is None


@pytest.mark.parametrize("seed", range(3))
def test_damage_convicts_nobody_and_crashes_nothing(files: dict[str, Path], seed: int) -> None:
    chance = Random(seed)
    names = ("papers", "chunk", "sale", "bank", "failed")
    for _ in range(DAMAGES):
        data = bytearray(files[chance.choice(names)].read_bytes())
        for _ in range(chance.choice([1, 1, 3])):
            at = chance.randrange(len(data))
            match chance.choice(["flip", "cut", "double", "zero"]):
                case "flip":
                    data[at] ^= 1 << chance.randrange(8)
                case "cut":
                    del data[at : at + chance.randrange(1, 40)]
                case "double":
                    data[at:at] = data[at : at + chance.randrange(1, 200)]
                case _:
                    data[at : at + 8] = bytes(len(data[at : at + 8]))
        decided = looked_at(bytes(data)) or set()
        assert Ruling.WRONG not in {ruling for _, ruling in decided}, f"seed {seed}"


def test_files_of_two_networks_are_not_judged_together(files: dict[str, Path], home: Path, tmp_path: Path) -> None:
    evidence = opened([files["papers"].read_bytes()])
    foreign = tmp_path / "foreign"
    foreign.write_bytes(b"".join(written("elsewhere", Author.OTHER, evidence.logs.values(), evidence.papers)))

    with pytest.raises(Failed, match="different networks"):
        judged([files["papers"], foreign], None, None)
    with pytest.raises(Failed, match="another network, elsewhere"):
        judged([foreign], read_network(home / NETWORK_FILE), None)
    alone = judged([foreign], None, None).verdict
    assert not alone.findings
    assert len(alone.set_aside) == len(evidence.papers)


def test_a_party_that_stands_in_no_network_file_is_pointed_out(files: dict[str, Path], home: Path) -> None:
    network = read_network(home / NETWORK_FILE)
    others = type(network)(network.name, tuple(peer for peer in network.peers if peer.name != "bank"))

    judgement = judged([files["bank"]], others, None)

    assert [party.identity for party in judgement.strangers] == [network.peers[0].identity]


def test_another_log_s_key_does_not_pass_for_the_sale_s(files: dict[str, Path]) -> None:
    evidence = opened([files["papers"].read_bytes()])

    verdict = judge(joined([("file", opened(written(NETWORK, Author.OTHER, [], evidence.papers)))]))

    assert not verdict.findings
    assert [reason for reason in verdict.set_aside if reason.startswith("commit")]


def test_more_than_fits_into_a_file_is_not_exported(scene: Scene, home: Path, tmp_path: Path) -> None:
    (number, *_) = scene.merchant.store.numbers()

    with pytest.raises(Failed, match="fit into one file"):
        of_sale(home / "merchant", number.hex(), tmp_path / "large", [statement(scene)] * EVIDENCE_PAPERS_MAX)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_not_exported(home: Path, tmp_path: Path) -> None:
    for wanted in ("", "ffff"):
        with pytest.raises(Failed, match="begin with"):
            of_purchase(home / "consumer", wanted, tmp_path / "none", goods=False, chunks=[])
        with pytest.raises(Failed, match="begin with"):
            of_sale(home / "merchant", wanted, tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
