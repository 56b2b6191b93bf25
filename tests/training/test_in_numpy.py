"""Acting in numpy is acting: the same draws from the same noise, of the parameters as they are, and hooks are called."""

import numpy as np
import pytest
import torch
from torch import nn

import probrl as pr
from probrl.envs import make
from probrl.training.acting import sampler
from probrl.training.collector import Collector

STEPS, ROWS, SEEN = 5, 3, 4
FAMILIES = {
    "categorical": lambda net: pr.Categorical("a | s", net(3), name="p"),
    "free scale": lambda net: pr.Normal("a | s", net(2), name="p", scale="free"),
    "scale by the network": lambda net: pr.Normal("a | s", net(4), name="p"),
    "squashed": lambda net: pr.TanhNormal("a | s", net(4), name="p"),
    "yes or no": lambda net: pr.Bernoulli("a | s", net(2), name="p", rank=1),
}
ACTIVATIONS = [nn.Tanh, nn.ReLU, nn.SiLU, nn.Sigmoid]


def policy(family, activation=nn.Tanh):
    torch.manual_seed(0)
    return FAMILIES[family](lambda outputs: pr.mlp(SEEN, 8, 8, outputs, activation=activation))


def acting(actor):
    return sampler(actor, torch.Generator().manual_seed(7))


def observations():
    return torch.randn(STEPS, ROWS, SEEN, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def both(actor):
    """Actions and log-probabilities by torch, step for step, and in numpy."""
    act = acting(actor)
    act.prepare(STEPS)
    steps = [act(s) for s in observations()]
    quick = acting(actor)
    call = quick.quickly(STEPS, observations()[0])
    assert call is not None
    actions = [torch.from_numpy(call(s.numpy())) for s in observations()]
    return [a for a, _ in steps], torch.cat([p for _, p in steps]), actions, quick.rest()[0]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_noise_gives_the_same_actions(family, activation):
    actions, log_probs, in_numpy, theirs = both(policy(family, activation))
    torch.testing.assert_close(torch.stack(in_numpy), torch.stack(actions), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(theirs, log_probs, atol=1e-5, rtol=1e-5)


def test_through_an_encoder_that_is_shared():
    encoder = pr.Deterministic("e | s", nn.Sequential(nn.Linear(SEEN, 6), nn.Tanh()), name="f", rank=1)
    s = pr.symbols("s")
    pi = pr.Categorical("a | e", pr.mlp(6, 3), name="p")(encoder(s))
    from probrl.training.acting import Acting

    action = pi.draw()
    outputs = {"action": action, "log_prob": pi.log_prob(action)}
    act, quick = (Acting(outputs, "s", torch.Generator().manual_seed(7)) for _ in range(2))
    call = quick.quickly(STEPS, observations()[0])
    act.prepare(STEPS)
    with torch.no_grad():
        steps = [act(s) for s in observations()]
        assert [call(s.numpy()).tolist() for s in observations()] == [a.tolist() for a, _ in steps]
        torch.testing.assert_close(quick.rest()[0], torch.cat([p for _, p in steps]), atol=1e-5, rtol=1e-5)


def test_parameters_that_move_or_are_replaced_are_seen():
    actor = policy("categorical")
    last = actor.net[-1]
    quick = acting(actor)
    for change in (lambda: last.bias.copy_(torch.tensor([0.0, 50.0, 0.0])), lambda: setattr(last, "bias", nn.Parameter(torch.tensor([0.0, 0.0, 50.0])))):  # fmt: skip
        with torch.no_grad():
            change()
        call = quick.quickly(1, observations()[0])
        assert set(call(observations()[0].numpy()).tolist()) == {int(last.bias.argmax())}


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def replaced(actor, layer):
    actor.net[-1] = layer


UNFIT = {
    "a hook": lambda actor: actor.net[0].register_forward_hook(lambda *_: None),
    "a hook before": lambda actor: actor.net.register_forward_pre_hook(lambda *_: None),
    "a layer of another kind": lambda actor: replaced(actor, nn.Sequential(nn.Dropout(), nn.Linear(8, 3))),
    "a subclass": lambda actor: replaced(actor, Doubled(8, 3)),
    "weights made of others": lambda actor: nn.utils.parametrizations.weight_norm(actor.net[0]),
    "a method of its own": lambda actor: setattr(actor.net[0], "forward", lambda x: x[:, :1].expand(-1, 8)),
    "many multiplications": lambda actor: replaced(actor, nn.Sequential(nn.Linear(8, 2**15), nn.Linear(2**15, 3))),
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT.keys())
def test_what_only_torch_can_run_is_left_to_torch(change):
    actor = policy("categorical")
    quick = acting(actor)
    assert quick.quickly(1, observations()[0]) is not None
    change(actor)
    assert quick.quickly(1, observations()[0]) is None


def test_hooks_are_called_at_every_step_of_a_rollout():
    actor, seen = policy("categorical"), []
    environments = make("CartPole-v1", num_envs=ROWS)
    actor = pr.Categorical("a | s", pr.mlp(SEEN, 8, 2), name="p")
    collector = Collector(environments, acting(actor), STEPS, seed=1)
    collector.collect()
    actor.net.register_forward_hook(lambda *_: seen.append(1))
    collector.collect()
    assert len(seen) >= STEPS


def test_a_rollout_is_the_same_by_torch_and_in_numpy():
    torch.manual_seed(0)
    actor = pr.Categorical("a | s", pr.mlp(SEEN, 8, 2), name="p")
    found = []
    for by_torch in (False, True):
        hook = actor.net.register_forward_hook(lambda *_: None) if by_torch else None
        collector = Collector(make("CartPole-v1", num_envs=ROWS), acting(actor), 64, seed=1)
        found.append({name: column.clone() for name, column in collector.collect().columns().items()})
        if hook is not None:
            hook.remove()
    for name in ("s", "a", "r", "s_next", "ended", "valid"):
        assert torch.equal(found[0][name], found[1][name]), name
    np.testing.assert_allclose(found[0]["a_log_prob"], found[1]["a_log_prob"], atol=1e-5)


def test_what_is_done_to_observations_first_is_done_in_numpy_too():
    agent = pr.PPO("Pendulum-v1", seed=1, num_envs=ROWS, num_steps=STEPS, norm_obs=True, progress=False)
    agent.normalization.rollout({"s": torch.randn(9, 9, 3) * 3 + 1, "s_next": torch.zeros(9, 9, 3), "valid": torch.ones(9, 9)})  # fmt: skip
    act, quick = acting(agent.actor), agent.sampler()
    observation = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1))
    quick._generator.manual_seed(7)
    call = quick.quickly(1, observation)
    act.prepare(1)
    with torch.no_grad():
        expected, log_prob = act(agent.normalization.observe(observation))
        torch.testing.assert_close(torch.from_numpy(call(observation.numpy())), expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(quick.rest()[0], log_prob, atol=1e-5, rtol=1e-5)
