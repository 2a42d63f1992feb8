"""`wallet evidence`, and merchant's, bank's and log's: what a party can prove, as one file for a judge."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from anonnet.protocol.network import Role
from anonnet.protocol.refusal import Refusal
from anonnet.wire.codec import STEPS, decode
from anonnet.wire.signed import Signed
from anonnet_daemons import evidence
from anonnet_daemons.cli.verbs import Found, data_option, have_judged, named, verb, with_owner
from anonnet_daemons.config import Kind, read_setup
from anonnet_daemons.evidence import Exported
from anonnet_daemons.owner import Failed, Owner
from anonnet_daemons.stamping import stamp

of_wallet, of_merchant, of_bank, of_log = click.Group(), click.Group(), click.Group(), click.Group()
into_option = click.option(
    *("--to", "into"),
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file to write; only you can read it.",
)


@verb(of_wallet, "evidence", example="anonnet wallet evidence 3fa9 --goods --to song.evidence")
@click.argument("subject")
@into_option
@click.option("--token", is_flag=True, help="SUBJECT is a token that the bank has refused (wallet refused).")
@click.option("--goods", is_flag=True, help="With all the encrypted goods, for a claim about what was delivered.")
@click.option("--chunk", "chunks", type=click.IntRange(min=0), multiple=True, help="With this chunk of 64 KiB only.")
@data_option(Kind.CONSUMER)
def wallet_evidence(subject: str, into: Path, token: bool, goods: bool, chunks: tuple[int, ...], data: Path) -> Found:
    """Write down what you can prove about SUBJECT: a purchase, by its id, or with --token a token, or its first digits.

    Whoever reads the file learns what you bought, when, from whom and for how much; not who you are. Two files over
    purchases that were paid from one wallet do not show that they belong together, unless keys of tokens are reused
    (wallet habits). With --token he learns which other tokens were given in the same exchange, or payment: these he
    knows to be of one wallet.
    """
    if token and (goods or chunks):
        raise Failed("no goods belong to a token: leave out --goods and --chunk")
    if token:
        return _found(evidence.of_token(data.absolute(), subject, into))
    return _found(evidence.of_purchase(data.absolute(), subject, into, goods=goods, chunks=chunks))


@verb(of_wallet, "refused", example="anonnet wallet refused")
@data_option(Kind.CONSUMER)
def wallet_refused(data: Path) -> Found:
    """Show the tokens whose exchange a bank has refused and not made since, and those of payments that the wallet has
    replaced when they were refused, with the reasons. Asks nobody.

    What the bank said is evidence against it, if it calls such a token used later on: wallet evidence TOKEN --token.
    """
    tokens = evidence.refused(read_setup(data.absolute(), Kind.CONSUMER))
    found = {token.hex(): _reasons(papers) for token, papers in tokens.items()}
    words = [f"{token[:16]}  {', '.join(reasons)}" for token, reasons in found.items()]
    return Found({"tokens": found}, words or ["Nothing was refused."])


@verb(of_merchant, "evidence", example="anonnet merchant evidence 81c2 --statement --to sale.evidence")
@click.argument("number")
@into_option
@click.option(
    *("--statement", "stated"),
    is_flag=True,
    help="With the bank's statement of your whole account, asked for now: it shows if a credit is absent.",
)
@click.option("--bank", help="The bank's name, where there are several.")
@data_option(Kind.MERCHANT)
def merchant_evidence(number: str, into: Path, stated: bool, bank: str | None, data: Path) -> Found:
    """Write down what you can prove about the sale with this NUMBER, or its first digits (see merchant sales)."""

    async def work(owner: Owner) -> list[Signed]:
        return await owner.statements(named(owner.network, Role.BANK, bank))

    statements = with_owner(data, Kind.MERCHANT, work) if stated else []
    return _found(evidence.of_sale(data.absolute(), number, into, statements))


@verb(of_bank, "evidence", example="anonnet bank evidence 81c2 --to sale.evidence")
@click.argument("subject")
@into_option
@data_option(Kind.BANK)
def bank_evidence(subject: str, into: Path, data: Path) -> Found:
    """Write down what the bank can prove about SUBJECT: a sale's number, a token's id, or an account's key, by whose
    signature it has taken from it; or their first digits."""
    return _found(evidence.of_the_bank(data.absolute(), subject, into))


@verb(of_log, "evidence", example="anonnet log evidence 5b07 --checkpoint cosigned.txt --to sale.stamp")
@click.argument("sale")
@click.option(
    *("--checkpoint", "cosigned"),
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A checkpoint of the sale's shard, or of the chain once the shard has ended, as witnesses have cosigned it.",
)
@into_option
@data_option(Kind.LOG)
def log_evidence(sale: str, cosigned: Path, into: Path, data: Path) -> Found:
    """Write down when others had seen that SALE committed, named as `log entries` shows it, or its first digits.

    For a log that decides alone: should its key be stolen later, this still proves the commit. Witnesses cosign the
    checkpoints that the log shows with --http; they need a key of their own.
    """
    return _found(stamp(data.absolute(), sale, cosigned, into))


def _reasons(papers: Iterable[Signed]) -> list[str]:
    """Why these refusals refuse, each reason once."""
    bodies = [decode(paper.body) for paper in papers]
    return sorted({body.why for body in bodies if isinstance(body, Refusal)})


def _found(exported: Exported) -> Found:
    papers = [STEPS[paper.step].__name__ for paper in exported.papers]
    words = [f"{exported.path} holds {', '.join(papers) or 'no paper'}"]
    words += [f"and {exported.chunks} chunks of encrypted goods"] if exported.chunks else []
    words += [have_judged(exported.path)]
    return Found({"path": str(exported.path), "papers": papers, "chunks": exported.chunks}, words)
