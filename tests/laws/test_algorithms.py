"""Law 8, over every algorithm that there is: what it learns, how it repeats, what it runs, and that it says so."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.expr import nodes as n
from probrl.expr.traversal import executed, walk
from probrl.networks import mlp
from probrl.training.meanings import LOOP
from tests.algorithms import NAMES, SMALL, agent, played
from tests.envs.known import Delayed, Echo, OneStep, Target, Turns
from tests.training.twin import CategoricalActor, NormalActor
from tests.training.twins import LOSSES, Parts, optimizer

QUICK = {"num_envs": 8, "num_steps": 16, "num_minibatches": 2, "update_epochs": 6, "gamma": 0.99, "gae_lambda": 0.95}
REAL = {"num_envs": 8, "num_steps": 5, "num_minibatches": 1, "update_epochs": 4, "gamma": 0.99, "gae_lambda": 0.95}
over_all = pytest.mark.parametrize("name", NAMES)


def weights(made):
    return torch.cat([p.detach().flatten() for network in made.networks().values() for p in network.parameters()])


# --- it learns -------------------------------------------------------------------------------------------------
@over_all
@pytest.mark.parametrize(
    ("env", "best", "steps"), [(OneStep, 1, 3_000), (Echo, 1, 4_000), (Delayed, 1, 4_000), (Turns, 4, 7_000)]
)
def test_the_best_policy_is_found(name, env, best, steps):
    made = agent(name, env, learning_rate=3e-3, **QUICK).learn(steps)
    assert made.evaluate(episodes=32).mean == best


@over_all
def test_a_real_action_goes_to_the_target(name):
    made = agent(name, Target, learning_rate=1e-2, anneal_lr=True, norm_adv=True, **REAL).learn(12_000)
    assert made.evaluate(episodes=4).mean > -0.01


# --- it repeats ------------------------------------------------------------------------------------------------
@over_all
def test_the_same_seed_is_the_same_run(name):
    runs = [agent(name, "CartPole-v1", seed=seed, **{**SMALL, "update_epochs": 2}).learn(100) for seed in (3, 3, 4)]
    assert torch.equal(weights(runs[0]), weights(runs[1])) and not torch.equal(weights(runs[0]), weights(runs[2]))
    assert runs[0].digest == runs[1].digest


@over_all
def test_it_comes_back_from_disk_and_goes_on_alike(name, tmp_path):
    made = agent(name, "CartPole-v1", **{**SMALL, "reference_interval": 2, "num_minibatches": 2}).learn(100)
    made.save(tmp_path / "run")
    back, batch = pr.load(tmp_path / "run"), played(made)
    assert back.algorithm == made.algorithm and back.latex() == made.latex()
    for one in (made, back):
        one.update.progress = 0.5
        for _ in range(3):
            one.update(dict(batch))
    assert torch.equal(weights(made), weights(back))


# --- it runs what it says --------------------------------------------------------------------------------------
@over_all
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_two_updates_are_those_of_the_hand_written_twin(name, env):
    """One epoch on one minibatch, so that the order of rows does not matter: the same new weights within 1e-6."""
    assert name in LOSSES, f"write the loss of {name} by hand in tests/training/twins.py"
    options = {**SMALL, "num_steps": 32, "hidden": (64, 64), "anneal_lr": False, "anneal_clip": False, "ent_coef": 0.01}
    made = agent(name, env, seed=3, **options)
    batches = [played(made, 3), played(made, 4)]
    assert env != "CartPole-v1" or not batches[1]["valid"].all()
    size, action = made.spaces.observation.size, made.spaces.action
    actor = CategoricalActor(size, action.n) if hasattr(action, "n") else NormalActor(size, action.dim)
    pairs = [(made.actor, actor)]
    critic = None if made.critic is None else mlp(size, 64, 64, 1)
    if critic is not None:
        pairs.append((made.critic, critic))
    for declared, twin in pairs:
        layers_of(twin).load_state_dict(layers(declared))
    start = copy.deepcopy(actor)
    parameters = [p for _, twin in pairs for p in twin.parameters()]
    rule = optimizer(name, made.algorithm, parameters)
    for batch in batches:
        made.update(dict(batch))
        rule.zero_grad()
        LOSSES[name](Parts(made.algorithm, actor, critic, start, batch)).backward()
        nn.utils.clip_grad_norm_(parameters, made.algorithm.max_grad_norm)
        rule.step()
    for declared, twin in pairs:
        for key, tensor in layers(declared).items():
            torch.testing.assert_close(tensor, layers_of(twin).state_dict()[key], atol=2e-6, rtol=1e-5)


def layers(distribution):
    """The weights of the layers of a distribution's network, by the names that a plain perceptron has."""
    kept = {k: v for k, v in distribution.state_dict().items() if k.endswith(("weight", "bias"))}
    return {".".join(key.split(".")[-2:]): tensor.clone() for key, tensor in kept.items()}


def layers_of(twin):
    return getattr(twin, "net", twin)


@over_all
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_it_is_traced_whole_and_agrees_with_eager(name, env):
    """One graph without a break for the shipped networks (a fall back to eager warns, and a warning is an error)."""
    options = {**SMALL, "num_minibatches": 2, "reference_interval": 1}
    eager, traced = (agent(name, env, backend=backend, **options) for backend in ("eager", "aot_eager"))
    batch = played(eager)
    for one in (eager, traced):
        for _ in range(3):
            metrics = one.update(dict(batch))
    assert traced.update.backend == "aot_eager" and metrics["finite"] == 1
    torch.testing.assert_close(weights(traced), weights(eager), atol=1e-6, rtol=1e-5)


@over_all
def test_networks_are_called_as_often_as_their_arguments_differ(name):
    """In each step once per distinct argument and role: no more calls than the formulas have different ones."""
    made = agent(name, "CartPole-v1", **SMALL)
    batch, counts = played(made), {}
    expected = {}
    for step in steps_that_compute(made.program):
        for call in {x for x in walk(*step, through=executed) if isinstance(x, n.Call)}:
            expected[call.net.module] = expected.get(call.net.module, 0) + 1
    for module in expected:
        module.register_forward_hook(lambda module, *_: counts.update({module: counts.get(module, 0) + 1}))
    made.update(dict(batch))
    assert counts == expected and sum(counts.values()) <= 4


def steps_that_compute(program):
    """The formulas of a program by what is evaluated at once: what an update reports is read off with its loss."""
    groups, after_update = [], False
    for step in program.walk():
        exprs = [program.settled(x) for x in step.expressions().values()]
        if isinstance(step, pr.Report) and after_update:
            groups[-1] += exprs
        elif exprs:
            groups.append(exprs)
        after_update = isinstance(step, (pr.Minimize, pr.Report))
    return groups


# --- it says so ------------------------------------------------------------------------------------------------
@over_all
def test_every_metric_is_explained(name):
    for options in ({}, {"target_kl": 0.02, "ent_coef": 0.01, "clip_vloss": True}):
        made = agent(name, "CartPole-v1", **{**SMALL, **options}).learn(64)
        said = {**LOOP, **made.program.metrics}
        row = set(made.metrics.rows[-1])
        assert row <= set(said) and set(made.program.metrics) <= row
        assert [key for key in row if not said[key]] == []


@over_all
def test_every_option_is_explained(name):
    cls = type(agent(name, OneStep).algorithm)
    assert [f for f in cls.__dataclass_fields__ if f"    {f}: " not in cls.__doc__] == []
    assert "Source" in cls.__doc__
    assert getattr(pr, cls.__name__).__name__ == cls.__name__


@over_all
def test_it_prints_whole(name, katex_errors, foreign_commands):
    program = agent(name, "Pendulum-v1", target_kl=0.02, ent_coef=0.01, clip_vloss=True, anneal_clip=True).program
    assert not katex_errors([program.latex()]) and not foreign_commands(program.latex())
    for step in program.walk():
        if isinstance(step, pr.Minimize):
            step.loss.latex()


@over_all
def test_parts_of_the_users_own(name):
    pi = pr.Categorical("a | s", pr.mlp(4, 8, 2), name=r"\mu")
    made = agent(name, "CartPole-v1", actor=pi, loss=lambda declared: 2 * declared.loss, **SMALL).learn(64)
    plain = agent(name, "CartPole-v1", **SMALL)
    assert made.actor is pi and r"\mu" in made.latex() and made.digest != plain.digest
