/* One transaction under a quorum: pledge, key, and what the log's mirrors certify. README.md says what is modelled,
 * what is left out and why that is sound; expectations.toml says what must come out.
 *
 * MIRRORS audit the log, LIARS of them lie, QUORUM of them certify; 2 QUORUM > MIRRORS + LIARS is what the policy asks.
 * An honest mirror keeps the longest prefix of the log that it has verified, of which this transaction sees: is the
 * PLEDGE in it, is the KEY, and what time is it by its last entry: TIME 0 up to the expiration, 1 up to the expiration
 * + R, 2 later. Such a prefix pays if it holds the KEY. It frees if an entry is later than the expiration and no PLEDGE
 * stands, or one is later than the expiration + R and no KEY stands. Else it decides nothing.
 *
 * A fork is two honest mirrors whose prefixes differ. Cosignatures are counted together whether or not they stand under
 * one root: a liar has more than he could have, so what holds here holds with roots.
 *
 * -DPROPERTY=name   what is checked, see the end           -DENDINGS   where every run ends, instead of every state
 * -DLYING_L -DCHEAT_M   who lies; mirrors 0 to MIRRORS - LIARS - 1 are honest, and REACHABLE of those are there at all
 * -DSILENT          liars say nothing, instead of everything at once
 * -DPLANT_x         a rule that is taken away, see "Rules"
 */

#ifndef MIRRORS
#define MIRRORS 4
#endif
#ifndef LIARS
#define LIARS 1
#endif
#ifndef QUORUM
#define QUORUM 3
#endif
#define HONEST (MIRRORS - LIARS)
#ifndef REACHABLE
#define REACHABLE HONEST
#endif

/* ---- Statements. A set of honest mirrors who have made it; the liars have, from the start. */

#ifdef SILENT
#define by_liars 0
#else
#define by_liars LIARS
#endif
#define one(set, i) (((set) >> (i)) & 1)
#define size_of(set) (one(set, 0) + one(set, 1) + one(set, 2) + one(set, 3) + one(set, 4))
#define certified(set) (size_of(set) + by_liars >= QUORUM)

byte pledge_cosigned;                     /* a checkpoint that includes the PLEDGE */
byte key_cosigned;                        /* one that includes the KEY: a quorum of these is the payment */
byte aborted;                             /* Abort(transaction): a quorum of these is the abort */
byte aborted_pledged;                     /* those of them who had the PLEDGE and missed the KEY; for properties only */

#define pays certified(key_cosigned)
#define frees certified(aborted)

/* ---- What the others have said. */

bool pledged;                             /* merchant: P4 without k */
bool shown;                               /* merchant: k, to log, mirrors, bank and consumer at once */
#ifdef LYING_L                            /* log: P5b, which is a hint and moves no money */
#define word_of_the_log true
#else
#define word_of_the_log false
#endif
#ifdef CHEAT_M
#define key_at_log true                   /* a cheat may give k to the log alone */
#else
#define key_at_log shown
#endif

#define LOCKED 0
#define PAID 1
#define FREED 2
byte bank;                                /* what has become of the tokens behind P3 */

/* ---- Time and the log. */

#define PLEDGE 1
#define KEY 2
#define TICK 3                            /* any later entry; each moves the time by one, two in a row by more */

byte clock;                               /* the true time: 0, 1 or 2, as TIME */

/* An honest log has one list of entries, and each mirror follows it by index. A lying one shows each mirror, at each
 * moment, whatever the merchant's signature and its own allow: it forks, withholds, and gives entries any time. */
#ifdef LYING_L
#define offers(i, entry) true
#define taken(i)
#else
byte entries[4];
byte size;
byte time;                                /* of the last entry */
byte next[REACHABLE];
#define holds(entry) (entries[0] == entry || entries[1] == entry || entries[2] == entry || entries[3] == entry)
#define offers(i, entry) (next[i] < size && entries[next[i]] == entry)
#define taken(i) next[i]++
#endif
#define signed(entry) (entry == PLEDGE -> pledged : (entry == KEY -> key_at_log : true))    /* rule SIGNED */

/* ---- What a mirror has verified. */

bool pledge[REACHABLE];
bool key[REACHABLE];
byte time_of[REACHABLE];

#define freeing(i) (time_of[i] >= 1 && !pledge[i] || time_of[i] == 2 && !key[i])

/* ---- Rules. Each plant takes one away. */

#if defined(PLANT_UNAUDITED) || defined(PLANT_LATE_PLEDGE)
#define pledge_audited(i) true
#elif defined(PLANT_VOTE_BY_CLOCK)
#define pledge_audited(i) (clock == 0)
#else                                     /* mirror: IN_TIME and FORWARD of anonnet/protocol/rules.py */
#define pledge_audited(i) (time_of[i] == 0)
#endif

#if defined(PLANT_UNAUDITED)
#define key_audited(i) true
#elif defined(PLANT_LATE_KEY)
#define key_audited(i) pledge[i]
#elif defined(PLANT_VOTE_BY_CLOCK)
#define key_audited(i) (pledge[i] && clock <= 1)
#else                                     /* mirror: RELEASED and FORWARD */
#define key_audited(i) (pledge[i] && time_of[i] <= 1)
#endif

#ifdef PLANT_ABORT_WITHOUT_LATER_ENTRY
#define may_abort(i) (freeing(i) || !pledge[i])
#elif defined(PLANT_VOTE_BY_CLOCK)
#define may_abort(i) (clock >= 1 && !pledge[i] || clock == 2 && !key[i])
#else                                     /* mirror: an abort only of a prefix that frees; its own clock says nothing */
#define may_abort(i) freeing(i)
#endif

#ifdef PLANT_GOES_BACK
#define may_go_back true
#else                                     /* mirror: what it has verified it never forgets */
#define may_go_back false
#endif

#ifdef PLANT_EARLY_KEY
#define may_show_key pledged
#else                                     /* merchant: k only when the pledge is certified, and in time to be entered */
#define may_show_key (certified(pledge_cosigned) && IN_TIME)
#endif
#ifdef LYING_L
#define IN_TIME true
#else
#define IN_TIME (clock <= 1)
#endif

#ifdef PLANT_NO_TICKS
#define ticks false
#else                                     /* log: lets time pass when it is asked to */
#define ticks true
#endif

#ifdef PLANT_WORD_OF_THE_LOG
#define released (frees || word_of_the_log)
#else                                     /* bank: nothing moves money but a certificate */
#define released frees
#endif

/* ---- The merchant. */

inline merchant_pledge() { atomic { !pledged -> pledged = true; printf("M: signs the pledge\n") } }

inline merchant_key() {
    atomic { pledged && !shown && may_show_key -> shown = true; printf("M: shows the key\n") }
}

active proctype Merchant() {
end:do
    :: merchant_pledge()
    :: merchant_key()
    :: break                              /* falls silent */
    od
}

/* ---- The mirrors. */

inline mirror_cosigns(i) {                /* all that it has verified, as soon as it has */
    if :: pledge[i] -> pledge_cosigned = pledge_cosigned | (1 << i) :: else fi;
    if :: key[i] -> key_cosigned = key_cosigned | (1 << i) :: else fi
}

inline mirror_pledge(i) {
    atomic {
        signed(PLEDGE) && offers(i, PLEDGE) && pledge_audited(i) && !pledge[i] ->
        pledge[i] = true; taken(i); mirror_cosigns(i); printf("mirror %d: cosigns PLEDGE\n", i)
    }
}

inline mirror_key(i) {
    atomic {
        signed(KEY) && offers(i, KEY) && key_audited(i) && !key[i] ->
        key[i] = true; taken(i); mirror_cosigns(i); printf("mirror %d: cosigns KEY\n", i)
    }
}

inline mirror_tick(i) {
    atomic {
        offers(i, TICK) && time_of[i] < 2 ->
        time_of[i]++; taken(i); printf("mirror %d: cosigns an entry of time %d\n", i, time_of[i])
    }
}

inline mirror_abort(i) {
    atomic {
        may_abort(i) && !one(aborted, i) ->
        aborted = aborted | (1 << i);
        if :: pledge[i] -> aborted_pledged = aborted_pledged | (1 << i) :: else fi;
        printf("mirror %d: says abort\n", i)
    }
}

inline mirror_goes_back(i) {
    atomic {
        may_go_back && (pledge[i] || time_of[i] > 0) ->
        pledge[i] = false; key[i] = false; time_of[i] = 0; printf("mirror %d: goes back\n", i)
    }
}

proctype Mirror(byte i) {
end:do
    :: mirror_pledge(i)
    :: mirror_key(i)
    :: mirror_tick(i)
    :: mirror_abort(i)
    :: mirror_goes_back(i)
    od
}

init {
    byte i;
    atomic { for (i : 0 .. REACHABLE - 1) { run Mirror(i) } }
}

/* ---- The bank. */

inline bank_pays() { atomic { bank == LOCKED && pays -> bank = PAID; printf("B: pays\n") } }
inline bank_frees() { atomic { bank == LOCKED && released -> bank = FREED; printf("B: frees\n") } }

active proctype Bank() {
end:do
    :: bank_pays()
    :: bank_frees()
    od
}

/* ---- An honest log, and the clock that it tells. What was shown reaches it before the expiration + R. */

#ifndef LYING_L
inline append(entry) { entries[size] = entry; size++ }

inline log_pledge() { atomic { pledged && !holds(PLEDGE) && time == clock && clock == 0 -> append(PLEDGE) } }
inline log_key() { atomic { shown && holds(PLEDGE) && !holds(KEY) && time == clock && clock <= 1 -> append(KEY) } }
inline log_tick() { atomic { ticks && time < clock -> time++; append(TICK) } }

active proctype Log() {
end:do
    :: log_pledge()
    :: log_key()
    :: log_tick()
    od
}

active proctype Clock() {
end:do
    :: atomic { clock == 0 -> clock = 1; printf("--- the expiration is past\n") }
    :: atomic { clock == 1 && (!shown || holds(KEY)) -> clock = 2; printf("--- the expiration + R is past\n") }
    od
}
#endif

/* ---- Properties. In every state: */

#define never_both (!(pays && frees))

/* The merchant shows no key over a pledge that is not certified. */
#define never_shown_early (!shown || certified(pledge_cosigned))

/* And so, when the key is out, the sale is not freed for want of a pledge: of those whose aborts free it, one honest
 * mirror at least had the PLEDGE, and saw no KEY up to the expiration + R. */
#define never_unpledged (!(shown && frees && aborted_pledged == 0))

/* What the bank has done, the other certificate never contradicts. */
#define bank_is_right (!(bank == PAID && frees) && !(bank == FREED && pays))

/* The merchant who has shown the key is paid. With a lying log this fails: what remains of the paper's assumption. */
#define never_suppressed (!(shown && frees))

#define safe (never_both && never_shown_early && never_unpledged && bank_is_right)
#define safe_with_honest_log (safe && never_suppressed)

/* In every last state: */
#define decided (pays || frees)
#define ends_well (decided && bank != LOCKED)

/* That these can be reached shows that the rest is not true of an empty model. */
#define no_payment (!(pays && bank == PAID))
#define no_abort_for_want_of_a_pledge (!(frees && bank == FREED && !pledged))
#define no_abort_for_want_of_a_key (!(frees && certified(pledge_cosigned) && !shown))
#define no_fork (!(key[0] && freeing(1)))

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
