"""Real frames of purchases, mutated, against every party at every stage of a sale.

A mutation changes bytes, or changes the tree of a message and signs it again with the keys of its signers, so that what
lies behind the signatures is reached too. Whatever comes: no exception but what the shell turns into a refusal or a
closed connection, and after either of them the store holds what it held.

ANONNET_FUZZ_SECONDS says for how long (1), ANONNET_FUZZ_SEED repeats a run, whose seed is printed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random
from typing import Any

import msgpack

from anonnet.crypto.keys import SigningKey
from anonnet.protocol.goods import GoodsM
from anonnet.protocol.logbook import Entries, Undecided
from anonnet.protocol.purchase import Abort, AuthorizationB, AuthorizationM, AuthorizationQ, Commit
from anonnet.protocol.refusal import Noted, Refusal
from anonnet.protocol.seed import Lane
from anonnet.protocol.withdrawal import WithdrawB
from anonnet.store.errands import Errand
from anonnet.wire.codec import STEPS, Message, encode
from anonnet.wire.frames import Frame, frame
from anonnet.wire.signed import Signature, Signed
from tests.actor import Actor, Said
from tests.dump import Dump, dump
from tests.paper.scenes import Scene
from tests.stage import NETWORK, key_of
from tests.unit.wire.samples import MESSAGES, sample

SECONDS = float(os.environ.get("ANONNET_FUZZ_SECONDS", "1"))
ROUNDS_MIN = 1000
"""However slow the machine: with fewer frames it says nothing that each fate has been met."""
SEED = int(os.environ.get("ANONNET_FUZZ_SEED", time.time_ns() % 2**32))

STOPS: list[tuple[type[Message], ...]] = [
    (),
    (GoodsM,),
    (AuthorizationB,),
    (AuthorizationM,),
    (Commit, Entries),
    (AuthorizationM, Noted),
    (Undecided,),
]
"""What is lost in each scene, so that its errands stand at different places of a sale."""

WORDS: list[Any] = [0, 1, -1, 2**31, 2**53, 2**64 - 1, b"", bytes(32), bytes(64), "", "none", [], None, True, 0.0, {}]


def scene(folder: Path, lost: tuple[type[Message], ...]) -> Scene:
    """A purchase as far as it comes when some lines are lost; where P4 is lost, past its expiration."""
    folder.mkdir(parents=True)
    made = Scene(folder)
    made.prepare()
    made.lost = lambda line: line.kind in lost
    made.buy()
    made.settle()
    if AuthorizationM in lost:
        made.to_expiration()
    return made


KEPT_BY_REFUSALS = {"clock", "late", "overdue"}
"""Tables of a log that calls P4 late, and of a bank that calls an exchange late: that it did, and how late it was then,
is the one thing a refusal writes."""


class Fuzz:
    """Scenes, the lines that were said in them, and one source of chance."""

    def __init__(self, folder: Path, chance: Random) -> None:
        self.chance = chance
        self.scenes = self.fresh(folder)
        self.said: list[Said] = [line.said for each in self.scenes for line in each.heard]
        self.keys = {key.public: key for key in self._keys()}
        self.taken = self.refused = self.malformed = 0

    def fresh(self, folder: Path) -> list[Scene]:
        """New scenes, nobody of whom has been attacked."""
        self.known: dict[int, tuple[int, Dump]] = {}
        return [scene(folder / str(number), lost) for number, lost in enumerate(STOPS)]

    def _keys(self) -> list[SigningKey]:
        stage = self.scenes[0]
        purse = stage.consumer.party.purse
        tokens = [purse.secrets(brand, Lane.WITHDRAWAL, index).key for brand in purse.brands for index in range(4)]
        return [*map(key_of, ("bank", "merchant", "log")), purse.account(stage.bank_key), *tokens]

    # Mutations.

    def mutated(self, said: Said) -> Frame:
        """A frame as nobody would send it, or as somebody sent it."""
        if self.chance.random() < 0.7:
            said = self.replanted(said)
        bare = said.body if isinstance(said, Signed) and not said.signatures else encode(said)
        made = Frame(said.step if isinstance(said, Message) else self.step(said), 1, bare)
        if self.chance.random() < 0.2:
            made = Frame(made.step, 1, self.damaged(made.payload))
        if self.chance.random() < 0.02:
            made = Frame(self.chance.choice(list(STEPS)), 1, made.payload)
        return made

    def step(self, said: Signed) -> int:
        tree = msgpack.unpackb(said.body, strict_map_key=False)
        return tree[0] if tree and type(tree[0]) is int and tree[0] in STEPS else Refusal.step

    def replanted(self, said: Said) -> Said:
        """One or more parts of the message replaced, and signed again."""
        body = said.body if isinstance(said, Signed) else encode(said)
        tree = msgpack.unpackb(body)
        for _ in range(self.chance.choice([1, 1, 1, 2, 5])):
            self.replant(tree)
        signers = [each.signer for each in said.signatures] if isinstance(said, Signed) else []
        return self.signed(msgpack.packb(tree), signers)

    def replant(self, tree: list[Any]) -> None:
        """Replace one part: by a word, by a near number, or by a part of another message."""
        at = tree
        while (inner := [each for each in at if isinstance(each, list) and each]) and self.chance.random() < 0.7:
            at = self.chance.choice(inner)
        place = self.chance.randrange(len(at))
        if isinstance(at[place], int) and self.chance.random() < 0.5:
            at[place] = min(2**64 - 1, at[place] + self.chance.choice([-1, 1, 60, 10**6, 2**40]))
        elif self.chance.random() < 0.5:
            at[place] = self.chance.choice(WORDS)
        else:
            other = self.chance.choice(self.said)
            donor = msgpack.unpackb(other.body if isinstance(other, Signed) else encode(other))
            at[place] = self.chance.choice(donor)

    def signed(self, body: bytes, signers: list[bytes]) -> Signed:
        """The body under valid signatures of those signers whose keys are known; none: as it is."""
        try:
            step = msgpack.unpackb(body, strict_map_key=False)[0]
        except (ValueError, TypeError, IndexError):
            step = 0
        covered = msgpack.packb(["anonnet/1", NETWORK, step, body])
        if len(signers) == len(self.keys):
            signers = self.chance.sample(signers, self.chance.choice([1, 1, 1, 2]))
        made = [
            Signature(signer=each, signature=self.keys[each].sign(covered))
            for each in sorted(signers)
            if each in self.keys
        ]
        return Signed(body=body, signatures=tuple(made))

    def damaged(self, data: bytes) -> bytes:
        """Bytes changed, cut, doubled."""
        at = self.chance.randrange(len(data) + 1)
        match self.chance.randrange(4):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + self.chance.randbytes(self.chance.randint(1, 4)) + data[at:]
            case 2:
                return data[:at] + data[at + 1 :]
        changed = bytearray(data)
        changed[at % len(data)] ^= self.chance.randint(1, 255)
        return bytes(changed)

    # One attack.

    def attack(self) -> None:
        """One frame to one party, as a request, as a command, or as the answer to something it asked."""
        stage = self.chance.choice(self.scenes)
        actor, said, errand = self.answer(stage) if self.chance.random() < 0.4 else self.request(stage)
        attacked = self.mutated(said)
        before, closed = self.dump(actor), len(actor.closed)
        reply = actor.takes(attacked, owner=errand is None and self.chance.random() < 0.05, answers=errand)
        refused = reply is not None and reply.step == Refusal.step
        self.malformed += len(actor.closed) > closed
        self.refused += refused
        self.taken += not refused and len(actor.closed) == closed
        if refused or len(actor.closed) > closed:
            after = self.dump(actor)
            changed = {table for table in after if after[table] != before[table]}
            assert changed <= KEPT_BY_REFUSALS, f"{actor.name} has changed"
        if self.chance.random() < 0.001:
            stage.now += self.chance.randint(1, 20)

    def request(self, stage: Scene) -> tuple[Actor, Said, None]:
        """Something that was said, or could be, to somebody who takes such things, or does not."""
        said = self.chance.choice(self.said)
        if self.chance.random() < 0.1:
            said = self.signed(encode(sample(self.chance.choice(MESSAGES), self.chance)), list(self.keys))
        takers = [each for each in stage.actors if STEPS[said.step] in each.party.handlers]
        chosen = takers if takers and self.chance.random() < 0.9 else stage.actors
        return self.chance.choice(chosen), said, None

    def answer(self, stage: Scene) -> tuple[Actor, Said, Errand | None]:
        """To an errand that stands: what its receiver really says to it, or would say to another."""
        actor = self.chance.choice(stage.actors)
        standing = actor.store.errands.due(2**60, most=20)
        if not standing:
            return self.request(stage)
        errand = self.chance.choice(standing)
        asked = errand if self.chance.random() < 0.9 else self.chance.choice(standing)
        reply = stage.actor(asked.receiver).takes(frame(asked.said, 1))
        return actor, reply or self.chance.choice(self.said), errand

    def dump(self, actor: Actor) -> Dump:
        """What the actor's store holds, read again only where something was written."""
        changes = actor.store.changes
        if self.known.get(id(actor), (-1,))[0] != changes:
            self.known[id(actor)] = changes, dump(actor.store)
        return self.known[id(actor)][1]


def test_mutated_frames_of_a_purchase(tmp_path: Path) -> None:
    print(f"ANONNET_FUZZ_SEED={SEED}")
    until = time.monotonic() + SECONDS
    fuzz, rounds = Fuzz(tmp_path / "0", Random(SEED)), 0
    while time.monotonic() < until or rounds < ROUNDS_MIN:
        rounds += 1
        if rounds % 10_000 == 0:
            fuzz.scenes = fuzz.fresh(tmp_path / str(rounds))
        fuzz.attack()
    print(f"{rounds} frames: {fuzz.taken} taken, {fuzz.refused} refused, {fuzz.malformed} malformed")

    assert min(fuzz.taken, fuzz.refused, fuzz.malformed) > rounds / 100


def test_the_scenes_stand_at_different_places(tmp_path: Path) -> None:
    fuzz = Fuzz(tmp_path, Random(0))
    waiting = {
        type(errand.message)
        for each in fuzz.scenes
        for actor in each.actors
        for errand in actor.store.errands.due(2**60, most=99)
    }

    assert {AuthorizationQ, AuthorizationB, AuthorizationM, Abort} <= waiting
    assert {WithdrawB, Commit, Abort, Entries} <= {STEPS[frame(said, 0).step] for said in fuzz.said}
