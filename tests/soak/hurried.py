"""Runs the `anonnet` command with other limits, so that a test need not wait for minutes. A program for tests.

hurried.py NAME=NUMBER ... -- NOUN run --data FOLDER
"""

from __future__ import annotations

import sys

from anonnet import limits

if __name__ == "__main__":
    at = sys.argv.index("--")
    for setting in sys.argv[1:at]:
        name, _, number = setting.partition("=")
        assert hasattr(limits, name), f"there is no limit {name}"
        setattr(limits, name, float(number) if "." in number else int(number))
    from anonnet_daemons.cli.main import main  # only now: what it imports reads the limits

    main(sys.argv[at + 1 :], prog_name="anonnet")
