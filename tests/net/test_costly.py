"""What anybody may ask for and takes long: one of it is made at a time, some wait, and the others go on meanwhile."""

from __future__ import annotations

from pathlib import Path

import trio

from anonnet.errors import Why
from anonnet.limits import COSTLY_MAX

from .parties import Noted, NoteStore, Tally
from .test_turns import ask, turning


async def test_what_takes_long_leaves_a_finisher_free_and_more_of_it_is_refused(tmp_path: Path) -> None:
    answers: list[object] = []
    async with turning(NoteStore(), tmp_path) as queue, trio.open_nursery() as nursery:
        assert isinstance(queue.party, Tally)
        queue.party.gate.clear()

        async def asked(text: str) -> None:
            answers.append(await ask(queue, text))

        for number in range(COSTLY_MAX + 3):
            nursery.start_soon(asked, f"dear {number}")
        while len(answers) < 3:  # one is under way, as many wait as may
            await trio.sleep(0.01)
        nursery.start_soon(asked, "finish this")
        while "finish this" not in queue.party.finished:
            await trio.sleep(0.01)
        begun = [text for text in queue.party.finished if text.startswith("dear")]
        refused = list(answers)
        queue.party.gate.set()

    assert refused == [Why.FULL] * 3
    assert len(begun) == 1
    assert sum(isinstance(each, Noted) for each in answers) == COSTLY_MAX + 1
