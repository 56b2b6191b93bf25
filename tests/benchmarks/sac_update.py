"""One twin-critic SAC update, by hand in two ways and by probrl: batch 256, 256-256 relu nets, 4 conditions, 2 actions.

python -m tests.benchmarks.sac_update
"""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Sequence
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from tests.benchmarks.functional import adam_state, adam_step
from tests.benchmarks.timing import Contestant, medians, table

Batch = dict[str, Tensor]
LR, GAMMA, TAU, OBSERVATIONS, ACTIONS = 3e-4, 0.99, 0.005, 4, 2


class Ensemble(nn.Module):
    """Two critics as one batched network."""

    def __init__(self, *sizes: int, members: int = 2):
        super().__init__()
        pairs = list(pairwise(sizes))
        bounds = [1 / math.sqrt(inputs) for inputs, _ in pairs]
        self.weights = nn.ParameterList(
            torch.empty(members, *pair).uniform_(-bound, bound) for pair, bound in zip(pairs, bounds, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.empty(members, 1, pair[1]).uniform_(-bound, bound) for pair, bound in zip(pairs, bounds, strict=True)
        )

    def forward(self, s: Tensor, a: Tensor) -> Tensor:
        x = torch.cat([s, a], -1).expand(len(self.weights[0]), -1, -1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            x = x.relu() if i + 1 < len(self.weights) else x
        return x.squeeze(-1)


def networks(seed: int = 0) -> nn.ModuleDict:
    torch.manual_seed(seed)
    sizes = (OBSERVATIONS, 256, 256, 2 * ACTIONS)
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.ModuleDict(
        {"policy": nn.Sequential(*layers[:-1]), "critic": Ensemble(OBSERVATIONS + ACTIONS, 256, 256, 1)}
    )


def batch_of(size: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return {
        "s": torch.randn(size, OBSERVATIONS, generator=generator),
        "a": torch.rand(size, ACTIONS, generator=generator) * 1.8 - 0.9,
        "r": torch.randn(size, generator=generator),
        "s_next": torch.randn(size, OBSERVATIONS, generator=generator),
        "terminated": (torch.rand(size, generator=generator) < 0.1).float(),
    }


def draw(parameters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A squashed Gaussian action and its log-probability, from the value before tanh."""
    loc, log_scale = parameters.chunk(2, -1)
    log_scale = log_scale.clamp(-5, 2)
    before = loc + log_scale.exp() * noise
    normal = -0.5 * noise**2 - log_scale - 0.5 * math.log(2 * math.pi)
    correction = 2 * (math.log(2) - before - nn.functional.softplus(-2 * before))
    return before.tanh(), (normal - correction).sum(-1)


def target_of(q: Tensor, log_p: Tensor, alpha: Tensor, batch: Batch) -> Tensor:
    return batch["r"] + GAMMA * (1 - batch["terminated"]) * (q.amin(0) - alpha * log_p)


def hand_written_eager(nets: nn.ModuleDict, batch: Batch) -> Contestant:
    policy, critic, target = nets["policy"], nets["critic"], copy.deepcopy(nets["critic"]).requires_grad_(False)
    log_alpha = torch.tensor(math.log(0.2), requires_grad=True)
    move_policy = torch.optim.Adam(policy.parameters(), lr=LR, fused=True)
    move_critic = torch.optim.Adam(critic.parameters(), lr=LR, fused=True)
    move_alpha = torch.optim.Adam([log_alpha], lr=LR, fused=True)
    live, moved = list(critic.parameters()), list(target.parameters())

    def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def update() -> Tensor:
        noise = torch.randn(2, *batch["a"].shape)
        with torch.no_grad():
            alpha = log_alpha.exp()
            a_next, log_p = draw(policy(batch["s_next"]), noise[0])
            y = target_of(target(batch["s_next"], a_next), log_p, alpha, batch)
        loss = ((critic(batch["s"], batch["a"]) - y) ** 2).sum(0).mean()
        step(move_critic, loss)
        critic.requires_grad_(False)
        a_new, log_p = draw(policy(batch["s"]), noise[1])
        step(move_policy, (alpha * log_p - critic(batch["s"], a_new).amin(0)).mean())
        critic.requires_grad_(True)
        step(move_alpha, (-log_alpha * (log_p.detach() - ACTIONS)).mean())
        with torch.no_grad():
            torch._foreach_lerp_(moved, live, TAU)
        return loss.detach()

    return Contestant(update)


def hand_written_graph(nets: nn.ModuleDict, batch: Batch, backend: str = "inductor") -> Contestant:
    policy, critic = nets["policy"], nets["critic"]
    p_names, p = zip(*policy.named_parameters(), strict=True)
    q_names, q = zip(*critic.named_parameters(), strict=True)
    q_target, log_alpha = [value.detach().clone() for value in q], torch.tensor(math.log(0.2))
    states = [adam_state(moved) for moved in (p, q, [log_alpha])]

    def read(net: nn.Module, names: Sequence[str], values: Sequence[Tensor], *inputs: Tensor) -> Tensor:
        return functional_call(net, dict(zip(names, values, strict=True)), inputs)

    def critic_loss(q: Sequence[Tensor], y: Tensor, batch: Batch) -> Tensor:
        return ((read(critic, q_names, q, batch["s"], batch["a"]) - y) ** 2).sum(0).mean()

    def actor_loss(p, q, alpha: Tensor, noise: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        a_new, log_p = draw(read(policy, p_names, p, batch["s"]), noise)
        return (alpha * log_p - read(critic, q_names, q, batch["s"], a_new).amin(0)).mean(), log_p

    def update(p, q, q_target, log_alpha, states, noise: Tensor, batch: Batch) -> Tensor:
        alpha = log_alpha.exp()
        a_next, log_p = draw(read(policy, p_names, p, batch["s_next"]), noise[0])
        y = target_of(read(critic, q_names, q_target, batch["s_next"], a_next), log_p, alpha, batch)
        gradient, value = grad_and_value(critic_loss)(q, y, batch)
        adam_step(q, gradient, states[1], LR)
        gradient, (_, log_p) = grad_and_value(actor_loss, has_aux=True)(p, q, alpha, noise[1], batch)
        adam_step(p, gradient, states[0], LR)
        adam_step([log_alpha], [-(log_p - ACTIONS).mean()], states[2], LR)
        for moved, live in zip(q_target, q, strict=True):
            moved.lerp_(live, TAU)
        return value

    compiled = torch.compile(update, backend=backend, fullgraph=True)

    def call() -> Tensor:
        noise = torch.randn(2, *batch["a"].shape)
        with torch.no_grad():
            return compiled(p, q, q_target, log_alpha, states, noise, batch)

    return Contestant(call)


def probrl_way(batch: Batch, backend: str) -> Contestant:
    """The same algorithm as a program; its networks are its own."""
    import probrl as pr

    s, a, r, s_next, terminated = pr.symbols("s a r s_next terminated")
    relu = {"activation": nn.ReLU}
    pi = pr.TanhNormal("a | s", pr.mlp(OBSERVATIONS, 256, 256, 2 * ACTIONS, **relu), name=r"\pi_\theta")
    make = lambda: pr.mlp(OBSERVATIONS + ACTIONS, 256, 256, 1, **relu)  # noqa: E731
    Q = pr.ensemble(2, pr.Deterministic, "q | s, a", make, name="Q")
    alpha, gamma = pr.parameter("alpha", 0.2, positive=True), pr.constant("gamma", GAMMA)
    a_next, a_new = pi(s_next).draw(), pi(s).draw()
    bootstrap = Q.target(s_next, a_next).min() - alpha * pi(s_next).log_prob(a_next)
    y = pr.stop_gradient(r + gamma * (1 - terminated) * bootstrap)
    critic = pr.mean(((Q(s, a) - y) ** 2).sum())
    actor = pr.mean(alpha * pi(s).log_prob(a_new) - Q(s, a_new).min())
    temperature = pr.mean(-pr.log(alpha) * pr.stop_gradient(pi(s).log_prob(a_new) - float(ACTIONS)))
    program = pr.Program(
        pr.Minimize(critic, wrt=Q),
        pr.Minimize(actor, wrt=pi),
        pr.Minimize(temperature, wrt=alpha),
        pr.Polyak(Q.target, tau=TAU),
    )
    step = program.compile(backend=backend)
    return Contestant(lambda: step(batch))


def contestants(size: int) -> dict[str, Contestant]:
    """Everybody, each with its own networks; a new one is one more line."""
    nets, batch = networks(), batch_of(size)
    field = {
        "hand-written eager": hand_written_eager(copy.deepcopy(nets), batch),
        "hand-written graph": hand_written_graph(copy.deepcopy(nets), batch),
    }
    for backend in ("eager", "inductor"):
        field[f"probrl {backend}"] = probrl_way(batch, backend)
    return field


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("error", message=".*cannot be compiled")  # what falls back to eager is not timed
    print(table("SAC update, 256 samples", medians(contestants(256)), "hand-written eager"))


if __name__ == "__main__":
    main()
