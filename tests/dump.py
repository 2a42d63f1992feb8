"""Everything that a party's store holds, so that a test can say that nothing has changed."""

from __future__ import annotations

from typing import Any

from anonnet.store.base import Store

Dump = dict[str, list[tuple[Any, ...]]]


def dump(store: Store) -> Dump:
    """All rows of all tables."""
    tables = store._db.all("select name from sqlite_master where type = 'table' order by name")
    return {name: sorted(store._db.all(f"select * from {name}"), key=repr) for (name,) in tables}
