"""Proximal policy optimisation by hand, in plain torch: stand-in for a declared algorithm, and its independent twin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from probrl.networks import mlp


class CategoricalActor(nn.Module):
    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.net = mlp(inputs, 64, 64, actions, last_gain=0.01)

    def acting(self, generator=None, deterministic=False):
        if deterministic:
            return lambda s: self.net(s).argmax(-1)

        def sample(s):
            log_p = self.net(s).log_softmax(-1)
            noise = torch.empty_like(log_p).exponential_(generator=generator)
            a = (log_p - noise.log_()).argmax(-1)
            return a, log_p.gather(-1, a.unsqueeze(-1)).squeeze(-1)

        return sample

    def log_prob_and_entropy(self, s, a):
        log_p = self.net(s).log_softmax(-1)
        return log_p.gather(-1, a.unsqueeze(-1)).squeeze(-1), -(log_p.exp() * log_p).sum(-1)


class NormalActor(nn.Module):
    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.net, self.log_std = mlp(inputs, 64, 64, dim, last_gain=0.01), nn.Parameter(torch.zeros(dim))

    def acting(self, generator=None, deterministic=False):
        if deterministic:
            return self.net

        def sample(s):
            mean = self.net(s)
            a = mean + self.log_std.exp() * torch.empty_like(mean).normal_(generator=generator)
            return a, self.log_prob_and_entropy(s, a)[0]

        return sample

    def log_prob_and_entropy(self, s, a):
        law = torch.distributions.Normal(self.net(s), self.log_std.exp(), validate_args=False)
        return law.log_prob(a).sum(-1), law.entropy().sum(-1)


def advantages(r, v, v_next, terminated, ended, valid, gamma, lam):
    """GAE along the second dimension; a row that is no step starts the recursion anew."""
    delta = r + gamma * (1 - terminated.float()) * v_next - v
    result, following = torch.zeros_like(r), torch.zeros_like(r[:, 0])
    for t in reversed(range(r.shape[1])):
        following = delta[:, t] + gamma * lam * (1 - ended[:, t].float()) * following
        following = torch.where(valid[:, t], following, torch.zeros_like(following))
        result[:, t] = following
    return result


@dataclass(frozen=True)
class TwinPPO:
    """PPO by hand."""

    num_envs: int = 8
    num_steps: int = 32
    learning_rate: float = 1e-3
    gamma: float = 0.98
    lam: float = 0.8
    clip: float = 0.2
    epochs: int = 20
    minibatch: int = 256
    entropy_weight: float = 0.0
    value_weight: float = 0.5
    max_grad_norm: float = 0.5

    def declare(self, spaces: Any, actor=None, critic=None, loss=None) -> SimpleNamespace:
        size, action = spaces.observation.size, spaces.action
        if actor is None:
            actor = CategoricalActor(size, action.n) if hasattr(action, "n") else NormalActor(size, action.dim)
        critic = critic or mlp(size, 64, 64, 1)
        return SimpleNamespace(
            actor=actor, critic=critic, encoder=None, loss="l", program=TwinProgram(self, actor, critic)
        )


class TwinProgram:
    def __init__(self, hyper, actor, critic):
        self.hyper, self.actor, self.critic = hyper, actor, critic

    @property
    def digest(self):
        return hashlib.sha256(repr((self.hyper, type(self.actor).__name__)).encode()).hexdigest()[:16]

    def latex(self):
        return r"\mathcal{L}"

    def text(self):
        return "L"

    def print_latex(self):
        print(self.latex())

    def compile(self, backend="auto", seed=0, updates=None):
        return TwinUpdate(self.hyper, self.actor, self.critic, seed)


class TwinUpdate:
    def __init__(self, hyper, actor, critic, seed):
        self.hyper, self.actor, self.critic, self.progress = hyper, actor, critic, 0.0
        self.parameters = [*actor.parameters(), *critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=hyper.learning_rate, eps=1e-5)
        self.generator = torch.Generator().manual_seed(seed)
        self.batches = 0

    def state_dict(self):
        return {"optimizer": self.optimizer.state_dict(), "generator": self.generator.get_state()}

    def load_state_dict(self, state):
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def __call__(self, batch):
        h = self.hyper
        self.batches += 1
        for group in self.optimizer.param_groups:
            group["lr"] = h.learning_rate * (1 - self.progress)
        with torch.no_grad():
            v, v_next = self.critic(batch["s"]).squeeze(-1), self.critic(batch["s_next"]).squeeze(-1)
            columns = (batch[k] for k in ("terminated", "ended", "valid"))
            A = advantages(batch["r"], v, v_next, *columns, h.gamma, h.lam)
        rows = {k: batch[k].flatten(0, 1) for k in ("s", "a", "a_log_prob", "valid")}
        rows |= {"A": A.flatten(), "R": (A + v).flatten()}
        n = len(rows["A"])
        metrics = {}
        for _ in range(h.epochs):
            order = torch.randperm(n, generator=self.generator)
            for start in range(0, n - h.minibatch + 1, h.minibatch):
                metrics = self.minimise({k: x[order[start : start + h.minibatch]] for k, x in rows.items()})
        return metrics

    def minimise(self, b):
        h, m = self.hyper, b["valid"].float()
        mean = lambda x: (x * m).sum() / m.sum().clamp(min=1)  # noqa: E731
        log_p, entropy = self.actor.log_prob_and_entropy(b["s"], b["a"])
        centred = b["A"] - mean(b["A"])
        A = centred / (mean(centred**2).sqrt() + 1e-8)
        ratio = (log_p - b["a_log_prob"]).exp()
        policy = mean(-torch.minimum(ratio * A, ratio.clamp(1 - h.clip, 1 + h.clip) * A))
        value = mean(0.5 * (self.critic(b["s"]).squeeze(-1) - b["R"]) ** 2)
        loss = policy + h.value_weight * value - h.entropy_weight * mean(entropy)
        self.optimizer.zero_grad()
        loss.backward()
        finite = torch.isfinite(nn.utils.clip_grad_norm_(self.parameters, h.max_grad_norm)) & torch.isfinite(loss)
        if finite:
            self.optimizer.step()
        out = {"loss": loss, "policy": policy, "value": value, "entropy": mean(entropy), "finite": finite.float()}
        return {k: v.detach() for k, v in out.items()}
