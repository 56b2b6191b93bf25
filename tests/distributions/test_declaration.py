"""What a declaration says, and what it refuses."""

from __future__ import annotations

import pytest
import torch

import probrl as pr
from probrl.distributions.declaration import declare
from probrl.errors import DataError, ExpressionError

s, a, u = pr.symbols("s a u")


def test_variables_axes_and_conditions():
    assert declare("a | s").conditions == ("s",)
    assert declare("q[a] | s, g").axes == (("a",),)
    assert declare("z, inherent | o").variables == ("z", "inherent")
    assert declare("b").conditions == ()
    assert declare(" q[i, a]|s ").axes == (("i", "a"),)
    assert str(declare("q[a] | s,g")) == "q[a] | s, g"


@pytest.mark.parametrize("text", ["", "a given s", "a | s |", "a | 1", "| s", "a, | s", "a | a", "a, a | s", "q[] | s"])
def test_what_declares_nothing_is_refused(text):
    with pytest.raises(ExpressionError):
        declare(text)


def normal():
    return pr.Normal("u | s", pr.mlp(3, 4))


def categorical():
    return pr.Categorical("a | s", pr.mlp(3, 4))


V = pr.Deterministic("v | s", pr.mlp(3, 1))
ONE = pr.mlp(3, 1)

WRONG = {
    "a ratio over two supports": (
        lambda: normal()(s).prob(u) / pr.TanhNormal("u | s", pr.mlp(3, 4))(s).prob(u),
        "support|no ratio",
    ),
    "a difference of logarithms over two supports": (
        lambda: normal()(s).log_prob(u) - pr.Beta("u | s", pr.mlp(3, 4))(s).log_prob(u),
        "no ratio",
    ),
    "a divergence over two supports": (lambda: normal()(s).kl(categorical()(s)), "reals.*classes"),
    "a divergence from something else": (lambda: normal()(s).kl(u), "applied distribution"),
    "a divergence without closed form": (lambda: mixture()(s).kl(mixture()(s)), "estimate"),
    "an entropy without closed form": (lambda: pr.TanhNormal("u | s", pr.mlp(3, 4))(s).entropy(), "no closed form"),
    "the density of a point mass": (lambda: V(s).log_prob(a), "point mass"),
    "the density of a point mass, with data": (
        lambda: V.log_prob({"v": torch.ones(1), "s": torch.ones(1, 3)}),
        "point mass",
    ),
    "draws without an axis": (lambda: normal()(s).draw(4), "go together"),
    "a missing condition": (lambda: pr.Normal("u | s, g", pr.mlp(4, 4))(s), "declared as"),
    "an unknown condition": (lambda: normal()(x=s), "declared as"),
    "a distribution as a condition": (lambda: normal()(categorical()(s)), "draw one"),
    "a distribution as a number": (lambda: 2 * categorical()(s), "not a value"),
    "a draw before its conditions": (lambda: normal().draw(), "apply it first"),
    "a gradient through a normal draw": (lambda: normal()(s).draw(gradient="straight-through"), "reparameterised"),
    "a value of another rank": (lambda: normal()(s).log_prob(pr.symbols("u", rank=0)), "rank"),
    "a sum over what is continuous": (lambda: pr.expect(lambda b: b, over=normal()(s).draw()), "too many values"),
    "an expectation over no draw": (lambda: pr.expect(lambda b: b, over=a), "over a draw"),
    "an unknown way": (lambda: pr.expect(lambda b: b, over=normal()(s).draw(), how="mc"), "how="),
    "no network": (lambda: pr.Normal("u | s", 3), "no network"),
    "no declaration": (lambda: pr.Normal(), "declared by"),
    "logits without an axis": (lambda: pr.Categorical(logits=s), "axis='k'"),
    "one network for all members": (
        lambda: pr.ensemble(2, pr.Deterministic, "q | s", lambda: ONE),
        "same network",
    ),
    "an unknown scale": (lambda: pr.Normal("u | s", pr.mlp(3, 4), scale="fixed"), "scale="),
    "outputs that are no factor": (lambda: pr.MultivariateNormal("u | s", pr.mlp(3, 5)), "D \\+ D\\^2"),
    "a subset that is larger": (lambda: pr.Subset(2, 3), "0 < k <= n"),
    "bounds in the wrong order": (lambda: pr.Uniform(1, 0), "lower bound"),
    "a variable twice": (lambda: categorical() * pr.Normal("a | s", pr.mlp(3, 4)), "twice"),
    "a circle": (lambda: pr.Normal("u | b", pr.mlp(3, 4)) * pr.Normal("b | u", pr.mlp(3, 4)), "drawn first"),
    "a product by position": (lambda: (categorical() * normal())(s).log_prob(a, u), "by name"),
    "what is no distribution": (lambda: pr.lift(3), "pixyz"),
}


def mixture():
    return pr.Mixture(pr.Categorical("k | s", pr.mlp(3, 2)), [normal(), normal()])


@pytest.mark.parametrize("case", WRONG)
def test_wrong_compositions_are_refused(case):
    compose, message = WRONG[case]
    with pytest.raises(ExpressionError, match=message):
        compose()


def test_the_nearest_right_ones_are_accepted():
    old = pr.Normal("u | s", pr.mlp(3, 4), name="q")
    assert (normal()(s).prob(u) / old(s).prob(u)).type.rank == 0
    assert normal()(s).kl(old(s)).type.rank == 0
    assert normal()(s).draw(4, "k").type.index[0].name == "k"
    assert (categorical() * normal())(s).log_prob(a=a, u=u).type.rank == 0
    assert pr.Normal("u | s", pr.mlp(3, 2), rank=0)(s).log_prob(pr.symbols("u", rank=0)).type.rank == 0


def test_one_symbol_as_a_scalar_and_as_a_vector():
    both = categorical()(s).log_prob(a) + normal()(s).log_prob(a)
    with pytest.raises(ExpressionError, match="declare which it is"):
        both({"s": torch.ones(2, 3), "a": torch.ones(2)})


def test_a_declaration_without_network_prints_and_does_not_run():
    pi = pr.Categorical("a | s", name=r"\pi_\theta")
    assert r"\pi_\theta" in pi(s).log_prob(a).latex()
    with pytest.raises(ExpressionError, match="without a network"):
        pi(s).entropy()({"s": torch.ones(2, 3)})
    with pytest.raises(ExpressionError, match="without a network"):
        pi.sample({"s": torch.ones(2, 3)})


def test_conditions_by_name_and_in_order():
    q = pr.Deterministic("q | s, a", pr.mlp(4, 1))
    assert q(s, a) is q(s=s, a=a) is q(a=a, s=s)


def test_data_that_does_not_fit():
    pi = categorical()
    with pytest.raises(DataError, match="needs s"):
        pi.sample({"o": torch.ones(2, 3)})
    with pytest.raises(DataError, match="no entry 'a'"):
        pi.log_prob({"s": torch.ones(2, 3)})
    with pytest.raises(DataError, match="classes"):
        pi.log_prob({"s": torch.ones(2, 3), "a": torch.ones(2)})
    with pytest.raises(DataError, match="squeeze"):
        pr.Normal("u | s", pr.mlp(3, 2), rank=0).log_prob({"s": torch.ones(5, 3), "u": torch.ones(5, 1)})
    with pytest.raises(DataError, match="batch_n"):
        pi.sample({"s": torch.ones(2, 3)}, batch_n=3)
