"""Advantage-weighted regression, on-policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor, default_critic
from probrl.algorithms._diagnostics import approx_kl, entropy_of, explained_variance
from probrl.expr.axes import Axis
from probrl.expr.operators import constant, data_max, exp, mean, minimum, standardize, symbols
from probrl.expr.scalars import progress
from probrl.graph.optimizers import Adam
from probrl.objectives import gae, td_error
from probrl.program import Fit, Minimize, Prepare, Program, Report


@dataclass(frozen=True)
class AWR:
    """Advantage-weighted regression: a policy imitates its own actions, the better ones exponentially more.

    Sources: Peng, Kumar, Zhang and Levine 2019, "Advantage-weighted regression: simple and scalable off-policy
    reinforcement learning", here on the newest rollout alone.

    Args:
        num_envs: how many environments run side by side.
        num_steps: how many steps of each make one rollout.
        learning_rate: of Adam, at the start.
        anneal_lr: whether the learning rate falls linearly to zero.
        gamma: the discount.
        gae_lambda: the decay of the advantages, and of the lambda-returns that the critic is fitted to.
        num_minibatches: how many parts a rollout is cut into in each epoch.
        update_epochs: how often a rollout is gone through.
        norm_adv: whether advantages are standardised in each minibatch, so that the temperature is in their stds.
        temperature: beta, of the weights: small ones imitate the best actions alone.
        weight_clip: the bound on the weights.
        ent_coef: the weight of the entropy.
        vf_coef: the weight of the critic's squared error.
        max_grad_norm: the bound on the gradient's global norm.
        hidden: the sizes of the hidden layers.
    """

    num_envs: int = 8
    num_steps: int = 64
    learning_rate: float = 1e-3
    anneal_lr: bool = True
    gamma: float = 0.98
    gae_lambda: float = 0.95
    num_minibatches: int = 4
    update_epochs: int = 10
    norm_adv: bool = True
    temperature: float = 0.5
    weight_clip: float = 20.0
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)

    def declare(
        self, spaces: Any, actor: Any = None, critic: Any = None, loss: Callable[[Declaration], Any] | None = None
    ) -> Declaration:
        """The formulas for an agent that sees and does what ``spaces`` says.

        Args:
            spaces: ``spaces.observation.size``, and ``spaces.action.n`` (discrete) or ``spaces.action.dim``.
            actor: a distribution "a | s" in place of the default one.
            critic: a distribution "v | s" in place of the default one.
            loss: maps the declaration to the loss in place of its own.
        """
        pi = actor if actor is not None else default_actor(spaces, self.hidden)
        V = critic if critic is not None else default_critic(spaces, self.hidden)
        s, a, r, s_next, terminated, ended = symbols("s a r s_next terminated ended", axes=Axis("time", mask="valid"))
        gamma, lam = constant("gamma", self.gamma), constant("lambda", self.gae_lambda)
        beta, most = constant("beta", self.temperature), constant("w_max", self.weight_clip)

        advantage = gae(td_error(r, V(s), V(s_next), terminated, gamma), ended, gamma, lam)
        prepare = Prepare(A=advantage, R=advantage + V(s))
        A, R = prepare
        weight = minimum(exp((standardize(A) if self.norm_adv else A) / beta), most).named(
            "w", "weight of a row; a mean far above 1 says that few rows are imitated"
        )
        policy = (-weight * pi(s).log_prob(a)).named(
            "policy", "weighted negative log-likelihood; falls while the policy grows certain"
        )
        value = ((V(s) - R) ** 2).named("value", "squared error of the critic; rises with the returns, then falls")
        entropy = entropy_of(pi(s))
        terms = policy + self.vf_coef * value
        declared = Declaration(pi, V, mean(terms - self.ent_coef * entropy if self.ent_coef else terms))
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        rate = self.learning_rate * (1 - progress) if self.anneal_lr else self.learning_rate
        update = Minimize(declared.loss, wrt=[pi, V], optimizer=Adam(rate, eps=1e-5), max_grad_norm=self.max_grad_norm)
        diagnostics = Report(
            entropy=mean(entropy),
            approx_kl=approx_kl((pi(s).log_prob(a) - pi.behavior(s).log_prob(a)).named("log_ratio")),
            w_largest=(data_max(weight), "largest weight of a minibatch; at the bound, it is clipped"),
            explained_variance=explained_variance(R, V(s)),
        )
        rows = self.num_envs * self.num_steps // self.num_minibatches
        fit = Fit(update, diagnostics, epochs=self.update_epochs, minibatch=rows)
        return declared.with_program(Program(prepare, fit))
