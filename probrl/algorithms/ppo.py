"""Proximal policy optimisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor, default_critic, encoder_of
from probrl.algorithms._diagnostics import approx_kl, clip_fraction, entropy_of, explained_variance
from probrl.algorithms._schedules import amount, annealed, counts
from probrl.expr.axes import Axis
from probrl.expr.operators import clip, exp, maximum, mean, standardize, symbols
from probrl.graph.optimizers import Adam
from probrl.objectives import clipped_surrogate, gae, td_error
from probrl.program import Fit, Minimize, Prepare, Program, Report


@dataclass(frozen=True)
class PPO:
    """Proximal policy optimisation with generalised advantages, clipping and minibatches.

    Sources: Schulman, Wolski, Dhariwal, Radford and Klimov 2017, "Proximal policy optimization algorithms"; Schulman,
    Moritz, Levine, Jordan and Abbeel 2016, "High-dimensional continuous control using generalized advantage estimation";
    Huang, Dossa, Raffin, Kanervisto and Wang 2022, "The 37 implementation details of proximal policy optimization".

    Rates, weights and bounds may be formulas, such as ``learning_rate=3e-4 * (1 - pr.progress)``.

    Args:
        num_envs: number of environments that run in parallel.
        num_steps: steps of each environment per rollout.
        learning_rate: initial learning rate of Adam.
        anneal_lr: whether the learning rate decays linearly to zero.
        gamma: discount factor.
        gae_lambda: lambda of the generalised advantage estimates.
        num_minibatches: number of minibatches that a rollout is split into in each epoch.
        update_epochs: passes over each rollout.
        norm_adv: whether advantages are standardised within each minibatch.
        clip_coef: epsilon, the clip range of the probability ratio around 1.
        anneal_clip: whether ``clip_coef`` decays linearly to zero.
        clip_vloss: whether the change of the critic's value is clipped as well.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the critic's squared error.
        max_grad_norm: bound on the global norm of the gradient.
        target_kl: approximate KL divergence at which updates stop until the next rollout, or None.
        norm_obs: whether observations are standardised by the running mean and variance of all observations so far.
        norm_reward: whether rewards are divided by the running standard deviation of their discounted sum.
        shared_encoder: whether actor and critic share a network that encodes the observation; in Python also that
            network itself, as a ``Deterministic("e | s", ..., rank=1)``.
        hidden: sizes of the hidden layers; image observations use three convolutions and a layer of 512 instead.
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
    norm_obs: bool = False
    norm_reward: bool = False
    shared_encoder: bool | object = False
    hidden: tuple[int, ...] = (64, 64)

    def declare(
        self, spaces: Any, actor: Any = None, critic: Any = None, loss: Callable[[Declaration], Any] | None = None
    ) -> Declaration:
        """The formulas for an agent that sees and does what ``spaces`` says.

        Args:
            spaces: what one environment shows and takes, see :class:`probrl.envs.Spaces`.
            actor: a distribution "a | s" in place of the default one ("a | e" of the encoder's value, if it is shared).
            critic: a distribution "v | s" (or "v | e") in place of the default one.
            loss: maps the declaration to the loss in place of its own.
        """
        f = encoder_of(self.shared_encoder, spaces, self.hidden)
        pi = actor if actor is not None else default_actor(spaces, self.hidden, encoder=f)
        V = critic if critic is not None else default_critic(spaces, self.hidden, encoder=f)
        time = Axis("time", mask="valid")
        s, a, r, s_next, terminated, ended = symbols("s a r s_next terminated ended", axes=time)
        x, x_next = (s, s_next) if f is None else (f(s), f(s_next))  # what actor and critic are handed
        gamma, lam = amount("gamma", self.gamma), amount("lambda", self.gae_lambda)
        eps = annealed(self.clip_coef, self.anneal_clip, "epsilon")

        advantage = gae(td_error(r, V(x), V(x_next), terminated, gamma), ended, gamma, lam)
        before = {"V_old": V(x)} if self.clip_vloss else {}
        prepare = Prepare(A=advantage, R=advantage + V(x), **before)
        A, R = prepare["A"], prepare["R"]
        log_ratio = (pi(x).log_prob(a) - pi.behavior(x).log_prob(a)).named(
            "log_ratio", "mean logarithm of the probability ratio; slightly below 0"
        )
        ratio = exp(log_ratio)
        policy = (-clipped_surrogate(ratio, standardize(A) if self.norm_adv else A, eps)).named(
            "policy", "negative clipped surrogate; stays near 0, its gradient, not its value, matters"
        )
        error = (V(x) - R) ** 2
        if self.clip_vloss:
            V_old = prepare["V_old"]
            error = maximum(error, (V_old + clip(V(x) - V_old, -eps, eps) - R) ** 2)
        value = (0.5 * error).named("value", "half the squared error of the critic; rises with the returns, then falls")
        entropy = entropy_of(pi(x))
        terms = policy + self.vf_coef * value
        whole = mean(terms - self.ent_coef * entropy if counts(self.ent_coef) else terms)
        declared = Declaration(pi, V, whole, encoder=f)
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        moved = approx_kl(log_ratio)
        rule = Adam(annealed(self.learning_rate, self.anneal_lr), eps=1e-5)
        update = Minimize(declared.loss, wrt=declared.moving, optimizer=rule, max_grad_norm=self.max_grad_norm)
        diagnostics = Report(
            entropy=mean(entropy),
            approx_kl=moved,
            clip_fraction=clip_fraction(ratio, eps),
            explained_variance=explained_variance(R, V(x)),
        )
        rows = self.num_envs * self.num_steps // self.num_minibatches
        stop = None if self.target_kl is None else moved[0] > self.target_kl
        return declared.with_program(
            Program(prepare, Fit(update, diagnostics, epochs=self.update_epochs, minibatch=rows, stop=stop))
        )
