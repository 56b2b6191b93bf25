"""Advantage-weighted regression, on-policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probrl.algorithms._declaration import Declaration
from probrl.algorithms._defaults import default_actor, default_critic, default_encoder
from probrl.algorithms._diagnostics import approx_kl, entropy_of, explained_variance
from probrl.algorithms._schedules import amount, annealed, counts
from probrl.expr.axes import Axis
from probrl.expr.operators import data_max, exp, mean, minimum, standardize, symbols
from probrl.graph.optimizers import Adam
from probrl.objectives import gae, td_error
from probrl.program import Fit, Minimize, Prepare, Program, Report


@dataclass(frozen=True)
class AWR:
    """Advantage-weighted regression: the policy imitates its own actions, weighted exponentially by advantage.

    Sources: Peng, Kumar, Zhang and Levine 2019, "Advantage-weighted regression: simple and scalable off-policy
    reinforcement learning", here on the latest rollout only.

    Args:
        num_envs: number of environments that run in parallel.
        num_steps: steps of each environment per rollout.
        learning_rate: initial learning rate of Adam.
        anneal_lr: whether the learning rate decays linearly to zero.
        gamma: discount factor.
        gae_lambda: lambda of the advantage estimates and of the returns that the critic is fitted to.
        num_minibatches: number of minibatches that a rollout is split into in each epoch.
        update_epochs: passes over each rollout.
        norm_adv: whether advantages are standardised within each minibatch, so that the temperature is in units of their
            standard deviation.
        temperature: beta; with a small one only the best actions are imitated.
        weight_clip: upper bound on the weights.
        ent_coef: weight of the entropy bonus.
        vf_coef: weight of the critic's squared error.
        max_grad_norm: bound on the global norm of the gradient.
        norm_obs: whether observations are standardised by the running mean and variance of all observations so far.
        norm_reward: whether rewards are divided by the running standard deviation of their discounted sum.
        shared_encoder: whether actor and critic share a network that encodes the observation.
        hidden: sizes of the hidden layers; image observations use three convolutions and a layer of 512 instead.
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
        beta, most = amount("beta", self.temperature), amount("w_max", self.weight_clip)

        advantage = gae(td_error(r, V(x), V(x_next), terminated, gamma), ended, gamma, lam)
        prepare = Prepare(A=advantage, R=advantage + V(x))
        A, R = prepare
        weight = minimum(exp((standardize(A) if self.norm_adv else A) / beta), most).named(
            "w", "weight of a row; a mean far above 1 says that few rows are imitated"
        )
        policy = (-weight * pi(x).log_prob(a)).named(
            "policy", "weighted negative log-likelihood; falls while the policy grows certain"
        )
        value = ((V(x) - R) ** 2).named("value", "squared error of the critic; rises with the returns, then falls")
        entropy = entropy_of(pi(x))
        terms = policy + self.vf_coef * value
        whole = mean(terms - self.ent_coef * entropy if counts(self.ent_coef) else terms)
        declared = Declaration(pi, V, whole, encoder=f)
        if loss is not None:
            declared = declared.with_loss(loss(declared))

        rule = Adam(annealed(self.learning_rate, self.anneal_lr), eps=1e-5)
        update = Minimize(declared.loss, wrt=declared.moving, optimizer=rule, max_grad_norm=self.max_grad_norm)
        diagnostics = Report(
            entropy=mean(entropy),
            approx_kl=approx_kl((pi(x).log_prob(a) - pi.behavior(x).log_prob(a)).named("log_ratio")),
            w_largest=(data_max(weight), "largest weight of a minibatch; at the bound, it is clipped"),
            explained_variance=explained_variance(R, V(x)),
        )
        rows = self.num_envs * self.num_steps // self.num_minibatches
        fit = Fit(update, diagnostics, epochs=self.update_epochs, minibatch=rows)
        return declared.with_program(Program(prepare, fit))
