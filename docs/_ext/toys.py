"""The directive `toys`: how near fitted models come to built-in data, from the file that the benchmark writes.

Of each model and data set the mean over the seeds, and the largest in brackets; nothing of it is typed.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from docutils import nodes
from sections import Made
from sphinx.application import Sphinx

FILE = Path(__file__).parent.parent / "measured" / "toys.json"
SAID = (
    "The sliced Wasserstein distance of 2,000 samples to held-out points over that of as many samples of the data: 1 is "
    "perfect. The mean of {seeds} seeds, in brackets the largest; the last row is where nine in ten data samples come by chance. "
    "One fit takes {least} to {most} seconds of a processor. By `python -m tests.benchmarks.toys`."
)


def table(kept: dict[str, Any]) -> str:
    """The rows of a file as a Markdown table: models down, data sets across."""
    rows, data = kept["rows"], list(dict.fromkeys(row["data"] for row in kept["rows"]))
    lines = [["model", *(name.replace("_", " ") for name in data)], ["---"] * (len(data) + 1)]
    for model in sorted({row["model"] for row in rows}, key=str.lower):
        cells = [[r["ratio"] for r in rows if (r["model"], r["data"]) == (model, name)] for name in data]
        lines.append([model, *(f"{statistics.fmean(c):.2f} ({max(c):.2f})" if c else "" for c in cells)])
    known = (kept["data"][name] for name in data)
    lines.append(["data, by chance", *(f"{one['low']:.2f} to {one['high']:.2f}" for one in known)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def said(kept: dict[str, Any]) -> str:
    """What the numbers are."""
    worked = [row["processor"] for row in kept["rows"]]
    return SAID.format(seeds=len({row["seed"] for row in kept["rows"]}), least=min(worked), most=max(worked))


class Toys(Made):
    """The table of the measured models."""

    required_arguments = 0

    def run(self) -> list[nodes.Node]:
        self.made_from(__file__, FILE)
        kept = json.loads(FILE.read_text(encoding="utf-8"))
        return self.markdown(f"{said(kept)}\n\n{table(kept)}")


def setup(app: Sphinx) -> dict:
    app.add_directive("toys", Toys)
    return {"parallel_read_safe": True}
