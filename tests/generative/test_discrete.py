"""Discrete flows: the joint distribution of tokens from guesses of one token, and a bound of its logarithm."""

import pytest
import torch
from torch import nn

import probrl as pr
from probrl.errors import DataError, ExpressionError
from probrl.generative.tokens import Guess

S = pr.solvers
x, c = pr.symbols("x c")


class Exact(nn.Module):
    """The conditional distribution of each of two tokens given what is seen, from their joint table."""

    def __init__(self, joint):
        super().__init__()
        self.register_buffer("joint", joint)

    def forward(self, x_t, t, condition):
        k = len(self.joint)
        padded = lambda p: torch.cat([p, p.sum(0, keepdim=True)])  # noqa: E731 - the mask's row is the marginal
        first = padded(self.joint.T)[x_t[:, 1]]
        second = padded(self.joint)[x_t[:, 0]]
        seen = torch.stack([first, second], 1)
        assert seen.shape[-1] == k
        return (seen / seen.sum(-1, keepdim=True)).clamp_min(1e-9).log()


JOINT = torch.tensor([[0.3, 0.05, 0.0], [0.05, 0.2, 0.1], [0.0, 0.1, 0.2]])


@pytest.mark.parametrize("path", [pr.paths.Linear(), pr.paths.GVP()], ids=lambda p: type(p).__name__)
def test_samples_follow_the_joint_distribution(path):
    torch.manual_seed(0)
    p = pr.DiscreteFlow("x", Exact(JOINT), classes=3, event_shape=(2,), path=path)
    drawn = p.sample(n=20_000, steps=40)["x"]
    counts = torch.zeros(3, 3).index_put((drawn[:, 0], drawn[:, 1]), torch.ones(20_000), accumulate=True) / 20_000
    torch.testing.assert_close(counts, JOINT, atol=0.02, rtol=0)


def test_a_draw_as_a_formula_follows_it_too():
    torch.manual_seed(0)
    p = pr.DiscreteFlow("x", Exact(JOINT), classes=3, event_shape=(2,))
    rows = pr.symbols("r")
    drawn = p.applied(()).draw(per=rows, solver=S.Euler(24))({"r": torch.zeros(8_000)}).long()
    counts = torch.zeros(3, 3).index_put((drawn[:, 0], drawn[:, 1]), torch.ones(8_000), accumulate=True) / 8_000
    torch.testing.assert_close(counts, JOINT, atol=0.035, rtol=0)


def test_the_weighted_loss_is_the_log_probability_where_the_bound_is_tight():
    """With exact guesses the bound is the log-probability itself, on average over times and masks."""
    torch.manual_seed(0)
    p = pr.DiscreteFlow("x", Exact(JOINT), classes=3, event_shape=(2,))
    for row in ((0, 0), (1, 2)):
        bound = p.matching(x, weight="likelihood")({"x": torch.tensor([row]).expand(40_000, 2)}).mean()
        assert float(bound) == pytest.approx(-float(JOINT[row].log()), abs=0.08)


def test_matching_is_the_cross_entropy_by_hand():
    torch.manual_seed(0)
    p = pr.DiscreteFlow("x | c", Guess(3, 4, 2), classes=4, event_shape=(3,))
    t, u = torch.linspace(0.2, 0.8, 6), torch.rand(6, 3)
    batch = {"x": torch.randint(0, 4, (6, 3)), "c": torch.randn(6, 2), "t": t, "u": u}
    found = p(c).matching(x, t=pr.symbols("t"), u=pr.symbols("u"))(batch)
    seen = u < (1 - t)[:, None]
    x_t = torch.where(seen, batch["x"], 4)
    log_p = p.net.network(x_t, t, batch["c"]).log_softmax(-1).gather(-1, batch["x"][..., None])[..., 0]
    torch.testing.assert_close(found, -(log_p * ~seen).sum(1))


@pytest.mark.parametrize("weight", ["uniform", "likelihood"])
def test_it_prints_checks_and_trains(weight, foreign_commands):
    torch.manual_seed(0)
    p = pr.DiscreteFlow("x | c", Guess(3, 4, 2), classes=4, event_shape=(3,), weight=weight, drop=0.1)
    batch = {"x": torch.randint(0, 2, (32, 3)), "c": torch.randn(32, 2)}
    loss = pr.mean(p(c).matching(x))
    loss.check(batch)
    assert foreign_commands(loss.latex()) == []
    update = pr.Minimize(loss, wrt=p, optimizer=pr.Adam(1e-2)).compile(backend="eager", seed=0)
    losses = [float(update(batch)["loss"]) for _ in range(60)]
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])
    assert int(p.sample({"c": batch["c"]}, n=2)["x"].max()) < 4


@pytest.mark.parametrize("path", [pr.paths.Linear(), pr.paths.LinearVP()], ids=lambda p: type(p).__name__)
def test_where_nothing_is_masked_the_loss_is_nothing(path):
    """At t = 0 the weight of the bound would be 1 / 0, and it weights no token at all."""
    p = pr.DiscreteFlow("x", Guess(3, 4, 0), classes=4, event_shape=(3,), weight="likelihood", path=path)
    x, t = pr.symbols("x t")
    tokens = torch.randint(0, 4, (5, 3))
    assert bool((p.matching(x, t=0)({"x": tokens}) == 0).all())
    found = p.matching(x, t=t)({"x": tokens, "t": torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])})
    assert bool((found[:2] == 0).all()) and bool(found.isfinite().all())
    assert torch.autograd.grad(found.sum(), p.parameters())[0].isfinite().all()


def test_the_weight_of_the_bound_is_precise():
    """Single precision would lose four digits of 1 - alpha near the data."""
    p = pr.DiscreteFlow("x", Guess(3, 4, 0), classes=4, event_shape=(3,), path=pr.paths.LinearVP())
    x, t, u = pr.symbols("x t u")
    at = torch.tensor([1e-4, 1e-3, 0.1])
    batch = {"x": torch.randint(0, 4, (3, 3)), "t": at, "u": torch.ones(3, 3)}
    weighted, plain = (p.matching(x, t=t, u=u, weight=w)(batch).double() for w in ("likelihood", "uniform"))
    alpha = torch.exp(-(at.double() ** 2) * 19.9 / 4 - 0.05 * at.double())
    expected = (0.05 + 9.95 * at.double()) * alpha / (1 - alpha)
    torch.testing.assert_close(weighted / plain, expected, rtol=1e-5, atol=0)


def test_shapes_trajectories_and_known_tokens():
    class Grid(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(6, 5)

        def forward(self, x_t, t, condition):
            return self.table(x_t)

    p = pr.DiscreteFlow("x", Grid(), classes=5, event_shape=(2, 3))
    states = p.sample(n=4, steps=3, trajectory=True)["x"]
    assert states.shape == (4, 4, 2, 3) and bool((states[0] == 5).all()) and int(states[-1].max()) < 5
    mask = torch.tensor([[1, 0, 0], [0, 0, 1]])
    drawn = p.sample(n=4, steps=3, known=(mask, torch.full((2, 3), 2)))["x"]
    assert bool((drawn[:, mask.bool()] == 2).all())
    assert p.data(x, pr.symbols("t"))({"x": states[1], "t": torch.zeros(4)}).sum().item() == pytest.approx(24, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "kind", "pattern"),
    [
        (lambda p: p.sample(n=2, solver=S.Heun(3)), ExpressionError, "Heun 3 .* tokens jump"),
        (lambda p: p.log_prob({"x": torch.zeros(2, 3)}), ExpressionError, "bound"),
        (lambda p: p.applied(()).log_prob(x), ExpressionError, "bound"),
        (lambda p: p.applied(()).score(x, 0.5), ExpressionError, "no score"),
        (lambda p: p.matching(x, weight="noise"), ExpressionError, "weight='noise'"),
        (lambda p: pr.DiscreteFlow("x", None, classes=1, event_shape=(2,)), ExpressionError, "two classes"),
        (lambda p: pr.DiscreteFlow("x", Guess(3, 5, 0), classes=4, event_shape=(3,)).sample(n=2), DataError, "logits"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(wrong, kind, pattern):
    with pytest.raises(kind, match=pattern):
        wrong(pr.DiscreteFlow("x", Guess(3, 4, 0), classes=4, event_shape=(3,)))
