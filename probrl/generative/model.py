"""The base of the models that bring noise to data along a path: conditional distributions like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import nn
from torch.nn.modules.conv import _ConvNd

from probrl.distributions.base import Distribution
from probrl.distributions.declaration import declare
from probrl.distributions.outputs import event_size
from probrl.errors import ExpressionError
from probrl.expr import nodes as n
from probrl.expr.base import Expr
from probrl.expr.operators import noise, sqnorm
from probrl.generative.applied import AppliedModel
from probrl.generative.asked import of_the_applied
from probrl.generative.checked import declared_rightly, shape_of
from probrl.generative.conditioned import Conditioned, size
from probrl.generative.heads import Matching, Predicted
from probrl.generative.pieces import flat, joint, part, shaped
from probrl.generative.solving import Solving
from probrl.generative.tensors import Tensors
from probrl.generative.times import LAWS
from probrl.paths import GaussianPath
from probrl.paths.derived import PREDICTIONS
from probrl.solvers import Solver


class Model(Solving, Tensors, Distribution):
    """A conditional distribution given by a Gaussian path and a network that predicts along it.

    Args:
        declaration: ``"a | s"``; several variables, ``"x, y | s"``, need their ``event_shape`` by name.
        network: a module ``net(x_t, t, condition)`` with t of shape ``(B,)`` and condition None, a tensor or a dict; or a
            function of expressions ``(x_t, t, *conditions)``.
        path: the path; None is the class's own.
        predicts: "noise", "score", "data", "velocity" or "F": what the network says.
        name: how it prints.
        event_shape: of a value, a whole number d for ``(d,)``; None is the network's own ``event_shape``, else a vector as long as its last linear layer.
        weight: which error is weighted equally at all times, see :meth:`AppliedModel.matching`.
        law: of the times that it is trained at.
        drop: how often the conditions are replaced by zeros in training, for guidance.
        solver: what draws from it.

    Errors:
        ExpressionError for a prediction, a weight, a law, a path, a solver or a shape that is none, and for a function that
        takes other arguments.
    """

    family = "generative model"
    reparameterised = True
    usual_path: ClassVar[Callable[[], GaussianPath]]
    usual_prediction: ClassVar[str] = "noise"
    usual_weight: ClassVar[str] = "noise"
    usual_solver: ClassVar[Solver]
    told: ClassVar[int] = 0  # how many numbers its network is told besides the point, the time and the condition
    laws: ClassVar[tuple[str, ...]] = tuple(LAWS)
    direct: ClassVar[bool] = True  # whether the network's answer is the prediction as it is
    keys = ()

    def __init__(
        self,
        declaration: str,
        network: Any = None,
        *,
        path: GaussianPath | None = None,
        predicts: str | None = None,
        name: str | None = None,
        event_shape: int | Sequence[int] | Mapping[str, int | Sequence[int]] | None = None,
        weight: str | None = None,
        law: str = "uniform",
        drop: float = 0.0,
        solver: Solver | None = None,
    ):
        declared = declare(declaration)
        known = _shapes(declared.variables, event_shape)
        if isinstance(network, nn.Module) and not isinstance(network, Conditioned):
            known = known or _read_off(declared.variables, network)
            network = Conditioned(network, declared.conditions, known)
        rank = len(next(iter(known.values()))) if len(known) == 1 else 1
        super().__init__(declaration, network, name=name, rank=rank)
        self.path = type(self).usual_path() if path is None else path
        self.predicts = predicts or self.usual_prediction
        self.weight = weight or self.usual_weight
        self.law, self.drop = law, drop
        self.solver = solver or self.usual_solver
        self._known = known
        self._refuse_unknown()
        declared_rightly(self)

    @classmethod
    def example(cls) -> Any:
        """A small one over three numbers, for the laws."""
        from probrl.networks import TimeMLP

        return cls("a | s", TimeMLP(3, condition=3, hidden=(16,)))

    def _refuse_unknown(self) -> None:
        if self.predicts not in PREDICTIONS:
            raise ExpressionError(
                f"{self.notation}: predicts={self.predicts!r}; a network predicts {', '.join(map(repr, PREDICTIONS))}"
            )

    # --- what it is made of ------------------------------------------------------------------------------------
    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The event shape of every variable.

        Errors:
            ExpressionError where it is said nowhere.
        """
        if not self._known:
            net = self.handle.module
            self._known = dict(net.shapes) if isinstance(net, Conditioned) else {}
        if not self._known:
            raise ExpressionError(
                f"{self.notation}: the shape of '{self.variable}' cannot be read off its network: add event_shape=(n,)"
            )
        return self._known

    @property
    def ranks(self) -> tuple[int, ...]:
        known = self._known
        return tuple(len(known[v]) if v in known else 1 for v in self.declaration.variables)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the state: that of the only variable, or of all as one vector."""
        each = tuple(self.shapes.values())
        return each[0] if len(each) == 1 else (sum(map(size, each)),)

    @property
    def state_rank(self) -> int:
        """The event dimensions of the state."""
        return self.rank

    @property
    def event_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The shape of the state."""
        return self.shape

    def applied(self, args: tuple[Expr, ...]) -> Any:
        return AppliedModel(self.owner, self.role, args)

    @property
    def said(self) -> str:
        """The family, its path and what its network says."""
        return f"{self.family} along {type(self.path).__name__}, predicts the {self.predicts}"

    def __getattr__(self, name: str) -> Any:
        if name in ("matching", "score", "noise", "data", "velocity", "chain", "kernel") and not name.startswith("_"):
            return of_the_applied(self, name)
        return super().__getattr__(name)

    # --- formulas ----------------------------------------------------------------------------------------------
    def raw_at(self, role: str, held: bool, x: Expr, t: Expr, given: tuple[Expr, ...], whole: bool = False) -> Expr:
        """What the network says at a state; with ``whole`` the state and the answer are vectors."""
        if self.function is not None:
            if role not in ("live", "frozen"):
                raise ExpressionError(
                    f"{self.notation}.{role}: it has no network of its own; take the role of the one it is made of"
                )
            inside = shaped(x, self.shape) if whole else x
            found: Expr = self.function(inside, t, *given)
            found = flat(found, self.shape) if whole else found
            return n.StopGradient(found) if held or role == "frozen" else found
        if held and role == "live":
            role = "frozen"
        return n.Call(self.handle, role, (x, t, *given), 1 if whole else self.state_rank, ())

    def said_at(
        self, role: str, held: bool, x: Expr, t: Expr, until: Expr, given: tuple[Expr, ...], whole: bool = False
    ) -> tuple[Expr, ...]:
        """What the network says at a state on the way from a time to another: one prediction, or several."""
        return (self.raw_at(role, held, x, t, given, whole),)

    def predicted(self, head: Predicted, x_t: Expr, t: Expr, given: tuple[Expr, ...]) -> Expr:
        """A prediction of the asked kind at a state."""
        keep = (n.Number(0.0, None),) if head.null else ()
        value = self.raw_at(head.role, head.held, x_t, t, (*given, *keep))
        return self.path.convert(value, x_t, t, source=self.predicts, target=head.quantity)

    def matched(
        self, head: Matching, values: tuple[Expr, ...], extra: dict[str, Expr], given: tuple[Expr, ...]
    ) -> Expr:
        """w(t) |m(x_t, t) - target|^2."""
        x, t, e = self.state(values), extra["t"], extra["e"]
        x_t = self.path.perturb(x, e, t)
        keep = (extra["keep"],) if "keep" in extra else ()
        error = sqnorm(
            self.raw_at(head.role, head.held, x_t, t, (*given, *keep)) - self.path.target(self.predicts, x, e, t)
        )
        w: Any = 1 if head.weight == self.predicts else self.path.weight(t, head.weight, over=self.predicts)
        if "density" in extra:
            w = w / extra["density"]
        return error if isinstance(w, int) else w * error

    def coupled(self, x: Expr, given: tuple[Expr, ...] = ()) -> Expr:
        """The noise that a value is brought together with in training: its own."""
        return noise(like=x)

    def state(self, values: tuple[Expr, ...], whole: bool = False) -> Expr:
        """The values of the variables as one state; with ``whole`` as a vector."""
        if len(values) > 1:
            return joint(values, tuple(self.shapes.items()))
        return flat(values[0], self.shape) if whole else values[0]

    def guided(self, weight: Any, **options: Any) -> Model:
        """The same led away from what it says without its conditions, see :func:`probrl.generative.guidance.guided`."""
        from probrl.generative.guidance import guided

        return guided(self, weight, **options)

    def value(self, x: Expr, position: int) -> Expr:
        """A variable of a state."""
        return x if len(self.shapes) == 1 else part(x, position, tuple(self.shapes.items()))


def _shapes(variables: tuple[str, ...], given: Any) -> dict[str, tuple[int, ...]]:
    if given is None:
        if len(variables) > 1:
            raise ExpressionError(
                f"several variables ({', '.join(variables)}) need their shapes: event_shape={{'{variables[0]}': (n,), ...}}"
            )
        return {}
    if isinstance(given, Mapping):
        if set(given) != set(variables):
            raise ExpressionError(f"event_shape is for {', '.join(given)}, and declared are {', '.join(variables)}")
        return {v: shape_of(v, given[v]) for v in variables}
    if len(variables) > 1:
        raise ExpressionError(
            f"event_shape={given!r} is one shape, and declared are {', '.join(variables)}: give a dict"
        )
    return {variables[0]: shape_of(variables[0], given)}


def _read_off(variables: tuple[str, ...], network: nn.Module) -> dict[str, tuple[int, ...]]:
    shape = getattr(network, "event_shape", None)
    if shape is not None:
        return {variables[0]: tuple(shape)}
    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, _ConvNd))]
    if layers and isinstance(layers[-1], _ConvNd):
        raise ExpressionError(
            f"the network {type(network).__name__} ends in a convolution, so its values are no vectors, and their shape cannot be "
            "read off it: say it with event_shape=, as in event_shape=(3, 32, 32)"
        )
    return {variables[0]: (event_size(network),)}


def read_shapes(variables: tuple[str, ...], given: Any, network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The event shape of every variable: as stated, else read off the network."""
    return _shapes(variables, given) or _read_off(variables, network)
