"""The explorer's pages as HTML. They are whole without JavaScript, except for the search; every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from anonnet.errors import Malformed
from anonnet.protocol.brand import Brand
from anonnet.protocol.known_log import CHAIN, KnownLog
from anonnet.protocol.logbook import Entry, EntryKind
from anonnet.protocol.purchase import AuthorizationM
from anonnet.protocol.quorum import Pledge
from anonnet.protocol.rules import recorded
from anonnet.store.published import Shown
from anonnet.tlog.checkpoint import SignedCheckpoint
from anonnet.tlog.merkle import leaf_hash
from anonnet.tlog.text import to_base64
from anonnet.tlog.tiles import TILE_WIDTH, Bundle
from anonnet.web.climbing import Step, climb
from anonnet.wire.codec import decode_record

KINDS = {
    EntryKind.GENESIS: "the shard begins",
    EntryKind.COMMIT: "a sale commits",
    EntryKind.PLEDGE: "a merchant pledges",
    EntryKind.KEY: "a sale commits",
    EntryKind.TICK: "time passes",
    EntryKind.SEALED: "a sale commits, sealed",
    EntryKind.SEALED_PLEDGE: "somebody pledges, sealed",
    EntryKind.SEALED_KEY: "a sale commits, sealed",
    EntryKind.BRAND: "a bank's brand",
    EntryKind.ANCHOR: "a shard's last checkpoint",
    EntryKind.CLOSE: "the shard ends",
}


# Pieces.


def _document(title: str, body: str, script: bool = True) -> str:
    load = '<script src="/explorer.js" defer></script>' if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/explorer.css">{load}</head>'
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML already."""
    head = "".join(f"<th>{each}</th>" for each in heading)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list(rows: Iterable[tuple[str, str]]) -> str:
    """Names, and values that are HTML already."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _when(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):  # entries may state any second
        return f"second {seconds}"


def _name(shard: int) -> str:
    return "Chain" if shard == CHAIN else f"Shard {shard}"


def _entries_in(size: int) -> str:
    return "1 entry" if size == 1 else f"{size:,} entries"


# Everything that is published here.


def index(shards: Sequence[tuple[KnownLog, Shown]]) -> str:
    """Every shard of every log, and the search in all of them."""
    rows = [
        (
            f'<a class="shard" href="/{escape(known.origin(each.shard))}/">{_name(each.shard)}</a>',
            f"{each.size:,}",
            _standing(known, each),
            _code(each.log.hex()),
        )
        for known, each in shards
    ]
    words = (
        '<p class="lead">Each line is one public, append-only list of what was decided about sales. A shard holds the'
        " sales that expire in one week; the chain holds what is kept for ever.</p>"
    )
    found = _table(("", "entries", "standing", "log"), rows) if rows else "<p>Nothing yet.</p>"
    return _document("What is logged", f"{words}{_SEARCH if rows else ''}{found}")


def _standing(known: KnownLog, shown: Shown) -> str:
    """How far others stand behind what the log has signed."""
    if shown.frozen:
        return '<span class="bad">frozen here: this log has forked, or broken a rule</span>'
    if known.decides_alone:
        return "the log decides alone"
    return f'<span class="good">certified up to {_entries_in(shown.certified)}</span>' if shown.certified else "waiting"


# One shard.


def shard(known: KnownLog, shown: Shown, bundle: Bundle, entries: Sequence[bytes] | None) -> str:
    """One bundle of its entries, its checkpoint, who signed it, and the search. `entries`: None where they are gone."""
    body = (
        f'<p class="lead"><a href="/">All shards</a> · log {_code(known.identity.hex())}</p>{_SEARCH}'
        f'<div id="live" data-size="{shown.size}">'
        f"<p>{_entries_in(shown.size)} · {_standing(known, shown)}</p>"
        f"{_entries(shown, bundle, entries)}{_checkpoint(known, shown)}</div>"
    )
    return _document(_name(shown.shard), body)


def _entries(shown: Shown, bundle: Bundle, entries: Sequence[bytes] | None) -> str:
    """The newest first."""
    if entries is None:
        return "<h2>Entries</h2><p>They are not kept any more; the last checkpoint is.</p>"
    rows = []
    for number, data in reversed(list(enumerate(entries, bundle.start))):
        entry = decode_record(Entry, data)
        said = _said(entry)
        sale = said.transaction.number.hex() if isinstance(said, AuthorizationM | Pledge) else ""
        what = f'<a href="entry/{number}">{number}</a>', KINDS[EntryKind(entry.kind)], _when(entry.time)
        rows.append((*what, _code(sale) if sale else ""))
    links = []
    if bundle.end < shown.size:
        links.append(f'<a href="?bundle={bundle.index + 1}">later</a>')
    if bundle.index:
        links.append(f'<a href="?bundle={bundle.index - 1}">earlier</a>')
    heading = f"Entries {bundle.start:,} to {bundle.start + bundle.width - 1:,}"
    return (
        f"<h2>{heading}</h2>{_table(('index', 'what', 'when', 'transaction number n'), rows)}<p>{' · '.join(links)}</p>"
    )


def _said(entry: Entry) -> object:
    """The message that an entry records; None where it records none."""
    if entry.kind not in (EntryKind.COMMIT, EntryKind.PLEDGE, EntryKind.KEY, EntryKind.BRAND):
        return None
    try:
        return recorded(entry)
    except Malformed:
        return None


def _checkpoint(known: KnownLog, shown: Shown) -> str:
    return (
        "<h2>Checkpoint</h2><p>The log signs how many entries there are, and the root of a tree over all of them. Who"
        " keeps a checkpoint can show later that nothing below it was changed or left out.</p>"
        f'{_signers(known, shown)}<pre id="checkpoint">{escape(shown.note.decode())}</pre>'
        '<p><a href="checkpoint">The same as a file</a>, for programs that read C2SP tlog-tiles; tiles and entries are'
        " beside it.</p>"
    )


def _signers(known: KnownLog, shown: Shown) -> str:
    """Whose signatures hold, and whether they are enough."""
    signed, log = SignedCheckpoint.parse(shown.note), known.verifier(shown.shard)
    try:
        if known.decides_alone:
            signed.note.opened([log])
            return '<p class="good">The log\'s signature holds. It decides alone: nobody has to cosign.</p>'
        found = known.quorum.evaluate(signed, [log])
    except Malformed:
        return '<p class="bad">A signature under this checkpoint does not hold.</p>'
    rows = [(_code(name.decode(errors="replace")), _when(time)) for name, time in found.witnesses]
    words = (
        '<p class="good">The log\'s signature holds, and a quorum has cosigned.</p>'
        if found.met
        else "<p>The log's signature holds; a quorum has not cosigned this checkpoint yet.</p>"
    )
    return words + (_table(("cosigned by", "at"), rows) if rows else "")


_SEARCH = """
<section class="card"><h2>Find a sale, and prove that it stands here</h2>
<noscript><p class="bad">The search needs JavaScript: a search at the server would show it which sale you look for, so
there is none. Fetch the bundles under tile/entries/ instead, as any C2SP client does.</p></noscript>
<p id="search" hidden><label for="number">Transaction number n, in hex</label>
<input id="number" maxlength="64" autocomplete="off" spellcheck="false">
<button id="find" type="button">Find</button></p>
<p class="small">Your browser fetches all entries, finds the number by itself, and computes every hash of the proof.
The server sees that you read this log, and from which address; it does not learn which sale you look for. Links to
single entries are another matter: who follows one shows the server which entry matters. Sealed sales are not found: n
does not stand in their entries. It opens them, so keep it to yourself.</p>
<p id="progress" role="status"></p><div id="found" aria-live="polite"></div></section>
"""


# One entry.


def entry(known: KnownLog, shown: Shown, index: int, data: bytes, path: Sequence[bytes]) -> str:
    """What it says, and its proof, hash by hash."""
    found, leaf = decode_record(Entry, data), leaf_hash(data)
    rows = [("what", KINDS[EntryKind(found.kind)]), ("when", _when(found.time)), *_details(found)]
    back = f'<a href="../?bundle={index // TILE_WIDTH}">Entries around it</a>'
    body = (
        f'<p class="lead">{back} · log {_code(known.identity.hex())}</p>{_list([*rows, ("bytes", _code(data.hex()))])}'
        f"{_proof(shown, leaf, climb(index, shown.size, leaf, path))}{_signers(known, shown)}"
        f"<pre>{escape(shown.note.decode())}</pre>"
        '<p class="small">The server computed this page for you, so it knows which entry you looked at.</p>'
    )
    return _document(f"Entry {index:,} of {_name(shown.shard).lower()}", body, script=False)


def _details(found: Entry) -> list[tuple[str, str]]:
    """What this kind of entry says beside its time."""
    said, rows = _said(found), list[tuple[str, str]]()
    if isinstance(said, AuthorizationM | Pledge):
        rows += [
            ("transaction number n", _code(said.transaction.number.hex())),
            ("merchant M", _code(said.transaction.merchant.hex())),
            ("expiration", _when(said.transaction.expiration)),
        ]
    if isinstance(said, AuthorizationM):
        rows.append(("key to the goods k", _code(said.key.hex())))
    if isinstance(said, Brand):
        rows += [("tokens of", escape(f"{said.denomination} {said.currency}")), ("bank", _code(said.bank.hex()))]
        rows += [("open until", _when(said.closes)), ("spent until", _when(said.ends))]
    if found.kind in (EntryKind.GENESIS, EntryKind.ANCHOR):
        rows.append(("text", f"<pre>{escape(found.body.decode(errors='replace'))}</pre>"))
    return rows


def _proof(shown: Shown, leaf: bytes, steps: Sequence[Step]) -> str:
    root = SignedCheckpoint.parse(shown.note).body.root
    reached = steps[-1].parent if steps else leaf
    items = "".join(
        f"<li>SHA-256(01 ‖ {_child(step.left, step.from_left)} ‖ {_child(step.right, not step.from_left)})"
        f"<br>= <b>{_code(step.parent.hex())}</b></li>"
        for step in steps
    )
    holds, words = (
        ("good", "That is the root in the checkpoint: this entry is one of those that the log has signed for.")
        if reached == root
        else ("bad", "That is not the root in the checkpoint: something here is wrong.")
    )
    return (
        "<h2>The proof, from the entry up to the root</h2>"
        f'<ol class="proof"><li>SHA-256(00 ‖ the bytes of the entry)<br>= <b>{_code(leaf.hex())}</b></li>{items}</ol>'
        f"<p>The checkpoint over {_entries_in(shown.size)} says {_code(to_base64(root))}, in hex"
        f" {_code(root.hex())}.</p>"
        f'<p class="{holds}">{words}</p>'
    )


def _child(hash: bytes, ours: bool) -> str:
    """A child of a step; what the step before has computed is set in bold."""
    return f"<b>{_code(hash.hex())}</b>" if ours else _code(hash.hex())
