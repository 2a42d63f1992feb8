"""The steps by number, as they stand on the wire. The paper's own come first, under the paper's numbers."""

from __future__ import annotations

import enum


class Step(enum.IntEnum):
    """A step's number in frames and under signatures. Numbers are never used again for something else."""

    # Paper, "Withdrawal and Exchange".
    W1 = 1
    W2 = 2
    E1 = 3
    E2 = 4

    # Paper, "Purchase".
    P1 = 17
    P2 = 18
    P3 = 19
    P4 = 20
    P5A = 21
    P5B = 22

    # Paper, "Two-Sided Certified Delivery"; its other steps are those of the purchase, with Q in them.
    CD2 = 23

    # What the paper leaves unnamed; anybody may say these two.
    REFUSED = 33
    NOTED = 34

    # A dispute between parties that run, before any judge.
    DISPUTE = 35
    REDRESS = 36

    # Bank.
    OPEN_ACCOUNT = 48
    STATEMENT_OF = 49
    STATEMENT = 50
    BRANDS_OF = 51
    BRANDS = 52
    CLAIM = 53
    CREDIT = 54
    BRAND = 55
    TERMS = 56
    RESTORE = 57
    STATE_OF = 58
    STATE = 59
    USED_OF = 60
    USED = 61
    TICKET = 62

    # Merchant.
    CATALOGUE_OF = 64
    CATALOGUE = 65
    ORDER = 66
    CHUNK_OF = 67
    CHUNK = 68

    # Log.
    OUTCOME_OF = 80
    UNDECIDED = 81
    FOLLOW = 82
    ENTRIES = 83
    TIME_OF = 84
    TIME = 85
    PLEDGE = 86
    PLEDGED = 87
    RECEIPT = 88
    CERTIFICATE_OF = 89
    CERTIFICATE = 90
    CHECKPOINT_OF = 91
    CHECKPOINT_IS = 92
    ALERT = 93
    SEALED_M = 94
    SUBMISSION = 95

    # Relay.
    JOIN = 96
    JOINED = 97

    # Whoever relies on logs.
    ALERTS_OF = 98
    ALERTS = 99

    # Mirror.
    NEWEST_OF = 100
    CHECKPOINTS_SEEN = 101
    PROOFS_OF = 102
    PROOFS = 103

    # The owner's control socket: what happens here, as it happens.
    WATCH = 240
    HAPPENED = 241
    HEALTH_OF = 242
    HEALTH = 243


class InFile(enum.IntEnum):
    """Steps that stand in files of evidence only, and are never said to anybody."""

    EVIDENCE = 250
    LOG_RULES = 251
    DELIVERED = 252
