"""Several distributions of one make with stacked parameters: called at once, along an index axis."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from probrl.errors import ExpressionError
from probrl.expr.axes import index_axis
from probrl.networks.mlp import MLP


class Stacked(nn.Module):
    """Networks of one make as one module that owns their parameters, stacked along a new first dimension.

    A sequence of linear and pointwise layers runs as batched matrix products, any other module under
    ``torch.vmap``. A single input serves all members.

    Args:
        members: the networks; their values are taken over.

    Shapes:
        Inputs ``(rows, ...)`` give ``(members, rows, ...)``.
    """

    def __init__(self, members: list[nn.Module]):
        super().__init__()
        skeleton = deepcopy(members[0])
        self.count = len(members)
        self.names: dict[str, str] = {}
        for kind in ("named_parameters", "named_buffers"):
            each = [dict(getattr(m, kind)()) for m in members]
            if any(e.keys() != each[0].keys() or any(e[k].shape != each[0][k].shape for k in e) for e in each):
                raise ExpressionError(
                    "the members of an ensemble have the same layers: let the factory make the same network every time"
                )
            for name in each[0]:
                stacked = torch.stack([e[name].detach() for e in each])
                own = self.names[name] = name.replace(".", "_")
                if kind == "named_parameters":
                    self.register_parameter(own, nn.Parameter(stacked, requires_grad=each[0][name].requires_grad))
                else:
                    self.register_buffer(own, stacked)
        self.__dict__["_skeleton"] = (skeleton,)  # in a tuple: its own parameters are not the ensemble's
        self.layers = _layers(skeleton)

    @property
    def skeleton(self) -> nn.Module:
        """One member's modules, with values of no meaning."""
        return self.__dict__["_skeleton"][0]

    @property
    def out_features(self) -> int | None:
        """The size of a member's output, where its last linear layer says it."""
        sizes = [m.out_features for m in self.skeleton.modules() if isinstance(m, nn.Linear)]
        return sizes[-1] if sizes else None

    def stacked(self) -> dict[str, Tensor]:
        """The stacked parameters and buffers, by their names in a member."""
        return {name: getattr(self, own) for name, own in self.names.items()}

    def forward(self, *inputs: Tensor) -> Any:
        if self.layers is None:
            values = self.stacked()

            def call(one: dict[str, Tensor]) -> Any:
                return functional_call(self.skeleton, one, inputs)

            return torch.vmap(call, randomness="different")(values)
        skeleton = self.skeleton
        if isinstance(skeleton, MLP) and (len(inputs) > 1 or inputs[0].dim() == 1):
            x = skeleton._join(inputs)
        else:
            (x,) = inputs
        rows = x.shape[:-1]
        x = x.reshape(-1, x.shape[-1]).expand(self.count, -1, -1)
        for layer in self.layers:
            if isinstance(layer, tuple):
                weight, bias = getattr(self, layer[0]), getattr(self, layer[1]) if layer[1] else None
                x = torch.bmm(x, weight.mT) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
            else:
                x = layer(x)
        return x.reshape(self.count, *rows, x.shape[-1])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Member:
        """One member: a view of the stacked parameters, not a copy."""
        return Member(self, index)

    def extra_repr(self) -> str:
        return f"{self.count} x {type(self.skeleton).__name__}"


class Member(nn.Module):
    """One network of an ensemble, as a view: it owns nothing, and moves when the ensemble does."""

    def __init__(self, ensemble: Stacked, index: int):
        super().__init__()
        if not -ensemble.count <= index < ensemble.count:
            raise IndexError(f"the ensemble has {ensemble.count} members, and no member {index}")
        self.__dict__["_ensemble"] = (ensemble,)
        self.index = index

    def tensors(self) -> dict[str, Tensor]:
        """The member's parameters and buffers, views of the ensemble's."""
        ensemble: Stacked = self.__dict__["_ensemble"][0]
        return {name: value[self.index] for name, value in ensemble.stacked().items()}

    def forward(self, *inputs: Tensor) -> Any:
        ensemble: Stacked = self.__dict__["_ensemble"][0]
        return functional_call(ensemble.skeleton, self.tensors(), inputs)


POINTWISE = (
    nn.Tanh, nn.ReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Softplus, nn.LeakyReLU, nn.Mish, nn.Identity, nn.SELU,
    nn.CELU, nn.Hardtanh, nn.ReLU6, nn.Softsign, nn.LogSigmoid, nn.Hardswish,
)  # fmt: skip


def _layers(skeleton: nn.Module) -> list[Any] | None:
    """The layers of a plain sequence, linear ones as the names of their parameters; None for any other module."""
    if type(skeleton) not in (nn.Sequential, MLP):
        return None
    found: list[Any] = []
    for name, layer in skeleton.named_children():
        if type(layer) is nn.Linear:
            found.append((f"{name}_weight", f"{name}_bias" if layer.bias is not None else None))
        elif isinstance(layer, POINTWISE):
            found.append(layer)
        else:
            return None
    return found if any(isinstance(f, tuple) for f in found) else None


def ensemble(
    count: int,
    family: Callable[..., Any],
    declaration: str,
    factory: Callable[[], nn.Module],
    *,
    axis: str = "i",
    **options: Any,
) -> Any:
    r"""Several distributions of the same kind, evaluated together along an index axis.

    .. math:: Q_i(s, a), \quad i = 1, \dots, n

    Args:
        count: how many members.
        family: the distribution, such as ``pr.Deterministic``.
        declaration: of each member, such as ``"q | s, a"``.
        factory: makes one member's network.
        axis: the name of the members' axis.
        options: of the family, such as ``name``.

    Shapes:
        ``(i, batch, ...)``; the parameters are stacked, ``(i, ...)``, and are the ensemble's own.

    Errors:
        ExpressionError when the members differ or there is none.

    Example:
        >>> import probrl as pr
        >>> Q = pr.ensemble(2, pr.Deterministic, "q | s, a", lambda: pr.mlp(4, 64, 1), name="Q")
        >>> s, a = pr.symbols("s a")
        >>> lowest = Q(s, a).min("i")
    """
    if not isinstance(count, int) or count < 1:
        raise ExpressionError(f"pr.ensemble({count!r}, ...): the number of members is a positive integer")
    members = [factory() for _ in range(count)]
    wrong = next((m for m in members if not isinstance(m, nn.Module)), None)
    if wrong is not None:
        raise ExpressionError(
            f"pr.ensemble's factory makes torch modules, and made a {type(wrong).__name__}: write lambda: "
            "pr.mlp(4, 64, 1)"
        )
    if len({id(p) for m in members for p in m.parameters()}) != sum(len(list(m.parameters())) for m in members):
        raise ExpressionError(
            "pr.ensemble's factory returned the same network twice: make a new one at every call, lambda: "
            "pr.mlp(4, 64, 1)"
        )
    conditions = declaration.partition("|")[2].count(",") + 1
    from probrl.distributions.outputs import adopt

    return family(declaration, Stacked([adopt(m, conditions) for m in members]), lead=(index_axis(axis),), **options)
