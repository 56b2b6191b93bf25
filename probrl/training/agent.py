"""The one agent: a declaration of formulas, joined with environments, a trainer and a place on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from probrl.envs import Discrete, Environments, EnvLike, EpisodeLog, Spaces, make, of_copies, repeatable
from probrl.errors import EnvironmentError
from probrl.training.acting import chooser, sampler
from probrl.training.catalogue import check_hyper_parameters, own_parts
from probrl.training.declared import Declared
from probrl.training.evaluation import Evaluation, play, summarise
from probrl.training.fitting import check_actor, check_by_trying
from probrl.training.kept import fill
from probrl.training.normalization import Normalization
from probrl.training.observing import one_or_many, to_tensors
from probrl.training.rest import at_rest
from probrl.training.settings import Settings, computing_with, whole_number
from probrl.training.stored import Stored

if TYPE_CHECKING:
    from probrl.training.callbacks import Callback
    from probrl.training.on_policy import OnPolicyTrainer

PARTS = ("actor", "critic", "loss")  # what a user may hand over in place of what is declared
EVALUATION_SEED = 1_000_003  # added to the agent's own: episodes that it has not learned from


class Agent(Declared, Stored):
    """Acts, learns, prints what it learns by, and is saved. Made by ``pr.PPO(env, ...)`` and by ``pr.load(path)``.

    Args:
        algorithm: the declaration: a frozen dataclass of hyper-parameters with ``declare(spaces, **parts)``.
        env: an id, a callable, an environment or a vector environment; None with ``spaces`` only predicts.
        settings: seed, device, backend, run folder, progress bar.
        spaces: what it sees and does; None reads them from the environment.
        parts: the user's own ``actor``, ``critic`` or ``loss`` in place of the declared ones.

    Attributes:
        normalization: what is done to observations and rewards before it looks at them.
        metrics, folder, timesteps, iteration: what it has done so far, see :class:`probrl.training.stored.Stored`.

    Example:
        >>> import probrl as pr
        >>> agent = pr.A2C("CartPole-v1", num_envs=2, seed=1, progress=False).learn(20)
        >>> agent.timesteps
        20
    """

    def __init__(
        self,
        algorithm: Any,
        env: EnvLike | None,
        settings: Settings | None = None,
        spaces: Spaces | None = None,
        parts: dict[str, Any] | None = None,
    ) -> None:
        Stored.__init__(self)
        self.algorithm, self.env, self.settings = algorithm, env, settings or Settings()
        check_hyper_parameters(algorithm)
        self.parts = own_parts(parts or {})
        self._environments: Environments | None = None
        self.spaces: Spaces = spaces or self.environments.spaces
        # the networks' first weights come from the seed; the user's own random stream is left as it was
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            self.declaration = algorithm.declare(self.spaces, **self.parts)
        check_actor(self.actor, self.spaces)
        for network in self.networks().values():
            network.to(self.settings.device)
        self.normalization = Normalization(algorithm, self.spaces.observation)
        self._update: Any = None
        self._backend: str | None = None  # that a checkpoint was made with
        self._trainer: OnPolicyTrainer | None = None
        self._generator = torch.Generator(self.settings.device).manual_seed(self.settings.seed)
        self._choose: Callable[..., Any] | None = None
        self._sample: Callable[..., Any] | None = None
        if {"actor", "critic"} & set(self.parts):
            check_by_trying(self)

    # --- what it is --------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        name, env = type(self.algorithm).__name__, self.env_name or "spaces only"
        return f"{name}({env!r}, seed={self.settings.seed}, timesteps={self.timesteps})"

    @property
    def env_name(self) -> str | None:
        """What the environment is called, or None without one."""
        if isinstance(self.env, str):
            return self.env
        return self._environments.name if self._environments is not None else None

    @property
    def environments(self) -> Environments:
        """The environments of the agent, created on first use, since predicting needs no simulator."""
        if self._environments is None:
            if self.env is None:
                raise EnvironmentError(
                    "this agent has no environment: hand one over, as in pr.PPO('CartPole-v1') or pr.load(path, env=...)"
                )
            copies = self.algorithm.num_envs if repeatable(self.env) else None
            self._environments = make(self.env, copies, **self.settings.making)
        return self._environments

    @property
    def update(self) -> Any:
        """The compiled program: ``update(batch)`` runs it once on a batch and returns metrics."""
        if self._update is None:
            self.compile(None)
        return self._update

    def compile(self, updates: int | None) -> None:
        """Compiles the program; later calls do nothing.

        Args:
            updates: how many are planned, which decides whether ``backend="auto"`` compiles; None if nobody knows.
        """
        if self._update is not None:
            return
        backend = self._backend or self.settings.backend  # what "auto" chose for a run is not decided again
        self._update = self.program.compile(backend=backend, seed=self.settings.seed, updates=updates)
        if self.kept.get("update"):
            fill(self._update, self.kept.pop("update"))

    @property
    def backend(self) -> str | None:
        """The backend that runs the update; None until it is chosen."""
        return self._backend if self._update is None else getattr(self._update, "backend", None)

    @property
    def threads(self) -> int:
        """Number of torch threads for this agent, see :class:`Settings`."""
        parameters = (p for network in self.networks().values() for p in network.parameters())
        weights = sum(p.numel() for p in parameters if not isinstance(p, torch.nn.UninitializedParameter))
        return self.settings.threads_for(weights)

    def networks(self) -> dict[str, torch.nn.Module]:
        """The modules that make up the agent, by name: actor, critic, and those that a loss of the user's own adds."""
        named = {name: getattr(self.declaration, name, None) for name in ("encoder", "actor", "critic")}
        found = {name: module for name, module in named.items() if isinstance(module, torch.nn.Module)}
        known = {id(p) for module in found.values() for p in module.parameters()}
        for i, network in enumerate(getattr(self.program, "networks", ())):
            module = network.module
            if isinstance(module, torch.nn.Module) and any(id(p) not in known for p in module.parameters()):
                found[f"network{i}"] = module
        return found

    # --- what it does ------------------------------------------------------------------------------------------
    def learn(self, total_timesteps: int, callback: Callback | Iterable[Callback] | None = None) -> Agent:
        """Trains for some more environment steps; call it again to continue.

        Args:
            total_timesteps: steps of the environment, over all its copies; rounded up to whole rollouts.
            callback: called after every update with the trainer, or several of them; returning False ends the learning.
                :mod:`probrl.training.callbacks` has those for evaluations, thresholds and checkpoints.

        Errors:
            DataError for a number that is not a positive whole one; NonFiniteError naming the term and the step.
        """
        from probrl.training.on_policy import OnPolicyTrainer

        total_timesteps = whole_number("total_timesteps", total_timesteps)
        if self._trainer is None:
            self._trainer = OnPolicyTrainer(self.env, self)
        self._trainer.learn(total_timesteps, callback)
        return self

    def predict(self, observation: Any, deterministic: bool = True) -> Any:
        """The action for one observation, or the actions for many, with networks in eval mode.

        Args:
            observation: an array or tensor of the observation's shape, or of ``(n, *shape)``; of a dict space, a dict.
            deterministic: the likeliest action; False draws one.

        Returns:
            An action as the environment takes it; an array of them, ``(n, ...)``, for many observations.

        Errors:
            DataError for an observation of another shape.
        """
        arrays, one = one_or_many(self.spaces.observation, observation)
        seen = to_tensors(self.spaces.observation, arrays, self.settings.device)
        with torch.no_grad(), at_rest(*self.networks().values()):
            actions = self.chooser()(seen) if deterministic else self.sampler()(seen)[0]
        executable = self.spaces.action.executable(actions.cpu().numpy())
        if not one:
            return executable
        return int(executable[0]) if isinstance(self.spaces.action, Discrete) else np.asarray(executable[0])

    def evaluate(
        self, episodes: int = 20, deterministic: bool = True, env: EnvLike | None = None, seed: int | None = None
    ) -> Evaluation:
        """Plays whole episodes without training on them.

        Args:
            episodes: how many.
            deterministic: the likeliest action; False draws them.
            env: another environment than the one it was made with.
            seed: of the first resets; None derives one from the agent's, other than those it learned from.

        Example:
            ``agent.evaluate(episodes=20).mean``
        """
        episodes = whole_number("episodes", episodes)
        source = self.env if env is None else env
        if source is None:
            raise EnvironmentError("this agent has no environment: hand one over, as in evaluate(env='CartPole-v1')")
        own = source is self.env and not repeatable(source)
        environments = self.environments if own else self._other_environments(source, episodes)
        if environments.spaces != self.spaces:
            raise EnvironmentError(f"{environments.name} has other spaces than the agent: {environments.spaces}")
        choose = self.chooser() if deterministic else lambda seen: self.sampler()(seen)[0]
        seed = whole_number("seed", self.settings.seed + EVALUATION_SEED if seed is None else seed, least=0)
        learned_from, environments.episodes = environments.episodes, EpisodeLog(environments.num_envs)
        try:
            with computing_with(self.threads), at_rest(*self.networks().values()):
                returns, lengths = play(environments, choose, episodes, seed, self.settings.device)
        finally:
            environments.episodes = learned_from
            if repeatable(source):
                environments.close()
        return summarise(returns, lengths, deterministic)

    def _other_environments(self, source: EnvLike, episodes: int) -> Environments:
        """Environments for an evaluation: made like those that it learns in, if they are the same."""
        how = self.making(source)
        # no more processes than it learns with
        copies = min(episodes, self.algorithm.num_envs if how["vectorization"] == "async" else 32)
        return make(source, copies if repeatable(source) else None, **how)

    def making(self, source: EnvLike) -> dict[str, Any]:
        """How copies of an environment are made for this agent: what :func:`probrl.envs.make` is handed besides."""
        settings = self.settings
        if source is self.env or source == self.env:
            return settings.making
        vectorization = settings.vectorization if repeatable(source) and settings.vectorization != "native" else "auto"
        return {"vectorization": vectorization, "wrappers": settings.wrappers if of_copies(source) else ()}

    def close(self) -> None:
        """Closes the environments that the agent created and ends their processes; further training creates new ones.

        An environment that was handed over as an instance is left to whoever made it.
        """
        if self.collector is not None:
            self.kept["collector"], self.collector = self.collector.state(), None
        environments, self._environments, self._trainer = self._environments, None, None
        if environments is not None and self.env is not None and repeatable(self.env):
            environments.close()

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def sampler(self) -> Callable[..., Any]:
        """One call per step: observations to actions and their log-probabilities."""
        if self._sample is None:
            self._sample = sampler(self.actor, self._generator, self.encoder, self.normalization.observe)
        return self._sample

    def chooser(self) -> Callable[..., Any]:
        """One call per step: observations to the likeliest actions."""
        if self._choose is None:
            self._choose = chooser(self.actor, self.encoder, self.normalization.observe)
        return self._choose
