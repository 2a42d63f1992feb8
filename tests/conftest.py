"""What long tests have reached is told at the end of the run: seeds, faults, counts, times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

REACHED = "reached"


@pytest.fixture
def reached(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say one line of what this test has reached. It travels with the test's report, from whatever process ran it."""
    return lambda line: request.node.user_properties.append((REACHED, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines under a heading of their own."""
    told = [each for reports in terminalreporter.stats.values() for each in reports]
    ends = [each for each in told if isinstance(each, pytest.TestReport) and each.when == "teardown"]
    lines = [f"{each.nodeid}: {said}" for each in ends for name, said in each.user_properties if name == REACHED]
    if lines:
        terminalreporter.section("reached")
        terminalreporter.write_line("\n".join(lines))
