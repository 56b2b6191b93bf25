"""The tensor side of a generative model: samples by its solver, log-densities along its flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils._pytree import tree_map

from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.axes import BATCH
from probrl.generative.adaptive import log_density
from probrl.generative.asked import (
    as_tensors,
    finite,
    known_options,
    lengths,
    refuse_rising,
    refuse_traced,
    repeats,
    replaced,
)
from probrl.generative.conditioned import joined, split
from probrl.generative.inpainting import inpainted
from probrl.generative.planning import asked, evaluated, planned
from probrl.generative.stepping import Ready
from probrl.solvers import Adaptive, Scheme


class Tensors:
    """Sampling and densities on tensors, by the numbers that the formulas have too."""

    def sample(
        self,
        x_dict: Any = None,
        batch_n: int | None = None,
        sample_shape: Any = (),
        return_all: bool = True,
        reparam: bool = False,
        sample_mean: bool = False,
        *,
        n: int | None = None,
        solver: Any = None,
        steps: int | None = None,
        trajectory: bool = False,
        grid: Any = None,
        start: Any = None,
        known: Any = None,
        generator: Generator | None = None,
        compiled: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Draws values; always a dict.

        Args:
            x_dict: the conditions by name.
            batch_n: how many rows a model without conditions gives.
            sample_shape: dimensions that are added in front.
            return_all: whether the conditions are returned too.
            reparam: whether gradients pass to the parameters, through all steps.
            sample_mean: refused: the mean of a generative model has no closed form.
            n: how often each condition is repeated, in order: condition i owns the rows i n to i n + n - 1.
            solver: None is the model's own.
            steps: of that solver.
            trajectory: whether the states of all times are returned, in front: ``(steps + 1, rows, *event)``.
            grid: its own times, falling.
            start: the state at the first time, in place of fresh noise. A stochastic Heun's step begins with half of its
                noise, which is added to a start too.
            known: ``(mask, value)``: the coordinates that are known keep what the path makes of them (inpainting by
                replacement, which is approximate and nearer with a stochastic solver); of several variables two dicts.
            generator: of the noise; None is torch's own.
            compiled: whether all steps run as one compiled graph: for a model that is asked often. The first call takes
                its time.

        Errors:
            DataError for a missing condition, conditions of different lengths, a start of another shape, NaN.
            ExpressionError for an option that there is not.
        """
        dist: Any = self
        known_options(dist.notation, kwargs)
        if sample_mean:
            raise ExpressionError(
                f"{dist.notation}: the mean of {dist.article} has no closed form; average draws: n=100"
            )
        given = dist._conditions(x_dict)
        rows, start = self._rows_of(given), as_tensors(start)
        if rows is None and n is None and isinstance(start, Tensor):
            rows = len(start)
        times = repeats(dist.notation, n)
        finite(dist.notation, {**{c: given[c] for c in dist.declaration.conditions}, "start": start})
        if times > 1 and rows is not None:
            given = tree_map(lambda v: v.repeat_interleave(times, 0) if isinstance(v, Tensor) else v, given)
        total = (1 if rows is None else rows) * times if batch_n is None else batch_n
        extra = tuple(sample_shape)
        copies = int(torch.Size(extra).numel())
        conditions = [given[c] for c in dist.declaration.conditions]
        if copies > 1:
            conditions = tree_map(
                lambda v: v.repeat(copies, *(1,) * (v.dim() - 1)) if isinstance(v, Tensor) else v, conditions
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and reparam):
            states = self._states(
                total * copies, conditions, dist.solver_of(solver, steps), grid, start, known, generator, compiled
            )
            x = torch.stack(states) if trajectory else states[-1]
        lead = (len(states),) if trajectory else ()
        x = x.reshape(*lead, *extra, total, *dist.shape) if extra else x
        return {**(given if return_all else {}), **self._parts(x, len(lead) + len(extra))}

    def _parts(self, x: Tensor, lead: int) -> dict[str, Tensor]:
        dist: Any = self
        if len(dist.shapes) == 1:
            return {dist.variable: x}
        flat = split(x.reshape(-1, x.shape[-1]), dist.shapes)
        return {k: v.reshape(*x.shape[: lead + 1], *v.shape[1:]) for k, v in flat.items()}

    def _rows_of(self, given: Mapping[str, Any]) -> int | None:
        dist: Any = self
        for c in dist.declaration.conditions:
            if c not in given:
                raise DataError(
                    f"{dist.notation} is declared as '{dist.declaration}' and needs the condition '{c}'; it got "
                    f"{', '.join(given) or 'nothing'}"
                )
        sizes = lengths(dist.notation, {c: given[c] for c in dist.declaration.conditions})
        return next(iter(sizes.values()), None)

    def _states(
        self,
        rows: int,
        conditions: list[Any],
        solver: Any,
        grid: Any,
        start: Any,
        known: Any,
        generator: Generator | None,
        compiled: bool,
    ) -> list[Tensor]:
        dist: Any = self
        like, said = self._like(), self.predictor()
        plan = planned(dist, solver, grid, like)
        times, ready = plan.times, plan.steps
        refuse_rising(dist.notation, times, start)
        known = replaced(dist.notation, known, rows, dist.shapes)

        def predict(x: Tensor, t: Tensor, until: Tensor) -> tuple[Tensor, ...]:
            return said(x, t, until, conditions)

        if isinstance(solver, Adaptive) and known is None:
            refuse_traced(dist.notation, f"solver={solver.said}")
            spread = dist.spread_at(float(times[0]))
            return self._adaptive(solver, predict, times, self._started(start, rows, spread, like, generator))
        x = self._started(start, rows, 1.0 if ready is None else ready.spread, like, generator)
        if start is not None and ready is not None and ready.widening:
            x = x + ready.widening**0.5 * torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        if known is not None or ready is None:
            refuse_traced(dist.notation, "known=")
            return inpainted(dist, solver, dist.grid(times), x, predict, generator, known)
        key = (dist.role, id(dist.handle.module)) if compiled else None
        return [x, *ready.run(x, said, conditions, generator, key)]

    def steps_of(self, solver: Any, times: Any, like: Tensor) -> Any:
        """The numbers of a solver's steps, worked out; None where they are not fixed."""
        dist: Any = self
        if isinstance(solver, Adaptive):
            return None
        scheme: Scheme = solver.scheme(dist.schedule, dist.grid(times))
        return Ready(scheme, dist.coefficients(scheme), dist.start_scale(scheme), like, dist.notation)

    def _started(self, start: Any, rows: int, scale: float, like: Tensor, generator: Generator | None) -> Tensor:
        dist: Any = self
        if start is None:
            return scale * torch.randn(rows, *dist.shape, dtype=like.dtype, device=like.device, generator=generator)
        if isinstance(start, Mapping):
            if missing := [v for v in dist.shapes if v not in start]:
                raise DataError(f"{dist.notation}: start lacks '{missing[0]}'; it has {', '.join(start) or 'nothing'}")
            start = joined(start, dist.shapes) if len(dist.shapes) > 1 else start[dist.variable]
        if tuple(start.shape) != (rows, *dist.shape):
            raise DataError(
                f"{dist.notation}: start has the shape {tuple(start.shape)}, and {(rows, *dist.shape)} is needed"
            )
        return start.to(like)

    def _like(self) -> Tensor:
        dist: Any = self
        owned = next(dist.owner.parameters(), None)
        return torch.zeros(()) if owned is None else owned

    def predictor(self) -> Callable[[Tensor, Tensor, Tensor, Sequence[Any]], tuple[Tensor, ...]]:
        """What the network says, as a function of states, times, next times ``(rows,)``, and conditions."""
        dist: Any = self
        if dist.function is None and dist.direct:
            if dist.handle.module is None:
                raise ExpressionError(f"{dist.notation} is declared without a network, so it prints and cannot run")
            call = asked(dist)
            return lambda x, t, until, conditions: (call(x, t, *conditions),)
        function = evaluated(dist)

        def predict(x: Tensor, t: Tensor, until: Tensor, conditions: Sequence[Any]) -> tuple[Tensor, ...]:
            given = {f"c_{i}": c for i, c in enumerate(conditions)}
            return tuple(function({"x_t": x, "t": t, "t_next": until, **given}))

        return predict

    def _adaptive(self, solver: Adaptive, predict: Any, times: Any, x: Tensor) -> list[Tensor]:
        dist: Any = self

        def velocity(t: Tensor, x: Tensor) -> Tensor:
            time = t.to(x.dtype).expand(x.shape[0])
            found: Tensor = dist.flow(predict(x, time, time), x, time)
            return found

        grid = torch.tensor([times[0], times[-1]], dtype=x.dtype, device=x.device)
        found = solver.integrate(velocity, x, grid, dist.owner.parameters())
        return list(found)

    # --- densities ---------------------------------------------------------------------------------------------
    def log_prob(self, *args: Any, **options: Any) -> Any:
        """With data (a dict), a tensor, see :meth:`get_log_prob`; with an expression, a formula."""
        if args and isinstance(args[0], Mapping):
            return self.get_log_prob(args[0], **options)
        if args and isinstance(args[0], Tensor):
            dist: Any = self
            raise ExpressionError(
                f"{dist.notation}.log_prob(tensor): give it by name, as in .log_prob({{'{dist.declaration.variables[0]}': tensor}})"
            )
        found: Any = super().log_prob(*args, **options)  # type: ignore[misc]
        return found

    def get_log_prob(
        self, x_dict: Mapping[str, Any], sum_features: bool = True, feature_dims: Any = None, **options: Any
    ) -> Tensor:
        """The logarithm of the density of the variables in a dict, one per row, by the formula of :meth:`log_prob`.

        Gradients pass to the data and to the parameters through every step, for which all of them are kept: megabytes per
        row. Where only the numbers are wanted, ask under ``torch.no_grad()``.

        Args:
            x_dict: variables and conditions by name.
            sum_features, feature_dims: pixyz's; features are always summed.
            options: ``exact=True``, or ``probes=k`` for Hutchinson's estimator; ``solver``; ``grid``.
        """
        dist: Any = self
        names = (*dist.declaration.variables, *dist.declaration.conditions)
        missing = [v for v in names if v not in x_dict]
        if missing:
            raise DataError(f"{dist.notation} ({dist.declaration}) needs '{missing[0]}', which the data lacks")
        lengths(dist.notation, {k: x_dict[k] for k in names}, "column")
        probes = options.pop("probes", None)
        exact = options.pop("exact", probes is None)
        if exact and probes is not None:
            raise ExpressionError(
                f"{dist.notation}.log_prob({{...}}, probes={probes!r}): the exact divergence has no probes; give one of exact=True "
                "and probes=k, k from 1 on"
            )
        how = "exact" if exact else 1 if probes is None else probes
        if unknown := [name for name in options if name not in ("solver", "grid")]:
            raise ExpressionError(
                f"{dist.notation}.log_prob({{...}}, {unknown[0]}=...): no such option; there are exact, probes, solver, grid"
            )
        finite(dist.notation, {k: x_dict[k] for k in names})
        if isinstance(options.get("solver"), Adaptive):
            return log_density(dist, x_dict, probes=dist.probes_of(how), **options)
        key = ("log_prob", dist.role, how, repr(sorted(options.items())))
        kept = dist.__dict__.setdefault("_functions", {})
        if key not in kept:
            from probrl.graph.function import Function

            values = [
                n.Symbol(v, r, (BATCH,), None) for v, r in zip(dist.declaration.variables, dist.ranks, strict=True)
            ]
            given = tuple(n.Symbol(c, None, (BATCH,), None) for c in dist.declaration.conditions)
            kept[key] = Function({"p": dist.applied(given).log_prob(*values, divergence=how, **options)})
        found: Tensor = kept[key](x_dict)["p"]
        return found

    def get_entropy(self, x_dict: Mapping[str, Any] | None = None, sum_features: bool = True, feature_dims: Any = None,
                    samples: int = 64) -> Tensor:  # fmt: skip
        """An estimate of the entropy of every row: minus the mean log-probability of samples."""
        dist: Any = self
        found = self.sample(x_dict, n=samples)
        return -dist.get_log_prob(found).reshape(-1, samples).mean(1)

    def bits_per_dimension(self, x_dict: Mapping[str, Any], **options: Any) -> Tensor:
        """-log2 p(x) over the number of coordinates, one per row."""
        dist: Any = self
        count = sum(int(torch.Size(shape).numel()) for shape in dist.shapes.values())
        return -dist.get_log_prob(x_dict, **options) / (count * torch.log(torch.tensor(2.0)))
