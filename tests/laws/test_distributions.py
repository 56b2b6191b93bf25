"""Laws that every distribution obeys: found by walking the package, so that a new family is tested by existing."""

from __future__ import annotations

import copy
import importlib
import inspect
import math
import pkgutil

import pytest
import torch
from torch import distributions as td

import probrl as pr
from probrl import distributions
from probrl.distributions import Distribution
from probrl.errors import ExpressionError

ROWS, DRAWS = 4, 20_000


def families() -> list[type[Distribution]]:
    """Every family of the package that can make an example of itself."""
    found = {}
    for module in pkgutil.iter_modules(distributions.__path__, f"{distributions.__name__}."):
        for name, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            own = thing.__module__ == module.name and issubclass(thing, Distribution) and "family" in vars(thing)
            if own and thing is not distributions.Deterministic and thing.example() is not None:
                found[name] = thing
    return list(found.values())


FAMILIES = families()


class OfSeveral:
    """Independent classes in torch, for a family that torch lacks."""

    def __init__(self, **logits):
        self.parts = [td.Categorical(logits=v) for v in logits.values()]

    def log_prob(self, x):
        return sum(p.log_prob(x[..., j]) for j, p in enumerate(self.parts))


class OfComponents:
    """A mixture of two normal distributions in torch."""

    def __init__(self, w_logits, c0_loc, c0_scale, c1_loc, c1_scale):
        loc, scale = torch.stack([c0_loc, c1_loc], -2), torch.stack([c0_scale, c1_scale], -2)
        self.whole = td.MixtureSameFamily(td.Categorical(logits=w_logits), td.Independent(td.Normal(loc, scale), 1))

    def log_prob(self, x):
        return self.whole.log_prob(x)


REFERENCES = {"MultiDiscrete": OfSeveral, "Mixture": OfComponents}


@pytest.fixture(params=FAMILIES, ids=lambda f: f.__name__)
def family(request):
    torch.manual_seed(3)
    return request.param


@pytest.fixture
def dist(family):
    return family.example().double()


@pytest.fixture
def batch():
    return {"s": torch.randn(ROWS, 3, dtype=torch.float64)}


def applied(dist):
    return dist(pr.symbols("s")) if dist.declaration.conditions else dist()


def rows(dist, x, batch):
    """One value per row; of a distribution without conditions the same for all."""
    value = x(batch)
    return value if dist.declaration.conditions else value.expand(1, *value.shape)


def many(dist, batch, **options):
    """Draws, with the rows first: (rows, draws, *event)."""
    drawn = applied(dist).draw(DRAWS, "draw", **options)
    return drawn, rows(dist, drawn, batch)


def test_the_walk_finds_families():
    assert {"Normal", "Categorical", "TanhNormal", "Beta", "MultivariateNormal", "Bernoulli", "OneHot"} <= {
        f.__name__ for f in FAMILIES
    }


def test_density_is_torch(family, dist, batch):
    values = dist.sample(batch, n=None) if dist.declaration.conditions else dist.sample(batch_n=ROWS)
    x = values[dist.variable]
    ours = dist.log_prob({**batch, dist.variable: x})
    parameters = dist.get_params(batch)
    make = REFERENCES.get(family.__name__) or (lambda **p: family.distribution_torch_class(**p, validate_args=False))
    if family.__name__ in ("Categorical", "OneHot", "Bernoulli"):
        reference = make(logits=parameters["logits"])
    else:
        reference = make(**parameters)
    theirs = reference.log_prob(x)
    theirs = theirs.sum(tuple(range(1, theirs.dim()))) if theirs.dim() > 1 else theirs
    torch.testing.assert_close(ours, theirs.expand(ours.shape), rtol=1e-6, atol=1e-6)


def test_a_formula_and_a_tensor_agree(dist, batch):
    x = (dist.sample(batch) if dist.declaration.conditions else dist.sample(batch_n=ROWS))[dist.variable]
    batch = {**batch, "x": x}
    formula = applied(dist).log_prob(pr.symbols("x"))
    torch.testing.assert_close(formula(batch), dist.log_prob({**batch, dist.variable: x}))
    torch.testing.assert_close(applied(dist).prob(pr.symbols("x"))(batch), formula(batch).exp())


def test_the_density_of_a_draw_is_that_of_its_value(dist, batch):
    drawn = applied(dist).draw(DRAWS // 10, "draw")
    log_prob = applied(dist).log_prob(drawn)
    value, said = evaluate_together(drawn, log_prob, batch)
    x = value if dist.declaration.conditions else value.unsqueeze(0)
    parameters = {k: v.unsqueeze(1) for k, v in dist.get_params(batch).items()}
    again = dist.formula("log_density", parameters, (x,))
    torch.testing.assert_close(said.reshape(again.shape), again, rtol=1e-5, atol=1e-5)


def evaluate_together(*exprs):
    """Several formulas on one batch with the same noise."""
    *formulas, batch = exprs
    from probrl.graph import Function

    function = Function({str(i): x for i, x in enumerate(formulas)})
    return tuple(function(batch).values())


def test_entropy_against_monte_carlo(dist, batch):
    try:
        entropy = applied(dist).entropy()
    except ExpressionError:
        pytest.skip("no closed form")
    drawn, _ = many(dist, batch)
    estimate = rows(dist, applied(dist).log_prob(drawn), batch)
    error = estimate.std(1) / math.sqrt(DRAWS)
    assert ((-estimate.mean(1) - entropy(batch)).abs() <= 5 * error + 1e-6).all()


def test_divergence_against_monte_carlo(family, dist, batch):
    other = family.example().double()
    if not dist.declaration.conditions:
        pytest.skip("one distribution only")
    s = pr.symbols("s")
    try:
        kl = dist(s).kl(other(s))
    except ExpressionError:
        pytest.skip("no closed form")
    drawn = dist(s).draw(DRAWS, "draw")
    (estimate,) = evaluate_together(dist(s).log_prob(drawn) - other(s).log_prob(drawn), batch)
    error = estimate.std(1) / math.sqrt(DRAWS)
    assert (kl(batch) >= 0).all()
    assert ((estimate.mean(1) - kl(batch)).abs() <= 5 * error + 1e-9).all()
    assert dist(s).kl(dist(s))(batch).abs().max() < 1e-9


@pytest.mark.parametrize("moment", ["mean", "variance"])
def test_moments_against_draws(dist, batch, moment):
    try:
        formula = getattr(applied(dist), moment)()
    except ExpressionError:
        pytest.skip("no closed form")
    _, values = many(dist, batch)
    said = formula(batch)
    found = values.mean(1) if moment == "mean" else values.var(1)
    spread = values.std(1) if moment == "mean" else (values - values.mean(1, keepdim=True)).square().std(1)
    assert ((found - said).abs() <= 5 * spread / math.sqrt(DRAWS) + 1e-9).all()


def test_a_mode_is_at_least_as_probable_as_draws(family, dist, batch):
    if family.__name__ == "TanhNormal":
        pytest.skip("what is meant is the image of the mode before the tanh")
    try:
        mode = applied(dist).mode()
    except ExpressionError:
        pytest.skip("no closed form")
    best = applied(dist).log_prob(mode)(batch)
    drawn = applied(dist).draw(100, "draw")
    assert (best.unsqueeze(-1) >= applied(dist).log_prob(drawn)(batch) - 1e-6).all()


def test_gradient_passes_through_a_draw(family, dist, batch):
    """The gradient of the mean of draws is the gradient of the mean (of the fourth power, where there is none)."""
    if not family.reparameterised or not list(dist.parameters()):
        pytest.skip("not reparameterised")
    parameters = [p for p in dist.parameters() if p.dim() == 1][-1:]
    drawn = applied(dist).draw(DRAWS * 5, "draw")
    if family.__name__ == "TanhNormal":
        values = dist.get_params(batch)
        nodes = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None, None]
        weight = torch.exp(-0.5 * nodes**2)
        exact = (torch.tanh(values["loc"] + values["scale"] * nodes) * weight).sum(0) / weight.sum(0)
    else:
        exact = applied(dist).mean()(batch)
    sampled = drawn(batch).mean(1)
    ours = torch.autograd.grad(sampled.sum(), parameters)[0]
    theirs = torch.autograd.grad(exact.sum(), parameters)[0]
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.03)


def test_roles_register_nothing(dist, batch):
    state, names = set(dist.state_dict()), [n for n, _ in dist.named_parameters()]
    views = [getattr(dist, role) for role in ("behavior", "old", "target", "ema", "reference", "frozen")]
    if dist.declaration.conditions:
        for view in views[1:]:
            view(pr.symbols("s")).log_prob(view(pr.symbols("s")).draw())(batch)
            assert set(view.sample(batch)) == {"s", dist.variable}
    assert set(dist.state_dict()) == state
    assert [n for n, _ in dist.named_parameters()] == names
    assert all(not list(v.parameters()) and not v.state_dict() for v in views)
    assert all(getattr(dist, v.role) is v and v.owner is dist for v in views)


def test_a_copy_after_a_backward_pass_stands_alone(dist, batch):
    if not list(dist.parameters()):
        pytest.skip("nothing to train")
    s = pr.symbols("s")
    drawn = dist(s).draw()
    if type(dist).__name__ not in REFERENCES:
        dist.set_dist(batch)
    pr.mean(dist(s).log_prob(drawn))(batch).backward()
    torch.manual_seed(0)
    before = dist(s).log_prob(pr.stop_gradient(drawn))(batch)
    twin = copy.deepcopy(dist)
    with torch.no_grad():
        for p in dist.parameters():
            p.add_(1.0)
    torch.manual_seed(0)
    drawn = twin(s).draw()
    torch.manual_seed(0)
    assert twin(s).log_prob(pr.stop_gradient(drawn))(batch).shape == before.shape
    assert all(not torch.equal(a, b) for a, b in zip(dist.parameters(), twin.parameters(), strict=True))
    assert twin.handle.owner is twin


def test_a_moved_role_keeps_its_values(dist, batch):
    if not list(dist.parameters()):
        pytest.skip("nothing to train")
    s, x = pr.symbols("s x")
    batch = {**batch, "x": dist.sample(batch)[dist.variable]}
    old = dist.old(s).log_prob(x)
    before = old(batch)
    with torch.no_grad():
        for p in dist.parameters():
            p.add_(0.1 * torch.randn_like(p))
    torch.testing.assert_close(old(batch), before)
    assert not torch.allclose(dist(s).log_prob(x)(batch), before)
    torch.testing.assert_close(dist.old.log_prob({**batch, dist.variable: batch["x"]}), before)


def test_held_parameters_get_no_gradient(dist, batch):
    if not list(dist.parameters()):
        pytest.skip("nothing to train")
    s, x = pr.symbols("s x")
    batch = {**batch, "x": dist.sample(batch)[dist.variable]}
    for held in (pr.stop_gradient(dist(s)), dist.frozen(s)):
        assert not held.log_prob(x)(batch).requires_grad
    torch.testing.assert_close(pr.stop_gradient(dist(s)).log_prob(x)(batch), dist(s).log_prob(x)(batch).detach())


def test_it_prints(dist):
    p = applied(dist)
    for formula in (p.log_prob(pr.symbols("x")), p.draw()):
        assert formula.latex() and str(formula)


def test_samples_are_dicts_with_their_conditions(dist, batch):
    if not dist.declaration.conditions:
        assert set(dist.sample(batch_n=3)) == {dist.variable}
        return
    one = dist.sample(batch)
    assert set(one) == {"s", dist.variable} and one[dist.variable].shape[0] == ROWS
    assert set(dist.sample(batch, return_all=False)) == {dist.variable}
    several = dist.sample(batch, n=3)
    assert torch.equal(several["s"], batch["s"].repeat_interleave(3, 0))
    assert dist.sample(batch, sample_shape=(2, 5))[dist.variable].shape == (2, 5, *one[dist.variable].shape)
    assert not one[dist.variable].requires_grad
    assert dist.sample(batch, reparam=True)[dist.variable].requires_grad == bool(dist.reparameterised)


def test_an_update_eagerly_and_traced_is_the_same(family):
    """A loss with all that the family offers, draws included, moves the parameters alike under both drivers."""
    dist = family.example()
    if not list(dist.parameters()):
        pytest.skip("nothing to train")
    s, batch = pr.symbols("s"), {"s": torch.randn(ROWS, 3)}

    def train(d, backend):
        drawn = d(s).draw()
        loss = -d(s).log_prob(pr.stop_gradient(drawn))
        if d.reparameterised:
            loss = loss + pr.sqnorm(drawn) + 0.1 * d(s).log_prob(drawn)
        for term in (lambda: -0.1 * d(s).entropy(), lambda: d(s).kl(d.reference(s))):
            try:
                loss = loss + term()
            except ExpressionError:
                continue
        update = pr.Minimize(pr.mean(loss), wrt=d, optimizer=pr.Adam(1e-2)).compile(backend=backend, seed=3)
        return [update(batch)["loss"] for _ in range(3)]

    twin = copy.deepcopy(dist)
    torch.testing.assert_close(train(dist, "eager"), train(twin, "aot_eager"), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(dist.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
