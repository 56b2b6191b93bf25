"""Advantage-weighted regression: the weight of a row depends on its advantage."""

import math

import pytest
import torch

import probrl as pr
from tests.algorithms import SMALL, agent, played


def test_the_weights_are_the_exponentials_of_the_advantages():
    made = agent("awr", "CartPole-v1", norm_adv=False, temperature=2.0, weight_clip=3.0, **SMALL)
    prepare, fit = made.program.steps
    weight = next(x for x in named(fit.steps[0].loss) if x.head.name == "w")
    A = torch.tensor([-2.0, 0.0, 2.0, 9.0])
    found = made.program.settled(weight)({"A": A.reshape(1, 4), "valid": torch.ones(1, 4, dtype=torch.bool)})
    torch.testing.assert_close(found, torch.tensor([[1 / math.e, 1.0, math.e, 3.0]]))
    assert set(prepare.columns) == {"A", "R"}


def named(loss):
    from probrl.expr.definition import NamedHead
    from probrl.expr.nodes import Definition
    from probrl.expr.traversal import everything, walk

    return [x for x in walk(loss, through=everything) if isinstance(x, Definition) and isinstance(x.head, NamedHead)]


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_policy_becomes_what_its_weights_say(temperature):
    """One state, two actions that are equally frequent and differ by 1: the odds become exp(1 / temperature)."""
    options = {"norm_adv": False, "gae_lambda": 0.0, "weight_clip": 1e6, "learning_rate": 1e-2, "anneal_lr": False}
    made = agent("awr", "CartPole-v1", temperature=temperature, **options, **SMALL)
    batch = played(made)
    batch["s"], batch["s_next"] = torch.ones_like(batch["s"]), torch.ones_like(batch["s_next"])
    batch["a"] = torch.arange(batch["a"].numel()).reshape(batch["a"].shape) % 2
    batch["r"] = batch["a"].float()
    batch["terminated"] = batch["ended"] = torch.ones_like(batch["ended"])
    batch["valid"] = torch.ones_like(batch["valid"])
    for _ in range(150):
        made.update(dict(batch))
    assert probability(made) == pytest.approx(1 / (1 + math.exp(-1 / temperature)), abs=0.02)


def probability(made):
    return float(made.actor.log_prob({"s": torch.ones(1, 4), "a": torch.ones(1, dtype=torch.long)}).detach().exp())


def test_the_gradient_depends_on_the_advantages_and_the_weights_have_none():
    made = agent("awr", "CartPole-v1", ent_coef=0.01, **SMALL)
    [table] = made.program.gradients().values()
    assert "w  " not in str(table).splitlines()[2]
    rows = {line.split()[0]: line.split()[1:] for line in str(table).splitlines()[2:]}
    assert rows["policy"] == ["moves", "-"] and rows["value"] == ["-", "moves"]


def test_cartpole_is_learned():
    agent = pr.AWR("CartPole-v1", seed=1, progress=False).learn(20_000)
    assert agent.evaluate(episodes=10).mean >= 200
