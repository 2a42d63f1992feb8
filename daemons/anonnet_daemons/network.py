"""A local network of processes: starts, stops and kills the daemons of a home. For `up`, the demo, tests and soaks.

Every process is started in a session of its own, so that Ctrl-C reaches only who started them, and ended by its pid,
whatever happens. What a daemon says goes to `daemon.log` in its data folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

import trio

from anonnet.errors import BadStart
from anonnet.limits import STOP_SECONDS
from anonnet.net.daemon import plain_errors, signalled
from anonnet.protocol.network import Network, Peer
from anonnet.store.folder import Folder
from anonnet_daemons.config import NETWORK_FILE, Kind, read_network, read_setup
from anonnet_daemons.owner import NoDaemon, NotYet, Owner, noun, owner_of

LOG_FILE = "daemon.log"
READY_SECONDS = 30.0
"""A slow machine starts five daemons at the same time well within this."""
LOOK_SECONDS = 0.02
LOG_TAIL_BYTES = 2000
PROGRAM = (sys.executable, "-P", "-m", "anonnet_daemons")
"""How the `anonnet` command is started."""

NO_DWELL = "--dwell", "0"
"""For the wallet: where everybody is on one machine, and somebody waits for what comes next, time hides nobody."""


@asynccontextmanager
async def ended_by_signals() -> AsyncIterator[None]:
    """End the block on SIGTERM or Ctrl-C as if it had been cancelled, so that it can tidy up. Raises Interrupted."""
    interrupted = False
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            nonlocal interrupted
            await signalled()
            interrupted = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait)
        yield
        nursery.cancel_scope.cancel()
    if interrupted:
        raise Interrupted("stopped by a signal; every process has been ended")


class Interrupted(Exception):
    """The user, or the system, has asked to stop."""


class Daemon:
    """One process on one data folder; it can be started again after it has ended."""

    def __init__(self, folder: Path, kind: Kind, options: Iterable[str] = ()) -> None:
        self.folder = folder
        self.kind = kind
        self.options = tuple(options)
        self.program: Sequence[str] = PROGRAM
        """What is started; a test of faults puts a program of its own around the command."""
        self.process: trio.Process | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def log(self) -> Path:
        """What it has said."""
        return self.folder / LOG_FILE

    @property
    def pid(self) -> int:
        """The process's id; only while it runs."""
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def start(self) -> None:
        """Start the process; it may not be ready yet. Raises BadStart where there is no such party, or where another
        process runs on its folder: that one would answer in its place."""
        assert not self.running, f"{self.name} runs already"
        read_setup(self.folder, self.kind)
        Folder(self.folder).close()
        command = [*self.program, noun(self.kind), "run", "--data", str(self.folder)]
        with open(self.log, "ab", opener=partial(os.open, mode=0o600)) as log:
            self.process = await trio.lowlevel.open_process(
                [*command, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it answers its owner. Raises BadStart where it ends first or takes too long."""
        with trio.move_on_after(seconds):
            while self.running:
                if await self._answers():
                    return
                await trio.sleep(LOOK_SECONDS)
            raise BadStart(f"{self.name} has ended at its start: {self.last_words()}")
        raise BadStart(f"{self.name} was not ready within {seconds:g} s: {self.last_words()}")

    async def _answers(self) -> bool:
        """True if its owner gets an answer: where others reach it, its port is open before."""
        try:
            async with owner_of(self.folder, self.kind) as owner:
                await owner.health()
        except (NoDaemon, NotYet):
            return False
        return True

    def last_words(self) -> str:
        """The last line of its log."""
        text = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return text.splitlines()[-1] if text else f"look at {self.log}"

    async def stop(self, seconds: float = STOP_SECONDS + 5) -> int:
        """SIGTERM, then wait; SIGKILL after the deadline. Returns the exit code."""
        process = self.process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with trio.move_on_after(seconds):
            return await process.wait()
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL, as a power loss would: nothing is tidied up."""
        assert self.process is not None
        self.process.kill()
        return await self.process.wait()

    def pause(self) -> None:
        """Fall silent without ending, until `go_on`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Speak again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def end_now(self) -> None:
        """Kill it if it still runs, and wait for that, even where everything is being cancelled."""
        with trio.CancelScope(shield=True):
            if self.running:
                await self.kill()


class LocalNetwork:
    """The daemons of one home. `running` is the way to have one. `wallet`: options of the wallet's daemon."""

    def __init__(
        self,
        home: Path,
        *,
        wallet: Sequence[str] = (),
        programs: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.home = home
        self.network: Network = read_network(home / NETWORK_FILE)
        self._kinds = {peer.name: Kind(peer.role.value) for peer in self.network.peers}
        self.daemons = {name: Daemon(home / name, kind) for name, kind in self._kinds.items() if not self._hosts(name)}
        """By name; whoever is the only one of a kind is called after it. Who is merged with a log is run by that."""
        self._kinds[Kind.CONSUMER] = Kind.CONSUMER
        self.daemons[Kind.CONSUMER] = Daemon(home / Kind.CONSUMER, Kind.CONSUMER, (*NO_DWELL, *wallet))
        for name, program in programs.items():
            self.daemons[name].program = program

    def _hosts(self, name: str) -> bool:
        """True if a log's daemon runs this party too."""
        kind = self._kinds[name]
        return kind is not Kind.LOG and read_setup(self.home / name, kind).merged is not None

    def __getitem__(self, name: str) -> Daemon:
        return self.daemons[name]

    def peer(self, name: str) -> Peer:
        """A party of the network file."""
        peer = self.network.named(name)
        assert peer is not None, f"the network file has no {name}"
        return peer

    async def start(self) -> None:
        """Start all, and wait until all are ready. Raises BadStart."""
        for daemon in self.daemons.values():
            await daemon.start()
        for daemon in sorted(self.daemons.values(), key=lambda each: each.kind is Kind.LOG):
            await daemon.ready()  # logs last: they wait for their mirrors, one of which may have ended

    async def stop(self) -> dict[str, int]:
        """Stop all at the same time; their exit codes."""
        codes: dict[str, int] = {}

        async def stop(daemon: Daemon) -> None:
            codes[daemon.name] = await daemon.stop()

        async with trio.open_nursery() as nursery:
            for daemon in self.daemons.values():
                if daemon.running:
                    nursery.start_soon(stop, daemon)
        return codes

    async def end_now(self) -> None:
        """Kill whatever still runs, at the end of everything."""
        for daemon in self.daemons.values():
            await daemon.end_now()

    async def until_one_ends(self, until: Callable[[], Awaitable[object]]) -> None:
        """Wait for `until`. Raises BadStart if one of the daemons ends before."""

        async def attend(daemon: Daemon) -> None:
            assert daemon.process is not None
            code = await daemon.process.wait()
            raise BadStart(f"{daemon.name} has ended ({code}): {daemon.last_words()}")

        with plain_errors():
            async with trio.open_nursery() as nursery:
                for daemon in self.daemons.values():
                    nursery.start_soon(attend, daemon)
                await until()
                nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def owner(self, name: str) -> AsyncIterator[Owner]:
        """Speak with one of the daemons as its owner."""
        async with owner_of(self.home / name, self._kinds[name]) as owner:
            yield owner

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        home: Path,
        *,
        wallet: Sequence[str] = (),
        programs: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> AsyncIterator[LocalNetwork]:
        """A network that runs for the time of the block. Its processes end with the block, whatever happens in it.

        `programs` are started in the place of the `anonnet` command.
        """
        local = cls(home, wallet=wallet, programs=programs)
        try:
            await local.start()
            yield local
            await local.stop()
        finally:
            await local.end_now()
