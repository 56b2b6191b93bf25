"""Any pixyz distribution as it is: the user's subclasses, pixyz's algebra, and its losses as terms."""

from __future__ import annotations

import copy

import pixyz.distributions as pd
import pixyz.losses as pl
import pytest
import torch
from torch.nn import functional as F

import probrl as pr
from probrl.errors import DataError, ExpressionError

o, a, A, x, z = *pr.symbols("o a A"), pr.symbols("x", rank=1), pr.symbols("z", rank=1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


class Actor(pd.Categorical):
    def __init__(self):
        super().__init__(var=["a"], cond_var=["o"], name="p")
        self.net = torch.nn.Linear(4, 2)

    def forward(self, o):
        return {"probs": torch.softmax(self.net(o), -1)}


class Encoder(pd.Normal):
    def __init__(self):
        super().__init__(var=["z"], cond_var=["x"], name="q")
        self.loc, self.scale = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)

    def forward(self, x):
        return {"scale": F.softplus(self.scale(x)), "loc": self.loc(x)}


class Decoder(pd.Bernoulli):
    def __init__(self):
        super().__init__(var=["x"], cond_var=["z"], name="p")
        self.net = torch.nn.Linear(2, 3)

    def forward(self, z):
        return {"probs": torch.sigmoid(self.net(z))}


class Map(pd.Deterministic):
    def __init__(self):
        super().__init__(var=["y"], cond_var=["x"], name="f")
        self.net = torch.nn.Linear(3, 2)

    def forward(self, x):
        return {"y": self.net(x)}


def prior():
    return pd.Normal(loc=torch.tensor(0.0), scale=torch.tensor(1.0), var=["z"], features_shape=[2], name="r")


@pytest.fixture
def batch():
    return {"o": torch.randn(8, 4), "a": torch.randint(0, 2, (8,)), "A": torch.rand(8)}


@pytest.fixture
def rows():
    return {"x": torch.rand(8, 3).round(), "z": torch.randn(8, 2)}


def test_the_users_actor_learns(batch):
    actor = Actor()
    loss = pr.mean(-pr.given(actor, o).log_prob(a) * A)
    picked = torch.log_softmax(actor.net(batch["o"]), -1).gather(1, batch["a"][:, None])[:, 0]
    torch.testing.assert_close(loss(batch), -(picked * batch["A"]).mean())
    step = pr.Minimize(loss, wrt=actor, optimizer=pr.Adam(0.1)).compile(backend="eager")
    before = loss(batch).item()
    for _ in range(10):
        step(batch)
    assert loss(batch).item() < 0.7 * before
    assert pr.lift(actor) is pr.lift(actor)


def test_integers_and_one_hot(batch):
    actor, hot = Actor(), pr.symbols("a", rank=1)
    by_index = pr.given(actor, o).log_prob(a)(batch)
    one_hot = F.one_hot(batch["a"], 2).float()
    torch.testing.assert_close(pr.given(actor, o).log_prob(hot)({**batch, "a": one_hot}), by_index)
    with pytest.raises(DataError, match="rank=1"):
        pr.given(actor, o).log_prob(a)({**batch, "a": one_hot})
    look_alike = {"o": torch.randn(2, 4), "a": torch.tensor([0, 1])}
    expected = torch.log_softmax(actor.net(look_alike["o"]), -1).diagonal()
    torch.testing.assert_close(pr.given(actor, o).log_prob(a)(look_alike), expected)


def test_densities_and_divergences(rows):
    q, p = Encoder(), Decoder()
    reference = torch.distributions.Normal(q.loc(rows["x"]), F.softplus(q.scale(rows["x"])))
    torch.testing.assert_close(pr.given(q, x).log_prob(z)(rows), reference.log_prob(rows["z"]).sum(-1))
    torch.testing.assert_close(pr.given(q, x).entropy()(rows), reference.entropy().sum(-1))
    kl = pr.given(q, x).kl(pr.given(prior()))
    torch.testing.assert_close(kl(rows), pl.KullbackLeibler(q, prior()).eval({"x": rows["x"]}))
    expected = torch.distributions.Bernoulli(probs=p(z=rows["z"])["probs"]).log_prob(rows["x"]).sum(-1)
    torch.testing.assert_close(pr.given(p, z).log_prob(x)(rows), expected, rtol=1e-4, atol=1e-4)
    drawn = pr.given(q, x).draw()
    assert pr.given(p, drawn).log_prob(x)(rows).requires_grad


def test_deterministic(rows):
    f = Map()
    torch.testing.assert_close(pr.given(f, x)(rows), f.net(rows["x"]))


def test_an_own_density_is_honoured(rows):
    class Half(Encoder):
        def get_log_prob(self, x_dict, **kwargs):
            return 0.5 * super().get_log_prob(x_dict, **kwargs)

    q = Half()
    reference = torch.distributions.Normal(q.loc(rows["x"]), F.softplus(q.scale(rows["x"])))
    torch.testing.assert_close(pr.given(q, x).log_prob(z)(rows), 0.5 * reference.log_prob(rows["z"]).sum(-1))


def test_own_parameters_are_honoured(rows):
    class Shifted(Encoder):
        def get_params(self, params_dict=None, **kwargs):
            return {k: v + 1 for k, v in self(**params_dict).items()}

    q = Shifted()
    reference = torch.distributions.Normal(q.loc(rows["x"]) + 1, F.softplus(q.scale(rows["x"])) + 1)
    torch.testing.assert_close(pr.given(q, x).log_prob(z)(rows), reference.log_prob(rows["z"]).sum(-1))


def test_parameters_that_are_conditions(rows):
    named = pd.Normal(var=["z"], cond_var=["m"], loc="m", scale=torch.tensor(2.0), features_shape=[2])
    m = pr.symbols("m", rank=1)
    batch = {**rows, "m": torch.randn(8, 2)}
    expected = torch.distributions.Normal(batch["m"], 2.0).log_prob(batch["z"]).sum(-1)
    torch.testing.assert_close(pr.given(named, m).log_prob(z)(batch), expected)


def test_families_without_closed_forms_here(rows):
    laplace = pd.Laplace(var=["z"], loc=torch.zeros(2), scale=torch.ones(2))
    expected = torch.distributions.Laplace(0.0, 1.0).log_prob(rows["z"]).sum(-1)
    torch.testing.assert_close(pr.given(laplace).log_prob(z)(rows), expected)
    assert pr.given(laplace).entropy()({}).item() == pytest.approx(2 * (1 + torch.log(torch.tensor(2.0)).item()))
    with pytest.raises(ExpressionError, match="make it a column"):
        pr.given(laplace).draw()
    with pytest.raises(ExpressionError, match="lives on"):
        pr.given(laplace).kl(pr.given(prior()))

    class Wide(pd.Laplace):
        def __init__(self):
            super().__init__(var=["z"], cond_var=["x"], name="w")
            self.net = torch.nn.Linear(3, 2)

        def forward(self, x):
            return {"loc": self.net(x), "scale": torch.ones(2)}

    w = Wide()
    loss = pr.mean(-pr.given(w, x).log_prob(z))
    pr.Minimize(loss, wrt=w).compile(backend="eager")(rows)
    expected = -torch.distributions.Laplace(w.net(rows["x"]), 1.0).log_prob(rows["z"]).sum(-1).mean()
    torch.testing.assert_close(loss(rows), expected)
    copy.deepcopy(w)


def test_products_renamed_and_marginal(rows):
    p, q, r = Decoder(), Encoder(), prior()
    joint = p * r
    lifted = pr.lift(joint)
    torch.testing.assert_close(lifted().log_prob(x=x, z=z)(rows), joint.get_log_prob(rows))
    renamed = pr.lift(q.replace_var(z="w", x="y"))
    assert str(renamed.declaration) == "w | y"
    w, y = pr.symbols("w", rank=1), pr.symbols("y", rank=1)
    torch.testing.assert_close(
        renamed(y).log_prob(w)({"w": rows["z"], "y": rows["x"]}), pr.given(q, x).log_prob(z)(rows)
    )
    chain = pr.lift((p * q.replace_var(x="y")).marginalize_var("z"))
    assert str(chain.declaration) == "x | y"
    assert chain(y=y).draw()["x"]({"y": rows["x"]}).shape == (8, 3)
    with pytest.raises(ExpressionError, match="integrated out"):
        chain(y=y).log_prob(x=x)
    assert {id(v) for v in chain.parameters()} == {id(v) for m in (p, q) for v in m.parameters()}


def test_a_loss_as_a_term(rows):
    q, p = Encoder(), Decoder()
    per_row = pr.lift(pl.KullbackLeibler(q, prior()))
    torch.testing.assert_close(per_row(x)(rows), pr.given(q, x).kl(pr.given(prior()))(rows))
    elbo = (-p.log_prob().expectation(q) + pl.KullbackLeibler(q, prior())).mean()
    loss = pr.mean(pr.lift(elbo)(x))
    step = pr.Minimize(loss, wrt=[q, p], optimizer=pr.Adam(1e-2)).compile(backend="eager")
    values = [step(rows)["loss"].item() for _ in range(100)]
    assert sum(values[-10:]) < sum(values[:10])
    copy.deepcopy(q)
    with pytest.raises(ExpressionError, match="takes x"):
        pr.lift(elbo)(x, z)


def test_roles_of_the_users(batch):
    actor = Actor()
    ours = pr.lift(actor)
    old = ours.old(o).log_prob(a)
    before = old(batch)
    with torch.no_grad():
        actor.net.weight.add_(torch.randn(2, 4))
    torch.testing.assert_close(old(batch), before)
    assert not torch.allclose(ours(o).log_prob(a)(batch), before)
    assert set(actor.state_dict()) == {"net.weight", "net.bias"}
    twin = copy.deepcopy(actor)
    torch.testing.assert_close(pr.given(twin, o).log_prob(a)(batch), ours(o).log_prob(a)(batch))
    assert pr.lift(twin).net.dist is twin
