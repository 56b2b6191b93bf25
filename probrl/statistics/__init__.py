"""Statistics of samples: how far they are from the data, how well they cover them, how straight they came."""

from probrl.statistics.comparison import compare
from probrl.statistics.discrepancy import squared_mmd
from probrl.statistics.neighbours import Neighbours, density_and_coverage
from probrl.statistics.straightness import straightness, velocity_deviation
from probrl.statistics.wasserstein import sliced_wasserstein, wasserstein

__all__ = [
    "Neighbours", "compare", "density_and_coverage", "sliced_wasserstein", "squared_mmd", "straightness", "velocity_deviation",
    "wasserstein",
]  # fmt: skip
