"""The shell: ``probrl train | resume | eval | plot | show | list``."""

from probrl.cli.main import main

__all__ = ["main"]
