"""Discrete flow matching: tokens that are masked one after another, and seen again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Generator, Tensor, nn

from probrl.distributions.base import Distribution
from probrl.distributions.declaration import declare
from probrl.errors import DataError, ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.definition import PreciseHead
from probrl.expr.operators import log_softmax, to_axis, to_event, where
from probrl.generative.asked import of_the_applied, refuse_rising, replaced
from probrl.generative.checked import declared_rightly, shape_of
from probrl.generative.conditioned import size
from probrl.generative.discrete_applied import WEIGHTS, AppliedDiscrete
from probrl.generative.heads import Matching
from probrl.generative.pieces import called, flat
from probrl.generative.planning import asked, planned
from probrl.generative.tensors import Tensors
from probrl.generative.tokens import Guess, Tokens
from probrl.paths import GaussianPath, Linear
from probrl.solvers import Euler, Solver, own_times


class DiscreteFlow(Tensors, Distribution):
    r"""A conditional distribution of tokens, with a network that predicts masked ones.

    .. math:: x_t^i = \begin{cases} x_0^i & \text{with probability } \alpha(t) \\ \text{mask} & \text{else} \end{cases}, \qquad
              \mathcal{L} = \mathbb{E}\, w(t) \sum_{i: x_t^i = \text{mask}} -\log p_\theta(x_0^i \mid x_t, t, c)

    Args:
        declaration: ``"x"`` or ``"x | c"``, one variable.
        network: ``net(x_t, t, condition)``: x_t whole numbers from 0 to ``classes``, which is the mask, ``(rows, *event)``;
            gives logits ``(rows, *event, classes)``.
        classes: how many classes a token has.
        event_shape: of the tokens, as in ``(16,)`` or ``(8, 8)``.
        path: its alpha(t) is the probability that a token is still seen: 1 - t unless something else is said.
        weight: "uniform" for w = 1; "likelihood" for w = -alpha'(t) / (1 - alpha(t)), with which the loss is the negative
            evidence bound of the log-probability. At t = 0, where no token is masked, both are 0.
        law: of the times that it is trained at: "uniform", "logit_normal" or "arcsine".
        drop: how often the conditions are replaced by zeros in training.
        solver: ``pr.solvers.Euler``: between two times a masked token is seen with probability
            (alpha(t') - alpha(t)) / (1 - alpha(t)), which for the linear path is the Euler step of its rate 1 / t.
        name: how it prints.

    Shapes:
        Data are whole numbers ``(rows, *event)``, of any dtype.

    Errors:
        ExpressionError for other solvers and for ``log_prob``, ``score``, ``noise``, ``velocity``, which tokens do not have.

    Source:
        Gat et al. 2024, "Discrete flow matching"; Shi et al. 2024, "Simplified and generalized masked diffusion for discrete
        data", equation 5, for the bound.

    Example:
        >>> import torch, probrl as pr
        >>> class Guess(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.table = torch.nn.Embedding(4, 16)
        ...         self.out = torch.nn.Linear(5 * 16, 5 * 3)
        ...     def forward(self, x_t, t, condition):
        ...         return self.out(self.table(x_t).flatten(1)).reshape(-1, 5, 3)
        >>> p = pr.DiscreteFlow("x", Guess(), classes=3, event_shape=(5,))
        >>> loss = pr.mean(p.matching(pr.symbols("x")))
        >>> tuple(p.sample(n=7)["x"].shape)
        (7, 5)
    """

    family = "DiscreteFlow"
    support = "whole numbers"
    default_name = "p"
    reparameterised = False
    laws = ("uniform", "logit_normal", "arcsine")
    weights = WEIGHTS
    keys = ()

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        *,
        classes: int,
        event_shape: Sequence[int],
        path: GaussianPath | None = None,
        weight: str = "uniform",
        law: str = "uniform",
        drop: float = 0.0,
        solver: Solver | None = None,
        name: str | None = None,
    ):
        declared = declare(declaration)
        shape = shape_of(declared.variables[0], event_shape)
        if len(declared.variables) > 1:
            raise ExpressionError(
                f"'{declaration}': a discrete flow has one variable; put the tokens of several side by side"
            )
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise ExpressionError(f"classes={classes!r}: a token has two classes or more")
        if isinstance(network, nn.Module):
            network = Tokens(network, declared.conditions, shape, classes)
        super().__init__(declaration, network, name=name, rank=len(shape))
        self.classes, self.shape, self.drop, self.weight, self.law = classes, shape, drop, weight, law
        self.path = Linear() if path is None else path
        self.solver = self.solver_of(solver or Euler(20))
        declared_rightly(self)

    @classmethod
    def example(cls) -> Any:
        """A small one, for the laws."""
        return cls("a | s", Guess(3, 4, 3), classes=4, event_shape=(3,))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The event shape of the variable."""
        return {self.variable: self.shape}

    @property
    def event_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The shape of the tokens."""
        return self.shape

    @property
    def said(self) -> str:
        """The family and how many classes there are."""
        return f"{self.family} over {self.classes} classes along {type(self.path).__name__}, mask {self.classes}"

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedDiscrete(self.owner, self.role, args)

    def __getattr__(self, name: str) -> Any:
        if name in ("matching", "data"):
            return of_the_applied(self, name)
        return super().__getattr__(name)

    # --- formulas ----------------------------------------------------------------------------------------------
    def logits(self, role: str, held: bool, x: Expr, t: Expr, given: tuple[Expr, ...]) -> Expr:
        """The logits of every token, along the axes ``token`` and ``class``."""
        role = "frozen" if held and role == "live" else role
        call = n.Call(self.handle, role, (x, t, *given), 2, ())
        return to_axis(to_axis(call, "class"), "token")

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        """w(t) times the cross-entropy of the masked tokens."""
        t = extra["t"]
        x = to_axis(flat(values[0], self.shape), "token")
        seen = called("m", to_axis(extra["u"], "token") < self.path.alpha(t))
        x_t = called("x_t", to_event(where(seen, x, self.classes), "token"))
        given = (*given, extra["keep"]) if "keep" in extra else given
        log_p = log_softmax(self.logits(head.role, head.held, x_t, t, given), "class")
        error = -((1 - seen) * n.At(log_p, "class", x)).sum("token")
        return error if head.weight == "uniform" else self._weight(t) * error

    def _weight(self, t: Expr) -> Expr:
        return n.Definition(PreciseHead(r"w_{\mathrm{likelihood}}", self.owner.rate), (t,))

    def rate(self, t: Any) -> Any:
        """How often a masked token is seen, -alpha'(t) / (1 - alpha(t)) per unit of time; 0 where nothing is masked."""
        masked = 1 - self.path.alpha(t)
        return where(masked > 0, -self.path.alpha_dot(t) / where(masked > 0, masked, 1), 0)

    # --- solving -----------------------------------------------------------------------------------------------
    def solver_of(self, solver: Any, steps: int | None = None) -> Solver:
        """Euler's method with the steps that were asked for.

        Errors:
            ExpressionError for another solver.
        """
        found = self.solver if solver is None else solver
        if not isinstance(found, Euler):
            said = found.said if isinstance(found, Solver) else repr(found)
            raise ExpressionError(
                f"{self.notation}: {said} moves vectors along a flow, and tokens jump; write solver=pr.solvers.Euler(steps=20)"
            )
        return found if steps is None else replace(found, steps=steps)

    def chances(self, solver: Solver, grid: Any = None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The times of a solver, and of each step the probability that a masked token is seen after it."""
        at = own_times(grid) if grid is not None else solver.times(self.path, 1.0, 0.0)
        seen = np.array([float(self.path.alpha(float(t))) for t in at])
        return at, np.diff(seen) / (1 - seen[:-1])

    def times(self, solver: Solver, grid: Any = None) -> tuple[float, ...]:
        """The times of a solver, from all masked to all seen."""
        return tuple(self.chances(solver, grid)[0])

    def steps_of(self, solver: Solver, times: tuple[float, ...], like: Tensor) -> tuple[float, ...]:
        """Of each step the probability that a masked token is seen after it."""
        return tuple(map(float, self.chances(solver, times)[1]))

    def transform(self, noises: tuple[Expr, ...], parameters: dict[str, Expr], gradient: str | None = None) -> Expr:
        raise NotImplementedError

    def _states(
        self, rows: int, conditions: list[Any], solver: Any, grid: Any, start: Any, known: Any,
        generator: Generator | None, compiled: bool = False,
    ) -> list[Tensor]:  # fmt: skip
        call = asked(self)
        like = next(self.owner.parameters(), torch.zeros(()))
        x = (
            torch.full((rows, size(self.shape)), self.classes, device=like.device)
            if start is None
            else start.flatten(1)
        )
        plan = planned(self, solver, grid, like)
        refuse_rising(self.notation, plan.times, start)
        if start is not None and tuple(start.shape) != (rows, *self.shape):
            raise DataError(
                f"{self.notation}: start has the shape {tuple(start.shape)}, and {(rows, *self.shape)} is needed"
            )
        if (pair := replaced(self.notation, known, rows, self.shapes)) is not None:
            mask, value = (v.to(x.device).flatten(1) for v in pair)
            x = torch.where(mask, value.to(x.dtype), x)
        states = [x]
        for t, chance in zip(plan.times, plan.steps, strict=False):
            logits = call(x, like.new_full((rows,), t), *conditions)
            u, v = (torch.rand(shape, device=like.device, generator=generator) for shape in (x.shape, logits.shape))
            guess = (logits - (-v.clamp_min(1e-30).log()).log()).argmax(-1)
            x = torch.where((x == self.classes) & (u < chance), guess, x)
            states.append(x)
        return [y.reshape(rows, *self.shape) for y in states]

    def get_log_prob(self, x_dict: Any, *args: Any, **options: Any) -> NoReturn:
        """Refused: see :meth:`AppliedDiscrete.log_prob`."""
        self._no_density()

    def _no_density(self) -> NoReturn:
        raise ExpressionError(
            f"{self.notation}.log_prob(...): the probability of tokens in all orders of seeing them has no closed form; a bound "
            f"below it is minus the mean over draws of {self.notation}.matching(x, weight='likelihood')"
        )
