"""The runner of turns: what a stranger sends cannot stop it."""

from __future__ import annotations

from pathlib import Path

from anonnet.protocol.account import OpenAccount
from anonnet.protocol.refusal import Noted
from anonnet.wire.signed import Signer
from tests.stage import NETWORK, Stage, key_of


def test_a_request_of_too_many_signers_ends_its_own_connection_only(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    order = OpenAccount(bank=stage.bank.party.key)

    said = stage.say("stranger", stage.bank, Signer(NETWORK, key_of("a"), key_of("b")).sign(order))
    after = stage.say("customer", stage.bank, Signer(NETWORK, key_of("a")).sign(order))

    assert said is None
    assert stage.bank.closed == ["OpenAccount has one signer"]
    assert isinstance(after, Noted)
