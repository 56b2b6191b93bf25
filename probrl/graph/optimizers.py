"""Optimisers as arithmetic: each is its hyper-parameters and one rule from (parameter, gradient, state) to the new ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from probrl.expr.base import Expr

Tensors = Sequence[Tensor]


@dataclass(frozen=True)
class Optimizer:
    """Base of the optimisers; ``lr`` is a number or a formula of ``pr.progress``, ``pr.iteration`` and scalars.

    Their state has the names and layout of ``torch.optim``'s, so that a ``state_dict`` goes both ways.
    """

    lr: Any = 3e-4
    slots: ClassVar[tuple[str, ...]] = ()

    def rule(
        self, p: Tensors, g: Tensors, state: dict[str, Tensors], step: Tensor, lr: Any
    ) -> tuple[Tensors, dict[str, Tensors]]:
        """The new parameters and the new state; ``step`` counts from 1."""
        raise NotImplementedError

    def fused(
        self,
        p: Tensors,
        g: Tensors,
        state: dict[str, Tensors],
        step: Tensor,
        lr: Any,
        scale: Tensor | None,
        refused: Tensor,
    ) -> bool:
        """Updates in place by kernels over all parameters where torch has them; False where it has none.

        ``scale`` divides the gradients; nothing moves where ``refused`` is 1.
        """
        return False

    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters as ``torch.optim`` names them."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        found["lr"] = float(found["lr"]) if not isinstance(found["lr"], Expr) else 0.0
        return found


@dataclass(frozen=True)
class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p <- p - lr m_hat / (sqrt(v_hat) + eps).

    Weight decay is added to the gradient. Source: Kingma and Ba 2015, algorithm 1.

    Example:
        >>> import probrl as pr
        >>> x = pr.parameter("x", 1.0)
        >>> step = pr.Minimize(x**2, wrt=x, optimizer=pr.Adam(0.1 * (1 - pr.progress)))
        >>> print(step.text())
        minimize over x:  x²
        by Adam (betas 0.9 and 0.999, eps 1e-08, weight decay 0.0), at the rate (0.1 (1 - progress))
        where
                 x: parameter, from 1.0
          progress: fraction of training done
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    slots: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    decoupled: ClassVar[bool] = False

    def rule(
        self, p: Tensors, g: Tensors, state: dict[str, Tensors], step: Tensor, lr: Any
    ) -> tuple[Tensors, dict[str, Tensors]]:
        b1, b2 = self.betas
        if self.weight_decay and self.decoupled:
            p = [x * (1 - lr * self.weight_decay) for x in p]
        elif self.weight_decay:
            g = [d + self.weight_decay * x for d, x in zip(g, p, strict=True)]
        m = [b1 * old + (1 - b1) * d for old, d in zip(state["exp_avg"], g, strict=True)]
        v = [b2 * old + (1 - b2) * d * d for old, d in zip(state["exp_avg_sq"], g, strict=True)]
        size = lr / -torch.expm1(step * math.log(b1))  # 1 - b1^step, exact in float32 too
        shrink = (-torch.expm1(step * math.log(b2))).rsqrt()  # a product for each entry, where a quotient costs five
        new = [x - size * first / (second.sqrt() * shrink + self.eps) for x, first, second in zip(p, m, v, strict=True)]
        return new, {"exp_avg": m, "exp_avg_sq": v}

    def fused(
        self,
        p: Tensors,
        g: Tensors,
        state: dict[str, Tensors],
        step: Tensor,
        lr: Any,
        scale: Tensor | None,
        refused: Tensor,
    ) -> bool:
        kernel: Any = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        if any(x.dtype is not torch.float32 for x in p):  # the kernel's scale is of single precision
            return False
        # the kernel walks the memory: a gradient that autograd laid out otherwise (that of a transposed weight) is copied
        g = [d if d.stride() == x.stride() else torch.empty_like(x).copy_(d) for d, x in zip(g, p, strict=True)]
        kernel(
            p, g, state["exp_avg"], state["exp_avg_sq"], [], [step] * len(p), lr=lr, beta1=self.betas[0], beta2=self.betas[1],
            weight_decay=self.weight_decay, eps=self.eps, amsgrad=False, maximize=False, grad_scale=scale, found_inf=refused,
        )  # fmt: skip
        return True


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay applied to the parameters: p <- p (1 - lr weight_decay) first.

    Source: Loshchilov and Hutter 2019, algorithm 2.

    Example:
        >>> import probrl as pr
        >>> x = pr.parameter("x", 1.0)
        >>> step = pr.Minimize(x**2, wrt=x, optimizer=pr.AdamW(0.1, weight_decay=0.5)).compile(backend="eager")
        >>> metrics, value = step({}), x({})
        >>> f"{value:.4f}"  # 1 (1 - 0.1 * 0.5) - 0.1
        '0.8500'
    """

    weight_decay: float = 0.01
    decoupled: ClassVar[bool] = True


@dataclass(frozen=True)
class SGD(Optimizer):
    """b <- momentum b + g;  p <- p - lr b (with nesterov: g + momentum b).

    Example:
        >>> import probrl as pr
        >>> x = pr.parameter("x", 1.0)
        >>> step = pr.Minimize(x**2, wrt=x, optimizer=pr.SGD(0.1, momentum=0.9)).compile(backend="eager")
        >>> [f"{x({}):.3f}" for _ in range(3) if step({})]
        ['0.800', '0.460', '0.062']
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """One buffer when there is momentum."""
        return ("momentum_buffer",) if self.momentum else ()

    def rule(
        self, p: Tensors, g: Tensors, state: dict[str, Tensors], step: Tensor, lr: Any
    ) -> tuple[Tensors, dict[str, Tensors]]:
        if self.weight_decay:
            g = [d + self.weight_decay * x for d, x in zip(g, p, strict=True)]
        if not self.momentum:
            return [x - lr * d for x, d in zip(p, g, strict=True)], {}
        b = [self.momentum * old + d for old, d in zip(state["momentum_buffer"], g, strict=True)]
        way = [d + self.momentum * x for d, x in zip(g, b, strict=True)] if self.nesterov else b
        return [x - lr * d for x, d in zip(p, way, strict=True)], {"momentum_buffer": b}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """v <- alpha v + (1 - alpha) g^2;  p <- p - lr g / (sqrt(v) + eps), with momentum on the quotient when asked.

    Source: Tieleman and Hinton 2012, lecture 6.5.

    Example:
        >>> import probrl as pr
        >>> x, y = pr.parameter("x", 1.0), pr.parameter("y", 2.0)
        >>> step = pr.Minimize((x - y) ** 2, wrt={x: pr.RMSprop(1e-2), y: pr.SGD(0.1)})
        >>> print(step.text(legend=False))
        minimize over x, y:  (x - y)²
        by RMSprop for x (alpha 0.99, eps 1e-08, weight decay 0.0, momentum 0.0), at the rate 0.01
        by SGD for y (momentum 0.0, weight decay 0.0, nesterov False), at the rate 0.1
    """

    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """The square average, and a buffer when there is momentum."""
        return ("square_avg", "momentum_buffer") if self.momentum else ("square_avg",)

    def fused(
        self,
        p: Tensors,
        g: Tensors,
        state: dict[str, Tensors],
        step: Tensor,
        lr: Any,
        scale: Tensor | None,
        refused: Tensor,
    ) -> bool:
        if self.momentum or self.weight_decay or refused.device.type != "cpu":  # elsewhere looking at it would wait
            return False
        if bool(refused):
            return True
        v, gradients, size = list(state["square_avg"]), list(g), 1.0 if scale is None else float(scale)
        torch._foreach_mul_(v, self.alpha)
        torch._foreach_addcmul_(v, gradients, gradients, (1 - self.alpha) / size**2)
        root = list(torch._foreach_sqrt(v))
        torch._foreach_add_(root, self.eps)
        torch._foreach_addcdiv_(list(p), gradients, root, -float(lr) / size)
        return True

    def rule(
        self, p: Tensors, g: Tensors, state: dict[str, Tensors], step: Tensor, lr: Any
    ) -> tuple[Tensors, dict[str, Tensors]]:
        if self.weight_decay:
            g = [d + self.weight_decay * x for d, x in zip(g, p, strict=True)]
        v = [self.alpha * old + (1 - self.alpha) * d * d for old, d in zip(state["square_avg"], g, strict=True)]
        way: Tensors = [d / (x.sqrt() + self.eps) for d, x in zip(g, v, strict=True)]
        new: dict[str, Tensors] = {"square_avg": v}
        if self.momentum:
            way = new["momentum_buffer"] = [
                self.momentum * old + d for old, d in zip(state["momentum_buffer"], way, strict=True)
            ]
        return [x - lr * d for x, d in zip(p, way, strict=True)], new
