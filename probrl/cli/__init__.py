"""The shell: ``probrl train | eval | show | list``."""

from probrl.cli.main import main

__all__ = ["main"]
