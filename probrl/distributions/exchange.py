"""The tensor side of every distribution, in pixyz's words: parameters, samples, densities and entropies on tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils._pytree import tree_leaves, tree_map

from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import BATCH
from probrl.expr.base import Expr, read


class Exchange:
    """pixyz's methods on tensors, without its cache: the formulas are the family's own, evaluated on rows.

    A tensor has any leading dimensions (pixyz's ``sample_shape``, then the batch), then the event's.
    """

    event_shape: tuple[int, ...] = ()
    has_reparam = property(lambda self: self.reparameterised)
    distribution_name = property(lambda self: self.family)
    params_keys = property(lambda self: list(self.keys))

    # --- parameters --------------------------------------------------------------------------------------------
    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """The parameters by name, from tensors in the order of the declaration or by name."""
        names = self.declaration.conditions  # type: ignore[attr-defined]
        values = {**dict(zip(names, args, strict=False)), **kwargs}
        return self.get_params(values)

    def get_params(self, params_dict: Mapping[str, Any] | None = None, **kwargs: Any) -> dict[str, Tensor]:
        """The parameters at the conditions; computed anew at every call."""
        values = dict(params_dict or {})
        dist: Any = self
        if dist.role == "behavior":
            found = {k: values[f"{dist.variable}_{k}"] for k in dist.keys if f"{dist.variable}_{k}" in values}
            if len(found) != len(dist.keys):
                raise DataError(
                    f"{dist.notation}.behavior needs the columns {', '.join(f'{dist.variable}_{k}' for k in dist.keys)}"
                )
            return found
        missing = [c for c in dist.declaration.conditions if c not in values]
        if missing:
            raise DataError(
                f"{dist.notation} is declared as '{dist.declaration}' and needs {', '.join(missing)}; it got "
                f"{', '.join(values) or 'nothing'}"
            )
        if dist.function is not None or dist.given:
            columns = tuple(n.Symbol(c, None, (BATCH,), None) for c in dist.declaration.conditions)
            found = dist.parameters_of(dist.role, columns or dist.given)
            evaluated = {k: self._whole(k, read("evaluate", x, values)) for k, x in found.items()}
        else:
            evaluated = self._evaluated_parameters([values[c] for c in dist.declaration.conditions])
        if dist.declaration.conditions:
            return evaluated
        # without conditions there is one row, as pixyz has it
        return {k: v.unsqueeze(0) if v.dim() == dist.parameter_rank(k) else v for k, v in evaluated.items()}

    def _whole(self, key: str, value: Tensor) -> Tensor:
        """A parameter in its event's shape: a number stands for every coordinate."""
        dist: Any = self
        if value.dim() >= dist.parameter_rank(key) or dist.declaration.conditions:
            return value
        if not dist.event_shape:
            raise DataError(
                f"{dist.notation}: how many coordinates '{dist.variable}' has is said nowhere; add event_shape=(n,)"
            )
        return value.expand(dist.event_shape)

    def _evaluated_parameters(self, inputs: list[Any]) -> dict[str, Tensor]:
        dist: Any = self
        module = dist.handle.module
        if module is None:
            raise ExpressionError(
                f"{dist.notation} is declared without a network, so it prints but cannot run: give it one"
            )
        raw = (
            module(*inputs)
            if dist.role == "live"
            else functional_call(module, dist.role_tensors(dist.role), tuple(inputs))
        )
        ranks = dist.raw_rank
        outputs = (raw,) if isinstance(ranks, int) else tuple(raw)
        each = (ranks,) if isinstance(ranks, int) else ranks
        names = [f"raw_{i}" for i in range(len(outputs))]
        symbols = tuple(n.Symbol(name, r, (BATCH,), None) for name, r in zip(names, each, strict=True))
        exprs = dist.from_network(symbols[0] if isinstance(ranks, int) else symbols)
        widest = max((x.dim() for x in tree_leaves(inputs) if isinstance(x, Tensor)), default=1)
        outputs = tuple(_scalar(v, widest) if r == 0 else v for v, r in zip(outputs, each, strict=True))
        lead = outputs[0].shape[: outputs[0].dim() - each[0]]
        batch = {k: v.reshape(-1, *v.shape[len(lead) :]) for k, v in zip(names, outputs, strict=True)}
        return {k: self._value(x, batch, lead) for k, x in exprs.items()}

    def _value(self, x: Expr, batch: dict[str, Tensor], lead: tuple[int, ...]) -> Tensor:
        out = read("evaluate", x, batch)
        if not isinstance(out, Tensor):
            like = next(iter(batch.values()))
            out = like.new_full((like.shape[0],), float(out))
        if out.is_floating_point():  # an indicator takes the type of the parameters
            out = out.to(next(iter(batch.values())).dtype)
        return out.reshape(*lead, *out.shape[1:])

    # --- formulas on tensors -----------------------------------------------------------------------------------
    def formula(
        self, op: str, parameters: dict[str, Tensor], values: tuple[Tensor, ...] = (), shape: tuple[int, ...] = ()
    ) -> Tensor:
        """A formula of the family on tensors whose leading dimensions broadcast; ``shape`` adds more in front."""
        dist: Any = self
        names = [f"x_{i}" for i in range(len(values))]
        ranks = {**{k: dist.parameter_rank(k) for k in parameters}, **dict(zip(names, dist.ranks, strict=False))}
        named = {**parameters, **dict(zip(names, values, strict=True))}
        lead = (*shape, *_rows({k: tuple(v.shape[: v.dim() - ranks[k]]) for k, v in named.items()}))
        batch = {}
        for k, v in named.items():
            event = v.shape[v.dim() - ranks[k] :]
            batch[k] = v.expand(*lead, *event).reshape(-1, *event)
        return self._value(self._formula(op, tuple(parameters), tuple(names)), batch, lead)

    def _formula(self, op: str, keys: tuple[str, ...], names: tuple[str, ...]) -> Expr:
        dist: Any = self
        known = dist.__dict__.setdefault("_formulas", {})
        if (op, keys, names) not in known:
            parameters = {k: dist.column(k, k, (BATCH,)) for k in keys}
            values = [n.Symbol(x, r, (BATCH,), None) for x, r in zip(names, dist.ranks, strict=False)]
            if op == "draw":
                known[op, keys, names] = dist.transform(dist.noises(parameters, (), None), parameters)
            else:
                known[op, keys, names] = getattr(dist, op)(*values, **parameters)
        return known[op, keys, names]

    # --- pixyz's methods ---------------------------------------------------------------------------------------
    def get_log_prob(
        self, x_dict: Mapping[str, Any], sum_features: bool = True, feature_dims: Any = None, **kwargs: Any
    ) -> Tensor:
        """The logarithm of the density of the variables in a dict, one per row (features are always summed)."""
        dist: Any = self
        missing = [v for v in dist.declaration.variables if v not in x_dict]
        if missing:
            raise DataError(
                f"the data has no entry '{missing[0]}', which {dist.notation} ({dist.declaration}) distributes"
            )
        recorded = f"{dist.variable}_log_prob"
        if dist.role == "behavior" and recorded in x_dict:
            return x_dict[recorded]
        values = tuple(x_dict[v] for v in dist.declaration.variables)
        return self.formula("log_density", self.get_params(x_dict), values)

    def get_entropy(
        self, x_dict: Mapping[str, Any] | None = None, sum_features: bool = True, feature_dims: Any = None
    ) -> Tensor:
        """The entropy, one per row."""
        self._offered("entropy")
        return self.formula("entropy_of", self.get_params(x_dict))

    def sample_mean(self, x_dict: Mapping[str, Any] | None = None) -> Tensor:
        """The expected value (of a categorical distribution over integers: its mode)."""
        dist: Any = self
        op = "mean" if hasattr(type(dist), "mean_of") else "mode"
        self._offered(op)
        return self.formula(f"{op}_of", self.get_params(x_dict))

    def sample_variance(self, x_dict: Mapping[str, Any] | None = None) -> Tensor:
        """The variance of each coordinate."""
        self._offered("variance")
        return self.formula("variance_of", self.get_params(x_dict))

    def _offered(self, op: str) -> None:
        dist: Any = self
        dist.offers(op, dist)

    def sample(
        self,
        x_dict: Mapping[str, Any] | Tensor | list[Tensor] | None = None,
        batch_n: int | None = None,
        sample_shape: Any = (),
        return_all: bool = True,
        reparam: bool = False,
        sample_mean: bool = False,
        *,
        n: int | None = None,
        solver: Any = None,
        trajectory: bool = False,
        grid: Any = None,
        start: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Draws values; always a dict.

        Args:
            x_dict: the conditions by name (a tensor or a list of them is taken in the order of the declaration).
            batch_n: how many rows a distribution without rows of its own gives.
            sample_shape: dimensions that are added in front.
            return_all: whether the conditions are returned too.
            reparam: whether gradients pass to the parameters.
            sample_mean: whether the mean is returned in place of a draw.
            n: how often each condition is repeated, in order: condition i owns the rows i n to i n + n - 1.
            solver, trajectory, grid, start: of generative models; other families refuse them.
        """
        dist: Any = self
        if solver is not None or trajectory or grid is not None or start is not None:
            raise ExpressionError(
                f"{dist.notation} is {dist.article}: solver, trajectory, grid and start belong to generative models"
            )
        given = self._conditions(x_dict)
        if n is not None:
            given = tree_map(lambda v: v.repeat_interleave(n, 0) if isinstance(v, Tensor) else v, given)
        with torch.set_grad_enabled(torch.is_grad_enabled() and reparam):
            drawn = self._drawn(given, batch_n if n is None or given else n, tuple(sample_shape), sample_mean)
        if not (dist.reparameterised or sample_mean):
            drawn = {k: v.detach() for k, v in drawn.items()}
        return {**given, **drawn} if return_all else drawn

    def _drawn(self, given: dict[str, Any], batch_n: int | None, shape: tuple[int, ...], mean: bool) -> dict[str, Any]:
        dist: Any = self
        parameters = {k: self._rows(k, v, batch_n) for k, v in self.get_params(given).items()}
        op = ("mean_of" if hasattr(type(dist), "mean_of") else "mode_of") if mean else "draw"
        return {dist.variable: self.formula(op, parameters, (), shape)}

    def _rows(self, key: str, value: Tensor, batch_n: int | None) -> Tensor:
        dist: Any = self
        rank = dist.parameter_rank(key)
        if batch_n is None or value.dim() == rank:
            return value
        rows = value.shape[0]
        if rows not in (1, batch_n):
            raise DataError(
                f"{dist.notation}: batch_n={batch_n}, and the conditions have {rows} rows; leave batch_n out"
            )
        return value.expand(batch_n, *value.shape[1:])

    def _conditions(self, x_dict: Any) -> dict[str, Any]:
        names = self.declaration.conditions  # type: ignore[attr-defined]
        if x_dict is None:
            return {}
        if isinstance(x_dict, Tensor):
            return {names[0]: x_dict} if names else {}
        return dict(x_dict) if isinstance(x_dict, Mapping) else dict(zip(names, x_dict, strict=True))

    def set_dist(self, x_dict: Mapping[str, Any] | None = None, batch_n: int | None = None, **kwargs: Any) -> None:
        """Makes :attr:`dist` the torch distribution at the conditions, for pixyz's divergences."""
        dist: Any = self
        found = {k: self._rows(k, v, batch_n) for k, v in self.get_params(x_dict).items()}
        dist._dist = dist.torch_distribution(**found)

    def torch_distribution(self, **parameters: Tensor) -> torch.distributions.Distribution:
        """The same distribution in torch."""
        dist: Any = self
        if dist.rank == 0:
            # pixyz sums a divergence over all dimensions after the first, and over everything when there is only one.
            parameters = {k: v.unsqueeze(v.dim() - dist.parameter_rank(k)) for k, v in parameters.items()}
        return dist.distribution_torch_class(**parameters, validate_args=False)


def _scalar(out: Tensor, widest: int) -> Tensor:
    """A network's output where a scalar is declared: without the last dimension, when that is of size 1."""
    return out.squeeze(-1) if out.dim() >= widest and out.dim() and out.shape[-1] == 1 else out


def _rows(leads: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The leading dimensions that tensors have together; a column of rows beside rows is refused: it makes a table."""
    longest = max(leads.values(), key=len)
    for lead in leads.values():
        if len(lead) < len(longest) and lead and longest[-1] == 1 != lead[-1]:
            raise DataError(
                f"rows of the shapes {longest} and {lead} would make a table of all pairs: squeeze the last "
                "dimension of the first"
            )
    try:
        return tuple(torch.broadcast_shapes(*leads.values()))
    except RuntimeError:
        shapes = ", ".join(f"{k} {v}" for k, v in leads.items())
        raise DataError(f"the rows do not fit together: {shapes}") from None
