"""Advantage actor-critic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor, default_critic, default_encoder
from probrl.algorithms._diagnostics import entropy_of, explained_variance
from probrl.algorithms._schedules import amount, annealed, counts
from probrl.expr.axes import Axis
from probrl.expr.operators import mean, standardize, stop_gradient, symbols
from probrl.graph.optimizers import RMSprop
from probrl.objectives import gae, td_error
from probrl.program import Minimize, Program, Report


@dataclass(frozen=True)
class A2C:
    """Advantage actor-critic: one optimiser step per short rollout.

    Sources: Mnih, Puigdomènech Badia, Mirza, Graves, Lillicrap, Harley, Silver and Kavukcuoglu 2016, "Asynchronous
    methods for deep reinforcement learning", without the asynchrony.

    Args:
        num_envs: number of environments that run in parallel.
        num_steps: steps of each environment per rollout.
        learning_rate: initial learning rate of RMSprop.
        anneal_lr: whether the learning rate decays linearly to zero.
        gamma: discount factor.
        gae_lambda: lambda of the advantage estimates; with 1 they are returns minus the value.
        norm_adv: whether advantages are standardised within each rollout.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the critic's squared error.
        max_grad_norm: bound on the global norm of the gradient.
        rms_prop_alpha: decay of RMSprop's running mean of squared gradients.
        rms_prop_eps: what RMSprop adds to the root of that mean.
        norm_obs: whether observations are standardised by the running mean and variance of all observations so far.
        norm_reward: whether rewards are divided by the running standard deviation of their discounted sum.
        shared_encoder: whether actor and critic share a network that encodes the observation.
        hidden: sizes of the hidden layers; image observations use three convolutions and a layer of 512 instead.
    """

    num_envs: int = 8
    num_steps: int = 5
    learning_rate: float = 7e-4
    anneal_lr: bool = False
    gamma: float = 0.99
    gae_lambda: float = 1.0
    norm_adv: bool = False
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    rms_prop_alpha: float = 0.99
    rms_prop_eps: float = 1e-5
    norm_obs: bool = False
    norm_reward: bool = False
    shared_encoder: bool = False
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
        f = default_encoder(spaces, self.hidden) if self.shared_encoder else None
        pi = actor if actor is not None else default_actor(spaces, self.hidden, encoder=f)
        V = critic if critic is not None else default_critic(spaces, self.hidden, encoder=f)
        s, a, r, s_next, terminated, ended = symbols("s a r s_next terminated ended", axes=Axis("time", mask="valid"))
        x, x_next = (s, s_next) if f is None else (f(s), f(s_next))  # what actor and critic are handed
        gamma, lam = amount("gamma", self.gamma), amount("lambda", self.gae_lambda)

        # a rollout is used once: its targets stand in the loss, held still, and all of it is one compiled update
        advantage = gae(td_error(r, V(x), V(x_next), terminated, gamma), ended, gamma, lam)
        A = stop_gradient(advantage)
        R = stop_gradient(advantage + V(x)).named("R", "lambda-return that the critic is fitted to; rises with returns")
        policy = (-pi(x).log_prob(a) * (standardize(A) if self.norm_adv else A)).named(
            "policy", "advantage-weighted negative log-likelihood; its gradient, not its value, matters"
        )
        value = ((V(x) - R) ** 2).named("value", "squared error of the critic; rises with the returns, then falls")
        entropy = entropy_of(pi(x))
        terms = policy + self.vf_coef * value
        whole = mean(terms - self.ent_coef * entropy if counts(self.ent_coef) else terms)
        declared = Declaration(pi, V, whole, encoder=f)
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        rate = annealed(self.learning_rate, self.anneal_lr)
        rule = RMSprop(rate, alpha=self.rms_prop_alpha, eps=self.rms_prop_eps)
        update = Minimize(declared.loss, wrt=declared.moving, optimizer=rule, max_grad_norm=self.max_grad_norm)
        diagnostics = Report(entropy=mean(entropy), explained_variance=explained_variance(R, V(x)))
        return declared.with_program(Program(update, diagnostics))
