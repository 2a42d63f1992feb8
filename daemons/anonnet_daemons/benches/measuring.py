"""What all benchmarks of daemons share: times, CPU time of other processes, and a daemon to be measured.

Figures are printed and never asserted. Daemons, clients and whatever else runs share this machine; its load is part of
every figure.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anonnet_daemons.config import Kind
from anonnet_daemons.founding import Plan, found
from anonnet_daemons.network import LocalNetwork

CURRENCY, PRICE = "EUR", 1


@dataclass(frozen=True, slots=True)
class Times:
    """How long each of several things took."""

    p50_ms: float
    p99_ms: float
    slowest_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        ordered = sorted(seconds)
        p50, p99 = (ordered[min(len(ordered) - 1, len(ordered) * each // 100)] for each in (50, 99))
        return cls(round(p50 * 1000, 1), round(p99 * 1000, 1), round(ordered[-1] * 1000, 1))


def load() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def cpu_seconds(local: LocalNetwork) -> dict[str, float]:
    """CPU time that each process has used so far, in user and system mode; empty where /proc does not tell."""
    used: dict[str, float] = {}
    for daemon in local.daemons.values():
        path = Path(f"/proc/{daemon.pid if daemon.running else 'none'}/stat")
        if path.exists():
            user, system = path.read_text().rpartition(")")[2].split()[11:13]
            used[daemon.name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return used


@asynccontextmanager
async def alone(kind: Kind, *options: str) -> AsyncIterator[LocalNetwork]:
    """One party's daemon by itself, started with these options, in a network without mirrors."""
    with tempfile.TemporaryDirectory(prefix="anonnet-") as folder:
        home = Path(folder) / "bench"
        await found(Plan(home, CURRENCY, denominations=(PRICE,)))
        local = LocalNetwork(home)
        daemon = local[kind]
        daemon.options = options
        try:
            await daemon.start()
            await daemon.ready()
            yield local
            await daemon.stop()
        finally:
            await daemon.end_now()
