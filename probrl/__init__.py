"""probrl: learning algorithms written once, as mathematics on conditional distributions, and run exactly as printed."""

import sys
from importlib import import_module
from typing import Any

from probrl import starting  # isort: skip - the rest takes seconds, in which a person may press ctrl-C
from probrl import algorithms, graph, printing, symbolic
from probrl.distributions import *
from probrl.expr.axes import Axis
from probrl.expr.calculus import divergence, grad, jvp
from probrl.expr.definition import definition
from probrl.expr.functions import function
from probrl.expr.operators import (
    abs,
    atan,
    clip,
    concatenate,
    constant,
    cos,
    data_max,
    data_min,
    digamma,
    dot,
    equal,
    exp,
    floor,
    index,
    lgamma,
    log,
    log_softmax,
    logsumexp,
    maximum,
    mean,
    minimum,
    noise,
    sigmoid,
    sign,
    sin,
    softmax,
    softplus,
    sqnorm,
    sqrt,
    stack,
    standardize,
    std,
    stop_gradient,
    sum,
    sum_event,
    symbols,
    tanh,
    var,
    where,
)  # fmt: skip
from probrl.expr.recursion import following as next
from probrl.expr.recursion import preceding as prev
from probrl.expr.recursion import recursion
from probrl.expr.scalars import iteration, parameter, progress, state
from probrl.graph.optimizers import SGD, Adam, AdamW, RMSprop
from probrl.networks.mlp import mlp
from probrl.objectives import *
from probrl.program import (
    Assign,
    Every,
    Fit,
    Maximize,
    Minimize,
    Polyak,
    Prepare,
    Program,
    Report,
    Snapshot,
    Together,
)  # fmt: skip

__version__ = "0.1.0"

# What needs an environment library is loaded when it is first asked for: formulas do not.
_LATE = {
    "OnPolicyTrainer": "probrl.training.on_policy", "load": "probrl.training.restoring",
    "resume": "probrl.training.restoring",
    "callbacks": "probrl.training", "toys": "probrl.data",
    "Diffusion": "probrl.generative", "Flow": "probrl.generative", "Bridge": "probrl.generative",
    "EnergyGuided": "probrl.generative", "adjoint_matching": "probrl.generative",
    "ConsistencyModel": "probrl.generative", "Jumps": "probrl.generative",
    "MeanFlow": "probrl.generative", "Averages": "probrl.generative", "DiscreteFlow": "probrl.generative",
    "prove_equal": "probrl.generative",
    "GenerativeTrainer": "probrl.training.generative", "Recipe": "probrl.training.recipe",
}  # fmt: skip


_MODULES = ("paths", "solvers", "networks", "pictures", "statistics")  # sympy takes a while


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"probrl.{name}")
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    if name.lower() in (file.replace("_", "") for file in algorithms.names()):  # pr.PPO, and one per algorithm
        return getattr(import_module("probrl.training.shipped"), name)
    raise AttributeError(f"module 'probrl' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    shipped = dir(import_module("probrl.training.shipped"))
    return sorted({*globals(), *_LATE, *_MODULES, *(name for name in shipped if name.isupper())})
