"""Benchmarks, a file each: `run(count)` does the work so many times and returns its figures by name."""
