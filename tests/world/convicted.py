"""Evidence against logs, where parties keep it: looked into at the end of a run, as the bank's books are.

A log that is honest is framed nowhere. One that lies is convicted before everybody who is told of such logs, as soon as
two honest mirrors hold two histories of it, or it has broken a rule before them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anonnet.errors import Malformed
from anonnet.limits import ALERTS_MAX
from anonnet.protocol.breach import breach
from anonnet.tlog.checkpoint import Checkpoint
from tests.stage import NETWORK
from tests.world.checkers import Complaints
from tests.world.council import LOG
from tests.world.liars import FORK_SEEN, FORKS, RULES_BROKEN

if TYPE_CHECKING:
    from tests.world.certified import Certified
    from tests.world.world import World


def nobody_is_framed(world: World) -> Complaints:
    """No honest party holds anything against an honest log, or believes of one that lies what a stranger would not."""
    for name in [each for each in world.nodes if each not in world.liars]:
        kept = world.nodes[name].store.alerts
        if any(log != world.lying_log for log, _, _ in kept.all()):
            yield f"{name} has evidence against an honest log"
        proven = kept.proven(0, most=ALERTS_MAX)
        if not all(convicts(world, log, shard, evidence) for log, shard, evidence in proven):
            yield f"{name} believes an alert that convicts nobody"


def a_lying_log_is_convicted(seen: Certified) -> Complaints:
    """Before every honest party that hears of alerts: mirrors find it out, and tell the others."""
    world, lie = seen.world, seen.council.log_lie
    forked = lie == FORKS and two_histories_are_held(seen)
    world.faults[FORK_SEEN] += forked
    if forked or (lie in RULES_BROKEN and world.faults[lie]):
        for name in world.servers:
            held = world.nodes[name].store.alerts.against(seen.known.identity)
            if name not in world.liars and not (held and convicts(world, seen.known.identity, *held)):
                yield f"{name} has no evidence though the log {lie}"


def two_histories_are_held(seen: Certified) -> bool:
    """By two of the mirrors that never lie."""
    return any(
        not seen.copy(one, shard).leads_to(Checkpoint(LOG, size, seen.copy(other, shard).tree.root(size)))
        for one in seen.honest
        for other, shard in seen.copies
        if (size := min(seen.copy(one, shard).tree.size, seen.copy(other, shard).tree.size))
    )


def convicts(world: World, log: bytes, shard: int, evidence: bytes) -> bool:
    """A stranger who has the log's key is convinced."""
    try:
        breach(NETWORK, world.directory.logs[log], shard, evidence)
    except Malformed:
        return False
    return True
