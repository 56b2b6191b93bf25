"""Environments that record what they show."""

import pytest

from probrl.envs.video import recorded
from probrl.errors import EnvironmentError


def test_every_episode_is_one_film(tmp_path):
    pytest.importorskip("moviepy")
    pytest.importorskip("pygame")
    env = recorded("CartPole-v1", str(tmp_path / "films"), 2)
    for _ in range(3):
        env.reset(seed=1)
        while not any(env.step(1)[2:4]):
            pass
    env.close()
    assert sorted(file.name for file in (tmp_path / "films").iterdir()) == [
        "rl-video-episode-0.mp4",
        "rl-video-episode-1.mp4",
    ]


def test_an_unknown_environment_is_named(tmp_path):
    pytest.importorskip("moviepy")
    with pytest.raises(EnvironmentError, match="did you mean 'CartPole-v1'"):
        recorded("CartPol-v1", str(tmp_path / "films"), 1)
    assert not list(tmp_path.iterdir())
