"""Golden formulas: every distribution, every definition, and whole algorithms print as they did.

After a change that is meant, ``PROBRL_GOLDEN=write pytest tests/printing/test_golden.py`` writes the files anew; read
the difference before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import probrl as pr
from probrl import distributions, objectives
from probrl.distributions import Distribution
from probrl.printing import Page, page_latex
from probrl.training.catalogue import algorithm_class
from tests.algorithms import NAMES, fitting
from tests.programs import declared

GOLDEN = Path(__file__).parent / "golden"
PI = r"\pi_\theta"


def net(inputs: int, outputs: int):
    return pr.mlp(inputs, 8, outputs)


def mixture():
    parts = [pr.Normal("a | s", net(3, 4), name=name) for name in ("p", "q")]
    return pr.Mixture(pr.Categorical("k | s", net(3, 2), name="w"), parts, name="m")


DISTRIBUTIONS: dict[str, Callable] = {
    "Bernoulli": lambda: pr.Bernoulli("a | s", net(3, 1), name=PI),
    "Beta": lambda: pr.Beta("a | s", net(3, 4), name=PI),
    "Categorical": lambda: pr.Categorical("a | s", net(3, 4), name=PI),
    "Deterministic": lambda: pr.Deterministic("q[a] | s", net(3, 4), name="Q"),
    "Mixture": mixture,
    "MultiDiscrete": lambda: pr.MultiDiscrete("a | s", net(3, 5), sizes=(2, 3), name=PI),
    "MultivariateNormal": lambda: pr.MultivariateNormal("a | s", net(3, 6), name=PI),
    "Normal": lambda: pr.Normal("a | s", net(3, 4), name=PI),
    "NormalFreeScale": lambda: pr.Normal("a | s", net(3, 2), name=PI, scale="free"),
    "OneHot": lambda: pr.OneHot("z | h", net(3, 4), name="q"),
    "TanhNormal": lambda: pr.TanhNormal("a | s", net(3, 4), name=PI),
    "Uniform": lambda: pr.Uniform(0, 1),
}

x, y, w, A, ratio, r, v, v_next, terminated, u = pr.symbols("x y w A ratio r v v_next terminated u", rank=0)
p, q = pr.symbols("p q", rank=1)
delta, ended = pr.symbols("delta ended", rank=0, axes=pr.Axis("time", mask="valid"))
eps, gamma, lam, tau = (
    pr.constant(k, c) for k, c in (("epsilon", 0.2), ("gamma", 0.99), ("lambda", 0.95), ("tau", 0.7))
)
k = pr.noise(like=x, n=4, axis="k").named("z")

DEFINITIONS: dict[str, Callable] = {
    "clipped_surrogate": lambda: pr.clipped_surrogate(ratio, A, eps),
    "contrastive_energy": lambda: pr.contrastive_energy(k, k + 1),
    "preference": lambda: pr.preference(x, y, u, w, 0.5),
    "expectile": lambda: pr.expectile(u, tau),
    "gae": lambda: pr.gae(delta, ended, gamma, lam),
    "group_advantage": lambda: pr.group_advantage(u, ended),
    "reward_to_go": lambda: pr.reward_to_go(delta, ended, gamma),
    "huber": lambda: pr.huber(u),
    "normalized": lambda: pr.normalized(x, y, w),
    "running_return": lambda: pr.running_return(delta, ended, gamma),
    "scaled": lambda: pr.scaled(x, w),
    "td_error": lambda: pr.td_error(r, v, v_next, terminated, gamma),
    "clip": lambda: pr.clip(x, -1, 1),
    "standardize": lambda: pr.standardize(A),
    "std": lambda: pr.std(A),
    "var": lambda: pr.var(A),
    "sqnorm": lambda: pr.sqnorm(p - q),
    "dot": lambda: pr.dot(p, q),
    "softmax": lambda: pr.softmax(k),
    "log_softmax": lambda: pr.log_softmax(k),
    "logsumexp": lambda: pr.logsumexp(k),
    "divergence": lambda: pr.divergence(pr.tanh(p) * x, p),
    "divergence_by_probes": lambda: pr.divergence(pr.tanh(p) * x, p, probes=2),
}


def algorithm(name: str):
    """With everything switched on that it has."""
    cls, options = algorithm_class(name), {"clip_vloss": True, "target_kl": 0.02, "ent_coef": 0.01}
    spaces = SimpleNamespace(observation=SimpleNamespace(size=4), action=SimpleNamespace(n=2))
    return cls(**fitting(cls, options)).declare(spaces).program


PROGRAMS: dict[str, Callable] = {
    **{f"algorithm_{name}": partial(algorithm, name) for name in NAMES},
    **{name: lambda build=build: build().program for name, build in declared.PROGRAMS.items()},
}


def both(expr) -> str:
    """A definition by its name, and by its body."""
    page = Page(expand=True, define=False)
    page.row(expr)
    return f"{expr.latex(define=False)}\n\n{page_latex(page)}\n"


def compared(name: str, printed: str) -> None:
    file = GOLDEN / name
    if os.environ.get("PROBRL_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(printed, encoding="utf-8")
    assert file.is_file(), f"{file} is not there yet: PROBRL_GOLDEN=write"
    assert printed == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name):
    compared(f"distributions/{name}.tex", DISTRIBUTIONS[name]().latex() + "\n")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definition(name):
    compared(f"definitions/{name}.tex", both(DEFINITIONS[name]()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    program = PROGRAMS[name]()
    compared(f"programs/{name}.tex", program.latex() + "\n")
    compared(f"programs/{name}.txt", program.text() + "\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_table_of_gradients(name):
    tables = PROGRAMS[name]().gradients()
    compared(f"gradients/{name}.txt", "\n\n".join(f"{moved}\n{table}" for moved, table in tables.items()) + "\n")


def test_every_distribution_is_here():
    found = {
        k
        for k in distributions.__all__
        if isinstance(c := getattr(distributions, k), type) and issubclass(c, Distribution)
    }
    assert found - {"Distribution"} <= set(DISTRIBUTIONS)


def test_every_objective_is_here():
    assert set(objectives.__all__) <= set(DEFINITIONS)


def test_all_of_it_compiles(katex_errors, foreign_commands):
    formulas = [f for file in sorted(GOLDEN.rglob("*.tex")) for f in file.read_text(encoding="utf-8").split("\n\n")]
    assert not katex_errors(formulas)
    assert not [c for f in formulas for c in foreign_commands(f)]
