"""Being a daemon from the command line: what `anonnet NOUN run` does until SIGTERM."""

from __future__ import annotations

import os
import resource
from collections.abc import Awaitable, Callable

import click
import trio

from anonnet_daemons.config import PORT_MAX

NOT_FOR_OTHERS = 0o077
FILES = 2048
"""A daemon may have so many files open: the connections of two merged parties, at their ports and owners' sockets, and
over HTTP, are 1,408; beside them there are its databases, and the parties that it has dialed."""


def check_address(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """A host and a port; a host with colons stands in brackets."""
    if value is None:
        return None
    host, _sign, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 <= int(port) <= PORT_MAX:
        raise click.BadParameter("a host and a port such as 127.0.0.1:8080")
    return host, int(port)


http_option = click.option(
    "--http",
    callback=check_address,
    metavar="HOST:PORT",
    help="Show the log there to browsers and to readers of C2SP tiles; nobody can write.",
)
"""Where a daemon serves what it publishes, given as `http`."""


def run_daemon(run: Callable[[], Awaitable[None]]) -> None:
    """Be this daemon until it is told to stop. Raises BadStart where it cannot start, Fatal where storage fails."""
    os.umask(NOT_FOR_OTHERS)
    allow_files()
    trio.run(run)


def allow_files() -> None:
    """Raise this process's limit of open files to FILES; say so where the machine does not allow as many."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY or allowed >= FILES:
        return
    raised = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
    if raised < FILES:
        click.echo(
            f"This process may open {raised} files, and takes up to {FILES} where many connect to it: then some are"
            " turned away. Raise its hard limit (ulimit -Hn, or LimitNOFILE in a service).",
            err=True,
        )
