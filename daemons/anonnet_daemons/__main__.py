"""`python -m anonnet_daemons` is the `anonnet` command."""

from anonnet_daemons.cli.main import main

if __name__ == "__main__":  # benchmarks start processes that import this file anew
    main(prog_name="anonnet")
