"""PPO in one file, as a person writes it: gymnasium's copies in turn, a loop over steps, torch's modules and Adam."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical


def layer(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, gain)
    nn.init.zeros_(linear.bias)
    return linear


class Networks(nn.Module):
    def __init__(self, inputs: int, choices: int):
        super().__init__()
        self.actor = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, choices, 0.01))
        self.critic = nn.Sequential(layer(inputs, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 1, 1.0))

    def judge(self, s: Tensor, a: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        policy = Categorical(logits=self.actor(s))
        a = policy.sample() if a is None else a
        return a, policy.log_prob(a), policy.entropy(), self.critic(s).flatten()


class PPO:
    def __init__(self, env: str, num_envs: int, num_steps: int, minibatch: int, epochs: int, seed: int = 1):
        torch.manual_seed(seed)
        self.envs = gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make(env)] * num_envs)
        self.shape, self.minibatch, self.epochs = (num_steps, num_envs), minibatch, epochs
        inputs = int(np.prod(self.envs.single_observation_space.shape))
        space: Any = self.envs.single_action_space
        self.nets = Networks(inputs, int(space.n))
        self.optimizer = torch.optim.Adam(self.nets.parameters(), lr=3e-4, eps=1e-5)
        self.s = torch.zeros((*self.shape, inputs))
        self.a = torch.zeros(self.shape, dtype=torch.int64)
        self.log_prob, self.r, self.ended, self.v = (torch.zeros(self.shape) for _ in range(4))
        self.seen = torch.as_tensor(self.envs.reset(seed=seed)[0])
        self.over = torch.zeros(num_envs)

    def learn(self, timesteps: int) -> None:
        for _ in range(max(timesteps // (self.shape[0] * self.shape[1]), 1)):
            self.play()
            self.update(*self.advantages())

    def play(self) -> None:
        for t in range(self.shape[0]):
            self.s[t], self.ended[t] = self.seen, self.over
            with torch.no_grad():
                a, self.log_prob[t], _, self.v[t] = self.nets.judge(self.seen)
            self.a[t] = a
            seen, reward, terminated, truncated, _ = self.envs.step(a.numpy())
            self.r[t] = torch.as_tensor(reward)
            self.seen, self.over = torch.as_tensor(seen), torch.as_tensor(np.logical_or(terminated, truncated)).float()

    @torch.no_grad()
    def advantages(self) -> tuple[Tensor, Tensor]:
        v_next, last, found = self.nets.critic(self.seen).flatten(), torch.zeros(self.shape[1]), torch.zeros(self.shape)
        ended = self.over
        for t in reversed(range(self.shape[0])):
            delta = self.r[t] + 0.99 * v_next * (1 - ended) - self.v[t]
            found[t] = last = delta + 0.99 * 0.95 * (1 - ended) * last
            v_next, ended = self.v[t], self.ended[t]
        return found, found + self.v

    def update(self, advantages: Tensor, returns: Tensor) -> None:
        columns = [x.flatten(0, 1) for x in (self.s, self.a, self.log_prob, advantages, returns)]
        for _ in range(self.epochs):
            for rows in torch.randperm(len(columns[1])).split(self.minibatch):
                s, a, before, A, R = (c[rows] for c in columns)
                _, log_prob, entropy, v = self.nets.judge(s, a)
                ratio = (log_prob - before).exp()
                with torch.no_grad():
                    ((ratio - 1) - (log_prob - before)).mean().item(), ((ratio - 1).abs() > 0.2).float().mean().item()
                A = (A - A.mean()) / (A.std() + 1e-8)
                policy = torch.max(-A * ratio, -A * ratio.clamp(0.8, 1.2)).mean()
                loss = policy + 0.5 * 0.5 * ((v - R) ** 2).mean() - 0.0 * entropy.mean()
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.nets.parameters(), 0.5)
                self.optimizer.step()
