"""Statistics of samples against closed forms, scipy and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from probrl.errors import DataError
from probrl.statistics import (
    compare,
    density_and_coverage,
    sliced_wasserstein,
    squared_mmd,
    straightness,
    velocity_deviation,
    wasserstein,
)

TWO_SAMPLES = [wasserstein, sliced_wasserstein, squared_mmd, density_and_coverage]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestWasserstein:
    @pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 12), (1, 5), (100, 64), (3, 2)])
    def test_against_scipy_and_against_repeated_samples(self, n, m):
        x, y = torch.randn(n, dtype=torch.float64), 2 * torch.randn(m, dtype=torch.float64) + 1
        assert wasserstein(x, y, p=1).item() == pytest.approx(stats.wasserstein_distance(x.numpy(), y.numpy()))
        # W2 by the sorted samples, each repeated until both are as many.
        a, b = np.sort(np.repeat(x.numpy(), m)), np.sort(np.repeat(y.numpy(), n))
        assert wasserstein(x, y).item() == pytest.approx(math.sqrt(np.mean((a - b) ** 2)))
        assert wasserstein(y, x).item() == pytest.approx(wasserstein(x, y).item())

    def test_of_gaussians(self):
        u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
        x, y = 1 + 0.5 * torch.special.ndtri(u), -1 + 2 * torch.special.ndtri(u)
        assert wasserstein(x, y).item() == pytest.approx(math.hypot(2, 1.5), rel=1e-3)

    def test_columns_are_samples_of_their_own(self):
        x, y = torch.randn(20, 3), torch.randn(30, 3)
        expected = torch.stack([wasserstein(x[:, i], y[:, i]) for i in range(3)])
        torch.testing.assert_close(wasserstein(x, y), expected)

    def test_sliced_of_a_shift(self):
        x, delta = torch.randn(50, 5, dtype=torch.float64), torch.tensor([3.0, 0, 0, 4.0, 0], dtype=torch.float64)
        found = sliced_wasserstein(x, x + delta, projections=20_000, generator=generator())
        assert found.item() == pytest.approx(5 / math.sqrt(5), rel=0.02)

    def test_sliced_on_a_line_is_the_distance_itself(self):
        x, y = torch.randn(40, 1), torch.randn(60, 1)
        torch.testing.assert_close(sliced_wasserstein(x, y), wasserstein(x, y).squeeze())

    def test_sliced_is_zero_for_a_shuffle_and_follows_its_generator(self):
        x, y = torch.randn(40, 1, 2, 2), torch.randn(60, 1, 2, 2)
        assert sliced_wasserstein(x, x[torch.randperm(40)]).item() == pytest.approx(0, abs=1e-6)
        assert sliced_wasserstein(x, y, generator=generator(3)) == sliced_wasserstein(x, y, generator=generator(3))

    def test_gradients_pass(self):
        x = torch.randn(10, 2, dtype=torch.float64, requires_grad=True)
        y = torch.randn(15, 2, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: sliced_wasserstein(x, y, 5, generator=generator()), x)

    def test_powers_and_numbers_of_directions_are_refused(self):
        with pytest.raises(DataError, match="from 1 on"):
            wasserstein(torch.zeros(3), torch.zeros(3), p=0.5)
        with pytest.raises(DataError, match="projections"):
            sliced_wasserstein(torch.zeros(3, 2), torch.zeros(3, 2), projections=0)


class TestDiscrepancy:
    def test_against_loops(self):
        x, y, h = torch.randn(6, 2, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64) + 1, 0.8

        def k(a, b):
            return math.exp(-float((a - b).square().sum()) / (2 * h * h))

        within = [
            sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) / len(z) / (len(z) - 1)
            for z in (x, y)
        ]
        across = sum(k(a, b) for a in x for b in y) / 54
        assert squared_mmd(x, y, bandwidth=h).item() == pytest.approx(sum(within) - 2 * across)

    def test_of_gaussians_in_closed_form(self):
        h, s, d, shift, n = 1.5, 0.5, 3, 1.0, 1500
        x, y = torch.randn(n, d, dtype=torch.float64), shift + s * torch.randn(n, d, dtype=torch.float64)

        def mean_kernel(variance, distance=0.0):
            total = h * h + variance
            return (h * h / total) ** (d / 2) * math.exp(-(distance**2) / (2 * total))

        exact = mean_kernel(2) + mean_kernel(2 * s * s) - 2 * mean_kernel(1 + s * s, shift * math.sqrt(d))
        assert squared_mmd(x, y, bandwidth=h).item() == pytest.approx(exact, rel=0.05)

    def test_is_zero_on_average_for_one_distribution(self):
        found = torch.stack([squared_mmd(torch.randn(50, 2), torch.randn(50, 2)) for _ in range(200)])
        assert found.mean().abs() < 3 * found.std() / math.sqrt(200) and found.min() < 0

    def test_the_bandwidth_is_the_median_distance(self):
        x, y = torch.randn(20, 2, dtype=torch.float64), torch.randn(31, 2, dtype=torch.float64)
        from scipy.spatial.distance import pdist

        h = float(np.median(pdist(torch.cat([x, y]).numpy())))
        assert squared_mmd(x, y).item() == pytest.approx(squared_mmd(x, y, bandwidth=h).item())

    def test_bandwidths_that_are_none_are_refused(self):
        with pytest.raises(DataError, match="bandwidth"):
            squared_mmd(torch.zeros(3, 2), torch.ones(3, 2), bandwidth=0.0)
        with pytest.raises(DataError, match="all points are one"):
            squared_mmd(torch.zeros(3, 2), torch.zeros(3, 2))


class TestNeighbours:
    @pytest.mark.parametrize("k", [1, 3])
    def test_against_loops(self, k):
        x, y = torch.randn(12, 2, dtype=torch.float64), 0.5 + torch.randn(9, 2, dtype=torch.float64)
        radii = [sorted(float((a - b).norm()) for j, b in enumerate(x) if j != i)[k - 1] for i, a in enumerate(x)]
        inside = [[float((a - b).norm()) <= r for b in y] for a, r in zip(x, radii, strict=True)]
        found = density_and_coverage(x, y, k=k)
        assert found.density.item() == pytest.approx(sum(map(sum, inside)) / (k * 9))
        assert found.coverage.item() == pytest.approx(sum(map(any, inside)) / 12)

    def test_of_one_distribution(self):
        found = [density_and_coverage(torch.randn(200, 3), torch.randn(200, 3), k=3) for _ in range(50)]
        density, coverage = (torch.stack(v).mean() for v in zip(*found, strict=True))
        expected = 1 - math.prod((199 - i) / (399 - i) for i in range(3))
        assert density == pytest.approx(1, abs=0.03) and coverage == pytest.approx(expected, abs=0.02)

    def test_a_lost_mode_and_points_beside_the_data_show(self):
        x = torch.cat([torch.randn(100, 2), 50 + torch.randn(100, 2)])
        lost = density_and_coverage(x, torch.randn(200, 2))
        assert lost.coverage < 0.55 and lost.density > 0.8
        assert density_and_coverage(x, x + 1000) == (0, 0)
        assert density_and_coverage(x, x).coverage == 1

    def test_neighbours_that_there_are_not_are_refused(self):
        with pytest.raises(DataError, match="data needs 6 points"):
            density_and_coverage(torch.randn(5, 2), torch.randn(5, 2))
        with pytest.raises(DataError, match="k is a positive"):
            density_and_coverage(torch.randn(5, 2), torch.randn(5, 2), k=0)


class TestStraightness:
    times = torch.linspace(1, 0, 11, dtype=torch.float64)

    def line(self, speed):
        """Points on a line from start to end, at places between 0 and 1."""
        start, end = torch.randn(2, 8, 3, dtype=torch.float64)
        return start + speed(self.times).view(-1, 1, 1) * (end - start)

    def test_of_lines(self):
        even, uneven = self.line(lambda t: t), self.line(lambda t: t**2)
        assert straightness(even).item() == pytest.approx(1) and straightness(uneven).item() == pytest.approx(1)
        assert velocity_deviation(even, self.times).item() == pytest.approx(0, abs=1e-20)
        assert velocity_deviation(uneven, self.times).item() > 0.1
        assert straightness(torch.ones(4, 2, 2)) == 1

    def test_of_a_half_circle(self):
        t = torch.linspace(0, 1, 2001, dtype=torch.float64)
        circle = torch.stack([(math.pi * t).cos(), (math.pi * t).sin()], -1).unsqueeze(1)
        assert straightness(circle).item() == pytest.approx(2 / math.pi, rel=1e-5)
        # The mean of |v - d|^2 is that of |v|^2 less |d|^2: pi^2 - 2^2.
        assert velocity_deviation(circle, t).item() == pytest.approx(math.pi**2 - 4, rel=1e-5)
        assert velocity_deviation(circle.flip(0), t.flip(0)).item() == pytest.approx(math.pi**2 - 4, rel=1e-5)

    def test_events_of_any_shape(self):
        x = torch.randn(5, 4, 1, 2, 2)
        torch.testing.assert_close(straightness(x), straightness(x.flatten(2)))

    def test_what_is_no_trajectory_is_refused(self):
        with pytest.raises(DataError, match="a step or more"):
            straightness(torch.zeros(1, 3, 2))
        with pytest.raises(DataError, match="one entry per point"):
            velocity_deviation(torch.zeros(4, 3, 2), torch.zeros(3))
        with pytest.raises(DataError, match="rise or fall"):
            velocity_deviation(torch.zeros(3, 3, 2), torch.tensor([0.0, 1.0, 0.5]))


@pytest.mark.parametrize("statistic", TWO_SAMPLES)
def test_samples_that_do_not_go_together_are_refused(statistic):
    x = torch.randn(20, 2)
    with pytest.raises(DataError, match="points of one shape"):
        statistic(x, torch.randn(20, 3))
    with pytest.raises(DataError, match="NaN"):
        statistic(x, torch.full((20, 2), float("nan")))
    with pytest.raises(DataError, match="points or more"):
        statistic(x, x[:0])


class TestComparison:
    def test_is_each_statistic_of_the_same_points(self):
        x, y = torch.randn(60, 1, 2, 2), torch.randn(50, 1, 2, 2)
        found = compare(x, y)
        near = density_and_coverage(y, x)
        assert found["squared_mmd"] == pytest.approx(squared_mmd(x, y).item(), abs=1e-6)
        assert (found["density"], found["coverage"]) == pytest.approx([v.item() for v in near])
        assert found == compare(x, y) and found != compare(x, y, seed=1)

    def test_looks_at_no_more_points_than_it_may(self):
        x, y = torch.randn(60, 2), torch.randn(50, 2)
        assert compare(x, y, at_most=20)["coverage"] * 20 == pytest.approx(
            round(compare(x, y, at_most=20)["coverage"] * 20)
        )
        with pytest.raises(DataError, match="six points"):
            compare(x, y, at_most=5)
