"""Contestants timed against each other: `python -m tests.benchmarks.ppo_update`, and the same with `sac_update`."""
