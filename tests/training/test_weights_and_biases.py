"""What Weights & Biases is told, by a stand-in that only listens."""

import sys
import types

import pytest

import probrl as pr
from probrl.errors import MissingExtraError


def test_it_is_told_the_configuration_and_every_row(monkeypatch):
    heard, begun, ended = [], [], []
    run = types.SimpleNamespace(log=lambda row, step: heard.append((step, row)), finish=lambda: ended.append(True))
    stand_in = types.ModuleType("wandb")
    stand_in.init = lambda **options: begun.append(options) or run
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    agent = pr.PPO("CartPole-v1", num_envs=2, num_steps=16, update_epochs=1, progress=False)
    agent.learn(64, callback=pr.callbacks.WandB("mine", mode="offline"))
    [options] = begun
    assert (options["project"], options["mode"], options["config"]["env"]) == ("mine", "offline", "CartPole-v1")
    assert [step for step, _ in heard] == [32, 64] and ended == [True]
    assert heard[-1][1]["loss"] == agent.metrics.rows[-1]["loss"]


def test_its_absence_is_said_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'probrl\[log\]'"):
        pr.callbacks.WandB()
