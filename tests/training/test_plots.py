"""Pictures and pages of runs: what is drawn, what is compared with what, and what is refused."""

import json
import math
import sys

import numpy as np
import pytest

import probrl as pr
from probrl.errors import CheckpointError, DataError, MissingExtraError
from probrl.training.plots import band, compare, learning_curve, series
from probrl.training.portrait import Portrait
from probrl.training.runs import labelled, read_run

SMALL = {"num_envs": 2, "num_steps": 16, "update_epochs": 1, "progress": False}
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, options in {"a": {"seed": 1}, "b": {"seed": 2}, "c": {"seed": 1, "gamma": 0.5}}.items():
        pr.PPO("CartPole-v1", run=str(folder / name), **options, **SMALL).learn(256)
    return [read_run(folder / name) for name in "abc"]


def test_kinds_of_runs_are_told_apart_by_what_differs(runs):
    assert [label for label, _ in labelled(runs)] == ["ppo, gamma 0.98", "ppo, gamma 0.98", "ppo, gamma 0.5"]
    assert [label for label, _ in labelled(runs[:2])] == ["ppo", "ppo"]


def test_equations_tell_kinds_apart(runs):
    import dataclasses

    other = dataclasses.replace(runs[1], digest="0123456789")
    assert [label for label, _ in labelled([runs[0], other])][1] == "ppo, equations 012345"


def test_a_band_is_the_mean_and_its_interval():
    steps = np.arange(5.0)
    found = band([(steps, np.zeros(5)), (steps, np.full(5, 2.0)), (steps, np.full(5, 4.0))])
    assert found.mean == pytest.approx(np.full(found.steps.size, 2.0))
    assert (found.low >= 0).all() and (found.low < 1.5).all() and (found.high > 2.5).all() and (found.high <= 4).all()
    alone = band([(steps, steps**2)])
    assert np.array_equal(alone.mean, alone.low) and np.array_equal(alone.mean, alone.high)


def test_runs_are_compared_where_all_of_them_have_numbers():
    found = band([(np.array([0.0, 10.0]), np.array([0.0, 10.0])), (np.array([4.0, 20.0]), np.array([4.0, 20.0]))])
    assert (found.steps[0], found.steps[-1]) == (4.0, 10.0) and found.mean == pytest.approx(found.steps)
    with pytest.raises(DataError, match="no steps in common"):
        band([(np.array([0.0, 1.0]), np.zeros(2)), (np.array([2.0, 3.0]), np.zeros(2))])


def test_what_is_no_number_is_not_drawn():
    rows = [{"timesteps": 1, "x": math.nan}, {"timesteps": 2, "x": 3.0}, {"timesteps": 3}]
    assert [part.tolist() for part in series(rows, "x")] == [[2.0], [3.0]]


def test_runs_are_drawn_in_one_picture(runs, tmp_path):
    assert compare(runs, "episode_return", tmp_path / "runs.png").read_bytes().startswith(PNG)
    with pytest.raises(DataError, match=r"no numbers called 'speed': there are .*approx_kl"):
        compare(runs, "speed", tmp_path / "other.png")


def test_a_picture_that_cannot_be_written_costs_no_learning(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    agent = pr.PPO("CartPole-v1", **SMALL).learn(64)
    agent.folder, trainer = tmp_path, agent._trainer
    with pytest.warns(UserWarning, match="equations.png' is not drawn: No space left on device"):
        Portrait().end(trainer)
    assert not list(tmp_path.iterdir())  # nor is there half a picture


def test_a_run_that_measured_nothing_yet_is_a_picture_too(tmp_path):
    assert learning_curve([], "nothing yet", tmp_path / "empty.png").read_bytes().startswith(PNG)


def test_a_run_folder_gets_its_pictures(tmp_path):
    agent = pr.PPO("CartPole-v1", run=str(tmp_path / "run"), plot=True, **SMALL).learn(64)
    for name in ("equations.png", "learning_curve.png"):
        assert (tmp_path / "run" / name).read_bytes().startswith(PNG)
    agent.save(tmp_path / "run")


def test_short_runs_and_runs_without_matplotlib_are_not_drawn(runs, tmp_path, monkeypatch):
    assert not (runs[0].folder / "learning_curve.png").exists()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("probrl.training.portrait.find_spec", lambda name: None)
    pr.PPO("CartPole-v1", run=str(tmp_path / "run"), plot=True, **SMALL).learn(32)
    assert not (tmp_path / "run" / "learning_curve.png").exists()
    with pytest.raises(MissingExtraError, match=r"pip install 'probrl\[plot\]'"):
        compare(runs, "episode_return", tmp_path / "runs.png")


def test_a_run_folder_says_what_it_is(runs):
    page = (runs[0].folder / "README.md").read_text()
    assert page.startswith("# ppo on CartPole-v1, seed 1\n") and runs[0].digest in page
    assert f"probrl resume {runs[0].folder}" in page and "| `gamma` | 0.98 |" in page and r"\pi_\theta" in page
    config = json.loads((runs[0].folder / "config.json").read_text())
    assert config["versions"]["torch"] and config["digest"] == runs[0].digest


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no run at"),
        ({}, "holds no config.json"),
        ({"config.json": "{"}, "is damaged"),
        ({"config.json": '{"env": "CartPole-v1"}'}, "is damaged"),
    ],
)
def test_what_is_no_run_is_refused(files, message, tmp_path):
    folder = tmp_path / "run"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_run(folder)
