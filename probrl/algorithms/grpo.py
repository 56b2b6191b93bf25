"""Group relative policy optimisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor
from probrl.algorithms._diagnostics import approx_kl, clip_fraction, entropy_of
from probrl.algorithms._schedules import amount, annealed, counts
from probrl.errors import DataError
from probrl.expr.axes import Axis
from probrl.expr.operators import exp, mean, symbols
from probrl.graph.optimizers import Adam
from probrl.objectives import clipped_surrogate, group_advantage, reward_to_go
from probrl.program import Every, Fit, Minimize, Prepare, Program, Report, Snapshot


@dataclass(frozen=True)
class GRPO:
    """Group relative policy optimisation: comparison within a group takes the place of a critic.

    A group consists of the rows of all environments at the same step of the rollout. They have equally many steps ahead
    of them, so that their rewards-to-go can be compared; rewards after the rollout, or after a time limit, are not
    counted. A KL penalty keeps the policy close to a reference policy, which is renewed every few rollouts.

    Sources: Shao, Wang, Zhu, Xu, Song, Bi, Zhang, Zhang, Li, Wu and Guo 2024, "DeepSeekMath: pushing the limits of
    mathematical reasoning in open language models"; Schulman 2020, "Approximating KL divergence".

    Args:
        num_envs: number of environments that run in parallel, which is the size of a group.
        num_steps: steps of each environment per rollout, which is how far rewards are summed.
        learning_rate: initial learning rate of Adam.
        anneal_lr: whether the learning rate decays linearly to zero.
        gamma: discount factor.
        num_minibatches: number of minibatches that a rollout is split into in each epoch.
        update_epochs: passes over each rollout.
        clip_coef: epsilon, the clip range of the probability ratio around 1.
        anneal_clip: whether ``clip_coef`` decays linearly to zero.
        kl_coef: beta, weight of the KL divergence from the reference policy.
        reference_interval: rollouts after which the reference is set to the current policy; None keeps the initial one.
        ent_coef: weight of the entropy bonus.
        max_grad_norm: bound on the global norm of the gradient.
        target_kl: approximate KL divergence at which updates stop until the next rollout, or None.
        norm_obs: whether observations are standardised by the running mean and variance of all observations so far.
        hidden: sizes of the hidden layers; image observations use three convolutions and a layer of 512 instead.
    """

    num_envs: int = 16
    num_steps: int = 64
    learning_rate: float = 1e-3
    anneal_lr: bool = True
    gamma: float = 0.98
    num_minibatches: int = 4
    update_epochs: int = 10
    clip_coef: float = 0.2
    anneal_clip: bool = False
    kl_coef: float = 0.04
    reference_interval: int | None = 10
    ent_coef: float = 0.0
    max_grad_norm: float = 0.5
    target_kl: float | None = None
    norm_obs: bool = False
    hidden: tuple[int, ...] = (64, 64)

    def declare(
        self, spaces: Any, actor: Any = None, critic: Any = None, loss: Callable[[Declaration], Any] | None = None
    ) -> Declaration:
        """The formulas for an agent that sees and does what ``spaces`` says.

        Args:
            spaces: what one environment shows and takes, see :class:`probrl.envs.Spaces`.
            actor: a distribution "a | s" in place of the default one.
            critic: there is none.
            loss: maps the declaration to the loss in place of its own.

        Errors:
            DataError for a critic, and for a single environment.
        """
        if critic is not None:
            raise DataError("GRPO has no critic, its groups take the place of one: leave critic= out, or take pr.PPO")
        if self.num_envs < 2:
            raise DataError("GRPO compares environments with each other, and there is one: write num_envs=16, say")
        pi = actor if actor is not None else default_actor(spaces, self.hidden)
        s, a, r, ended = symbols("s a r ended", axes=Axis("time", mask="valid"))
        gamma, beta = amount("gamma", self.gamma), amount("beta", self.kl_coef)
        eps = annealed(self.clip_coef, self.anneal_clip, "epsilon")

        prepare = Prepare(A=group_advantage(reward_to_go(r, ended, gamma)))
        A = prepare["A"]
        log_ratio = (pi(s).log_prob(a) - pi.behavior(s).log_prob(a)).named(
            "log_ratio", "mean logarithm of the probability ratio; slightly below 0"
        )
        ratio = exp(log_ratio)
        policy = (-clipped_surrogate(ratio, A, eps)).named(
            "policy", "negative clipped surrogate; stays near 0, its gradient, not its value, matters"
        )
        reference = pi.reference if self.reference_interval is None else pi.old
        away = (reference(s).log_prob(a) - pi(s).log_prob(a)).named(
            "log_reference_ratio", "mean logarithm of the reference's probability over the policy's; near 0"
        )
        kl = (exp(away) - away - 1).named(
            "kl", "estimate of the KL divergence from the reference; grows between its moves"
        )
        entropy = entropy_of(pi(s))
        terms = policy + beta * kl
        declared = Declaration(pi, None, mean(terms - self.ent_coef * entropy if counts(self.ent_coef) else terms))
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        rule = Adam(annealed(self.learning_rate, self.anneal_lr), eps=1e-5)
        update = Minimize(declared.loss, wrt=declared.moving, optimizer=rule, max_grad_norm=self.max_grad_norm)
        moved = approx_kl(log_ratio)
        diagnostics = Report(entropy=mean(entropy), approx_kl=moved, clip_fraction=clip_fraction(ratio, eps))
        rows = self.num_envs * self.num_steps // self.num_minibatches
        stop = None if self.target_kl is None else moved[0] > self.target_kl
        fit = Fit(update, diagnostics, epochs=self.update_epochs, minibatch=rows, stop=stop)
        renew = [] if self.reference_interval is None else [Every(self.reference_interval, Snapshot(pi.old))]
        return declared.with_program(Program(prepare, fit, *renew))
