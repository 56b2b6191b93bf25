"""What `import probrl` costs beyond torch, in new processes, warm.

python -m tests.benchmarks.import_time
"""

from __future__ import annotations

import statistics
import subprocess
import sys

MEASURE = "import torch, time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"


def seconds(module: str, rounds: int = 7) -> float:
    """Median seconds that an import takes in a new process in which torch is imported already."""
    command = [sys.executable, "-c", MEASURE.format(module=module)]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(rounds)]
    return statistics.median(times[1:])  # the first one warms the disk


def main() -> None:
    for module in ("probrl", "pixyz.distributions", "sympy"):
        print(f"{module:20} {seconds(module):.2f} s")


if __name__ == "__main__":
    main()
