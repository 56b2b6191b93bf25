"""``python -m probrl``: the same as ``probrl``."""

import sys

from probrl.cli import main

if __name__ == "__main__":
    sys.exit(main())
