"""Every bound of the system, named, with why it is where it is. Sizes are bytes, times are whole seconds.

A peer can make nothing grow that has no line here.
"""

from __future__ import annotations

KIB = 1024
"""One kibibyte, so that sizes below read as sizes."""

# What a message may hold.

FRAME_MAX = 192 * KIB
"""No frame of any step is larger: the largest is a bank's list of brands with their key proofs."""

SMALL_FRAME_MAX = 8 * KIB
"""Steps without lists fit well: the largest is a signed commit around a signed authorization_m, under 1 KiB."""

MESSAGES_REMEMBERED = 1024
"""Messages and records that a process has read and need not read again: the papers of the sales that are under way."""

VERIFIERS_REMEMBERED = 256
"""Of the shards of logs: those that are open at once, of several logs."""

REMEMBERED_BYTES_MAX = 4 * KIB
"""Longer ones are read anew, so that those remembered take some megabytes at most."""

EVIDENCE_MAX = 8
"""Signed messages beside one refusal: the uses of one token, each an authorization and its commit, see PARTS_MAX. The
first token of a payment that is refused ends the turn."""

EVIDENCE_BYTES_MAX = FRAME_MAX - 8 * KIB
"""Beside a refusal's own fields and its signature."""

PARTS_MAX = 3
"""A token is used in so many parts at a time; what then remains goes whole, as one more. EVIDENCE_MAX papers show
all of them."""

SIGNATURES_MAX = 64
"""Signers of one message: one for each token of a payment, see PAYMENTS_MAX."""

PAYMENTS_MAX = 64
"""Tokens in one payment: powers of two pay any price of a 63-bit number with fewer."""

BLINDED_MAX = 32
"""Blinded messages in one withdraw_c: each costs the bank one RSA signature, so one request costs under 0.1 s."""

BRANDS_MAX = 32
"""Open brands of one bank: one for each power of two and currency; coarse brands hide a consumer among others."""

ROOTS_MAX = 96
"""Roots in a key proof: 81 are needed for e = 3, 8 for e = 65537."""

MODULUS_BITS_MIN = 2048
"""Below, a modulus is not safe for the years that evidence must last."""

MODULUS_BITS_MAX = 4096
"""Above, signing is slower than any brand is worth, and verification becomes a way to occupy a party."""

TEXT_MAX = 4096
"""A contract's description: some pages, since a judge must be able to tell from it what was sold."""

NAME_MAX = 128
"""A file name, an item's name, a media type."""

CURRENCY_MAX = 12
"""A currency's name."""

CATALOGUE_MAX = 40
"""Items in one page of a catalogue: a page fits in a frame even where each description is TEXT_MAX long."""

ENTRIES_MAX = 256
"""Log entries in one answer to follow: one entry bundle of the C2SP tiles."""

ENTRY_BYTES_MAX = 4 * KIB
"""One log entry; a commit entry is about 400 bytes."""

FOLLOW_BYTES_MAX = 128 * KIB
"""The entries of one answer to follow, added up, so that the answer fits in a frame."""

CHECKPOINTS_MAX = 5
"""Checkpoints in one answer: the newest, and one for each CHECKPOINT_STEP entries of the ENTRIES_MAX before it."""

CHECKPOINT_STEP = 64
"""At each multiple of so many entries a checkpoint ends, however many a batch brings. It is everyone's: else each
mirror would cosign another one."""

SALE_ENTRY_MAX = FOLLOW_BYTES_MAX // CHECKPOINT_STEP
"""An entry of a shard of sales; sealed ones, the largest, have some 760 bytes. So one answer leads from each checkpoint
that is everyone's to the next one: a mirror takes in what leads to a checkpoint, and no less."""

CHAIN_STEP = FOLLOW_BYTES_MAX // ENTRY_BYTES_MAX
"""In the chain, where an anchor has up to ENTRY_BYTES_MAX with its cosignatures, one ends at each multiple of so many,
and all stay."""

CHECKPOINT_BYTES_MAX = 8 * KIB
"""A checkpoint with its cosignatures: 32 of some 200 bytes; CHECKPOINTS_MAX of them fit beside the entries."""

SEEN_MAX = 64
"""Checkpoints of one shard in one message to a mirror, each with the log's signature alone, some 300 bytes: the mirror
verifies them in some milliseconds."""

RELIED_MAX = 256
"""Checkpoints of one shard, the newest that a bank or a merchant has relied on: those of COMPARE_SECONDS, at several
hundred sales a second, so that each of them is shown to mirrors."""

AHEAD_MAX = 64
"""Checkpoints of one shard, beyond a mirror's copy, that it keeps until it has read so far: those that come first. All
bear the log's signature, so only a log that lies can make them many, and each of them is held against it."""

SHARDS_MAX = 16
"""Shards of a log that are not dropped yet: the chain, and some ten weeks until RETENTION_SECONDS are over."""

EXCERPT_LEAVES_MAX = 2
"""Entries in one excerpt of a log: whatever else stands in it, two show every broken rule that an excerpt can show."""

BREACH_BYTES_MAX = 2 * CHECKPOINT_BYTES_MAX + 10 * KIB
"""What convicts a log: two checkpoints and the nodes between them, or one and an excerpt's entries in base64 with their
paths."""

USED_MAX = 4096
"""Names of used tokens in one page: 16 bytes each, so that a page fits in a frame."""

STATEMENT_MAX = 128
"""Ledger entries in one statement."""

UNITS_MAX = 2**53
"""No amount is larger: integers up to here survive every program that reads them, JavaScript's included."""

SECONDS_MAX = 2**40
"""No time is later: about 34,000 years, and far below what a signed 64-bit integer holds."""

GOODS_BYTES_MAX = 16 * KIB * KIB * KIB
"""Goods of 16 GiB: 262,144 chunks, whose tree of leaf hashes takes 16 MiB with its upper levels."""

CHUNKS_MAX = GOODS_BYTES_MAX // (64 * KIB)
"""Chunks of the largest goods."""

PATH_MAX = 24
"""Hashes in an inclusion path of one chunk: CHUNKS_MAX has 18 levels."""

DISPUTE_PAPERS_MAX = 16
"""Papers of one dispute: a sale has some ten."""

DISPUTE_BYTES_MAX = 64 * KIB
"""A dispute: a payment of PAYMENTS_MAX tokens and a refusal that shows another one's use fit. It bounds what judging
costs: signatures have their size, so that no dispute holds more than some 700 of them."""

EVIDENCE_LOGS_MAX = 64
"""Logs in one file of evidence: every log of a large network."""

EVIDENCE_PAPERS_MAX = 4096
"""Papers in one file of evidence: a sale has some ten, an account of many years its statements, and the withdrawals of
some months, for which its bank keeps them."""

ALERTS_MAX = 64
"""Shards of one log that alerts are kept of: one convicts it, and a log that lies could sign for shards without end."""

ALERTS_PAGE = 6
"""Alerts in one answer: so many of the longest fit in a frame."""

ALERTS_READ_MAX = 1024
"""Alerts that a wallet reads from one mirror: of 16 logs all that are kept, and no mirror keeps it reading for ever."""

# How much at once.

MESH_NODES_MAX = 32
"""In a network of up to so many nodes each tells each other one what everybody shall know: POLICY_WITNESSES_MAX."""

MESH_PEERS = 8
"""In a larger one each tells so many: who is silent is seldom the only one who would have told somebody."""

FORGET_ROWS_MAX = 256
"""Rows that one turn forgets: it takes no longer than a full batch, and others have theirs before the next one."""

TURNS_WAITING_MAX = 1024
"""Requests of all connections waiting for their turn; when full, sockets are not read."""

TURNS_BATCH_MAX = 256
"""Turns in one commit: more would not be faster and would make the first of them wait."""

MERGED_QUESTIONS_MAX = TURNS_BATCH_MAX
"""What merged parties ask each other behind one batch, new entries apart: where many sales have expired while they did
not run, others have their turns in between."""

TURNS_PER_CONNECTION_MAX = 64
"""Requests of one connection in flight, so that one peer cannot take all slots."""

CONNECTIONS_MAX = 512
"""Open connections at one party's port: each takes a file, of which a daemon has a limited number."""

CONNECTIONS_PER_ADDRESS_MAX = 128
"""Open connections from one address. All consumers of one relay share an address, so it is not small."""

CONNECTIONS_KEPT = 128
"""Of CONNECTIONS_MAX, those that only hosts of the network file may take: strangers' addresses cost nothing."""

CONNECTIONS_KEPT_PER_HOST_MAX = 16
"""Who has fewer may take one of those: a party needs two or three, and a relay that strangers fill leaves the rest."""

CIRCUITS_MAX = 256
"""Circuits through one relay."""

CIRCUITS_PER_ADDRESS_MAX = 64
"""Circuits of one address through one relay."""

ERRANDS_AT_ONCE_MAX = 32
"""Errands of one daemon under way at the same time."""

RECEIPTS_MAX = 8
"""Keys that have signed for the goods of one order: a wallet signs with another one where what it first paid with turns
out to be spent."""

UNPAID_ORDERS_MAX = 256
"""Orders of one merchant that nobody has paid yet: each has cost a pass over the goods."""

ORDER_SECONDS = 3600
"""An order that nobody has paid for this long, nor fetched chunks of, makes room: large goods take hours to fetch."""

RENEW_MAX = 64
"""Tokens of a brand near its end that a wallet exchanges at a time: until they are, they cannot be spent."""

TREES_MAX = 16
"""Orders whose leaf hashes a merchant keeps in memory with their trees: each takes 24 MiB at most, see GOODS_BYTES_MAX,
and reading and hashing them for every chunk anew would cost more than sealing it."""

SIGNATURES_REMEMBERED = 16384
"""Blind signatures that a bank keeps in memory, under 1 KiB each: a withdraw_c that is only repeated would else cost it
up to 32 RSA signatures each time."""

CHUNKS_IN_FLIGHT_MAX = 16
"""Chunks that a consumer asks for ahead: 1 MiB, enough to fill a connection through the relay."""

CHUNKS_PER_SYNC = 256
"""Chunks between two syncs of a download: a crash costs at most 16 MiB of it."""

MERCHANT_ENTRIES_MAX = 20_000
"""Sales of one merchant that a log records in an hour: some five a second, so that none fills it for the others."""

WAITING_FOLLOWERS_MAX = 256
"""Connections that wait at one log for its next entry."""

# A log or a mirror over HTTP.

HTTP_CONNECTIONS_MAX = 128
"""Open HTTP connections of one daemon: each takes a file, see CONNECTIONS_MAX."""

HTTP_ADDRESS_CONNECTIONS_MAX = 32
"""Of these from one address: a browser opens six, a web server in front some more."""

HTTP_STREAMS_MAX = 4
"""Requests at once on one HTTP/2 connection: reads come one after the other anyway."""

HTTP_IDLE_SECONDS = 5
"""How long a connection may be open between two requests, so that who stalls does not keep others out."""

HTTP_SEND_SECONDS = 10
"""How long a peer may take for one piece of an answer; no longer than STOP_SECONDS, as it is not interrupted."""

HTTP_CONNECTION_SECONDS = 120
"""How long a connection may be open at all: enough to fetch a large shard's bundles, no home for who drips bytes."""

HTTP_CACHE_SECONDS = 7 * 24 * 3600
"""Caches may keep tiles so long. They never change, but they are to be forgotten when the log forgets them."""

# How long a wait may be.

HANDSHAKE_SECONDS = 10
"""From accept to the end of the Noise handshake."""

DIAL_SECONDS = 10
"""From the start of a TCP connection to the end of the Noise handshake."""

FRAME_SECONDS = 30
"""From the first byte of a frame to its last: a sender of one byte a second is cut off."""

SEND_SECONDS = 30
"""For one write to a peer: who never reads is cut off."""

IDLE_SECONDS = 120
"""For a connection with nothing in flight."""

REPLY_SECONDS = 60
"""For the answer to one request; sealing large goods for an order takes the longest."""

FOLLOW_SECONDS = 20
"""How long a log holds a follow that has nothing new to tell; below REPLY_SECONDS."""

FOLLOW_REPLY_SECONDS = FOLLOW_SECONDS + 10
"""For the answer to a follow on a connection that is held: without one by then, the connection is dead."""

RETRY_SECONDS_MIN = 0.2
"""First pause before an errand is tried again; it doubles up to RETRY_SECONDS_MAX."""

RETRY_SECONDS_MAX = 60
"""Longest pause between two tries of an errand."""

MIRROR_SECONDS = 5
"""For one answer of a mirror to a log that starts. A machine that is gone costs each start of the log so long."""

MIRRORS_SECONDS = 120
"""For a quorum of mirrors to answer that. After a power cut all machines start within a minute or two; a log that has
waited so long ends, so that whoever watches its service sees it, and is started again."""

STOP_SECONDS = 10
"""What SIGTERM grants to turns under way; afterwards connections are closed as they are."""

# How the shell around a party works.

GATHER_SECONDS = 0.002
"""A batch of turns waits at most this long for requests that keep coming in: far below what a commit takes."""

GROWTH_SECONDS = 0.03
"""A log grows at most so often: what comes meanwhile stands under one checkpoint, which everybody who follows checks,
keeps and cosigns once. A sale that comes alone is not delayed; among many an answer comes at most so much later."""

COSTLY_MAX = 32
"""Disputes that one daemon has under judgement: one at a time, and each under 0.1 s, so that the last waits some
seconds, and the papers of all take two megabytes."""

FINISHERS = 2
"""Threads for what is made after a commit (a blind signature, a sealed chunk): more would only take the loop's time."""

WRITE_BYTES_MAX = 256 * KIB
"""Bytes encrypted and handed to a socket in one go; what is longer goes in several."""

UNSENT_BYTES_MAX = 64 * KIB * KIB
"""Replies of all connections of one daemon that wait for peers to read them. Beyond it, whoever has more than
UNSENT_PER_CONNECTION_MAX waiting is cut off at once instead of after SEND_SECONDS."""

UNSENT_PER_CONNECTION_MAX = 512 * KIB
"""Replies of one connection that wait for the peer to read them, before no more requests are read from it."""

UNREAD_BYTES_MAX = 8 * KIB * KIB
"""Replies that have come on one connection and await who asked, before nothing more is read from it: whole bundles of
several shards, so that none waits for another."""

ERRANDS_PER_RECEIVER_MAX = 16
"""Errands of one daemon under way to one receiver, so that one that does not answer leaves room for the others."""

HELD_PER_RECEIVER_MAX = 32
"""Errands under way to one receiver beside those, which it may hold until it has news: some five for each log that both
follow."""

OUTCOMES_PER_RECEIVER_MAX = 12
"""Questions of outcomes under way to one receiver beside those: who keeps the keys of many sales back has many asked.
All of them together stay below TURNS_PER_CONNECTION_MAX, or the receiver would read nothing more."""

WAL_BYTES_MAX = 16 * KIB * KIB
"""The WAL goes into the database when it is longer: most of its pages have been written several times by then."""

INCIDENTS_MAX = 1000
"""Incident files in one data folder: a fault that anyone can cause again must not fill the disk."""

WATCHERS_MAX = 8
"""Owners that watch one daemon's steps at the same time."""

WATCH_BACKLOG_MAX = 1024
"""Steps kept for a watcher that reads slowly; further ones are dropped."""

# What the transparency log's formats may hold (anonnet.tlog); where C2SP gives a number, it is C2SP's.

TREE_SIZE_MAX = 2**63 - 1
"""Leaves of a tree, and seconds in a cosignature: what a signed 64-bit integer holds, as in every other verifier."""

PATH_HASHES_MAX = 63
"""Hashes in a proof: the levels of a tree of TREE_SIZE_MAX leaves; C2SP allows a witness request no more either."""

NOTE_BYTES_MAX = 128 * KIB
"""A signed note: C2SP asks to accept 16 signatures, and post-quantum ones take nearly 7 KiB each in base64."""

NOTE_SIGNATURES_MAX = 64
"""Signature lines of one note: the witnesses of the largest policy, its log, and as many of keys that nobody knows."""

CERTIFICATE_BYTES_MAX = 16 * KIB
"""The tlog-proof of a certificate: 32 cosignatures of some 200 bytes and 63 hashes are under 10 KiB."""

EXTRA_BYTES_MAX = 16 * KIB
"""Extra data in a tlog-proof: unauthenticated, so nothing that is large should be there."""

BUNDLED_ENTRY_MAX = 2**16 - 1
"""One entry in an entry bundle: its length stands before it in 16 bits. Our own entries obey ENTRY_BYTES_MAX."""

POLICY_BYTES_MAX = 64 * KIB
"""A policy's text: 96 definitions with keys and addresses take about 20 KiB, the rest is for comments."""

POLICY_LOGS_MAX = 32
"""Logs in one policy: C2SP recommends to support at least this many."""

POLICY_WITNESSES_MAX = 32
"""Witnesses in one policy: C2SP recommends to support at least this many; each costs one verification."""

POLICY_GROUPS_MAX = 32
"""Groups in one policy: C2SP recommends to support at least this many."""

POLICY_NESTING_MAX = 8
"""Groups within groups: deeper, nobody sees any more from a policy whom it trusts."""
