"""Scenes for the paper's claims: the stage with accounts open and goods on sale, what was said on it, what was lost.

`Scene` is the stage; `Hand` is a consumer whose steps a test takes one by one, so that it can take any of them
otherwise; `Deal` is one sale by hand with its papers, as far as it has come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from anonnet.protocol.account import OpenAccount, Statement, StatementOf
from anonnet.protocol.brand import Brand
from anonnet.protocol.exchange import ExchangeQ, Wanted
from anonnet.protocol.goods import Chunk, ChunkOf, GoodsM, Order
from anonnet.protocol.local import BooksOf, Buy, Fund, OpenAt, Purchase, PurchaseOf, Sell, WalletOf, Withdraw
from anonnet.protocol.logbook import OutcomeOf
from anonnet.protocol.purchase import AuthorizationB, AuthorizationM, AuthorizationQ
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.seed import Lane, TokenSecrets, account_key
from anonnet.protocol.token import Payment, Token
from anonnet.protocol.transaction import Transaction, number_of
from anonnet.protocol.withdrawal import WithdrawB, WithdrawC
from anonnet.times import SETTLE_SECONDS
from anonnet.wire.codec import STEPS, Message, decode
from anonnet.wire.frames import frame
from anonnet.wire.signed import Signature, Signed, Signer
from tests.actor import Actor, Said
from tests.stage import CURRENCY, NETWORK, NOON, Stage, key_of

ITEM = "song"
PRICE = 5
GOODS = b"la la la " * 20_000
"""Three chunks."""
SIZE_MAX = 2**24
"""Bytes of the largest goods that a consumer of the scene takes."""
LEAD = 60
"""Seconds from the log's time to the expiration of a sale."""

M = TypeVar("M", bound=Message)


def body_of(said: Said) -> Message:
    """The message itself, signed or not."""
    return decode(said.body) if isinstance(said, Signed) else said


@dataclass(frozen=True)
class Line:
    """Something said: by whom, to whom, what."""

    sender: str
    receiver: str
    said: Said

    @property
    def kind(self) -> type[Message]:
        return STEPS[self.said.step]

    @property
    def body(self) -> Message:
        return body_of(self.said)


def nothing(line: Line) -> bool:
    """Loses nothing."""
    return False


@dataclass
class Scene(Stage):
    """The stage with everything that was said on it; `lost` decides which lines never arrive."""

    lost: Callable[[Line], bool] = nothing
    heard: list[Line] = field(default_factory=list)
    paid_in: int = 0
    drawn: list[TokenSecrets] = field(default_factory=list)
    """The secrets of every token that a hand has begun."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.on_said = lambda sender, receiver, said: self.heard.append(Line(sender, receiver, said))
        self.bank_key, self.merchant_key = self.by_name["bank"], self.by_name["merchant"]
        self.log_name = self.by_name["log"]

    def say(self, sender: str, receiver: Actor, said: Said) -> Said | None:
        if self.lost(Line(sender, receiver.name, said)):
            return None
        reply = super().say(sender, receiver, said)
        return None if reply is not None and self.lost(Line(receiver.name, sender, reply)) else reply

    def brand(self, denomination: int) -> Brand:
        """The brand of this denomination."""
        return next(each.brand for each in self.minted if each.brand.denomination == denomination)

    # What the owners do.

    def prepare(self, units: int = 2 * PRICE) -> None:
        """Accounts for merchant and consumer, tokens for the consumer, goods on sale."""
        for actor in (self.merchant, self.consumer):
            actor.command(OpenAt(bank=self.bank_key))
        self.settle()
        self.fund(self.account(self.consumer), units)
        for _ in range(units // PRICE):
            self.withdraw(PRICE)
        self.sell()

    def account(self, consumer: Actor) -> bytes:
        """The key of a consumer's account."""
        key: bytes = consumer.command(WalletOf()).account(self.bank_key)
        return key

    def fund(self, account: bytes, units: int) -> None:
        """Pay something in."""
        self.paid_in += 1
        reference = hashlib.sha256(b"paid in %d" % self.paid_in).digest()
        self.bank.command(Fund(account=account, currency=CURRENCY, amount=units, reference=reference))

    def withdraw(self, units: int, consumer: Actor | None = None) -> None:
        """Have a consumer withdraw, as far as messages arrive."""
        (consumer or self.consumer).command(Withdraw(bank=self.bank_key, currency=CURRENCY, amount=units))
        self.settle()

    def sell(self, item: str = ITEM, goods: bytes = GOODS, price: int = PRICE, **more: int) -> None:
        """Put goods on sale."""
        path = self.folder / f"{item}.goods"
        path.write_bytes(goods)
        about = {"description": f"The {item}, as sung at noon", "media_type": "audio/la"}
        valid = self.now + 24 * 3600
        self.merchant.command(
            Sell(item=item, path=str(path), currency=CURRENCY, price=price, valid_until=valid, **about, **more)  # type: ignore[arg-type]
        )

    def buy(self, consumer: Actor | None = None, *, item: str = ITEM, price_max: int = PRICE, **more: int) -> bytes:
        """Have a consumer begin a purchase; `settle` carries it on."""
        wish = Buy(
            merchant=self.merchant_key,
            item=item,
            currency=CURRENCY,
            price_max=price_max,
            bank=self.bank_key,
            log=self.log_name,
            lead=LEAD,
            size_max=SIZE_MAX,
            **more,  # type: ignore[arg-type]
        )
        subject: bytes = (consumer or self.consumer).command(wish).subject
        return subject

    def purchase(self, id: bytes, consumer: Actor | None = None) -> Purchase:
        """What a consumer's owner is shown of a purchase."""
        shown: Purchase = (consumer or self.consumer).command(PurchaseOf(purchase=id))
        return shown

    def to_expiration(self) -> None:
        """Let time pass until the log gives aborts for sales of now, and let happen what is due."""
        self.pass_time(LEAD + SETTLE_SECONDS + 1)

    # What can be seen.

    def books(self) -> dict[str, int]:
        """The bank's books: what each holds in all."""
        return {total.book: total.amount for total in self.bank.command(BooksOf()).totals}

    def tokens(self, consumer: Actor | None = None) -> dict[str, int]:
        """What a consumer holds, by state, in units."""
        held: dict[str, int] = {}
        for holding in (consumer or self.consumer).command(WalletOf()).holdings:
            held[holding.state] = held.get(holding.state, 0) + holding.count * holding.denomination
        return held

    def balance(self, signer: Signer) -> int:
        """What an account holds, by the bank's signed statement."""
        (key,) = (each.signer for each in signer.sign(OpenAccount(bank=self.bank_key)).signatures)
        asked = signer.sign(StatementOf(bank=self.bank_key, start=0, channel=bytes(32)))
        statement = body_of(self.expect(self.bank.takes(frame(asked, 1))))
        assert isinstance(statement, Statement)
        assert statement.account == key
        return sum(balance.amount for balance in statement.balances)

    @property
    def income(self) -> int:
        """What stands on the merchant's account."""
        return self.balance(Signer(NETWORK, key_of("merchant")))

    def said(self, kind: type[M]) -> list[Line]:
        """All lines of one kind, in order."""
        return [line for line in self.heard if line.kind is kind]

    def paper(self, kind: type[M]) -> Signed:
        """The last paper of one kind."""
        said = self.said(kind)[-1].said
        assert isinstance(said, Signed)
        return said

    # Steps by hand.

    def expect(self, reply: Said | None) -> Said:
        """There is a reply."""
        assert reply is not None, "no reply: " + str([actor.closed for actor in self.actors if actor.closed])
        return reply

    def ask(self, receiver: Actor, said: Said, sender: str = "stranger") -> Message:
        """Say something to a party; what it replies."""
        return body_of(self.expect(self.say(sender, receiver, said)))

    def refused(self, receiver: Actor, said: Said) -> Refusal:
        """Say something to a party that refuses it."""
        refusal = self.ask(receiver, said)
        assert isinstance(refusal, Refusal), f"not refused: {refusal}"
        return refusal

    def send(self, actor: Actor, kind: type[Message]) -> None:
        """Run the errands of one kind that an actor has due."""
        for errand in actor.store.errands.due(self.now, most=100):
            if isinstance(errand.message, kind):
                self.run_errand(actor, errand)


@dataclass(frozen=True)
class Coin:
    """A token with its secrets, or a part of one."""

    secrets: TokenSecrets
    token: Token
    amount: int = 0
    """How much of it is meant; 0: all."""

    @property
    def worth(self) -> int:
        return self.amount or self.secrets.brand.denomination

    def part(self, amount: int) -> Coin:
        """So much of this token."""
        return Coin(self.secrets, self.token, amount)


class Hand:
    """A consumer whose steps a test takes one by one."""

    def __init__(self, scene: Scene, name: str = "hand", lane: Lane = Lane.WITHDRAWAL) -> None:
        self.scene, self.name, self.lane, self.drawn = scene, name, lane, 0
        self.seed = hashlib.sha256(b"seed of " + name.encode()).digest()
        self.key = account_key(self.seed, scene.bank_key)
        self.signer = Signer(NETWORK, self.key)

    def open(self, units: int) -> None:
        """An account with something on it."""
        self.scene.ask(self.scene.bank, self.signer.sign(OpenAccount(bank=self.scene.bank_key)))
        self.scene.fund(self.key.public, units)

    @property
    def balance(self) -> int:
        return self.scene.balance(self.signer)

    def secrets(self, denomination: int) -> TokenSecrets:
        """The secrets of one more token."""
        self.drawn += 1
        secrets = TokenSecrets(self.seed, self.scene.brand(denomination), self.lane, self.drawn)
        self.scene.drawn.append(secrets)
        return secrets

    def withdraw_c(self, *secrets: TokenSecrets, until: int | None = None) -> WithdrawC:
        """W1 for these tokens, which are of one brand."""
        blinded = tuple(each.blinded().blinded_message for each in secrets)
        brand, until = secrets[0].brand, until or self.scene.now + 60
        return WithdrawC(bank=brand.bank, brand=brand.id, blinded=blinded, until=until)

    def withdraw(self, *denominations: int) -> list[Coin]:
        """W1 and W2 for each: finished tokens."""
        coins = []
        for denomination in denominations:
            secrets = self.secrets(denomination)
            answer = self.scene.ask(self.scene.bank, self.signer.sign(self.withdraw_c(secrets)), self.name)
            assert isinstance(answer, WithdrawB)
            coins.append(Coin(secrets, secrets.token(answer.signatures[0])))
        return coins

    def order(self, item: str = ITEM) -> tuple[Signed, bytes]:
        """P1, and the secret that opens its chunks."""
        secret = hashlib.sha256(b"%s orders %d" % (self.name.encode(), len(self.scene.heard))).digest()
        order = Order(merchant=self.scene.merchant_key, item=item, secret=secret)
        goods_m = self.scene.expect(self.scene.say(self.name, self.scene.merchant, order))
        assert isinstance(goods_m, Signed)
        return goods_m, secret

    def pays(self, coins: Sequence[Coin], transaction: Transaction, *, signers: Sequence[Coin] | None = None) -> Signed:
        """P2 over these tokens, signed by their keys or by those of others."""
        payments = (Payment(token=coin.token, amount=coin.worth) for coin in coins)
        ordered = tuple(sorted(payments, key=lambda payment: payment.token.id))
        body = AuthorizationQ(bank=self.scene.bank_key, transaction=transaction, payments=ordered)
        return signing(signers or coins).sign(body)


@dataclass
class Deal:
    """One sale by hand: its papers so far."""

    scene: Scene
    hand: Hand
    coins: list[Coin]
    goods_m: Signed
    secret: bytes
    transaction: Transaction
    authorization_q: Signed

    @classmethod
    def offered(cls, scene: Scene, hand: Hand | None = None, coins: list[Coin] | None = None) -> Deal:
        """P1 is here and P2 is written, not sent."""
        if hand is None:
            hand = Hand(scene)
            hand.open(2 * PRICE)
        coins = coins or hand.withdraw(4, 1)
        goods_m, secret = hand.order()
        terms = decode(goods_m.body)
        assert isinstance(terms, GoodsM)
        expiration = scene.now + LEAD
        transaction = Transaction(
            number=terms.number, expiration=expiration, merchant=scene.merchant_key, log=scene.log_name
        )
        return cls(scene, hand, coins, goods_m, secret, transaction, hand.pays(coins, transaction))

    @classmethod
    def authorized(cls, scene: Scene, hand: Hand | None = None, coins: list[Coin] | None = None) -> Deal:
        """The bank has answered P2 with P3; the merchant does not know yet."""
        deal = cls.offered(scene, hand, coins)
        answer = scene.ask(scene.bank, deal.authorization_q, deal.hand.name)
        assert isinstance(answer, AuthorizationB)
        return deal

    @classmethod
    def committed(cls, scene: Scene, hand: Hand | None = None, coins: list[Coin] | None = None) -> Deal:
        """The log has recorded P4; nobody has claimed anything."""
        deal = cls.authorized(scene, hand, coins)
        deal.scene.ask(scene.log, deal.authorization_m)
        return deal

    @property
    def number(self) -> bytes:
        return self.transaction.number

    @property
    def key(self) -> bytes:
        """k, which only the merchant knows."""
        sale = self.scene.merchant.store.by_number(self.number)
        assert number_of(self.scene.merchant_key, sale.key) == self.number
        key: bytes = sale.key
        return key

    @property
    def authorization_b(self) -> Signed:
        """P3 as the bank says it."""
        return by("bank", AuthorizationB.answering(decode(self.authorization_q.body), CURRENCY))  # type: ignore[arg-type]

    @property
    def authorization_m(self) -> Signed:
        """P4 as the merchant says it."""
        return by("merchant", AuthorizationM.answering(decode(self.authorization_b.body), self.key))  # type: ignore[arg-type]

    @property
    def outcome(self) -> Signed:
        """What the log says of it now."""
        said = self.scene.expect(self.scene.say("stranger", self.scene.log, OutcomeOf(transaction=self.transaction)))
        assert isinstance(said, Signed)
        return said

    def chunks(self, secret: bytes | None = None) -> list[bytes]:
        """The sealed goods."""
        terms = decode(self.goods_m.body)
        assert isinstance(terms, GoodsM)
        chunks = []
        for index in range(terms.contract.chunks):
            asked = ChunkOf(
                merchant=self.scene.merchant_key, number=self.number, secret=secret or self.secret, index=index
            )
            chunk = self.scene.ask(self.scene.merchant, asked)
            assert isinstance(chunk, Chunk)
            chunk.check_against(terms)
            chunks.append(chunk.sealed)
        return chunks


def exchange_q(coins: list[Coin], *wanted: TokenSecrets, until: int = NOON + 24 * 3600) -> Signed:
    """E1: these tokens for new ones, which are of one brand."""
    payments = tuple(sorted((Payment(token=c.token, amount=c.worth) for c in coins), key=lambda p: p.token.id))
    blinded = tuple(each.blinded().blinded_message for each in wanted)
    body = ExchangeQ(
        bank=wanted[0].brand.bank,
        payments=payments,
        wanted=(Wanted(brand=wanted[0].brand.id, blinded=blinded),),
        until=until,
    )
    return signing(coins).sign(body)


def signing(coins: Sequence[Coin]) -> Signer:
    """Signs with every distinct key of these."""
    keys = [coin.secrets.key for coin in coins]
    return Signer(NETWORK, *{key.public: key for key in keys}.values())


def by(name: str, message: Message) -> Signed:
    """A message in the name of a party of the stage, for tests in which that party lies."""
    return Signer(NETWORK, key_of(name)).sign(message)


def tampered(signed: Signed) -> Signed:
    """The same body under a signature with one bit changed."""
    broken = [
        Signature(signer=s.signer, signature=s.signature[:-1] + bytes([s.signature[-1] ^ 1])) for s in signed.signatures
    ]
    return Signed(body=signed.body, signatures=tuple(broken))


__all__ = ["GOODS", "ITEM", "LEAD", "NOON", "PRICE", "Coin", "Deal", "Hand", "Line", "Scene", "by", "tampered"]
