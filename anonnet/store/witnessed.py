"""The newest tree of each foreign log that a mirror has cosigned as a witness."""

from __future__ import annotations

from anonnet.store.database import Database
from anonnet.tlog.witness import NEVER, State

SCHEMA = """
create table if not exists witnessed(
    origin text primary key,
    size integer not null,
    root blob not null
) without rowid;
"""


class Witnessed:
    """What was cosigned, by origin."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def state(self, origin: str) -> State:
        """The newest tree; NEVER where there is none."""
        row = self._db.one("select size, root from witnessed where origin = ?", origin)
        return State(*row) if row else NEVER

    def keep(self, origin: str, state: State) -> None:
        """This tree extends the one before, and is the newest now."""
        self._db.run(
            "insert into witnessed values(?, ?, ?) on conflict do update set"
            " size = excluded.size, root = excluded.root",
            *(origin, state.size, state.root),
        )
