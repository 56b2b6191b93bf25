"""A pixyz distribution of your own, used in a formula as it is."""

import pixyz.distributions
import torch

import probrl as pr


class Actor(pixyz.distributions.Categorical):
    """p(a|o), written for pixyz, where actions are one-hot."""

    def __init__(self):
        super().__init__(var=["a"], cond_var=["o"], name="p")
        self.net = torch.nn.Linear(4, 2)

    def forward(self, o):
        return {"probs": torch.softmax(self.net(o), -1)}


actor = Actor()
o, A = pr.symbols("o A")
a = pr.symbols("a", rank=1)

loss = pr.mean(-pr.given(actor, o).log_prob(a) * A)  # pr.given(actor, o) is pr.lift(actor)(o)
print(loss)

torch.manual_seed(0)
batch = {
    "o": torch.randn(32, 4),
    "a": torch.nn.functional.one_hot(torch.randint(0, 2, (32,)), 2).float(),
    "A": torch.ones(32),
}
print(loss.check(batch))

step = pr.Minimize(loss, wrt=actor, optimizer=pr.Adam(1e-2)).compile()
for i in range(100):
    metrics = step(batch)
    if i % 25 == 0:
        print(f"update {i:3d}: loss {float(metrics['loss']):.3f}")

# Training moved the actor's own parameters, so pixyz samples from the trained policy.
print(actor.sample({"o": batch["o"][:3]})["a"])
