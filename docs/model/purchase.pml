/* The purchase, P1 to P5 of the paper (section "Purchase"), with a log that decides alone. README.md says what is
 * modelled, what is left out and why that is sound; expectations.toml says what must come out.
 *
 * One transaction number n, and so one merchandise key k. Two or three transactions t of that n, which differ in
 * expiration or log: tuples, since a transaction is (n, expiration, M, L). Two payments p of disjoint tokens, A and B.
 *
 * A message is a bit: who signed it has said it. It may reach a receiver at any later time, once, often, or never, and
 * in any order, since nobody has to act on a bit. What a cheating consumer or merchant can say is there from the start:
 * to hold it back is to have it arrive later. A cheating bank or log signs step by step, and what it has signed counts.
 *
 * -DPROPERTY=name   what is checked, see the end           -DENDINGS   where every run ends, instead of every state
 * -DCHEAT_C -DCHEAT_M -DCHEAT_B -DCHEAT_L   who lies       -DLOST_L    the log is gone
 * -DVALUE_A=LESS -DVALUE_B=LESS   payments that are not over the price          -DTRANSACTIONS=3   instead of 2
 * -DPLANT_x         a rule that is taken away, see "Rules"
 */

#define A 0
#define B 1
#define EACH_P(step) step(A) :: step(B)
#ifndef TRANSACTIONS
#define TRANSACTIONS 2
#endif
#if TRANSACTIONS == 2
#define EACH_T(step) step(0) :: step(1)
#define EACH_T_P(step) step(0, A) :: step(0, B) :: step(1, A) :: step(1, B)
#define ALL_T(says) (says(0) && says(1))
#define COUNT_T(said) (said[0] + said[1])
#else
#define EACH_T(step) step(0) :: step(1) :: step(2)
#define EACH_T_P(step) step(0, A) :: step(0, B) :: step(1, A) :: step(1, B) :: step(2, A) :: step(2, B)
#define ALL_T(says) (says(0) && says(1) && says(2))
#define COUNT_T(said) (said[0] + said[1] + said[2])
#endif
#define LAST_T (TRANSACTIONS - 1)

/* ---- Time: the true one. Parties' clocks may lag behind it. */

#define EXPIRATION(t) (2 * (t))           /* there is time for the next one after the abort of the one before */
#define SETTLE 1                          /* SETTLE_SECONDS */
#define CLAIM 2                           /* CLAIM_SECONDS, and RETENTION_SECONDS, which is longer */
#define LAST (EXPIRATION(LAST_T) + CLAIM + 1)
#define past(time) (clock > (time))
byte clock;

/* A clock that says "not expired yet" may lag by any amount; where endings are asked for, it is right. */
#ifdef ENDINGS
#define seems_open(t) (!past(EXPIRATION(t)))
#else
#define seems_open(t) true
#endif

/* ---- Messages. */

#ifdef CHEAT_C
#define BY_C = true
#else
#define BY_C
#endif
#ifdef CHEAT_M
#define BY_M = true
#else
#define BY_M
#endif

#define PRICE 0                           /* what a payment is worth, and a promise over: the contract's price, */
#define LESS 1                            /* or half of it */
#ifndef VALUE_A
#define VALUE_A PRICE
#endif
#ifndef VALUE_B
#define VALUE_B PRICE
#endif
#define value(p) (p == A -> VALUE_A : VALUE_B)

bool goods_m BY_M;                        /* P1  M -> C  [n, contract, sealed goods]_m */
bool authorization_q[2 * TRANSACTIONS] BY_C; /* P2  C -> B  [n, expiration, M, L, payments]_q */
bool authorization_b[2 * TRANSACTIONS];   /* P3  B -> M  [n, expiration, M, L, value]_b */
bool authorization_m[TRANSACTIONS] BY_M;  /* P4  M -> L  [n, expiration, L, k]_m */
bool commit[TRANSACTIONS];                /* P5a L       [P4, index]_l */
bool abort[TRANSACTIONS];                 /* P5b L       [n, expiration, M, L, failed]_l */
bool outcome_of[TRANSACTIONS] BY_C;       /* C, B -> L   is there an outcome? */
bool exchange_q[2] BY_C;                  /* E1  C -> B */
bool leaked[TRANSACTIONS];                /* a lying log hands k to the consumer, and records nothing */
#define Q(t, p) authorization_q[2 * (t) + (p)]
#define PROMISE(t, v) authorization_b[2 * (t) + (v)]

/* ---- What is durable. */

bool recorded[TRANSACTIONS];              /* log: the unique row of this transaction's commit */
bool passed[TRANSACTIONS];                /* log: its mark is past expiration + SETTLE, whatever its clock says */
bool gone[TRANSACTIONS];                  /* log: its mark is past expiration + retention, records are dropped */
bool wrong[TRANSACTIONS];                 /* log: what it recorded holds a key that does not open the goods */

#define NO_SALE 0
#define LOCKED_SALE 1
#define COMMITTED 2
#define ABORTED 3
#define LAPSED 4
byte sale[TRANSACTIONS];                  /* bank: one row for each transaction */

#define FREE 0
#define LOCKED(t) (1 + (t))
#define SPENT(t) (1 + TRANSACTIONS + (t))
#define EXCHANGED (1 + 2 * TRANSACTIONS)
byte held[2];                             /* bank: what has become of a payment's tokens */
#define holds(t, p) (held[p] == LOCKED(t) || held[p] == SPENT(t))

/* ---- Rules. Each plant takes one away. */

#ifdef PLANT_LATE_COMMIT
#define in_time(t) true
#else                                     /* log: no commit once an abort may have been said */
#define in_time(t) (!passed[t])
#endif

#ifdef PLANT_EARLY_ABORT
#define over(t) true
#elif defined(PLANT_OUTCOME_BY_NUMBER)
#define over(t) past(EXPIRATION(0) + SETTLE)
#else                                     /* log: no abort before this transaction's own expiration, and some more */
#define over(t) past(EXPIRATION(t) + SETTLE)
#endif

#ifdef PLANT_ABORT_OF_A_COMMIT
#define undecided(t) true
#else                                     /* log: no abort of what is recorded */
#define undecided(t) (!recorded[t])
#endif

#ifdef PLANT_ABORT_AFTER_FORGETTING
#define remembers(t) true
#else                                     /* log: no abort once a record may have been dropped */
#define remembers(t) (!gone[t])
#endif

#ifdef PLANT_CLOCK_SET_BACK
#define mark_lost true
#else                                     /* log: its time never falls, across restarts too */
#define mark_lost false
#endif

#ifdef PLANT_NUMBER_WITHOUT_KEY
#define key_fits(right) true
#else                                     /* log: n is a hash of M and k, so it can tell the right key */
#define key_fits(right) (right)
#endif

#ifdef PLANT_TWO_PROMISES
#define unpromised(t) (sale[t] == NO_SALE || sale[t] == LOCKED_SALE)
#else                                     /* bank: at most one authorization for each transaction */
#define unpromised(t) (sale[t] == NO_SALE)
#endif

#ifdef PLANT_REFUND_BY_CLOCK
#define claims_over(t) past(EXPIRATION(t))
#elif defined(PLANT_LOCK_FOR_EVER)
#define claims_over(t) false
#else                                     /* bank: without an abort nothing is free before the claim time is over */
#define claims_over(t) past(EXPIRATION(t) + CLAIM)
#endif

#ifdef PLANT_SUM_OF_PROMISES
#define acceptable(t) (PROMISE(t, PRICE) || PROMISE(0, LESS) && PROMISE(1, LESS))
#else                                     /* merchant: one promise over the price, never a sum */
#define acceptable(t) PROMISE(t, PRICE)
#endif

#ifdef PLANT_TWO_COMMITMENTS
#define uncommitted(t) (!authorization_m[t])
#else                                     /* merchant: at most one P4 for each n, ever */
#define uncommitted(t) (COUNT_T(authorization_m) == 0)
#endif

#ifdef PLANT_NEXT_TUPLE_EARLY
#define failed(t) true
#else                                     /* wallet: no next transaction of an n before the last one has its abort */
#define failed(t) abort[t]
#endif

#ifdef PLANT_SECOND_PAYMENT
#define pays_twice true
#else                                     /* wallet: one payment for a transaction */
#define pays_twice false
#endif

/* Log and bank act in turns: check and write as one, and say it only when it is durable. A crash between the two
 * leaves it unsaid; it is said when asked again. */
#ifdef PLANT_SPEAK_BEFORE_WRITE
#define TURN(check, write, say) atomic { check -> say }; if :: atomic { write } :: crash() fi
#elif defined(PLANT_HANDLERS_INTERLEAVE)
#define TURN(check, write, say) check -> atomic { write }; atomic { say }
#define HANDLERS [2]
#else
#define TURN(check, write, say) atomic { check -> write }; if :: atomic { say } :: crash() fi
#endif
#ifndef HANDLERS
#define HANDLERS [1]
#endif

inline crash() { printf("a crash\n") }

/* ---- The merchant. */

inline merchant_goods_m() {
    atomic { !goods_m -> goods_m = true; printf("M: P1, the sealed goods\n") }
}

inline merchant_authorization_b(t) {      /* P3 -> P4 */
    atomic {
        acceptable(t) && uncommitted(t) ->
        authorization_m[t] = true; printf("M: P4 for transaction %d, with the key\n", t)
    }
}

#ifndef CHEAT_M
active proctype Merchant() {
end:do
    :: merchant_goods_m()
    :: EACH_T(merchant_authorization_b)
    :: break                              /* falls silent */
    od
}
#endif

/* ---- The consumer. */

inline wallet_authorize(t, p) {           /* P1 -> P2 */
    Q(t, p) = true; printf("C: P2 for transaction %d, payment %c\n", t, 'A' + p)
}

inline wallet_outcome_of(t) {
    atomic { past(EXPIRATION(t)) && !outcome_of[t] -> outcome_of[t] = true; printf("C: outcome of %d?\n", t) }
}

inline wallet_exchange(t) {               /* the bank has seen these tokens */
    if :: Q(t, A) -> exchange_q[A] = true :: else fi;
    if :: Q(t, B) -> exchange_q[B] = true :: else fi;
    printf("C: exchanges the tokens of transaction %d\n", t)
}

#ifndef CHEAT_C
active proctype Consumer() {
    byte t;
    atomic { goods_m && seems_open(0) -> wallet_authorize(0, A) };
end:do
    :: wallet_outcome_of(t)
    :: commit[t] -> break
    :: atomic {
           t < LAST_T && failed(t) && seems_open(t + 1) ->
           t++; if :: wallet_authorize(t, A) :: wallet_authorize(t, B) fi
       }
    :: atomic { abort[t] -> wallet_exchange(t); break }
    :: atomic { pays_twice && t == 0 && !Q(0, B) -> wallet_authorize(0, B) }
    od
}
#endif

/* ---- The bank. */

inline settle(t, outcome, tokens) {
    sale[t] = outcome;
    if :: held[A] == LOCKED(t) -> held[A] = tokens :: else fi;
    if :: held[B] == LOCKED(t) -> held[B] = tokens :: else fi
}

inline bank_promise(t, p) {
    PROMISE(t, value(p)) = true; printf("B: P3 for transaction %d, by payment %c\n", t, 'A' + p)
}

inline bank_authorization_q(t, p) {       /* P2 -> P3 */
    TURN(Q(t, p) && seems_open(t) && held[p] == FREE && unpromised(t),
         sale[t] = LOCKED_SALE; held[p] = LOCKED(t), bank_promise(t, p))
}

inline bank_promise_again(t, p) {
    atomic { held[p] == LOCKED(t) && !PROMISE(t, value(p)) -> bank_promise(t, p) }
}

inline bank_outcome_of(t) {
    atomic { sale[t] == LOCKED_SALE && past(EXPIRATION(t)) && !outcome_of[t] -> outcome_of[t] = true }
}

inline bank_commit(t) {                   /* P5a, or a claim with it */
    atomic { commit[t] && sale[t] == LOCKED_SALE -> settle(t, COMMITTED, SPENT(t)); printf("B: pays %d\n", t) }
}

inline bank_abort(t) {                    /* P5b */
    atomic { abort[t] && sale[t] == LOCKED_SALE -> settle(t, ABORTED, FREE); printf("B: frees %d\n", t) }
}

inline bank_lapse(t) {                    /* no outcome could be had */
    atomic { claims_over(t) && sale[t] == LOCKED_SALE -> settle(t, LAPSED, FREE); printf("B: %d lapses\n", t) }
}

inline bank_exchange_q(p) {               /* E1 */
    atomic { exchange_q[p] && held[p] == FREE -> held[p] = EXCHANGED; printf("B: exchanges payment %c\n", 'A' + p) }
}

#ifdef CHEAT_B                            /* promises anything, with no money behind it */
inline lying_bank_promise(t, v) {
    atomic { !PROMISE(t, v) -> PROMISE(t, v) = true; printf("B: P3 for transaction %d, value %d\n", t, v) }
}

active proctype Bank() {
end:do
    :: EACH_T_P(lying_bank_promise)          /* values are numbered as payments are */
    od
}
#else
active HANDLERS proctype Bank() {
end:do
    :: EACH_T_P(bank_authorization_q)
    :: EACH_T_P(bank_promise_again)
    :: EACH_T(bank_outcome_of)
    :: EACH_T(bank_commit)
    :: EACH_T(bank_abort)
    :: EACH_T(bank_lapse)
    :: EACH_P(bank_exchange_q)
    od
}
#endif

/* ---- The log. Its clock may lag by any amount: it need not know that an expiration is past. */

inline log_commit(t) { commit[t] = true; printf("L: P5a, transaction %d commits\n", t) }
inline log_abort(t) { abort[t] = true; printf("L: P5b, transaction %d is aborted\n", t) }

inline log_authorization_m(t) {           /* P4 -> P5a */
    TURN(authorization_m[t] && seems_open(t) && !recorded[t] && in_time(t), recorded[t] = true, log_commit(t))
}

inline log_authorization_m_wrong(t) {     /* P4 with another key, which a cheat may sign */
#ifdef CHEAT_M
    TURN(key_fits(false) && !recorded[t] && in_time(t), recorded[t] = true; wrong[t] = true, log_commit(t))
#else
    false
#endif
}

#define may_abort(t) (outcome_of[t] && undecided(t) && remembers(t))

inline log_outcome_of(t) {                /* -> P5b; passing the mark and making it durable is one turn */
    TURN(may_abort(t) && !passed[t] && over(t), passed[t] = true, log_abort(t))
}

inline log_commit_again(t) { atomic { recorded[t] && !commit[t] -> log_commit(t) } }
inline log_abort_again(t) { atomic { may_abort(t) && passed[t] && !abort[t] -> log_abort(t) } }

inline log_forget(t) {
    atomic { past(EXPIRATION(t) + CLAIM) && !gone[t] -> recorded[t] = false; passed[t] = true; gone[t] = true }
}

inline log_mark_lost(t) { atomic { mark_lost && passed[t] -> passed[t] = false; printf("L: its clock is set back\n") } }

#ifdef CHEAT_L                            /* signs any abort, and any commit for which it has a P4; tells keys */
inline lying_log_abort(t) { atomic { !abort[t] -> log_abort(t) } }
inline lying_log_commit(t) { atomic { authorization_m[t] && !commit[t] -> log_commit(t) } }
inline lying_log_leak(t) {
    atomic { authorization_m[t] && !leaked[t] -> leaked[t] = true; printf("L: tells the key to C alone\n") }
}

active proctype Log() {
end:do
    :: EACH_T(lying_log_abort)
    :: EACH_T(lying_log_commit)
    :: EACH_T(lying_log_leak)
    od
}
#elif !defined(LOST_L)
active HANDLERS proctype Log() {
end:do
    :: EACH_T(log_authorization_m)
    :: EACH_T(log_authorization_m_wrong)
    :: EACH_T(log_outcome_of)
    :: EACH_T(log_commit_again)
    :: EACH_T(log_abort_again)
    :: EACH_T(log_forget)
    :: EACH_T(log_mark_lost)
    od
}
#endif

/* ---- The clock. Where endings are asked for, messages and turns take less than the claim time. */

#define authorized(t) (Q(t, A) || Q(t, B))
#define decided(t) (commit[t] || abort[t])
#if defined(ENDINGS) && !defined(LOST_L)
#define prompt(t) (clock != EXPIRATION(t) + CLAIM || !authorized(t) || decided(t) && sale[t] != LOCKED_SALE)
#else
#define prompt(t) true
#endif

active proctype Clock() {
end:do
    :: atomic { clock < LAST && ALL_T(prompt) -> clock++; printf("--- it is %d\n", clock) }
    od
}

/* ---- Properties. In every state: */

#define both(t) (commit[t] && abort[t])
#define not_both(t) (!both(t))
#define never_both ALL_T(not_both)

/* What bank, merchant and log have signed can be claimed as long as claims are valid: the bank holds such a payment. */
#define owed(t, v) (commit[t] && PROMISE(t, v))
#define holds_worth(t, v) (holds(t, A) && VALUE_A == v || holds(t, B) && VALUE_B == v)
#define covers_worth(t, v) (!owed(t, v) || holds_worth(t, v))
#define covers(t) (covers_worth(t, PRICE) && covers_worth(t, LESS) || past(EXPIRATION(t) + CLAIM))
#define covered ALL_T(covers)

/* One promise, one charge: else two payments go for one credit. */
#define one_payment(t) (!(holds(t, A) && holds(t, B)))
#define charged_once ALL_T(one_payment)

/* What the consumer has paid for she can open, and she pays for one n once. */
#define opens(t) (!(held[A] == SPENT(t) || held[B] == SPENT(t)) || commit[t] && !wrong[t])
#define spent(p) (held[p] >= SPENT(0) && held[p] <= SPENT(LAST_T))
#define fair_consumer (ALL_T(opens) && !(spent(A) && spent(B)))

/* Where the key is public the merchant holds one promise over the price, for that transaction. */
#define is_promised(t) (!commit[t] || PROMISE(t, PRICE))
#define fair_merchant ALL_T(is_promised)

/* An honest merchant signs nothing that convicts him of selling one n twice. */
#define one_commitment (COUNT_T(authorization_m) <= 1)

/* Nobody ends a sale by asking early, or by asking for another transaction of its n. */
#define is_late(t) (!abort[t] || past(EXPIRATION(t)))
#define aborts_are_late ALL_T(is_late)

#ifdef CHEAT_C                            /* nothing is promised to a cheat */
#define consumer_has_hers true
#else
#define consumer_has_hers fair_consumer
#endif
#ifdef CHEAT_M
#define merchant_has_his true
#else
#define merchant_has_his (fair_merchant && one_commitment)
#endif
#define nobody_loses (covered && charged_once && consumer_has_hers && merchant_has_his)
#define atomicity (never_both && nobody_loses)
#define safe (atomicity && aborts_are_late)

/* With a lying log: whoever loses can show two signatures of it that contradict each other. */
#define loss_convicts (nobody_loses || !never_both)

/* The paper's one trust assumption: no consumer has the key and her money, while nothing convicts the log. */
#define no_key_for_nothing (!(leaked[0] && !commit[0] && held[A] == EXCHANGED))

/* In every last state: */
#define no_lock(t) (held[A] != LOCKED(t) && held[B] != LOCKED(t))
#define locks_end ALL_T(no_lock)
#define is_told(t) (!authorized(t) || decided(t))
#define outcomes_come ALL_T(is_told)
#define is_paid(t) (!owed(t, PRICE) && !owed(t, LESS) || sale[t] == COMMITTED)
#define claims_are_paid ALL_T(is_paid)
#define ends_well (locks_end && outcomes_come && claims_are_paid)

/* That these can be reached shows that the rest is not true of an empty model. */
#define no_sale_commits (sale[0] != COMMITTED)
#define no_sale_aborts (!(abort[0] && held[A] == EXCHANGED))
#define no_later_tuple_commits (!(abort[LAST_T - 1] && sale[LAST_T] == COMMITTED))
#define no_two_promises (!(PROMISE(0, PRICE) && PROMISE(1, PRICE) && sale[0] == LOCKED_SALE && sale[1] == LOCKED_SALE))
#define no_claim_too_late (!(commit[0] && sale[0] == LAPSED))
#define no_record_is_dropped (!(gone[0] && commit[0]))

#ifndef PROPERTY
#define PROPERTY safe
#endif

active proctype Monitor() {
#ifdef ENDINGS
    atomic { timeout && !(PROPERTY) -> assert(false) }
#else
    atomic { !(PROPERTY) -> assert(false) }
#endif
}
