"""Samples of correlated data in three dimensions with the exact network: every path, prediction and solver, by hand.

python -m tests.benchmarks.gaussian_oracle [PATH ...]
"""

from __future__ import annotations

import sys

from tests.laws.test_gaussian_oracle import cells_in_space
from tests.paths.families import SHIPPED


def main() -> None:
    found = [cell for name in sys.argv[1:] or SHIPPED for cell in cells_in_space(name)]
    print("\n".join(f"{cell}: {error:.2%}" for cell, error in found))
    print(
        f"{sum(error < 0.01 for _, error in found)} of {len(found)} cells within 1 %, the largest {max(e for _, e in found):.2%}"
    )


if __name__ == "__main__":
    main()
