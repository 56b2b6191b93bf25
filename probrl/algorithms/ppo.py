"""Proximal policy optimisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor, default_critic
from probrl.algorithms._diagnostics import approx_kl, clip_fraction, entropy_of, explained_variance
from probrl.expr.axes import Axis
from probrl.expr.operators import clip, constant, exp, maximum, mean, standardize, symbols
from probrl.expr.scalars import progress
from probrl.graph.optimizers import Adam
from probrl.objectives import clipped_surrogate, gae, td_error
from probrl.program import Fit, Minimize, Prepare, Program, Report


@dataclass(frozen=True)
class PPO:
    """Proximal policy optimisation with generalised advantages, clipping and minibatches.

    Sources: Schulman et al. 2017; the details of Huang et al. 2022, "The 37 implementation details of PPO".

    Args:
        num_envs: how many environments run side by side.
        num_steps: how many steps of each make one rollout.
        learning_rate: of Adam, at the start.
        anneal_lr: whether the learning rate falls linearly to zero.
        gamma: the discount.
        gae_lambda: the decay of the advantages.
        num_minibatches: how many parts a rollout is cut into in each epoch.
        update_epochs: how often a rollout is gone through.
        norm_adv: whether advantages are standardised in each minibatch.
        clip_coef: how far the ratio may leave 1.
        anneal_clip: whether ``clip_coef`` falls linearly to zero.
        clip_vloss: whether the critic's change is clipped like the ratio.
        ent_coef: the weight of the entropy.
        vf_coef: the weight of the critic's squared error.
        max_grad_norm: the bound on the gradient's global norm.
        target_kl: the approximate KL divergence beyond which a rollout is not used any further, or None.
        hidden: the sizes of the hidden layers.
    """

    num_envs: int = 8
    num_steps: int = 32
    learning_rate: float = 1e-3
    anneal_lr: bool = True
    gamma: float = 0.98
    gae_lambda: float = 0.8
    num_minibatches: int = 1
    update_epochs: int = 20
    norm_adv: bool = True
    clip_coef: float = 0.2
    anneal_clip: bool = True
    clip_vloss: bool = False
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    target_kl: float | None = None
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
        time = Axis("time", mask="valid")
        s, a, r, s_next, terminated, ended = symbols("s a r s_next terminated ended", axes=time)
        gamma, lam, eps = (
            constant("gamma", self.gamma),
            constant("lambda", self.gae_lambda),
            constant("epsilon", self.clip_coef),
        )
        if self.anneal_clip:
            eps = eps * (1 - progress)

        advantage = gae(td_error(r, V(s), V(s_next), terminated, gamma), ended, gamma, lam)
        prepare = Prepare(A=advantage, R=advantage + V(s), V_old=V(s))
        A, R, V_old = prepare
        log_ratio = (pi(s).log_prob(a) - pi.behavior(s).log_prob(a)).named(
            "log_ratio", "mean logarithm of the probability ratio; slightly below 0"
        )
        ratio = exp(log_ratio)
        policy = (-clipped_surrogate(ratio, standardize(A) if self.norm_adv else A, eps)).named(
            "policy", "negative clipped surrogate; stays near 0, its gradient, not its value, matters"
        )
        error = (V(s) - R) ** 2
        if self.clip_vloss:
            error = maximum(error, (V_old + clip(V(s) - V_old, -eps, eps) - R) ** 2)
        value = (0.5 * error).named("value", "half the squared error of the critic; rises with the returns, then falls")
        entropy = entropy_of(pi(s))
        terms = policy + self.vf_coef * value
        declared = Declaration(pi, V, mean(terms - self.ent_coef * entropy if self.ent_coef else terms))
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        moved = approx_kl(log_ratio)
        rate = self.learning_rate * (1 - progress) if self.anneal_lr else self.learning_rate
        update = Minimize(declared.loss, wrt=[pi, V], optimizer=Adam(rate, eps=1e-5), max_grad_norm=self.max_grad_norm)
        diagnostics = Report(
            entropy=mean(entropy),
            approx_kl=moved,
            clip_fraction=clip_fraction(ratio, eps),
            explained_variance=explained_variance(R, V(s)),
        )
        rows = self.num_envs * self.num_steps // self.num_minibatches
        stop = None if self.target_kl is None else moved[0] > self.target_kl
        return declared.with_program(
            Program(prepare, Fit(update, diagnostics, epochs=self.update_epochs, minibatch=rows, stop=stop))
        )
