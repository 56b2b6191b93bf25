"""Every algorithm's loss by hand, in plain torch: independent twins of the declared ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tests.training.twin import advantages

Batch = dict[str, Tensor]


@dataclass
class Parts:
    """What a loss is computed from: hyper-parameters, networks, the policy as it was at the start, one rollout."""

    hyper: Any
    actor: Any
    critic: Any
    start: Any
    batch: Batch

    def policy(self) -> tuple[Tensor, Tensor]:
        return self.actor.log_prob_and_entropy(self.batch["s"], self.batch["a"])

    def values(self) -> tuple[Tensor, Tensor]:
        return self.critic(self.batch["s"]).squeeze(-1), self.critic(self.batch["s_next"]).squeeze(-1)

    def targets(self, v: Tensor, v_next: Tensor) -> tuple[Tensor, Tensor]:
        """Advantages and returns, held still."""
        ends = (self.batch[name] for name in ("terminated", "ended", "valid"))
        A = advantages(self.batch["r"], v.detach(), v_next.detach(), *ends, self.hyper.gamma, self.hyper.gae_lambda)
        return A, A + v.detach()

    def mean(self, x: Tensor) -> Tensor:
        """Over the rows that are steps."""
        return x[self.batch["valid"]].mean()

    def standardised(self, x: Tensor) -> Tensor:
        counted = x[self.batch["valid"]]
        return (x - counted.mean()) / (counted.std(unbiased=False) + 1e-8)


def a2c(p: Parts) -> Tensor:
    log_p, entropy = p.policy()
    v, v_next = p.values()
    A, R = p.targets(v, v_next)
    return p.mean(-A * log_p) + p.hyper.vf_coef * p.mean((v - R) ** 2) - p.hyper.ent_coef * p.mean(entropy)


def ppo(p: Parts) -> Tensor:
    log_p, entropy = p.policy()
    v, v_next = p.values()
    A, R = p.targets(v, v_next)
    ratio, A, c = (log_p - p.batch["a_log_prob"]).exp(), p.standardised(A), p.hyper.clip_coef
    policy = -torch.minimum(ratio * A, ratio.clamp(1 - c, 1 + c) * A)
    return p.mean(policy) + p.hyper.vf_coef * 0.5 * p.mean((v - R) ** 2) - p.hyper.ent_coef * p.mean(entropy)


def awr(p: Parts) -> Tensor:
    log_p, entropy = p.policy()
    v, v_next = p.values()
    A, R = p.targets(v, v_next)
    weight = (p.standardised(A) / p.hyper.temperature).exp().clamp(max=p.hyper.weight_clip)
    return p.mean(-weight * log_p) + p.hyper.vf_coef * p.mean((v - R) ** 2) - p.hyper.ent_coef * p.mean(entropy)


def grpo(p: Parts) -> Tensor:
    log_p, entropy = p.policy()
    r, ended, valid = (p.batch[name] for name in ("r", "ended", "valid"))
    envs, steps = r.shape
    A = torch.zeros_like(r)
    for t in range(steps):
        earned = []
        for e in range(envs):
            total, discount = 0.0, 1.0
            for k in range(t, steps):
                if not valid[e, k]:
                    break
                total, discount = total + discount * float(r[e, k]), discount * p.hyper.gamma
                if ended[e, k]:
                    break
            earned.append(total)
        group = torch.tensor([g for e, g in enumerate(earned) if valid[e, t]])
        A[:, t] = (torch.tensor(earned) - group.mean()) / (group.std(unbiased=False) + 1e-4)
    ratio, c = (log_p - p.batch["a_log_prob"]).exp(), p.hyper.clip_coef
    policy = -torch.minimum(ratio * A, ratio.clamp(1 - c, 1 + c) * A)
    with torch.no_grad():
        reference, _ = p.start.log_prob_and_entropy(p.batch["s"], p.batch["a"])
    kl = (reference - log_p).exp() - (reference - log_p) - 1
    return p.mean(policy) + p.hyper.kl_coef * p.mean(kl) - p.hyper.ent_coef * p.mean(entropy)


LOSSES: dict[str, Callable[[Parts], Tensor]] = {"a2c": a2c, "awr": awr, "grpo": grpo, "ppo": ppo}


def optimizer(name: str, hyper: Any, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The one that an algorithm moves its parameters by."""
    if name == "a2c":
        return torch.optim.RMSprop(parameters, hyper.learning_rate, hyper.rms_prop_alpha, hyper.rms_prop_eps)
    return torch.optim.Adam(parameters, hyper.learning_rate, eps=1e-5)
