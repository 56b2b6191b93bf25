"""Whether two matching losses are the same up to a weight: the weight agrees with numbers, and what differs is said."""

import pytest
import torch

import probrl as pr
from probrl.networks import TimeMLP

P = pr.paths
NET = TimeMLP(2, hidden=(8,))
x, y, c = pr.symbols("x y c")
t, e = pr.symbols("t e")
PATHS = [P.Linear(), P.GVP(), P.LinearVP(), P.VE(), P.EDM(), P.CosineVP()]
PAIRS = [("noise", "noise", "velocity", "velocity"), ("data", "noise", "velocity", "noise"), ("score", "score", "noise", "likelihood"),
         ("F", "F", "noise", "noise")]  # fmt: skip


def loss(path, predicts, weight, network=NET):
    return pr.Diffusion("x", network, path=path, predicts=predicts, weight=weight).matching(x, t=t, noise=e)


class Known(torch.nn.Module):
    """The prediction that stands for a fixed guess of the noise."""

    event_shape = (2,)

    def __init__(self, path, predicts):
        super().__init__()
        self.path, self.predicts = path, predicts

    def forward(self, x_t, time, condition):
        return self.path.convert(torch.sin(x_t), x_t, time, source="noise", target=self.predicts)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: "-".join(p))
@pytest.mark.parametrize("path", PATHS, ids=lambda p: type(p).__name__)
def test_the_weight_is_the_quotient_of_the_losses(path, pair, foreign_commands):
    """Two networks that stand for one guess of the noise: their losses differ by w(t), at every time."""
    first, second = (loss(path, p, w, Known(path, p)) for p, w in (pair[:2], pair[2:]))
    proof = pr.prove_equal(first, second)
    assert proof and str(proof).startswith("equal up to w(t) = ") and foreign_commands(proof.latex()) == []
    times = torch.linspace(0.1, 0.9, 7, dtype=torch.float64)
    batch = {"x": torch.randn(7, 2).double(), "e": torch.randn(7, 2).double(), "t": times}
    weight = proof.weight({"t": times}) if not proof.identical else torch.ones(7).double()
    torch.testing.assert_close(first(batch), weight * second(batch), rtol=1e-6, atol=1e-9)
    assert proof.identical == bool(torch.allclose(first(batch), second(batch), rtol=1e-9))


def test_losses_by_hand_are_read_as_well():
    u, z = pr.Deterministic("u | x_t, t", NET, rank=1), pr.symbols("z", rank=1)
    time, noise = pr.Uniform(0, 1).draw(per=z), pr.noise(like=z)
    z_t = (1 - time) * z + time * noise
    flow = pr.Flow("z", NET).matching(z)
    by_hand = pr.prove_equal(pr.mean(pr.sqnorm(u(z_t, time) - (noise - z))), flow)
    assert by_hand.identical and "other laws" not in str(by_hand)
    weighted = pr.prove_equal(pr.mean(time**2 * pr.sqnorm(u(z_t, time) - noise)), flow)
    at = torch.tensor([0.2, 0.7], dtype=torch.float64)
    torch.testing.assert_close(weighted.weight({"t": at}), at**2 * (1 - at) ** 2)


def test_a_path_written_anew_is_the_same_path():
    import sympy

    own = P.GaussianPath(alpha=sympy.cos(sympy.pi * P.t / 2), sigma=sympy.sqrt(1 - sympy.cos(sympy.pi * P.t / 2) ** 2))
    assert pr.prove_equal(loss(own, "velocity", "velocity"), loss(P.GVP(), "velocity", "velocity")).identical


def power(k):
    """A path of the user's own, whose constant has a letter."""
    import sympy

    return P.GaussianPath(alpha=(1 - P.t) ** sympy.Symbol("k", positive=True), sigma=P.t, k=k)


def test_constants_of_one_letter_are_told_apart_by_their_values():
    one, two = (loss(P.LinearVP(beta_1=b), "noise", "noise") for b in (20.0, 10.0))
    assert pr.prove_equal(one, one).identical
    proof = pr.prove_equal(one, two)
    assert not proof and "199*t**2/40" in proof.reason and "99*t**2/40" in proof.reason
    assert not pr.prove_equal(loss(power(2.0), "noise", "noise"), loss(power(3.0), "noise", "noise"))
    scaled = pr.prove_equal(pr.constant("c", 2.0) * one, pr.constant("c", 4.0) * one)
    assert float(scaled.weight({})) == 0.5


def test_constants_are_the_numbers_that_they_stand_for():
    import sympy

    written = P.GaussianPath(alpha=(1 - P.t) ** 2, sigma=P.t)
    assert pr.prove_equal(loss(power(2.0), "velocity", "data"), loss(written, "velocity", "data")).identical
    alpha = sympy.exp(-4.975 * P.t**2 - 0.05 * P.t)
    by_numbers = P.GaussianPath(alpha=alpha, sigma=sympy.sqrt(1 - alpha**2))
    assert pr.prove_equal(loss(by_numbers, "noise", "noise"), loss(P.LinearVP(), "noise", "noise")).identical


def test_weights_that_differ_in_a_part_of_the_time_differ():
    proof = pr.prove_equal(loss(P.LinearVP(), "noise", "min_snr"), loss(P.LinearVP(), "noise", "noise"))
    assert proof and not proof.identical
    at = torch.tensor([0.01, 0.9], dtype=torch.float64)
    torch.testing.assert_close(proof.weight({"t": at}), P.LinearVP().weight(at, "min_snr"))


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        (lambda: pr.exp(pr.symbols("A")), "the first is exp(A) times the second, and A is no function of the time"),
        (lambda: pr.parameter("b", 1.0), "b is no function of the time"),
        (lambda: pr.Uniform(0, 1).draw(per=x), "u is no function of the time"),
        (lambda: 0, "its weight is 0"),
    ],
)
def test_factors_that_are_no_weights_of_the_time(factor, reason):
    """Weighted by an advantage, or by a draw, a loss is another one, unless both are."""
    proof = pr.prove_equal(factor() * loss(P.Linear(), "data", "data"), loss(P.Linear(), "data", "data"))
    assert not proof and reason in str(proof)


def test_losses_of_one_advantage_are_compared_by_the_rest():
    weight = pr.exp(pr.symbols("A"))
    proof = pr.prove_equal(weight * loss(P.Linear(), "data", "noise"), weight * loss(P.Linear(), "data", "data"))
    assert str(proof.weight) == "(1 - t)² / t²"


def test_a_target_that_says_nothing_of_the_noise_is_no_loss():
    u, z = pr.Deterministic("u | x_t, t", NET, rank=1), pr.symbols("z", rank=1)
    time, noise = pr.Uniform(0, 1).draw(per=z), pr.noise(like=z)
    z_t = z + time * noise
    proof = pr.prove_equal(pr.sqnorm(u(z_t, time) - z_t), pr.sqnorm(u(z_t, time) - noise))
    assert not proof and "does not depend on what its network says of the noise" in str(proof)


def test_the_time_may_be_a_column_of_any_name():
    """A column that is called t is not the time of a loss that draws its own."""
    free = pr.Diffusion("x", NET).matching(x)
    assert not pr.prove_equal(pr.symbols("t") * free, free)
    column = pr.symbols("t")
    given = pr.Diffusion("x", NET).matching(x, t=column)
    assert str(pr.prove_equal(column**2 * given, given).weight) == "t²"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: loss(P.Linear(), "noise", "noise"), "noise the data in other ways"),
        (lambda: pr.Diffusion("x", NET).matching(y, t=t, noise=e), "other data"),
        (lambda: pr.Diffusion("x | c", TimeMLP(2, condition=3))(c).matching(x, t=t, noise=e), "other conditions"),
        (lambda: pr.Diffusion("x", NET).matching(x, t=t, noise=pr.symbols("f", rank=1)), "paired in other ways"),
        (lambda: pr.mean(t**2), "no weighted squared error"),
        (lambda: loss(P.LinearVP(), "noise", "noise") + loss(P.LinearVP(), "data", "data"), "no weighted squared error"),
    ],
)  # fmt: skip
def test_what_differs_is_said(other, reason):
    proof = pr.prove_equal(loss(P.LinearVP(), "noise", "noise"), other())
    assert not proof and proof.weight is None and reason in str(proof)


def test_flows_with_paired_noise_are_told_apart():
    one, two = (pr.Flow("x", NET, coupling=k).matching(x) for k in ("independent", "ot"))
    assert pr.prove_equal(one, one).identical and not pr.prove_equal(one, two)


# --- what is more than data and noise ------------------------------------------------------------------------------
def bridge(network=NET, **options):
    return pr.Bridge("x", network, TimeMLP(2, hidden=(8,)), **{"sigma": 0.5, **options}).matching(x, start=y, t=t)


def test_bridges_are_read_with_their_start():
    proof = pr.prove_equal(bridge(), bridge())
    assert proof.identical and "what is added to the data" in str(proof)
    scaled = pr.prove_equal(pr.mean(t**2 * bridge()), bridge())
    at = torch.tensor([0.2, 0.7], dtype=torch.float64)
    torch.testing.assert_close(scaled.weight({"t": at}), at**2)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (lambda: bridge(predicts="velocity"), "no w(t) makes one the other"),
        (lambda: bridge(sigma=0.7), "the share of the noise"),
        (lambda: bridge(coupling="independent"), "paired in other ways"),
        (lambda: loss(P.Linear(), "noise", "noise"), "made of 3 parts and of 2"),
    ],
)  # fmt: skip
def test_what_differs_between_bridges_is_said(other, reason):
    proof = pr.prove_equal(bridge(), other())
    assert not proof and reason in str(proof)


def test_dropped_conditions_and_several_variables_are_read():
    net = TimeMLP(2, condition=3, hidden=(8,))
    one, two = (
        pr.Flow("x | c", net, drop=0.1, predicts=p, weight="noise")(c).matching(x) for p in ("noise", "velocity")
    )
    assert pr.prove_equal(one, two).identical
    several = pr.Flow("x, y", NET, event_shape={"x": (2,), "y": (3,)})
    assert pr.prove_equal(several.matching(x, y), several.matching(x, y)).identical


OWN = {
    "consistency": lambda: pr.ConsistencyModel("x", NET).matching(x),
    "mean flow": lambda: pr.MeanFlow("x", TimeMLP(2, condition=1, hidden=(8,))).matching(x),
    "tokens": lambda: pr.DiscreteFlow.example()(c).matching(x),
}


@pytest.mark.parametrize("kind", OWN)
def test_other_losses_are_equal_to_themselves_alone(kind):
    one = OWN[kind]()
    assert pr.prove_equal(one, one).identical and "one formula" in str(pr.prove_equal(one, one))
    proof = pr.prove_equal(one, loss(P.Linear(), "noise", "noise"))
    assert not proof and ("what the network says itself" in str(proof) or "no weighted squared error" in str(proof))


def test_two_draws_of_one_loss_are_one_formula():
    f = pr.ConsistencyModel("x", NET)
    assert pr.prove_equal(f.matching(x), f.matching(x)).identical


def test_one_network_is_asked_for_the_same_in_both():
    path = P.GVP()
    f = pr.Flow("x", NET, path=path)
    x_t, noise, velocity = path.perturb(x, e, t), path.target("noise", x, e, t), path.target("velocity", x, e, t)
    matching = f.matching(x, t=t, noise=e)
    for right in (f.velocity(x_t, t) - velocity, velocity - f.velocity(x_t, t), 3 * f.noise(x_t, t) - 3 * noise):
        assert pr.prove_equal(pr.sqnorm(right), matching), right
    for wrong in (
        f.velocity(x_t, t) + velocity,
        f.velocity(x_t, t) - noise,
        f.velocity(x_t, t) - 2 * velocity,
        f.noise(x_t, t) + noise,
        f.score(x_t, t) - noise,
    ):
        found = pr.prove_equal(pr.sqnorm(wrong), matching)
        assert not found and "ask one network for different things" in str(found), wrong


@pytest.mark.parametrize("weight", ["noise", "score", "data", "velocity", "likelihood", "F"])
@pytest.mark.parametrize("path", PATHS, ids=lambda p: type(p).__name__)
def test_every_weight_of_every_path_has_a_quotient(path, weight):
    try:
        first = loss(path, "noise", weight)
    except pr.errors.ExpressionError:
        pytest.skip("the model has no such weight")
    proof = pr.prove_equal(first, loss(path, "noise", "noise"))
    assert proof and proof.weight.latex()
