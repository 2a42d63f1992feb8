"""The `anonnet` command, one file per noun."""
