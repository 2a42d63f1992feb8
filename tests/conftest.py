"""What long tests have reached is told at the end of the run: seeds, faults, counts, times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

REACHED: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say one line of what this test has reached."""
    lines = request.config.stash.setdefault(REACHED, [])
    return lambda line: lines.append(f"{request.node.nodeid}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the lines under a heading of their own."""
    if lines := config.stash.get(REACHED, []):
        terminalreporter.section("reached")
        terminalreporter.write_line("\n".join(lines))
