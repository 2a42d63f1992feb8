"""What each party can prove, as one file: read from its data folder, whether or not its daemon runs, and changed there
in nothing.

In a file stand signed messages, and what strangers need to check them: brands, and the logs' keys and policies. No key
of the party goes into it, nor what a wallet derives from its seed; and no P4 before its commit, since that would show
the merchandise key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anonnet.crypto.sealing import CHUNK_BYTES
from anonnet.limits import EVIDENCE_PAPERS_MAX
from anonnet.net.jobs import SEALED_FILE, goods_folder
from anonnet.protocol.account import Credit
from anonnet.protocol.brand import Brand
from anonnet.protocol.breach import Alert
from anonnet.protocol.delivery import Delivered, Leaf
from anonnet.protocol.dispute import Redress
from anonnet.protocol.evidence import Author, chunk_bytes, written
from anonnet.protocol.exchange import ExchangeB, ExchangeQ
from anonnet.protocol.goods import Chunk, Contract, GoodsM
from anonnet.protocol.network import Network
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.withdrawal import WithdrawC
from anonnet.store.alerts import Alerts
from anonnet.store.bank import BankStore
from anonnet.store.folder import write_durably
from anonnet.store.goods import SEALED_BYTES
from anonnet.store.merchant import MerchantStore
from anonnet.store.sales import COMMITTED
from anonnet.store.wallet import Bought, WalletStore
from anonnet.tlog.merkle import HASH_BYTES, Tree, leaf_hash
from anonnet.wire.codec import decode
from anonnet.wire.signed import Signed, Signer, unsigned
from anonnet_daemons import bank, consumer, merchant
from anonnet_daemons.config import Kind, Setup, offers_of, read_setup
from anonnet_daemons.owner import Failed

STORES = {
    Kind.CONSUMER: consumer.STORE,
    Kind.MERCHANT: merchant.STORE,
    Kind.BANK: bank.STORE,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of evidence: where it is, and what it holds."""

    path: Path
    papers: Sequence[Signed]
    chunks: int


def _of_the(setup: Setup) -> str:
    return str(setup.folder / STORES[setup.kind])


def export(
    setup: Setup,
    author: Author,
    papers: Iterable[Signed | None],
    into: Path,
    chunks: Sequence[Delivered] | Goods = (),
    alerts: Iterable[Alert] = (),
    by: Collection[bytes] = (),
) -> Exported:
    """Write the papers with what they need, and what convicts the logs that they name. `by`: logs that they are of and
    do not name. Raises Failed."""
    network, there = setup.network(), [paper for paper in papers if paper is not None]
    brands, logs = needs(there)
    logs |= set(by)
    whole = [*_brands(network, brands), *there, *(unsigned(each).signed for each in alerts if each.log in logs)]
    known = [log for name, log in network.logs.items() if name in logs]
    if len(whole) > EVIDENCE_PAPERS_MAX:
        raise Failed(f"{len(whole)} papers, and {EVIDENCE_PAPERS_MAX} fit into one file: choose less")

    def blocks() -> Iterator[bytes]:
        yield from written(network.name, author, known, whole, len(chunks))
        yield from map(chunk_bytes, chunks)

    try:
        write_durably(into.absolute(), blocks())
    except OSError as why:
        raise Failed(f"{into} cannot be written ({why.strerror or why}): choose another place") from why
    return Exported(into, whole, len(chunks))


def _convicting(alerts: Alerts) -> list[Alert]:
    """What convicts logs before everybody."""
    return [Alert(log=log, shard=shard, evidence=said) for log, shard, said in alerts.proven(0, most=-1)]


def _brands(network: Network, wanted: set[bytes]) -> list[Signed]:
    """The signed brands, as the network file has them."""
    found = [(offer.brand, decode(offer.brand.body)) for offer in network.brands]
    return [signed for signed, brand in found if isinstance(brand, Brand) and brand.id in wanted]


def needs(papers: Iterable[Signed]) -> tuple[set[bytes], set[bytes]]:
    """The brands and the logs without which nobody can check these papers, and those inside of them."""
    brands: set[bytes] = set()
    logs: set[bytes] = set()
    for body in map(decode, (paper.body for paper in papers)):
        if isinstance(body, AuthorizationQ | ExchangeQ):
            brands |= {payment.token.brand for payment in body.payments}
        if isinstance(body, WithdrawC):
            brands.add(body.brand)
        if isinstance(body, ExchangeQ):
            brands |= {wanted.brand for wanted in body.wanted}
        if isinstance(body, AuthorizationQ | AuthorizationB | Abort | Credit):
            logs.add(body.transaction.log)
        if isinstance(body, GoodsM):
            logs |= set(body.contract.logs)
        if isinstance(body, Alert):
            logs.add(body.log)
        if isinstance(body, Refusal):
            more = needs(body.evidence)
            brands, logs = brands | more[0], logs | more[1]
    return brands, logs


def shown_by(answer: Signed | None) -> tuple[Signed, ...]:
    """What the accused has shown in his answer to a dispute: his redress, or the evidence of his refusal."""
    body = decode(answer.body) if answer else None
    if isinstance(body, Redress):
        return body.papers
    return body.evidence if isinstance(body, Refusal) else ()


# The consumer.


def of_purchase(data: Path, digits: str, into: Path, *, goods: bool, chunks: Sequence[int]) -> Exported:
    """What a consumer can prove about the purchase whose id begins so. Raises Failed, BadStart."""
    setup = read_setup(data, Kind.CONSUMER)
    store = WalletStore(_of_the(setup), read_only=True)
    try:
        id = the_one([id for id in store.purchases(most=-1) if id.hex().startswith(digits.lower())], digits)
        bought, answers, alerts = store.purchase(id), store.answered.of(id), _convicting(store.alerts)
        more = shown_by(store.answered.to_dispute(id))
    finally:
        store.close()
    assert bought is not None
    papers = [bought.goods_m, bought.authorization_q, bought.authorization_b, bought.outcome]
    papers += [each for each in (*answers, *more) if each not in papers]
    shown = Goods(setup.folder, bought, None if goods else chunks) if goods or chunks else ()
    return export(setup, Author.CONSUMER, papers, into, shown, alerts=alerts)


Refused = dict[bytes, list[Signed]]
"""By the token given: each exchange_q that a bank has refused, and each authorization_q in whose place another one was
made, and after it the refusals."""


def refused(setup: Setup) -> Refused:
    """The exchanges that a wallet was refused, and that were not done since; and its payments that it has replaced.
    Raises BadStart."""
    store = WalletStore(_of_the(setup), read_only=True)
    found: Refused = {}
    try:
        for request, refusals in (*store.unexchanged.all(), *store.replaced.all()):
            order = decode(request.body)
            assert isinstance(order, ExchangeQ | AuthorizationQ)
            for payment in order.payments:
                found.setdefault(payment.token.id, []).extend([request, *refusals])
    finally:
        store.close()
    return found


def of_token(data: Path, digits: str, into: Path) -> Exported:
    """What a consumer can prove about what it was refused for the token whose id begins so. Raises Failed, BadStart."""
    setup = read_setup(data, Kind.CONSUMER)
    found = refused(setup)
    token = the_one([id for id in sorted(found) if id.hex().startswith(digits.lower())], digits)
    return export(setup, Author.CONSUMER, found[token], into)


class Goods:
    """The sealed goods of a purchase as they lie in a wallet's folder: all chunks, or some. Read chunk by chunk."""

    def __init__(self, folder: Path, bought: Bought, indexes: Sequence[int] | None) -> None:
        if bought.goods_m is None:
            raise Failed("this purchase has no contract yet: there is nothing to show")
        self.contract: Contract = bought.terms.contract
        self._path = goods_folder(folder, bought.id) / SEALED_FILE
        self._indexes = sorted(set(range(self.contract.chunks) if indexes is None else indexes))
        if self._indexes[-1] >= self.contract.chunks:
            raise Failed(f"the goods have {self.contract.chunks} chunks, counted from 0: choose among these")
        sealed = self._tree(self._path, SEALED_BYTES)
        if sealed is None or sealed.root() != bought.terms.root:
            raise Failed("the encrypted goods are not in the wallet's folder any more, or not whole: export the papers")
        self._sealed = sealed
        plain = self._tree(Path(bought.path), CHUNK_BYTES) if indexes is not None and bought.path else None
        self._plain = plain if plain and plain.root() == self.contract.root else None

    def __len__(self) -> int:
        return len(self._indexes)

    def __iter__(self) -> Iterator[Delivered]:
        with self._path.open("rb") as file:
            for index in self._indexes:
                file.seek(index * SEALED_BYTES)
                sealed, path = file.read(SEALED_BYTES), tuple(self._sealed.inclusion(index, self._sealed.size))
                yield Delivered(chunk=Chunk(index=index, sealed=sealed, path=path), leaf=self._leaf(index))

    def _leaf(self, index: int) -> tuple[Leaf, ...]:
        """The contract's leaf, where the opened goods are the contract's: all chunks together need none."""
        if self._plain is None:
            return ()
        leaves, at = self._plain.leaves, index * HASH_BYTES
        return (Leaf(hash=leaves[at : at + HASH_BYTES], path=tuple(self._plain.inclusion(index, self._plain.size))),)

    def _tree(self, path: Path, size: int) -> Tree | None:
        tree = Tree()
        try:
            with path.open("rb") as file:
                while (chunk := file.read(size)) or tree.size == 0:
                    tree.append(leaf_hash(chunk))
        except OSError:
            return None
        return tree if tree.size == self.contract.chunks else None


def rivals(setup: Setup) -> list[Signed]:
    """Brands of a kind that one bank has opened at the same time, as a wallet was shown them. Raises BadStart."""
    if not Path(_of_the(setup)).exists():
        return []
    store = WalletStore(_of_the(setup), read_only=True)
    try:
        return list(dict.fromkeys(paper for pair in store.listing.rivals() for paper in pair))
    finally:
        store.close()


def of_rivals(setup: Setup, papers: Sequence[Signed], into: Path) -> Exported:
    """The same as a file. Raises Failed, BadStart."""
    if not papers:
        raise Failed("no bank has opened two brands of a kind at the same time, as far as this wallet knows")
    return export(setup, Author.CONSUMER, papers, into)


# The merchant.


def of_sale(data: Path, digits: str, into: Path, statements: Sequence[Signed] = ()) -> Exported:
    """What a merchant can prove about the sale whose number begins so: with the bank's credit, or his statements.
    Raises Failed, BadStart."""
    setup = read_setup(data, Kind.MERCHANT)
    store = MerchantStore(_of_the(setup), read_only=True)
    try:
        number = the_one([n for n in store.numbers() if n.hex().startswith(digits.lower())], digits)
        sale, answers = store.by_number(number), store.answered.of(number)
        more = shown_by(store.answered.to_dispute(number))
        receipt = store.receipt(number, sale.receiver_key) if sale else None
        alerts = _convicting(store.alerts)
    finally:
        store.close()
    assert sale is not None
    papers = [sale.goods_m, receipt, sale.authorization_b, sale.outcome, *answers, *statements]
    papers += [each for each in more if each not in papers]
    return export(setup, Author.MERCHANT, papers, into, alerts=alerts)


# The bank.


def of_the_bank(data: Path, digits: str, into: Path) -> Exported:
    """What a bank can prove about a sale, by its number, about a token, by its id, or about what it has taken from an
    account, by its key. A committed sale's credit, which it says to whoever claims it, is signed anew: the same
    message. Raises Failed, BadStart."""
    setup = read_setup(data, Kind.BANK)
    store = BankStore(_of_the(setup), read_only=True)
    try:
        papers = list(_sales_of(setup, store, digits))
        if not papers:
            tokens, accounts = {token for token, _ in store.bookkeeping.used()}, store.bookkeeping.accounts()
            fitting = sorted(id for id in {*tokens, *accounts} if id.hex().startswith(digits.lower()))
            id = the_one(fitting, digits)
            shown = list(_withdrawn(store, id)) if id in accounts else store.uses.history(id, beyond=0)
            papers = [*shown, *_made_for(setup, shown)]
        alerts = _convicting(store.alerts)
    finally:
        store.close()
    return export(setup, Author.BANK, papers, into, alerts=alerts)


def _withdrawn(store: BankStore, account: bytes) -> Iterator[Signed]:
    """What the bank has taken from an account: withdraw_c of brands that are not over."""
    yield from (each for each in store.bookkeeping.withdrawals() if each.signatures[0].signer == account)


def _made_for(setup: Setup, papers: Iterable[Signed]) -> Iterator[Signed]:
    """exchange_b of each exchange, signed anew: the same signatures. Raises BadStart."""
    orders = [body for body in map(decode, (paper.body for paper in papers)) if isinstance(body, ExchangeQ)]
    network, wanted = setup.network(), {each.brand for order in orders for each in order.wanted}
    brands = [brand for _, brand in offers_of(network, setup.peer(network)) if brand.id in wanted]
    keys = {brand.id: setup.brand_key(brand) for brand in brands}
    for order in orders:
        if keys.keys() >= {each.brand for each in order.wanted}:  # else the brand is long over
            made = [keys[each.brand].sign(blinded) for each in order.wanted for blinded in each.blinded]
            yield unsigned(ExchangeB(signatures=tuple(made))).signed


def _sales_of(setup: Setup, store: BankStore, digits: str) -> Iterator[Signed | None]:
    """The papers of every sale whose number begins so: consumers may have tried one number several times."""
    network = setup.network()
    signer = Signer(network.name, setup.identity(setup.peer(network)))
    for sale in store.bookkeeping.sales():
        named = sale.transaction
        if named is None or not named.number.hex().startswith(digits.lower()):
            continue
        yield from (sale.authorization_q, sale.authorization_b, sale.proof)
        promise = decode(sale.authorization_b.body) if sale.authorization_b else None
        if sale.state == COMMITTED and isinstance(promise, AuthorizationB):
            value, currency = promise.value, promise.currency
            yield signer.sign(Credit(transaction=promise.transaction, currency=currency, value=value))


# Whoever has an account, or keeps alerts.

AUTHORS = {Kind.CONSUMER: Author.CONSUMER, Kind.MERCHANT: Author.MERCHANT, Kind.BANK: Author.BANK}


def of_statements(setup: Setup, statements: Sequence[Signed], into: Path) -> Exported:
    """What a bank has said of the owner's account. Raises Failed."""
    return export(setup, AUTHORS[setup.kind], statements, into)


def of_alerts(setup: Setup, alerts: Sequence[Alert], into: Path) -> Exported:
    """What convicts logs. Raises Failed, BadStart."""
    if not alerts:
        raise Failed("no log is convicted, as far as is known here: there is nothing to write")
    papers = [unsigned(each).signed for each in alerts]
    return export(setup, AUTHORS.get(setup.kind, Author.OTHER), papers, into)


def the_one(found: Sequence[bytes], digits: str) -> bytes:
    """The only one that begins with these digits. Raises Failed."""
    if len(found) != 1:
        raise Failed(f"{len(found)} begin with {digits}: give more digits, or look at the list")
    return found[0]
