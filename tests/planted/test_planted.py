"""Bugs, planted one by one in a copy of the program, each of which a named test must catch.

What no test would notice could be broken by anybody's next change. Each patch here is a bug that a careful person might
write; the table says which tests must fail, what of the broken promise their output must name, and within how many
seconds. The same tests pass in an unpatched copy first. A patch that no longer applies is a failure too: write it anew
(edit the file, `git diff -U2 -- FILE > tests/planted/NN-name.patch`, and take the edit back).

Six bugs of a log and its mirrors the world must catch by what is said there, whatever else does: no high-water mark for
the log's time (14), an answer before the lock has moved (26), an outcome that is unique outside its transaction (27),
a mirror that cosigns backwards (30) or what it has not read against the rules (31), and a key that is shown early (32).
A mirror's mark and the size of its copy hold each other up, so 30 takes both away. 01 the world cannot show: it runs
turns, commit and answers itself, in their order, so the shell that might answer early is not in it. That alerts are
true, and are told, it must see as well (36, 95).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COPIED = ["anonnet", "daemons", "tests", "docs", "pyproject.toml"]
AT_ONCE = 2
CLEAN_SECONDS = 600


@dataclass(frozen=True)
class Planted:
    """A bug, who must catch it, what the failure must name, and how long that may take."""

    patch: str
    tests: tuple[str, ...]
    names: str
    seconds: int = 120
    says: str = ""
    """What the world must complain of as well, where one of the tests is its."""


PAPER, WORLDS = "tests/paper", "tests/world/test_world.py"
WORLD = f"{WORLDS}::test_fresh_seeds"
HARD = f"{WORLDS}::test_seeds_that_are_hard_on"
TWO_SIDED = f"{PAPER}/test_two_sided.py"
REUSED = f"{PAPER}/test_reusable_keys.py"
PARTS = "tests/unit/parties/test_parts.py"
DISPUTES = "tests/unit/parties/test_disputes.py"
HEEDING = "tests/unit/parties/test_heeding.py"
MIRROR, QUORUM = "tests/unit/parties/test_mirror.py", "tests/unit/parties/test_quorum.py"
TABLE_OF_VERDICTS = "tests/judge/test_table.py::test_the_judge_decides_as_the_table_says"
COMPARING = "tests/unit/parties/test_comparing.py"
BRANDS = "tests/unit/parties/test_brands_published.py"
SELDOM = "tests/unit/parties/test_seldom_run.py"
YEAR = "tests/year/test_year.py::test_a_short_year"
WORLD_SECONDS = 5
"""No further seeds after this: a planted bug that the world catches shows in nearly every one."""

TABLE = [
    Planted(
        "01-answer-before-commit",
        ("tests/net/test_turns.py::test_no_answer_is_out_before_its_commit",),
        "assert not answers",
        # its commit waits at a gate that nobody opens any more
    ),
    Planted(
        "02-unlocked-double-spend",
        (f"{PAPER}/test_purchase.py::test_a_token_is_locked_to_one_transaction",),
        "including a check against reuse",
    ),
    Planted(
        "03-refund-by-the-banks-clock",
        (f"{PAPER}/test_commitment.py::test_the_bank_frees_no_token_by_its_own_clock",),
        "while no outcome can be had, the token stays locked",
    ),
    Planted(
        "04-abort-after-forgetting",
        (f"{PAPER}/test_data_management.py::test_the_log_makes_no_abort_after_the_delay",),
        "not generate abort",
    ),
    Planted(
        "05-commit-after-expiration",
        (f"{PAPER}/test_commitment.py::test_the_log_records_if_and_only_if_received_before_expiration",),
        "if and only if it was received before expiration",
    ),
    Planted(
        "06-two-authorizations-for-one-transaction",
        (f"{PAPER}/test_purchase.py::test_one_transaction_is_authorized_once",),
        "would pay for one and the same P3",
    ),
    Planted(
        "07-p4-of-another-log",
        (f"{PAPER}/test_commitment.py::test_a_commitment_for_another_log_is_not_recorded",),
        "so no other log can record it",
    ),
    Planted(
        "08-debit-for-each-request",
        (f"{PAPER}/test_withdrawal.py::test_a_withdrawal_asked_for_again_is_answered_and_not_debited_again",),
        "one blinded request is one token",
    ),
    Planted(
        "09-pay-before-the-last-chunk",
        (f"{PAPER}/test_assumptions.py::test_sealed_goods_come_before_any_guarantee_of_payment",),
        "prior to any guarantee of payment",
    ),
    Planted(
        "10-token-free-before-the-bank-knows",
        (f"{PAPER}/test_commitment.py::test_a_wallet_spends_no_token_before_the_bank_has_noted_the_abort",),
        "until the bank has taken the abort in",
    ),
    Planted(
        "11-two-commitments-for-one-number",
        (f"{PAPER}/test_purchase.py::test_the_merchant_signs_one_commitment_for_each_number",),
        "one n, one P4",
    ),
    Planted(
        "12-key-of-another-number",
        (f"{PAPER}/test_purchase.py::test_the_transaction_number_commits_to_the_key",),
        "the one under which the goods of P1 are sealed",
    ),
    Planted(
        "13-chunks-without-the-secret",
        (f"{PAPER}/test_purchase.py::test_the_goods_are_handed_to_who_ordered_them",),
        "only to who shows the secret",
    ),
    Planted(
        "14-log-time-falls",
        (f"{PAPER}/test_assumptions.py::test_the_log_keeps_the_time", f"{HARD}[clocks that are set back]"),
        "never goes back",
        says=" said 17000",
    ),
    Planted(
        "15-entry-time-falls",
        (f"{PAPER}/test_commitment.py::test_every_entry_is_stamped_with_a_time_that_never_falls",),
        "test_every_entry_is_stamped_with_a_time_that_never_falls",
    ),
    Planted(
        "16-ledger-leg-dropped",
        (f"{PAPER}/test_introduction.py::test_money_is_neither_created_nor_destroyed",),
        "postings of one turn do not sum to zero",
    ),
    Planted(
        "17-ledger-leg-to-the-wrong-book",
        (WORLD,),
        "should have",
    ),
    Planted(
        "18-blind-signature-unchecked",
        ("tests/unit/crypto/test_blind.py::test_a_faulty_signature_never_leaves",),
        "FaultySignature",
    ),
    Planted(
        "19-step-outside-the-signature",
        ("tests/unit/wire/test_vectors.py::test_what_ships_is_what_the_code_makes",),
        "test_what_ships_is_what_the_code_makes",
    ),
    Planted(
        "20-keys-read-outside-the-turn",
        ("tests/unit/test_turn.py::test_a_request_of_too_many_signers_ends_its_own_connection_only",),
        "ends_its_own_connection_only",
    ),
    Planted(
        "21-one-time-for-one-purchase",
        (f"{PAPER}/test_assumptions.py::test_transactions_do_not_interfere_with_each_other",),
        "transactions that do not interfere",
    ),
    Planted(
        "22-questions-make-p4-late",
        (f"{PAPER}/test_commitment.py::test_what_counts_is_when_it_was_received_and_not_when_its_turn_came",),
        "P4 arrived in the last second",
    ),
    Planted(
        "23-chunks-said-to-be-durable",
        ("tests/unit/stores/test_goods.py::test_a_chunk_that_comes_while_the_disk_syncs_is_not_said_to_be_there",),
        "Nobody knows whether it went with that sync",
    ),
    Planted(
        "26-answer-before-the-lock-moves",
        (WORLD,),
        "would start on a log.db older than what it has said",
    ),
    Planted(
        "27-one-outcome-by-what-is-sealed",
        (WORLD,),
        "has two entries for one transaction",
    ),
    Planted(
        "30-mirror-cosigns-backwards",
        (f"{HARD}[checkpoints that mirrors have passed]",),
        "cosigned a tree after a larger one",
    ),
    Planted(
        "31-mirror-cosigns-unaudited",
        (
            f"{MIRROR}::test_a_broken_rule_freezes_the_shard_is_kept_and_told",
            f"{HARD}[entries that mirrors must not take]",
        ),
        "AssertionError: one alert against the log",
        says="holds a time that falls",
    ),
    Planted(
        "32-key-before-the-certificate",
        (f"{QUORUM}::test_the_key_is_shown_to_nobody_before_its_pledge_is_certified", WORLD),
        "assert not scene.said(AuthorizationM)",
        says="showed a key before its pledge was certified",
    ),
    Planted(
        "33-hint-for-a-certificate",
        (f"{QUORUM}::test_what_the_log_says_alone_moves_no_money",),
        "is None",
    ),
    Planted(
        "34-mirror-aborts-a-pledged-sale",
        (f"{MIRROR}::test_no_abort_is_signed_for_a_pledged_sale_until_its_key_can_come_no_more",),
        "Undecided",
    ),
    Planted(
        "35-one-mirror-frees-a-token",
        (f"{QUORUM}::test_shares_of_an_abort_by_too_few_free_nothing",),
        "assert 'aborted' == 'authorized'",
    ),
    Planted(
        "36-wallet-believes-any-alert",
        (
            f"{HEEDING}::test_an_alert_that_proves_nothing_is_not_believed",
            f"{HARD}[alerts that convict nobody]",
        ),
        "assert council.consumer.closed",
        says="believes an alert that convicts nobody",
    ),
    Planted(
        "37-wallet-pays-by-a-convicted-log",
        (f"{HEEDING}::test_what_she_hears_while_the_goods_come_keeps_her_from_paying",),
        "she has asked when she ordered",
    ),
    Planted(
        "38-key-alone-convicts",
        ("tests/unit/test_breach.py::test_nothing_that_an_honest_log_signs_convicts_it",),
        "assert not ['released'",
    ),
    Planted(
        "39-told-by-chance-alone",
        ("tests/unit/parties/test_mesh.py::test_whatever_is_drawn_leads_round_to_everyone",),
        "assert reached == set(keys)",
    ),
    Planted(
        "40-remainder-released-twice",
        (f"{PARTS}::test_what_remains_is_exchanged_while_the_rest_is_locked",),
        "assert remaining(scene, coin) == 2",
    ),
    Planted(
        "41-amounts-outside-what-is-compared",
        (f"{PARTS}::test_one_payment_takes_the_same_amounts_when_it_is_asked_again",),
        "Refusal was expected, not AuthorizationB",
    ),
    Planted(
        "42-token-outside-the-signature",
        (f"{PARTS}::test_an_exchange_takes_no_token_whose_key_has_not_signed",),
        "test_an_exchange_takes_no_token_whose_key_has_not_signed",
    ),
    Planted(
        "43-token-of-a-payment-outside-the-signature",
        (f"{PAPER}/test_variations.py::test_several_tokens_pay_one_price_signed_with_all_their_keys",),
        "assert partly is None",
    ),
    Planted(
        "44-serial-outside-the-signature",
        (f"{REUSED}::test_the_bank_signs_q_and_s_together",),
        "not refused: AuthorizationB",
    ),
    Planted(
        "45-reuse-looked-for-by-key",
        (f"{REUSED}::test_many_tokens_specify_one_key_and_each_is_spent_once",),
        "another token of a key that has paid before",
    ),
    Planted(
        "46-reused-key-in-a-receipt",
        (f"{REUSED}::test_only_the_bank_can_link_them",),
        "Q was shown to others than the bank",
    ),
    Planted(
        "47-dispute-without-q",
        (f"{DISPUTES}::test_what_became_of_a_token_is_shown_to_who_has_q",),
        "undecided",
    ),
    Planted(
        "48-dispute-of-another-bank-s-promise",
        (f"{DISPUTES}::test_a_promise_that_another_has_signed_moves_nothing",),
        "assert dump(actor.store) == before",
    ),
    Planted(
        "49-a-dispute-is-paid-again",
        (f"{DISPUTES}::test_a_claim_that_comes_twice_and_by_both_ways_is_paid_once",),
        "does not move from committed to committed",
    ),
    Planted(
        "50-q-in-one-sided-delivery",
        (f"{TWO_SIDED}::test_in_one_sided_delivery_nobody_but_the_bank_learns_q",),
        "Q was shown to the merchant",
    ),
    Planted(
        "51-key-without-the-receipt",
        (f"{TWO_SIDED}::test_no_key_goes_out_without_the_receipt",),
        "not refused: Noted",
    ),
    Planted(
        "52-abort-beside-a-sealed-commit",
        (f"{PAPER}/test_sealed.py::test_no_abort_beside_a_sealed_commit",),
        "an abort beside a sealed commit",
    ),
    Planted(
        "53-sealed-entries-without-a-ticket",
        (f"{PAPER}/test_sealed.py::test_a_log_takes_no_entry_without_a_banks_ticket",),
        "not refused: Commit",
    ),
    Planted(
        "55-credit-in-another-transaction",
        ("tests/unit/parties/test_merging.py::test_nobody_sees_the_commit_without_the_credit",),
        "assert ((False, 0), (True, 0)) == ((False, 0), (True, 5))",
    ),
    Planted(
        "56-link-that-is-not-told",
        ("tests/privacy/test_linking.py::test_what_the_bank_can_link_is_what_the_wallet_says",),
        "== can_be_linked(scene)",
    ),
    Planted(
        "57-used-told-at-once",
        ("tests/unit/parties/test_mint.py::test_everybody_is_told_once_a_day_which_tokens_are_used",),
        "== nobody",
    ),
    Planted(
        "58-recovery-trusts-what-it-holds",
        ("tests/unit/parties/test_copies.py::test_the_wallet_is_gone_and_its_backup_recovers[pays]",),
        "scene.recovered(copy)",
    ),
    Planted(
        "60-late-receipt-counts",
        (f"{TABLE_OF_VERDICTS}[late_receipt]",),
        "Claim.SUPPRESSED",
    ),
    Planted(
        "61-as-many-receipts-as-may-lie",
        (f"{TABLE_OF_VERDICTS}[too_few_receipts]",),
        "Claim.SUPPRESSED",
    ),
    Planted(
        "62-a-sealed-place-counts-only-with-n",
        (f"{TABLE_OF_VERDICTS}[sealed_log_says_both_without_n]",),
        "Claim.TWO_OUTCOMES",
    ),
    Planted(
        "63-cosigned-whenever-is-cosigned-before",
        (f"{PAPER}/test_time_stamps.py::test_entries_made_before_the_log_was_compromised_may_still_be_trusted",),
        "the thief may have made it",
    ),
    Planted(
        "64-stolen-key-is-believed",
        (f"{PAPER}/test_time_stamps.py::test_entries_made_before_the_log_was_compromised_may_still_be_trusted",),
        "the thief may have made it",
    ),
    Planted(
        "70-witness-says-before-it-keeps",
        ("tests/web/test_witness.py::test_what_is_cosigned_is_kept_before_it_is_said",),
        "test_what_is_cosigned_is_kept_before_it_is_said",
    ),
    Planted(
        "71-head-in-place-of-the-lock",
        ("tests/unit/stores/test_published.py::test_nothing_is_published_before_the_lock_has_moved_to_it",),
        "test_nothing_is_published_before_the_lock_has_moved_to_it",
    ),
    Planted(
        "72-brand-without-its-notice",
        (f"{BRANDS}::test_a_wallet_takes_no_brand_that_stands_nowhere_or_too_late",),
        "assert [True, False, True] == [True, False, False]",
    ),
    Planted(
        "73-chain-without-its-quorum",
        (f"{BRANDS}::test_without_a_quorum_s_cosignatures_a_chain_counts_for_nothing",),
        "test_without_a_quorum_s_cosignatures_a_chain_counts_for_nothing",
    ),
    Planted(
        "74-forgotten-shard-begins-anew",
        ("tests/unit/parties/test_forgotten_copies.py::test_a_clock_that_leaps_and_is_set_back_begins_no_shard_again",),
        "assert [3, 3, 3, 3] == [0, 0, 0, 0]",
    ),
    Planted(
        "75-extension-lines-in-a-checkpoint",
        (
            f"{MIRROR}::test_one_tree_under_several_texts_spoils_no_certificate",
            f"{HARD}[one tree under several texts]",
        ),
        "a cosignature does not hold",
        says="shows a certificate that holds nowhere",
    ),
    Planted(
        "66-tokens-free-by-word-alone",
        (f"{HEEDING}::test_a_bank_s_word_alone_that_a_log_is_convicted_frees_nothing",),
        "assert 'refused' == 'authorizing'",
    ),
    Planted(
        "76-lone-log-compared-upwards-only",
        ("tests/unit/parties/test_lone_log.py::test_a_fork_of_a_log_that_decides_alone_is_found_and_told",),
        "test_a_fork_of_a_log_that_decides_alone_is_found_and_told",
    ),
    Planted(
        "77-log-goes-on-after-a-second-history",
        (
            "tests/unit/parties/test_certifying.py"
            "::test_a_log_put_back_with_its_lock_ends_when_a_mirror_shows_what_it_had_signed",
        ),
        "Expected regex: 'never starts again'",
    ),
    Planted(
        "78-late-exchange-done-after-all",
        ("tests/unit/parties/test_mint.py::test_an_exchange_that_was_called_late_is_never_done",),
        "test_an_exchange_that_was_called_late_is_never_done",
    ),
    Planted(
        "84-checkpoint-ahead-never-compared",
        (
            "tests/unit/parties/test_compared.py::test_another_branch_than_the_mirror_holds_convicts_the_log_before_everybody",
        ),
        "assert [] == ['mirror-0', ",
    ),
    Planted(
        "85-newest-checkpoint-shown-alone",
        (f"{COMPARING}::test_what_comes_meanwhile_is_shown_with_the_next_question",),
        "each once, in the order of their coming",
    ),
    Planted(
        "86-bank-shows-no-certificate",
        (f"{COMPARING}::test_another_certified_branch_than_mirrors_hold_is_alerted_everywhere",),
        "assert [] == ['bank', 'mer",
    ),
    Planted(
        "88-smaller-branch-shown-to-nobody",
        ("tests/unit/parties/test_compared.py::test_branches_of_different_sizes_convict_the_log_though_neither_grows",),
        "assert [] == ['mirror-0', ",
    ),
    Planted(
        "89-what-a-mirror-showed-is-not-kept",
        (
            "tests/unit/parties/test_resuming.py"
            "::test_a_log_that_was_put_back_goes_on_only_once_it_is_repaired[some entries]",
        ),
        "DID NOT RAISE BadStart",
    ),
    Planted(
        "79-log-signs-before-it-asks",
        ("tests/real/test_resuming.py::test_a_log_that_starts_before_its_mirrors_waits_for_a_quorum_of_them",),
        "DID NOT RAISE NoDaemon",
    ),
    Planted(
        "90-wallet-asks-beyond-its-own-entry",
        (
            "tests/privacy/test_looking_up.py"
            "::test_mirrors_are_told_nothing_by_which_a_sale_that_commits_can_be_known[open]",
        ),
        "the asker's own place",
    ),
    Planted(
        "91-leaf-not-compared-with-its-entry",
        (
            "tests/unit/parties/test_reading.py"
            "::test_a_sale_whose_key_the_log_has_made_up_stands_in_no_other_sale_s_way",
        ),
        "['authorized', 'authorized'] == ['authorized', 'committed']",
    ),
    Planted(
        "95-fork-noted-and-not-told",
        (f"{HARD}[two histories of a log]",),
        "has no evidence though the log forks",
    ),
    Planted(
        "98-exchange-late-before-the-wallet-runs-again",
        (f"{SELDOM}::test_a_wallet_that_runs_for_minutes_a_day_loses_nothing_of_a_brand_that_ends",),
        "scene.worth() == COINS",
    ),
    Planted(
        "99-late-exchanges-wait-an-hour-again",
        (f"{SELDOM}::test_what_is_late_is_asked_one_by_one_when_the_wallet_starts",),
        "WOKEN_GAP_SECONDS",
    ),
    Planted(
        "100-exchange-for-a-brand-that-has-closed",
        (f"{SELDOM}::test_an_exchange_whose_new_brand_has_closed_meanwhile_is_begun_again",),
        "scene.worth() == COINS",
    ),
    Planted(
        "101-a-day-s-share-of-tokens-is-renewed",
        (f"{SELDOM}::test_a_wallet_exchanges_all_that_it_has_of_a_brand_within_hours",),
        "== {scene.minted[-1].brand.id}",
    ),
    Planted(
        "102-lost-tokens-are-free",
        (f"{SELDOM}::test_the_owner_is_told_before_a_brand_ends_and_after",),
        "{'lost': 40}",
    ),
    Planted(
        "103-lost-tokens-stand-for-those-that-rest",
        ("tests/unit/parties/test_resting.py::test_tokens_of_a_brand_that_has_ended_do_not_stand_for_those_that_rest",),
        "assert isinstance(refusal, Refusal)",
    ),
    Planted(
        "104-exchange-of-a-dropped-brand-never-ends",
        (f"{SELDOM}::test_an_exchange_ends_where_the_bank_has_dropped_the_brand",),
        "{'lost': 40",
    ),
    Planted(
        "105-missed-brand-made-twice",
        ("tests/unit/test_branding.py::test_a_brand_that_came_too_late_for_the_logs_is_pinned_as_it_is",),
        "late.id.hex()",
    ),
    Planted(
        "106-frozen-shard-asked-about-no-more",
        (f"{MIRROR}::test_what_a_quorum_holds_is_certified_also_when_the_log_convicts_itself_at_that_moment",),
        "isinstance(found, Certificate)",
    ),
    Planted(
        "107-missing-brand-taken-for-no",
        (
            "tests/unit/parties/test_recovery_unseen.py::test_a_bank_that_misses_a_brand_is_asked_on_until_that_has_ended",
        ),
        "scene.tokens(heir)",
    ),
    Planted(
        "110-renewal-over-when-it-is-sent",
        (YEAR,),
        "MINUTES has lost",
    ),
    Planted(
        "111-brand-left-for-one-that-ends-sooner",
        (YEAR,),
        "ALWAYS has lost",
    ),
    Planted(
        "112-shards-dropped-after-the-chain",
        (YEAR,),
        "log still has",
    ),
    Planted(
        "113-withdrawal-asked-for-to-its-brand-s-end",
        (YEAR,),
        "has asked bank for 17 days: WithdrawC",
    ),
]
BUGS = {planted.patch: planted for planted in TABLE}


def copied(into: Path) -> Path:
    """The program and its tests, as they are now."""
    into.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, into / name)
    return into


def run_tests(folder: Path, tests: list[str], seconds: int) -> tuple[int, str]:
    """Run tests there, by this interpreter; the exit code (-1: too slow) and what was printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    ours = os.pathsep.join((str(folder), str(folder / "daemons")))  # before the checkout that is installed
    environment = os.environ | {"PYTHONPATH": ours, "ANONNET_WORLD_SECONDS": str(WORLD_SECONDS)}
    for name in ("ANONNET_DEEP", "ANONNET_WORLD_SEEDS", "CI"):  # they ask for more seeds than one bug needs
        environment.pop(name, None)
    try:
        ran = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=seconds,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired as why:
        return -1, str(why)
    return ran.returncode, ran.stdout


def plant(folder: Path, patch: str) -> str:
    """Apply a patch; what git has against it."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # a checkout above would be patched
    command = ["git", "apply", "-C1", str(HERE / f"{patch}.patch")]
    applied = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False, encoding="utf-8")
    return applied.stderr if applied.returncode else ""


def outcome_of(planted: Planted, folder: Path) -> str:
    """What is wrong with this row of the table; empty if the bug was caught as it should be."""
    copied(folder)
    if complaint := plant(folder, planted.patch):
        return f"{planted.patch}.patch no longer applies; write it anew for the code as it is now\n{complaint}"
    code, printed = run_tests(folder, list(planted.tests), planted.seconds)
    shutil.rmtree(folder)
    if code == 0:
        return f"nobody caught {planted.patch}: {', '.join(planted.tests)} passed"
    if code != 1:
        return f"{planted.patch} did not fail as a test within {planted.seconds} s (exit code {code})\n{printed}"
    missing = [name for name in (planted.names, planted.says) if name not in printed]
    return f"the failure does not name {missing[0]!r}\n{printed}" if missing else ""


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The selected bugs under way, after their tests have passed without any."""
    chosen = [
        BUGS[item.callspec.params["name"]]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_a_planted_bug_is_caught.__name__
    ]
    folder = tmp_path_factory.mktemp("planted")
    tests = sorted({test for planted in chosen for test in planted.tests})
    code, printed = run_tests(copied(folder / "clean"), tests, CLEAN_SECONDS)
    assert code == 0, f"these tests must pass before a bug is planted\n{printed}"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {planted.patch: pool.submit(outcome_of, planted, folder / planted.patch) for planted in chosen}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str, outcomes: dict[str, Future[str]]) -> None:
    wrong = outcomes[name].result()

    assert not wrong, wrong


def test_every_patch_stands_in_the_table() -> None:
    assert {path.stem for path in HERE.glob("*.patch")} == set(BUGS)
    assert len(BUGS) == len(TABLE)
