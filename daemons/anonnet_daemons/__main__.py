"""`python -m anonnet_daemons` is the `anonnet` command."""

from anonnet_daemons.cli.main import main

main(prog_name="anonnet")
