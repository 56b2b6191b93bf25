"""The words of the language that build nodes, together: what operators and methods of an expression call."""

from probrl.expr.indexing import (
    arg,
    at,
    concatenate,
    getitem,
    index,
    named,
    rename,
    stack,
    stop_gradient,
    to_axis,
    to_event,
)  # fmt: skip
from probrl.expr.lifting import constant, lift, operand, symbols
from probrl.expr.pointwise import (
    abs,
    add,
    atan,
    clip,
    compare,
    cos,
    digamma,
    divide,
    equal,
    exp,
    floor,
    lgamma,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    subtract,
    tanh,
    where,
)  # fmt: skip
from probrl.expr.randomness import fresh_noise, noise
from probrl.expr.reductions import (
    data_max,
    data_min,
    dot,
    log_softmax,
    logsumexp,
    mean,
    only_index,
    reduce_index,
    softmax,
    sqnorm,
    standardize,
    std,
    sum,
    sum_event,
)  # fmt: skip

__all__ = [
    "abs", "add", "arg", "at", "atan", "clip", "compare", "concatenate", "constant", "cos", "data_max", "data_min", "digamma", "divide",
    "dot", "equal", "exp", "floor", "fresh_noise", "getitem", "index", "lgamma", "lift", "log", "log_softmax", "logsumexp",
    "maximum", "mean", "minimum", "multiply", "named", "negative", "noise", "only_index", "operand", "power", "reduce_index", "rename",
    "sigmoid", "sign", "sin", "softmax", "softplus", "sqnorm", "sqrt", "stack", "standardize", "std", "stop_gradient",
    "subtract", "sum", "sum_event", "symbols", "tanh", "to_axis", "to_event", "where",
]  # fmt: skip
