"""One update of PPO and one of A2C, ours and Stable-Baselines3's: same rollout, weights, minibatches; how far they end apart.

python -m tests.benchmarks.same_update

The rollout has episodes that a time limit cut. What remains is that PPO divides advantages by the deviation of a sample
there and by that of the population here, 1 % for minibatches of 100, and the order of summation.
"""

from __future__ import annotations

import os
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import Tensor

import probrl as pr
from probrl.training.on_policy import OnPolicyTrainer
from tests.benchmarks import sb3

ENV, ENVS, STEPS, MINIBATCH, EPOCHS, GAMMA = "Pendulum-v1", 4, 250, 100, 10, 0.9


OURS = {
    "PPO": {
        "num_minibatches": ENVS * STEPS // MINIBATCH, "update_epochs": EPOCHS, "clip_coef": 0.2, "anneal_clip": False,
        "clip_vloss": False, "vf_coef": 1.0,
    },
    "A2C": {"vf_coef": 0.5},
}  # fmt: skip
THEIRS = {"PPO": {"batch_size": MINIBATCH, "n_epochs": EPOCHS, "clip_range": 0.2}, "A2C": {}}


def ours(algorithm: str) -> tuple[Any, dict[str, Tensor]]:
    """An agent and a rollout that it has not learned from."""
    makers = [lambda: gymnasium.make(ENV)] * ENVS
    agent = getattr(pr, algorithm)(
        SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP), seed=1, progress=False, backend="eager",
        num_envs=ENVS, num_steps=STEPS, gamma=GAMMA, gae_lambda=0.95, learning_rate=1e-3, anneal_lr=False, ent_coef=0.0,
        max_grad_norm=0.5, hidden=(64, 64), tuned=False, **OURS[algorithm],
    )  # fmt: skip
    columns = OnPolicyTrainer(None, agent).collector.collect().columns()
    return agent, {name: column.clone() for name, column in columns.items()}


def theirs(algorithm: str, agent: Any, columns: dict[str, Tensor]) -> Any:
    """Their model with our weights and our rollout, as its own loop would have filled its buffer."""
    model = sb3.model(
        algorithm, ENV, ENVS, 1, n_steps=STEPS, gamma=GAMMA, gae_lambda=0.95, learning_rate=1e-3, ent_coef=0.0,
        **THEIRS[algorithm],
    )  # fmt: skip
    policy, buffer = model.policy, model.rollout_buffer
    with torch.no_grad():
        for mine, other in zip(*parameters(agent, model), strict=True):
            other.copy_(mine)
        start, ended = np.ones(ENVS), columns["ended"]
        for t in range(STEPS):
            value, log_prob, _ = policy.evaluate_actions(columns["s"][:, t], columns["a"][:, t])
            cut = ended[:, t] & ~columns["terminated"][:, t]
            reward = columns["r"][:, t] + GAMMA * policy.predict_values(columns["s_next"][:, t]).squeeze(-1) * cut
            row = (columns["s"][:, t], columns["a"][:, t], reward)
            buffer.add(*(x.numpy() for x in row), start, value.squeeze(-1), log_prob)
            start = ended[:, t].numpy().astype(np.float32)
        last = policy.predict_values(columns["s_next"][:, -1])
    buffer.compute_returns_and_advantage(last, start)
    model._current_progress_remaining = 1.0
    return model


def parameters(agent: Any, model: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Of both sides, in one order."""
    policy = model.policy
    nets = (policy.mlp_extractor.policy_net, policy.action_net, policy.mlp_extractor.value_net, policy.value_net)
    return (
        [*agent.actor.parameters(), *agent.critic.parameters()],
        [policy.log_std, *(p for net in nets for p in net.parameters())],
    )


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


def compare(algorithm: str) -> None:
    """Learns once on both sides and says how far parameters moved, and how far they are apart."""
    from stable_baselines3.common.logger import configure

    agent, columns = ours(algorithm)
    model = theirs(algorithm, agent, columns)
    model.set_logger(configure(None, [""]))
    before = [p.detach().clone() for p in agent.actor.parameters()]
    orders = [np.random.RandomState(i).permutation(ENVS * STEPS) for i in range(EPOCHS)]
    with mock.patch("numpy.random.permutation", side_effect=orders):
        model.train()
    with mock.patch("torch.randperm", side_effect=[torch.from_numpy(order) for order in orders]):
        agent.update(columns)
    moved = max(_apart(a, b) for a, b in zip(agent.actor.parameters(), before, strict=True))
    apart = max(_apart(a, b) for a, b in zip(*parameters(agent, model), strict=True))
    print(f"{algorithm}, {ENV}, {int(columns['ended'].sum())} cut episodes: ", end="")
    print(f"the policy's parameters moved by up to {moved:.1e}, all are within {apart:.1e}")


def main() -> None:
    torch.set_num_threads(1)
    for algorithm in OURS if sb3.installed() else ():
        compare(algorithm)


if __name__ == "__main__":
    main()
