"""What each command does."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from probrl.cli.arguments import UsageError, flags_of, nearest_word, parse
from probrl.envs import listed
from probrl.errors import DataError
from probrl.training import Agent, Settings, load
from probrl.training.catalogue import algorithm_class, algorithm_names
from probrl.training.settings import whole_number


@dataclass(frozen=True)
class Train:
    """Learns in an environment and keeps equations, metrics and the agent in a run folder.

    Args:
        env_id: which Gymnasium environment.
        seed: of networks, actions, minibatches and environments.
        total_timesteps: steps of the environment, over all its copies.
        run: the folder; by default one under runs, named after environment, algorithm, seed and time.
        device: where it runs.
        backend: of the compiled update.
        progress: a progress bar; by default where standard error is a terminal.
        threads: how many torch computes with; by default one for small networks.
        eval_episodes: how many episodes are played at the end; 0 for none.
    """

    env_id: str = "CartPole-v1"
    seed: int = 1
    total_timesteps: int = 50_000
    run: str | None = None
    device: str = "cpu"
    backend: Literal["auto", "inductor", "eager"] = "auto"
    progress: bool | None = None
    threads: int | None = None
    eval_episodes: int = 20


@dataclass(frozen=True)
class Evaluate:
    """Plays whole episodes with what a run learned.

    Args:
        run: the folder of the run.
        episodes: how many.
        stochastic: draw actions instead of taking the likeliest.
        env_id: another environment than the one it learned in.
        seed: of the first resets.
    """

    run: Annotated[str, tyro.conf.Positional]
    episodes: int = 20
    stochastic: bool = False
    env_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Show:
    """Prints the equations that an algorithm trains.

    Args:
        format: LaTeX, text for a terminal, a picture, or the code of the update's graph.
        env_id: the environment that it is declared for.
        output: write to this file instead; a picture needs one.
    """

    format: Literal["latex", "text", "png", "code"] = "latex"
    env_id: str = "CartPole-v1"
    output: str | None = None


def train(words: list[str]) -> None:
    """``probrl train ALGORITHM --env-id ... --seed ... --total-timesteps ...``, and every hyper-parameter."""
    name, rest = _algorithm(words, "train")
    cls = algorithm_class(name)
    chosen: Any = parse(with_hyper(Train, flags_of(cls), name), rest, f"train {name}")
    whole_number("total-timesteps", chosen.total_timesteps)
    whole_number("eval-episodes", chosen.eval_episodes, least=0)
    run = (
        chosen.run or f"runs/{chosen.env_id.replace('/', '-')}__{name}__{chosen.seed}__{time.strftime('%Y%m%d-%H%M%S')}"
    )
    settings = Settings(chosen.seed, chosen.device, chosen.backend, run, chosen.progress, chosen.threads)
    agent = Agent(cls(**dataclasses.asdict(getattr(chosen, name))), chosen.env_id, settings)
    agent.keep_in(run)
    agent.learn(chosen.total_timesteps)  # it keeps itself in the run folder
    print(f"{agent.timesteps} steps, kept in {run}")
    if chosen.eval_episodes:
        print(agent.evaluate(episodes=chosen.eval_episodes))


def evaluate(words: list[str]) -> None:
    """``probrl eval RUN --episodes ...``."""
    chosen = parse(Evaluate, words, "eval")
    whole_number("episodes", chosen.episodes)
    agent = load(chosen.run)
    print(agent.evaluate(chosen.episodes, not chosen.stochastic, chosen.env_id, chosen.seed))


def show(words: list[str]) -> None:
    """``probrl show ALGORITHM --format latex|text|png|code``."""
    name, rest = _algorithm(words, "show")
    cls = algorithm_class(name)
    chosen = parse(Show, rest, f"show {name}")
    target = Path(chosen.output or f"{name}.png") if chosen.output or chosen.format == "png" else None
    if target is not None and target.exists():
        raise DataError(f"{str(target)!r} exists: name another file with --output")
    agent = Agent(cls(), chosen.env_id)
    if chosen.format == "png":
        agent.png(target)
    else:
        content = {"latex": agent.latex, "text": agent.text, "code": lambda: agent.code}[chosen.format]()
        if target is None:
            print(content)
            return
        target.write_text(content + "\n", encoding="utf-8")
    print(f"written to {target}")


def list_all(words: list[str]) -> None:
    """``probrl list``."""
    if words:
        raise UsageError("probrl list takes nothing more")
    print("algorithms")
    for name in algorithm_names():
        print(f"  {name:<12}{(algorithm_class(name).__doc__ or '').strip().splitlines()[0]}")
    print("environments (every Gymnasium id; native vector environments are the fastest)")
    for name in listed():
        print(f"  {name}")


def with_hyper(command: type[Any], hyper: type[Any], name: str) -> type[Any]:
    """The flags of a command and, below them, those of an algorithm."""
    field = (name, tyro.conf.OmitArgPrefixes[hyper], dataclasses.field(default_factory=hyper))  # type: ignore[misc, valid-type]
    both = dataclasses.make_dataclass(command.__name__, [field], bases=(command,), frozen=True)
    both.__doc__ = command.__doc__
    return both


def _algorithm(words: list[str], command: str) -> tuple[str, list[str]]:
    names = algorithm_names()
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        raise UsageError(f"say which algorithm, as in probrl {command} {names[0]}: known are {', '.join(names)}")
    if words[0] in ("-h", "--help"):
        return names[0], words
    return nearest_word("algorithm", words[0], names), words[1:]
