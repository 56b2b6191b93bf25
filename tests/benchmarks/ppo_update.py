"""One PPO update, by hand in four ways and by probrl: two 64-64 tanh nets, 4 observations, 2 actions, clip 0.5, Adam.

python -m tests.benchmarks.ppo_update
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from functools import partial

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.func import grad_and_value

from tests.benchmarks.functional import AdamState, adam_state, adam_step
from tests.benchmarks.timing import Contestant, medians, table

Batch = dict[str, Tensor]
LR, NORM, UNROLLED = 3e-4, 0.5, 4


def networks(seed: int = 0) -> nn.ModuleDict:
    torch.manual_seed(seed)

    def net(outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))

    return nn.ModuleDict({"policy": net(2), "value": net(1)})


def batch_of(size: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return {
        "s": torch.randn(size, 4, generator=generator),
        "a": torch.randint(0, 2, (size,), generator=generator),
        "A": torch.randn(size, generator=generator),
        "R": torch.randn(size, generator=generator),
        "a_log_prob": -0.69 + 0.1 * torch.randn(size, generator=generator),
    }


def loss_of(logits: Tensor, v: Tensor, batch: Batch) -> Tensor:
    log_p = logits.log_softmax(-1)
    ratio = (log_p.gather(-1, batch["a"].unsqueeze(-1)).squeeze(-1) - batch["a_log_prob"]).exp()
    surrogate = torch.minimum(ratio * batch["A"], ratio.clamp(0.8, 1.2) * batch["A"])
    entropy = -(log_p.exp() * log_p).sum(-1)
    return (-surrogate + 0.5 * (v - batch["R"]) ** 2 - 0.01 * entropy).mean()


def hand_written_eager(nets: nn.ModuleDict, batch: Batch) -> Contestant:
    optimizer = torch.optim.Adam(nets.parameters(), lr=LR, fused=True)
    parameters = list(nets.parameters())

    def update() -> Tensor:
        loss = loss_of(nets["policy"](batch["s"]), nets["value"](batch["s"]).squeeze(-1), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, NORM)
        optimizer.step()
        return loss.detach()

    return Contestant(update)


def hand_written_graph(nets: nn.ModuleDict, batch: Batch, unrolled: int = 1, backend: str = "inductor") -> Contestant:
    """A single functional graph; with `unrolled` minibatches it makes as many updates in one call."""
    parameters = list(nets.parameters())
    state = adam_state(parameters)

    def perceptron(x: Tensor, values: Sequence[Tensor]) -> Tensor:
        for layer in range(0, len(values), 2):
            x = nn.functional.linear(x if layer == 0 else x.tanh(), values[layer], values[layer + 1])
        return x

    def loss(values: list[Tensor], part: Batch) -> Tensor:
        return loss_of(perceptron(part["s"], values[:6]), perceptron(part["s"], values[6:]).squeeze(-1), part)

    def updates(parameters: list[Tensor], state: AdamState, parts: list[Batch]) -> list[Tensor]:
        values = []
        for part in parts:
            gradient, value = grad_and_value(loss)(parameters, part)
            adam_step(parameters, gradient, state, LR, NORM)
            values.append(value)
        return values

    parts = [{name: column.clone() for name, column in batch.items()} for _ in range(unrolled)]
    compiled = torch.compile(updates, backend=backend, fullgraph=True)

    def call() -> list[Tensor]:
        with torch.no_grad():
            return compiled(parameters, state, parts)

    return Contestant(call, unrolled)


def pixyz_way(nets: nn.ModuleDict, batch: Batch, columns: bool = False) -> Contestant:
    """The same loss in pixyz's own terms; with `columns` advantages and values are (B, 1), as its users write them."""
    import pixyz.utils

    if hasattr(pixyz.utils, "set_cache_maxsize"):  # its memo returns the parameters of the step before
        pixyz.utils.set_cache_maxsize(0)
    else:
        pixyz.utils.CACHE_SIZE = 0
    from pixyz.distributions import Categorical, Deterministic
    from pixyz.losses import Entropy, Parameter
    from pixyz.losses.losses import MaxLoss, MinLoss, ValueLoss
    from pixyz.models import Model

    class Actor(Categorical):
        def __init__(self):
            super().__init__(var=["a"], cond_var=["s"], name="p")
            self.net = nets["policy"]

        def forward(self, s):
            return {"probs": torch.softmax(self.net(s), -1)}

    class Critic(Deterministic):
        def __init__(self):
            super().__init__(var=["v"], cond_var=["s"], name="f")
            self.net = nets["value"]

        def forward(self, s):
            v = self.net(s)
            return {"v": v if columns else v.squeeze(-1)}

    actor, critic, advantage = Actor(), Critic(), Parameter("A")
    ratio = actor.prob() / Parameter("p_old")
    clipped = MinLoss(MaxLoss(ratio, ValueLoss(0.8)), ValueLoss(1.2))
    error = Parameter("v") - Parameter("R")
    value = (error * error).expectation(critic)
    loss = (-MinLoss(ratio * advantage, clipped * advantage) + 0.5 * value - 0.01 * Entropy(actor)).mean()
    model = Model(loss, distributions=[actor, critic], optimizer_params={"lr": LR}, clip_grad_norm=NORM)
    one_hot = nn.functional.one_hot(batch["a"], 2).float()
    data = {"s": batch["s"], "a": one_hot, "p_old": batch["a_log_prob"].exp(), "A": batch["A"], "R": batch["R"]}
    if columns:
        data |= {"A": batch["A"].unsqueeze(-1), "R": batch["R"].unsqueeze(-1)}
    return Contestant(lambda: model.train(data))


def probrl_way(nets: nn.ModuleDict, batch: Batch, backend: str, minibatches: int = 1) -> Contestant:
    """The program of the README; with several minibatches, a Fit over as many times the rows."""
    import probrl as pr

    s, a, A, R = pr.symbols("s a A R")
    pi = pr.Categorical("a | s", nets["policy"], name=r"\pi_\theta")
    V = pr.Deterministic("v | s", nets["value"], name=r"V_\phi")
    ratio = pi(s).prob(a) / pi.behavior(s).prob(a)
    surrogate = pr.minimum(ratio * A, pr.clip(ratio, 0.8, 1.2) * A)
    loss = pr.mean(-surrogate + 0.5 * (V(s) - R) ** 2 - 0.01 * pi(s).entropy())
    program: pr.Minimize | pr.Fit = pr.Minimize(loss, wrt=[pi, V], optimizer=pr.Adam(LR), max_grad_norm=NORM)
    if minibatches > 1:
        program = pr.Fit(program, minibatch=len(batch["A"]))
        batch = {name: torch.cat([column] * minibatches) for name, column in batch.items()}
    step = program.compile(backend=backend)
    return Contestant(lambda: step(batch), minibatches)


def contestants(size: int) -> dict[str, Contestant]:
    """Everybody, each with its own copy of the same networks; a new one is one more line."""
    nets, batch = networks(), batch_of(size)
    builders = {
        "hand-written eager": hand_written_eager,
        "hand-written graph": hand_written_graph,
        f"hand-written graph, {UNROLLED} unrolled": partial(hand_written_graph, unrolled=UNROLLED),
        "pixyz, (B,)": pixyz_way,
        "pixyz, (B, 1)": partial(pixyz_way, columns=True),
        "probrl eager": partial(probrl_way, backend="eager"),
        "probrl compiled": partial(probrl_way, backend="inductor"),
        f"probrl eager, Fit of {UNROLLED}": partial(probrl_way, backend="eager", minibatches=UNROLLED),
        f"probrl compiled, Fit of {UNROLLED}": partial(probrl_way, backend="inductor", minibatches=UNROLLED),
    }
    return {name: build(copy.deepcopy(nets), batch) for name, build in builders.items()}


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("error", message=".*cannot be compiled")  # what falls back to eager is not timed
    for size in (64, 2048):
        print(table(f"PPO update, {size} samples", medians(contestants(size)), "hand-written eager"), end="\n\n")


if __name__ == "__main__":
    main()
