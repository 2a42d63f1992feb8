"""The consumer's desk for what logs publish: she reads along, with everybody else, until her own sale goes by.

Neither a log nor its mirrors are asked about a sale. Entries are followed from where a bundle of them begins. Under a
quorum the certificate is made here, from what mirrors tell of a whole bundle: the same question for each entry in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from anonnet.errors import Why
from anonnet.limits import RETRY_SECONDS_MAX
from anonnet.parties.errands import answered, done, later, request
from anonnet.parties.following import bundle_start, check_range, commits_among, keys_among
from anonnet.parties.settling import Settled, Settling
from anonnet.parties.turn import Answer, Asked, From, Turn, on
from anonnet.protocol.known_log import CHAIN, KnownLog, shard_of
from anonnet.protocol.logbook import Entries, Follow
from anonnet.protocol.proofs import Proofs, ProofsOf
from anonnet.protocol.refusal import Refusal
from anonnet.protocol.transaction import Transaction
from anonnet.store.unproven import Bundle, Unproven
from anonnet.store.wallet import WalletStore
from anonnet.times import BEHIND_SECONDS
from anonnet.wire.signed import unsigned

WalletTurn = Turn[WalletStore]


class Reading:
    """Follows logs for as long as a purchase waits, and finds what became of it."""

    def __init__(
        self,
        logs: Mapping[bytes, KnownLog],
        settling: Settling,
        *,
        commit: Settled,
        chain: Callable[[WalletTurn, Asked[Entries]], Answer],
    ) -> None:
        """`commit`: called with each P5a of a purchase that waits, which is to be checked as from anyone. `chain`: who
        reads the entries of logs' chains."""
        self._logs = logs
        self._settling = settling
        self._commit = commit
        self._chain = chain

    def begin(self, turn: WalletTurn, transaction: Transaction, size: int) -> None:
        """Follow the shard of a transaction that is about to be waited for; `size`: how many entries it has."""
        log, shard = transaction.log, shard_of(transaction.expiration)
        if not turn.store.awaited(log, shard):  # for another purchase: nobody is shown when this one began
            follow = Follow(log=log, shard=shard, start=bundle_start(size))
            turn.store.errands.add(log, follow, subject=log, due=turn.now)

    def end(self, turn: WalletTurn, purchase: bytes) -> None:
        """Look for nothing of this purchase any more."""
        bundle = turn.store.unproven.drop(purchase)
        if bundle and not turn.store.unproven.among(bundle):
            turn.store.errands.end_all(_subject(bundle))

    @on(Entries, by=From.ERRAND)
    def entries(self, turn: WalletTurn, asked: Asked[Entries]) -> Answer:
        """Find the commit among what the log publishes; follow on as long as a purchase waits."""
        follow = request(asked)
        assert isinstance(follow, Follow)
        if follow.shard == CHAIN:
            return self._chain(turn, asked)
        check_range(asked.body, follow)
        awaited = turn.store.awaited(follow.log, follow.shard)
        for key, commit in commits_among(asked.body, self._logs[follow.log].key, awaited.__contains__):
            self._commit(turn, self._purchase(turn, key), commit)
        for key, index, entry in keys_among(asked.body, awaited.__contains__):
            bundle = Bundle(follow.log, follow.shard, bundle_start(index))
            self._look_for(turn, bundle, Unproven(self._purchase(turn, key), index, entry))
        waits = bool(turn.store.awaited(follow.log, follow.shard))
        if not asked.body.entries and waits:
            return Answer()
        answer = done(turn, asked)
        if waits:
            further = replace(follow, start=follow.start + len(asked.body.entries))
            turn.store.errands.add(follow.log, further, subject=follow.log, due=turn.now)
        return answer

    def _purchase(self, turn: WalletTurn, outcome_key: bytes) -> bytes:
        bought = turn.store.by_outcome_key(outcome_key)
        assert bought is not None
        return bought.id

    @on(Refusal, by=From.ERRAND, to=(Follow,))
    def follow_refused(self, turn: WalletTurn, asked: Asked[Refusal]) -> Answer:
        """A log that has dropped the shard says no more of it, whoever asks for an outcome."""
        return done(turn, asked) if asked.body.why == Why.FORGOTTEN else later(turn, asked, RETRY_SECONDS_MAX)

    # Certificates.

    def _look_for(self, turn: WalletTurn, bundle: Bundle, found: Unproven) -> None:
        """The log says that the key is recorded: have every mirror asked for the bundle, unless that is under way."""
        turn.store.unproven.keep(bundle, found)
        if not turn.store.errands.about(_subject(bundle)):
            mirrors = self._logs[bundle.log].mirrors
            turn.store.errands.add_for_each(mirrors, _question(bundle), subject=_subject(bundle), due=turn.now)

    @on(Proofs, by=From.ERRAND)
    def proofs(self, turn: WalletTurn, asked: Asked[Proofs]) -> Answer:
        """Make the certificates that are waited for and take them in like others, the first that come of each entry.

        What the checkpoint does not cover yet is asked for again, of this mirror, in words that are the mirror's own;
        not at once more than one time, or it could feel its way to the entry before the others have answered.
        An entry that differs from what the log has shown is nobody's lie yet: the other mirrors may have it, and the
        outcome is asked for after the expiration as ever.
        """
        question, said = request(asked), asked.body
        assert isinstance(question, ProofsOf)
        said.check_answers(question)
        if not said.checkpoint:
            return later(turn, asked, BEHIND_SECONDS)
        bundle = Bundle(question.log, question.shard, question.start)
        for found in turn.store.unproven.among(bundle):
            if said.shows(found.index, found.entry):
                self._prove(turn, found, said)
        missing = turn.store.unproven.among(bundle)
        if missing and missing[-1].index < said.size:
            return later(turn, asked, RETRY_SECONDS_MAX)
        if missing:
            told = self._logs[question.log].opened(question.shard, said.checkpoint)
            receiver, further = answered(asked).receiver, replace(question, beyond=told.body.size)
            due = turn.now + (BEHIND_SECONDS if question.beyond else 0)
            turn.store.errands.add_for_each([receiver], further, subject=_subject(bundle), due=due)
        return done(turn, asked)

    def _prove(self, turn: WalletTurn, found: Unproven, proofs: Proofs) -> None:
        bought = turn.store.purchase(found.purchase)
        assert bought is not None
        certificate = unsigned(proofs.certificate(found.index, found.entry)).signed
        self._settling.settle(turn, bought.transaction, certificate, subject=found.purchase)
        self.end(turn, found.purchase)


def _question(bundle: Bundle) -> ProofsOf:
    """As everybody asks first, whichever entry he looks for."""
    return ProofsOf(log=bundle.log, shard=bundle.shard, start=bundle.start, beyond=0)


def _subject(bundle: Bundle) -> bytes:
    """What all questions for one bundle are about."""
    return unsigned(_question(bundle)).signed.hash
