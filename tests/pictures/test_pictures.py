"""Pictures: each is written and shows what it was given; what cannot be drawn is refused by name."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from probrl import pictures
from probrl.errors import DataError, MissingExtraError
from probrl.pictures.figure import classes, limits
from probrl.pictures.images import tiled


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


EVENTS = {"plane": (2,), "line": (1,), "numbers": (), "vectors": (5,), "images": (1, 4, 4), "colours": (3, 4, 6)}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("beside", [False, True])
def test_samples_of_every_kind_are_drawn(event, beside, tmp_path):
    x, data = torch.randn(60, *EVENTS[event]), torch.randn(40, *EVENTS[event]) if beside else None
    path = pictures.draw_samples(x, data, tmp_path / "new" / "samples.png")
    drawn = pixels(path)
    assert drawn.shape[0] > 300 and drawn.std() > 3
    figure = pictures.draw_samples(x, data)
    wide = 2 if beside and event not in ("line", "numbers") else 1
    assert len(figure.axes) == wide


def test_the_points_drawn_are_the_samples_and_the_scale_is_one():
    x, data = torch.randn(60, 2), 2 * torch.randn(40, 2)
    left, right = pictures.draw_samples(x, data, title="of the model").axes
    assert np.allclose(right.collections[0].get_offsets(), x) and np.allclose(left.collections[0].get_offsets(), data)
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()
    assert left.get_title() == "data" and right.get_title() == "of the model"


def test_labels_become_colours():
    one_hot = torch.nn.functional.one_hot(torch.arange(60) % 3, 3).float()
    drawn = [
        pictures.draw_samples(torch.randn(60, 2), labels=labels).axes[0].collections[0].get_array()
        for labels in (torch.arange(60) % 3, one_hot)
    ]
    assert np.array_equal(*drawn)
    assert np.allclose(classes(torch.linspace(-1, 1, 5).unsqueeze(1)), np.linspace(-1, 1, 5))


def test_vectors_are_seen_from_where_they_vary_most():
    x = torch.randn(500, 5) * torch.tensor([0.01, 3.0, 0.01, 1.0, 0.01])
    [axes] = pictures.draw_samples(x).axes
    shown = axes.collections[0].get_offsets()
    assert np.allclose(np.std(shown, 0), [3, 1], rtol=0.15) and "principal" in axes.get_title()


def test_a_lost_point_does_not_shrink_the_picture():
    low, high = limits(torch.cat([torch.randn(5000, 2), torch.tensor([[1e6, 0.0]])]))
    assert (low > -6).all() and (high < 6).all()
    low, high = limits(torch.ones(3, 2))
    assert (high > low).all()


def test_images_are_laid_out_in_rows():
    x = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, 0.0, 1.0)])
    sheet = tiled(x)
    assert sheet.shape == (7, 7, 1)
    assert sheet[1:3, 1:3].eq(0).all() and sheet[1:3, 4:6].eq(0.5).all() and sheet[4:6, 1:3].eq(1).all()


def test_trajectories_in_the_plane_and_over_time(tmp_path):
    steps = torch.linspace(0, 1, 11).view(-1, 1, 1)
    start, end = torch.randn(2, 30, 2)
    ways = start + steps * (end - start)
    path = pictures.draw_trajectories(ways, end, tmp_path / "ways.png", lines=20)
    assert pixels(path).std() > 3
    [axes] = pictures.draw_trajectories(ways, lines=20).axes
    lines, starts, ends = axes.collections
    assert len(lines.get_segments()) == 20 and np.allclose(lines.get_segments()[3], ways[:, 3])
    assert np.allclose(starts.get_offsets(), start[:20]) and np.allclose(ends.get_offsets(), end[:20])
    [axes] = pictures.draw_trajectories(ways[..., :1], times=torch.linspace(1, 0, 11)).axes
    assert len(axes.lines) == 30 and axes.get_xlim() == (1, 0) and axes.get_xlabel() == "t"


def test_a_density_is_drawn_where_it_is(tmp_path):
    centre = torch.tensor([1.0, -1.0])

    def log_prob(x):
        return -((x - centre) ** 2).sum(-1) / 0.1

    figure = pictures.draw_density(log_prob, window=(-2, 2), resolution=41, rows=100)
    drawn = figure.axes[0].images[0].get_array()
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (10, 30)  # y upwards, then x
    path = pictures.draw_density(log_prob, centre + torch.randn(50, 2), tmp_path / "density.png")
    assert pixels(path).shape[1] > 800


def test_a_density_over_the_line_is_a_curve(tmp_path):
    figure = pictures.draw_density(lambda x: -x[:, 0].abs(), torch.randn(50), resolution=31)
    x, y = figure.axes[0].lines[0].get_data()
    assert np.allclose(y, np.exp(-np.abs(x)))


def frames(path):
    with Image.open(path) as image:
        return image.n_frames, [image.seek(k) or image.info["duration"] for k in range(image.n_frames)]


ANIMATED = {"plane": (2,), "line": (1,), "images": (1, 4, 4)}


@pytest.mark.parametrize("event", ANIMATED)
def test_an_animation_has_a_frame_per_step_and_holds_the_last(event, tmp_path):
    ways = torch.linspace(2, 1, 5).view(-1, 1, *[1] * len(ANIMATED[event])) * torch.randn(40, *ANIMATED[event])
    data = None if event == "images" else ways[-1]
    path = pictures.animate(ways, tmp_path / "new" / "a.gif", data, torch.linspace(1, 0, 5), fps=10, hold=0.5, dpi=40)
    count, durations = frames(path)
    assert count == 5 and durations == [100, 100, 100, 100, 600]


def test_what_cannot_be_drawn_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="a point or more"):
        pictures.draw_samples(torch.zeros(0, 2))
    with pytest.raises(DataError, match="data has NaN"):
        pictures.draw_samples(torch.zeros(3, 2), torch.full((3, 2), float("nan")))
    with pytest.raises(DataError, match="of one shape"):
        pictures.draw_samples(torch.zeros(3, 2), torch.zeros(3, 3))
    with pytest.raises(DataError, match="a step or more"):
        pictures.draw_trajectories(torch.zeros(1, 3, 2))
    with pytest.raises(DataError, match="not in 3"):
        pictures.draw_trajectories(torch.zeros(2, 3, 3))
    with pytest.raises(DataError, match="one entry per"):
        pictures.draw_trajectories(torch.zeros(2, 3, 1), times=torch.zeros(3))
    with pytest.raises(DataError, match="window="):
        pictures.draw_density(lambda x: x[:, 0])
    with pytest.raises(DataError, match="one number per point"):
        pictures.draw_density(lambda x: x, window=(0, 1))
    with pytest.raises(DataError, match="NaN or far above 0"):
        pictures.draw_density(lambda x: x[:, 0] * float("nan"), window=(0, 1))
    with pytest.raises(DataError, match="not over 3"):
        pictures.draw_density(lambda x: x[:, 0], torch.zeros(5, 3))
    with pytest.raises(DataError, match=r"ends in \.gif, not 'a\.mp4'"):
        pictures.animate(torch.zeros(2, 3, 2), tmp_path / "a.mp4")
    with pytest.raises(DataError, match="not events of shape"):
        pictures.animate(torch.zeros(2, 3, 5), tmp_path / "a.gif")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"probrl\[plot\]"):
        pictures.draw_samples(torch.zeros(3, 2))
