"""A merchant who cheats, for the demo of a dispute: `python -m anonnet_daemons.dishonest merchant run --data FOLDER`.

He signs the contract for what the file was when he put it on sale, and seals whatever stands there now. All else is the
honest merchant's program.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from anonnet.parties.delivering import GoodsSealed, SealGoods
from anonnet.parties.merchant import Merchant
from anonnet.parties.turn import Again
from anonnet.protocol.goods import Chunk
from anonnet_daemons.cli.running import run_daemon
from anonnet_daemons.merchant import run


class Cheat(Merchant):
    """M, who does not look whether the goods are still what he sells."""

    def finish(self, job: object) -> Chunk | Again:
        made = super().finish(job)
        if not isinstance(job, SealGoods) or not isinstance(made, Again) or not isinstance(made.body, GoodsSealed):
            return made
        sealed = made.body.sealed
        return Again(replace(made.body, sealed=sealed and replace(sealed, measured=job.measured)))


if __name__ == "__main__":
    folder = Path(sys.argv[sys.argv.index("--data") + 1])
    run_daemon(partial(run, folder, Cheat))
