"""The shell: ``probrl train | train-model | resume | eval | plot | show | list``."""

from probrl.cli.main import main

__all__ = ["main"]
