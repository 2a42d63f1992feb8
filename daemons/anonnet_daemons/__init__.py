"""The programs: the parties as processes, the `anonnet` command, and a local network of all of them."""
